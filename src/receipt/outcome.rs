//! What became of a message that was sent, and what to do next. Nothing here can be mistaken for success.

use std::time::SystemTime;

use http::StatusCode;

use crate::algorithm::DigestAlgorithm;
use crate::error::{CertificateFault, ReceiveError, TransportFailure};
use crate::mdn::Disposition;
use crate::receipt::evidence::Evidence;
use crate::response::Trouble;
use crate::smime::mic::Mic;

/// The verdict on a receipt.
#[derive(Clone, Debug)]
#[must_use = "a receipt may say that the message did not arrive"]
#[non_exhaustive]
pub enum Outcome {
    /// The message was delivered, and the evidence says how well that is proven.
    Deliver(Evidence),
    /// The partner refuses the message.
    Refuse(Disposition, Evidence),
    /// The receipt is not what was asked for, or contradicts what was sent: delivery is not proven.
    Dispute(Dispute, Evidence),
    /// The receipt names a digest that was not kept; [`PendingReceipt::settle_with`](crate::PendingReceipt::settle_with)
    /// computes it from the payload.
    NeedsMic {
        /// The digest that is needed.
        algorithm: DigestAlgorithm,
    },
}

/// Why a receipt proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Dispute {
    /// The receipt is about another message.
    #[error("the receipt is about the message {found}")]
    OtherMessage {
        /// The Original-Message-ID of the receipt, or nothing.
        found: String,
    },
    /// The receipt comes from, or is addressed to, somebody else, and neither signature nor integrity check tell better.
    #[error("the receipt is from {from} to {to}")]
    OtherParties {
        /// AS2-From of the receipt.
        from: String,
        /// AS2-To of the receipt.
        to: String,
    },
    /// A signed receipt was asked for, and an unsigned one came.
    #[error("a signed receipt was asked for, this one is not signed")]
    Unsigned,
    /// The signature of the receipt is not valid.
    #[error("the signature of the receipt: {0}")]
    Signature(ReceiveError),
    /// The signature of the receipt is valid, but the agreement does not let the certificate pass: it was outside its
    /// dates when the message was sent, is not meant for signatures, or is revoked.
    #[error("the signature of the receipt is valid, but {0}")]
    Certificate(CertificateFault),
    /// The receipt has no readable disposition.
    #[error("the receipt has no disposition")]
    NoDisposition,
    /// The receipt has no integrity check.
    #[error("the receipt has no integrity check")]
    MicMissing,
    /// The integrity check of the receipt cannot be read.
    #[error("the integrity check of the receipt cannot be read: {0}")]
    MicUnreadable(String),
    /// The agreement does not take this digest for the integrity check.
    #[error("the agreement does not accept an integrity check with {0}")]
    MicAlgorithm(DigestAlgorithm),
    /// The partner received other octets than were sent.
    #[error("the integrity check of the receipt is {received}, ours is {ours}")]
    MicMismatch {
        /// What was sent.
        ours: Mic,
        /// What the receipt says, in base64.
        received: String,
    },
}

impl Dispute {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OtherMessage { .. } => "MDN_OTHER_MESSAGE",
            Self::OtherParties { .. } => "MDN_OTHER_PARTIES",
            Self::Unsigned => "MDN_UNSIGNED",
            Self::Signature(_) => "MDN_SIGNATURE",
            Self::Certificate(fault) => fault.code(),
            Self::NoDisposition => "MDN_NO_DISPOSITION",
            Self::MicMissing => "MIC_MISSING",
            Self::MicUnreadable(_) => "MIC_UNREADABLE",
            Self::MicAlgorithm(_) => "MIC_ALGORITHM",
            Self::MicMismatch { .. } => "MIC_MISMATCH",
        }
    }
}

