//! Non-repudiation of receipt: what is archived, and how it is checked again offline (RFC 4130 section 9.1).

use std::fmt;
use std::time::SystemTime;

use crate::certificate::Certificate;
use crate::crypto::CryptoProvider;
use crate::mdn::Disposition;
use crate::name::{As2Name, MessageId};
use crate::note::Note;
use crate::partner::Partner;
use crate::receipt::incoming::IncomingMdn;
use crate::receipt::outcome::Outcome;
use crate::receipt::pending::{PendingReceipt, Signer};
use crate::rollover::{Observation, ObservedUse};
use crate::smime::diagnosis::SignatureDiagnosis;
use crate::stored::{FormatVersion, Instant};

/// A receipt that was judged, with all that is needed to judge it again.
///
/// Only the verifier makes one; [`EvidenceRecord`] is its stored form, and becomes evidence again by
/// [`EvidenceRecord::verify`] alone.
#[derive(Clone)]
pub struct Evidence {
    record: EvidenceRecord,
    proof: Option<Proof>,
    notes: Vec<Note>,
}

/// How well a receipt proves delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Proof {
    /// An unsigned receipt without integrity check: somebody says that something arrived.
    UnsignedNoMic,
    /// An unsigned receipt with the right integrity check: the content was received by whoever wrote it.
    UnsignedWithMic,
    /// A receipt signed by the partner with the right integrity check: non-repudiation of receipt.
    Signed,
}

impl Evidence {
    pub(crate) fn new(
        pending: &PendingReceipt,
        mdn: &IncomingMdn,
        signer: Signer,
        proof: Option<Proof>,
        now: SystemTime,
    ) -> Self {
        let record = EvidenceRecord {
            version: FormatVersion,
            pending: pending.clone(),
            receipt: mdn.clone(),
            signer: signer.certificate,
            judged_at: Instant(now),
        };
        Self { record, proof, notes: signer.notes }
    }

    /// How well delivery is proven; `None` where it is not, as in refusals and disputes.
    #[must_use]
    pub fn proof(&self) -> Option<Proof> {
        self.proof
    }

    /// The certificate under which the receipt's signature verified.
    #[must_use]
    pub fn signer(&self) -> Option<&Certificate> {
        self.record.signer.as_ref()
    }

    /// What was tolerated, such as a certificate outside its dates or names that are not those of the message.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The certificate that was seen at work, for [`rollover_report`](crate::rollover_report).
    #[must_use]
    pub fn observations(&self) -> Vec<Observation> {
        let seen = |signer: &Certificate| {
            let (them, usage) = (self.them().as_str(), ObservedUse::ReceiptSignedByThem);
            Observation::new(them, usage, signer, signer.subject(), self.record.judged_at.0)
        };
        self.signer().map(seen).into_iter().collect()
    }

    /// The message that the receipt is about.
    #[must_use]
    pub fn message_id(&self) -> &MessageId {
        self.record.pending.message_id()
    }

    /// What the receipt says.
    #[must_use]
    pub fn disposition(&self) -> Option<&Disposition> {
        self.record.receipt.disposition()
    }

    /// The receipt itself.
    #[must_use]
    pub fn receipt(&self) -> &IncomingMdn {
        &self.record.receipt
    }

    /// Why the signature of the receipt does not count, see
    /// [`PendingReceipt::diagnose_signature`](crate::PendingReceipt::diagnose_signature).
    #[must_use]
    pub fn diagnose_signature(&self, partner: &Partner) -> Option<SignatureDiagnosis> {
        self.record.pending.diagnose_signature(&self.record.receipt, partner)
    }

    /// The form to archive.
    #[must_use]
    pub fn record(&self) -> &EvidenceRecord {
        &self.record
    }

    /// Whether the agreement lets only signed receipts count.
    pub(crate) fn must_be_signed(&self) -> bool {
        self.record.pending.must_be_signed()
    }

    pub(crate) fn us(&self) -> &As2Name {
        self.record.pending.us()
    }

    pub(crate) fn them(&self) -> &As2Name {
        self.record.pending.them()
    }

    pub(crate) fn sent_at_text(&self) -> String {
        Instant(self.record.pending.sent_at()).text()
    }
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence")
            .field("message_id", self.message_id())
            .field("proof", &self.proof)
            .field("signer", &self.signer().map(Certificate::subject))
            .finish_non_exhaustive()
    }
}

/// The stored form of [`Evidence`]: data, which proves nothing until it is verified.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct EvidenceRecord {
    #[cfg_attr(not(feature = "serde"), allow(dead_code))]
    version: FormatVersion,
    pending: PendingReceipt,
    receipt: IncomingMdn,
    signer: Option<Certificate>,
    judged_at: Instant,
}

impl EvidenceRecord {
    /// Checks everything again: the signature under the archived certificate, names, Message-ID and integrity check.
    ///
    /// Whether the archived certificate is the partner's is for the caller to compare, see [`Evidence::signer`].
    ///
    /// # Errors
    /// [`EvidenceError`] if the record does not prove delivery.
    pub fn verify(&self, provider: &CryptoProvider) -> Result<Evidence, EvidenceError> {
        match self.pending.judge_again(&self.receipt, self.signer.as_ref(), provider, self.judged_at.0) {
            Outcome::Deliver(evidence) => Ok(evidence),
            Outcome::Refuse(disposition, _) => Err(EvidenceError::Refusal(disposition.to_string())),
            Outcome::Dispute(dispute, _) => Err(EvidenceError::Dispute(dispute)),
            Outcome::NeedsMic { .. } => Err(EvidenceError::NeedsMic),
        }
    }
}

/// Why an archived record does not prove delivery.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// The receipt is a refusal.
    #[error("the receipt is a refusal: {0}")]
    Refusal(String),
    /// The receipt does not hold up.
    #[error(transparent)]
    Dispute(crate::receipt::outcome::Dispute),
    /// The digest that the receipt names was not kept.
    #[error("the digest that the receipt names was not kept")]
    NeedsMic,
}

impl EvidenceError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refusal(_) => "EVIDENCE_REFUSAL",
            Self::Dispute(dispute) => dispute.code(),
            Self::NeedsMic => "EVIDENCE_MIC",
        }
    }
}
