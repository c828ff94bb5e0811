//! Opening messages, beside SHA-256, AES and RSA alone.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]

mod common;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};

use as2_protocol::{CipherAlgorithm, Compression};
use common::support::{alice, envelope, now, worked_identity};
use common::{SHAPES, SIZES, message, order, partner, raw_bulk, raw_rsa, received, sized};

fn open(c: &mut Criterion) {
    let (them, us, sender) = (worked_identity("alice"), worked_identity("bob"), alice());
    let cbc = SHAPES.map(|(shape, sign, encrypt, compress)| {
        (shape, partner(sign, encrypt.then_some(CipherAlgorithm::Aes256Cbc), compress))
    });
    let gcm = ("sign-encrypt-gcm", partner(true, Some(CipherAlgorithm::Aes256Gcm), Compression::None));
    for (size, length) in SIZES {
        let payload = order(length);
        let mut group = sized(c, "open", length);
        for (shape, partner) in cbc.iter().chain([&gcm]) {
            let sent = message(&them, partner, &payload);
            group.bench_function(BenchmarkId::new(*shape, size), |b| {
                b.iter_batched(
                    || received(&sent),
                    |request| envelope(request).open(&us, Some(&sender), now()).unwrap(),
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
}

/// The primitives in the same run, to which the results below are to be related.
fn raw(c: &mut Criterion) {
    raw_bulk(c, "open-raw");
    raw_rsa(c, "open-raw");
}

criterion_group!(name = benches; config = common::criterion(); targets = raw, open);
criterion_main!(benches);
