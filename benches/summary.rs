//! Every speed and memory target in one table: what was measured beside the bare primitives in the same run, and
//! whether the target is met.
//!
//! Within a group all kinds of work alternate, and each figure is the median over the rounds of the ratio within a round: a
//! machine that is busy for a while slows both sides of a ratio down.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]

mod common;

use std::hint::black_box;
use std::time::Instant;

use aes::Aes256;
use aes::cipher::{Array, BlockModeEncrypt, KeyIvInit};
use as2_protocol::crypto::{DecryptingKey, SignRequest, SigningKey, UnwrapRequest};
use as2_protocol::*;
use bytes::Bytes;
use peak_alloc::PeakAlloc;
use sha2::{Digest, Sha256};

use common::passing::{PIECE, exchange, receive, send};
use common::support::{alice, now, worked_identity, worked_key};
use common::{message, order, partner, received};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Octets that go through a cipher at a time.
const STRIDE: usize = 32 << 10;

/// How much is done: everything small once, where only the benches themselves are tested.
struct Extent {
    large: usize,
    rounds: usize,
    small_rounds: usize,
    batch: usize,
}

const WHOLE: Extent = Extent { large: 100 << 20, rounds: 9, small_rounds: 301, batch: 128 };
const SMOKE: Extent = Extent { large: 1 << 20, rounds: 1, small_rounds: 1, batch: 4 };

fn main() {
    let smoke = std::env::args().any(|argument| argument == "--test");
    let extent = if smoke { SMOKE } else { WHOLE };
    println!("{:<60} {:>11} {:>8}  {:<12} verdict", "work", "measured", "ratio", "target");
    for cipher in [CipherAlgorithm::Aes256Cbc, CipherAlgorithm::Aes256Gcm] {
        large(cipher, &extent);
    }
    small(&extent);
    batch(&extent);
    memory(&extent);
    if smoke {
        println!("figures of a smoke run mean nothing");
    }
}

enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// For comparison.
    Open,
}

fn row(name: &str, measured: &str, ratio: f64, target: Target) {
    let (target, verdict) = match target {
        Target::AtLeast(least) => (format!(">= {least:.2}"), if ratio >= least { "met" } else { "MISSED" }),
        Target::AtMost(most) => (format!("<= {most:.2}"), if ratio <= most { "met" } else { "MISSED" }),
        Target::Open => ("-".to_owned(), ""),
    };
    println!("{name:<60} {measured:>11} {ratio:>8.2}  {target:<12} {verdict}");
}

/// Work that tells how many seconds it took.
type Work<'a> = Box<dyn FnMut() -> f64 + 'a>;

fn timed<'a, T>(mut work: impl FnMut() -> T + 'a) -> Work<'a> {
    with_setup(|| (), move |()| work())
}

/// Neither the setup counts nor the end of what comes out.
fn with_setup<'a, S, T>(mut setup: impl FnMut() -> S + 'a, mut work: impl FnMut(S) -> T + 'a) -> Work<'a> {
    Box::new(move || {
        let given = setup();
        let start = Instant::now();
        let value = black_box(work(black_box(given)));
        let seconds = start.elapsed().as_secs_f64();
        drop(value);
        seconds
    })
}

