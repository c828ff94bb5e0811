//! What kind of public key a certificate holds (RFC 3279, RFC 4055, RFC 5480, RFC 8410, RFC 9881, RFC 9935).

use const_oid::ObjectIdentifier;

use super::der::{Element, Reader, tag};
use crate::algorithm::{EcCurve, KeyTransport, ML_DSA_65, ML_DSA_87, PssParameters, SignatureScheme};

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// A public key by its algorithm and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// An RSA key for any use.
    Rsa { bits: usize },
    /// An RSA key for RSASSA-PSS alone, perhaps with parameters to keep to.
    RsaPss { bits: usize, restriction: Option<PssParameters> },
    /// A key for ECDSA or ECDH.
    Ec(EcCurve),
    /// A key for Ed25519 signatures.
    Ed25519,
    /// A key for X25519 key agreement.
    X25519,
    /// A key for ML-DSA-65 signatures.
    MlDsa65,
    /// A key for ML-DSA-87 signatures.
    MlDsa87,
    /// A key for this key encapsulation mechanism.
    Kem(KeyTransport),
    /// Another algorithm or curve, or a key that cannot be read.
    Other,
}

impl KeyKind {
    /// Reads the content of a SubjectPublicKeyInfo.
    pub(super) fn read(spki: Reader<'_>) -> Self {
        Self::parse(spki).unwrap_or(Self::Other)
    }

    fn parse(mut spki: Reader<'_>) -> Option<Self> {
        let algorithm = spki.expect(tag::SEQUENCE, "algorithm").ok()?;
        let mut inside = spki.inside(&algorithm);
        let oid = inside.expect(tag::OID, "algorithm").ok()?;
        let oid = ObjectIdentifier::from_bytes(spki.octets(&oid.content)).ok()?;
        let parameters = if inside.is_empty() { None } else { Some(inside.next("parameters").ok()?) };
        Some(match oid {
            RSA_ENCRYPTION => Self::Rsa { bits: modulus_bits(spki)? },
            RSASSA_PSS => {
                let octets = parameters.map(|parameters| spki.octets(&parameters.whole));
                let restriction = octets.map(PssParameters::from_der).transpose().ok()?;
                Self::RsaPss { bits: modulus_bits(spki)?, restriction }
            }
            EC_PUBLIC_KEY => {
                let curve = ObjectIdentifier::from_bytes(spki.octets(&parameters?.content)).ok()?;
                Self::Ec(EcCurve::from_oid(&curve)?)
            }
            ED25519 => Self::Ed25519,
            X25519 => Self::X25519,
            ML_DSA_65 => Self::MlDsa65,
            ML_DSA_87 => Self::MlDsa87,
            other => Self::Kem(KeyTransport::encapsulation(&other)?),
        })
    }

    /// Bits of the modulus of an RSA key, whatever it may be used for.
    pub(crate) fn rsa_bits(self) -> Option<usize> {
        match self {
            Self::Rsa { bits } | Self::RsaPss { bits, .. } => Some(bits),
            _ => None,
        }
    }

    /// Whether such a key may sign with `scheme`.
    pub(crate) fn permits(self, scheme: SignatureScheme) -> bool {
        match (self, scheme) {
            (Self::Rsa { .. }, SignatureScheme::RsaPkcs1v15(_) | SignatureScheme::RsaPss(_))
            | (Self::Ec(_), SignatureScheme::Ecdsa(_))
            | (Self::Ed25519, SignatureScheme::Ed25519)
            | (Self::MlDsa65, SignatureScheme::MlDsa65)
            | (Self::MlDsa87, SignatureScheme::MlDsa87) => true,
            (Self::RsaPss { restriction, .. }, SignatureScheme::RsaPss(used)) => {
                restriction.is_none_or(|restriction| restriction.permit(used))
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for KeyKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA of {bits} bits"),
            Self::RsaPss { bits, .. } => write!(f, "RSA-PSS of {bits} bits"),
            Self::Ec(curve) => write!(f, "EC on {curve}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::X25519 => f.write_str("X25519"),
            Self::MlDsa65 => f.write_str("ML-DSA-65"),
            Self::MlDsa87 => f.write_str("ML-DSA-87"),
            Self::Kem(kem) => f.write_str(&kem.name().to_uppercase()),
            Self::Other => f.write_str("of an unknown algorithm"),
        }
    }
}

/// Behind the algorithm: the modulus in the key bits.
fn modulus_bits(mut spki: Reader<'_>) -> Option<usize> {
    let bits = spki.expect(tag::BIT_STRING, "subjectPublicKey").ok()?;
    let bits = Element { whole: bits.whole, content: bits.content.start.checked_add(1)?..bits.content.end };
    let mut key = spki.inside(&bits);
    let key = spki.inside(&key.expect(tag::SEQUENCE, "RSAPublicKey").ok()?).expect(tag::INTEGER, "modulus").ok()?;
    let modulus = spki.octets(&key.content);
    let zeros = modulus.iter().take_while(|octet| **octet == 0).count();
    let unused = usize::try_from(modulus.get(zeros)?.leading_zeros()).ok()?;
    ((modulus.len() - zeros) * 8).checked_sub(unused)
}
