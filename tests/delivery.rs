//! The life of one message, or of one posted receipt, from the first attempt to the last: `Delivery`.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

#[path = "support/by_hand.rs"]
mod by_hand;
#[path = "support/dissect.rs"]
mod dissect;
#[path = "support/receipts.rs"]
mod receipts;
mod support;

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use receipts::*;
use support::*;

use as2_protocol::*;

/// Seconds after the start of each story.
fn at(seconds: u64) -> SystemTime {
    now() + Duration::from_secs(seconds)
}

/// Bob, with other terms of delivery and no jitter.
fn terms(set: impl FnOnce(&mut PartnerProfile)) -> Partner {
    let mut profile = profile(ALICE, BOB);
    profile.delivery.retry.jitter_percent = 0;
    set(&mut profile);
    worked_partner(profile, "bob")
}

fn retry(reason: &str) -> SendOutcome {
    SendOutcome::from(TransportFailure::new(reason))
}

fn refused(status: u16) -> SendOutcome {
    let (status, reason) = (http::StatusCode::from_u16(status).unwrap(), "bad token".to_owned());
    SendOutcome::AuthRefused { status, reason }
}

fn wait(until: u64) -> SendOutcome {
    SendOutcome::Wait { until: at(until), reason: "status 429".to_owned() }
}

/// An attempt with this answer.
fn attempt(delivery: &mut Delivery, outcome: &SendOutcome, partner: &Partner, seconds: u64) {
    assert_eq!(delivery.next_step(partner.profile(), at(seconds)), NextStep::Send, "at {seconds}");
    delivery.sent(at(seconds));
    delivery.answered(outcome, partner, at(seconds));
}

fn judged(disposition: &str, sign: bool) -> Outcome {
    let pending = waiting(ReceiptKind::Signed, true);
    let fields = fields(disposition, pending.mics().first(), "");
    let answer = if sign { signed(&fields) } else { unsigned(&fields) };
    pending.settle(&receipt_in(&answer), &bob(), now())
}

const FAILED: &str = "automatic-action/MDN-sent-automatically; failed/failure: unsupported format";
const ERROR: &str = "automatic-action/MDN-sent-automatically; processed/error: decryption-failed";

fn gives_up(delivery: &Delivery, partner: &Partner, seconds: u64) -> GiveUp {
    match delivery.next_step(partner.profile(), at(seconds)) {
        NextStep::GiveUp(why) => why,
        other => panic!("{other:?} at {seconds}"),
    }
}

#[test]
fn y05_waits_grow_and_end() {
    let partner = terms(|profile| profile.delivery.retry.attempts = 5);
    let (mut delivery, mut time) = (Delivery::of_message(), 0);
    for minutes in [5, 10, 20, 40] {
        attempt(&mut delivery, &retry("reset"), &partner, time);
        let due = time + 60 * minutes;
        assert_eq!(delivery.next_step(partner.profile(), at(time)), NextStep::WaitUntil(at(due)));
        assert_eq!(delivery.next_step(partner.profile(), at(due - 1)), NextStep::WaitUntil(at(due)));
        time = due;
    }
    attempt(&mut delivery, &retry("reset by peer"), &partner, time);
    let why = gives_up(&delivery, &partner, time);
    assert_eq!(why, GiveUp::Attempts { sends: 5, last: "reset by peer".to_owned() });
    assert_eq!((why.code(), why.advice()), ("ATTEMPTS", Advice::AskPartner));
    assert_eq!(why.to_string(), "given up after sending it 5 times: reset by peer");
}

#[test]
fn y05_no_attempt_starts_after_the_time_that_was_set() {
    let partner = terms(|profile| profile.delivery.retry.give_up_after = Duration::from_secs(899));
    let mut delivery = Delivery::of_message();
    attempt(&mut delivery, &retry("reset"), &partner, 0);
    assert_eq!(gives_up(&delivery, &partner, 901).code(), "GIVE_UP_TIME", "the process was away for too long");
    attempt(&mut delivery, &retry("reset"), &partner, 300);
    assert_eq!(gives_up(&delivery, &partner, 300 + 1), GiveUp::Time { sends: 2, last: "reset".to_owned() });
}

