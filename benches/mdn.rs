//! Receipts: building a signed one, and settling a message with it, beside RSA alone. The size of the message does
//! not count here: its MIC is at hand on both sides.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]

mod common;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

use as2_protocol::{CipherAlgorithm, Compression, Outcome, SendOutcome};
use common::support::{alice, bob, envelope, now, worked_identity};
use common::{message, order, partner, raw_rsa, received};

fn mdn(c: &mut Criterion) {
    let (them, us, sender) = (worked_identity("alice"), worked_identity("bob"), alice());
    let receiver = partner(true, Some(CipherAlgorithm::Aes256Cbc), Compression::None);
    let sent = message(&them, &receiver, &order(4 << 10));
    let open = || envelope(received(&sent)).open(&us, Some(&sender), now()).unwrap();
    let mut group = c.benchmark_group("mdn");
    group.bench_function("build", |b| {
        b.iter_batched(open, |accepted| accepted.stored().build(now()), BatchSize::PerIteration);
    });
    let response = open().stored().build(now()).response.to_response();
    let bob = bob();
    group.bench_function("settle", |b| {
        b.iter(|| match sent.pending.on_response(Ok(&response), &bob, now()) {
            SendOutcome::Settled(outcome) if matches!(*outcome, Outcome::Deliver(_)) => outcome,
            other => panic!("{other:?}"),
        });
    });
    group.finish();
}

/// The primitives in the same run, to which the results below are to be related.
fn raw(c: &mut Criterion) {
    raw_rsa(c, "mdn-raw");
}

criterion_group!(name = benches; config = common::criterion(); targets = raw, mdn);
criterion_main!(benches);
