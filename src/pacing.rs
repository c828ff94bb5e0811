//! When the next call to a partner may start: a value that the application keeps, alone or shared between replicas.

use std::time::SystemTime;

use crate::profile::PacingTerms;
use crate::stored::{FormatVersion, Instant};

/// The calls to one partner that still count: a bucket of `pacing.calls` tokens, each of which comes back
/// `pacing.interval` after it was taken. So no interval, wherever it begins, sees more calls than agreed; a bucket
/// that refills evenly would let twice as many through.
///
/// It is a plain value: equal states are equal, and with feature `serde` it is stored in a versioned form of
/// bounded size. Messages and receipts to the same partner share one. Replicas either share one by compare-and-swap,
/// or have one each, under [their share](PacingTerms::share) of the terms.
///
/// ```
/// use as2_protocol::{Pacer, PacingTerms, Turn};
/// # use std::cell::RefCell;
/// # struct Store(RefCell<Pacer>);
/// # impl Store {
/// #     fn read(&self) -> Pacer { self.0.borrow().clone() }
/// #     fn swap(&self, old: &Pacer, new: &Pacer) -> bool {
/// #         let same = *self.0.borrow() == *old;
/// #         if same { *self.0.borrow_mut() = new.clone(); }
/// #         same
/// #     }
/// # }
/// // In SQL: UPDATE pacer SET state = :new WHERE partner = :partner AND state = :old
/// fn turn(store: &Store, terms: &PacingTerms, now: std::time::SystemTime) -> Turn {
///     loop {
///         let old = store.read();
///         let mut new = old.clone();
///         let turn = new.try_start(terms, now);
///         if store.swap(&old, &new) {
///             return turn;
///         }
///     }
/// }
/// # let store = Store(RefCell::new(Pacer::new()));
/// # let now = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000);
/// let mut terms = PacingTerms::default();
/// (terms.calls, terms.interval) = (2, std::time::Duration::from_secs(60));
/// assert!(matches!(turn(&store, &terms, now), Turn::Start(_)));
/// assert!(matches!(turn(&store, &terms, now), Turn::Start(_)));
/// assert_eq!(turn(&store, &terms, now), Turn::WaitUntil(now + terms.interval));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Pacer {
    version: FormatVersion,
    /// Oldest first.
    taken: Vec<Taken>,
    last_start: Option<Instant>,
    under_way: Vec<UnderWay>,
    next_call: u64,
    pause: Option<Pause>,
}

/// Whether a call may start now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a call that was started counts until it is finished"]
#[non_exhaustive]
pub enum Turn {
    /// Call now, and [tell](Pacer::finished) when it is over.
    Start(Call),
    /// Not before this time; ask again then.
    WaitUntil(SystemTime),
    /// As many calls are under way as agreed. Ask again when one of them is finished, at the latest at this time,
    /// when one of them counts as lost.
    Busy {
        /// When the oldest call no longer counts.
        until: SystemTime,
    },
}

/// A call that was started.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Call(u64);

/// Tokens that were taken together, and come back together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
struct Taken {
    first: Instant,
    last: Instant,
    calls: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
struct UnderWay {
    call: u64,
    since: Instant,
}

/// The partner asked for silence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
struct Pause {
    since: Instant,
    until: Instant,
}

/// Groups of tokens in one interval: up to so many calls are counted exactly, of more those in one part of the
/// interval come back with the last of them. The state stays within a few KiB, and at most 1/64 of the pace is lost.
const PARTS: u32 = 64;

impl Pacer {
    /// No call was made yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a call if the terms allow one now. The terms are those of the moment: a changed profile takes effect at once.
    ///
    /// A clock that is set back delays calls by at most the agreed times once more, and never lets too many through.
    pub fn try_start(&mut self, terms: &PacingTerms, now: SystemTime) -> Turn {
        let now = Instant(now);
        self.forget(terms, now);
        let free = [self.pause_end(), self.gap_end(terms), self.token_back(terms)].into_iter().flatten().max();
        if let Some(until) = free.filter(|until| *until > now) {
            return Turn::WaitUntil(until.0);
        }
        if let Some(until) = self.busy_until(terms) {
            return Turn::Busy { until: until.0 };
        }
        self.take(terms, now);
        Turn::Start(Call(self.next_call))
    }

