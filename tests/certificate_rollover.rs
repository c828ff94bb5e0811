//! A whole change of certificates between two parties: whatever is in flight, in whatever order it arrives, no message
//! and no receipt is lost. What each side takes is found out with real messages; then every order of events is tried.
#![cfg(all(feature = "rustcrypto", feature = "serde", feature = "cem"))]

#[path = "support/issue.rs"]
mod issue;
mod support;

use std::collections::{BTreeMap, HashSet};

use issue::*;
use support::*;

use as2_protocol::cem::*;
use as2_protocol::*;

/// Which of Alice's certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Age {
    Old,
    New,
}

use Age::{New, Old};

fn signing_certificate(age: Age) -> Certificate {
    match age {
        Old => worked_certificate("alice-sign"),
        New => self_signed("alice-enc", "Alice signs anew", 2026..=2028),
    }
}

fn encryption_certificate(age: Age) -> Certificate {
    match age {
        Old => worked_certificate("alice-enc"),
        New => self_signed("alice-sign", "Alice decrypts anew", 2026..=2028),
    }
}

/// Alice, who signs with one key and decrypts with some.
fn alice_with(signing: Age, decrypting: &[Age]) -> Identity {
    let key = |age| worked_key(if age == Old { "alice-sign" } else { "alice-enc" });
    let mut identity =
        Identity::builder(CryptoProvider::rustcrypto()).signing(vec![signing_certificate(signing)], key(signing));
    for age in decrypting {
        let key = worked_key(if *age == Old { "alice-enc" } else { "alice-sign" });
        identity = identity.decrypting(encryption_certificate(*age), key);
    }
    identity.build().unwrap()
}

/// Alice as Bob knows her before, or after he has adopted what she offered.
fn alice_seen(adoptions: &[Adoption]) -> Partner {
    let mut terms = profile(BOB, ALICE);
    terms.accept.signature = Requirement::Require;
    terms.send.receipt.asynchronous_url = Some("https://bob.example/receipts".parse().unwrap());
    let known = Partner::builder(terms, CryptoProvider::rustcrypto())
        .encrypt_to(encryption_certificate(Old))
        .verify_with(signing_certificate(Old));
    adoptions.iter().fold(known, |known, adoption| adoption.adopt(known)).build().unwrap()
}

/// The exchange of certificates, with real messages.
struct Exchange {
    adoptions: Vec<Adoption>,
    /// Whether Alice may sign anew before and after Bob's response.
    ready: [bool; 2],
}

fn exchange() -> Exchange {
    let url = || "https://alice.example/as2".parse().unwrap();
    let (signing, encryption) = ([CertificateRole::DigitalSignature], [CertificateRole::KeyEncipherment]);
    let (request, mut exchange) = CertificateRequest::new()
        .offer(CertificateOffer::new(signing_certificate(New), &signing, url()))
        .offer(CertificateOffer::new(encryption_certificate(New), &encryption, url()))
        .build(&alice_with(Old, &[Old, New]), &bob(), now())
        .unwrap();
    let ready = |exchange: &CertificateExchange| {
        CertificateExchange::readiness(std::slice::from_ref(exchange), &signing_certificate(New), now())
            == Readiness::Ready
    };
    let before = ready(&exchange);
    let us = worked_identity("bob");
    let accepted = envelope(request.request.to_request()).open(&us, Some(&alice_seen(&[])), now()).unwrap();
    let Some(CemMessage::Request(request)) = CemMessage::read(&accepted).unwrap() else { panic!("a request") };
    let answer = request.answer(now(), |_| Decision::Accept);
    // Adopted first, so that the response already goes to the new certificate.
    let partner = alice_seen(answer.adoptions());
    for response in answer.build(&us, &partner, now()).unwrap() {
        let opened = envelope(response.request.to_request()).open(&alice_with(Old, &[New]), Some(&bob()), now());
        let Some(CemMessage::Response(response)) = CemMessage::read(&opened.unwrap()).unwrap() else { panic!() };
        exchange.settle(&response).unwrap();
    }
    Exchange { adoptions: answer.adoptions().to_vec(), ready: [before, ready(&exchange)] }
}

