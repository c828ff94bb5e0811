//! Payloads, agreements and the bare primitives that every result is read against.
#![allow(dead_code, unreachable_pub)] // each bench uses its own part of it

pub mod chart;
pub mod passing;
#[path = "../../tests/support/mod.rs"]
pub mod support;

use std::hint::black_box;
use std::time::Duration;

use aes::Aes256;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{Array, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, KeyInit, KeyIvInit, StreamCipher};
use as2_protocol::*;
use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput};
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use pkcs8::DecodePrivateKey;
use sha2::{Digest, Sha256};

use support::*;

/// The sizes of the payload, small to large.
pub const SIZES: [(&str, usize); 3] = [("4KB", 4 << 10), ("1MB", 1 << 20), ("50MB", 50 << 20)];

/// Which layers a message has.
pub const SHAPES: [(&str, bool, bool, Compression); 4] = [
    ("sign", true, false, Compression::None),
    ("encrypt", false, true, Compression::None),
    ("sign-encrypt", true, true, Compression::None),
    ("compress-sign-encrypt", true, true, Compression::BeforeSigning),
];

pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .without_plots()
        .configure_from_args()
}

/// Starts the measurements over so many octets.
pub fn sized<'a>(c: &'a mut Criterion, group: &str, octets: usize) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(group);
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Bytes(octets as u64));
    group
}

/// An interchange of purchase orders: text that compresses as such text does.
pub fn order(length: usize) -> Bytes {
    let mut text = String::with_capacity(length + 256);
    text.push_str("ISA*00*          *00*          *ZZ*ALICE          *ZZ*BOB            *261124*0000*U*00401*1~\r\n");
    let mut seed = 4711u32;
    while text.len() < length {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (quantity, price, item) = (seed >> 24, seed >> 12 & 0xffff, seed >> 3);
        text.push_str(&format!(
            "PO1**{quantity}*EA*{}.{:02}**VP*{item:010}*PD*ASSORTED~\r\n",
            price / 100,
            price % 100
        ));
    }
    text.truncate(length);
    text.into()
}

/// Bob as Alice sees him, agreed on one shape and cipher.
pub fn partner(sign: bool, encrypt: Option<CipherAlgorithm>, compress: Compression) -> Partner {
    let mut profile = profile(ALICE, BOB);
    profile.send.sign = sign.then_some(DigestAlgorithm::Sha256);
    profile.send.encrypt = encrypt;
    profile.send.compress = compress;
    worked_partner(profile, "bob")
}

pub fn message(us: &Identity, partner: &Partner, payload: &Bytes) -> Outbound {
    MessageBuilder::new(us, partner).build(Payload::x12(payload.clone()), now()).unwrap()
}

/// The same request in octets that nobody else holds, as they come from a socket.
pub fn received(sent: &Outbound) -> http::Request<Bytes> {
    sent.request.to_request().map(|body| Bytes::from(body.to_vec()))
}

/// A number of octets with its name.
fn id(primitive: &str, size: &str) -> BenchmarkId {
    BenchmarkId::new(primitive, size)
}

/// SHA-256, AES-256-CBC both ways and AES-256-GCM, each in place over octets that are at hand.
pub fn raw_bulk(c: &mut Criterion, group: &str) {
    for (size, length) in SIZES {
        let mut group = sized(c, group, length);
        let mut octets = order(length).to_vec();
        group.bench_function(id("sha-256", size), |b| b.iter(|| Sha256::digest(black_box(&octets))));
        group.bench_function(id("aes256-cbc-encrypt", size), |b| {
            b.iter(|| {
                let mode = cbc::Encryptor::<Aes256>::new_from_slices(&[1; 32], &[2; 16]).unwrap();
                mode.encrypt_padded::<Pkcs7>(black_box(&mut octets), length - 16).unwrap().len()
            });
        });
        group.bench_function(id("aes256-cbc-decrypt", size), |b| {
            b.iter(|| {
                let mut mode = cbc::Decryptor::<Aes256>::new_from_slices(&[1; 32], &[2; 16]).unwrap();
                let (blocks, _) = Array::slice_as_chunks_mut(black_box(&mut octets));
                mode.decrypt_blocks(blocks);
            });
        });
        group.bench_function(id("aes256-gcm", size), |b| b.iter(|| gcm(black_box(&mut octets))));
        group.finish();
    }
}

/// CTR and GHASH, in strides that stay in the cache.
fn gcm(octets: &mut [u8]) -> ghash::Tag {
    let mut subkey = Array::default();
    Aes256::new(&[1; 32].into()).encrypt_block(&mut subkey);
    let mut counter = ctr::Ctr32BE::<Aes256>::new_from_slices(&[1; 32], &[2; 16]).unwrap();
    let mut hash = GHash::new(&subkey);
    for stride in octets.chunks_mut(16 << 10) {
        counter.apply_keystream(stride);
        hash.update_padded(stride);
    }
    hash.finalize()
}

/// One operation each of RSA-2048.
pub fn raw_rsa(c: &mut Criterion, group: &str) {
    let key = rsa::PrivateKey::from_pkcs8_pem(std::str::from_utf8(&worked("keys/bob-enc.key")).unwrap()).unwrap();
    let public = key.to_public_key();
    let (digest, padding) = (Sha256::digest(b"an order"), rsa::Pkcs1v15Sign::new::<Sha256>);
    let signature = key.sign(padding(), &digest).unwrap();
    let wrapped = public.encrypt(&mut OsRandom, rsa::Pkcs1v15Encrypt, &[7; 32]).unwrap();
    let mut group = c.benchmark_group(group);
    group.bench_function("rsa2048-sign", |b| b.iter(|| key.sign(padding(), black_box(&digest)).unwrap()));
    group.bench_function("rsa2048-verify", |b| {
        b.iter(|| public.verify(padding(), black_box(&digest), &signature).unwrap())
    });
    group.bench_function("rsa2048-encrypt", |b| {
        b.iter(|| public.encrypt(&mut OsRandom, rsa::Pkcs1v15Encrypt, black_box(&[7; 32])).unwrap());
    });
    group.bench_function("rsa2048-decrypt", |b| {
        b.iter(|| key.decrypt_blinded(&mut OsRandom, rsa::Pkcs1v15Encrypt, black_box(&wrapped)).unwrap());
    });
    group.finish();
}

/// Moving the octets once: what a reader that copies would cost.
pub fn raw_copy(c: &mut Criterion, group: &str) {
    for (size, length) in SIZES {
        let octets = order(length);
        let mut group = sized(c, group, length);
        group.bench_function(id("copy", size), |b| {
            b.iter_batched(|| (), |()| black_box(&octets).to_vec(), BatchSize::PerIteration);
        });
        group.finish();
    }
}

struct OsRandom;

impl rsa::rand_core::TryRng for OsRandom {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(getrandom::u32().unwrap())
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(getrandom::u64().unwrap())
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        getrandom::fill(out).unwrap();
        Ok(())
    }
}

impl rsa::rand_core::TryCryptoRng for OsRandom {}
