//! Two replicas take the same messages in any interleaving, crash anywhere and lose their leases: each document is stored
//! once, and equal requests get equal answers.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;
#[path = "support/table.rs"]
mod table;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use support::*;
use table::*;

use as2_protocol::*;

/// A request of the sender: which identifier, which document, and which octets around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    id: u8,
    document: u8,
    rebuilt: u8,
}

/// What happens next.
#[derive(Clone, Debug)]
enum Event {
    /// A replica does its next step.
    Step(usize),
    /// A replica dies, and what it had in hand is sent again.
    Crash(usize),
    /// A while passes.
    Wait,
}

/// A replica between two steps of its work on one request.
enum Stage {
    Idle,
    Arrived(Kind),
    Opened(Kind, Arrival, Accepted),
    Judged(Kind, Arrival, Accepted, Box<Claim>),
    Claimed(Kind, Arrival, Accepted, Box<Work>),
}

struct World {
    table: Table,
    queue: VecDeque<Kind>,
    replicas: [Stage; 2],
    answers: BTreeMap<Kind, BTreeSet<String>>,
    answered: usize,
    now: SystemTime,
    partner: Partner,
}

static BOB_KEYS: LazyLock<Identity> = LazyLock::new(|| worked_identity("bob"));

/// Unsigned, so that thousands cost nothing; what is built anew has another media type around the same octets.
fn request(kind: Kind) -> http::Request<bytes::Bytes> {
    let request = http::Request::post("/").header("as2-from", "\"Alice Corp\"").header("as2-to", "bob");
    let request = request.header("message-id", format!("<{}@alice.example>", kind.id));
    let request = request.header("content-type", format!("application/edi-x12; n={}", kind.rebuilt));
    let request = request.header("disposition-notification-to", "x");
    request.body(format!("{}: document {}", kind.id, kind.document).into()).unwrap()
}

impl World {
    fn new(kinds: &[Kind], changed: Changed) -> Self {
        let mut terms = profile(BOB, ALICE);
        terms.delivery.duplicates.changed = changed;
        Self {
            table: Table::default(),
            queue: kinds.iter().copied().collect(),
            replicas: [Stage::Idle, Stage::Idle],
            answers: BTreeMap::new(),
            answered: 0,
            now: now(),
            partner: worked_partner(terms, "alice"),
        }
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Step(replica) => {
                let stage = std::mem::replace(&mut self.replicas[replica], Stage::Idle);
                self.replicas[replica] = self.step(stage);
            }
            Event::Crash(replica) => {
                let stage = std::mem::replace(&mut self.replicas[replica], Stage::Idle);
                let (Stage::Arrived(kind)
                | Stage::Opened(kind, ..)
                | Stage::Judged(kind, ..)
                | Stage::Claimed(kind, ..)) = stage
                else {
                    return;
                };
                self.queue.push_back(kind);
            }
            Event::Wait => self.now += LEASE / 3,
        }
    }

    /// One step reads or writes the table once.
    fn step(&mut self, stage: Stage) -> Stage {
        match stage {
            Stage::Idle => self.queue.pop_front().map_or(Stage::Idle, Stage::Arrived),
            Stage::Arrived(kind) => {
                match self.table.open(envelope(request(kind)), &BOB_KEYS, &self.partner, self.now) {
                    Ok((arrival, order)) => Stage::Opened(kind, arrival, order),
                    Err(taken) => self.answer(kind, &taken.reply),
                }
            }
            Stage::Opened(kind, arrival, order) => {
                let claim = order.claim(&arrival, self.table.read(arrival.key()), LEASE, self.now);
                Stage::Judged(kind, arrival, order, Box::new(claim))
            }
            Stage::Judged(kind, arrival, order, claim) => match *claim {
                Claim::New(work) if self.table.write(work.write()) => {
                    Stage::Claimed(kind, arrival, order, Box::new(work))
                }
                Claim::New(_) => Stage::Opened(kind, arrival, order),
                Claim::Duplicate(duplicate) => {
                    let reply = duplicate.receipt().build(self.now);
                    let write = duplicate.settle(&reply, self.now);
                    if write.is_none_or(|write| self.table.write(&write)) {
                        self.answer(kind, &reply)
                    } else {
                        Stage::Opened(kind, arrival, order)
                    }
                }
                Claim::Replay(reply) | Claim::Busy(reply) => self.answer(kind, &reply),
            },
            Stage::Claimed(kind, arrival, order, work) => {
                let document = order.payload().body().to_vec();
                let reply = order.clone().stored().build(self.now);
                // Record and document in one transaction.
                if self.table.write(&work.settle(&reply, self.now)) {
                    self.table.stored.push(document);
                    self.answer(kind, &reply)
                } else {
                    Stage::Opened(kind, arrival, order)
                }
            }
        }
    }

    /// Whoever is told to come again does.
    fn answer(&mut self, kind: Kind, reply: &Reply) -> Stage {
        if reply.response.status() == 503 {
            self.queue.push_back(kind);
        } else {
            self.answered += 1;
            self.answers.entry(kind).or_default().insert(serde_json::to_string(reply).unwrap());
        }
        Stage::Idle
    }

    /// Both replicas live from now on, until nothing is left to do.
    fn drain(&mut self) {
        for round in 0..2000 {
            let idle = self.replicas.iter().all(|stage| matches!(stage, Stage::Idle));
            if idle && self.queue.is_empty() {
                return;
            }
            self.happen(&Event::Step(round % 2));
            if round % 7 == 0 {
                self.happen(&Event::Wait);
            }
        }
        panic!("no end: {:?}", self.queue);
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    (0..2u8, 0..2u8, 0..2u8).prop_map(|(id, document, rebuilt)| Kind { id, document, rebuilt })
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0..2usize).prop_map(Event::Step),
        1 => (0..2usize).prop_map(Event::Crash),
        1 => Just(Event::Wait),
    ]
}

fn positive(reply: &str) -> bool {
    let reply: Reply = serde_json::from_str(reply).unwrap();
    receipt_in(&reply.response.to_response()).disposition().unwrap().is_positive()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn y07_y10_exactly_once_whatever_happens(
        kinds in prop::collection::vec(kind(), 1..10),
        events in prop::collection::vec(event(), 0..120),
        changed in prop::sample::select(vec![Changed::Refuse, Changed::Accept]),
    ) {
        let mut world = World::new(&kinds, changed);
        events.iter().for_each(|event| world.happen(event));
        world.drain();

        prop_assert_eq!(world.answered, kinds.len(), "every request is answered");
        let stored: BTreeSet<_> = world.table.stored.iter().cloned().collect();
        prop_assert_eq!(stored.len(), world.table.stored.len(), "no document twice");
        for (kind, answers) in &world.answers {
            prop_assert_eq!(answers.len(), 1, "equal requests, equal answers: {:?}", kind);
            let there = stored.contains(request(*kind).body().as_ref());
            prop_assert!(answers.iter().all(|answer| positive(answer) == there), "{:?}", kind);
        }
        let expected: BTreeSet<_> = match changed {
            Changed::Accept => kinds.iter().map(|kind| (kind.id, kind.document)).collect(),
            _ => kinds.iter().map(|kind| (kind.id, 0)).collect(),
        };
        prop_assert_eq!(stored.len(), expected.len(), "the first document of each identifier, or all");
        let rows = world.table.rows.values();
        prop_assert!(rows.into_iter().all(|row| row.busy_until().is_none() || row.disposition().is_some()));
        prop_assert!(world.now < now() + Duration::from_secs(80 * 86_400));
    }
}
