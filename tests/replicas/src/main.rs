//! One replica: takes the requests that come to it until all are answered.
//!
//! ```text
//! replica DATABASE NUMBER STARTED [KILL_AFTER]
//! ```
//! `STARTED` is the time in milliseconds since 1970 at which the common clock stood at its opening. With `KILL_AFTER` the
//! process dies after that many steps, as if by a power cut of its own.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use as2_protocol::{Claim, Identity, Inbound, Limits, MessageParser, Partner, Reply, SpooledMessage};
use replicas::{ALICE, BOB, Store, clock, identity, partner, profile};

struct Replica {
    store: Store,
    us: Identity,
    alice: Partner,
    started: SystemTime,
    /// Steps that are left to live.
    left: Option<u32>,
}

/// How long a claim holds, on the fast clock.
const LEASE: Duration = Duration::from_secs(60);
/// When it gives up, on the slow one.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, number, started, ..] = &arguments[..] else {
        eprintln!("usage: replica DATABASE NUMBER STARTED [KILL_AFTER]");
        return ExitCode::from(2);
    };
    let millis = started.parse().expect("milliseconds");
    let mut terms = profile(BOB, ALICE, "https://alice.example/as2");
    terms.delivery.duplicates.busy_wait = Duration::from_secs(4);
    let mut replica = Replica {
        store: Store::open(&PathBuf::from(database)).expect("the database"),
        us: identity("bob"),
        alice: partner(terms, "alice"),
        started: SystemTime::UNIX_EPOCH + Duration::from_millis(millis),
        left: arguments.get(3).map(|steps| steps.parse().expect("a number of steps")),
    };
    replica.work(number.parse().expect("a number"))
}

impl Replica {
    fn now(&self) -> SystemTime {
        clock(self.started)
    }

    fn step(&mut self) {
        die_when_due(&mut self.left);
    }

    fn work(&mut self, number: usize) -> ExitCode {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some((request, spooled)) = self.store.next(number, self.now()).expect("the queue") {
                self.step();
                let reply = self.take(spooled).expect("the inbox");
                self.step();
                self.store.answer(request, &reply, self.now()).expect("the queue");
                self.step();
            } else if self.store.unanswered(number).expect("the queue") == 0 {
                return ExitCode::SUCCESS;
            } else {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        ExitCode::FAILURE
    }

    fn take(&mut self, spooled: SpooledMessage) -> rusqlite::Result<Reply> {
        let envelope = match spooled.parse(&MessageParser::new(Limits::default())) {
            Ok(Inbound::Message(envelope)) => envelope,
            other => panic!("not a message: {other:?}"),
        };
        let arrival = envelope.arrival();
        let record = self.store.read(arrival.key())?;
        if let Some(reply) = arrival.known(record.as_ref(), &self.alice, self.now()) {
            return Ok(reply);
        }
        let order = match envelope.open(&self.us, Some(&self.alice), self.now()) {
            Ok(order) => order,
            Err(refused) => return Ok(refused.mdn().build(self.now())),
        };
        self.step();
        for _ in 0..4 {
            let record = self.store.read(arrival.key())?;
            self.step();
            match order.claim(&arrival, record.as_ref(), LEASE, self.now()) {
                Claim::New(work) => {
                    if self.store.write(work.write())? {
                        self.step();
                        let reply = order.clone().stored().build(self.now());
                        let (settled, left) = (work.settle(&reply, self.now()), &mut self.left);
                        if self.store.store(order.payload().body(), &settled, || die_when_due(left))? {
                            return Ok(reply);
                        }
                    }
                }
                Claim::Duplicate(duplicate) => {
                    let reply = duplicate.receipt().build(self.now());
                    match duplicate.settle(&reply, self.now()) {
                        Some(write) if !self.store.write(&write)? => {}
                        _ => return Ok(reply),
                    }
                }
                Claim::Replay(reply) | Claim::Busy(reply) => return Ok(reply),
            }
        }
        Ok(order.defer(Duration::from_secs(4)))
    }
}

fn die_when_due(left: &mut Option<u32>) {
    if let Some(left) = left {
        *left -= 1;
        if *left == 0 {
            std::process::abort();
        }
    }
}
