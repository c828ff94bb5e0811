//! How signatures are made, and the curves that some of them are made on.

use const_oid::ObjectIdentifier;

use super::{DigestAlgorithm, PssParameters};

/// How a signature is made: the public-key algorithm together with its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureScheme {
    /// RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2), the scheme that every AS2 product verifies.
    RsaPkcs1v15(DigestAlgorithm),
    /// RSASSA-PSS (RFC 8017 section 8.1, RFC 4056); [`rsa_pss`](Self::rsa_pss) gives the usual parameters.
    RsaPss(PssParameters),
    /// ECDSA on the curve of the key (RFC 5753 section 2).
    Ecdsa(DigestAlgorithm),
    /// Ed25519 (RFC 8419). It signs the message itself; the digest beside it in CMS is SHA-512.
    Ed25519,
    /// ML-DSA-65 (FIPS 204, RFC 9882), with feature `pq`. It signs the message itself; the digest beside it in CMS is
    /// SHA-512.
    MlDsa65,
    /// ML-DSA-87 (FIPS 204, RFC 9882), with feature `pq`, as ML-DSA-65 otherwise.
    MlDsa87,
}

impl SignatureScheme {
    /// RSASSA-PSS as this crate writes it: MGF1 with the same digest, a salt as long as the digest.
    #[must_use]
    pub const fn rsa_pss(digest: DigestAlgorithm) -> Self {
        Self::RsaPss(PssParameters::new(digest))
    }

    /// The digest that is signed.
    #[must_use]
    pub const fn digest(self) -> DigestAlgorithm {
        match self {
            Self::RsaPkcs1v15(digest) | Self::Ecdsa(digest) => digest,
            Self::RsaPss(parameters) => parameters.digest(),
            Self::Ed25519 | Self::MlDsa65 | Self::MlDsa87 => DigestAlgorithm::Sha512,
        }
    }

    /// Whether the message itself is signed, and not its digest.
    pub(crate) const fn signs_message(self) -> bool {
        matches!(self, Self::Ed25519 | Self::MlDsa65 | Self::MlDsa87)
    }

    /// Octets of a signature of ML-DSA (FIPS 204 table 2).
    pub(crate) const fn ml_dsa_signature_len(self) -> Option<usize> {
        match self {
            Self::MlDsa65 => Some(3309),
            Self::MlDsa87 => Some(4627),
            _ => None,
        }
    }

    /// The family that profiles allow or refuse it by.
    #[must_use]
    pub const fn family(self) -> SignatureFamily {
        match self {
            Self::RsaPkcs1v15(_) => SignatureFamily::Pkcs1v15,
            Self::RsaPss(_) => SignatureFamily::Pss,
            Self::Ecdsa(_) => SignatureFamily::Ecdsa,
            Self::Ed25519 => SignatureFamily::Ed25519,
            Self::MlDsa65 | Self::MlDsa87 => SignatureFamily::MlDsa,
        }
    }
}

impl std::fmt::Display for SignatureScheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RsaPkcs1v15(digest) => write!(f, "rsa-pkcs1-v1.5 with {digest}"),
            Self::RsaPss(parameters) => write!(f, "rsa-pss with {parameters}"),
            Self::Ecdsa(digest) => write!(f, "ecdsa with {digest}"),
            Self::Ed25519 => f.write_str("ed25519"),
            Self::MlDsa65 => f.write_str("ml-dsa-65"),
            Self::MlDsa87 => f.write_str("ml-dsa-87"),
        }
    }
}

/// A family of signature schemes, whatever the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum SignatureFamily {
    /// RSASSA-PKCS1-v1_5.
    #[cfg_attr(feature = "serde", serde(rename = "pkcs1-v1.5"))]
    Pkcs1v15,
    /// RSASSA-PSS.
    #[cfg_attr(feature = "serde", serde(rename = "pss"))]
    Pss,
    /// ECDSA on P-256, P-384 or P-521.
    #[cfg_attr(feature = "serde", serde(rename = "ecdsa"))]
    Ecdsa,
    /// Ed25519.
    #[cfg_attr(feature = "serde", serde(rename = "ed25519"))]
    Ed25519,
    /// ML-DSA-65 and ML-DSA-87, with feature `pq`.
    #[cfg_attr(feature = "serde", serde(rename = "ml-dsa"))]
    MlDsa,
}

impl SignatureFamily {
    /// Every family that this crate knows. None of them is weak: what is weak is a digest or a short key.
    pub const ALL: [Self; 5] = [Self::Pkcs1v15, Self::Pss, Self::Ecdsa, Self::Ed25519, Self::MlDsa];

    /// The name, as profiles write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pkcs1v15 => "pkcs1-v1.5",
            Self::Pss => "pss",
            Self::Ecdsa => "ecdsa",
            Self::Ed25519 => "ed25519",
            Self::MlDsa => "ml-dsa",
        }
    }
}

impl std::fmt::Display for SignatureFamily {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// id-ml-dsa-65 and id-ml-dsa-87 (RFC 9881 section 2): algorithms of keys and of signatures.
pub(crate) const ML_DSA_65: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.18");
pub(crate) const ML_DSA_87: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.19");

/// A curve of NIST (SP 800-186), for ECDSA and ECDH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EcCurve {
    /// P-256, also called secp256r1 and prime256v1.
    P256,
    /// P-384, also called secp384r1.
    P384,
    /// P-521, also called secp521r1.
    P521,
}

impl EcCurve {
    /// Every curve that this crate knows.
    pub const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// The name: `P-256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    pub(crate) const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::P256 => ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
            Self::P384 => ObjectIdentifier::new_unwrap("1.3.132.0.34"),
            Self::P521 => ObjectIdentifier::new_unwrap("1.3.132.0.35"),
        }
    }

    pub(crate) fn from_oid(oid: &ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.oid() == *oid)
    }
}

impl std::fmt::Display for EcCurve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_name_their_family_and_digest() {
        let digest = DigestAlgorithm::Sha384;
        for (scheme, family, text) in [
            (SignatureScheme::RsaPkcs1v15(digest), SignatureFamily::Pkcs1v15, "rsa-pkcs1-v1.5 with sha-384"),
            (SignatureScheme::rsa_pss(digest), SignatureFamily::Pss, "rsa-pss with sha-384"),
            (SignatureScheme::Ecdsa(digest), SignatureFamily::Ecdsa, "ecdsa with sha-384"),
        ] {
            assert_eq!((scheme.family(), scheme.digest(), scheme.to_string().as_str()), (family, digest, text));
        }
        for (scheme, family, text) in [
            (SignatureScheme::Ed25519, SignatureFamily::Ed25519, "ed25519"),
            (SignatureScheme::MlDsa65, SignatureFamily::MlDsa, "ml-dsa-65"),
            (SignatureScheme::MlDsa87, SignatureFamily::MlDsa, "ml-dsa-87"),
        ] {
            let facts = (scheme.family(), scheme.digest(), scheme.to_string());
            assert_eq!(facts, (family, DigestAlgorithm::Sha512, text.to_owned()));
            assert!(scheme.signs_message());
        }
    }

    #[test]
    fn curves_are_found_by_their_identifiers() {
        for curve in EcCurve::ALL {
            assert_eq!(EcCurve::from_oid(&curve.oid()), Some(curve));
        }
        assert_eq!(EcCurve::from_oid(&ObjectIdentifier::new_unwrap("1.3.132.0.10")), None, "secp256k1");
    }
}
