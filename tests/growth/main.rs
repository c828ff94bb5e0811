//! What messages cost grows with their length and no faster, whatever they are made of.
//!
//! Counted are octets on the heap, allocations, and octets that were digested or decrypted: the same in every run.
//! Instructions are counted by `tests/interop/growth.sh`, which runs `one_message` of this program under callgrind.
#![cfg(feature = "rustcrypto")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../support/by_hand.rs"]
mod by_hand;
mod counting;
#[path = "../support/dissect.rs"]
mod dissect;
mod inputs;
#[path = "../support/segments.rs"]
mod segments;
#[path = "../support/mod.rs"]
mod support;

use std::alloc::System;
use std::io;
use std::sync::Arc;

use as2_protocol::crypto::{SignRequest, SigningKey};
use as2_protocol::*;
use bytes::Bytes;
use counting::Worked;
use http::Request;
use inputs::{INPUTS, limits};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::*;

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How octets go in.
#[derive(Clone, Copy, Debug)]
enum Way {
    InMemory,
    Chunks(usize),
}

const WAYS: [Way; 3] = [Way::InMemory, Way::Chunks(1), Way::Chunks(1000)];

/// Both ends, with a provider that counts.
struct Ends {
    worked: Arc<Worked>,
    alice: Identity,
    bob: Identity,
}

impl Ends {
    fn new() -> Self {
        let worked = Arc::<Worked>::default();
        let provider = Worked::provider(&worked);
        let identity = |name: &str| {
            let (sign, encrypt) = (format!("{name}-sign"), format!("{name}-enc"));
            Identity::builder(provider.clone())
                .signing(vec![worked_certificate(&sign)], worked_key(&sign))
                .decrypting(worked_certificate(&encrypt), worked_key(&encrypt))
                .build()
                .unwrap()
        };
        Self { alice: identity("alice"), bob: identity("bob"), worked }
    }
}

struct Nowhere;

impl Quarantine for Nowhere {
    fn begin(&mut self, _: usize, _: &DocumentHead) -> io::Result<()> {
        Ok(())
    }

