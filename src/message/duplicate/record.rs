//! What a table keeps about one received message, and the one write that changes it.

use std::time::{Duration, SystemTime};

use crate::mdn::Disposition;
use crate::message::authenticity::Authenticity;
use crate::message::duplicate::{Fingerprint, MessageKey};
use crate::profile::{Changed, DuplicateTerms, Repeated};
use crate::receipt::builder::{Decided, Reply};
use crate::stored::{FormatVersion, Instant};

/// What is on record about a message: who works on it until when, what became of it, and how it was answered.
///
/// It is the value of a row whose key is a [`MessageKey`]; its content is private and versioned. With feature `serde` it
/// can be stored. Rows may be deleted once they are [expired](Self::is_expired), and not before: a message that comes
/// again later counts as new.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct InboxRecord {
    version: FormatVersion,
    fence: u64,
    expires_at: Instant,
    lease: Option<Lease>,
    documents: Vec<Document>,
    answers: Vec<Answered>,
}

/// Somebody works on the message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
struct Lease {
    until: Instant,
    wire: Fingerprint,
}

/// A document that was decided on. There is more than one only where the agreement takes other documents under an
/// identifier that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(super) struct Document {
    payload: Fingerprint,
    vouched: Vouched,
    pub(super) disposition: Disposition,
    pub(super) text: String,
}

/// What was answered to certain octets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
struct Answered {
    wire: Fingerprint,
    payload: Fingerprint,
    reply: Reply,
}

/// Who vouches for a document, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub(super) enum Vouched {
    Nobody,
    Sealed,
    Signed,
}

impl From<&Authenticity> for Vouched {
    fn from(authenticity: &Authenticity) -> Self {
        match authenticity {
            Authenticity::Signed { .. } => Self::Signed,
            Authenticity::SealedUnsigned => Self::Sealed,
            Authenticity::None => Self::Nobody,
        }
    }
}

/// A message that was opened, as it is compared with what is on record.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) key: MessageKey,
    pub(super) wire: Fingerprint,
    pub(super) payload: Fingerprint,
    pub(super) vouched: Vouched,
}

impl InboxRecord {
    /// The number that grows with each write of the row. Every write names the one that it follows, so who was
    /// overtaken cannot write. It fits a signed column of 64 bits.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// When the row may be deleted: the span of `delivery.duplicates.keep` after the last write.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at.0
    }

    /// Whether the row may be deleted. It counts as absent then.
    #[must_use]
    pub fn is_expired(&self, now: SystemTime) -> bool {
        self.expires_at.0 <= now
    }

    /// Until when somebody works on the message.
    #[must_use]
    pub fn busy_until(&self) -> Option<SystemTime> {
        self.lease.as_ref().map(|lease| lease.until.0)
    }

    /// What became of the message; of several documents under one identifier the last one counts.
    #[must_use]
    pub fn disposition(&self) -> Option<&Disposition> {
        self.documents.last().map(|document| &document.disposition)
    }

    /// The reply that was given to these octets, where the agreement lets it be given again.
    pub(super) fn answer(&self, wire: &Fingerprint, terms: &DuplicateTerms) -> Option<&Reply> {
        let answered = self.answers.iter().find(|answered| answered.wire == *wire)?;
        let repeats = match self.document(&answered.payload) {
            Some(_) => terms.repeated == Repeated::Replay,
            None => terms.changed != Changed::Accept,
        };
        repeats.then_some(&answered.reply)
    }

    pub(super) fn document(&self, payload: &Fingerprint) -> Option<&Document> {
        self.documents.iter().find(|document| document.payload == *payload)
    }

    pub(super) fn is_busy(&self, now: SystemTime) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.until.0 > now)
    }

    pub(super) fn is_worked_on(&self, wire: &Fingerprint, now: SystemTime) -> bool {
        self.is_busy(now) && self.lease.as_ref().is_some_and(|lease| lease.wire == *wire)
    }

    /// Whether a worker took the message and never came back.
    pub(super) fn is_abandoned(&self) -> bool {
        self.lease.is_some()
    }

    /// Whether the document may be taken although others are on record: there are none, the agreement says so, or
    /// better is vouched for it than for all of them. Otherwise anybody could use up the identifiers of a partner who
    /// may send without a signature.
    pub(super) fn takes(&self, seen: &Seen, terms: &DuplicateTerms) -> bool {
        terms.changed == Changed::Accept || self.documents.iter().all(|document| document.vouched < seen.vouched)
    }

    fn fresh(now: SystemTime) -> Self {
        // A row that was deleted and comes into being again must not repeat its numbers.
        let fence = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_micros());
        Self {
            version: FormatVersion,
            fence: i64::try_from(fence).ok().and_then(|fence| u64::try_from(fence).ok()).unwrap_or(0),
            expires_at: Instant(now),
            lease: None,
            documents: Vec::new(),
            answers: Vec::new(),
        }
    }

    fn take(&mut self, wire: Fingerprint, until: SystemTime) {
        self.lease = Some(Lease { until: whole_seconds(until), wire });
    }

    fn settle(&mut self, seen: &Seen, decided: &Decided) {
        let document = Document {
            payload: seen.payload,
            vouched: seen.vouched,
            disposition: decided.disposition.clone(),
            text: decided.text.clone(),
        };
        self.documents.push(document);
        if self.documents.len() > MAX_DOCUMENTS {
            self.documents.remove(0);
        }
    }

    /// The first answer stays; of later ones only the last few do.
    fn answered(&mut self, seen: &Seen, reply: &Reply) {
        self.answers.retain(|answered| answered.wire != seen.wire);
        // As it is read back: notes are not stored.
        let reply = Reply { notes: Vec::new(), ..reply.clone() };
        self.answers.push(Answered { wire: seen.wire, payload: seen.payload, reply });
        if self.answers.len() > MAX_ANSWERS {
            self.answers.remove(1);
        }
    }
}

