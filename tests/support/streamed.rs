//! Every message that a test opens passes by in chunks too, and must be judged alike.

use std::ops::Deref;
use std::time::SystemTime;

use as2_protocol::*;
use bytes::Bytes;
use http::Request;

use super::seen::Seen;

/// A message that is opened in memory and as a stream.
#[derive(Clone, Debug)]
pub struct Received {
    envelope: Envelope,
    request: Request<Bytes>,
    limits: Limits,
}

impl Deref for Received {
    type Target = Envelope;

    fn deref(&self) -> &Envelope {
        &self.envelope
    }
}

/// Digests and attributes that are known too late for one pass: [`InboundStream`] says which.
const TOO_LATE: [&str; 2] = ["ALGORITHM_UNSUPPORTED", "CONTENT_UNSUPPORTED"];

impl Received {
    pub fn new(envelope: Envelope, request: Request<Bytes>, limits: Limits) -> Self {
        Self { envelope, request, limits }
    }

    pub fn into_spool(self, now: SystemTime) -> (SpooledMessage, Option<StoredResponse>) {
        self.envelope.into_spool(now)
    }

    /// In memory only.
    pub fn open_steps(
        self,
        us: &Identity,
        partner: Option<&Partner>,
        now: SystemTime,
    ) -> Step<Result<Accepted, Refused>> {
        self.envelope.open_steps(us, partner, now)
    }

    pub fn open(self, us: &Identity, partner: Option<&Partner>, now: SystemTime) -> Result<Accepted, Refused> {
        let at_hand = self.envelope.clone().open(us, partner, now);
        // One size for each message: there are enough of both kinds.
        let length = self.request.body().len();
        let size = match (length <= 3000, length % 2) {
            (true, 0) => 1,
            (true, _) => 1000,
            (false, 0) => 1021,
            (false, _) => usize::MAX,
        };
        let (end, documents) = stream(&self.request, &self.limits, size, (us, partner), now);
        match (&at_hand, end) {
            (Ok(at_hand), InboundEnd::Accepted(streamed)) => same(at_hand, &streamed, &documents),
            (Err(at_hand), InboundEnd::Refused(streamed)) => same_refusal(at_hand, streamed, now),
            (Ok(at_hand), InboundEnd::Refused(streamed)) => {
                let error = streamed.error();
                let late = TOO_LATE.contains(&error.code()) && error.to_string().contains("one pass");
                let other_form = at_hand.notes().iter().any(|note| matches!(note, Note::OtherForm { .. }));
                assert!(late || other_form, "only as a stream: {error}");
            }
            (at_hand, streamed) => panic!("in memory {at_hand:?}, as a stream {streamed:?}"),
        }
        at_hand
    }
}

/// What becomes of a request whose body comes in chunks of this size, and what was put into the quarantine.
pub fn stream(
    request: &Request<Bytes>,
    limits: &Limits,
    size: usize,
    (us, partner): (&Identity, Option<&Partner>),
    now: SystemTime,
) -> (InboundEnd, Vec<Vec<u8>>) {
    let (parts, body) = request.clone().into_parts();
    let parser = MessageParser::new(limits.clone()).accept_missing_message_id();
    let mut stream = parser.head(&parts).unwrap().stream(us, partner, now);
    let mut quarantine = Vec::new();
    for chunk in body.chunks(size.min(body.len().max(1))) {
        stream.write(chunk, &mut quarantine).unwrap();
    }
    (stream.finish(&mut quarantine).unwrap(), quarantine)
}

fn known_too_late(error: &ReceiveError) -> bool {
    TOO_LATE.contains(&error.code()) && error.to_string().contains("one pass")
}

fn same(at_hand: &Accepted, streamed: &AcceptedStream, documents: &[Vec<u8>]) {
    assert_eq!(streamed.mic(), at_hand.mic());
    assert_eq!(streamed.mic_scope(), at_hand.mic_scope());
    assert_eq!(streamed.layers(), at_hand.layers());
    assert_eq!(streamed.authenticity(), at_hand.authenticity());
    assert_eq!(streamed.envelope_key(), at_hand.envelope_key());
    assert_eq!(streamed.signature_key(), at_hand.signature_key());
    let notes = |notes: &[Note]| {
        let mut notes: Vec<_> = notes.iter().map(ToString::to_string).collect();
        notes.sort();
        notes
    };
    assert_eq!(notes(streamed.notes()), notes(at_hand.notes()));
    let at_hand = at_hand.payloads();
    assert_eq!(documents.len(), at_hand.len());
    assert_eq!(streamed.documents().len(), at_hand.len());
    for ((document, octets), at_hand) in streamed.documents().iter().zip(documents).zip(at_hand) {
        assert!(octets == at_hand.body(), "the octets of a document");
        assert_eq!(document.len(), octets.len() as u64);
        assert_eq!(document.is_root(), at_hand.is_root());
        assert_eq!(document.head().content_type(), at_hand.content_type());
        assert_eq!(document.head().raw_filename(), at_hand.raw_filename());
        assert_eq!(document.head().content_id(), at_hand.content_id());
    }
}

fn same_refusal(at_hand: &Refused, streamed: Refused, now: SystemTime) {
    if known_too_late(streamed.error()) {
        return;
    }
    assert_eq!(streamed.error().code(), at_hand.error().code(), "{} / {}", streamed.error(), at_hand.error());
    assert_eq!(streamed.layers(), at_hand.layers());
    let (at_hand, streamed) = (at_hand.clone().mdn().build(now), streamed.mdn().build(now));
    assert_eq!(streamed.response.status(), at_hand.response.status());
    if at_hand.follow_up == FollowUp::None {
        let (mut at_hand, mut streamed) = (Seen::of(&at_hand), Seen::of(&streamed));
        for seen in [&mut at_hand, &mut streamed] {
            // Offsets inside what is broken are counted from the start of a chunk's part at times.
            seen.length = 0;
            if let Some(receipt) = &mut seen.receipt {
                receipt.text = receipt.text.split(" at octet").next().unwrap_or_default().to_owned();
            }
        }
        assert_eq!(streamed, at_hand);
    }
}