/// Seconds of each kind of work, round by round.
fn rounds(count: usize, works: &mut [Work<'_>]) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::with_capacity(count); works.len()];
    for work in works.iter_mut() {
        work();
    }
    for _ in 0..count {
        for (work, times) in works.iter_mut().zip(&mut times) {
            times.push(work());
        }
    }
    times
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How many times as long as `beside` something took.
fn times_as_long(took: &[f64], beside: &[f64]) -> f64 {
    median(took.iter().zip(beside).map(|(took, beside)| took / beside))
}

/// 100 MB, signed with SHA-256 and RSA-2048 and encrypted, beside the cipher and the digest alone.
fn large(cipher: CipherAlgorithm, extent: &Extent) {
    let (us, them, sender) = (worked_identity("alice"), worked_identity("bob"), alice());
    let partner = partner(true, Some(cipher), Compression::None);
    let payload = order(extent.large);
    let request = message(&us, &partner, &payload).request.to_request();
    let unique = || request.clone().map(|body| Bytes::from(body.to_vec()));
    let mut works: Vec<Work<'_>> = vec![
        timed(|| cbc_alone(&payload)),
        timed(|| Sha256::digest(&payload)),
        timed(|| send(&us, &partner, &payload)),
        timed(|| message(&us, &partner, &payload)),
        timed(|| receive(&them, &sender, &request)),
        with_setup(unique, |request| open(&them, &sender, request)),
    ];
    let times = rounds(extent.rounds, &mut works);
    let rate = |at: usize| format!("{:.0} MB/s", payload.len() as f64 / median(times[at].iter().copied()) / 1e6);
    let gcm = cipher == CipherAlgorithm::Aes256Gcm;
    let (cbc, sha, mode) = (0, 1, if gcm { "GCM" } else { "CBC" });
    if !gcm {
        row("AES-256-CBC encryption alone, 100 MB", &rate(cbc), 1.0, Target::Open);
        row("SHA-256 alone, 100 MB", &rate(sha), 1.0, Target::Open);
    }
    let (to, sending, receiving) = if gcm {
        (("SHA-256", sha), Target::AtLeast(0.60), Target::AtLeast(0.60))
    } else {
        (("AES-CBC", cbc), Target::AtLeast(0.95), Target::AtLeast(0.82))
    };
    let ratio = |at: usize, beside: usize| times_as_long(&times[beside], &times[at]);
    row(&format!("send {mode} 100 MB to a sink / {} alone", to.0), &rate(2), ratio(2, to.1), sending);
    row(&format!("send {mode} 100 MB in memory / {} alone", to.0), &rate(3), ratio(3, to.1), Target::Open);
    row(&format!("receive {mode} 100 MB, streaming / SHA-256 alone"), &rate(4), ratio(4, sha), receiving);
    row(&format!("receive {mode} 100 MB, in memory / SHA-256 alone"), &rate(5), ratio(5, sha), Target::Open);
}

fn cbc_alone(payload: &[u8]) {
    let mut mode = cbc::Encryptor::<Aes256>::new_from_slices(&[1; 32], &[2; 16]).unwrap();
    let mut room = vec![0; STRIDE];
    for piece in payload.chunks(STRIDE) {
        let room = &mut room[..piece.len()];
        // The copy into the output is part of every encryption.
        room.copy_from_slice(black_box(piece));
        mode.encrypt_blocks(Array::slice_as_chunks_mut(room).0);
        black_box(room);
    }
}

fn open(us: &Identity, partner: &Partner, request: http::Request<Bytes>) -> Accepted {
    let parsed = MessageParser::new(Limits::default()).parse(request).unwrap();
    let Inbound::Message(envelope) = parsed else { panic!("{parsed:?}") };
    envelope.open(us, Some(partner), now()).unwrap()
}

/// The operations with keys of one exchange, through the same provider and with the same keys.
struct KeyWork {
    provider: CryptoProvider,
    signing: std::sync::Arc<RsaPrivateKey>,
    decrypting: std::sync::Arc<RsaPrivateKey>,
    request: SignRequest,
    signature: Vec<u8>,
    wrapped: Vec<u8>,
}

const SCHEME: SignatureScheme = SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256);

impl KeyWork {
    fn new() -> Self {
        let (provider, signing) = (CryptoProvider::rustcrypto(), worked_key("alice-sign"));
        let mut digest = provider.digests().start(DigestAlgorithm::Sha256).unwrap();
        digest.update(b"an order");
        let request = SignRequest::new(SCHEME, digest.finish());
        let signature = signing.sign(&request).unwrap();
        let mut work =
            Self { provider, signing, decrypting: worked_key("bob-enc"), request, signature, wrapped: Vec::new() };
        work.wrapped = work.wrap();
        work
    }

    fn sign(&self) {
        black_box(self.signing.sign(black_box(&self.request)).unwrap());
    }

    fn verify(&self) {
        let verifiers = self.provider.verifiers();
        verifiers
            .verify(SCHEME, SigningKey::public_key(&*self.signing), &self.request.digest, None, &self.signature)
            .unwrap();
    }

    fn wrap(&self) -> Vec<u8> {
        let (wrapping, random) = (self.provider.key_wrapping(), &**self.provider.random());
        wrapping
            .wrap(KeyTransport::RsaPkcs1v15, DecryptingKey::public_key(&*self.decrypting), black_box(&[7; 32]), random)
            .unwrap()
    }