#[test]
fn a_profile_that_is_mended_holds_for_what_waits() {
    let partner = terms(|_| {});
    let mut delivery = Delivery::of_message();
    attempt(&mut delivery, &retry("reset"), &partner, 0);
    assert_eq!(delivery.next_step(partner.profile(), at(10)), NextStep::WaitUntil(at(300)));
    let mended = terms(|profile| profile.delivery.retry.first_wait = Duration::from_secs(30));
    assert_eq!(delivery.next_step(mended.profile(), at(10)), NextStep::WaitUntil(at(30)));
    let once = terms(|profile| profile.delivery.retry.attempts = 1);
    assert_eq!(gives_up(&delivery, &once, 10).code(), "ATTEMPTS");
}

#[test]
fn jitter_shortens_waits_and_stays_the_same() {
    let partner = terms(|profile| profile.delivery.retry.jitter_percent = 50);
    let due = |delivery: &Delivery| match delivery.next_step(partner.profile(), at(0)) {
        NextStep::WaitUntil(due) => due.duration_since(at(0)).unwrap(),
        other => panic!("{other:?}"),
    };
    let waits: std::collections::BTreeSet<_> = (0..50)
        .map(|_| {
            let mut delivery = Delivery::of_message();
            attempt(&mut delivery, &retry("reset"), &partner, 0);
            assert_eq!(due(&delivery), due(&delivery.clone()));
            due(&delivery)
        })
        .collect();
    assert!(waits.len() > 10, "{waits:?}");
    assert!(waits.iter().all(|wait| (150..=300).contains(&wait.as_secs())), "{waits:?}");
}

#[test]
fn the_partners_time_is_kept_and_uses_up_no_attempt() {
    let partner = terms(|profile| profile.delivery.retry.attempts = 1);
    let mut delivery = Delivery::of_message();
    for time in [0, 7, 14, 21] {
        attempt(&mut delivery, &wait(time + 7), &partner, time);
        assert_eq!(delivery.next_step(partner.profile(), at(time + 6)), NextStep::WaitUntil(at(time + 7)));
    }
    attempt(&mut delivery, &SendOutcome::Transferred, &partner, 28);
    assert_eq!((delivery.next_step(partner.profile(), at(28)), delivery.sends()), (NextStep::Done, 5));

    let mut endless = Delivery::of_message();
    let given_up = (0..86_400).find(|time| {
        let goes_on = endless.next_step(partner.profile(), at(*time)) == NextStep::Send;
        if goes_on {
            attempt(&mut endless, &wait(*time + 1), &partner, *time);
        }
        !goes_on
    });
    assert_eq!(given_up, Some(1001), "a partner who always says so is not asked for ever");
    assert_eq!(gives_up(&endless, &partner, 1002).code(), "ATTEMPTS");

    let mut far = Delivery::of_message();
    attempt(&mut far, &wait(86_401), &partner, 0);
    assert_eq!(gives_up(&far, &partner, 0).code(), "GIVE_UP_TIME");
}

#[test]
fn y03_nothing_follows_a_receipt() {
    let partner = terms(|_| {});
    let proof = judged(PROCESSED, true);
    for outcome in [SendOutcome::Settled(Box::new(proof.clone())), SendOutcome::Transferred] {
        let mut delivery = Delivery::of_message();
        attempt(&mut delivery, &outcome, &partner, 0);
        assert_eq!(delivery.next_step(partner.profile(), at(1_000_000)), NextStep::Done);
        assert!(!delivery.resend(), "the same octets never go out again");
        delivery.sent(at(1));
        delivery.answered(&retry("reset"), &partner, at(1));
        assert!(!delivery.receipt(&judged(FAILED, true)), "E-10");
        assert_eq!((delivery.next_step(partner.profile(), at(2)), delivery.sends()), (NextStep::Done, 1));
    }

    let mut delivery = Delivery::of_message();
    attempt(&mut delivery, &SendOutcome::Settled(Box::new(judged(FAILED, true))), &partner, 0);
    let why = gives_up(&delivery, &partner, 1_000_000);
    assert_eq!(why, GiveUp::Refused { disposition: FAILED.to_owned(), failed: true });
    assert_eq!((why.code(), why.advice()), ("RECEIPT_REFUSAL", Advice::DoNotResend));
    assert!(!delivery.resend());
}

