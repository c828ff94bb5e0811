//! Private keys that sign with graviola, and with RustCrypto where that cannot.

use std::fmt;
use std::sync::Arc;

use graviola::hashing::{Sha256, Sha384, Sha512};
use graviola::signing::ecdsa::{self, Curve, P256, P384};
use graviola::signing::rsa;

use super::message_of;
use crate::algorithm::{DigestAlgorithm, PssParameters, SignatureScheme};
use crate::crypto::rustcrypto::{LoadKeyError, balanced_rsa_key};
use crate::crypto::{DecryptingKey, KeyError, KeyLoader, SignRequest, SigningKey};

/// Loads signing keys for graviola; decrypting keys are those of the loader inside.
pub(super) struct Loader(pub(super) Arc<dyn KeyLoader>);

impl KeyLoader for Loader {
    fn signing(&self, pkcs8_der: &[u8]) -> Result<Arc<dyn SigningKey>, LoadKeyError> {
        let plain = self.0.signing(pkcs8_der)?;
        Ok(match Fast::load(pkcs8_der) {
            Some(fast) => Arc::new(Key { plain, fast }),
            None => plain,
        })
    }

    fn decrypting(&self, pkcs8_der: &[u8]) -> Result<Arc<dyn DecryptingKey>, LoadKeyError> {
        self.0.decrypting(pkcs8_der)
    }
}

/// One private key, held twice.
struct Key {
    plain: Arc<dyn SigningKey>,
    fast: Fast,
}

enum Fast {
    Rsa(Box<rsa::SigningKey>),
    P256(ecdsa::SigningKey<P256>),
    P384(ecdsa::SigningKey<P384>),
}

impl Fast {
    /// `None` for keys that graviola does not take: of other algorithms, and of sizes that it is not tested with.
    fn load(pkcs8_der: &[u8]) -> Option<Self> {
        if let Some(pkcs1) = balanced_rsa_key(pkcs8_der, &[2048, 3072, 4096, 6144, 8192]) {
            return rsa::SigningKey::from_pkcs1_der(pkcs1).ok().map(|key| Self::Rsa(Box::new(key)));
        }
        let p256 = || ecdsa::SigningKey::from_pkcs8_der(pkcs8_der).ok().map(Self::P256);
        p256().or_else(|| ecdsa::SigningKey::from_pkcs8_der(pkcs8_der).ok().map(Self::P384))
    }

    /// `None` for a scheme that graviola has not, and if its check of the signature that it made fails.
    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Option<Vec<u8>> {
        match (self, scheme) {
            (Self::Rsa(key), SignatureScheme::RsaPkcs1v15(digest)) => sign_pkcs1v15(key, digest, message),
            (Self::Rsa(key), SignatureScheme::RsaPss(parameters)) => sign_pss(key, parameters, message),
            (Self::P256(key), SignatureScheme::Ecdsa(digest)) => sign_ecdsa(key, digest, message),
            (Self::P384(key), SignatureScheme::Ecdsa(digest)) => sign_ecdsa(key, digest, message),
            _ => None,
        }
    }
}

fn sign_pkcs1v15(key: &rsa::SigningKey, digest: DigestAlgorithm, message: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0; key.modulus_len_bytes()];
    let signature = match digest {
        DigestAlgorithm::Sha256 => key.sign_pkcs1_sha256(&mut out, message),
        DigestAlgorithm::Sha384 => key.sign_pkcs1_sha384(&mut out, message),
        DigestAlgorithm::Sha512 => key.sign_pkcs1_sha512(&mut out, message),
        _ => return None,
    };
    signature.ok().map(<[u8]>::to_vec)
}

/// The salt is as long as the digest, which is in both places.
fn sign_pss(key: &rsa::SigningKey, parameters: PssParameters, message: &[u8]) -> Option<Vec<u8>> {
    if parameters != PssParameters::new(parameters.digest()) {
        return None;
    }
    let mut out = vec![0; key.modulus_len_bytes()];
    let signature = match parameters.digest() {
        DigestAlgorithm::Sha256 => key.sign_pss_sha256(&mut out, message),
        DigestAlgorithm::Sha384 => key.sign_pss_sha384(&mut out, message),
        DigestAlgorithm::Sha512 => key.sign_pss_sha512(&mut out, message),
        _ => return None,
    };
    signature.ok().map(<[u8]>::to_vec)
}

