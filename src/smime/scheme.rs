//! The names of signature schemes in a SignerInfo (RFC 3370 section 3; RFC 4056, 5753, 5754, 8419, 9882).

use bytes::Bytes;
use const_oid::ObjectIdentifier;

use crate::algorithm::{DigestAlgorithm, ML_DSA_65, ML_DSA_87, PssParameters, SignatureScheme};
use crate::cms::signed::SignerInfo;
use crate::cms::{AlgorithmIdentifier, oid};
use crate::error::{AuthenticationFault, ReceiveError, SIGNATURE};
use crate::note::Note;

/// The scheme of a signature, and what was assumed to find it.
pub(crate) fn read(signer: &SignerInfo) -> Result<(SignatureScheme, Option<Note>), ReceiveError> {
    let unknown = |algorithm: &AlgorithmIdentifier| ReceiveError::UnsupportedAlgorithm {
        what: SIGNATURE,
        algorithm: algorithm.oid.to_string(),
    };
    let digest =
        DigestAlgorithm::from_oid(&signer.digest_algorithm.oid).ok_or_else(|| unknown(&signer.digest_algorithm))?;
    let signature = &signer.signature_algorithm;
    let (scheme, note) = match signature.oid {
        oid::RSA_ENCRYPTION => (SignatureScheme::RsaPkcs1v15(digest), None),
        oid::RSASSA_PSS => pss(signature, digest)?,
        oid::ED25519 => (SignatureScheme::Ed25519, None),
        ML_DSA_65 => (SignatureScheme::MlDsa65, None),
        ML_DSA_87 => (SignatureScheme::MlDsa87, None),
        other => (combined(&other).ok_or_else(|| unknown(signature))?, None),
    };
    if scheme.digest() != digest {
        return Err(fault(format!("{scheme} is used with the digest algorithm {digest}")));
    }
    let without = |algorithm: &AlgorithmIdentifier| algorithm.parameters.as_deref().is_none_or(|given| given == NULL);
    if !without(&signer.digest_algorithm) {
        return Err(fault(format!("{digest} has parameters")));
    }
    if !matches!(scheme, SignatureScheme::RsaPss(_)) && !without(signature) {
        return Err(fault(format!("{scheme} has parameters")));
    }
    Ok((scheme, note))
}

/// RFC 4056 section 3 wants the parameters. pyas2lib leaves them out; then only one choice makes sense, and the
/// signature still has to verify under it.
fn pss(
    signature: &AlgorithmIdentifier,
    digest: DigestAlgorithm,
) -> Result<(SignatureScheme, Option<Note>), ReceiveError> {
    let Some(parameters) = &signature.parameters else {
        let text = format!("the signature is rsa-pss without parameters; those usual for {digest} were assumed");
        return Ok((SignatureScheme::rsa_pss(digest), Some(Note::Other(text))));
    };
    let parameters = PssParameters::from_der(parameters).map_err(|error| fault(error.to_string()))?;
    Ok((SignatureScheme::RsaPss(parameters), None))
}

/// Digest and signature in one identifier, as BouncyCastle writes it for RSA, and everybody for ECDSA.
fn combined(oid: &ObjectIdentifier) -> Option<SignatureScheme> {
    Some(match *oid {
        oid::MD5_WITH_RSA => SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Md5),
        oid::SHA1_WITH_RSA => SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha1),
        oid::SHA224_WITH_RSA => SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha224),
        oid::SHA256_WITH_RSA => SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256),
        oid::SHA384_WITH_RSA => SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha384),
        oid::SHA512_WITH_RSA => SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha512),
        oid::ECDSA_WITH_SHA1 => SignatureScheme::Ecdsa(DigestAlgorithm::Sha1),
        oid::ECDSA_WITH_SHA224 => SignatureScheme::Ecdsa(DigestAlgorithm::Sha224),
        oid::ECDSA_WITH_SHA256 => SignatureScheme::Ecdsa(DigestAlgorithm::Sha256),
        oid::ECDSA_WITH_SHA384 => SignatureScheme::Ecdsa(DigestAlgorithm::Sha384),
        oid::ECDSA_WITH_SHA512 => SignatureScheme::Ecdsa(DigestAlgorithm::Sha512),
        _ => return None,
    })
}

