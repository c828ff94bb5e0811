//! Dates, key usage and revocation of one certificate at one use, judged by the agreement.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::certificate::{Certificate, CertificateUse, Whose};
use crate::error::{CertificateFault, ValidityError};
use crate::note::Note;
use crate::profile::{CertificateTerms, Strictness};
use crate::trust::{Revocation, RevocationStatus};

/// What is asked of a certificate at one use.
#[derive(Clone, Debug)]
pub(crate) struct UseTerms {
    pub(crate) whose: Whose,
    pub(crate) usage: CertificateUse,
    dates: Strictness,
    allow_expired_until: Option<SystemTime>,
    key_usage: Strictness,
    revocation: Option<RevocationCheck>,
}

/// The hook, and what happens where it knows nothing.
#[derive(Clone)]
pub(crate) struct RevocationCheck {
    pub(crate) hook: Arc<dyn Revocation>,
    pub(crate) unknown: Strictness,
}

impl fmt::Debug for RevocationCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationCheck").field("unknown", &self.unknown).finish_non_exhaustive()
    }
}

impl UseTerms {
    /// The terms of the agreement for one use; a use that it does not speak of is not judged.
    pub(crate) fn new(terms: &CertificateTerms, usage: CertificateUse) -> Self {
        let dated = &terms.allow_expired_until;
        let (whose, dates, allow_expired_until) = match usage {
            CertificateUse::Signing => (Whose::Ours, terms.signing, dated.signing),
            CertificateUse::Encryption => (Whose::Partners, terms.encryption, dated.encryption),
            CertificateUse::Verification => (Whose::Partners, terms.verification, dated.verification),
            CertificateUse::Receipts => (Whose::Partners, terms.receipts, dated.receipts),
            _ => return Self::lenient(usage),
        };
        Self { whose, usage, dates, allow_expired_until, key_usage: terms.key_usage, revocation: None }
    }

    /// Nothing is asked: for archived signatures, whose certificate was judged when they came.
    pub(crate) fn lenient(usage: CertificateUse) -> Self {
        let (dates, key_usage) = (Strictness::Ignore, Strictness::Ignore);
        Self { whose: Whose::Partners, usage, dates, allow_expired_until: None, key_usage, revocation: None }
    }

    pub(crate) fn with_revocation(self, revocation: Option<RevocationCheck>) -> Self {
        Self { revocation, ..self }
    }

    pub(crate) fn revocation(&self) -> Option<&RevocationCheck> {
        self.revocation.as_ref()
    }

    /// Whether `certificate` may be used at `at`, and what is to be noted then.
    pub(crate) fn judge(&self, certificate: &Certificate, at: SystemTime) -> Result<Vec<Note>, CertificateFault> {
        let mut notes = Vec::new();
        self.check_dates(certificate, at, &mut notes)?;
        self.check_key_usage(certificate, &mut notes)?;
        if let Some(check) = &self.revocation {
            notes.extend(check.ask(certificate, (self.whose, self.usage), at)?);
        }
        Ok(notes)
    }

    fn check_dates(
        &self,
        certificate: &Certificate,
        at: SystemTime,
        notes: &mut Vec<Note>,
    ) -> Result<(), CertificateFault> {
        let Err(error) = ValidityError::check(certificate, self.whose, self.usage, at) else { return Ok(()) };
        let excused = !error.not_yet && self.allow_expired_until.is_some_and(|until| at < until);
        match self.dates {
            Strictness::Ignore => {}
            Strictness::Refuse if !excused => return Err(error.into()),
            Strictness::Warn | Strictness::Refuse => {
                notes.push(Note::Validity { subject: certificate.subject().to_owned(), not_yet: error.not_yet });
            }
        }
        Ok(())
    }

    fn check_key_usage(&self, certificate: &Certificate, notes: &mut Vec<Note>) -> Result<(), CertificateFault> {
        if permits(certificate, self.usage) {
            return Ok(());
        }
        let subject = certificate.subject().to_owned();
        match self.key_usage {
            Strictness::Ignore => {}
            Strictness::Warn => notes.push(Note::KeyUsage { subject, purpose: purpose(self.usage).to_owned() }),
            Strictness::Refuse => {
                let (whose, usage, serial) = (self.whose, self.usage, certificate.serial_hex());
                return Err(CertificateFault::KeyUsage { whose, usage, subject, serial });
            }
        }
        Ok(())
    }
}

impl RevocationCheck {
    /// Asks for one certificate; `role` is what an error says about it.
    pub(crate) fn ask(
        &self,
        certificate: &Certificate,
        (whose, usage): (Whose, CertificateUse),
        at: SystemTime,
    ) -> Result<Option<Note>, CertificateFault> {
        let (subject, serial) = (certificate.subject().to_owned(), certificate.serial_hex());
        match (self.hook.status(certificate, at), self.unknown) {
            (RevocationStatus::Good, _) | (RevocationStatus::Unknown, Strictness::Ignore) => Ok(None),
            (RevocationStatus::Unknown, Strictness::Warn) => Ok(Some(Note::Revocation { subject })),
            (RevocationStatus::Unknown, Strictness::Refuse) => {
                Err(CertificateFault::RevocationUnknown { whose, usage, subject, serial })
            }
            (RevocationStatus::Revoked, _) => Err(CertificateFault::Revoked { whose, usage, subject, serial }),
        }
    }
}

/// Whether the key usage of `certificate` allows a use (RFC 8551 section 4.4.2).
pub(crate) fn permits(certificate: &Certificate, usage: CertificateUse) -> bool {
    match usage {
        CertificateUse::Encryption => certificate.permits_encryption(),
        CertificateUse::Signing | CertificateUse::Verification | CertificateUse::Receipts => {
            certificate.permits_signing()
        }
        // To a key that decrypts, somebody has encrypted already.
        _ => true,
    }
}

/// A use as notes about key usage name it.
pub(crate) fn purpose(usage: CertificateUse) -> &'static str {
    match usage {
        CertificateUse::Encryption => "encryption",
        _ => "signatures",
    }
}
