//! Whose turn it is: a message that was opened, judged by what is on record about it.

use std::time::{Duration, SystemTime};

use crate::mdn::Disposition;
use crate::message::duplicate::record::{Document, InboxRecord, InboxWrite, Kept, Seen, Vouched};
use crate::message::duplicate::{Arrival, Fingerprint, payload_digest};
use crate::message::received::Accepted;
use crate::message::verdict::Verdict;
use crate::profile::{Changed, DuplicateTerms, Repeated};
use crate::receipt::builder::{MdnBuilder, Reply};

/// What is to be done about a message that was opened.
///
/// A message is claimed only after it was opened, since what stands on its outside is anybody's word: junk under a
/// partner's Message-ID is refused before it could take his turn, or be told what he was told.
///
/// ```
/// # use as2_protocol::*;
/// # use std::time::{Duration, SystemTime};
/// # trait Table { fn read(&self, key: &MessageKey) -> Option<InboxRecord>; fn write(&self, write: &InboxWrite) -> bool;
/// #     fn store_with(&self, order: &Accepted, write: &InboxWrite) -> bool; }
/// # fn take(envelope: Envelope, us: &Identity, partner: &Partner, table: &dyn Table, now: SystemTime) -> Reply {
/// let arrival = envelope.arrival();
/// if let Some(reply) = arrival.known(table.read(arrival.key()).as_ref(), partner, now) {
///     return reply; // these octets were answered before
/// }
/// let order = match envelope.open(us, Some(partner), now) {
///     Ok(order) => order,
///     Err(refused) => return refused.mdn().build(now), // nothing goes on record
/// };
/// for _ in 0..4 {
///     match order.claim(&arrival, table.read(arrival.key()).as_ref(), Duration::from_secs(300), now) {
///         Claim::New(work) => {
///             if table.write(work.write()) {
///                 let reply = order.clone().stored().build(now);
///                 // One transaction: the order is stored if the claim still stands, else nothing is.
///                 if table.store_with(&order, &work.settle(&reply, now)) {
///                     return reply;
///                 }
///             }
///         }
///         Claim::Duplicate(duplicate) => {
///             let reply = duplicate.receipt().build(now);
///             if duplicate.settle(&reply, now).is_none_or(|write| table.write(&write)) {
///                 return reply;
///             }
///         }
///         Claim::Replay(reply) | Claim::Busy(reply) => return reply,
///     } // somebody else was faster: look again
/// }
/// order.defer(Duration::from_secs(30))
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "it says whether the document may be stored"]
pub enum Claim {
    /// The document is new. It is ours once [`Work::write`] took effect.
    New(Work),
    /// The document is on record, or another one is under its Message-ID: it is not to be stored, but a receipt of its
    /// own is to be given.
    Duplicate(Box<Duplicate>),
    /// The same octets were answered before: this reply again, octet for octet.
    Replay(Reply),
    /// Somebody works on the message: 503, and the sender comes again after `delivery.duplicates.busy_wait`.
    Busy(Reply),
}

/// A document that is ours to store, as soon as [`Work::write`] took effect, and as long as nobody else claims it after
/// the lease has ended.
#[derive(Clone, Debug)]
#[must_use = "the claim holds up the message until its lease ends"]
pub struct Work {
    seen: Seen,
    write: InboxWrite,
    keep: Duration,
    retaken: bool,
}

/// A message that is answered and not stored.
#[derive(Clone, Debug)]
#[must_use = "the partner is waiting for a reply"]
pub struct Duplicate {
    seen: Seen,
    record: InboxRecord,
    receipt: MdnBuilder,
    keep: Duration,
    changed: bool,
    kept: bool,
}

impl Accepted {
    /// Judges the message by what is on record about it. If its document is new, the claim to it stands for the time of
    /// `lease`: longer than storing takes, and than the clocks of replicas differ; some minutes are good.
    ///
    /// `arrival` is that of the envelope that was opened.
    pub fn claim(&self, arrival: &Arrival, record: Option<&InboxRecord>, lease: Duration, now: SystemTime) -> Claim {
        self.claim_of(arrival, record, (lease, now), || payload_digest(self.payloads()))
    }

