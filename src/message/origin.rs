//! Non-repudiation of origin: a received signature, kept so that it can be verified again offline (RFC 4130 section 9.1).

use std::time::SystemTime;

use bytes::Bytes;

use crate::algorithm::{DigestAlgorithm, SignatureFamily};
use crate::certificate::{Certificate, CertificateUse};
use crate::crypto::CryptoProvider;
use crate::error::ReceiveError;
use crate::limits::Limits;
use crate::note::SignedOctets;
use crate::profile::SignedForm;
use crate::receipt::builder::Asked;
use crate::smime::verify::{SignedContent, Verified, VerifyTerms, read_signature, verify};
use crate::stored::{FormatVersion, Instant, Octets};
use crate::trust::{Signers, Trust, UseTerms};

/// A verified signature of the partner, with the octets that it covers.
///
/// Only the verifier makes one; [`OriginRecord`] is its stored form.
#[derive(Clone, Debug)]
pub struct OriginEvidence {
    record: OriginRecord,
    signed_at: Option<SystemTime>,
}

impl OriginEvidence {
    pub(crate) fn new(asked: &Asked, verified: &Verified<SignedContent>, cms: Bytes, now: SystemTime) -> Self {
        Self {
            signed_at: verified.value().signed_at,
            record: OriginRecord {
                version: FormatVersion,
                from: asked.from.to_string(),
                to: asked.to.to_string(),
                message_id: asked.message_id.as_ref().map(ToString::to_string),
                content: Octets(verified.value().octets.clone()),
                canonical: verified.value().form == SignedOctets::InCrlf,
                signature: Octets(cms),
                signer: verified.certificate().clone(),
                received_at: Instant(now),
            },
        }
    }

    /// The certificate under which the signature verified.
    #[must_use]
    pub fn signer(&self) -> &Certificate {
        &self.record.signer
    }

    /// When the signer says to have signed; his clock may be wrong.
    #[must_use]
    pub fn signed_at(&self) -> Option<SystemTime> {
        self.signed_at
    }

    /// The MIME entity that was signed; as received, if its CRLF form was signed.
    #[must_use]
    pub fn content(&self) -> &Bytes {
        &self.record.content.0
    }

    /// The form to archive.
    #[must_use]
    pub fn record(&self) -> &OriginRecord {
        &self.record
    }
}

/// The stored form of [`OriginEvidence`]: data, which proves nothing until it is verified.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct OriginRecord {
    #[cfg_attr(not(feature = "serde"), allow(dead_code))]
    version: FormatVersion,
    from: String,
    to: String,
    message_id: Option<String>,
    content: Octets,
    canonical: bool,
    signature: Octets,
    signer: Certificate,
    received_at: Instant,
}

impl OriginRecord {
    /// The sender's name (AS2-From).
    #[must_use]
    pub fn from(&self) -> &str {
        &self.from
    }

    /// The recipient's name (AS2-To).
    #[must_use]
    pub fn to(&self) -> &str {
        &self.to
    }

    /// The Message-ID, if the message had one.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        self.message_id.as_deref()
    }

    /// Verifies the signature again, under the archived certificate.
    ///
    /// # Errors
    /// The reason why the signature does not hold.
    pub fn verify(&self, provider: &CryptoProvider) -> Result<OriginEvidence, ReceiveError> {
        let terms = VerifyTerms {
            provider: provider.clone(),
            signers: Signers {
                trusted: vec![self.signer.clone()],
                trust: Trust::Pin,
                terms: UseTerms::lenient(CertificateUse::Verification),
            },
            digests: DigestAlgorithm::ALL.to_vec(),
            families: SignatureFamily::ALL.to_vec(),
            form: if self.canonical { SignedForm::AsSentOrCrlf } else { SignedForm::AsSent },
            limits: Limits::default(),
            now: self.received_at.0,
            wanted: Vec::new(),
        };
        let signed = read_signature(self.signature.0.clone(), &terms.limits)?;
        let verified =
            verify(self.content.0.clone(), &signed, &terms, &mut Vec::new()).map_err(|failed| failed.error)?;
        Ok(OriginEvidence { record: self.clone(), signed_at: verified.value().signed_at })
    }
}
