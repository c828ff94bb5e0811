//! Where a delivery stands.

use crate::delivery::GiveUp;
use crate::partner::Partner;
use crate::stored::Instant;

/// Times are those of our clock at the event; spans are added when the next step is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case", deny_unknown_fields))]
pub(super) enum State {
    /// To be sent now.
    Ready,
    /// An attempt is under way, or its process has ended.
    Sending { since: Instant },
    /// The last attempt failed. `jitter` shortens the wait, however long it will be.
    Failed { since: Instant, jitter: u16, reason: String },
    /// The partner says when to come again.
    Waiting { since: Instant, until: Instant, reason: String },
    /// The message was taken; the receipt is to come.
    Awaiting { since: Instant },
    /// The credentials were refused, by a proxy or by the partner.
    AuthRefused { proxy: bool, reason: String },
    /// Nothing more is sent.
    Closed(GiveUp),
    /// Delivered, or transferred without a receipt.
    Done,
}

impl State {
    pub(super) fn failed(since: Instant, reason: String, partner: &Partner) -> Self {
        let mut random = [0; 2];
        // Without randomness the waits are whole, which is no reason to send nothing.
        let _ = partner.provider().fill_random(&mut random);
        Self::Failed { since, jitter: u16::from_be_bytes(random), reason }
    }

    /// Why the last attempt was not enough.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Failed { reason, .. } | Self::Waiting { reason, .. } | Self::AuthRefused { reason, .. } => {
                reason.clone()
            }
            Self::Sending { since } => format!("the attempt of {} has no outcome", since.text()),
            Self::Awaiting { since } => format!("no receipt came for the attempt that was taken at {}", since.text()),
            Self::Ready | Self::Closed(_) | Self::Done => String::new(),
        }
    }
}