#[test]
fn y13_a_refusal_that_may_be_mended_is_resent_by_hand_only() {
    let partner = terms(|_| {});
    for (refusal, advice) in [
        (SendOutcome::Settled(Box::new(judged(ERROR, true))), Advice::ResubmitNewId),
        (SendOutcome::Settled(Box::new(judged(FAILED, false))), Advice::ResubmitNewId),
        (SendOutcome::Settled(Box::new(judged(PROCESSED, false))), Advice::AskPartner),
        (SendOutcome::Stop { reason: "status 403".to_owned() }, Advice::DoNotResend),
        (SendOutcome::Redirect { status: http::StatusCode::FOUND, location: None }, Advice::DoNotResend),
        (refused(401), Advice::FixAccess),
    ] {
        let mut delivery = Delivery::of_message();
        attempt(&mut delivery, &refusal, &partner, 0);
        let why = gives_up(&delivery, &partner, 1_000_000);
        assert_eq!(why.advice(), advice, "{why}");
        assert!(delivery.resend(), "{why}");
        attempt(&mut delivery, &retry("reset"), &partner, 2_000_000);
        assert_eq!(delivery.next_step(partner.profile(), at(2_000_000)), NextStep::WaitUntil(at(2_000_300)));
        assert_eq!(delivery.sends(), 2);
    }
}

#[test]
fn y12_a_receipt_that_does_not_come_in_time_makes_us_resend() {
    let partner = terms(|profile| profile.delivery.retry.attempts = 2);
    let mut delivery = Delivery::of_message();
    for start in [0, 3600] {
        attempt(&mut delivery, &SendOutcome::Awaiting, &partner, start);
        let waits = NextStep::AwaitReceipt { until: at(start + 3600) };
        assert_eq!(delivery.next_step(partner.profile(), at(start + 3599)), waits);
    }
    let why = gives_up(&delivery, &partner, 7200);
    let last = "no receipt came for the attempt that was taken at 2026-11-24T01:00:00Z".to_owned();
    assert_eq!(why, GiveUp::Attempts { sends: 2, last });
    assert!(delivery.receipt(&judged(PROCESSED, true)), "better late than never");
    assert_eq!(delivery.next_step(partner.profile(), at(7200)), NextStep::Done);
}

#[test]
fn y12_or_alerts_somebody() {
    let partner = terms(|profile| {
        profile.delivery.late_receipt = LateReceipt::Alert;
        profile.delivery.receipt_deadline = Duration::from_secs(60);
    });
    let mut delivery = Delivery::of_message();
    attempt(&mut delivery, &SendOutcome::Awaiting, &partner, 0);
    assert_eq!(delivery.next_step(partner.profile(), at(59)), NextStep::AwaitReceipt { until: at(60) });
    let why = gives_up(&delivery, &partner, 60);
    assert_eq!(why, GiveUp::ReceiptLate { since: "2026-11-24T00:00:00Z".to_owned() });
    assert_eq!(why.advice(), Advice::AskPartner);
}

#[test]
fn e17_a_receipt_may_be_faster_than_the_answer() {
    let partner = terms(|_| {});
    for late in [SendOutcome::Awaiting, retry("reset"), wait(60), refused(401)] {
        let mut delivery = Delivery::of_message();
        delivery.sent(at(0));
        assert!(delivery.receipt(&judged(PROCESSED, true)));
        delivery.answered(&late, &partner, at(1));
        assert_eq!(delivery.next_step(partner.profile(), at(100_000)), NextStep::Done);
        assert!(!delivery.receipt(&judged(PROCESSED, true)), "E-10");
    }
}

#[test]
fn what_anybody_could_have_posted_ends_nothing() {
    let partner = terms(|_| {});
    let mut delivery = Delivery::of_message();
    attempt(&mut delivery, &SendOutcome::Awaiting, &partner, 0);
    let forged = judged(PROCESSED, false);
    assert!(matches!(forged, Outcome::Dispute(Dispute::Unsigned, _)));
    assert!(!delivery.receipt(&forged));
    assert_eq!(delivery.next_step(partner.profile(), at(1)), NextStep::AwaitReceipt { until: at(3600) });
    // RFC 4130 section 7.5.3 knows unsigned refusals; proof is stronger.
    assert!(delivery.receipt(&judged(FAILED, false)));
    assert_eq!(gives_up(&delivery, &partner, 2).code(), "RECEIPT_REFUSAL");
    assert!(!delivery.receipt(&judged(ERROR, true)), "the first refusal stays");
    assert!(delivery.receipt(&judged(PROCESSED, true)));
    assert_eq!(delivery.next_step(partner.profile(), at(3)), NextStep::Done);
}

