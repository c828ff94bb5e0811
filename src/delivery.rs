//! How often one message, or one receipt that we post, was tried, and what comes next (RFC 4130 section 5.5).

use std::time::{Duration, SystemTime};

use crate::endpoint::{AuthState, AuthStep};
use crate::name::printable;
use crate::partner::Partner;
use crate::profile::{AuthTerms, LateReceipt, PartnerProfile, SecretRef};
use crate::receipt::outcome::{Outcome, SendOutcome};
use crate::stored::{FormatVersion, Instant};
use crate::url::without_queries;

mod give_up;
mod state;

pub use give_up::GiveUp;
use state::State;

/// The attempts of one message, or of one receipt that we post. Save it beside the request, and after every change.
///
/// Every attempt sends the octets that were stored, with their Message-ID: that is what *resending* means here. A
/// *resubmission* is another message: it is built anew by [`MessageBuilder`](crate::MessageBuilder), and has a
/// `Delivery` of its own.
///
/// The terms are asked for at every step, and never kept: what is mended in a profile holds for all that waits.
///
/// ```
/// use as2_protocol::*;
/// # use std::time::{Duration, SystemTime};
/// # trait Shop {
/// #     fn save(&self, _: &Delivery);
/// #     fn secret(&self, name: &SecretRef) -> Option<crypto::SecretBytes>;
/// #     fn post(&self, _: http::Request<bytes::Bytes>) -> Result<http::Response<bytes::Bytes>, TransportFailure>;
/// #     fn come_back(&self, at: SystemTime);
/// #     fn renew(&self, secret: &SecretRef);
/// #     fn tell_somebody(&self, why: &GiveUp);
/// # }
/// # type Done = Result<(), AuthorizeError>;
/// fn go_on(sent: &Outbound, delivery: &mut Delivery, acme: &Partner, shop: &dyn Shop, now: SystemTime) -> Done {
///     match delivery.next_step(acme.profile(), now) {
///         NextStep::Send => {
///             let request = acme.authorize(&sent.request, |name| shop.secret(name))?;
///             delivery.sent(now);
///             shop.save(delivery); // before the first octet leaves
///             let answer = shop.post(request);
///             let outcome = sent.pending.on_response(answer.as_ref().map_err(Clone::clone), acme, now);
///             delivery.answered(&outcome, acme, now);
///             shop.save(delivery);
///         }
///         NextStep::WaitUntil(at) | NextStep::AwaitReceipt { until: at } => shop.come_back(at),
///         NextStep::Refresh(secret) => {
///             shop.renew(&secret);
///             delivery.refreshed();
///             shop.save(delivery);
///         }
///         NextStep::GiveUp(why) => shop.tell_somebody(&why),
///         _ => {} // done
///     }
///     Ok(())
/// }
/// # let profile = PartnerProfile::new("us".parse().unwrap(), "them".parse().unwrap(), "https://b.example/".parse().unwrap());
/// # assert_eq!(Delivery::of_message().next_step(&profile, SystemTime::UNIX_EPOCH), NextStep::Send);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Delivery {
    version: FormatVersion,
    of: Posted,
    state: State,
    /// When the first attempt started.
    first: Option<Instant>,
    sends: u32,
    failures: u32,
    /// Answers that said when to come again.
    waits: u32,
    access: AuthState,
}

/// What is delivered, and so which endpoint and whose credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
enum Posted {
    Message,
    Receipt,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextStep {
    /// Send the stored octets, as soon as the [`Pacer`](crate::Pacer) allows.
    Send,
    /// Nothing before this time; ask again then.
    WaitUntil(SystemTime),
    /// The message was taken; its receipt may come until then. Ask again at that time.
    AwaitReceipt {
        /// When the receipt is late.
        until: SystemTime,
    },
    /// Fetch this secret anew, and [say so](Delivery::refreshed): the same octets go out again with it.
    Refresh(SecretRef),
    /// Nothing more is sent; somebody must look at it.
    GiveUp(GiveUp),
    /// Delivered, or transferred where no receipt was asked for.
    Done,
}

/// Answers that may say when to come again before that is a failure, too: one a minute for most of a day.
const MOST_WAITS: u32 = 1000;

impl Delivery {
    /// A [`PendingReceipt`](crate::PendingReceipt)'s message that was not sent yet.
    #[must_use]
    pub fn of_message() -> Self {
        Self::new(Posted::Message)
    }

