//! Two processes take the same messages from one database. Each is killed after each of its steps in turn, and started
//! again: every order is stored once, every request is answered, and equal requests get equal answers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use as2_protocol::{
    Envelope, FollowUp, Inbound, Limits, MessageBuilder, MessageParser, Outbound, Outcome, Payload, Proof, Reply,
    SendOutcome, SpooledMessage,
};
use replicas::{ALICE, BOB, Store, identity, opening, partner, profile};

const RECEIPTS: &str = "https://alice.example/receipts";
/// More steps than a replica takes; the number itself is found out.
const MOST_STEPS: u32 = 200;

/// A message of Alice.
struct Sent {
    outbound: Outbound,
    request: SpooledMessage,
    id: &'static str,
    document: &'static str,
}

fn build(id: &'static str, document: &'static str, later: bool) -> Sent {
    let mut terms = profile(ALICE, BOB, "https://bob.example/as2");
    terms.send.receipt.asynchronous_url = later.then(|| RECEIPTS.parse().unwrap());
    let (alice, bob) = (identity("alice"), partner(terms, "bob"));
    let builder = MessageBuilder::new(&alice, &bob).message_id(id.parse().unwrap());
    let outbound = builder.build(Payload::x12(document), opening()).unwrap();
    let (request, _) = envelope(outbound.request.to_request()).into_spool(opening());
    Sent { outbound, request, id, document }
}

fn envelope(request: as2_protocol::http::Request<as2_protocol::bytes::Bytes>) -> Envelope {
    match MessageParser::new(Limits::default()).parse(request).unwrap() {
        Inbound::Message(envelope) => envelope,
        Inbound::Mdn(_) => panic!("not a message"),
    }
}

/// What Alice sends to each of the two replicas: messages twice, built anew, and one with another document.
fn traffic() -> (Vec<Sent>, [Vec<usize>; 2]) {
    let sent = vec![
        build("1@alice.example", "the first order", false),
        build("1@alice.example", "the first order", false),
        build("1@alice.example", "another order", false),
        build("2@alice.example", "the second order", true),
        build("3@alice.example", "the third order", false),
    ];
    (sent, [vec![0, 1, 0, 3, 2, 4], vec![0, 3, 1, 3, 2]])
}

struct Run<'a> {
    sent: &'a [Sent],
    database: PathBuf,
    started: String,
}

impl<'a> Run<'a> {
    fn new(sent: &'a [Sent], queues: &[Vec<usize>; 2], folder: &Path, name: &str) -> Self {
        let database = folder.join(format!("{name}.db"));
        let store = Store::create(&database).unwrap();
        for (replica, queue) in queues.iter().enumerate() {
            queue.iter().for_each(|number| store.send(replica, &sent[*number].request).unwrap());
        }
        let millis = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        Self { sent, database, started: millis.to_string() }
    }

    fn start(&self, replica: usize, kill_after: Option<u32>) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_replica"));
        command.arg(&self.database).arg(replica.to_string()).arg(&self.started);
        command.args(kill_after.map(|steps| steps.to_string())).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// Kills one of the two after a number of steps, and starts it again. Tells whether it lived that long.
    fn killed(&self, victim: usize, steps: u32) -> bool {
        let (mut victims, mut other) = (self.start(victim, Some(steps)), self.start(1 - victim, None));
        let died = !wait(&mut victims);
        if died {
            assert!(wait(&mut self.start(victim, None)), "replica {victim} after {steps} steps");
        }
        assert!(wait(&mut other), "the other one while {victim} died after {steps} steps");
        died
    }

    fn check(&self, what: &str) {
        let store = Store::open(&self.database).unwrap();
        let orders = store.orders().unwrap();
        let stored: BTreeSet<_> = orders.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(orders.len(), stored.len(), "{what}: an order twice: {orders:?}");
        let all: BTreeSet<_> = self.sent.iter().map(|sent| sent.id).collect();
        assert_eq!(stored, all, "{what}: an order is missing");

        let mut answers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (request, reply) in store.exchanges().unwrap() {
            answers.entry(request).or_default().insert(reply.unwrap_or_else(|| panic!("{what}: no answer")));
        }
        for sent in self.sent {
            let replies = &answers[&serde_json::to_string(&sent.request).unwrap()];
            assert_eq!(replies.len(), 1, "{what}: different answers to {} ({})", sent.id, sent.document);
            let there = orders.iter().any(|(id, order)| id == sent.id && order == sent.document.as_bytes());
            let reply = serde_json::from_str(replies.first().unwrap()).unwrap();
            match judge(sent, &reply) {
                Outcome::Deliver(evidence) => assert!(there && evidence.proof() == Some(Proof::Signed), "{what}"),
                Outcome::Refuse(disposition, _) => {
                    assert!(!there, "{what}: {}: {disposition}, but it is stored", sent.document);
                }
                other => panic!("{what}: {other:?}"),
            }
        }
        let far = opening() + Duration::from_secs(365 * 86_400);
        assert_eq!(store.forget_expired(opening()).unwrap(), 0, "{what}");
        assert_eq!(store.forget_expired(far).unwrap(), all.len(), "{what}: one row for each message");
    }
}

/// What Alice makes of a reply.
fn judge(sent: &Sent, reply: &Reply) -> Outcome {
    let bob = partner(profile(ALICE, BOB, "https://bob.example/as2"), "bob");
    if let FollowUp::Post(posted) = &reply.follow_up {
        let parsed = MessageParser::new(Limits::default()).parse(posted.request.to_request());
        let Ok(Inbound::Mdn(receipt)) = parsed else { panic!("not a receipt") };
        return sent.outbound.pending.settle(&receipt, &bob, opening());
    }
    match sent.outbound.pending.on_response(Ok(&reply.response.to_response()), &bob, opening()) {
        SendOutcome::Settled(outcome) => *outcome,
        other => panic!("{other:?}"),
    }
}

/// Whether the process ended well; one that does not end is stopped.
fn wait(child: &mut Child) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(90) {
        if let Some(status) = child.try_wait().unwrap() {
            return status.success();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let _ = child.kill();
    panic!("a replica does not end");
}

#[test]
fn y07_y10_d23_orders_are_stored_once_wherever_a_replica_dies() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("killed");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let (sent, queues) = traffic();
    for victim in [0, 1] {
        let mut steps = 1;
        loop {
            let run = Run::new(&sent, &queues, &folder, &format!("{victim}-{steps}"));
            let died = run.killed(victim, steps);
            run.check(&format!("replica {victim} killed after {steps} steps"));
            if !died {
                break;
            }
            steps += 1;
            assert!(steps < MOST_STEPS);
        }
        println!("replica {victim} was killed after each of {} steps", steps - 1);
        assert!(steps > 15, "it does nothing");
    }
}
