//! Verification of signatures with public keys.

use pkcs8::SubjectPublicKeyInfoRef;
use pkcs8::der::Decode;

use super::{ec, ed25519, pss, rsa_public};
use crate::algorithm::SignatureScheme;
use crate::crypto::{DigestValue, VerifierProvider, VerifyError};

pub(super) struct Verifiers;

impl VerifierProvider for Verifiers {
    fn verify(
        &self,
        scheme: SignatureScheme,
        spki_der: &[u8],
        digest: &DigestValue,
        message: Option<&[u8]>,
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        let spki = SubjectPublicKeyInfoRef::from_der(spki_der).map_err(|_| VerifyError::InvalidKey)?;
        let digest_fits = digest.algorithm() == scheme.digest();
        let digest = || if digest_fits { Ok(digest.as_bytes()) } else { Err(VerifyError::InvalidSignature) };
        match scheme {
            SignatureScheme::RsaPkcs1v15(algorithm) => {
                let key = rsa_public::plain_key(&spki).ok_or(VerifyError::InvalidKey)?;
                rsa_public::verify_pkcs1v15(&key, algorithm, digest()?, signature)
            }
            SignatureScheme::RsaPss(parameters) => {
                let key = rsa_public::pss_key(&spki, parameters).ok_or(VerifyError::InvalidKey)?;
                pss::verify(&key, parameters, digest()?, signature)
            }
            SignatureScheme::Ecdsa(_) => ec::verify(&spki, digest()?, signature),
            #[cfg(feature = "pq")]
            SignatureScheme::MlDsa65 | SignatureScheme::MlDsa87 => {
                super::ml_dsa::verify(scheme, &spki, message.ok_or(VerifyError::NeedsMessage)?, signature)
            }
            #[cfg(not(feature = "pq"))]
            SignatureScheme::MlDsa65 | SignatureScheme::MlDsa87 => Err(VerifyError::Unsupported),
            SignatureScheme::Ed25519 => ed25519::verify(&spki, message.ok_or(VerifyError::NeedsMessage)?, signature),
        }
    }
    fn recover_digest(&self, spki_der: &[u8], signature: &[u8]) -> Result<DigestValue, VerifyError> {
        let spki = SubjectPublicKeyInfoRef::from_der(spki_der).map_err(|_| VerifyError::InvalidKey)?;
        let key = rsa_public::plain_key(&spki).ok_or(VerifyError::InvalidKey)?;
        rsa_public::recover_pkcs1v15(&key, signature).ok_or(VerifyError::InvalidSignature)
    }
}
