//! How long a message is tried, how long its receipt may take, and what counts as a duplicate.

use std::time::Duration;

/// Repetition in both directions: what we send again, and what comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct DeliveryTerms {
    /// When a message, or a receipt that we post, is tried again.
    pub retry: RetryTerms,
    /// How long an asynchronous receipt may take after the message was taken, at each attempt. Default one hour: some
    /// systems work through queues before they acknowledge.
    #[cfg_attr(feature = "serde", serde(with = "super::text::span"))]
    pub receipt_deadline: Duration,
    /// What happens when it has not come by then. Default [`LateReceipt::Resend`]: a partner who keeps to RFC 4130
    /// section 5.5 answers with the receipt.
    pub late_receipt: LateReceipt,
    /// What is answered to messages that come again.
    pub duplicates: DuplicateTerms,
}

impl Default for DeliveryTerms {
    fn default() -> Self {
        Self {
            retry: RetryTerms::default(),
            receipt_deadline: Duration::from_secs(3600),
            late_receipt: LateReceipt::Resend,
            duplicates: DuplicateTerms::default(),
        }
    }
}

/// The schedule of attempts: the first one at once, then after waits that grow, bounded in number and in time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct RetryTerms {
    /// Attempts in all, the first one included. Answers that say when to come again
    /// ([`SendOutcome::Wait`](crate::SendOutcome::Wait)) are not counted. Default 10: with the other defaults they fill
    /// the day.
    pub attempts: u32,
    /// The wait after the first attempt. Default five minutes, as drafts of RFC 4130's successor suggest. It should be
    /// longer than the time limit of the HTTP client: an attempt whose process has ended is repeated after this time.
    #[cfg_attr(feature = "serde", serde(with = "super::text::span"))]
    pub first_wait: Duration,
    /// What each wait is multiplied by to give the next. Default 2, so that short troubles pass quickly and long ones
    /// cost little.
    pub factor: u32,
    /// No wait is longer than this. Default two hours: a partner who is back should not wait half a day.
    #[cfg_attr(feature = "serde", serde(with = "super::text::span"))]
    pub longest_wait: Duration,
    /// No attempt starts later than this after the first one. Default one day: then somebody should telephone.
    #[cfg_attr(feature = "serde", serde(with = "super::text::span"))]
    pub give_up_after: Duration,
    /// By how many per cent a wait may be shortened at random, so that messages that failed together do not come
    /// again together. Default 20.
    pub jitter_percent: u32,
}

impl Default for RetryTerms {
    fn default() -> Self {
        Self {
            attempts: 10,
            first_wait: Duration::from_secs(300),
            factor: 2,
            longest_wait: Duration::from_secs(7200),
            give_up_after: Duration::from_secs(86_400),
            jitter_percent: 20,
        }
    }
}

impl RetryTerms {
    /// The wait after so many failed attempts, the first one being 1. `jitter` is a random number that shortens it by
    /// up to `jitter_percent`; 0 leaves it whole.
    ///
    /// ```
    /// let terms = as2_protocol::RetryTerms::default();
    /// let minutes = |failed| terms.wait_after(failed, 0).as_secs() / 60;
    /// assert_eq!([1, 2, 3, 4, 5, 6, 7].map(minutes), [5, 10, 20, 40, 80, 120, 120]);
    /// assert_eq!(terms.wait_after(1, u16::MAX).as_secs(), 240, "20 per cent less");
    /// ```
    #[must_use]
    pub fn wait_after(&self, failed: u32, jitter: u16) -> Duration {
        let times = self.factor.checked_pow(failed.saturating_sub(1));
        let wait = times.and_then(|times| self.first_wait.checked_mul(times)).unwrap_or(self.longest_wait);
        let wait = wait.min(self.longest_wait);
        let share = u128::from(self.jitter_percent.min(100)) * u128::from(jitter);
        let cut = wait.as_millis() * share / (100 * u128::from(u16::MAX));
        wait.saturating_sub(Duration::from_millis(u64::try_from(cut).unwrap_or(u64::MAX)))
    }
}

/// What is done about a receipt that does not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum LateReceipt {
    /// The same message goes out again, as the schedule allows: the partner answers a duplicate with the receipt.
    Resend,
    /// Nothing is sent; somebody should ask the partner. For partners that take every message for a new one.
    Alert,
}

/// What is answered to a Message-ID that was seen before (RFC 4130 section 5.5); see [`Claim`](crate::Claim).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct DuplicateTerms {
    /// The same message again. Default [`Repeated::Replay`], as RFC 4130 section 5.5 has it.
    pub repeated: Repeated,
    /// Another document under a Message-ID that was used. Default [`Changed::Refuse`]: identifiers are reused only for
    /// the same content.
    pub changed: Changed,
    /// What the sender is told to wait while the first copy is still worked on. Default half a minute, longer than
    /// storing takes.
    #[cfg_attr(feature = "serde", serde(with = "super::text::span"))]
    pub busy_wait: Duration,
    /// How long a message stays on record after it was answered last. Default 90 days: retries end within days, and
    /// whoever captured a message should find it known for as long as its document could still do harm.
    #[cfg_attr(feature = "serde", serde(with = "super::text::span"))]
    pub keep: Duration,
}

impl Default for DuplicateTerms {
    fn default() -> Self {
        Self {
            repeated: Repeated::Replay,
            changed: Changed::Refuse,
            busy_wait: Duration::from_secs(30),
            keep: Duration::from_secs(90 * 86_400),
        }
    }
}

/// The answer to the same message again, be it octet for octet or built anew around the same document. In no case is the
/// document handed over a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Repeated {
    /// The first answer again, octet for octet. A message that was built anew gets the first outcome, with the integrity
    /// check of its own octets.
    Replay,
    /// A receipt with `processed/warning: duplicate-document`, as pyas2 answers. Where the first outcome was negative, it
    /// is told again: a warning would say that the document was taken.
    Warn,
    /// A receipt with `processed/error: unexpected-processing-error`, as mendelson answers.
    Refuse,
}

/// The answer to another document under a Message-ID that was used.
///
/// Whatever is said here, a signed document is taken where all that is on record under its Message-ID came unsigned: nobody
/// else can use up the identifiers of a partner who may send both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Changed {
    /// `processed/error: unexpected-processing-error`: the sender must use a new Message-ID.
    Refuse,
    /// `processed/warning: duplicate-document`, and the document is not handed over.
    Warn,
    /// The document is taken as a new one: for partners whose systems count their Message-IDs from one again.
    Accept,
}
