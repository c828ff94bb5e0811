use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn at(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_478_400) + Duration::from_millis(millis)
}

fn terms(set: impl FnOnce(&mut PacingTerms)) -> PacingTerms {
    let mut terms = PacingTerms::default();
    set(&mut terms);
    terms
}

fn starts(pacer: &mut Pacer, terms: &PacingTerms, millis: u64) -> bool {
    matches!(pacer.try_start(terms, at(millis)), Turn::Start(_))
}

fn call(turn: Turn) -> Call {
    match turn {
        Turn::Start(call) => call,
        other => panic!("{other:?}"),
    }
}

#[test]
fn without_terms_every_call_starts_and_nothing_is_kept() {
    let (mut pacer, free) = (Pacer::new(), PacingTerms::default());
    assert!((0..1000).all(|_| starts(&mut pacer, &free, 0)));
    assert!(pacer.taken.is_empty() && pacer.under_way.is_empty());
}

#[test]
fn the_gap_is_kept() {
    let gap = terms(|terms| terms.min_gap = Duration::from_millis(500));
    let mut pacer = Pacer::new();
    assert!(starts(&mut pacer, &gap, 0));
    assert_eq!(pacer.try_start(&gap, at(499)), Turn::WaitUntil(at(500)));
    assert!(starts(&mut pacer, &gap, 500));
    assert_eq!(pacer.try_start(&gap, at(500)), Turn::WaitUntil(at(1000)));
}

#[test]
fn tokens_come_back_one_by_one() {
    let three = terms(|terms| (terms.calls, terms.interval) = (3, Duration::from_secs(1)));
    let mut pacer = Pacer::new();
    for millis in [0, 400, 900] {
        assert!(starts(&mut pacer, &three, millis));
    }
    assert_eq!(pacer.try_start(&three, at(999)), Turn::WaitUntil(at(1000)));
    assert!(starts(&mut pacer, &three, 1000));
    assert_eq!(pacer.try_start(&three, at(1000)), Turn::WaitUntil(at(1400)));
    let one = terms(|terms| (terms.calls, terms.interval) = (1, Duration::from_secs(1)));
    assert_eq!(pacer.try_start(&one, at(1000)), Turn::WaitUntil(at(2000)), "a changed profile holds at once");
}

#[test]
fn slots_are_given_back_or_lost_after_a_while() {
    let two = terms(|terms| (terms.concurrency, terms.longest_call) = (2, Duration::from_secs(10)));
    let mut pacer = Pacer::new();
    let first = call(pacer.try_start(&two, at(0)));
    let second = call(pacer.try_start(&two, at(3000)));
    assert_eq!(pacer.try_start(&two, at(5000)), Turn::Busy { until: at(10_000) });
    pacer.finished(&second);
    pacer.finished(&second);
    let third = call(pacer.try_start(&two, at(6000)));
    assert_eq!(pacer.try_start(&two, at(9999)), Turn::Busy { until: at(10_000) });
    assert!(starts(&mut pacer, &two, 10_000), "the first caller is gone");
    pacer.finished(&first);
    assert_eq!(pacer.try_start(&two, at(10_000)), Turn::Busy { until: at(16_000) }, "whose slot was given away");
    pacer.finished(&third);
    assert!(starts(&mut pacer, &two, 10_000));
}

#[test]
fn the_partners_word_holds_all_calls() {
    let free = PacingTerms::default();
    let mut pacer = Pacer::new();
    pacer.limited_until(at(5000), at(0));
    pacer.limited_until(at(2000), at(1000));
    assert_eq!(pacer.try_start(&free, at(2000)), Turn::WaitUntil(at(5000)));
    assert!(starts(&mut pacer, &free, 5000));
    assert_eq!(pacer.pause, None);
    pacer.limited_until(SystemTime::UNIX_EPOCH, at(5000));
    assert!(starts(&mut pacer, &free, 5000), "a time in the past is none");
}

#[test]
fn a_clock_that_was_far_ahead_holds_nobody_for_long() {
    let all = terms(|terms| {
        (terms.calls, terms.interval, terms.min_gap) = (2, Duration::from_secs(60), Duration::from_secs(1));
        (terms.concurrency, terms.longest_call) = (2, Duration::from_secs(60));
    });
    let (year, mut pacer) = (365 * 24 * 3600 * 1000, Pacer::new());
    assert!(starts(&mut pacer, &all, year) && starts(&mut pacer, &all, year + 1000));
    pacer.limited_until(at(year + 30_000), at(year + 1000));
    assert_eq!(pacer.try_start(&all, at(0)), Turn::WaitUntil(at(60_000)), "all counts from now on");
    assert!(starts(&mut pacer, &all, 60_000));
}

