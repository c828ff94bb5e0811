//! Public keys that follow from private ones, for files that hold only those.

use p256::elliptic_curve::sec1::ToSec1Point;

/// The elliptic curves of this backend, by their sizes in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// Octets of a private key.
    pub(crate) const fn scalar_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The uncompressed point (SEC 1 section 2.3.3) of a private key of [`scalar_len`](Self::scalar_len) octets;
    /// `None` if it is zero or not below the order of the curve.
    pub(crate) fn public_point(self, scalar: &[u8]) -> Option<Vec<u8>> {
        Some(match self {
            Self::P256 => {
                p256::SecretKey::from_slice(scalar).ok()?.public_key().to_sec1_point(false).as_bytes().to_vec()
            }
            Self::P384 => {
                p384::SecretKey::from_slice(scalar).ok()?.public_key().to_sec1_point(false).as_bytes().to_vec()
            }
            Self::P521 => {
                p521::SecretKey::from_slice(scalar).ok()?.public_key().to_sec1_point(false).as_bytes().to_vec()
            }
        })
    }
}

/// The public key of an Ed25519 private key (RFC 8032 section 5.1.5).
pub(crate) fn ed25519(seed: &[u8]) -> Option<Vec<u8>> {
    let key = ed25519_dalek::SigningKey::from_bytes(seed.try_into().ok()?);
    Some(key.verifying_key().to_bytes().to_vec())
}

/// The public key of an X25519 private key (RFC 7748 section 6.1).
pub(crate) fn x25519(scalar: &[u8]) -> Option<Vec<u8>> {
    let scalar: [u8; 32] = scalar.try_into().ok()?;
    Some(x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from(scalar)).to_bytes().to_vec())
}

/// An ECDSA signature on P-256 (RFC 3279 section 2.2.3) by a key in PKCS #8.
#[cfg(feature = "renewal")]
pub(crate) fn sign_p256(pkcs8: &[u8], digest: &[u8]) -> Option<Vec<u8>> {
    use p256::ecdsa::signature::hazmat::PrehashSigner;
    use p256::pkcs8::DecodePrivateKey;
    let key = p256::ecdsa::SigningKey::from_pkcs8_der(pkcs8).ok()?;
    let signature: p256::ecdsa::DerSignature = key.sign_prehash(digest).ok()?;
    Some(signature.as_bytes().to_vec())
}
