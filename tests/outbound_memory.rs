//! What building costs beside its output, counted at the allocator.
#![cfg(feature = "rustcrypto")]

mod support;

use std::time::Instant;

use as2_protocol::*;
use peak_alloc::PeakAlloc;
use support::*;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;

/// Most octets on the heap during `work`, beyond those before it.
fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let value = work();
    (value, HEAP.peak_usage() - before)
}

fn partner(sign: bool, encrypt: Option<CipherAlgorithm>, compress: Compression) -> Partner {
    let mut terms = profile(ALICE, BOB);
    terms.send.sign = sign.then_some(DigestAlgorithm::Sha256);
    terms.send.encrypt = encrypt;
    terms.send.compress = compress;
    terms.send.receipt.kind = if sign { ReceiptKind::Signed } else { ReceiptKind::Unsigned };
    worked_partner(terms, "bob")
}

/// Octets that are made as they are needed, and hardly compress.
fn fill(chunk: &mut [u8], state: &mut u64) {
    for room in chunk.chunks_mut(8) {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        room.copy_from_slice(&state.rotate_left(29).to_le_bytes()[..room.len()]);
    }
}

/// Sends a payload of `size` octets to nowhere; gives the octets of the body.
fn send(us: &Identity, partner: &Partner, size: usize, known: bool) -> u64 {
    let head = PayloadHead::octet_stream();
    let head = if known { head.with_len(u64::try_from(size).unwrap()) } else { head };
    let mut stream = MessageBuilder::new(us, partner).stream(head, now()).unwrap();
    let length = stream.head().content_length();
    let (mut plain, mut wire, mut state, mut sent) = (vec![0; 64 << 10], Vec::new(), 7, 0);
    for _ in 0..size / plain.len() {
        fill(&mut plain, &mut state);
        stream.write(&plain, &mut wire).unwrap();
        sent += u64::try_from(wire.len()).unwrap();
        wire.clear();
    }
    let end = stream.finish(&mut wire).unwrap();
    sent += u64::try_from(wire.len()).unwrap();
    assert!(length.is_none_or(|length| length == sent) && !end.pending.mics().is_empty());
    sent
}

/// One test, since the allocator counts for all threads.
#[test]
fn building_costs_its_output_and_streaming_less_than_a_mebibyte() {
    let (us, aes) = (worked_identity("alice"), Some(CipherAlgorithm::Aes256Cbc));
    streams(&us, aes);
    in_memory(&us, aes);
}

fn streams(us: &Identity, aes: Option<CipherAlgorithm>) {
    use Compression::{AfterSigning, BeforeSigning, None};
    for (name, size, known, partner) in [
        ("signed and encrypted", 256 * MIB, true, partner(true, aes, None)),
        ("of unknown length", 32 * MIB, false, partner(true, Some(CipherAlgorithm::Aes256Gcm), None)),
        ("plain", 32 * MIB, true, partner(false, Option::None, None)),
        ("signed", 32 * MIB, true, partner(true, Option::None, None)),
        ("compressed, signed and encrypted", 16 * MIB, true, partner(true, aes, BeforeSigning)),
        ("signed, compressed and encrypted", 16 * MIB, true, partner(true, aes, AfterSigning)),
    ] {
        let began = Instant::now();
        let (sent, peak) = peak(|| send(us, &partner, size, known));
        println!("{name}: {sent} octets with {} KiB of memory in {:?}", peak >> 10, began.elapsed());
        assert!(sent >= u64::try_from(size).unwrap(), "{name}");
        assert!(peak < MIB, "{name}: {peak} octets");
    }
}

fn in_memory(us: &Identity, aes: Option<CipherAlgorithm>) {
    use Compression::{AfterSigning, BeforeSigning, None};
    let mut order = vec![0; 16 * MIB];
    fill(&mut order, &mut 7);
    let order = Payload::octet_stream(order);
    for (name, partner, most) in [
        ("signed and encrypted", partner(true, aes, None), 1010),
        ("encrypted by GCM", partner(false, Some(CipherAlgorithm::Aes256Gcm), None), 1010),
        ("signed", partner(true, Option::None, None), 1010),
        ("plain", partner(false, Option::None, None), 10),
        // The length of what is compressed is known when it is there: it stands beside the output, or grows.
        ("compressed", partner(false, Option::None, BeforeSigning), 2100),
        ("compressed, signed and encrypted", partner(true, aes, BeforeSigning), 2100),
        ("signed, compressed and encrypted", partner(true, aes, AfterSigning), 2100),
    ] {
        let (sent, peak) = peak(|| MessageBuilder::new(us, &partner).build(order.clone(), now()).unwrap());
        let permille = peak * 1000 / sent.request.body().len();
        println!("{name}: {permille} permille of the output");
        assert!(permille <= most, "{name}: {permille}");
    }
}