#[test]
fn the_state_stays_small() {
    let many = terms(|terms| (terms.calls, terms.interval) = (100_000, Duration::from_secs(60)));
    let mut pacer = Pacer::new();
    for millis in 0..90_000 {
        assert!(starts(&mut pacer, &many, millis));
        assert!(pacer.taken.len() <= 67, "{}", pacer.taken.len());
    }
    #[cfg(feature = "serde")]
    assert!(serde_json::to_string(&pacer).unwrap().len() < 8 << 10);
}

#[test]
fn extremes_do_no_harm() {
    let odd = terms(|terms| {
        (terms.calls, terms.interval, terms.min_gap) = (u32::MAX, Duration::MAX, Duration::MAX);
        (terms.concurrency, terms.longest_call) = (u32::MAX, Duration::MAX);
    });
    let mut pacer = Pacer::new();
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    assert!(starts(&mut pacer, &odd, 0));
    assert_eq!(pacer.try_start(&odd, at(1)), Turn::WaitUntil(last));
    pacer.limited_until(last + Duration::from_secs(1), at(1));
    let none = terms(|terms| (terms.calls, terms.interval, terms.longest_call) = (1, Duration::ZERO, Duration::ZERO));
    assert!(starts(&mut Pacer::new(), &none, 0));
}

#[cfg(feature = "serde")]
#[test]
fn the_stored_form_is_versioned_and_comes_back() {
    let all = terms(|terms| (terms.calls, terms.concurrency) = (5, 5));
    let mut pacer = Pacer::new();
    let call = call(pacer.try_start(&all, at(0)));
    pacer.limited_until(at(5000), at(1));
    let json = serde_json::to_string(&pacer).unwrap();
    let expected = r#"{"version":1,"taken":[{"first":"2026-11-24T00:00:00Z","last":"2026-11-24T00:00:00Z","calls":1}],"last_start":"2026-11-24T00:00:00Z","under_way":[{"call":1,"since":"2026-11-24T00:00:00Z"}],"next_call":1,"pause":{"since":"2026-11-24T00:00:00.001Z","until":"2026-11-24T00:00:05Z"}}"#;
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_str::<Pacer>(&json).unwrap(), pacer);
    assert!(serde_json::from_str::<Pacer>(&json.replace("\"version\":1", "\"version\":2")).is_err());
    assert_eq!(serde_json::from_str::<Call>(&serde_json::to_string(&call).unwrap()).unwrap(), call);
}

#[test]
fn shares_together_are_the_whole() {
    for (calls, concurrency) in [(0, 0), (1, 0), (5, 2), (7, 7), (100, 3)] {
        let whole = terms(|terms| {
            (terms.calls, terms.concurrency, terms.min_gap) = (calls, concurrency, Duration::from_secs(2));
        });
        for of in 1..9 {
            let shares: Vec<_> = (0..of).filter_map(|replica| whole.share(replica, of.try_into().unwrap())).collect();
            let sum = |part: fn(&PacingTerms) -> u32| shares.iter().map(part).sum::<u32>();
            assert!(sum(|share| share.calls) <= calls && sum(|share| share.concurrency) <= concurrency);
            if calls >= of && concurrency >= of {
                assert_eq!((sum(|share| share.calls), sum(|share| share.concurrency)), (calls, concurrency));
            }
            assert!(shares.iter().all(|share| share.min_gap == Duration::from_secs(2) * of));
            let unbounded = |share: &PacingTerms| (share.calls == 0, share.concurrency == 0);
            assert!(shares.iter().all(|share| unbounded(share) == unbounded(&whole)));
        }
    }
}

#[derive(Clone, Debug)]
enum Happens {
    /// Time passes, and a call is tried.
    Try(u64),
    /// A call under way ends.
    Finish(usize),
    /// The clock is set back.
    Back(u64),
    /// The partner asks for silence.
    Limit(u64),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        8 => (0_u64..400).prop_map(Happens::Try),
        3 => (0_usize..8).prop_map(Happens::Finish),
        1 => (0_u64..20_000).prop_map(Happens::Back),
        1 => (0_u64..500).prop_map(Happens::Limit),
    ]
}

