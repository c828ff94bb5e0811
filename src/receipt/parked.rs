//! Receipts that come early, late or again: parked ones are judged when their message is on record, and the best verdict
//! stays.

use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::partner::Partner;
use crate::receipt::evidence::Proof;
use crate::receipt::incoming::IncomingMdn;
use crate::receipt::outcome::Outcome;
use crate::receipt::pending::PendingReceipt;

impl IncomingMdn {
    /// SHA-256 of the receipt as it came, names included: equal where it is posted again. Together with
    /// [`original_message_id`](Self::original_message_id) it names a parked receipt, so that one that somebody makes up for
    /// a Message-ID does not replace the partner's.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for octets in self.raw_parts() {
            hash.update(u64::try_from(octets.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(octets);
        }
        hash.finalize().into()
    }
}

impl PendingReceipt {
    /// Judges the receipts that were parked under this Message-ID, and gives the best verdict on them. Call it when the
    /// message has got on record: a receipt may be posted before that.
    ///
    /// ```
    /// # use as2_protocol::*;
    /// # fn parked(_: &str) -> Vec<IncomingMdn> { Vec::new() }
    /// # fn show(pending: &PendingReceipt, acme: &Partner, now: std::time::SystemTime) {
    /// let early = parked(pending.message_id().bare());
    /// if let Some(outcome) = pending.settle_parked(&early, acme, now) {
    ///     println!("{:?}", outcome.advice());
    /// }
    /// # }
    /// ```
    pub fn settle_parked<'a>(
        &self,
        parked: impl IntoIterator<Item = &'a IncomingMdn>,
        partner: &Partner,
        now: SystemTime,
    ) -> Option<Outcome> {
        let outcomes = parked.into_iter().map(|mdn| self.settle(mdn, partner, now));
        outcomes.reduce(|best, next| if next.outranks(&best) { next } else { best })
    }
}

impl Outcome {
    /// Whether this verdict says more than an earlier one about the same message, and so replaces it. Receipts come
    /// twice, and in any order: proof of delivery is final, a refusal that is signed outweighs one that is not, and a
    /// receipt that proves nothing replaces nothing.
    ///
    /// An HTTP answer that comes after the verdict ([`SendOutcome::Awaiting`](crate::SendOutcome::Awaiting), or no answer at
    /// all) changes nothing either.
    #[must_use]
    pub fn outranks(&self, earlier: &Self) -> bool {
        self.weight() > earlier.weight()
    }

    fn weight(&self) -> u8 {
        match self {
            Self::Dispute(..) => 0,
            Self::Refuse(_, evidence) if evidence.signer().is_none() => 1,
            Self::NeedsMic { .. } => 2,
            Self::Refuse(..) => 3,
            Self::Deliver(evidence) => match evidence.proof() {
                None | Some(Proof::UnsignedNoMic) => 4,
                Some(Proof::UnsignedWithMic) => 5,
                Some(Proof::Signed) => 6,
            },
        }
    }
}