    /// The same, of documents whose digest is made elsewhere; only where nothing else decides.
    pub(crate) fn claim_of(
        &self,
        arrival: &Arrival,
        record: Option<&InboxRecord>,
        (lease, now): (Duration, SystemTime),
        payload: impl FnOnce() -> Fingerprint,
    ) -> Claim {
        let terms = self.duplicate_terms();
        let live = record.filter(|record| !record.is_expired(now));
        if let Some(record) = live {
            if let Some(reply) = record.answer(&arrival.wire, &terms) {
                return Claim::Replay(reply.clone());
            }
            if record.is_busy(now) {
                return Claim::Busy(Reply::deferred(terms.busy_wait, self.notes().to_vec()));
            }
        }
        let seen = Seen {
            key: arrival.key.clone(),
            wire: arrival.wire,
            payload: payload(),
            vouched: Vouched::from(self.authenticity()),
        };
        let new = |retaken: bool| {
            let until = now.checked_add(lease).unwrap_or(now);
            let write = InboxWrite::claim(&seen, record, until, &Kept { now, keep: terms.keep });
            Claim::New(Work { seen: seen.clone(), write, keep: terms.keep, retaken })
        };
        let Some(record) = live else { return new(false) };
        let known = record.document(&seen.payload);
        if known.is_none() && record.takes(&seen, &terms) {
            return new(record.is_abandoned());
        }
        let (disposition, text) = answer(known, &terms);
        Claim::Duplicate(Box::new(Duplicate {
            receipt: self.receipt(disposition, text),
            record: record.clone(),
            keep: terms.keep,
            changed: known.is_none(),
            kept: known.is_none() || terms.repeated == Repeated::Replay,
            seen,
        }))
    }
}

/// What is told about a document that is on record, or about another one under its identifier.
fn answer(known: Option<&Document>, terms: &DuplicateTerms) -> (Disposition, String) {
    let used = || {
        let text = "A message with this Message-ID was received before. Send the document under a new one.";
        Verdict::ProcessingError(text.to_owned()).answer()
    };
    let stored = |document: &Document| (document.disposition.clone(), document.text.clone());
    match (known, terms.repeated, terms.changed) {
        (Some(document), Repeated::Replay, _) => stored(document),
        // A warning would say that it was taken.
        (Some(document), Repeated::Warn, _) if !document.disposition.is_positive() => stored(document),
        (Some(_), Repeated::Warn, _) | (None, _, Changed::Warn) => Verdict::DuplicateDocument.answer(),
        (Some(_), Repeated::Refuse, _) | (None, _, Changed::Refuse | Changed::Accept) => used(),
    }
}

impl Work {
    /// The claim: only if this write takes effect, the document is ours to store. If it does not, somebody else was
    /// faster: read the row and [claim](Accepted::claim) again.
    pub fn write(&self) -> &InboxWrite {
        &self.write
    }

    /// Whether somebody claimed the message before and never came back: a store that keeps documents outside of the
    /// transaction may have this one already.
    #[must_use]
    pub fn is_retaken(&self) -> bool {
        self.retaken
    }

    /// Keeps the claim for longer, where storing takes its time. If the write does not take effect, the claim is lost.
    pub fn extend(&mut self, lease: Duration, now: SystemTime) -> &InboxWrite {
        let until = now.checked_add(lease).unwrap_or(now);
        self.write = self.write.extended(&self.seen, until, &Kept { now, keep: self.keep });
        &self.write
    }

    /// The end of the work: what became of the message, and how it is answered when it comes again. Write it in the
    /// transaction that stores the document, and send the reply after that. If the write does not take effect, the lease
    /// had ended and somebody else has the message: undo the transaction, and claim again to learn what to answer.
    ///
    /// A reply of [`Accepted::defer`] leaves nothing on record: the message is a new one when it comes again.
    pub fn settle(&self, reply: &Reply, now: SystemTime) -> InboxWrite {
        self.write.settled(&self.seen, reply, &Kept { now, keep: self.keep })
    }
}

impl Duplicate {
    /// Whether the document is another one than those on record under its Message-ID.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// The receipt: the outcome on record with the integrity check of this message, in the way that it asks for; or
    /// what `delivery.duplicates` says instead.
    pub fn receipt(&self) -> MdnBuilder {
        self.receipt.clone()
    }

    /// Puts the answer on record, so that the same octets get it again; `None` where the agreement has them judged anew
    /// each time. If the write does not take effect, claim again: another replica may have answered.
    #[must_use]
    pub fn settle(&self, reply: &Reply, now: SystemTime) -> Option<InboxWrite> {
        let told = reply.decided.as_ref().is_some_and(|decided| decided.told);
        let kept = Kept { now, keep: self.keep };
        (self.kept && told).then(|| InboxWrite::answered(&self.seen, &self.record, reply, &kept))
    }
}
