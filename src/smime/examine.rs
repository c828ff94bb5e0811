//! Examining a signature that does not count: each part of it is tried alone, with everything that is at hand.
//!
//! What it costs is bounded, and paid only where somebody wants to know.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;

use crate::algorithm::{DigestAlgorithm, SignatureScheme};
use crate::certificate::Certificate;
use crate::cms::EntityId;
use crate::cms::signed::{SignedAttributes, SignedData, SignerInfo};
use crate::crypto::{DigestValue, VerifyError};
use crate::error::{AuthenticationFault, ReceiveError};
use crate::note::SignedOctets;
use crate::profile::SignedForm;
use crate::smime::diagnosis::{
    AgreedSigners, MadeWith, NamedCertificate, SignatureCovers, SignatureDiagnosis, SignatureFault, SignedDigest,
    SignerDiagnosis,
};
use crate::smime::entity_id::{describe, names};
use crate::smime::forms::{Received, octets_of};
use crate::smime::mic::pick;
use crate::smime::scheme;
use crate::smime::verify::{VerifyTerms, verify};

/// A signature with all that it was verified by.
#[derive(Clone)]
pub(crate) struct Suspect {
    /// What was decrypted may stand here, and nobody proved anything about it: it never leaves this module.
    pub(crate) content: Bytes,
    /// The signature as received; nothing where it stands in one object with the content.
    pub(crate) cms: Bytes,
    pub(crate) signed: Result<SignedData, ReceiveError>,
    pub(crate) terms: VerifyTerms,
}

impl fmt::Debug for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suspect").field("octets", &self.content.len()).finish_non_exhaustive()
    }
}

/// Signers that are examined. Honest signatures have one.
const MAX_SIGNERS: usize = 4;

/// Certificates beside a signature that are tried: chains have a handful.
const MAX_EMBEDDED: usize = 16;

/// Certificates that are tried for signatures over the whole content.
const MAX_READERS: usize = 3;

/// Examines a signature; `retired` are certificates of the partner's that no longer count.
pub(crate) fn examine(suspect: &Suspect, retired: Vec<(Certificate, SystemTime)>) -> SignatureDiagnosis {
    let terms = &suspect.terms;
    let agreed = AgreedSigners {
        certificates: terms.signers.trusted.clone(),
        retired,
        digests: terms.digests.clone(),
        families: terms.families.clone(),
        at: terms.now,
    };
    let (structure, signers) = match &suspect.signed {
        Err(error) => (Some(SignatureFault::Unreadable(error.to_string())), Vec::new()),
        Ok(signed) if signed.signers.is_empty() => (Some(SignatureFault::NoSigner), Vec::new()),
        Ok(signed) => {
            let first = signed.signers.iter().take(MAX_SIGNERS);
            (None, first.map(|signer| Examination::new(suspect, signed, signer, &agreed).conclude()).collect())
        }
    };
    SignatureDiagnosis { cms: suspect.cms.clone(), structure, signers, agreed }
}

/// One signer under examination.
struct Examination<'a> {
    suspect: &'a Suspect,
    signed: &'a SignedData,
    signer: &'a SignerInfo,
    agreed: &'a AgreedSigners,
    scheme: Option<SignatureScheme>,
    /// Certificates that may have made it: configured, retired, embedded ones.
    candidates: Vec<MadeWith>,
    /// The digest of the content in each form.
    forms: Vec<(SignedOctets, DigestValue)>,
}

/// Something that a signature may have been made over.
struct Reading {
    covers: SignatureCovers,
    digest: DigestValue,
    message: Option<Bytes>,
}

impl<'a> Examination<'a> {
    fn new(suspect: &'a Suspect, signed: &'a SignedData, signer: &'a SignerInfo, agreed: &'a AgreedSigners) -> Self {
        let embedded = signed.certificates.iter().filter_map(|der| Certificate::from_der(der.clone()).ok());
        let embedded = embedded.filter(Certificate::is_small).take(MAX_EMBEDDED).map(MadeWith::Embedded);
        let ours = agreed.certificates.iter().cloned().map(MadeWith::Agreed);
        let retired = agreed.retired.iter().cloned().map(|(certificate, at)| MadeWith::Retired(certificate, at));
        Self {
            suspect,
            signed,
            signer,
            agreed,
            scheme: scheme::read(signer).ok().map(|(scheme, _)| scheme),
            candidates: ours.chain(retired).chain(embedded).collect(),
            forms: forms(suspect, signer),
        }
    }

