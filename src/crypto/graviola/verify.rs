//! Verification of RSA and ECDSA signatures over short messages.

use std::sync::Arc;

use graviola::Error;
use graviola::hashing::{Sha256, Sha384, Sha512};
use graviola::signing::ecdsa::{self, Curve, P256, P384};
use graviola::signing::rsa;
use pkcs8::SubjectPublicKeyInfoRef;
use pkcs8::der::Decode;

use super::message_of;
use crate::algorithm::{DigestAlgorithm, EcCurve, PssParameters, SignatureScheme};
use crate::crypto::rustcrypto::{ec_key, usual_rsa_key};
use crate::crypto::{DigestValue, VerifierProvider, VerifyError};

/// Keys and schemes that graviola does not take are left to the verifiers inside, which also say what is wrong with a
/// key. A signature is judged by one of them only.
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
        let short = message_of(digest, message).filter(|_| digest.algorithm() == scheme.digest());
        match short.and_then(|short| verified(scheme, spki_der, short, signature)) {
            Some(true) => Ok(()),
            Some(false) => Err(VerifyError::InvalidSignature),
            None => self.0.verify(scheme, spki_der, digest, message, signature),
        }
    }
}

/// Whether the signature is good; `None` if graviola cannot tell.
fn verified(scheme: SignatureScheme, spki_der: &[u8], message: &[u8], signature: &[u8]) -> Option<bool> {
    let spki = SubjectPublicKeyInfoRef::from_der(spki_der).ok()?;
    let rsa_key = |pss| rsa::VerifyingKey::from_pkcs1_der(usual_rsa_key(&spki, pss)?).ok();
    let verdict = match scheme {
        SignatureScheme::RsaPkcs1v15(digest) => pkcs1v15(&rsa_key(None)?, digest, message, signature)?,
        SignatureScheme::RsaPss(parameters) => pss(&rsa_key(Some(parameters))?, parameters, message, signature)?,
        SignatureScheme::Ecdsa(digest) => match ec_key(&spki)? {
            (EcCurve::P256, point) => ecdsa::<P256>(point, digest, message, signature)?,
            (EcCurve::P384, point) => ecdsa::<P384>(point, digest, message, signature)?,
            (EcCurve::P521, _) => return None,
        },
        _ => return None,
    };
    Some(verdict.is_ok())
}

fn pkcs1v15(
    key: &rsa::VerifyingKey,
    digest: DigestAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> Option<Result<(), Error>> {
    match digest {
        DigestAlgorithm::Sha256 => Some(key.verify_pkcs1_sha256(signature, message)),
        DigestAlgorithm::Sha384 => Some(key.verify_pkcs1_sha384(signature, message)),
        DigestAlgorithm::Sha512 => Some(key.verify_pkcs1_sha512(signature, message)),
        _ => None,
    }
}

/// The salt is as long as the digest, which is in both places.
fn pss(
    key: &rsa::VerifyingKey,
    parameters: PssParameters,
    message: &[u8],
    signature: &[u8],
) -> Option<Result<(), Error>> {
    if parameters != PssParameters::new(parameters.digest()) {
        return None;
    }
    match parameters.digest() {
        DigestAlgorithm::Sha256 => Some(key.verify_pss_sha256(signature, message)),
        DigestAlgorithm::Sha384 => Some(key.verify_pss_sha384(signature, message)),
        DigestAlgorithm::Sha512 => Some(key.verify_pss_sha512(signature, message)),
        _ => None,
    }
}

fn ecdsa<C: Curve>(
    point: &[u8],
    digest: DigestAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> Option<Result<(), Error>> {
    let key = ecdsa::VerifyingKey::<C>::from_x962_uncompressed(point).ok()?;
    match digest {
        DigestAlgorithm::Sha256 => Some(key.verify_asn1::<Sha256>(&[message], signature)),
        DigestAlgorithm::Sha384 => Some(key.verify_asn1::<Sha384>(&[message], signature)),
        DigestAlgorithm::Sha512 => Some(key.verify_asn1::<Sha512>(&[message], signature)),
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
            let verdict = verified(scheme, key.public_key(), message, signature);
            let whole = CryptoProvider::graviola().verifiers().verify(
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
            for name in ["p256", "p384"] {
                assert_eq!(verdicts(name, SignatureScheme::Ecdsa(digest)), judged, "{name} {digest}");
            }
        }
        let sha256 = DigestAlgorithm::Sha256;
        for (name, scheme) in [
            ("p521", SignatureScheme::Ecdsa(sha256)),
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
                CryptoProvider::graviola().verifiers().verify(scheme, spki, &digest, Some(b"order"), &[1; 256]);
            assert_eq!(verdict, Err(VerifyError::InvalidKey), "{scheme}");
        }
    }
}