proptest! {
    /// Measured by a true clock, whatever is done to the one that the pacer sees.
    #[test]
    fn no_interval_sees_too_many_calls(
        calls in prop_oneof![Just(0_u32), 1_u32..6, 60_u32..70],
        interval in 50_u64..3000,
        gap in 0_u64..100,
        concurrency in 0_u32..4,
        story in prop::collection::vec(happens(), 1..300),
    ) {
        let terms = terms(|terms| {
            (terms.calls, terms.interval) = (calls, Duration::from_millis(interval));
            (terms.min_gap, terms.concurrency) = (Duration::from_millis(gap), concurrency);
            terms.longest_call = Duration::from_secs(3600);
        });
        let (mut pacer, mut time, mut back) = (Pacer::new(), 1_000_000_000_u64, 0);
        let (mut started, mut open, mut silent_until) = (Vec::<u64>::new(), Vec::new(), 0);
        for event in story {
            match event {
                Happens::Finish(which) if which < open.len() => pacer.finished(&open.swap_remove(which)),
                Happens::Finish(_) => {}
                Happens::Back(by) => back += by,
                Happens::Limit(span) => {
                    pacer.limited_until(at(time - back + span), at(time - back));
                    silent_until = silent_until.max(time + span);
                }
                Happens::Try(pass) => {
                    time += pass;
                    if let Turn::Start(call) = pacer.try_start(&terms, at(time - back)) {
                        prop_assert!(time >= silent_until || back > 0);
                        prop_assert!(started.last().is_none_or(|last| time - last >= gap));
                        started.push(time);
                        open.push(call);
                        let recent = started.iter().filter(|start| **start + interval > time).count();
                        prop_assert!(calls == 0 || recent <= calls as usize);
                        prop_assert!(concurrency == 0 || open.len() <= concurrency as usize);
                    }
                }
            }
        }
        // However the clock was set: after the agreed times, twice, a call starts.
        let rest = 2 * (interval + gap + 500) + 2 * 3_600_000 + 1;
        prop_assert!(matches!(pacer.try_start(&terms, at(time - back + rest)), Turn::Start(_)));
    }

    #[test]
    fn a_turn_that_is_waited_for_comes(
        calls in 1_u32..80, interval in 1_u64..5000, gap in 0_u64..200, waits in 1_usize..200,
    ) {
        let terms = terms(|terms| {
            (terms.calls, terms.interval) = (calls, Duration::from_millis(interval));
            terms.min_gap = Duration::from_millis(gap);
        });
        let (mut pacer, mut now) = (Pacer::new(), at(0));
        for _ in 0..waits {
            let before = pacer.clone();
            match pacer.try_start(&terms, now) {
                Turn::Start(_) => {}
                Turn::WaitUntil(until) => {
                    prop_assert!(until > now);
                    let early = before.clone().try_start(&terms, until - Duration::from_millis(1));
                    prop_assert!(!matches!(early, Turn::Start(_)), "not earlier than needed");
                    prop_assert!(matches!(pacer.try_start(&terms, until), Turn::Start(_)), "and not later");
                    now = until;
                }
                Turn::Busy { .. } => prop_assert!(false),
            }
        }
    }
}

proptest! {
    /// Replicas share one stored value: each reads it, asks on its own copy, and may call only if nobody wrote in between.
    #[test]
    fn replicas_that_swap_one_value_keep_the_limit_together(
        steps in prop::collection::vec((0_usize..3, prop::bool::ANY, 0_u64..400), 1..200),
    ) {
        let five = terms(|terms| (terms.calls, terms.interval) = (5, Duration::from_secs(1)));
        let (mut stored, mut millis) = (Pacer::new(), 0);
        let mut copies: [Option<(Pacer, Pacer, u64)>; 3] = [None, None, None];
        let mut started = Vec::new();
        for (replica, reads, pause) in steps {
            millis += pause;
            if reads {
                let (read, mut asked) = (stored.clone(), stored.clone());
                copies[replica] = starts(&mut asked, &five, millis).then_some((read, asked, millis));
            } else if let Some((read, asked, at)) = copies[replica].take()
                && stored == read
            {
                // The swap takes effect; the call counts from the time at which it was asked for.
                stored = asked;
                started.push(at);
            }
        }
        started.sort_unstable();
        for window in started.windows(6) {
            prop_assert!(window[5] - window[0] >= 1000, "{started:?}");
        }
    }
}