    /// The call is over, however it ended.
    pub fn finished(&mut self, call: &Call) {
        self.under_way.retain(|other| other.call != call.0);
    }

    /// No call starts before `until`: what [`SendOutcome::Wait`](crate::SendOutcome::Wait) says holds for all that is
    /// sent to the partner. Of several such times the latest counts.
    pub fn limited_until(&mut self, until: SystemTime, now: SystemTime) {
        let (since, until) = (Instant(now), Instant(until));
        if self.pause.as_ref().is_none_or(|pause| pause.until < until) {
            self.pause = Some(Pause { since, until });
        }
    }

    /// Drops what no longer counts. A time that lies further ahead than its span was written under a clock that has
    /// been set back since: it counts from now on. Smaller differences are left alone, replicas have them.
    fn forget(&mut self, terms: &PacingTerms, now: Instant) {
        if terms.calls == 0 {
            self.taken.clear();
        }
        let ahead: u32 = self
            .taken
            .iter()
            .filter(|taken| taken.last.is_beyond(terms.interval, now))
            .fold(0, |sum, taken| sum.saturating_add(taken.calls));
        self.taken.retain(|taken| taken.last.after(terms.interval) > now && !taken.last.is_beyond(terms.interval, now));
        if ahead > 0 {
            self.taken.push(Taken { first: now, last: now, calls: ahead });
            self.taken.sort_by_key(|taken| taken.last);
        }
        if terms.concurrency == 0 {
            self.under_way.clear();
        }
        for call in &mut self.under_way {
            call.since = call.since.unless_beyond(terms.longest_call, now);
        }
        self.under_way.retain(|call| call.since.after(terms.longest_call) > now);
        self.last_start = self.last_start.map(|at| at.unless_beyond(terms.min_gap, now));
        if let Some(pause) = &mut self.pause {
            let span = pause.until.0.duration_since(pause.since.0).unwrap_or_default();
            pause.since = pause.since.unless_beyond(span, now);
            pause.until = pause.since.after(span);
        }
        self.pause.take_if(|pause| pause.until <= now);
    }

    fn pause_end(&self) -> Option<Instant> {
        self.pause.as_ref().map(|pause| pause.until)
    }

    fn gap_end(&self, terms: &PacingTerms) -> Option<Instant> {
        self.last_start.map(|at| at.after(terms.min_gap))
    }

    /// When a token will be there; `None` if one is.
    fn token_back(&self, terms: &PacingTerms) -> Option<Instant> {
        if terms.calls == 0 {
            return None;
        }
        let mut counted = self.taken.iter().fold(0_u32, |sum, taken| sum.saturating_add(taken.calls));
        let mut back = None;
        for taken in &self.taken {
            if counted < terms.calls {
                break;
            }
            counted = counted.saturating_sub(taken.calls);
            back = Some(taken.last.after(terms.interval));
        }
        back
    }

    /// When the oldest call ends at the latest; `None` if another one may start beside those under way.
    fn busy_until(&self, terms: &PacingTerms) -> Option<Instant> {
        let full = u32::try_from(self.under_way.len()).unwrap_or(u32::MAX) >= terms.concurrency;
        let oldest = self.under_way.iter().map(|call| call.since).min()?;
        (terms.concurrency > 0 && full).then(|| oldest.after(terms.longest_call))
    }

    fn take(&mut self, terms: &PacingTerms, now: Instant) {
        self.last_start = Some(now);
        self.next_call = self.next_call.wrapping_add(1);
        if terms.concurrency > 0 {
            self.under_way.push(UnderWay { call: self.next_call, since: now });
        }
        if terms.calls == 0 {
            return;
        }
        let part = terms.interval / PARTS;
        match self.taken.last_mut() {
            Some(group) if terms.calls > PARTS && group.first.after(part) > now => {
                group.last = group.last.max(now);
                group.calls = group.calls.saturating_add(1);
            }
            _ => self.taken.push(Taken { first: now, last: now, calls: 1 }),
        }
    }
}

#[cfg(test)]
mod tests;