/// Digest and signature algorithm as we write them; `None` for a scheme that we sign nothing with.
pub(crate) fn identifiers(scheme: SignatureScheme) -> Option<(AlgorithmIdentifier, AlgorithmIdentifier)> {
    let plain = |oid| AlgorithmIdentifier { oid, parameters: None };
    let signature = match scheme {
        // rsaEncryption with NULL, which every product verifies (RFC 3370 section 3.2).
        SignatureScheme::RsaPkcs1v15(_) => {
            AlgorithmIdentifier { oid: oid::RSA_ENCRYPTION, parameters: Some(Bytes::from_static(NULL)) }
        }
        SignatureScheme::RsaPss(parameters) => {
            AlgorithmIdentifier { oid: oid::RSASSA_PSS, parameters: Some(parameters.to_der().into()) }
        }
        SignatureScheme::Ecdsa(DigestAlgorithm::Sha256) => plain(oid::ECDSA_WITH_SHA256),
        SignatureScheme::Ecdsa(DigestAlgorithm::Sha384) => plain(oid::ECDSA_WITH_SHA384),
        SignatureScheme::Ecdsa(DigestAlgorithm::Sha512) => plain(oid::ECDSA_WITH_SHA512),
        SignatureScheme::Ecdsa(_) => return None,
        SignatureScheme::Ed25519 => plain(oid::ED25519),
        SignatureScheme::MlDsa65 => plain(ML_DSA_65),
        SignatureScheme::MlDsa87 => plain(ML_DSA_87),
    };
    // RFC 5754 section 2: SHA-2 identifiers are written without parameters.
    Some((plain(scheme.digest().oid()), signature))
}

fn fault(text: String) -> ReceiveError {
    ReceiveError::Authentication(AuthenticationFault::Algorithm(text))
}

const NULL: &[u8] = &[5, 0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let strong = DigestAlgorithm::STRONG;
        let schemes = strong.map(SignatureScheme::RsaPkcs1v15).into_iter();
        let schemes = schemes.chain(strong.map(SignatureScheme::rsa_pss)).chain(strong.map(SignatureScheme::Ecdsa));
        for scheme in schemes.chain([SignatureScheme::Ed25519, SignatureScheme::MlDsa65, SignatureScheme::MlDsa87]) {
            let (digest, signature) = identifiers(scheme).unwrap();
            assert_eq!(read(&signer(digest, signature)), Ok((scheme, None)));
        }
        assert_eq!(identifiers(SignatureScheme::Ecdsa(DigestAlgorithm::Sha1)), None);
    }

    #[test]
    fn x23_parameters_may_be_null_or_absent_and_nothing_else() {
        let named = |oid: &str, parameters: Option<&'static [u8]>| AlgorithmIdentifier {
            oid: ObjectIdentifier::new_unwrap(oid),
            parameters: parameters.map(Bytes::from_static),
        };
        let (sha256, rsa, sha256_rsa) = ("2.16.840.1.101.3.4.2.1", "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.11");
        for digest in [None, Some(NULL)] {
            for signature in [rsa, sha256_rsa, "1.2.840.10045.4.3.2"] {
                for parameters in [None, Some(NULL)] {
                    assert!(read(&signer(named(sha256, digest), named(signature, parameters))).is_ok());
                }
            }
        }
        let text = |digest, signature| read(&signer(digest, signature)).unwrap_err().to_string();
        let other: Option<&[u8]> = Some(&[4, 0]);
        let refused = "the algorithms of the signature are not acceptable: ";
        assert_eq!(text(named(sha256, other), named(rsa, None)), format!("{refused}sha-256 has parameters"));
        assert_eq!(
            text(named(sha256, None), named(sha256_rsa, other)),
            format!("{refused}rsa-pkcs1-v1.5 with sha-256 has parameters")
        );
        assert_eq!(
            text(named(sha256, None), named("1.3.101.112", None)),
            format!("{refused}ed25519 is used with the digest algorithm sha-256")
        );
        assert_eq!(
            text(named(sha256, None), named("1.2.840.10040.4.3", None)),
            "signature uses the algorithm 1.2.840.10040.4.3, which is not supported",
            "DSA"
        );
    }

    fn signer(digest_algorithm: AlgorithmIdentifier, signature_algorithm: AlgorithmIdentifier) -> SignerInfo {
        SignerInfo {
            sid: crate::cms::EntityId::SubjectKeyId(Bytes::new()),
            digest_algorithm,
            signed_attributes: None,
            signature_algorithm,
            signature: Bytes::new(),
        }
    }
}
