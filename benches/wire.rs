//! Reading the wire formats, beside SHA-256 and a plain copy: what finding the content costs.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]

mod common;

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};

use as2_protocol::internals::{cms_segments, multipart_parts};
use as2_protocol::{CipherAlgorithm, Compression};
use common::support::worked_identity;
use common::{SIZES, message, order, partner, raw_bulk, raw_copy, received, sized};

fn multipart(c: &mut Criterion) {
    let us = worked_identity("alice");
    let signed = partner(true, None, Compression::None);
    for (size, length) in SIZES {
        let request = received(&message(&us, &signed, &order(length)));
        let content_type = request.headers()["content-type"].to_str().unwrap().to_owned();
        let boundary = content_type.split("boundary=\"").nth(1).unwrap().trim_end_matches('"');
        let body = request.into_body();
        let mut group = sized(c, "wire", length);
        group.bench_function(BenchmarkId::new("multipart-split", size), |b| {
            b.iter(|| assert_eq!(multipart_parts(&body, boundary), 2));
        });
        group.finish();
    }
}

fn cms(c: &mut Criterion) {
    let us = worked_identity("alice");
    let encrypted = partner(false, Some(CipherAlgorithm::Aes256Cbc), Compression::None);
    for (size, length) in SIZES {
        let der = received(&message(&us, &encrypted, &order(length))).into_body();
        let pieces = in_pieces(length);
        let segments = length.div_ceil(1000) as u64;
        let mut group = sized(c, "wire", length);
        group.bench_function(BenchmarkId::new("cms-one-piece", size), |b| {
            b.iter(|| assert_eq!(cms_segments(der.clone()), 1));
        });
        group.bench_function(BenchmarkId::new("cms-pieces-of-1000", size), |b| {
            b.iter_batched(
                || Bytes::from(pieces.clone()),
                |octets| assert_eq!(cms_segments(octets), segments),
                BatchSize::PerIteration,
            );
        });
        group.finish();
    }
}

/// A SignedData with indefinite lengths around content in octet strings of 1000 octets, as Bouncy Castle writes it.
fn in_pieces(length: usize) -> Vec<u8> {
    let data = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7];
    let mut wire = [&[0x30, 0x80][..], &data, &[2, 0xa0, 0x80, 0x30, 0x80, 2, 1, 1, 0x31, 0, 0x30, 0x80]].concat();
    wire.extend([&data[..], &[1, 0xa0, 0x80, 0x24, 0x80]].concat());
    for piece in order(length).chunks(1000) {
        wire.extend([4, 0x82]);
        wire.extend(u16::try_from(piece.len()).unwrap().to_be_bytes());
        wire.extend_from_slice(piece);
    }
    wire.extend([0; 6]);
    wire.extend([0x31, 0]);
    wire.extend([0; 6]);
    wire
}

/// The primitives in the same run, to which the results below are to be related.
fn raw(c: &mut Criterion) {
    raw_bulk(c, "wire-raw");
    raw_copy(c, "wire-raw");
}

criterion_group!(name = benches; config = common::criterion(); targets = raw, multipart, cms);
criterion_main!(benches);
