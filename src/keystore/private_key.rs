//! Private keys out of PKCS #8, PKCS #1 and SEC 1 structures.

use std::fmt;
use std::sync::Arc;

use const_oid::ObjectIdentifier;
use zeroize::Zeroizing;

use super::certificates::armor;
use super::integer::{encode, significant, small};
use super::{DEPTH, KeyStore, KeyStoreError};
use crate::algorithm::{EcCurve, KeyTransport, SignatureScheme};
#[cfg(feature = "pq")]
use crate::algorithm::{ML_DSA_65, ML_DSA_87, ML_KEM_768, ML_KEM_1024};
use crate::certificate::Certificate;
use crate::cms::ber::{self, Cursor, Element};
use crate::cms::write::{integer, oid as write_oid, tlv};
use crate::cms::{Error, oid, read_oid};
use crate::crypto::{
    CryptoProvider, DecryptingKey, EcPrivateKey, Ed25519PrivateKey, LoadKeyError, RsaPrivateKey, SecretBytes,
    SigningKey, X25519PrivateKey,
};
use crate::identity::same_key;

const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The tag of the public key in PKCS #8 version 2 (RFC 5958 section 2).
const CONTEXT_1: u8 = 0x81;

type Secret = Zeroizing<Vec<u8>>;

/// A private key as it was read from a file: kept as PKCS #8, wiped when dropped, never shown.
#[derive(Clone)]
pub struct PrivateKey {
    algorithm: KeyAlgorithm,
    pkcs8: SecretBytes,
    /// The SubjectPublicKeyInfo, where it follows from the file.
    public_key: Option<Vec<u8>>,
}

/// What kind of key a private key is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyAlgorithm {
    /// RSA, for any use (rsaEncryption).
    Rsa {
        /// Bits of the modulus.
        bits: usize,
    },
    /// RSA, for RSASSA-PSS signatures only.
    RsaPss,
    /// Elliptic curve P-256 (secp256r1, prime256v1).
    P256,
    /// Elliptic curve P-384 (secp384r1).
    P384,
    /// Elliptic curve P-521 (secp521r1).
    P521,
    /// Ed25519 signatures.
    Ed25519,
    /// X25519 key agreement.
    X25519,
    /// ML-DSA-65 or ML-DSA-87 signatures, with feature `pq`.
    MlDsa(SignatureScheme),
    /// ML-KEM-768 or ML-KEM-1024 key encapsulation, with feature `pq`.
    MlKem(KeyTransport),
    /// Another algorithm or curve, by its object identifier.
    Other(String),
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
            Self::RsaPss => f.write_str("RSASSA-PSS"),
            Self::P256 => f.write_str("EC P-256"),
            Self::P384 => f.write_str("EC P-384"),
            Self::P521 => f.write_str("EC P-521"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::X25519 => f.write_str("X25519"),
            Self::MlDsa(scheme) => f.write_str(&scheme.to_string().to_uppercase()),
            Self::MlKem(kem) => f.write_str(&kem.name().to_uppercase()),
            Self::Other(oid) => f.write_str(oid),
        }
    }
}

impl PrivateKey {
    /// Reads a file with exactly one private key; what else is in it is passed over. [`KeyStore`] tells the forms.
    ///
    /// # Errors
    /// [`KeyStoreError`] if the file cannot be read or holds several keys or none.
    pub fn read(file: &[u8], password: Option<&str>) -> Result<Self, KeyStoreError> {
        Ok(KeyStore::read(file, password)?.entry(None)?.key().clone())
    }

    /// What kind of key it is.
    #[must_use]
    pub fn algorithm(&self) -> &KeyAlgorithm {
        &self.algorithm
    }

    /// The public half, a DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7); `None` for an algorithm that is not
    /// known and a file that does not tell.
    #[must_use]
    pub fn public_key(&self) -> Option<&[u8]> {
        self.public_key.as_deref()
    }

    /// Whether the certificate holds the public half of this key.
    #[must_use]
    pub fn belongs_to(&self, certificate: &Certificate) -> bool {
        self.public_key.as_deref().is_some_and(|public_key| same_key(public_key, certificate.spki_der()))
    }

