//! What receiving costs beside the message, counted at the allocator.
#![cfg(feature = "rustcrypto")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/dissect.rs"]
mod dissect;
#[path = "support/segments.rs"]
mod segments;
mod support;

use std::io;
use std::time::Instant;

use as2_protocol::*;
use base64::Engine as _;
use bytes::Bytes;
use http::Request;
use peak_alloc::PeakAlloc;
use segments::Segmented;
use support::*;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;
const GCM: Option<CipherAlgorithm> = Some(CipherAlgorithm::Aes256Gcm);
const CBC: Option<CipherAlgorithm> = Some(CipherAlgorithm::Aes256Cbc);

/// Most octets on the heap during `work`, beyond those before it.
fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let value = work();
    (value, HEAP.peak_usage() - before)
}

/// How a message is made, and what becomes of its octets on the way.
#[derive(Clone, Copy, Debug)]
struct Case {
    name: &'static str,
    sign: bool,
    encrypt: Option<CipherAlgorithm>,
    compress: Compression,
    /// Octets that are made at a time.
    made: usize,
    /// Octets that are taken in at a time.
    taken: usize,
    transport: Transport,
    payload: What,
    mib: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    AsMade,
    Base64,
    /// The body becomes the content of an object that is cut into octet strings of this length.
    Segments(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Octets,
    /// multipart/related whose second document stands in base64.
    Related,
}

const PLAIN: Case = Case {
    name: "plain",
    sign: false,
    encrypt: None,
    compress: Compression::None,
    made: 64 << 10,
    taken: 64 << 10,
    transport: Transport::AsMade,
    payload: What::Octets,
    mib: 64,
};

impl Case {
    fn partner(&self) -> Partner {
        let mut terms = profile(ALICE, BOB);
        terms.send.sign = self.sign.then_some(DigestAlgorithm::Sha256);
        terms.send.encrypt = self.encrypt;
        terms.send.compress = self.compress;
        terms.send.receipt.kind = ReceiptKind::Unsigned;
        worked_partner(terms, "bob")
    }
}

fn cases() -> Vec<Case> {
    use Compression::{AfterSigning, BeforeSigning};
    let signed = Case { sign: true, name: "signed", ..PLAIN };
    let both = Case { encrypt: CBC, name: "signed and encrypted", ..signed };
    let compressed = Case { mib: 16, encrypt: CBC, ..signed };
    vec![
        PLAIN,
        Case { mib: 32, ..signed },
        Case { mib: 32, ..both },
        Case { taken: 1000, mib: 16, name: "in chunks of 1000 octets", ..both },
        Case { taken: 9 << 20, made: 9 << 20, mib: 18, name: "in chunks of 9 MiB", ..both },
        Case { encrypt: GCM, mib: 16, name: "encrypted by GCM", ..both },
        Case { compress: BeforeSigning, name: "compressed, signed and encrypted", ..compressed },
        Case { compress: AfterSigning, name: "signed, compressed and encrypted", ..compressed },
        Case { payload: What::Related, mib: 33, name: "with a document in base64", ..both },
        Case { transport: Transport::Base64, mib: 16, name: "in base64", ..both },
        Case { transport: Transport::Segments(1000), mib: 16, name: "in segments of 1000 octets", ..both },
    ]
}

/// Octets that are made as they are needed, and hardly compress.
fn fill(chunk: &mut [u8], state: &mut u64) {
    for room in chunk.chunks_mut(8) {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        room.copy_from_slice(&state.rotate_left(29).to_le_bytes()[..room.len()]);
    }
}

/// A quarantine that counts.
#[derive(Default)]
struct Counting {
    documents: usize,
    octets: usize,
}

impl Quarantine for Counting {
    fn begin(&mut self, _: usize, _: &DocumentHead) -> io::Result<()> {
        self.documents += 1;
        Ok(())
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.octets += octets.len();
        Ok(())
    }
}

/// A network that cuts octets as it likes, and encodes them on the way.
struct Wire<'a> {
    case: &'a Case,
    carry: Vec<u8>,
    encoded: Vec<u8>,
    stream: InboundStream,
    quarantine: Counting,
    receiver: Receiver,
}

/// What the receiving end alone holds: other ends and the network share the heap.
#[derive(Default)]
struct Receiver {
    held: usize,
    most: usize,
}