/// What each side takes, in each state in which it can be.
struct Taken {
    /// Bob: messages of Alice's by signature, before and after the adoption.
    messages: BTreeMap<(Age, bool), bool>,
    /// Bob: receipts of Alice's by signature, before and after the adoption.
    receipts: BTreeMap<(Age, bool), bool>,
    /// Alice: what is encrypted to a certificate, with the keys that she has.
    sealed: BTreeMap<(Age, Vec<Age>), bool>,
    ready: [bool; 2],
}

const KEYS: [&[Age]; 3] = [&[Old], &[Old, New], &[New]];

fn taken() -> Taken {
    let Exchange { adoptions, ready } = exchange();
    let views = [alice_seen(&[]), alice_seen(&adoptions)];
    let us = worked_identity("bob");
    let (mut messages, mut receipts, mut sealed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let to_alice: Vec<_> =
        views.iter().map(|view| MessageBuilder::new(&us, view).build(Payload::x12("x"), now()).unwrap()).collect();
    for age in [Old, New] {
        let alice = alice_with(age, &[Old, New]);
        let message = MessageBuilder::new(&alice, &bob()).build(Payload::x12("x"), now()).unwrap();
        let answered = envelope(to_alice[0].request.to_request()).open(&alice, Some(&bob()), now()).unwrap();
        let FollowUp::Post(receipt) = answered.stored().build(now()).follow_up else { panic!("posted") };
        for (adopted, view) in [false, true].into_iter().zip(&views) {
            let opened = envelope(message.request.to_request()).open(&us, Some(view), now());
            messages.insert((age, adopted), opened.is_ok());
            let Inbound::Mdn(mdn) = parse(receipt.request.to_request()) else { panic!("a receipt") };
            let outcome = to_alice[0].pending.settle(&mdn, view, now());
            receipts.insert((age, adopted), matches!(outcome, Outcome::Deliver(_)));
        }
        // Bob encrypts to the old certificate before the adoption, to the new one after it.
        let message = &to_alice[usize::from(age == New)];
        for keys in KEYS {
            let opened = envelope(message.request.to_request()).open(&alice_with(Old, keys), Some(&bob()), now());
            sealed.insert((age, keys.to_vec()), opened.is_ok());
        }
    }
    Taken { messages, receipts, sealed, ready }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Flying {
    /// The request for the exchange.
    Request,
    /// Its response, encrypted to this certificate.
    Response(Age),
    /// A message of Alice's, signed so.
    ToBob(Age),
    /// A message of Bob's, encrypted so.
    ToAlice(Age),
    /// The receipt for it, signed so.
    Receipt(Age),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    keys: Vec<Age>,
    signing: Age,
    requested: bool,
    answered: bool,
    adopted: bool,
    alice_sends: u8,
    bob_sends: u8,
    flying: Vec<Flying>,
}

/// Which rules Alice keeps.
#[derive(Clone, Copy)]
struct Rules {
    /// The new key decrypts before the request goes out.
    new_key_first: bool,
    /// The new key signs only when the exchange says that it may.
    signs_when_ready: bool,
    /// The old key decrypts as long as the exchange lasts.
    keeps_old_key: bool,
}

const KEPT: Rules = Rules { new_key_first: true, signs_when_ready: true, keeps_old_key: true };

impl World {
    fn start() -> Self {
        let (alice_sends, bob_sends) = (3, 3);
        Self {
            keys: vec![Old],
            signing: Old,
            requested: false,
            answered: false,
            adopted: false,
            alice_sends,
            bob_sends,
            flying: Vec::new(),
        }
    }

    fn sends(mut self, flying: Flying) -> Self {
        self.flying.push(flying);
        self.flying.sort();
        self
    }

    /// Everything that can happen next that is no delivery.
    fn acts(&self, rules: Rules, taken: &Taken) -> Vec<Self> {
        let mut next = Vec::new();
        let has_new = self.keys.contains(&New);
        if !has_new && (rules.new_key_first || self.answered) {
            next.push(Self { keys: vec![Old, New], ..self.clone() });
        }
        if !self.requested && (has_new || !rules.new_key_first) {
            next.push(Self { requested: true, ..self.clone() }.sends(Flying::Request));
        }
        let may_sign = taken.ready[usize::from(self.answered)] || !rules.signs_when_ready;
        if self.signing == Old && self.requested && may_sign {
            next.push(Self { signing: New, ..self.clone() });
        }
        if !rules.keeps_old_key && self.answered && has_new && self.keys.contains(&Old) {
            next.push(Self { keys: vec![New], ..self.clone() });
        }
        if self.alice_sends > 0 {
            let sent = Self { alice_sends: self.alice_sends - 1, ..self.clone() };
            next.push(sent.sends(Flying::ToBob(self.signing)));
        }
        if self.bob_sends > 0 {
            let to = if self.adopted { New } else { Old };
            next.push(Self { bob_sends: self.bob_sends - 1, ..self.clone() }.sends(Flying::ToAlice(to)));
        }
        next
    }

    /// One of the messages in flight arrives; `None` if it is lost.
    fn arrives(&self, at: usize, taken: &Taken) -> Option<Self> {
        let mut next = self.clone();
        let sealed = |age: Age| taken.sealed[&(age, self.keys.clone())];
        match next.flying.remove(at) {
            Flying::Request => taken.messages[&(Old, self.adopted)].then(|| {
                next.adopted = true;
                next.sends(Flying::Response(New))
            }),
            Flying::Response(age) => sealed(age).then_some(Self { answered: true, ..next }),
            Flying::ToBob(age) => taken.messages[&(age, self.adopted)].then_some(next),
            Flying::ToAlice(age) => sealed(age).then(|| next.sends(Flying::Receipt(self.signing))),
            Flying::Receipt(age) => taken.receipts[&(age, self.adopted)].then_some(next),
        }
    }
}

/// Tries every order of events: the worlds that were seen, and the first loss.
fn explore(rules: Rules, taken: &Taken) -> (HashSet<World>, Option<World>) {
    let (mut seen, mut open) = (HashSet::new(), vec![World::start()]);
    while let Some(world) = open.pop() {
        if !seen.insert(world.clone()) {
            continue;
        }
        open.extend(world.acts(rules, taken));
        for at in 0..world.flying.len() {
            match world.arrives(at, taken) {
                Some(next) => open.push(next),
                None => return (seen, Some(world)),
            }
        }
    }
    (seen, None)
}

#[test]
fn t03_ec6_a_change_of_certificates_loses_nothing_in_any_order() {
    let taken = taken();
    assert_eq!(taken.ready, [false, true]);
    let (seen, lost) = explore(KEPT, &taken);
    assert_eq!(lost, None);
    let done = |world: &World| world.flying.is_empty() && world.signing == New && world.answered;
    let spent = |world: &World| world.alice_sends == 0 && world.bob_sends == 0;
    assert!(seen.iter().any(|world| done(world) && spent(world)), "the change comes to its end");
    assert!(seen.iter().any(|world| done(world) && world.bob_sends == 3), "and does not wait for messages");
    assert!(seen.len() > 2000, "{}", seen.len());
    let old_in_flight = |world: &World| world.adopted && world.flying.contains(&Flying::ToAlice(Old));
    assert!(seen.iter().any(old_in_flight), "messages to the old certificate arrive after the adoption");
}

#[test]
fn t03_ec6_each_rule_is_needed() {
    let taken = taken();
    for broken in [
        Rules { new_key_first: false, ..KEPT },
        Rules { signs_when_ready: false, ..KEPT },
        Rules { keeps_old_key: false, ..KEPT },
    ] {
        assert!(explore(broken, &taken).1.is_some(), "a message is lost");
    }
}
