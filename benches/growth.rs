//! What an octet costs from the smallest message to the longest, on each path.
//!
//! `-- --chart FILE` also draws it as SVG; `-- --huge` adds 10 GiB, streaming.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions)]

mod common;

use std::hint::black_box;
use std::time::{Duration, Instant};

use as2_protocol::*;
use bytes::Bytes;
use peak_alloc::PeakAlloc;
use sha2::{Digest, Sha256};

use common::chart::{Chart, Series};
use common::passing::{PIECE, Taken, exchange};
use common::support::{alice, now, worked_identity};
use common::{message, order, partner, received};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Sizes of the payload. In memory the longest are left out.
const SIZES: [u64; 11] =
    [1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20, 256 << 20, 1 << 30];
const LONGEST_IN_MEMORY: u64 = 256 << 20;
const HUGE: u64 = 10 << 30;

struct Parties {
    us: Identity,
    them: Identity,
    sender: Partner,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let smoke = arguments.iter().any(|argument| argument == "--test");
    let huge = arguments.iter().any(|argument| argument == "--huge");
    let chart = arguments.iter().position(|argument| argument == "--chart").map(|at| &arguments[at + 1]);
    let sizes = if smoke { &SIZES[..2] } else { &SIZES[..] };
    let parties = Parties { us: worked_identity("alice"), them: worked_identity("bob"), sender: alice() };
    println!(
        "{:<26} {:>12} {:>12} {:>14} {:>14} {:>12}",
        "path", "octets", "peak KiB", "send ns/octet", "rcv ns/octet", "rounds"
    );
    let mut series = Vec::new();
    for (name, cipher) in [("CBC", CipherAlgorithm::Aes256Cbc), ("GCM", CipherAlgorithm::Aes256Gcm)] {
        let partner = partner(true, Some(cipher), Compression::None);
        let piece = order(PIECE);
        let streaming = |size| exchange((&parties.us, &partner), (&parties.them, &parties.sender), size, &piece);
        series.extend(path(&format!("AES-256-{name}, streaming"), sizes, smoke, streaming));
        if huge {
            measure(&format!("AES-256-{name}, streaming"), HUGE, true, &streaming);
        }
        if name == "CBC" {
            let in_memory = |size| in_memory(&parties, &partner, size);
            let sizes: Vec<u64> = sizes.iter().copied().filter(|size| *size <= LONGEST_IN_MEMORY).collect();
            series.extend(path("AES-256-CBC, in memory", &sizes, smoke, in_memory));
        }
    }
    if let Some(file) = chart {
        let levels = vec![("SHA-256 alone".to_owned(), alone())];
        let title = "Throughput of one core: signed with SHA-256/RSA-2048 and encrypted".to_owned();
        std::fs::write(file, Chart { title, series, levels }.to_svg()).unwrap();
    }
}

/// Both directions of a path, over all sizes.
fn path(name: &str, sizes: &[u64], once: bool, work: impl Fn(u64) -> Taken) -> [Series; 2] {
    let mut series = ["send", "receive"].map(|way| Series { name: format!("{way} {name}"), points: Vec::new() });
    for size in sizes {
        let taken = measure(name, *size, once, &work);
        for (series, taken) in series.iter_mut().zip([taken.sending, taken.receiving]) {
            series.points.push((*size as f64, *size as f64 / taken.as_secs_f64() / 1e6));
        }
    }
    series
}

/// The shortest time of each side over as many rounds as fit: all that is longer was somebody else's work.
fn measure(name: &str, size: u64, once: bool, work: &impl Fn(u64) -> Taken) -> Taken {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let first = work(size);
    let peak = HEAP.peak_usage() - before;
    let (mut rounds, began) = (vec![first], Instant::now());
    while !once && (began.elapsed() < Duration::from_millis(1000) || rounds.len() < 4) && rounds.len() < 200 {
        rounds.push(work(size));
    }
    let shortest = |side: fn(&Taken) -> Duration| rounds.iter().map(side).min().unwrap_or_default();
    let taken = Taken { sending: shortest(|taken| taken.sending), receiving: shortest(|taken| taken.receiving) };
    let each = |time: Duration| time.as_secs_f64() * 1e9 / size as f64;
    let (sending, receiving) = (each(taken.sending), each(taken.receiving));
    println!("{name:<26} {size:>12} {:>12} {sending:>14.3} {receiving:>14.3} {:>12}", peak >> 10, rounds.len());
    taken
}

fn in_memory(parties: &Parties, partner: &Partner, size: u64) -> Taken {
    let payload = Bytes::from(order(PIECE).repeat(size.div_ceil(PIECE as u64) as usize)).slice(..size as usize);
    let start = Instant::now();
    let sent = message(&parties.us, partner, &payload);
    let sending = start.elapsed();
    let request = received(&sent);
    drop((sent, payload));
    let start = Instant::now();
    let Inbound::Message(envelope) = MessageParser::new(Limits::default()).parse(request).unwrap() else { panic!() };
    let opened = envelope.open(&parties.them, Some(&parties.sender), now()).unwrap();
    let receiving = start.elapsed();
    assert_eq!(opened.payload().body().len() as u64, size);
    Taken { sending, receiving }
}

/// Octets in a second, in millions, of SHA-256.
fn alone() -> f64 {
    let octets = order(16 << 20);
    let mut times: Vec<f64> = (0..21)
        .map(|_| {
            let start = Instant::now();
            black_box(Sha256::digest(black_box(&octets)));
            octets.len() as f64 / start.elapsed().as_secs_f64() / 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
