//! RSA private keys held in this process.

use std::fmt;
use std::sync::Arc;

use ::rsa::Pkcs1v15Encrypt;
use ::rsa::traits::PrivateKeyParts;
use pkcs1::DecodeRsaPrivateKey;
use pkcs8::EncodePublicKey;
use pkcs8::der::{Decode, Encode};
use rustls_pki_types::pem::SectionKind;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::load::{LoadKeyError, private_key_info, section};
use super::oaep::{self, Refusal};
use super::rsa_public::{MODULUS_BITS, PSS_ALGORITHM, modulus_bits, signature_padding};
use super::{RngAdapter, SystemRandom, pss};
use crate::algorithm::{KeyTransport, PssParameters, SignatureScheme};
use crate::certificate::KeyKind;
use crate::crypto::{
    DecryptingKey, KeyError, SecretBytes, SignRequest, SigningKey, UnwrapRequest, schemes_of, signature_len,
};

/// An RSA private key: it signs with RSASSA-PKCS1-v1_5 and RSASSA-PSS, and unwraps with RSAES-PKCS1-v1_5 and
/// RSAES-OAEP (RFC 8017).
///
/// A key that its file restricts to RSASSA-PSS (id-RSASSA-PSS, RFC 4055 section 1.2) does nothing else, and keeps to
/// the parameters that may stand with it.
///
/// Every private operation is blinded. Unwrapping rejects implicitly: a wrapped key with a bad padding yields
/// octets that look like any others. Cheap to clone; `Debug` shows the size only; wiped when the last clone goes.
///
/// ```
/// use as2_protocol::crypto::{DigestValue, RsaPrivateKey, SignRequest, SigningKey};
/// use as2_protocol::{DigestAlgorithm, SignatureScheme};
/// # let pem = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/worked/keys/alice-sign.key"));
/// let key = RsaPrivateKey::from_pkcs8_pem(pem)?;
/// let scheme = SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256);
/// let signature = key.sign(&SignRequest::new(scheme, DigestValue::sha256([0; 32])))?;
/// assert_eq!(Some(signature.len()), key.signature_len(scheme));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RsaPrivateKey(Arc<Inner>);

struct Inner {
    key: ::rsa::PrivateKey,
    public_key: Vec<u8>,
    rejection_secret: SecretBytes,
    kind: KeyKind,
}

impl RsaPrivateKey {
    /// Reads a PrivateKeyInfo (PKCS#8, RFC 5208) in DER.
    ///
    /// # Errors
    /// [`LoadKeyError`] if it is malformed, encrypted, of another algorithm or too short or long.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, LoadKeyError> {
        // Keys restricted to RSAES-OAEP stay out (RFC 4055 section 1.2).
        let info = private_key_info(der, &[pkcs1::ALGORITHM_OID, PSS_ALGORITHM])?;
        let key = info.private_key.as_bytes();
        if info.algorithm.oid == pkcs1::ALGORITHM_OID {
            return Self::from_pkcs1_der(key);
        }
        let malformed = || LoadKeyError::Malformed;
        let restriction = match info.algorithm.parameters {
            Some(parameters) => {
                let octets = parameters.to_der().map_err(|_| malformed())?;
                Some(PssParameters::from_der(&octets).map_err(|_| malformed())?)
            }
            None => None,
        };
        Self::load(
            key,
            |bits| KeyKind::RsaPss { bits, restriction },
            |plain| {
                let mut spki = pkcs8::SubjectPublicKeyInfoRef::from_der(plain).ok()?;
                spki.algorithm = info.algorithm;
                spki.to_der().ok()
            },
        )
    }

    /// Reads the first `PRIVATE KEY` section of a PEM text (RFC 7468 section 10).
    ///
    /// # Errors
    /// [`LoadKeyError`] if there is none or it cannot be used.
    pub fn from_pkcs8_pem(pem: &[u8]) -> Result<Self, LoadKeyError> {
        Self::from_pkcs8_der(&section(pem, SectionKind::PrivateKey)?)
    }

    /// Reads an RSAPrivateKey (PKCS#1, RFC 8017 appendix A.1.2) in DER.
    ///
    /// # Errors
    /// [`LoadKeyError`] if it is malformed or too short or long.
    pub fn from_pkcs1_der(der: &[u8]) -> Result<Self, LoadKeyError> {
        Self::load(der, |bits| KeyKind::Rsa { bits }, |plain| Some(plain.to_vec()))
    }

    /// `label` makes the SubjectPublicKeyInfo of the key out of the one with rsaEncryption.
    fn load(
        der: &[u8],
        kind: impl FnOnce(usize) -> KeyKind,
        label: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<Self, LoadKeyError> {
        // The size is judged before anything is computed: a file may hold a modulus of millions of bits.
        let numbers = pkcs1::RsaPrivateKeyRef::from_der(der).map_err(|_| LoadKeyError::Malformed)?;
        let octets = numbers.modulus.as_bytes().len();
        if octets > MODULUS_BITS.end() / 8 {
            return Err(LoadKeyError::Size(octets.saturating_mul(8)));
        }
        if numbers.public_exponent.as_bytes().len() > octets {
            return Err(LoadKeyError::Malformed);
        }
        let key = ::rsa::PrivateKey::from_pkcs1_der(der).map_err(|_| LoadKeyError::Malformed)?;
        let bits = modulus_bits(&key);
        if !MODULUS_BITS.contains(&bits) {
            return Err(LoadKeyError::Size(bits));
        }
        let plain = key.to_public_key().to_public_key_der().map_err(|_| LoadKeyError::Malformed)?;
        let public_key = label(plain.as_bytes()).ok_or(LoadKeyError::Malformed)?;
        let rejection_secret = rejection_secret(&key, &public_key);
        Ok(Self(Arc::new(Inner { key, public_key, rejection_secret, kind: kind(bits) })))
    }

    /// Reads the first `RSA PRIVATE KEY` section of a PEM text.
    ///
    /// # Errors
    /// [`LoadKeyError`] if there is none or it cannot be used.
    pub fn from_pkcs1_pem(pem: &[u8]) -> Result<Self, LoadKeyError> {
        Self::from_pkcs1_der(&section(pem, SectionKind::RsaPrivateKey)?)
    }

    /// Bits of the modulus.
    #[must_use]
    pub fn bits(&self) -> usize {
        modulus_bits(&self.0.key)
    }
}