    fn conclude(self) -> SignerDiagnosis {
        let attributes = self.signer.signed_attributes.as_ref();
        let content = self.content(attributes);
        let (made_with, covers) =
            self.scheme.map_or((MadeWith::Unknown, SignatureCovers::Unknown), |scheme| self.maker(scheme));
        let alone = SignedData { signers: vec![self.signer.clone()], ..self.signed.clone() };
        let verdict = verify(self.suspect.content.clone(), &alone, &self.suspect.terms, &mut Vec::new());
        let fault = verdict.err().map(|failed| self.fault(failed.error, &content, &made_with, covers));
        let named_algorithm = || self.signer.signature_algorithm.oid.to_string();
        SignerDiagnosis {
            identifier: describe(&self.signer.sid),
            digest: DigestAlgorithm::from_oid(&self.signer.digest_algorithm.oid),
            algorithm: self.scheme.map_or_else(named_algorithm, |scheme| scheme.to_string()),
            signed_at: attributes.and_then(SignedAttributes::signing_time),
            named: self.named(),
            content,
            made_with,
            covers,
            fault,
            agreed: self.agreed.clone(),
        }
    }

    fn named(&self) -> NamedCertificate {
        let found = self
            .candidates
            .iter()
            .find(|candidate| candidate.certificate().is_some_and(|certificate| names(&self.signer.sid, certificate)));
        match found {
            Some(MadeWith::Agreed(certificate)) => return NamedCertificate::Agreed(certificate.clone()),
            Some(MadeWith::Retired(certificate, at)) => return NamedCertificate::Retired(certificate.clone(), *at),
            Some(MadeWith::Embedded(certificate)) => return NamedCertificate::Embedded(certificate.clone()),
            _ => {}
        }
        let EntityId::IssuerAndSerial { issuer, .. } = &self.signer.sid else { return NamedCertificate::Unknown };
        let sibling = self.agreed.certificates.iter().find(|agreed| agreed.issuer_der() == issuer.as_ref());
        sibling.map_or(NamedCertificate::Unknown, |sibling| NamedCertificate::Sibling(sibling.clone()))
    }

    fn content(&self, attributes: Option<&SignedAttributes>) -> SignedDigest {
        let signed = attributes.and_then(|attributes| attributes.message_digest().ok());
        let (Some(signed), Some((_, received))) = (signed, self.forms.first()) else { return SignedDigest::Unstated };
        match self.forms.iter().find(|(_, digest)| digest.as_bytes() == signed) {
            Some((form, _)) => SignedDigest::Fits(*form),
            None => SignedDigest::Differs { signed: signed.to_vec(), received: received.as_bytes().to_vec() },
        }
    }

    /// Whose key it was, and what that made the signature over.
    fn maker(&self, scheme: SignatureScheme) -> (MadeWith, SignatureCovers) {
        let able: Vec<_> = self.candidates.iter().filter(|candidate| candidate.permits(scheme)).collect();
        if able.is_empty() {
            return (MadeWith::AnotherKey, SignatureCovers::Unknown);
        }
        let over_content = scheme.signs_message() && self.signer.signed_attributes.is_none();
        let readers = if over_content { MAX_READERS } else { able.len() };
        for reading in self.readings(scheme) {
            if let Some(maker) = able.iter().take(readers).find(|candidate| self.holds(candidate, scheme, &reading)) {
                return ((*maker).clone(), reading.covers);
            }
        }
        if !matches!(scheme, SignatureScheme::RsaPkcs1v15(_)) {
            return (MadeWith::Unknown, SignatureCovers::Unknown);
        }
        let mut verdicts = able.iter().map(|candidate| (candidate, self.recovered(candidate)));
        match verdicts.clone().find(|(_, verdict)| verdict.is_ok()) {
            Some((maker, _)) => ((*maker).clone(), SignatureCovers::SomethingElse),
            None if verdicts.any(|(_, verdict)| verdict == Err(VerifyError::Unsupported)) => {
                (MadeWith::Unknown, SignatureCovers::Unknown)
            }
            None => (MadeWith::AnotherKey, SignatureCovers::Unknown),
        }
    }

    /// All that it may have been made over, one after the other: a form of the content may be a copy of it.
    fn readings(&self, scheme: SignatureScheme) -> impl Iterator<Item = Reading> {
        let attributes = self.signer.signed_attributes.as_ref();
        let encoded = attributes.into_iter().flat_map(|a| [a.as_received(), a.as_sorted_der().ok()]).flatten();
        let of_attributes = encoded.filter_map(move |message| {
            let digest = self.suspect.terms.provider.digest(scheme.digest(), &message).ok()?;
            Some(Reading { covers: SignatureCovers::Attributes, digest, message: Some(message.into()) })
        });
        // With attributes, the content itself was covered by mistake; that is not looked for at all costs.
        let forms = if scheme.signs_message() && attributes.is_some() { &[] } else { self.forms.as_slice() };
        let of_content = forms.iter().map(move |(form, digest)| Reading {
            covers: SignatureCovers::Content(*form),
            digest: digest.clone(),
            message: (scheme.signs_message()).then(|| octets_of(&self.suspect.content, *form)),
        });
        of_attributes.chain(of_content)
    }