impl Outcome {
    /// What to do next.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Self::Deliver(_) => Advice::Done,
            Self::Refuse(disposition, _) if disposition.is_failure() => Advice::DoNotResend,
            Self::Refuse(..) => Advice::ResubmitNewId,
            Self::Dispute(..) => Advice::AskPartner,
            Self::NeedsMic { .. } => Advice::ComputeMic,
        }
    }

    /// The evidence, unless the verdict is still open.
    #[must_use]
    pub fn evidence(&self) -> Option<&Evidence> {
        match self {
            Self::Deliver(evidence) | Self::Refuse(_, evidence) | Self::Dispute(_, evidence) => Some(evidence),
            Self::NeedsMic { .. } => None,
        }
    }

    /// A text fit to be mailed to the partner; `None` where there is nothing to complain of.
    #[must_use]
    pub fn letter(&self) -> Option<String> {
        let (evidence, finding) = match self {
            Self::Deliver(_) | Self::NeedsMic { .. } => return None,
            Self::Refuse(disposition, evidence) => (evidence, format!("your receipt says: {disposition}.")),
            Self::Dispute(dispute, evidence) => (evidence, format!("{dispute}.")),
        };
        Some(format!(
            "Our AS2 message {} of {} from \"{}\" to \"{}\" is not settled: {finding} \
             Please look at your log for this Message-ID and tell us what you received.",
            evidence.message_id(),
            evidence.sent_at_text(),
            evidence.us(),
            evidence.them(),
        ))
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Nothing: the exchange is complete.
    Done,
    /// Wait: the receipt will be posted to us.
    Wait,
    /// Send the same octets with the same Message-ID again, later.
    RetrySameId,
    /// Mend the cause, then send the document as a new message with a new Message-ID.
    ResubmitNewId,
    /// Ask the partner what he received before anything is sent again.
    AskPartner,
    /// Do not send again: the partner processed the message, or refuses this way of sending it.
    DoNotResend,
    /// Mend our credentials or configuration first.
    FixAccess,
    /// Compute the integrity check from the payload.
    ComputeMic,
}

/// What the HTTP answer to a message means, or the answer to a receipt that was posted.
///
/// The agreement decides in this order: a receipt in the body settles the message whatever the status is; then
/// `endpoint.auth.refused`; then `pacing.limited`; then the status as RFC 4130 section 5.5 reads it.
#[derive(Clone, Debug)]
#[must_use = "the message may not have arrived"]
#[non_exhaustive]
pub enum SendOutcome {
    /// The answer holds the receipt.
    Settled(Box<Outcome>),
    /// The message was taken; the receipt will be posted to us.
    Awaiting,
    /// What was posted was taken, and no receipt is to come: for a message, nothing is proven.
    Transferred,
    /// A receipt should be in the answer, and is not.
    NoReceipt {
        /// The HTTP status.
        status: StatusCode,
        /// Why the body is no receipt.
        reason: String,
    },
    /// The partner's server was called too often, or names a time at which it can be called again: until then
    /// nothing should be sent to it, see [`Pacer::limited_until`](crate::Pacer::limited_until).
    Wait {
        /// When the same octets may be sent again: as `Retry-After` says, else after `pacing.wait`.
        until: SystemTime,
        /// The status, or what was found in the body.
        reason: String,
    },
    /// The message may not have arrived, and the cause may pass.
    Retry {
        /// The status or the transport failure.
        reason: String,
    },
    /// The partner's server refuses our credentials, or (status 407) a proxy does.
    AuthRefused {
        /// The HTTP status.
        status: StatusCode,
        /// The status, or what was found in the body.
        reason: String,
    },
    /// The partner's server names another place. It is not followed: the agreement has one URL, and whoever can
    /// redirect could have the message and our credentials. If the partner has moved, change `url`.
    Redirect {
        /// The HTTP status.
        status: StatusCode,
        /// The `Location`, unchecked and without its query.
        location: Option<String>,
    },
    /// The partner's server refuses the message for good.
    Stop {
        /// The status.
        reason: String,
    },
}

impl SendOutcome {
    /// What to do next.
    #[must_use]
    pub fn advice(&self) -> Advice {
        match self {
            Self::Settled(outcome) => outcome.advice(),
            Self::Awaiting => Advice::Wait,
            Self::Transferred => Advice::Done,
            Self::NoReceipt { .. } | Self::Wait { .. } | Self::Retry { .. } => Advice::RetrySameId,
            Self::AuthRefused { .. } => Advice::FixAccess,
            Self::Redirect { .. } | Self::Stop { .. } => Advice::DoNotResend,
        }
    }
}

impl From<Trouble> for SendOutcome {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Wait { until, reason } => Self::Wait { until, reason },
            Trouble::Retry { reason } => Self::Retry { reason },
            Trouble::AuthRefused { status, reason } => Self::AuthRefused { status, reason },
            Trouble::Redirect { status, location } => Self::Redirect { status, location },
            Trouble::Stop { reason } => Self::Stop { reason },
        }
    }
}

impl From<TransportFailure> for SendOutcome {
    fn from(failure: TransportFailure) -> Self {
        Self::Retry { reason: failure.to_string() }
    }
}
