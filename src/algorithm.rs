//! Algorithm names: what CMS object identifiers, `micalg` tokens and strengths mean.
//!
//! The types are closed enums that may grow, not open identifiers: an algorithm takes effect only when
//! the crate knows its wire names, its sizes and what it may be combined with.

mod cipher;
mod pss;
mod signature;
mod transport;

use const_oid::ObjectIdentifier;

pub use cipher::CipherAlgorithm;
pub use pss::PssParameters;
pub use signature::{EcCurve, SignatureFamily, SignatureScheme};
pub(crate) use signature::{ML_DSA_65, ML_DSA_87};
pub(crate) use transport::EC_PUBLIC_KEY;
pub use transport::{EcdhGroup, KeyTransport};
#[cfg(feature = "pq")]
pub(crate) use transport::{ML_KEM_768, ML_KEM_1024};

/// A message digest, as named by `micalg`, `Received-content-MIC` and CMS (RFC 5754, RFC 8551 section 3.5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// MD5: broken; read in signatures of old partners where a profile names it (feature `legacy`), never written.
    #[cfg_attr(feature = "serde", serde(rename = "md5"))]
    Md5,
    /// SHA-1: a MIC digest that old partners still ask for; no security is drawn from it.
    #[cfg_attr(feature = "serde", serde(rename = "sha-1"))]
    Sha1,
    /// SHA-224: read in signatures where a profile names it (feature `legacy`), never written.
    #[cfg_attr(feature = "serde", serde(rename = "sha-224"))]
    Sha224,
    /// SHA-256, the default of this crate.
    #[cfg_attr(feature = "serde", serde(rename = "sha-256"))]
    Sha256,
    /// SHA-384.
    #[cfg_attr(feature = "serde", serde(rename = "sha-384"))]
    Sha384,
    /// SHA-512.
    #[cfg_attr(feature = "serde", serde(rename = "sha-512"))]
    Sha512,
}

impl DigestAlgorithm {
    /// Every digest that this crate knows, weakest first.
    pub const ALL: [Self; 6] = [Self::Md5, Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The digests that need no opt-in as MIC of a receipt, weakest first: SHA-1 and the usual ones of SHA-2.
    pub const MICS: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The digests that this crate signs with, and accepts in signatures by default.
    pub const STRONG: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// Reads a `micalg` name in any spelling met in the field.
    ///
    /// Case is ignored, as are an `rsa-` prefix and a separator after `sha` (`SHA-256`, `sha256`,
    /// `rsa-sha256`, `sha2-256`, `sha2_256` are one digest). `sha3-256` is not SHA-256, and `sha_256` is nobody's name.
    ///
    /// ```
    /// use as2_protocol::DigestAlgorithm;
    /// assert_eq!(DigestAlgorithm::from_micalg("RSA-SHA1"), Some(DigestAlgorithm::Sha1));
    /// assert_eq!(DigestAlgorithm::from_micalg("sha2_256"), Some(DigestAlgorithm::Sha256));
    /// assert_eq!(DigestAlgorithm::from_micalg("sha3-512"), None);
    /// ```
    #[must_use]
    pub fn from_micalg(name: &str) -> Option<Self> {
        let lower = name.trim().trim_matches('"').to_ascii_lowercase();
        let bare = lower.strip_prefix("rsa-").unwrap_or(&lower);
        match bare {
            "md5" | "md-5" => Some(Self::Md5),
            "sha1" | "sha-1" => Some(Self::Sha1),
            "sha224" | "sha-224" | "sha2-224" | "sha2_224" => Some(Self::Sha224),
            // Azure Logic Apps can be set to write `sha2` for SHA-256 and `sha2_256` and the like.
            "sha256" | "sha-256" | "sha2-256" | "sha2_256" | "sha2" => Some(Self::Sha256),
            "sha384" | "sha-384" | "sha2-384" | "sha2_384" => Some(Self::Sha384),
            "sha512" | "sha-512" | "sha2-512" | "sha2_512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// The name of RFC 5751 and later: `sha-256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha-1",
            Self::Sha224 => "sha-224",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// The name of RFC 3851, which RFC 4130-era products know: `sha256`.
    #[must_use]
    pub const fn legacy_name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// Length of the digest in octets.
    #[must_use]
    pub const fn output_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Whether this crate signs with it, and accepts it in signatures by default.
    #[must_use]
    pub const fn is_strong(self) -> bool {
        matches!(self, Self::Sha256 | Self::Sha384 | Self::Sha512)
    }

    /// Whether a MIC is computed with it without an agreement that names it.
    pub(crate) const fn is_usual(self) -> bool {
        !matches!(self, Self::Md5 | Self::Sha224)
    }

    pub(crate) const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Md5 => ObjectIdentifier::new_unwrap("1.2.840.113549.2.5"),
            Self::Sha1 => ObjectIdentifier::new_unwrap("1.3.14.3.2.26"),
            Self::Sha224 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.4"),
            Self::Sha256 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1"),
            Self::Sha384 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2"),
            Self::Sha512 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3"),
        }
    }

    pub(crate) fn from_oid(oid: &ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|digest| digest.oid() == *oid)
    }
}

impl std::fmt::Display for DigestAlgorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q14_micalg_names_fold_to_one_digest() {
        for spelling in ["sha256", "SHA-256", "Sha256", "rsa-sha256", "sha2-256", "\"sha-256\"", " sha-256 "] {
            assert_eq!(DigestAlgorithm::from_micalg(spelling), Some(DigestAlgorithm::Sha256), "{spelling}");
        }
        for unknown in ["Sha_256", "md2", "sha3-256", "", "pkcs7-signature"] {
            assert_eq!(DigestAlgorithm::from_micalg(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn names_and_oids_are_read_back() {
        for digest in DigestAlgorithm::ALL {
            assert_eq!(DigestAlgorithm::from_micalg(digest.name()), Some(digest));
            assert_eq!(DigestAlgorithm::from_micalg(digest.legacy_name()), Some(digest));
            assert_eq!(DigestAlgorithm::from_oid(&digest.oid()), Some(digest));
        }
    }
}