#[test]
fn h06_a_refused_secret_is_fetched_anew_once() {
    let token = |refreshable| {
        terms(|profile| {
            profile.endpoint.auth.method = AuthMethod::Token {
                header: "Authorization".to_owned(),
                scheme: "Bearer".to_owned(),
                token: SecretRef::new("vault:bob"),
            };
            profile.endpoint.auth.refreshable = refreshable;
        })
    };
    let partner = token(true);
    let mut delivery = Delivery::of_message();
    attempt(&mut delivery, &refused(401), &partner, 0);
    assert_eq!(delivery.next_step(partner.profile(), at(0)), NextStep::Refresh(SecretRef::new("vault:bob")));
    delivery.refreshed();
    attempt(&mut delivery, &refused(401), &partner, 1);
    assert_eq!(gives_up(&delivery, &partner, 1), GiveUp::AuthRefused { reason: "bad token".to_owned() });

    let mut delivery = Delivery::of_message();
    attempt(&mut delivery, &refused(401), &partner, 0);
    delivery.refreshed();
    attempt(&mut delivery, &retry("reset"), &partner, 0);
    attempt(&mut delivery, &refused(401), &partner, 300);
    assert_eq!(gives_up(&delivery, &partner, 300).code(), "AUTH_REFUSED", "a broken connection says nothing of it");

    let mut delivery = Delivery::of_message();
    for time in [0, 3600] {
        attempt(&mut delivery, &refused(401), &partner, time);
        delivery.refreshed();
        attempt(&mut delivery, &SendOutcome::Awaiting, &partner, time);
    }
    assert_eq!(delivery.next_step(partner.profile(), at(3600)), NextStep::AwaitReceipt { until: at(7200) });

    for (delivery, partner, status) in [
        (Delivery::of_message(), token(false), 401),
        (Delivery::of_message(), token(true), 407),
        (Delivery::of_receipt(), token(true), 401),
    ] {
        let mut delivery = delivery;
        attempt(&mut delivery, &refused(status), &partner, 0);
        assert_eq!(gives_up(&delivery, &partner, 0).code(), "AUTH_REFUSED", "{status}");
    }
}

#[test]
fn y01_an_attempt_without_outcome_counts_as_failed() {
    let partner = terms(|profile| profile.delivery.retry.attempts = 2);
    let mut delivery = Delivery::of_message();
    delivery.sent(at(0));
    let stored = serde_json::to_string(&delivery).unwrap();
    let mut delivery: Delivery = serde_json::from_str(&stored).unwrap();
    assert_eq!(delivery.next_step(partner.profile(), at(299)), NextStep::WaitUntil(at(300)));
    attempt(&mut delivery, &retry("reset"), &partner, 300);
    assert_eq!(gives_up(&delivery, &partner, 300).code(), "ATTEMPTS");
}

#[test]
fn e11_an_answer_without_the_receipt_is_retried() {
    let partner = terms(|_| {});
    let page = http::Response::builder().header("content-type", "text/html").body("<p>Welcome".into()).unwrap();
    let outcome = waiting(ReceiptKind::Signed, false).on_response(Ok(&page), &partner, at(0));
    let mut delivery = Delivery::of_message();
    attempt(&mut delivery, &outcome, &partner, 0);
    assert_eq!(delivery.next_step(partner.profile(), at(1)), NextStep::WaitUntil(at(300)));
}

#[test]
fn y14_receipts_are_posted_by_the_same_schedule() {
    let partner = terms(|_| {});
    let json = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/pending_mdn.json")).unwrap();
    let posted: PendingMdn = serde_json::from_slice(&json).unwrap();
    let answer = |status: u16| {
        let response = http::Response::builder().status(status).body(bytes::Bytes::new()).unwrap();
        posted.on_response(Ok(&response), &partner, at(0))
    };
    let mut delivery = Delivery::of_receipt();
    attempt(&mut delivery, &answer(503), &partner, 0);
    attempt(&mut delivery, &answer(204), &partner, 300);
    assert_eq!(delivery.next_step(partner.profile(), at(300)), NextStep::Done);
}

#[test]
fn a_clock_that_was_far_ahead_holds_nothing_back() {
    let partner = terms(|_| {});
    let year = 365 * 24 * 3600;
    for outcome in [retry("reset"), wait(year + 60), SendOutcome::Awaiting] {
        let mut delivery = Delivery::of_message();
        attempt(&mut delivery, &outcome, &partner, year);
        attempt(&mut delivery, &SendOutcome::Transferred, &partner, 0);
    }
}

