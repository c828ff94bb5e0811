//! Values that cross the seam: digests and authentication tags.

use std::fmt;

use subtle::ConstantTimeEq;

use crate::algorithm::DigestAlgorithm;

/// A digest together with its algorithm.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DigestValue {
    algorithm: DigestAlgorithm,
    bytes: Vec<u8>,
}

impl DigestValue {
    /// A digest from its octets; `None` if their number is not that of the algorithm.
    #[must_use]
    pub fn new(algorithm: DigestAlgorithm, bytes: &[u8]) -> Option<Self> {
        (bytes.len() == algorithm.output_len()).then(|| Self { algorithm, bytes: bytes.to_vec() })
    }

    /// An MD5 digest.
    #[must_use]
    pub fn md5(bytes: [u8; 16]) -> Self {
        Self { algorithm: DigestAlgorithm::Md5, bytes: bytes.to_vec() }
    }

    /// A SHA-224 digest.
    #[must_use]
    pub fn sha224(bytes: [u8; 28]) -> Self {
        Self { algorithm: DigestAlgorithm::Sha224, bytes: bytes.to_vec() }
    }

    /// A SHA-1 digest.
    #[must_use]
    pub fn sha1(bytes: [u8; 20]) -> Self {
        Self { algorithm: DigestAlgorithm::Sha1, bytes: bytes.to_vec() }
    }

    /// A SHA-256 digest.
    #[must_use]
    pub fn sha256(bytes: [u8; 32]) -> Self {
        Self { algorithm: DigestAlgorithm::Sha256, bytes: bytes.to_vec() }
    }

    /// A SHA-384 digest.
    #[must_use]
    pub fn sha384(bytes: [u8; 48]) -> Self {
        Self { algorithm: DigestAlgorithm::Sha384, bytes: bytes.to_vec() }
    }

    /// A SHA-512 digest.
    #[must_use]
    pub fn sha512(bytes: [u8; 64]) -> Self {
        Self { algorithm: DigestAlgorithm::Sha512, bytes: bytes.to_vec() }
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> DigestAlgorithm {
        self.algorithm
    }

    /// The octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether `other` holds the same octets, in a time that does not depend on where they differ.
    #[must_use]
    pub fn ct_eq(&self, other: &[u8]) -> bool {
        self.bytes.as_slice().ct_eq(other).into()
    }
}

impl fmt::Debug for DigestValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.algorithm)?;
        self.bytes.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// The authentication tag of an encryption; empty for CBC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag(Option<[u8; 16]>);

impl Tag {
    /// The tag of a cipher that makes none.
    pub const EMPTY: Self = Self(None);

    /// The octets, 16 or none.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |tag| tag)
    }
}

impl From<[u8; 16]> for Tag {
    fn from(tag: [u8; 16]) -> Self {
        Self(Some(tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_values_have_the_length_of_their_algorithm() {
        for algorithm in DigestAlgorithm::ALL {
            let bytes = vec![7; algorithm.output_len()];
            let value = DigestValue::new(algorithm, &bytes).unwrap();
            assert_eq!((value.algorithm(), value.as_bytes()), (algorithm, &bytes[..]));
            assert_eq!(DigestValue::new(algorithm, &bytes[1..]), None);
        }
        assert_eq!(format!("{:?}", DigestValue::sha1([0xab; 20])), format!("sha-1:{}", "ab".repeat(20)));
        assert_eq!(DigestValue::sha384([1; 48]).algorithm(), DigestAlgorithm::Sha384);
        assert_eq!(DigestValue::sha512([1; 64]).algorithm(), DigestAlgorithm::Sha512);
    }

    #[test]
    fn digest_comparison_needs_every_octet() {
        let value = DigestValue::sha256([3; 32]);
        assert!(value.ct_eq(&[3; 32]));
        for other in [&[3; 31][..], &[3; 33], &[], &[2; 32]] {
            assert!(!value.ct_eq(other));
        }
    }

    #[test]
    fn tags_are_empty_or_of_sixteen_octets() {
        assert_eq!(Tag::EMPTY.as_bytes(), b"");
        assert_eq!(Tag::from([9; 16]).as_bytes(), [9; 16]);
    }
}