impl Receiver {
    fn work<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let before = HEAP.current_usage();
        let (value, needed) = peak(work);
        self.most = self.most.max(self.held + needed);
        self.held = (self.held + HEAP.current_usage()).saturating_sub(before);
        value
    }
}

impl Wire<'_> {
    fn carry(&mut self, made: &mut Vec<u8>) {
        if self.case.transport == Transport::Base64 {
            self.carry.append(made);
            self.encode(self.carry.len() - self.carry.len() % 57);
            self.take_in_encoded();
        } else {
            self.take_in(made);
            made.clear();
        }
    }

    fn take_in(&mut self, octets: &[u8]) {
        let Self { stream, quarantine, receiver, .. } = self;
        for chunk in octets.chunks(self.case.taken) {
            receiver.work(|| stream.write(chunk, quarantine)).unwrap();
        }
    }

    fn encode(&mut self, octets: usize) {
        for line in self.carry[..octets].chunks(57) {
            let mut text = [0; 78];
            let length = base64::engine::general_purpose::STANDARD.encode_slice(line, &mut text).unwrap();
            self.encoded.extend_from_slice(&text[..length]);
            self.encoded.extend_from_slice(b"\r\n");
        }
        self.carry.drain(..octets);
    }

    fn take_in_encoded(&mut self) {
        let encoded = std::mem::take(&mut self.encoded);
        self.take_in(&encoded);
        self.encoded = encoded;
        self.encoded.clear();
    }

    /// The octets that arrived, and those on the heap of the receiver at most.
    fn finish(mut self) -> (usize, usize) {
        self.encode(self.carry.len());
        self.take_in_encoded();
        let Self { stream, mut quarantine, mut receiver, case, .. } = self;
        let InboundEnd::Accepted(accepted) = receiver.work(|| stream.finish(&mut quarantine)).unwrap() else {
            panic!("{case:?}")
        };
        assert_eq!(accepted.documents().len(), quarantine.documents);
        (quarantine.octets, receiver.most)
    }
}

const RELATED_HEAD: &str = "--r\r\nContent-Type: application/xml\r\n\r\n<order/>\r\n--r\r\nContent-Type: application/octet-stream\r\n\
     Content-Transfer-Encoding: base64\r\n\r\n";

/// What the sender writes, piece after piece; the octets in it that are documents.
fn payload(case: &Case, room: &mut [u8], state: &mut u64, out: &mut dyn FnMut(&[u8])) -> usize {
    let whole = case.mib * MIB;
    if case.payload == What::Octets {
        for _ in 0..whole / room.len() {
            fill(room, state);
            out(room);
        }
        return whole / room.len() * room.len();
    }
    out(RELATED_HEAD.as_bytes());
    let mut lines = 0;
    let mut text = [b'\n'; 78];
    while lines * 57 < whole {
        fill(&mut room[..57], state);
        base64::engine::general_purpose::STANDARD.encode_slice(&room[..57], &mut text).unwrap();
        text[76] = b'\r';
        out(&text);
        lines += 1;
    }
    out(b"\r\n--r--\r\n");
    lines * 57 + 8
}

/// Sends a message through the wire; the octets that arrive as documents, and those on the heap of the receiver at most.
fn pass(case: &Case, us: &Identity, them: &Identity) -> (usize, usize) {
    let (partner, mut state) = (case.partner(), 7);
    let head = match case.payload {
        What::Octets => PayloadHead::octet_stream(),
        What::Related => PayloadHead::new("multipart/related; type=\"application/xml\"; boundary=r".parse().unwrap()),
    };
    let mut sender = MessageBuilder::new(us, &partner).stream(head, now()).unwrap();
    let mut request = sender.head().to_request();
    if case.transport == Transport::Base64 {
        request.headers_mut().insert("content-transfer-encoding", "base64".parse().unwrap());
    }
    let (parts, ()) = request.into_parts();
    let (parser, alice, mut receiver) = (MessageParser::new(Limits::default()), alice(), Receiver::default());
    let stream = receiver.work(|| parser.head(&parts).unwrap().stream(them, Some(&alice), now()));
    let quarantine = Counting::default();
    let mut wire = Wire { case, carry: Vec::new(), encoded: Vec::new(), stream, quarantine, receiver };
    let (mut room, mut made) = (vec![0; case.made], Vec::new());
    let expected = match case.transport {
        Transport::Segments(segment) => {
            let mut segmented = Segmented::new(&worked_certificate("bob-enc"), segment, &mut made);
            segmented.push(b"Content-Type: application/octet-stream\r\n\r\n", &mut made);
            let expected = payload(case, &mut room, &mut state, &mut |plain| {
                segmented.push(plain, &mut made);
                wire.carry(&mut made);
            });
            segmented.finish(&mut made);
            expected
        }
        _ => {
            let expected = payload(case, &mut room, &mut state, &mut |plain| {
                sender.write(plain, &mut made).unwrap();
                wire.carry(&mut made);
            });
            let _ = sender.finish(&mut made).unwrap();
            expected
        }
    };
    wire.carry(&mut made);
    let (arrived, most) = wire.finish();
    assert_eq!(arrived, expected, "{}", case.name);
    (arrived, most)
}