impl fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaPrivateKey").field("bits", &self.bits()).finish_non_exhaustive()
    }
}

impl SigningKey for RsaPrivateKey {
    fn public_key(&self) -> &[u8] {
        &self.0.public_key
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = schemes_of(self.0.kind);
        // The `rsa` crate signs with one digest in both places only.
        schemes
            .retain(|scheme| !matches!(scheme, SignatureScheme::RsaPss(used) if used.mgf1_digest() != used.digest()));
        schemes
    }

    fn signature_len(&self, scheme: SignatureScheme) -> Option<usize> {
        signature_len(self.0.kind, scheme)
    }

    fn sign(&self, request: &SignRequest) -> Result<Vec<u8>, KeyError> {
        let (scheme, digest) = (request.scheme, request.digest.as_bytes());
        if request.digest.algorithm() != scheme.digest() || !self.0.kind.permits(scheme) {
            return Err(KeyError::Unsupported);
        }
        // Random octets blind the private operation; the signature depends on them only through the salt of PSS.
        let mut random = RngAdapter::new(&SystemRandom);
        let signature = match scheme {
            SignatureScheme::RsaPkcs1v15(digest) if !digest.is_usual() => return Err(KeyError::Unsupported),
            SignatureScheme::RsaPkcs1v15(algorithm) => {
                self.0.key.sign_with_rng(&mut random, signature_padding(algorithm), digest)
            }
            SignatureScheme::RsaPss(parameters) => {
                pss::sign(&self.0.key, parameters, digest, &mut random).ok_or(KeyError::Unsupported)?
            }
            _ => return Err(KeyError::Unsupported),
        };
        signature.map_err(|error| match error {
            // The modulus has no room for the digest, or for the digest and its salt.
            ::rsa::Error::MessageTooLong | ::rsa::Error::Internal => KeyError::Unsupported,
            other => KeyError::Unavailable(other.to_string()),
        })
    }
}

impl DecryptingKey for RsaPrivateKey {
    fn public_key(&self) -> &[u8] {
        &self.0.public_key
    }