fn sign_ecdsa<C: Curve>(key: &ecdsa::SigningKey<C>, digest: DigestAlgorithm, message: &[u8]) -> Option<Vec<u8>> {
    // Two numbers of 48 octets, each with a sign and a header of 2 octets, in a sequence.
    let mut out = [0; 128];
    let signature = match digest {
        DigestAlgorithm::Sha256 => key.sign_asn1::<Sha256>(&[message], &mut out),
        DigestAlgorithm::Sha384 => key.sign_asn1::<Sha384>(&[message], &mut out),
        DigestAlgorithm::Sha512 => key.sign_asn1::<Sha512>(&[message], &mut out),
        _ => return None,
    };
    signature.ok().map(<[u8]>::to_vec)
}

impl SigningKey for Key {
    fn public_key(&self) -> &[u8] {
        self.plain.public_key()
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.plain.schemes()
    }

    fn signature_len(&self, scheme: SignatureScheme) -> Option<usize> {
        self.plain.signature_len(scheme)
    }

    fn sign(&self, request: &SignRequest) -> Result<Vec<u8>, KeyError> {
        // A key may be restricted in what it signs with; those schemes are listed.
        let usual = request.digest.algorithm() == request.scheme.digest() && self.schemes().contains(&request.scheme);
        let message = message_of(&request.digest, request.message.as_deref()).filter(|_| usual);
        match message.and_then(|message| self.fast.sign(request.scheme, message)) {
            Some(signature) => Ok(signature),
            None => self.plain.sign(request),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Graviola").field(&self.plain).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{CryptoProvider, DigestValue, SecretBytes};
    use crate::keystore::PrivateKey;

    fn der(name: &str) -> SecretBytes {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/signatures");
        let file = std::fs::read(format!("{folder}/{name}.key")).unwrap();
        PrivateKey::read(&file, None).unwrap().to_pkcs8_der()
    }

    fn digest(scheme: SignatureScheme, message: &[u8]) -> DigestValue {
        CryptoProvider::rustcrypto().digest(scheme.digest(), message).unwrap()
    }

    fn assert_signed(key: &dyn SigningKey, scheme: SignatureScheme, message: &[u8], signature: &[u8]) {
        let plain = CryptoProvider::rustcrypto();
        let digest = digest(scheme, message);
        let verdict = plain.verifiers().verify(scheme, key.public_key(), &digest, Some(message), signature);
        assert_eq!(verdict, Ok(()), "{scheme}");
    }

    #[test]
    fn what_graviola_signs_is_verified_elsewhere() {
        for name in ["rsa", "p256", "p384"] {
            let key = CryptoProvider::graviola().key_loader().signing(der(name).as_bytes()).unwrap();
            assert!(format!("{key:?}").starts_with("Graviola("), "{key:?}");
            let fast = Fast::load(der(name).as_bytes()).unwrap();
            for scheme in key.schemes().into_iter().filter(|scheme| scheme.digest() != DigestAlgorithm::Sha1) {
                let signature = fast.sign(scheme, b"order").unwrap();
                assert_signed(&*key, scheme, b"order", &signature);
                let request = SignRequest::new(scheme, digest(scheme, b"order"));
                assert_signed(&*key, scheme, b"order", &key.sign(&request.with_message(&b"order"[..])).unwrap());
            }
        }
    }

    #[test]
    fn other_keys_stay_with_rustcrypto() {
        for name in ["rsa1030", "p521", "ed25519"] {
            assert!(Fast::load(der(name).as_bytes()).is_none(), "{name}");
            assert!(CryptoProvider::graviola().key_loader().signing(der(name).as_bytes()).is_ok(), "{name}");
        }
    }

    #[test]
    fn the_digest_counts_whatever_the_message_is() {
        let key = CryptoProvider::graviola().key_loader().signing(der("rsa").as_bytes()).unwrap();
        for scheme in key.schemes() {
            let request = SignRequest::new(scheme, digest(scheme, b"order"));
            let long = vec![7; super::super::MESSAGE_LEN + 1];
            for request in [request.clone(), request.clone().with_message(&b"another"[..]), request.with_message(long)]
            {
                assert_signed(&*key, scheme, b"order", &key.sign(&request).unwrap());
            }
        }
    }

    #[test]
    fn restricted_keys_and_other_digests_are_refused() {
        let pss = CryptoProvider::graviola().key_loader().signing(der("pss").as_bytes()).unwrap();
        let pkcs1v15 = SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256);
        let request = SignRequest::new(pkcs1v15, digest(pkcs1v15, b"order")).with_message(&b"order"[..]);
        assert_eq!(pss.sign(&request), Err(KeyError::Unsupported));
        let rsa = CryptoProvider::graviola().key_loader().signing(der("rsa").as_bytes()).unwrap();
        let sha512 = SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha512);
        let request = SignRequest::new(sha512, digest(pkcs1v15, b"order")).with_message(&b"order"[..]);
        assert_eq!(rsa.sign(&request), Err(KeyError::Unsupported));
    }
}