    /// A [`PendingMdn`](crate::PendingMdn) that was not posted yet.
    #[must_use]
    pub fn of_receipt() -> Self {
        Self::new(Posted::Receipt)
    }

    fn new(of: Posted) -> Self {
        Self {
            version: FormatVersion,
            of,
            state: State::Ready,
            first: None,
            sends: 0,
            failures: 0,
            waits: 0,
            access: AuthState::new(),
        }
    }

    /// How often it was sent.
    #[must_use]
    pub fn sends(&self) -> u32 {
        self.sends
    }

    /// What to do now. It changes nothing, and may be asked as often as one likes.
    ///
    /// An attempt whose outcome was never told, because its process ended, counts as one that failed when it started.
    #[must_use]
    pub fn next_step(&self, profile: &PartnerProfile, now: SystemTime) -> NextStep {
        let now = Instant(now);
        let terms = &profile.delivery;
        match &self.state {
            State::Ready => NextStep::Send,
            State::Sending { since } => {
                let failed = self.failures.saturating_add(1);
                self.again(profile, due(*since, terms.retry.wait_after(failed, 0), now), failed, now)
            }
            State::Failed { since, jitter, .. } => {
                let wait = terms.retry.wait_after(self.failures, *jitter);
                self.again(profile, due(*since, wait, now), self.failures, now)
            }
            State::Waiting { since, until, .. } => {
                let wait = until.0.duration_since(since.0).unwrap_or_default();
                self.again(profile, due(*since, wait, now), self.failures, now)
            }
            State::Awaiting { since } => {
                let until = due(*since, terms.receipt_deadline, now);
                if now < until {
                    return NextStep::AwaitReceipt { until: until.0 };
                }
                match terms.late_receipt {
                    LateReceipt::Alert => NextStep::GiveUp(GiveUp::ReceiptLate { since: since.text() }),
                    LateReceipt::Resend => self.again(profile, until, self.failures.saturating_add(1), now),
                }
            }
            State::AuthRefused { proxy, reason } => match self.access.next_step(self.auth(profile)) {
                AuthStep::Refresh(secret) if !proxy => NextStep::Refresh(secret),
                _ => NextStep::GiveUp(GiveUp::AuthRefused { reason: reason.clone() }),
            },
            State::Closed(why) => NextStep::GiveUp(why.clone()),
            State::Done => NextStep::Done,
        }
    }

    /// Another attempt at `due`, unless there were enough of them, or it is too late for one.
    fn again(&self, profile: &PartnerProfile, due: Instant, failed: u32, now: Instant) -> NextStep {
        let terms = &profile.delivery.retry;
        if failed >= terms.attempts || self.waits > MOST_WAITS {
            return NextStep::GiveUp(GiveUp::Attempts { sends: self.sends, last: self.state.reason() });
        }
        let end = self.first.unwrap_or(now).after(terms.give_up_after);
        if due.max(now) > end {
            return NextStep::GiveUp(GiveUp::Time { sends: self.sends, last: self.state.reason() });
        }
        if due <= now { NextStep::Send } else { NextStep::WaitUntil(due.0) }
    }