    /// The key as one that signs, as [`into_signing_with`](Self::into_signing_with) of
    /// [`CryptoProvider::rustcrypto`].
    ///
    /// # Errors
    /// [`LoadKeyError`] if it is of an algorithm that this crate does not sign with, or of an unusable size.
    pub fn into_signing(self) -> Result<Arc<dyn SigningKey>, LoadKeyError> {
        self.into_signing_with(&CryptoProvider::rustcrypto())
    }

    /// The key as one that signs with the backend of a provider.
    ///
    /// # Errors
    /// [`LoadKeyError`] if it is of an algorithm that the backend does not sign with, or of an unusable size.
    pub fn into_signing_with(self, provider: &CryptoProvider) -> Result<Arc<dyn SigningKey>, LoadKeyError> {
        match self.algorithm {
            KeyAlgorithm::X25519 => Err(LoadKeyError::Algorithm(X25519.to_string())),
            KeyAlgorithm::Other(oid) => Err(LoadKeyError::Algorithm(oid)),
            _ => provider.key_loader().signing(self.pkcs8.as_bytes()),
        }
    }

    /// The key as one that decrypts, as [`into_decrypting_with`](Self::into_decrypting_with) of
    /// [`CryptoProvider::rustcrypto`].
    ///
    /// # Errors
    /// [`LoadKeyError`] if it is of an algorithm that this crate does not decrypt with, or of an unusable size.
    pub fn into_decrypting(self) -> Result<Arc<dyn DecryptingKey>, LoadKeyError> {
        self.into_decrypting_with(&CryptoProvider::rustcrypto())
    }

    /// The key as one that decrypts with the backend of a provider.
    ///
    /// # Errors
    /// [`LoadKeyError`] if it is of an algorithm that the backend does not decrypt with, or of an unusable size.
    pub fn into_decrypting_with(self, provider: &CryptoProvider) -> Result<Arc<dyn DecryptingKey>, LoadKeyError> {
        match self.algorithm {
            KeyAlgorithm::RsaPss => Err(LoadKeyError::Algorithm(RSA_PSS.to_string())),
            KeyAlgorithm::Ed25519 => Err(LoadKeyError::Algorithm(ED25519.to_string())),
            KeyAlgorithm::Other(oid) => Err(LoadKeyError::Algorithm(oid)),
            _ => provider.key_loader().decrypting(self.pkcs8.as_bytes()),
        }
    }

    /// The key as PKCS #8 (RFC 5208) in DER, not encrypted.
    #[must_use]
    pub fn to_pkcs8_der(&self) -> SecretBytes {
        self.pkcs8.clone()
    }

    /// The key as a PEM text with a `PRIVATE KEY` section, not encrypted.
    #[must_use]
    pub fn to_pkcs8_pem(&self) -> SecretBytes {
        SecretBytes::new(armor("PRIVATE KEY", self.pkcs8.as_bytes()).into_bytes())
    }

