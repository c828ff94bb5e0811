//! Verification of RSA and ECDSA signatures.

use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1,
    ECDSA_P521_SHA512_ASN1, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    VerificationAlgorithm,
};
use pkcs8::SubjectPublicKeyInfoRef;
use pkcs8::der::Decode;

use super::imported;
use crate::algorithm::{DigestAlgorithm, EcCurve, PssParameters, SignatureScheme};
use crate::crypto::rustcrypto::{ec_key, usual_rsa_key};
use crate::crypto::{DigestValue, VerifierProvider, VerifyError};

/// Keys and schemes that AWS-LC does not take are left to the verifiers inside, which also say what is wrong with a key.
/// A signature is judged by one of them only.
pub(super) struct Verifiers(pub(super) Arc<dyn VerifierProvider>);

impl VerifierProvider for Verifiers {
    fn verify(
        &self,
        scheme: SignatureScheme,
        spki_der: &[u8],
        digest: &DigestValue,
        message: Option<&[u8]>,
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        let fits = digest.algorithm() == scheme.digest();
        match fits.then(|| verified(scheme, spki_der, digest, signature)).flatten() {
            Some(true) => Ok(()),
            Some(false) => Err(VerifyError::InvalidSignature),
            None => self.0.verify(scheme, spki_der, digest, message, signature),
        }
    }
}

/// Whether the signature is good; `None` if AWS-LC cannot tell.
fn verified(scheme: SignatureScheme, spki_der: &[u8], digest: &DigestValue, signature: &[u8]) -> Option<bool> {
    let spki = SubjectPublicKeyInfoRef::from_der(spki_der).ok()?;
    let (algorithm, key) = match scheme {
        SignatureScheme::RsaPkcs1v15(digest) => (pkcs1v15(digest)?, usual_rsa_key(&spki, None)?),
        SignatureScheme::RsaPss(parameters) => (pss(parameters)?, usual_rsa_key(&spki, Some(parameters))?),
        SignatureScheme::Ecdsa(digest) => {
            let (curve, point) = ec_key(&spki)?;
            // Compressed points are left to the other verifiers.
            (ecdsa(curve, digest)?, Some(point).filter(|point| point.first() == Some(&4))?)
        }
        _ => return None,
    };
    let key = ParsedPublicKey::new(algorithm, key).ok()?;
    Some(key.verify_digest_sig(&imported(digest)?, signature).is_ok())
}

type Algorithm = &'static dyn VerificationAlgorithm;

fn pkcs1v15(digest: DigestAlgorithm) -> Option<Algorithm> {
    match digest {
        DigestAlgorithm::Sha256 => Some(&RSA_PKCS1_2048_8192_SHA256),
        DigestAlgorithm::Sha384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        DigestAlgorithm::Sha512 => Some(&RSA_PKCS1_2048_8192_SHA512),
        _ => None,
    }
}