    fn unwrap_key(&self, request: &UnwrapRequest) -> Result<SecretBytes, KeyError> {
        if !matches!(self.0.kind, KeyKind::Rsa { .. }) {
            return Err(KeyError::Unsupported);
        }
        let mut blinding = RngAdapter::new(&SystemRandom);
        let no_random = || KeyError::Unavailable("no random octets for blinding".into());
        match (request.transport, request.transport.digest(), &request.oaep) {
            (KeyTransport::RsaPkcs1v15, ..) => {
                match self.0.key.decrypt_blinded(&mut blinding, Pkcs1v15Encrypt, &request.encrypted_key) {
                    Ok(key) => Ok(SecretBytes::new(key)),
                    Err(::rsa::Error::Rng) => Err(no_random()),
                    // A wrapped key of the wrong length or not below the modulus; every other one yields octets.
                    Err(_) => Err(KeyError::Rejected),
                }
            }
            (transport, Some(digest), Some(parameters)) if transport.is_oaep() => {
                let key = oaep::decrypt(&self.0.key, digest, parameters, &mut blinding, &request.encrypted_key);
                key.map_err(|refusal| match refusal {
                    Refusal::Unsupported => KeyError::Unsupported,
                    Refusal::Random => no_random(),
                    Refusal::Rejected => KeyError::Rejected,
                })
            }
            _ => Err(KeyError::Unsupported),
        }
    }

    fn rejection_secret(&self) -> &[u8] {
        self.0.rejection_secret.as_bytes()
    }
}