    fn holds(&self, candidate: &MadeWith, scheme: SignatureScheme, reading: &Reading) -> bool {
        let Some(certificate) = candidate.certificate() else { return false };
        let (verifiers, signature) = (self.suspect.terms.provider.verifiers(), &self.signer.signature);
        let message = reading.message.as_deref();
        verifiers.verify(scheme, certificate.spki_der(), &reading.digest, message, signature).is_ok()
    }

    fn recovered(&self, candidate: &MadeWith) -> Result<DigestValue, VerifyError> {
        let certificate = candidate.certificate().ok_or(VerifyError::InvalidKey)?;
        let verifiers = self.suspect.terms.provider.verifiers();
        verifiers.recover_digest(certificate.spki_der(), &self.signer.signature)
    }

    /// What is wrong, from the error of the verdict and what was found out beyond it.
    fn fault(
        &self,
        error: ReceiveError,
        content: &SignedDigest,
        made_with: &MadeWith,
        covers: SignatureCovers,
    ) -> SignatureFault {
        let fault = match error {
            ReceiveError::IntegrityCheck { .. } => {
                return match content {
                    SignedDigest::Fits(form) => SignatureFault::Form(*form),
                    _ => SignatureFault::Content,
                };
            }
            ReceiveError::Authentication(fault) => fault,
            other => return SignatureFault::Algorithm(other.to_string()),
        };
        match fault {
            AuthenticationFault::NoSigner => SignatureFault::NoSigner,
            AuthenticationFault::UntrustedSigner { .. } => SignatureFault::Key,
            AuthenticationFault::Certificate(fault) => SignatureFault::Certificate(fault),
            AuthenticationFault::Untrusted { error, .. } => SignatureFault::Untrusted(*error),
            AuthenticationFault::Algorithm(_) => SignatureFault::Algorithm(fault.to_string()),
            AuthenticationFault::Attributes(text) => SignatureFault::Attributes(text),
            AuthenticationFault::InvalidSignature { .. } => self.invalid(made_with, covers),
        }
    }

    /// Why a signature value is not valid under any configured certificate.
    fn invalid(&self, made_with: &MadeWith, covers: SignatureCovers) -> SignatureFault {
        let has_attributes = self.signer.signed_attributes.is_some();
        match (made_with, covers) {
            (MadeWith::Unknown, _) => SignatureFault::Undetermined,
            (MadeWith::AnotherKey, _) => SignatureFault::Key,
            (_, SignatureCovers::SomethingElse) if !has_attributes => SignatureFault::Content,
            (_, SignatureCovers::SomethingElse | SignatureCovers::Content(_)) if has_attributes => {
                SignatureFault::AttributesChanged
            }
            (MadeWith::Agreed(_), SignatureCovers::Content(form)) => SignatureFault::Form(form),
            _ => SignatureFault::Key,
        }
    }
}

impl MadeWith {
    fn certificate(&self) -> Option<&Certificate> {
        match self {
            Self::Agreed(certificate) | Self::Retired(certificate, _) | Self::Embedded(certificate) => {
                Some(certificate)
            }
            Self::AnotherKey | Self::Unknown => None,
        }
    }

    fn permits(&self, scheme: SignatureScheme) -> bool {
        self.certificate().is_some_and(|certificate| certificate.key_kind().permits(scheme))
    }
}

/// The digest of each form of the content, whatever the agreement takes; the form as received comes first.
fn forms(suspect: &Suspect, signer: &SignerInfo) -> Vec<(SignedOctets, DigestValue)> {
    let Some(algorithm) = DigestAlgorithm::from_oid(&signer.digest_algorithm.oid) else { return Vec::new() };
    let (provider, content, all) = (&suspect.terms.provider, &suspect.content, SignedForm::Tolerant);
    let Ok(mut received) = Received::new(provider, &[algorithm], content, all) else { return Vec::new() };
    let others = received.others(provider, &[algorithm], content, all);
    let first = pick(&received.values, algorithm).map(|digest| (SignedOctets::AsReceived, digest.clone()));
    let others = others.iter().filter_map(|other| Some((other.form, pick(&other.values, algorithm)?.clone())));
    first.into_iter().chain(others).collect()
}
