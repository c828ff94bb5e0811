//! RSAES-OAEP (RFC 8017 section 7.1).
//!
//! Encrypting is left to the `rsa` crate. Its decryption (0.10.0) does not look at the first octet, which must be zero,
//! so the padding is undone here.

use ::rsa::hazmat::rsa_decrypt_and_check;
use ::rsa::traits::PublicKeyParts;
use ::rsa::{BoxedUint, Oaep, PrivateKey, PublicKey};
use sha1::Sha1;
use sha2::digest::DynDigest;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::RngAdapter;
use crate::algorithm::DigestAlgorithm;
use crate::crypto::{OaepParameters, SecretBytes};

/// Encrypts with one digest in both places and no label; `None` for a digest that OAEP has not.
pub(super) fn encrypt(
    key: &PublicKey,
    digest: DigestAlgorithm,
    random: &mut RngAdapter<'_>,
    content: &[u8],
) -> Option<::rsa::Result<Vec<u8>>> {
    Some(match digest {
        DigestAlgorithm::Sha1 => key.encrypt(random, Oaep::<Sha1>::new(), content),
        DigestAlgorithm::Sha224 => key.encrypt(random, Oaep::<Sha224>::new(), content),
        DigestAlgorithm::Sha256 => key.encrypt(random, Oaep::<Sha256>::new(), content),
        DigestAlgorithm::Sha384 => key.encrypt(random, Oaep::<Sha384>::new(), content),
        DigestAlgorithm::Sha512 => key.encrypt(random, Oaep::<Sha512>::new(), content),
        DigestAlgorithm::Md5 => return None,
    })
}

/// Why nothing was decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A digest that OAEP has not.
    Unsupported,
    /// No random octets to blind the private operation with.
    Random,
    /// The ciphertext is not one: whatever the reason.
    Rejected,
}

/// Decrypts; random octets blind the private operation.
pub(super) fn decrypt(
    key: &PrivateKey,
    digest: DigestAlgorithm,
    parameters: &OaepParameters,
    random: &mut RngAdapter<'_>,
    ciphertext: &[u8],
) -> Result<SecretBytes, Refusal> {
    let (hash, mask) = (hasher(digest), hasher(parameters.mask_digest));
    let (Some(hash), Some(mask)) = (hash, mask) else { return Err(Refusal::Unsupported) };
    let value = BoxedUint::from_be_slice(ciphertext, key.n_bits_precision()).map_err(|_| Refusal::Rejected)?;
    if ciphertext.len() != key.size() || value >= *key.n().as_ref() {
        return Err(Refusal::Rejected);
    }
    let encoded = rsa_decrypt_and_check(key, Some(random), &value).map_err(|error| match error {
        ::rsa::Error::Rng => Refusal::Random,
        _ => Refusal::Rejected,
    })?;
    let encoded = Zeroizing::new(encoded.to_be_bytes().into_vec());
    // The number may be kept in more octets than the modulus has; those in front are zero.
    let start = encoded.len().checked_sub(key.size()).ok_or(Refusal::Rejected)?;
    unpad(encoded.get(start..).unwrap_or_default(), hash, mask, &parameters.label).ok_or(Refusal::Rejected)
}

/// EME-OAEP decoding (RFC 8017 section 7.1.2, step 3). All octets are looked at whatever is found, and only one answer
/// tells of anything that is wrong: otherwise it would be an oracle (Manger's attack).
fn unpad(
    encoded: &[u8],
    mut hash: Box<dyn DynDigest>,
    mut mask: Box<dyn DynDigest>,
    label: &[u8],
) -> Option<SecretBytes> {
    let (first, rest) = encoded.split_first()?;
    let (seed, block) = rest.split_at_checked(hash.output_size())?;
    let (mut seed, mut block) = (Zeroizing::new(seed.to_vec()), Zeroizing::new(block.to_vec()));
    mgf1(&mut *mask, &block, &mut seed);
    mgf1(&mut *mask, &seed, &mut block);
    hash.update(label);
    let expected = hash.finalize();
    let (label_hash, rest) = block.split_at_checked(expected.len())?;
    let mut good = first.ct_eq(&0) & label_hash.ct_eq(&expected);
    // Zeros, one octet that is 1, and the message.
    let (mut looking, mut start) = (Choice::from(1), 0u32);
    for (octet, next) in rest.iter().zip(1u32..) {
        let separator = octet.ct_eq(&1);
        start.conditional_assign(&next, looking & separator);
        good &= !looking | separator | octet.ct_eq(&0);
        looking &= !separator;
    }
    good &= !looking;
    let message = rest.get(usize::try_from(start).ok()?..)?;
    bool::from(good).then(|| SecretBytes::new(message.to_vec()))
}

/// Puts the mask of MGF1 over `octets` (RFC 8017 appendix B.2.1).
fn mgf1(hash: &mut dyn DynDigest, seed: &[u8], octets: &mut [u8]) {
    let len = hash.output_size().max(1);
    for (chunk, counter) in octets.chunks_mut(len).zip(0u32..) {
        hash.update(seed);
        hash.update(&counter.to_be_bytes());
        let block = Zeroizing::new(hash.finalize_reset());
        chunk.iter_mut().zip(block.iter()).for_each(|(octet, mask)| *octet ^= mask);
    }
}

