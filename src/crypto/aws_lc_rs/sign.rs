//! Private keys that sign with AWS-LC, and with RustCrypto where that cannot.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::Digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
    RsaKeyPair,
};

use super::{RSA_BITS, imported};
use crate::algorithm::{DigestAlgorithm, PssParameters, SignatureScheme};
use crate::crypto::rustcrypto::balanced_rsa_key;
use crate::crypto::{KeyError, SignRequest, SigningKey};

/// A key that signs with AWS-LC as far as that can; `plain` itself if it cannot at all.
pub(super) fn key(plain: Arc<dyn SigningKey>, pkcs8_der: &[u8]) -> Arc<dyn SigningKey> {
    match Fast::load(pkcs8_der) {
        Some(fast) => Arc::new(Key { plain, fast }),
        None => plain,
    }
}

/// One private key, held twice.
struct Key {
    plain: Arc<dyn SigningKey>,
    fast: Fast,
}

enum Fast {
    Rsa(RsaKeyPair),
    /// A key pair has one digest there; each curve is held with the digest that goes with it (RFC 5753 section 8).
    Ec(EcdsaKeyPair, DigestAlgorithm),
}

impl Fast {
    fn load(pkcs8_der: &[u8]) -> Option<Self> {
        if let Some(pkcs1) = balanced_rsa_key(pkcs8_der, &RSA_BITS) {
            return RsaKeyPair::from_der(pkcs1).ok().map(Self::Rsa);
        }
        let curves = [
            (&ECDSA_P256_SHA256_ASN1_SIGNING, DigestAlgorithm::Sha256),
            (&ECDSA_P384_SHA384_ASN1_SIGNING, DigestAlgorithm::Sha384),
            (&ECDSA_P521_SHA512_ASN1_SIGNING, DigestAlgorithm::Sha512),
        ];
        curves.into_iter().find_map(|(curve, digest)| {
            EcdsaKeyPair::from_private_key_der(curve, pkcs8_der).ok().map(|key| Self::Ec(key, digest))
        })
    }

    /// `None` for a scheme that is left to RustCrypto, and if AWS-LC fails.
    fn sign(&self, scheme: SignatureScheme, digest: &Digest) -> Option<Vec<u8>> {
        match (self, scheme) {
            (Self::Rsa(key), _) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign_digest(encoding(scheme)?, digest, &mut signature).ok()?;
                Some(signature)
            }
            (Self::Ec(key, own), SignatureScheme::Ecdsa(used)) if *own == used => {
                Some(key.sign_digest(digest).ok()?.as_ref().to_vec())
            }
            _ => None,
        }
    }
}

/// The salt of PSS is as long as the digest, which is in both places.
fn encoding(scheme: SignatureScheme) -> Option<&'static dyn RsaEncoding> {
    let pss = |parameters: PssParameters| parameters == PssParameters::new(parameters.digest());
    match scheme {
        SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256) => Some(&RSA_PKCS1_SHA256),
        SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha384) => Some(&RSA_PKCS1_SHA384),
        SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha512) => Some(&RSA_PKCS1_SHA512),
        SignatureScheme::RsaPss(parameters) if pss(parameters) => match parameters.digest() {
            DigestAlgorithm::Sha256 => Some(&RSA_PSS_SHA256),
            DigestAlgorithm::Sha384 => Some(&RSA_PSS_SHA384),
            DigestAlgorithm::Sha512 => Some(&RSA_PSS_SHA512),
            _ => None,
        },
        _ => None,
    }
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
        let digest = imported(&request.digest).filter(|_| usual);
        match digest.and_then(|digest| self.fast.sign(request.scheme, &digest)) {
            Some(signature) => Ok(signature),
            None => self.plain.sign(request),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AwsLc").field(&self.plain).finish()
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
    fn what_aws_lc_signs_is_verified_elsewhere() {
        for name in ["rsa", "p256", "p384", "p521"] {
            let key = CryptoProvider::aws_lc_rs().key_loader().signing(der(name).as_bytes()).unwrap();
            assert!(format!("{key:?}").starts_with("AwsLc("), "{key:?}");
            let fast = Fast::load(der(name).as_bytes()).unwrap();
            let mut signed = 0;
            for scheme in key.schemes() {
                let digest_there = imported(&digest(scheme, b"order"));
                if let Some(signature) = digest_there.and_then(|digest| fast.sign(scheme, &digest)) {
                    assert_signed(&*key, scheme, b"order", &signature);
                    signed += 1;
                }
                let request = SignRequest::new(scheme, digest(scheme, b"order"));
                assert_signed(&*key, scheme, b"order", &key.sign(&request.with_message(&b"order"[..])).unwrap());
            }
            // Three digests with each padding; elliptic curves have one digest each.
            assert_eq!(signed, if name == "rsa" { 6 } else { 1 }, "{name}");
        }
    }

    #[test]
    fn other_keys_stay_with_rustcrypto() {
        for name in ["rsa1030", "ed25519"] {
            assert!(Fast::load(der(name).as_bytes()).is_none(), "{name}");
            assert!(CryptoProvider::aws_lc_rs().key_loader().signing(der(name).as_bytes()).is_ok(), "{name}");
        }
    }

    #[test]
    fn restricted_keys_and_other_digests_are_refused() {
        let pss = CryptoProvider::aws_lc_rs().key_loader().signing(der("pss").as_bytes()).unwrap();
        let pkcs1v15 = SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256);
        let request = SignRequest::new(pkcs1v15, digest(pkcs1v15, b"order")).with_message(&b"order"[..]);
        assert_eq!(pss.sign(&request), Err(KeyError::Unsupported));
        let rsa = CryptoProvider::aws_lc_rs().key_loader().signing(der("rsa").as_bytes()).unwrap();
        let sha512 = SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha512);
        let request = SignRequest::new(sha512, digest(pkcs1v15, b"order")).with_message(&b"order"[..]);
        assert_eq!(rsa.sign(&request), Err(KeyError::Unsupported));
    }
}