    fn unwrap(&self) {
        let request = UnwrapRequest::new(KeyTransport::RsaPkcs1v15, self.wrapped.clone());
        black_box(self.decrypting.unwrap_key(black_box(&request)).unwrap());
    }
}

/// Orders of 4 KB, beside the operations with keys in them.
fn small(extent: &Extent) {
    let (us, them, sender) = (worked_identity("alice"), worked_identity("bob"), alice());
    let partner = partner(true, Some(CipherAlgorithm::Aes256Cbc), Compression::None);
    let (keys, payload) = (KeyWork::new(), order(4 << 10));
    let sent = message(&us, &partner, &payload);
    let request = sent.request.to_request();
    let mut works: Vec<Work<'_>> = vec![
        timed(|| (keys.sign(), keys.wrap())),
        timed(|| (keys.unwrap(), keys.verify(), keys.sign())),
        timed(|| message(&us, &partner, &payload)),
        timed(|| send(&us, &partner, &payload)),
        with_setup(|| received(&sent), |request| open(&them, &sender, request).stored().build(now())),
        timed(|| receive(&them, &sender, &request).stored().build(now())),
    ];
    let times = rounds(extent.small_rounds, &mut works);
    for (at, beside, name) in [
        (2, 0, "build 4 KB / RSA sign + encrypt"),
        (3, 0, "build 4 KB, streaming / RSA sign + encrypt"),
        (4, 1, "open 4 KB + MDN / RSA decrypt + verify + sign"),
        (5, 1, "open 4 KB + MDN, streaming / RSA decrypt + verify + sign"),
    ] {
        let each = format!("{:.0} us", median(times[at].iter().copied()) * 1e6);
        row(name, &each, times_as_long(&times[at], &times[beside]), Target::AtMost(1.1));
    }
}

/// Independent messages of 4 KB on one and on two threads.
fn batch(extent: &Extent) {
    let us = worked_identity("alice");
    let partner = partner(true, Some(CipherAlgorithm::Aes256Cbc), Compression::None);
    let payload = order(4 << 10);
    let some = |count: usize| (0..count).for_each(|_| drop(black_box(message(&us, &partner, &payload))));
    let mut works: Vec<Work<'_>> = vec![
        timed(|| some(extent.batch)),
        timed(|| {
            std::thread::scope(|scope| {
                scope.spawn(|| some(extent.batch / 2));
                some(extent.batch / 2);
            });
        }),
    ];
    let times = rounds(extent.rounds, &mut works);
    let rate = |at: usize| format!("{:.0} /s", extent.batch as f64 / median(times[at].iter().copied()));
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    row("batch of 4 KB messages, 1 thread", &rate(0), 1.0, Target::Open);
    let name = format!("the same, 2 threads / 1 thread, on {processors} processors");
    row(&name, &rate(1), times_as_long(&times[0], &times[1]), Target::Open);
}

/// Most octets on the heap during `work`, beyond those before it.
fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let value = work();
    (value, HEAP.peak_usage() - before)
}

fn memory(extent: &Extent) {
    let (us, them, sender) = (worked_identity("alice"), worked_identity("bob"), alice());
    let partner = partner(true, Some(CipherAlgorithm::Aes256Cbc), Compression::None);
    let payload = order(extent.large);
    let mib = |octets: usize| format!("{:.2} MiB", octets as f64 / f64::from(1 << 20));
    let (sent, built) = peak(|| message(&us, &partner, &payload));
    let output = sent.request.to_request().body().len() as f64;
    row("peak memory of building in memory / output", &mib(built), built as f64 / output, Target::AtMost(1.1));
    let request = received(&sent);
    drop(sent);
    let (opened, opening) = peak(|| open(&them, &sender, request));
    drop(opened);
    row("peak memory of opening in memory / input", &mib(opening), opening as f64 / output, Target::AtMost(0.1));
    let piece = &payload[..PIECE];
    let (_, both) = peak(|| exchange((&us, &partner), (&them, &sender), extent.large as u64, piece));
    let name = "peak memory of streaming, both sides together, in MiB";
    row(name, &mib(both), both as f64 / f64::from(1 << 20), Target::AtMost(1.0));
}