/// Follows from the private key alone, so that all nodes that hold the key agree.
fn rejection_secret(key: &::rsa::PrivateKey, public_key: &[u8]) -> SecretBytes {
    let exponent = Zeroizing::new(key.d().to_be_bytes().into_vec());
    let secret = Sha256::new()
        .chain_update(b"as2-protocol RSA rejection secret 1")
        .chain_update(public_key)
        .chain_update(&*exponent)
        .finalize();
    SecretBytes::new(secret.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::{CipherAlgorithm, DigestAlgorithm};
    use crate::certificate::Certificate;
    use crate::crypto::content::content_key;
    use crate::crypto::tests::hex;
    use crate::crypto::{CryptoProvider, DigestValue};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    const ALICE: &[u8] = include_bytes!("../../../tests/vectors/worked/keys/alice-sign.key");
    const BOB: &[u8] = include_bytes!("../../../tests/vectors/worked/keys/bob-enc.key");

    /// `printf abc | openssl dgst -sha256 -sign alice-sign.key`
    const SIGNATURE: &str = "7a8c513ee12b7aa7c82b94aa868fe5c9be470808d4991a77ebb92b34f15eeacee6f71b6d178214d0bc91d0bf395cb2ae\
         b3680eb70627a415bdaa7f35e0edc23763cf28ecd83718bdc1b255296928c8a8c0bd50882eacfdc18d4b207fd24b3af1\
         d3ed2ec51b20aa8d8d3e943bd9f84bbbe819af7233454a0df0967be21efec8d35e93ee97d8e6a6fe103fd46dc77b0424\
         e4e62db3e363f23ae96c83f3735b16a58ffb72c14842d056d8b97c5aa3d05831c5e72733c30b69c8da23160fd25246c8\
         0abba5ae67b11a065e91281299504af3ffb94bf098396f780b396cf3488d8a9471a1cf412191df47446386f0a0070130\
         d815bc2a6848d507ef82c9f114375874";

    /// The same with -sha1, -sha384, -sha512, each as its SHA-256.
    const SIGNATURES: [(DigestAlgorithm, &str); 3] = [
        (DigestAlgorithm::Sha1, "0d4fe64f1a8b6775ff43166268bc704ec5bb963057212e56fdfca146e83911f5"),
        (DigestAlgorithm::Sha384, "28caad2f5e9643d5b55636627282c6a333ebea47a5f919b2e7bc7f881b8b4129"),
        (DigestAlgorithm::Sha512, "6fde38f90a12b86f9f3f5f3d657655380605cbfcd9948fd90e1f65760e00498c"),
    ];

    /// `openssl pkeyutl -encrypt -certin -inkey bob-enc.crt` of the octets 00 to 0f
    const WRAPPED: &str = "e27c5b3c4e2b69c415f05f95472e9f31f1cd96f2e8742910156670335900e61ba06a815699e12db25f8fe3fd943bf1a1\
         1573edaa24bffbc5a560cc36347209db0b5446edd409ec5f7d5a2da95bacdb9ab6e949ec7b637b86eaf234bc8435f304\
         5424c9f9582d6c190d85bea365f88ea2c4bbd544dc9bb3957fd9b25f04a30d28a3eef20c14c346f84ce427dd34526a14\
         731b749f236a7be98443fa905f2338f5533557a5b24c12313728443dd77fcd0f75a3b1cf9b2915319ee936867dce34ad\
         06a1c29cc1c3321dc36062a74264b1d860cf44f8ddc0cf47bbad41c40931a2880a8db6ba5ad94a9902575aa3a1ea9a13\
         61aecb7a668f41a65306211ec53b02fb";

    /// `openssl genrsa -traditional 512`
    const SHORT: &[u8] = b"-----BEGIN RSA PRIVATE KEY-----
MIIBOgIBAAJBAJc0wUxryfFF2b5e8UJFH9XaytrrwYfUE1jEtfFDvUzTrNY8lKvN
6MSq9JEenkzbToPFpHeOMsIrpaSw4MDpqhMCAwEAAQJAEnIqHqOLqDZoQNQeRIJg
RtuBIcHfAy35Cjw9IeisoEGGcZOaPQ+76Ke25EuujYSvwvPOIONTockORBtDJ3dq
4QIhAMj4Ban2GnjkVyI3k41RwJdMlK3oSSv1S58p9HNQHqxRAiEAwJxZDlvaiM6y
S5PE7mzEinaSnx9w8P23MrnUoFQ+qyMCICTeU3OtwYeCJHYTig83+0QGeZQ59AqL
crcdZEovXaExAiEAi/NOlitRr6QYUufs6Jzpdf5P7QTIaKLBcT8ras+rtWcCIH24
GlR9h1/MzIMiD4Xv+N79hMwk9MoZaOESwgd29oN+
-----END RSA PRIVATE KEY-----
";

    fn digest(algorithm: DigestAlgorithm, message: &[u8]) -> DigestValue {
        CryptoProvider::rustcrypto().digest(algorithm, message).unwrap()
    }

    fn sign(key: &RsaPrivateKey, algorithm: DigestAlgorithm) -> Result<Vec<u8>, KeyError> {
        key.sign(&SignRequest::new(SignatureScheme::RsaPkcs1v15(algorithm), digest(algorithm, b"abc")))
    }

    fn unwrap(key: &RsaPrivateKey, wrapped: &[u8]) -> Result<Vec<u8>, KeyError> {
        let request = UnwrapRequest::new(KeyTransport::RsaPkcs1v15, wrapped.to_vec());
        key.unwrap_key(&request).map(|key| key.as_bytes().to_vec())
    }

    #[test]
    fn signatures_are_those_of_openssl() {
        let key = RsaPrivateKey::from_pkcs8_pem(ALICE).unwrap();
        assert_eq!(sign(&key, DigestAlgorithm::Sha256), Ok(hex(SIGNATURE)));
        for (algorithm, expected) in SIGNATURES {
            let signature = sign(&key, algorithm).unwrap();
            assert_eq!(Some(signature.len()), key.signature_len(SignatureScheme::RsaPkcs1v15(algorithm)));
            assert!(digest(DigestAlgorithm::Sha256, &signature).ct_eq(&hex(expected)), "{algorithm}");
        }
    }

    #[test]
    fn a_digest_of_another_algorithm_is_not_signed() {
        let key = RsaPrivateKey::from_pkcs8_pem(ALICE).unwrap();
        let scheme = SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha512);
        let request = SignRequest::new(scheme, digest(DigestAlgorithm::Sha256, b"abc"));
        assert_eq!(key.sign(&request), Err(KeyError::Unsupported));
    }

    #[test]
    fn the_public_key_is_that_of_the_certificate() {
        let key = RsaPrivateKey::from_pkcs8_pem(ALICE).unwrap();
        let pem = include_bytes!("../../../tests/vectors/worked/keys/alice-sign.crt");
        assert_eq!(SigningKey::public_key(&key), Certificate::from_pem(pem).unwrap().spki_der());
        assert_eq!(SigningKey::public_key(&key), DecryptingKey::public_key(&key));
        assert_eq!(format!("{key:?}"), "RsaPrivateKey { bits: 2048, .. }");
    }

    #[test]
    fn a_key_wrapped_by_openssl_is_unwrapped() {
        let key = RsaPrivateKey::from_pkcs8_pem(BOB).unwrap();
        assert_eq!(unwrap(&key, &hex(WRAPPED)), Ok((0..16).collect()));
    }

    #[test]
    fn x14_bad_wrapped_keys_end_in_a_key_of_the_right_length_and_always_the_same() {
        let key = RsaPrivateKey::from_pkcs8_pem(BOB).unwrap();
        let mut changed = hex(WRAPPED);
        changed[200] ^= 1;
        let too_short = &changed[1..];
        let above_the_modulus = vec![0xff; 256];
        for bad in [&changed[..], too_short, &above_the_modulus, b""] {
            let request = UnwrapRequest::new(KeyTransport::RsaPkcs1v15, bad.to_vec());
            let get = || {
                let unwrapped = key.unwrap_key(&request);
                let secret = key.rejection_secret();
                content_key(unwrapped, CipherAlgorithm::Aes256Cbc, secret, bad).unwrap().as_bytes().to_vec()
            };
            assert_eq!(get().len(), 32);
            assert_eq!(get(), get());
        }
        assert_eq!(unwrap(&key, b""), Err(KeyError::Rejected));
        assert!(unwrap(&key, &changed).is_ok(), "a bad padding is not told");
    }

    #[test]
    fn rejection_secrets_follow_from_the_key_alone() {
        let (alice, bob) = (RsaPrivateKey::from_pkcs8_pem(ALICE).unwrap(), RsaPrivateKey::from_pkcs8_pem(BOB).unwrap());
        assert_eq!(alice.rejection_secret().len(), 32);
        assert_ne!(alice.rejection_secret(), bob.rejection_secret());
        assert_eq!(alice.rejection_secret(), RsaPrivateKey::from_pkcs8_pem(ALICE).unwrap().rejection_secret());
    }

    #[test]
    fn one_key_in_all_four_forms() {
        let expected = RsaPrivateKey::from_pkcs8_pem(ALICE).unwrap();
        let pkcs8 = section(ALICE, SectionKind::PrivateKey).unwrap();
        let pkcs1 = pkcs8::PrivateKeyInfoRef::from_der(&pkcs8).unwrap().private_key.as_bytes();
        let text = STANDARD.encode(pkcs1);
        let pem =
            format!("Bag Attributes: x\n-----BEGIN RSA PRIVATE KEY-----\r\n{text}\r\n-----END RSA PRIVATE KEY-----");
        for key in [
            RsaPrivateKey::from_pkcs8_der(&pkcs8),
            RsaPrivateKey::from_pkcs1_der(pkcs1),
            RsaPrivateKey::from_pkcs1_pem(pem.as_bytes()),
        ] {
            let key = key.unwrap();
            assert_eq!(SigningKey::public_key(&key), SigningKey::public_key(&expected));
            assert_eq!(key.rejection_secret(), expected.rejection_secret());
        }
    }

    #[test]
    fn keys_that_cannot_be_used_say_why() {
        let error = |result: Result<RsaPrivateKey, LoadKeyError>| result.err().unwrap();
        assert_eq!(error(RsaPrivateKey::from_pkcs1_pem(SHORT)), LoadKeyError::Size(512));
        assert_eq!(error(RsaPrivateKey::from_pkcs8_pem(SHORT)), LoadKeyError::NoKey, "another kind of section");
        assert_eq!(error(RsaPrivateKey::from_pkcs8_pem(b"")), LoadKeyError::NoKey);
        let ec = include_bytes!("../../../tests/vectors/ber/ec.key");
        let expected = LoadKeyError::Algorithm("1.2.840.10045.2.1".into());
        assert_eq!(error(RsaPrivateKey::from_pkcs8_pem(ec)), expected);
        assert_eq!(error(RsaPrivateKey::from_pkcs8_der(b"\x30\x00")), LoadKeyError::Malformed);
        assert_eq!(error(RsaPrivateKey::from_pkcs1_der(&[])), LoadKeyError::Malformed);
    }

    #[test]
    fn encrypted_keys_are_told_apart() {
        let error = |result: Result<RsaPrivateKey, LoadKeyError>| result.err().unwrap();
        // SEQUENCE { SEQUENCE { pbes2 }, OCTET STRING }
        let der = hex("3010300b06092a864886f70d01050d040141");
        assert_eq!(error(RsaPrivateKey::from_pkcs8_der(&der)), LoadKeyError::Encrypted);
        let pkcs8 = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert_eq!(error(RsaPrivateKey::from_pkcs8_pem(pkcs8)), LoadKeyError::Encrypted);
        let pkcs1 = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n\
                      AAAA\n-----END RSA PRIVATE KEY-----\n";
        assert_eq!(error(RsaPrivateKey::from_pkcs1_pem(pkcs1)), LoadKeyError::Encrypted);
    }
}