    /// Reads PrivateKeyInfo, RSAPrivateKey or ECPrivateKey from the content of its SEQUENCE. `curve` is the content of
    /// an `EC PARAMETERS` section before it.
    pub(super) fn from_structure(content: &[u8], curve: Option<&[u8]>) -> Result<Self, KeyStoreError> {
        let mut cursor = Cursor::new(content, DEPTH);
        small(&mut cursor, "the version of the private key")?;
        match cursor.peek() {
            Some(ber::SEQUENCE) => pkcs8(content),
            Some(ber::INTEGER) => rsa(content),
            _ => {
                let curve = curve.map(|parameters| Cursor::new(parameters, DEPTH).expect(ber::OID, "a named curve"));
                sec1(content, curve.transpose().map_err(damaged)?.map(|curve| curve.content))
            }
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

fn damaged(error: Error) -> KeyStoreError {
    KeyStoreError::Structure { part: "the private key", error }
}

/// PrivateKeyInfo and OneAsymmetricKey (RFC 5958 section 2).
fn pkcs8(content: &[u8]) -> Result<PrivateKey, KeyStoreError> {
    let mut cursor = Cursor::new(content, DEPTH);
    cursor.expect(ber::INTEGER, "a version").map_err(damaged)?;
    let algorithm = cursor.expect(ber::SEQUENCE, "an algorithm").map_err(damaged)?;
    let private = cursor.next().map_err(damaged)?.filter(|element| is_octets(element));
    let private = private.ok_or(KeyStoreError::Key("the private key octets"))?;
    let private = Zeroizing::new(private.octets(DEPTH).map_err(damaged)?);
    let mut public = None;
    while let Some(element) = cursor.next().map_err(damaged)? {
        if element.tag == CONTEXT_1 {
            public = Some(element.content);
        }
    }
    let mut identifier = Cursor::new(algorithm.content, DEPTH);
    let algorithm_oid = read_oid(identifier.expect(ber::OID, "an algorithm").map_err(damaged)?.content);
    let algorithm_oid = algorithm_oid.map_err(damaged)?;
    let parameters = identifier.next().map_err(damaged)?;
    match algorithm_oid {
        oid::RSA_ENCRYPTION => rsa(sequence(&private)?),
        EC_PUBLIC_KEY => match parameters {
            Some(curve) if curve.tag == ber::OID => sec1(sequence(&private)?, Some(curve.content)),
            _ => Ok(other(KeyAlgorithm::Other(EC_PUBLIC_KEY.to_string()), content, None)),
        },
        #[cfg(feature = "pq")]
        ML_DSA_65 | ML_DSA_87 | ML_KEM_768 | ML_KEM_1024 => seeded(algorithm_oid, &private),
        ED25519 => edwards(KeyAlgorithm::Ed25519, ED25519, &private),
        X25519 => edwards(KeyAlgorithm::X25519, X25519, &private),
        known => {
            let kind = if known == RSA_PSS { KeyAlgorithm::RsaPss } else { KeyAlgorithm::Other(known.to_string()) };
            let public = match (&kind, public) {
                (KeyAlgorithm::RsaPss, _) => Some(bits(&rsa_public(&numbers(sequence(&private)?)?))),
                (_, Some(bits)) => Some(tlv(ber::BIT_STRING, &[bits])),
                _ => None,
            };
            Ok(other(kind, content, public.map(|bits| tlv(ber::SEQUENCE, &[algorithm.raw, &bits]))))
        }
    }
}

/// A key that is only carried along.
fn other(algorithm: KeyAlgorithm, content: &[u8], public_key: Option<Vec<u8>>) -> PrivateKey {
    PrivateKey { algorithm, pkcs8: tlv(ber::SEQUENCE, &[content]).into(), public_key }
}

/// RSAPrivateKey (RFC 8017 appendix A.1.2), from the content of its SEQUENCE.
fn rsa(content: &[u8]) -> Result<PrivateKey, KeyStoreError> {
    from_rsa_numbers(&numbers(content)?)
}

/// The key of the numbers n, e, d, p, q, dP, dQ and qInv.
pub(crate) fn from_rsa_numbers(numbers: &[&[u8]; 8]) -> Result<PrivateKey, KeyStoreError> {
    let encoded: Vec<Secret> = numbers.iter().map(|number| Zeroizing::new(encode(number))).collect();
    let body: Secret = Zeroizing::new(encoded.iter().flat_map(|number| number.iter().copied()).collect());
    let pkcs1 = Zeroizing::new(tlv(ber::SEQUENCE, &[&integer(0), &body]));
    let bits = match RsaPrivateKey::from_pkcs1_der(&pkcs1) {
        Ok(key) => key.bits(),
        // Recognised, listed, and refused where it is to be used.
        Err(LoadKeyError::Size(bits)) => bits,
        Err(_) => return Err(KeyStoreError::Key("the numbers of the RSA key do not belong together")),
    };
    let algorithm = tlv(ber::SEQUENCE, &[&write_oid(&oid::RSA_ENCRYPTION), &[5, 0]]);
    let public_key = tlv(ber::SEQUENCE, &[&algorithm, &self::bits(&rsa_public(numbers))]);
    Ok(wrapped(KeyAlgorithm::Rsa { bits }, &algorithm, &pkcs1, public_key))
}

fn numbers(content: &[u8]) -> Result<[&[u8]; 8], KeyStoreError> {
    const VERSION: KeyStoreError = KeyStoreError::Key("RSA keys have two primes, and version 0");
    let mut cursor = Cursor::new(content, DEPTH);
    if small(&mut cursor, "the version of the RSA key")? != 0 {
        return Err(VERSION);
    }
    let mut numbers = [&[][..]; 8];
    for number in &mut numbers {
        *number = significant(cursor.expect(ber::INTEGER, "a number of the RSA key").map_err(damaged)?.content);
    }
    Ok(numbers)
}

/// RSAPublicKey (RFC 8017 appendix A.1.1).
fn rsa_public(numbers: &[&[u8]; 8]) -> Vec<u8> {
    let [modulus, exponent, ..] = numbers;
    tlv(ber::SEQUENCE, &[&encode(modulus), &encode(exponent)])
}

/// ECPrivateKey (RFC 5915 section 3), from the content of its SEQUENCE. `named` is the curve that stands outside.
fn sec1(content: &[u8], named: Option<&[u8]>) -> Result<PrivateKey, KeyStoreError> {
    let mut cursor = Cursor::new(content, DEPTH);
    cursor.expect(ber::INTEGER, "a version").map_err(damaged)?;
    let scalar = cursor.expect(ber::OCTET_STRING, "the private key octets").map_err(damaged)?.content;
    let (mut inside, mut point) = (None, None);
    while let Some(element) = cursor.next().map_err(damaged)? {
        let mut inner = Cursor::new(element.content, DEPTH);
        match element.tag {
            ber::CONTEXT_0_CONSTRUCTED if inner.peek() == Some(ber::OID) => {
                inside = inner.next().map_err(damaged)?.map(|curve| curve.content);
            }
            ber::CONTEXT_1_CONSTRUCTED => {
                point = Some(inner.expect(ber::BIT_STRING, "the public key").map_err(damaged)?.content);
            }
            _ => {}
        }
    }
    let curve = named.or(inside).ok_or(KeyStoreError::Key("the elliptic curve is not named"))?;
    from_ec_scalar(read_oid(curve).map_err(damaged)?, scalar, point)
}

/// The key of a curve, and its public point as the content of a BIT STRING, where the file tells it.
fn from_ec_scalar(
    curve_oid: ObjectIdentifier,
    scalar: &[u8],
    told: Option<&[u8]>,
) -> Result<PrivateKey, KeyStoreError> {
    let algorithm = tlv(ber::SEQUENCE, &[&write_oid(&EC_PUBLIC_KEY), &write_oid(&curve_oid)]);
    let (kind, length) = match EcCurve::from_oid(&curve_oid) {
        Some(EcCurve::P256) => (KeyAlgorithm::P256, 32),
        Some(EcCurve::P384) => (KeyAlgorithm::P384, 48),
        Some(EcCurve::P521) => (KeyAlgorithm::P521, 66),
        None => {
            let kind = KeyAlgorithm::Other(curve_oid.to_string());
            let point = told.map(|told| tlv(ber::BIT_STRING, &[told]));
            let mut key = wrapped(kind, &algorithm, &ec_private(scalar, point.as_deref()), Vec::new());
            key.public_key = point.map(|point| tlv(ber::SEQUENCE, &[&algorithm, &point]));
            return Ok(key);
        }
    };
    let scalar = padded(scalar, length)?;
    let told = told.map(|told| tlv(ber::BIT_STRING, &[told]));
    let bare = wrapped(kind.clone(), &algorithm, &ec_private(&scalar, told.as_deref()), Vec::new());
    let loaded = EcPrivateKey::from_pkcs8_der(bare.pkcs8.as_bytes())
        .map_err(|_| KeyStoreError::Key("the number of the EC key, or its public point"))?;
    let public_key = SigningKey::public_key(&loaded).to_vec();
    let mut parts = Cursor::new(sequence(&public_key)?, DEPTH);
    parts.expect(ber::SEQUENCE, "an algorithm").map_err(damaged)?;
    let point = parts.expect(ber::BIT_STRING, "a public point").map_err(damaged)?.raw;
    Ok(wrapped(kind, &algorithm, &ec_private(&scalar, Some(point)), public_key.clone()))
}

/// ECPrivateKey without the curve, which stands outside (RFC 5915 section 3).
fn ec_private(scalar: &[u8], point: Option<&[u8]>) -> Secret {
    let secret = Zeroizing::new(tlv(ber::OCTET_STRING, &[scalar]));
    let public = point.map(|point| tlv(ber::CONTEXT_1_CONSTRUCTED, &[point])).unwrap_or_default();
    Zeroizing::new(tlv(ber::SEQUENCE, &[&integer(1), &secret, &public]))
}

/// The key of a number on P-256.
#[cfg(feature = "renewal")]
pub(crate) fn from_p256_scalar(scalar: &[u8]) -> Result<PrivateKey, KeyStoreError> {
    from_ec_scalar(EcCurve::P256.oid(), scalar, None)
}

/// Keys of RFC 8410: an OCTET STRING of 32 octets in the OCTET STRING.
fn edwards(kind: KeyAlgorithm, oid: ObjectIdentifier, private: &[u8]) -> Result<PrivateKey, KeyStoreError> {
    const SIZE: KeyStoreError = KeyStoreError::Key("the key has not 32 octets");
    let seed = Cursor::new(private, DEPTH).expect(ber::OCTET_STRING, "a key of 32 octets").map_err(damaged)?;
    let algorithm = tlv(ber::SEQUENCE, &[&write_oid(&oid)]);
    let mut key = wrapped(kind, &algorithm, seed.raw, Vec::new());
    key.public_key = Some(match key.algorithm {
        KeyAlgorithm::Ed25519 => {
            Ed25519PrivateKey::from_pkcs8_der(key.pkcs8.as_bytes()).map_err(|_| SIZE)?.public_key().to_vec()
        }
        _ => X25519PrivateKey::from_pkcs8_der(key.pkcs8.as_bytes()).map_err(|_| SIZE)?.public_key().to_vec(),
    });
    Ok(key)
}

/// Keys of ML-DSA and ML-KEM: as they stand, so that a seed stays a seed.
#[cfg(feature = "pq")]
fn seeded(oid: ObjectIdentifier, private: &[u8]) -> Result<PrivateKey, KeyStoreError> {
    use crate::crypto::{MlDsaPrivateKey, MlKemPrivateKey};
    let kind = match oid {
        ML_DSA_65 => KeyAlgorithm::MlDsa(SignatureScheme::MlDsa65),
        ML_DSA_87 => KeyAlgorithm::MlDsa(SignatureScheme::MlDsa87),
        ML_KEM_768 => KeyAlgorithm::MlKem(KeyTransport::MlKem768),
        _ => KeyAlgorithm::MlKem(KeyTransport::MlKem1024),
    };
    let mut key = wrapped(kind, &tlv(ber::SEQUENCE, &[&write_oid(&oid)]), private, Vec::new());
    let der = key.pkcs8.as_bytes();
    let public_key = match key.algorithm {
        KeyAlgorithm::MlDsa(_) => MlDsaPrivateKey::from_pkcs8_der(der).map(|key| key.public_key().to_vec()),
        _ => MlKemPrivateKey::from_pkcs8_der(der).map(|key| key.public_key().to_vec()),
    };
    key.public_key = match public_key {
        Ok(public_key) => Some(public_key),
        // Recognised, listed, and refused where it is to be used.
        Err(LoadKeyError::NoSeed) => None,
        Err(_) => return Err(KeyStoreError::Key("the seed of the key, or its expanded key")),
    };
    Ok(key)
}

/// PrivateKeyInfo around a key.
fn wrapped(kind: KeyAlgorithm, algorithm: &[u8], private: &[u8], public_key: Vec<u8>) -> PrivateKey {
    let octets = Zeroizing::new(tlv(ber::OCTET_STRING, &[private]));
    let pkcs8 = tlv(ber::SEQUENCE, &[&integer(0), algorithm, &octets]);
    PrivateKey { algorithm: kind, pkcs8: pkcs8.into(), public_key: Some(public_key) }
}

/// Some writers cut leading zeros off, others put one before.
fn padded(scalar: &[u8], length: usize) -> Result<Secret, KeyStoreError> {
    let digits = significant(scalar);
    let zeros = length.checked_sub(digits.len()).ok_or(KeyStoreError::Key("the number of the EC key is too long"))?;
    let mut padded = Zeroizing::new(Vec::with_capacity(length));
    padded.resize(zeros, 0);
    padded.extend_from_slice(digits);
    Ok(padded)
}

fn bits(octets: &[u8]) -> Vec<u8> {
    tlv(ber::BIT_STRING, &[&[0], octets])
}

fn sequence(octets: &[u8]) -> Result<&[u8], KeyStoreError> {
    Ok(Cursor::new(octets, DEPTH).expect(ber::SEQUENCE, "a private key").map_err(damaged)?.content)
}

fn is_octets(element: &Element<'_>) -> bool {
    matches!(element.tag, ber::OCTET_STRING | ber::OCTET_STRING_CONSTRUCTED)
}
