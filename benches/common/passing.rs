//! Messages that pass by as streams, from a payload at hand to a sink.

use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

use as2_protocol::*;
use bytes::Bytes;

use super::support::now;

/// Octets of a piece, as a service reads them from a disk or socket.
pub const PIECE: usize = 64 << 10;

/// Keeps nothing. The optimiser must not know that.
pub struct Nowhere;

impl io::Write for Nowhere {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        black_box(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Builds a message and drops its octets.
pub fn send(us: &Identity, partner: &Partner, payload: &[u8]) -> OutboundEnd {
    let head = PayloadHead::x12().with_len(payload.len() as u64);
    let mut stream = MessageBuilder::new(us, partner).stream(head, now()).unwrap();
    let mut wire = Vec::new();
    for piece in payload.chunks(PIECE) {
        stream.write(piece, &mut wire).unwrap();
        black_box(&wire);
        wire.clear();
    }
    let end = stream.finish(&mut wire).unwrap();
    black_box(&wire);
    end
}

/// Opens a message and drops its payload.
pub fn receive(us: &Identity, partner: &Partner, request: &http::Request<Bytes>) -> Box<AcceptedStream> {
    let (parts, _) = request.clone().into_parts();
    let mut stream = MessageParser::new(Limits::default()).head(&parts).unwrap().stream(us, Some(partner), now());
    let mut quarantine = SingleDocument::new(Nowhere);
    for piece in request.body().chunks(PIECE) {
        stream.write(piece, &mut quarantine).unwrap();
    }
    accepted(stream.finish(&mut quarantine).unwrap())
}

fn accepted(end: InboundEnd) -> Box<AcceptedStream> {
    let InboundEnd::Accepted(accepted) = end else { panic!("{end:?}") };
    accepted
}

/// Time that each side took.
#[derive(Clone, Copy, Default)]
pub struct Taken {
    pub sending: Duration,
    pub receiving: Duration,
}

/// A message of any length from one side to the other, whose octets exist nowhere as a whole: `piece` is its payload
/// again and again.
pub fn exchange((us, partner): (&Identity, &Partner), them: (&Identity, &Partner), length: u64, piece: &[u8]) -> Taken {
    let mut taken = Taken::default();
    let head = PayloadHead::x12().with_len(length);
    let mut outbound = timed(&mut taken.sending, || MessageBuilder::new(us, partner).stream(head, now()).unwrap());
    let (parts, ()) = outbound.head().to_request().into_parts();
    let mut inbound = timed(&mut taken.receiving, || {
        // The default limit is 1 GiB.
        let mut limits = Limits::default();
        limits.body = u64::MAX;
        MessageParser::new(limits).head(&parts).unwrap().stream(them.0, Some(them.1), now())
    });
    let (mut quarantine, mut wire, mut left) = (SingleDocument::new(Nowhere), Vec::new(), length);
    while left > 0 {
        let piece = &piece[..left.min(piece.len() as u64) as usize];
        timed(&mut taken.sending, || outbound.write(piece, &mut wire).unwrap());
        timed(&mut taken.receiving, || inbound.write(&wire, &mut quarantine).unwrap());
        wire.clear();
        left -= piece.len() as u64;
    }
    timed(&mut taken.sending, || outbound.finish(&mut wire).unwrap());
    let end = timed(&mut taken.receiving, || {
        inbound.write(&wire, &mut quarantine).unwrap();
        inbound.finish(&mut quarantine).unwrap()
    });
    assert_eq!(accepted(end).documents().first().map(StreamedDocument::len), Some(length));
    taken
}

fn timed<T>(sum: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let value = work();
    *sum += start.elapsed();
    value
}