/// The salt is as long as the digest, which is in both places.
fn pss(parameters: PssParameters) -> Option<Algorithm> {
    if parameters != PssParameters::new(parameters.digest()) {
        return None;
    }
    match parameters.digest() {
        DigestAlgorithm::Sha256 => Some(&RSA_PSS_2048_8192_SHA256),
        DigestAlgorithm::Sha384 => Some(&RSA_PSS_2048_8192_SHA384),
        DigestAlgorithm::Sha512 => Some(&RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}

fn ecdsa(curve: EcCurve, digest: DigestAlgorithm) -> Option<Algorithm> {
    match (curve, digest) {
        (EcCurve::P256, DigestAlgorithm::Sha256) => Some(&ECDSA_P256_SHA256_ASN1),
        (EcCurve::P256, DigestAlgorithm::Sha384) => Some(&ECDSA_P256_SHA384_ASN1),
        (EcCurve::P256, DigestAlgorithm::Sha512) => Some(&ECDSA_P256_SHA512_ASN1),
        (EcCurve::P384, DigestAlgorithm::Sha256) => Some(&ECDSA_P384_SHA256_ASN1),
        (EcCurve::P384, DigestAlgorithm::Sha384) => Some(&ECDSA_P384_SHA384_ASN1),
        (EcCurve::P384, DigestAlgorithm::Sha512) => Some(&ECDSA_P384_SHA512_ASN1),
        (EcCurve::P521, DigestAlgorithm::Sha256) => Some(&ECDSA_P521_SHA256_ASN1),
        (EcCurve::P521, DigestAlgorithm::Sha384) => Some(&ECDSA_P521_SHA384_ASN1),
        (EcCurve::P521, DigestAlgorithm::Sha512) => Some(&ECDSA_P521_SHA512_ASN1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::Certificate;
    use crate::crypto::{CryptoProvider, SignRequest};
    use crate::keystore::PrivateKey;

    fn file(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/tests/vectors/signatures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    /// What the backend itself says about a good signature and about changed ones.
    fn verdicts(name: &str, scheme: SignatureScheme) -> Vec<Option<bool>> {
        let plain = CryptoProvider::rustcrypto();
        let key = PrivateKey::read(&file(&format!("{name}.key")), None).unwrap().into_signing().unwrap();
        let digest = plain.digest(scheme.digest(), b"order").unwrap();
        let mut signature = key.sign(&SignRequest::new(scheme, digest.clone()).with_message(&b"order"[..])).unwrap();
        let verify = |digest: &DigestValue, message: &[u8], signature: &[u8]| {
            let verdict = verified(scheme, key.public_key(), digest, signature);
            let whole = CryptoProvider::aws_lc_rs().verifiers().verify(
                scheme,
                key.public_key(),
                digest,
                Some(message),
                signature,
            );
            assert!(verdict.is_none_or(|good| good == whole.is_ok()), "{name} {scheme}");
            verdict
        };
        let mut verdicts = vec![verify(&digest, b"order", &signature)];
        verdicts.push(verify(&plain.digest(scheme.digest(), b"other").unwrap(), b"other", &signature));
        *signature.last_mut().unwrap() ^= 1;
        verdicts.push(verify(&digest, b"order", &signature));
        verdicts
    }

    #[test]
    fn signatures_are_judged_here_as_far_as_may_be() {
        let judged = [Some(true), Some(false), Some(false)];
        for digest in DigestAlgorithm::STRONG {
            for scheme in [SignatureScheme::RsaPkcs1v15(digest), SignatureScheme::rsa_pss(digest)] {
                assert_eq!(verdicts("rsa", scheme), judged, "{scheme}");
            }
            for name in ["p256", "p384", "p521"] {
                assert_eq!(verdicts(name, SignatureScheme::Ecdsa(digest)), judged, "{name} {digest}");
            }
        }
        let sha256 = DigestAlgorithm::Sha256;
        for (name, scheme) in [
            ("ed25519", SignatureScheme::Ed25519),
            ("rsa1030", SignatureScheme::RsaPkcs1v15(sha256)),
            ("rsa", SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha1)),
        ] {
            assert_eq!(verdicts(name, scheme), [None; 3], "{name} {scheme}");
        }
    }

    #[test]
    fn keys_that_are_restricted_or_malformed_are_refused_as_by_rustcrypto() {
        let digest = CryptoProvider::rustcrypto().digest(DigestAlgorithm::Sha256, b"order").unwrap();
        let pss = Certificate::from_pem(&file("pss.crt")).unwrap();
        let point = Certificate::from_pem(&file("p256.crt")).unwrap();
        let mut off_curve = point.spki_der().to_vec();
        *off_curve.last_mut().unwrap() ^= 1;
        for (scheme, spki) in [
            (SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256), pss.spki_der()),
            (SignatureScheme::Ecdsa(DigestAlgorithm::Sha256), &off_curve),
        ] {
            let verdict =
                CryptoProvider::aws_lc_rs().verifiers().verify(scheme, spki, &digest, Some(b"order"), &[1; 256]);
            assert_eq!(verdict, Err(VerifyError::InvalidKey), "{scheme}");
        }
    }
}
