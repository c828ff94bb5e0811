//! Why nothing more is sent.

use crate::receipt::outcome::Advice;

/// Why nothing more is sent. A profile that is changed may make the first two untrue;
/// [`Delivery::resend`](crate::Delivery::resend) overrules all but a signed failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case", deny_unknown_fields))]
#[non_exhaustive]
pub enum GiveUp {
    /// There were as many attempts as `delivery.retry.attempts` allows.
    #[error("given up after sending it {sends} times: {last}")]
    Attempts {
        /// How often it was sent.
        sends: u32,
        /// Why the last attempt was not enough.
        last: String,
    },
    /// The next attempt would start later than `delivery.retry.give_up_after` allows.
    #[error("given up after the time that was set, having sent it {sends} times: {last}")]
    Time {
        /// How often it was sent.
        sends: u32,
        /// Why the last attempt was not enough.
        last: String,
    },
    /// The receipt did not come within `delivery.receipt_deadline`, and `delivery.late_receipt` lets nothing be sent.
    #[error("the partner took the message at {since}, and its receipt has not come")]
    ReceiptLate {
        /// When the message was taken, in RFC 3339.
        since: String,
    },
    /// The credentials are refused, and cannot be fetched anew or were already.
    #[error("our credentials are refused: {reason}")]
    AuthRefused {
        /// The status, or what was found in the body.
        reason: String,
    },
    /// The partner's server names another place.
    #[error("the partner's server redirects ({status}){}", to(.location.as_deref()))]
    Redirect {
        /// The HTTP status.
        status: u16,
        /// The place.
        location: Option<String>,
    },
    /// The partner's server refuses it for good.
    #[error("the partner's server refuses it: {reason}")]
    Stop {
        /// The status.
        reason: String,
    },
    /// The partner's receipt is a refusal.
    #[error("the partner's receipt says: {disposition}")]
    Refused {
        /// What the receipt says.
        disposition: String,
        /// Whether it is a signed receipt of type `failed`: these octets must not be sent again.
        failed: bool,
    },
    /// The partner's receipt is not what was asked for, or contradicts what was sent.
    #[error("the partner's receipt proves nothing: {reason}")]
    Disputed {
        /// Code of the [`Dispute`](crate::Dispute).
        code: String,
        /// The dispute in words.
        reason: String,
    },
}

fn to(location: Option<&str>) -> String {
    location.map(|url| format!(" to {url}")).unwrap_or_default()
}

impl GiveUp {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Attempts { .. } => "ATTEMPTS",
            Self::Time { .. } => "GIVE_UP_TIME",
            Self::ReceiptLate { .. } => "RECEIPT_LATE",
            Self::AuthRefused { .. } => "AUTH_REFUSED",
            Self::Redirect { .. } => "REDIRECT",
            Self::Stop { .. } => "HTTP_REFUSED",
            Self::Refused { .. } => "RECEIPT_REFUSAL",
            Self::Disputed { .. } => "RECEIPT_DISPUTE",
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn advice(&self) -> Advice {
        match self {
            Self::Attempts { .. } | Self::Time { .. } | Self::ReceiptLate { .. } | Self::Disputed { .. } => {
                Advice::AskPartner
            }
            Self::AuthRefused { .. } => Advice::FixAccess,
            Self::Redirect { .. } | Self::Stop { .. } | Self::Refused { failed: true, .. } => Advice::DoNotResend,
            Self::Refused { .. } => Advice::ResubmitNewId,
        }
    }
}