/// A write that must take effect only if the row is still as it was read: `INSERT` where [`replaces`](Self::replaces)
/// is `None`, else `UPDATE` of the row that has this fence. One row written means that it took effect.
///
/// ```
/// # use as2_protocol::{InboxRecord, InboxWrite, MessageKey};
/// use std::collections::BTreeMap;
///
/// /// A table in memory; in SQL, the key is the primary key, and the fence a column.
/// #[derive(Default)]
/// struct Table(BTreeMap<MessageKey, InboxRecord>);
///
/// impl Table {
///     fn write(&mut self, write: &InboxWrite) -> bool {
///         let unchanged = self.0.get(write.key()).map(InboxRecord::fence) == write.replaces();
///         if unchanged {
///             self.0.insert(write.key().clone(), write.record().clone());
///         }
///         unchanged
///     }
/// }
/// # let _ = Table::default();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nothing is on record until it is written"]
pub struct InboxWrite {
    key: MessageKey,
    record: InboxRecord,
    replaces: Option<u64>,
}

impl InboxWrite {
    /// The key of the row.
    #[must_use]
    pub fn key(&self) -> &MessageKey {
        &self.key
    }

    /// What is to stand in the row.
    #[must_use]
    pub fn record(&self) -> &InboxRecord {
        &self.record
    }

    /// The fence that the row must have now; `None` where there must be no row.
    #[must_use]
    pub fn replaces(&self) -> Option<u64> {
        self.replaces
    }

    /// The claim of a worker: the row is his until the lease ends.
    pub(super) fn claim(seen: &Seen, record: Option<&InboxRecord>, until: SystemTime, terms: &Kept) -> Self {
        let mut write = Self::over(seen.key.clone(), record, terms.now);
        write.record.take(seen.wire, until);
        write.kept(until.max(terms.now), terms.keep)
    }

    /// The same claim for longer.
    pub(super) fn extended(&self, seen: &Seen, until: SystemTime, terms: &Kept) -> Self {
        let mut write = Self::over(self.key.clone(), Some(&self.record), terms.now);
        write.record.take(seen.wire, until);
        write.kept(until.max(terms.now), terms.keep)
    }

    /// The end of a claim: with what was decided, or with nothing, and then the next one who comes starts anew.
    pub(super) fn settled(&self, seen: &Seen, reply: &Reply, terms: &Kept) -> Self {
        let mut write = Self::over(self.key.clone(), Some(&self.record), terms.now);
        write.record.lease = None;
        if let Some(decided) = &reply.decided {
            write.record.settle(seen, decided);
            if decided.told {
                write.record.answered(seen, reply);
            }
        }
        let keep = if write.record.documents.is_empty() { Duration::ZERO } else { terms.keep };
        write.kept(terms.now, keep)
    }

    /// A further answer about a message that is decided on.
    pub(super) fn answered(seen: &Seen, record: &InboxRecord, reply: &Reply, terms: &Kept) -> Self {
        let mut write = Self::over(seen.key.clone(), Some(record), terms.now);
        write.record.lease = None;
        write.record.answered(seen, reply);
        write.kept(terms.now, terms.keep)
    }

    fn over(key: MessageKey, record: Option<&InboxRecord>, now: SystemTime) -> Self {
        let replaces = record.map(InboxRecord::fence);
        let mut next = match record {
            Some(record) if !record.is_expired(now) => record.clone(),
            _ => InboxRecord::fresh(now),
        };
        next.fence = next.fence.max(replaces.unwrap_or_default().saturating_add(1));
        Self { key, record: next, replaces }
    }

    fn kept(mut self, from: SystemTime, keep: Duration) -> Self {
        self.record.expires_at = whole_seconds(from.checked_add(keep).unwrap_or(from));
        self
    }
}

/// When a row is written, and how long it is kept then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) now: SystemTime,
    pub(super) keep: Duration,
}

/// The next whole second: a stored time has no fractions, and must not move into the past by being stored.
fn whole_seconds(at: SystemTime) -> Instant {
    let fraction = at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    if fraction == 0 {
        return Instant(at);
    }
    Instant(at.checked_add(Duration::from_nanos(u64::from(1_000_000_000 - fraction))).unwrap_or(at))
}

/// Answers that are kept about one message: the first, and the last ones of peers that build it anew at each attempt.
const MAX_ANSWERS: usize = 8;
/// Documents under one identifier that are told from each other, where the agreement takes several. Those that come
/// again after as many others count as new.
const MAX_DOCUMENTS: usize = 64;