fn hasher(algorithm: DigestAlgorithm) -> Option<Box<dyn DynDigest>> {
    Some(match algorithm {
        DigestAlgorithm::Sha1 => Box::new(Sha1::default()),
        DigestAlgorithm::Sha224 => Box::new(Sha224::default()),
        DigestAlgorithm::Sha256 => Box::new(Sha256::default()),
        DigestAlgorithm::Sha384 => Box::new(Sha384::default()),
        DigestAlgorithm::Sha512 => Box::new(Sha512::default()),
        DigestAlgorithm::Md5 => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::rsa_public::plain_key;
    use super::super::{RsaPrivateKey, SystemRandom};
    use super::*;
    use crate::algorithm::KeyTransport;
    use crate::certificate::Certificate;
    use crate::crypto::{DecryptingKey, KeyError, UnwrapRequest};
    use pkcs8::SubjectPublicKeyInfoRef;
    use pkcs8::der::Decode;
    use sha2::Digest;
    use sha2::digest::FixedOutputReset;

    fn sealed<D, M>(label: &'static [u8]) -> Vec<u8>
    where
        D: Digest + FixedOutputReset,
        M: Digest + FixedOutputReset,
    {
        let certificate = Certificate::from_pem(include_bytes!("../../../tests/vectors/ber/rsa.crt")).unwrap();
        let spki = SubjectPublicKeyInfoRef::from_der(certificate.spki_der()).unwrap();
        let padding = Oaep::<D, M>::new_with_mgf_hash_and_label(label);
        plain_key(&spki).unwrap().encrypt(&mut RngAdapter::new(&SystemRandom), padding, b"a key").unwrap()
    }

    fn unwrap(
        digest: DigestAlgorithm,
        mask: DigestAlgorithm,
        label: &'static [u8],
        wrapped: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        let key = RsaPrivateKey::from_pkcs8_pem(include_bytes!("../../../tests/vectors/ber/rsa.key")).unwrap();
        let request = UnwrapRequest::new(KeyTransport::oaep(digest).unwrap(), wrapped.to_vec());
        let unwrapped = key.unwrap_key(&request.with_oaep(OaepParameters::new(mask, label)));
        unwrapped.map(|key| key.as_bytes().to_vec())
    }

    #[test]
    fn x26_pairs_of_digests_and_labels() {
        use DigestAlgorithm as D;
        type Seal = fn(&'static [u8]) -> Vec<u8>;
        let cases: [(D, D, Seal); 7] = [
            (D::Sha1, D::Sha1, sealed::<Sha1, Sha1>),
            (D::Sha256, D::Sha1, sealed::<Sha256, Sha1>),
            (D::Sha1, D::Sha256, sealed::<Sha1, Sha256>),
            (D::Sha224, D::Sha512, sealed::<Sha224, Sha512>),
            (D::Sha384, D::Sha224, sealed::<Sha384, Sha224>),
            (D::Sha512, D::Sha384, sealed::<Sha512, Sha384>),
            (D::Sha256, D::Sha256, sealed::<Sha256, Sha256>),
        ];
        for (digest, mask, seal) in cases {
            for label in [&b""[..], b"label"] {
                let wrapped = seal(label);
                assert_eq!(unwrap(digest, mask, label, &wrapped), Ok(b"a key".to_vec()), "{digest} {mask}");
                assert_eq!(unwrap(digest, mask, b"another", &wrapped), Err(KeyError::Rejected));
                let other = if mask == D::Sha1 { D::Sha224 } else { D::Sha1 };
                assert_eq!(unwrap(digest, other, label, &wrapped), Err(KeyError::Rejected));
            }
            assert_eq!(unwrap(digest, D::Md5, b"", &seal(b"")), Err(KeyError::Unsupported));
        }
    }

    #[test]
    fn u27_paddings_that_are_none_are_refused() {
        // In the clear a mask of MGF1 over zeros: so that every octet of the block can be chosen.
        let hash = || hasher(DigestAlgorithm::Sha256).unwrap();
        let encoded = |first: u8, block: &[u8]| {
            let mut masked = block.to_vec();
            mgf1(&mut *hash(), &[7; 32], &mut masked);
            let mut seed = [7; 32];
            mgf1(&mut *hash(), &masked, &mut seed);
            [&[first], &seed[..], &masked].concat()
        };
        let label: Vec<u8> = Sha256::digest(b"").to_vec();
        let block = |tail: &[u8]| [&label[..], tail].concat();
        let read = |first: u8, block: &[u8]| {
            unpad(&encoded(first, block), hash(), hash(), b"").map(|key| key.as_bytes().to_vec())
        };
        assert_eq!(read(0, &block(&[0, 0, 1, 5, 6])), Some(vec![5, 6]));
        assert_eq!(read(0, &block(&[1, 1, 0])), Some(vec![1, 0]));
        assert_eq!(read(0, &block(&[0, 1])), Some(vec![]));
        for first in 1..=255 {
            assert_eq!(read(first, &block(&[0, 0, 1, 5, 6])), None, "{first}");
        }
        for tail in [&[0, 0, 2, 1, 5][..], &[0, 0, 0], &[2], &[], &[0, 255, 1]] {
            assert_eq!(read(0, &block(tail)), None, "{tail:?}");
        }
        for at in 0..32 {
            let mut changed = block(&[0, 1, 5]);
            changed[at] ^= 1;
            assert_eq!(read(0, &changed), None, "{at}");
        }
        for length in 0..65 {
            assert!(unpad(&vec![0; length], hash(), hash(), b"").is_none());
        }
    }
}