#[test]
fn the_stored_form_comes_back_and_holds_no_secret() {
    let partner = terms(|_| {});
    let failure = TransportFailure::new("error for url (https://b.example/as2?token=s3cret): reset");
    assert!(!format!("{failure:?} {failure}").contains("s3cret"));
    let redirect = http::Response::builder().status(302).header("location", "https://b.example/?token=s3cret");
    let redirect = redirect.body(bytes::Bytes::new()).unwrap();
    let redirect = waiting(ReceiptKind::Signed, true).on_response(Ok(&redirect), &partner, at(0));
    assert!(!format!("{redirect:?}").contains("s3cret"), "{redirect:?}");
    let long = retry(&"x".repeat(100_000));
    for outcome in [failure.into(), redirect, long, wait(60), refused(401), SendOutcome::Awaiting] {
        let mut delivery = Delivery::of_message();
        attempt(&mut delivery, &outcome, &partner, 0);
        let json = serde_json::to_string(&delivery).unwrap();
        assert!(!json.contains("s3cret") && json.len() < 1000, "{json}");
        assert_eq!(serde_json::from_str::<Delivery>(&json).unwrap(), delivery);
        assert!(serde_json::from_str::<Delivery>(&json.replace("\"version\":1", "\"version\":2")).is_err());
        assert!(serde_json::from_str::<Delivery>(&json.replace("\"sends\"", "\"sent\"")).is_err());
    }
}

#[test]
fn y04_every_attempt_sends_the_same_octets() {
    let partner = bob();
    let sent = MessageBuilder::new(&worked_identity("alice"), &partner).build(Payload::x12(order()), now()).unwrap();
    let stored = serde_json::to_string(&sent.request).unwrap();
    let (first, mut delivery) = (sent.request.to_request(), Delivery::of_message());
    for _ in 0..3 {
        let again: StoredRequest = serde_json::from_str(&stored).unwrap();
        let again = again.to_request();
        assert_eq!((first.uri(), first.headers(), first.body()), (again.uri(), again.headers(), again.body()));
        delivery.sent(now());
    }
    let resubmitted =
        MessageBuilder::new(&worked_identity("alice"), &partner).build(Payload::x12(order()), now()).unwrap();
    assert_ne!(sent.pending.message_id(), resubmitted.pending.message_id(), "Y-13");
}

#[derive(Clone, Debug)]
enum Answer {
    Retry,
    Wait(u64),
    Awaiting,
    None,
}

fn answers() -> impl Strategy<Value = Answer> {
    prop_oneof![Just(Answer::Retry), (1_u64..5000).prop_map(Answer::Wait), Just(Answer::Awaiting), Just(Answer::None),]
}

proptest! {
    /// Whatever comes back: the number of attempts and the time are bounded, and no wait leads nowhere.
    #[test]
    fn y05_every_story_ends(
        attempts in 1_u32..8, first_wait in 1_u64..400, factor in 1_u32..4, longest in 400_u64..2000,
        end in 0_u64..20_000, story in prop::collection::vec(answers(), 60),
    ) {
        let partner = terms(|profile| {
            let retry = &mut profile.delivery.retry;
            (retry.attempts, retry.factor, retry.jitter_percent) = (attempts, factor, 30);
            retry.first_wait = Duration::from_secs(first_wait);
            retry.longest_wait = Duration::from_secs(longest);
            retry.give_up_after = Duration::from_secs(end);
            profile.delivery.receipt_deadline = Duration::from_secs(700);
        });
        let (mut delivery, mut time) = (Delivery::of_message(), at(0));
        let mut counted = 0;
        for answer in story {
            loop {
                match delivery.next_step(partner.profile(), time) {
                    NextStep::Send => break,
                    NextStep::WaitUntil(until) | NextStep::AwaitReceipt { until } => {
                        prop_assert!(until > time);
                        time = until;
                    }
                    NextStep::GiveUp(_) => return Ok(()),
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            prop_assert!(time <= at(end), "no attempt starts later");
            delivery.sent(time);
            counted += u32::from(!matches!(answer, Answer::Wait(_)));
            prop_assert!(counted <= attempts);
            match answer {
                Answer::Retry => delivery.answered(&retry("reset"), &partner, time),
                Answer::Wait(span) => {
                    let until = time + Duration::from_secs(span);
                    delivery.answered(&SendOutcome::Wait { until, reason: String::new() }, &partner, time);
                }
                Answer::Awaiting => delivery.answered(&SendOutcome::Awaiting, &partner, time),
                Answer::None => {}
            }
        }
    }
}
