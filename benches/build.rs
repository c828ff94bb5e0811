//! Building messages, beside SHA-256, AES and RSA alone.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]

mod common;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

use as2_protocol::{CipherAlgorithm, Compression};
use common::support::worked_identity;
use common::{SHAPES, SIZES, message, order, partner, raw_bulk, raw_rsa, sized};

fn build(c: &mut Criterion) {
    let us = worked_identity("alice");
    let cbc = SHAPES.map(|(shape, sign, encrypt, compress)| {
        (shape, partner(sign, encrypt.then_some(CipherAlgorithm::Aes256Cbc), compress))
    });
    let gcm = ("sign-encrypt-gcm", partner(true, Some(CipherAlgorithm::Aes256Gcm), Compression::None));
    for (size, length) in SIZES {
        let payload = order(length);
        let mut group = sized(c, "build", length);
        for (shape, partner) in cbc.iter().chain([&gcm]) {
            group.bench_function(BenchmarkId::new(*shape, size), |b| {
                b.iter_with_large_drop(|| message(&us, partner, &payload));
            });
        }
        group.finish();
    }
}

/// The primitives in the same run, to which the results below are to be related.
fn raw(c: &mut Criterion) {
    raw_bulk(c, "build-raw");
    raw_rsa(c, "build-raw");
}

criterion_group!(name = benches; config = common::criterion(); targets = raw, build);
criterion_main!(benches);