    fn auth<'a>(&self, profile: &'a PartnerProfile) -> &'a AuthTerms {
        match self.of {
            Posted::Message => &profile.endpoint.auth,
            Posted::Receipt => &profile.receipt_endpoint.auth,
        }
    }

    /// An attempt starts. Save the value before the first octet leaves.
    pub fn sent(&mut self, now: SystemTime) {
        match self.state {
            // E-17: the receipt can be faster than the next step.
            State::Done | State::Closed(_) => return,
            State::Sending { .. } | State::Awaiting { .. } => self.failures = self.failures.saturating_add(1),
            _ => {}
        }
        self.first.get_or_insert(Instant(now));
        self.sends = self.sends.saturating_add(1);
        self.state = State::Sending { since: Instant(now) };
    }

    /// The answer to an attempt, from [`PendingReceipt::on_response`](crate::PendingReceipt::on_response) or
    /// [`PendingMdn::on_response`](crate::PendingMdn::on_response). The partner's provider gives the randomness
    /// that spreads attempts. After the receipt has settled the message, answers change nothing.
    pub fn answered(&mut self, outcome: &SendOutcome, partner: &Partner, now: SystemTime) {
        let since = Instant(now);
        if let SendOutcome::Settled(outcome) = outcome {
            self.access.accepted();
            if !self.judged(outcome, false) && matches!(**outcome, Outcome::NeedsMic { .. }) {
                self.change(State::Awaiting { since });
            }
            return;
        }
        let answer = match outcome {
            SendOutcome::Awaiting => State::Awaiting { since },
            SendOutcome::Transferred => State::Done,
            SendOutcome::Wait { until, reason } => {
                State::Waiting { since, until: Instant(*until), reason: brief(reason) }
            }
            SendOutcome::AuthRefused { status, reason } => {
                State::AuthRefused { proxy: status.as_u16() == 407, reason: brief(reason) }
            }
            SendOutcome::Redirect { status, location } => {
                State::Closed(GiveUp::Redirect { status: status.as_u16(), location: location.as_deref().map(brief) })
            }
            SendOutcome::Stop { reason } => State::Closed(GiveUp::Stop { reason: brief(reason) }),
            SendOutcome::NoReceipt { status, reason } => {
                State::failed(since, brief(&format!("status {status} without a receipt: {reason}")), partner)
            }
            SendOutcome::Retry { reason } => State::failed(since, brief(reason), partner),
            SendOutcome::Settled(_) => return,
        };
        self.change(answer);
    }

    /// An answer counts only while one is waited for.
    fn change(&mut self, state: State) {
        if !matches!(self.state, State::Sending { .. }) {
            return;
        }
        match &state {
            State::Failed { .. } => self.failures = self.failures.saturating_add(1),
            State::Waiting { .. } => self.waits = self.waits.saturating_add(1),
            // Whoever says what is wrong with the message has let us in.
            State::Awaiting { .. } | State::Done | State::Closed(_) => self.access.accepted(),
            _ => {}
        }
        self.state = state;
    }

    /// A receipt that was posted to us was judged. It may come at any time, even before the answer to the attempt;
    /// `false` if it changes nothing.
    ///
    /// Proof of delivery is final, and what comes after it is ignored. A refusal ends the attempts; proof that comes
    /// later still counts, since an unsigned refusal can be anybody's. A receipt that proves nothing and that anybody
    /// could have written, because it is unsigned where signed ones are agreed, is ignored.
    pub fn receipt(&mut self, outcome: &Outcome) -> bool {
        self.judged(outcome, true)
    }

    fn judged(&mut self, outcome: &Outcome, posted: bool) -> bool {
        let verdict = match outcome {
            Outcome::Deliver(_) => State::Done,
            Outcome::NeedsMic { .. } => return false,
            Outcome::Refuse(disposition, evidence) => State::Closed(GiveUp::Refused {
                disposition: brief(&disposition.to_string()),
                failed: disposition.is_failure() && evidence.signer().is_some(),
            }),
            Outcome::Dispute(dispute, evidence) => {
                if posted && evidence.signer().is_none() && evidence.must_be_signed() {
                    return false;
                }
                State::Closed(GiveUp::Disputed { code: dispute.code().to_owned(), reason: brief(&dispute.to_string()) })
            }
        };
        let changes = match self.state {
            State::Done => false,
            State::Closed(GiveUp::Refused { .. } | GiveUp::Disputed { .. }) => verdict == State::Done,
            _ => true,
        };
        if changes {
            self.state = verdict;
        }
        changes
    }

    /// The secret that was refused has been fetched anew; the next step is to send. It happens once until an answer
    /// shows that the credentials are good.
    pub fn refreshed(&mut self) {
        if matches!(self.state, State::AuthRefused { .. }) {
            self.access.refreshed();
            self.state = State::Ready;
        }
    }

    /// Starts the schedule anew with the same octets: for an operator who has mended what made us give up.
    ///
    /// `false`, and nothing changes, where the same octets must not go out again: after delivery, and after a signed
    /// receipt of type `failed`. What is left then is to resubmit the document as a new message.
    pub fn resend(&mut self) -> bool {
        let ends = matches!(self.state, State::Done | State::Closed(GiveUp::Refused { failed: true, .. }));
        if !ends {
            *self = Self { sends: self.sends, ..Self::new(self.of) };
        }
        !ends
    }
}

/// `span` after `since`. A start that lies further ahead than the span was written under a clock that has been set
/// back since; the wait is over then, lest it last until the clock is there again.
fn due(since: Instant, span: Duration, now: Instant) -> Instant {
    if since.is_beyond(span, now) { now } else { since.after(span) }
}

/// What is kept of a peer's words: one short line, without what may be a token.
fn brief(reason: &str) -> String {
    printable(&without_queries(reason)).chars().take(LONGEST_REASON).collect()
}

const LONGEST_REASON: usize = 300;