/// One test, since the allocator counts for all threads.
#[test]
fn receiving_costs_less_than_a_mebibyte_and_opening_next_to_nothing() {
    let (us, them) = (worked_identity("alice"), worked_identity("bob"));
    for case in cases() {
        let began = Instant::now();
        let (arrived, most) = pass(&case, &us, &them);
        println!("{}: {arrived} octets with {} KiB of memory in {:?}", case.name, most >> 10, began.elapsed());
        assert!(most < MIB, "{}: {most} octets", case.name);
    }
    in_memory(&us, &them);
}

/// A message as HTTP hands it over.
fn built(case: &Case, us: &Identity, octets: usize) -> Request<Bytes> {
    let mut order = vec![0; octets];
    fill(&mut order, &mut 7);
    MessageBuilder::new(us, &case.partner()).build(Payload::octet_stream(order), now()).unwrap().request.to_request()
}

/// Its body in base64.
fn in_base64(request: Request<Bytes>) -> Request<Bytes> {
    let lines = request.body().chunks(57).map(|line| base64::engine::general_purpose::STANDARD.encode(line) + "\r\n");
    let body: String = lines.collect();
    let mut request = request.map(|_| Bytes::from(body));
    request.headers_mut().remove("content-length");
    request.headers_mut().insert("content-transfer-encoding", "base64".parse().unwrap());
    request
}

/// Its content in short segments.
fn in_segments(case: &Case, us: &Identity, octets: usize, segment: usize) -> Request<Bytes> {
    let mut body = Vec::new();
    let mut segmented = Segmented::new(&worked_certificate("bob-enc"), segment, &mut body);
    segmented.push(b"Content-Type: application/octet-stream\r\n\r\n", &mut body);
    segmented.push(&vec![b'x'; octets], &mut body);
    segmented.finish(&mut body);
    let mut request = built(case, us, 10).map(|_| body.into());
    request.headers_mut().remove("content-length");
    request
}

fn in_memory(us: &Identity, them: &Identity) {
    let size = 8 * MIB;
    let signed = Case { sign: true, name: "signed", ..PLAIN };
    let (both, gcm) = (Case { encrypt: CBC, ..signed }, Case { encrypt: GCM, ..signed });
    let requests = [
        ("plain", built(&PLAIN, us, size)),
        ("signed", built(&signed, us, size)),
        ("signed and encrypted", built(&both, us, size)),
        ("encrypted by GCM", built(&gcm, us, size)),
        ("signed, encrypted and in base64", in_base64(built(&both, us, size))),
        ("encrypted, in segments of 1000 octets", in_segments(&Case { encrypt: CBC, ..PLAIN }, us, size, 1000)),
        ("encrypted, in segments of one octet", in_segments(&Case { encrypt: CBC, ..PLAIN }, us, 2 * MIB, 1)),
    ];
    for (name, request) in requests {
        // As most HTTP servers hand it over: nobody else holds the body.
        let unique = request.map(|body| Bytes::from(body.to_vec()));
        let shared = unique.clone().map(|body| Bytes::from_owner(body.to_vec()));
        let held = shared.body().clone();
        for (request, most) in [(unique.map(|body| Bytes::from(body.to_vec())), 100), (shared, 1010)] {
            let length = request.body().len();
            let open = || {
                let Inbound::Message(envelope) = parse(request) else { panic!("{name}") };
                envelope.open(them, Some(&alice()), now()).unwrap()
            };
            let (accepted, peak) = peak(open);
            let permille = peak * 1000 / length;
            println!("{name}: {permille} permille of the input");
            assert!(permille <= most, "{name}: {permille} permille beside {length} octets");
            drop(accepted);
        }
        drop(held);
    }
}