    fn write(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

/// Opens a message; whether it was accepted.
fn read(ends: &Ends, partner: &Partner, request: Request<Bytes>, way: Way) -> bool {
    let parser = MessageParser::new(limits());
    let Way::Chunks(size) = way else {
        let Inbound::Message(envelope) = parser.parse(request).unwrap() else { panic!("a message") };
        return envelope.open(&ends.bob, Some(partner), now()).is_ok();
    };
    let (parts, body) = request.into_parts();
    let mut stream = parser.head(&parts).unwrap().stream(&ends.bob, Some(partner), now());
    body.chunks(size).for_each(|chunk| stream.write(chunk, &mut Nowhere).unwrap());
    matches!(stream.finish(&mut Nowhere).unwrap(), InboundEnd::Accepted(_))
}

/// Builds a message with so many octets of payload.
fn write(ends: &Ends, partner: &Partner, octets: usize, way: Way) {
    let builder = MessageBuilder::new(&ends.alice, partner);
    let order = vec![b'\n'; octets];
    let Way::Chunks(size) = way else {
        let _ = builder.build(Payload::octet_stream(order), now()).unwrap();
        return;
    };
    let (mut stream, mut wire) = (builder.stream(PayloadHead::octet_stream(), now()).unwrap(), Vec::new());
    for chunk in order.chunks(size) {
        stream.write(chunk, &mut wire).unwrap();
        wire.clear();
    }
    let _ = stream.finish(&mut wire).unwrap();
}

/// Builds a message with documents of 64 octets.
fn attach(ends: &Ends, partner: &Partner, octets: usize) {
    let builder = MessageBuilder::new(&ends.alice, partner);
    let builder = (0..octets / 64).fold(builder, |builder, _| builder.attach(Payload::xml(vec![b'x'; 64])));
    let _ = builder.build(Payload::xml("<a/>"), now()).unwrap();
}

fn receiver() -> Partner {
    let mut terms = profile(ALICE, BOB);
    terms.send.compress = Compression::AfterSigning;
    terms.send.attachments = Attachments::Allow;
    worked_partner(terms, "bob")
}

/// Octets allocated, allocations, octets digested or ciphered.
type Cost = [usize; 3];

fn cost(ends: &Ends, work: impl FnOnce()) -> Cost {
    let (before, region) = (ends.worked.octets(), Region::new(HEAP));
    work();
    let heap = region.change();
    [heap.bytes_allocated, heap.allocations + heap.reallocations, ends.worked.octets() - before]
}

/// Costs at `n / 4`, `n` and `4 n`: from the second to the third, they may grow four times as much as from the first
/// to the second. Constants cancel out.
fn assert_linear(name: &str, n: usize, mut at: impl FnMut(usize) -> Cost) {
    let [least, middle, most] = [n / 4, n, 4 * n].map(&mut at);
    for (what, slack, index) in [("octets of heap", 1 << 20, 0), ("allocations", 64, 1), ("octets worked on", 64, 2)] {
        let (before, after) = (middle[index].saturating_sub(least[index]), most[index].saturating_sub(middle[index]));
        let most_allowed = before * 44 / 10 + slack;
        assert!(after <= most_allowed, "{name}: {what} grow by {before} and then by {after}");
    }
}

/// One test, since the allocator counts for all threads.
#[test]
fn what_messages_cost_grows_with_their_length() {
    let (ends, sender, receiver) = (Ends::new(), alice(), receiver());
    for (name, input) in INPUTS {
        for way in WAYS {
            assert_linear(&format!("reading {name} {way:?}"), 32 << 10, |octets| {
                let request = input(octets);
                let mut accepted = false;
                let cost = cost(&ends, || accepted = read(&ends, &sender, request, way));
                assert!(accepted, "{name} {way:?} {octets}");
                cost
            });
        }
    }
    for way in WAYS {
        assert_linear(&format!("writing {way:?}"), 64 << 10, |octets| {
            cost(&ends, || write(&ends, &receiver, octets, way))
        });
    }
    small_messages(&ends);
    assert_linear("writing attachments", 64 << 10, |octets| cost(&ends, || attach(&ends, &receiver, octets)));
}

/// What an order of 4 KB costs beyond the private- and public-key operations in it.
fn small_messages(ends: &Ends) {
    let (sender, receiver, order) = (alice(), bob(), Payload::x12(vec![b'x'; 4 << 10]));
    let [private, public] = key_operations();
    for warm in [false, true] {
        let mut outbound = None;
        let build =
            || outbound = Some(MessageBuilder::new(&ends.alice, &receiver).build(order.clone(), now()).unwrap());
        let built = cost(ends, build);
        let request = outbound.unwrap().request.to_request();
        let opened = cost(ends, || assert!(read(ends, &sender, request, Way::InMemory)));
        for (verb, found) in [("build", built), ("open", opened)] {
            let [octets, allocations] = [0, 1].map(|index| found[index].saturating_sub(private[index] + public[index]));
            println!(
                "{verb} 4 KB: {allocations} allocations of {octets} octets beyond the keys' {private:?} {public:?}"
            );
            assert!(!warm || (octets <= 96 << 10 && allocations <= 600), "{verb}: {found:?}");
        }
    }
}

/// Costs of one operation with a private key and of one with a public key.
fn key_operations() -> [Cost; 2] {
    let (ends, key) = (Ends::new(), worked_key("alice-sign"));
    let request = SignRequest::new(
        SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256),
        by_hand::digest(DigestAlgorithm::Sha256, b"x"),
    );
    let mut signature = Vec::new();
    [false, true].map(|public| {
        cost(&ends, || {
            if public {
                let spki = SigningKey::public_key(&*key);
                let verifiers = Arc::clone(CryptoProvider::rustcrypto().verifiers());
                let digest = by_hand::digest(DigestAlgorithm::Sha256, b"x");
                let scheme = SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256);
                verifiers.verify(scheme, spki, &digest, None, &signature).unwrap();
            } else {
                signature = key.sign(&request).unwrap();
            }
        })
    })
}

/// Does nothing, unless `AS2_GROWTH` names a message, a way and a length: for programs that count instructions.
/// The length 0 lists the names.
#[test]
fn one_message() {
    let Ok(asked) = std::env::var("AS2_GROWTH") else { return };
    let asked: Vec<_> = asked.split(' ').collect();
    let [name, way, octets] = asked[..] else { panic!("AS2_GROWTH=\"NAME memory|OCTETS LENGTH\"") };
    let octets: usize = octets.parse().unwrap();
    if octets == 0 {
        INPUTS.iter().for_each(|(name, _)| println!("case {name}"));
        println!("case writing\ncase writing-attachments");
        return;
    }
    let way = if way == "memory" { Way::InMemory } else { Way::Chunks(way.parse().unwrap()) };
    let ends = Ends::new();
    match INPUTS.iter().find(|(known, _)| *known == name) {
        Some((_, input)) => {
            assert!(read(&ends, &alice(), input(octets), way), "{name}");
        }
        None if name == "writing" => write(&ends, &receiver(), octets, way),
        None if name == "writing-attachments" => attach(&ends, &receiver(), octets),
        None => panic!("no message {name}"),
    }
}
