//! Identifiers, repetitions, and what comes after a failure.

use super::receipt::*;
use super::refusal::Case;
use super::support::*;
use super::*;

use std::time::Duration;

/// mendelson answers what it has seen with an error and wants a new identifier; OpenAS2 has a new one at every attempt.
#[test]
fn a1_74_repetitions_keep_their_identifier_and_refused_ones_get_a_new_one_by_hand() {
    let (first, partner) = sent(|_| ());
    let builder = || MessageBuilder::new(&worked_identity("alice"), &partner);
    let again = builder().build(Payload::x12(Bytes::from_static(EDI)), now()).unwrap();
    assert_ne!(again.pending.message_id(), first.pending.message_id());

    let pending = waiting(ReceiptKind::Unsigned, false);
    let seen = "automatic-action/MDN-sent-automatically; processed/error: unexpected-processing-error";
    let outcome = outcome(&pending, &unsigned(&fields(seen, None, "")));
    assert!(matches!(outcome, Outcome::Refuse(..)), "{outcome:?}");
    assert_ne!(outcome.advice(), Advice::RetrySameId, "sending again under this identifier cannot help");
}

/// Documents that were stored although their receipt failed, or acknowledged although storing failed.
#[test]
fn a1_75_the_receipt_exists_only_after_the_application_has_spoken() {
    let accepted = Case::new("application/EDI-X12", EDI).accepted();
    let stored = accepted.clone().stored().build(now()).response;
    assert_eq!(receipt_in(&stored.to_response()).disposition(), Some(&Disposition::processed()));
    let deferred = accepted.clone().defer(Duration::from_secs(60)).response;
    assert_eq!(
        (deferred.status().as_u16(), deferred.header("retry-after"), deferred.body().len()),
        (503, Some("60"), 0)
    );
    let verdict = accepted.failed(Verdict::ProcessingError("The disk is full.".to_owned()));
    let receipt = receipt_in(&verdict.build(now()).response.to_response());
    assert!(!receipt.disposition().unwrap().is_positive(), "{:?}", receipt.disposition());
}

/// OpenAS2 keeps the settings of the first attempt for all that follow.
#[test]
fn a1_76_what_waits_keeps_its_octets_and_takes_the_settings_of_the_day() {
    let (message, _) = sent(|_| ());
    let text = serde_json::to_string(&message.request).unwrap();
    let stored: StoredRequest = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (stored.body(), stored.header("message-id")),
        (message.request.body(), message.request.header("message-id"))
    );
    let refused = ::http::Response::builder().status(403).body(Bytes::new()).unwrap();
    let meaning = |statuses: Vec<u16>| {
        let mut terms = profile(ALICE, BOB);
        terms.pacing.limited.status = statuses;
        let partner = worked_partner(terms, "bob");
        matches!(message.pending.on_response(Ok(&refused), &partner, now()), SendOutcome::Wait { .. })
    };
    assert_eq!((meaning(vec![429]), meaning(vec![403])), (false, true));
}
