//! Messages that pass by: what differs from messages at hand. That both are judged alike, every test shows that opens a
//! message (`support/streamed.rs`).
#![cfg(all(feature = "rustcrypto", feature = "serde"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::io;
use std::time::Duration;

use support::streamed::stream;
use support::*;

use as2_protocol::*;
use bytes::Bytes;
use http::Request;

/// Text that does not compress to nothing, with line ends of both kinds or of one.
fn text(octets: usize, line_end: &str) -> Bytes {
    let mut state = 1u32;
    let mut lines = Vec::with_capacity(octets + 64);
    while lines.len() < octets {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        lines.extend_from_slice(format!("LIN*{state}*{:x}~{line_end}", state >> 7).as_bytes());
    }
    lines.truncate(octets);
    lines.into()
}

fn sent(change: impl FnOnce(&mut PartnerProfile), payload: Bytes) -> Outbound {
    let mut terms = profile(ALICE, BOB);
    change(&mut terms);
    let partner = worked_partner(terms, "bob");
    MessageBuilder::new(&worked_identity("alice"), &partner).build(Payload::x12(payload), now()).unwrap()
}

fn request(change: impl FnOnce(&mut PartnerProfile), payload: Bytes) -> Request<Bytes> {
    sent(change, payload).request.to_request()
}

fn layering(terms: &mut PartnerProfile, layers: &str) {
    terms.send.sign = layers.contains('S').then_some(DigestAlgorithm::Sha256);
    terms.send.encrypt = layers.contains('E').then_some(CipherAlgorithm::Aes256Cbc);
    terms.send.compress = match (layers.find('C'), layers.find('S')) {
        (None, _) => Compression::None,
        (Some(compressed), Some(signed)) if compressed < signed => Compression::AfterSigning,
        _ => Compression::BeforeSigning,
    };
}

const LAYERINGS: [&str; 10] = ["", "S", "E", "ES", "C", "SC", "CS", "EC", "ESC", "ECS"];

/// Longer than anything that is kept to tell receipts and messages apart.
const LONG: usize = 200_000;

#[test]
fn p01_p10_long_messages_pass_by_in_every_layering() {
    for layers in LAYERINGS {
        for line_end in ["\r\n", "\n"] {
            let payload = text(LONG, line_end);
            let request = request(|terms| layering(terms, layers), payload.clone());
            let accepted = envelope(request).open(&worked_identity("bob"), Some(&alice()), now()).unwrap();
            assert!(accepted.payload().body() == &payload, "{layers}");
        }
    }
}

/// BouncyCastle and JavaMail sign the CRLF form and send the other; the fork begins wherever the first bare LF stands.
#[test]
fn c05_the_crlf_form_is_found_in_one_pass() {
    for at in [0, 1, 40_000, LONG - 1] {
        let mut payload = text(LONG, "\r\n").to_vec();
        payload[at] = b'\n';
        if let Some(before) = at.checked_sub(1) {
            payload[before] = b'~';
        }
        let head = "Content-Type: application/EDI-X12\r\n\r\n";
        let as_sent = [head.as_bytes(), &payload].concat();
        let mut canonical = Vec::with_capacity(as_sent.len() + 8);
        for (at, octet) in as_sent.iter().enumerate() {
            if *octet == b'\n' && at.checked_sub(1).is_none_or(|before| as_sent[before] != b'\r') {
                canonical.push(b'\r');
            }
            canonical.push(*octet);
        }
        let signed = request(|terms| terms.send.encrypt = None, Bytes::copy_from_slice(&canonical[head.len()..]));
        // The same signature over content that is sent in its other form.
        let message = signed.body();
        let text_at = |needle: &[u8]| message.windows(needle.len()).position(|found| found == needle).unwrap();
        let begin = text_at(b"\r\n\r\n") + 4;
        let end = begin + canonical.len() - head.len();
        assert!(message[begin..end] == canonical[head.len()..]);
        let body = [&message[..begin], &payload, &message[end..]].concat();
        let mut request = signed.map(|_| Bytes::from(body));
        request.headers_mut().remove("content-length");
        let accepted = envelope(request).open(&worked_identity("bob"), Some(&alice()), now()).unwrap();
        assert!(accepted.notes().contains(&Note::CanonicalForm), "{at}");
    }
}

#[test]
fn several_documents_pass_by_one_after_the_other() {
    let mut terms = profile(ALICE, BOB);
    terms.send.attachments = Attachments::Allow;
    let partner = worked_partner(terms, "bob");
    let documents = [text(LONG, "\n"), Bytes::new(), text(70_000, "\r\n")];
    let build = |builder: MessageBuilder| builder.build(Payload::x12(documents[0].clone()), now()).unwrap();
    let builder = MessageBuilder::new(&worked_identity("alice"), &partner)
        .attach(Payload::xml(documents[1].clone()))
        .attach(Payload::edifact(documents[2].clone()).with_filename("more.edi"));
    let request = build(builder).request.to_request();
    let bob = worked_identity("bob");
    let (end, quarantine) = stream(&request, &Limits::default(), 4096, (&bob, Some(&alice())), now());
    let InboundEnd::Accepted(order) = end else { panic!("{end:?}") };
    assert!(quarantine.iter().zip(&documents).all(|(found, sent)| found == sent));
    let lengths: Vec<_> = order.documents().iter().map(StreamedDocument::len).collect();
    assert_eq!(lengths, [LONG as u64, 0, 70_000]);
    assert!(order.root().unwrap().head().content_type().unwrap().essence().contains("x12"));
    assert_eq!(order.documents()[2].head().filename().as_deref(), Some("more.edi"));
    let _ = envelope(request).open(&bob, Some(&alice()), now()).unwrap();
}

/// Changed messages are refused with the answer of messages at hand; nothing of them is said to be good.
#[test]
fn x15_changed_long_messages_are_refused_alike() {
    for layers in ["S", "E", "ES", "ECS", "C"] {
        let request = request(|terms| layering(terms, layers), text(LONG, "\r\n"));
        let length = request.body().len();
        for at in [length / 2, length - 1, length - 17, length - 40, length - 3000] {
            let mut body = request.body().to_vec();
            body[at] ^= 0x55;
            let changed = request.clone().map(|_| Bytes::from(body));
            let opened = envelope(changed).open(&worked_identity("bob"), Some(&alice()), now());
            assert!(opened.is_err() || layers == "E" || layers == "C" || layers == "S", "{layers} {at}");
        }
        for end in [0, 1, 500, 3000, length / 2, length - 200] {
            let mut cut = request.clone().map(|body| body.slice(..end));
            cut.headers_mut().remove("content-length");
            assert!(
                envelope(cut).open(&worked_identity("bob"), Some(&alice()), now()).is_err(),
                "{layers} cut at {end}"
            );
        }
    }
    for cipher in [CipherAlgorithm::Aes128Gcm, CipherAlgorithm::Aes256Ccm, CipherAlgorithm::ChaCha20Poly1305] {
        let request = request(|terms| terms.send.encrypt = Some(cipher), text(LONG, "\r\n"));
        let mut terms = profile(BOB, ALICE);
        terms.accept.ciphers.push(cipher);
        let partner = worked_partner(terms, "alice");
        let _ = envelope(request.clone()).open(&worked_identity("bob"), Some(&partner), now()).unwrap();
        for at in [request.body().len() / 2, request.body().len() - 1] {
            let mut body = request.body().to_vec();
            body[at] ^= 1;
            let changed = request.clone().map(|_| Bytes::from(body));
            let refused = envelope(changed).open(&worked_identity("bob"), Some(&partner), now()).unwrap_err();
            assert_eq!(refused.error(), &ReceiveError::Decryption(DecryptionFault::Tag), "{cipher}");
        }
    }
}

#[test]
fn u17_content_in_ccm_is_kept_only_within_limits() {
    let cipher = CipherAlgorithm::Aes256Ccm;
    let request = request(|terms| terms.send.encrypt = Some(cipher), text(LONG, "\r\n"));
    let mut terms = profile(BOB, ALICE);
    terms.accept.ciphers.push(cipher);
    let partner = worked_partner(terms, "alice");
    let bob = worked_identity("bob");
    let mut limits = Limits::default();
    for (kept, taken) in [(LONG as u64 + 5000, true), (LONG as u64, false)] {
        limits.kept_whole = kept;
        let (end, _) = stream(&request, &limits, 10_000, (&bob, Some(&partner)), now());
        match end {
            InboundEnd::Accepted(_) => assert!(taken),
            InboundEnd::Refused(refused) => {
                assert!(!taken && refused.error().to_string().contains("CCM"), "{}", refused.error());
            }
            InboundEnd::Mdn(_) => panic!("a message"),
        }
    }
}

/// A signature whose digest was not announced is known too late; SHA-256 is computed whatever is announced.
#[test]
fn s08_a_wrong_micalg_is_forgiven_where_sha_256_signed() {
    let bob = worked_identity("bob");
    let open = |digest: DigestAlgorithm, announced: &str| {
        let request = request(
            |terms| {
                terms.send.encrypt = None;
                terms.send.sign = Some(digest);
                // A receipt's digest is computed, too.
                terms.send.receipt.kind = ReceiptKind::None;
            },
            text(LONG, "\r\n"),
        );
        let label = request.headers()["content-type"].to_str().unwrap();
        let label = label.replace(&format!("micalg={digest}"), &format!("micalg={announced}"));
        let mut request = request.clone();
        request.headers_mut().insert("content-type", label.parse().unwrap());
        stream(&request, &Limits::default(), 10_000, (&bob, Some(&alice())), now()).0
    };
    for announced in ["sha-256", "sha1", "sha-512", "unknown"] {
        assert!(matches!(open(DigestAlgorithm::Sha256, announced), InboundEnd::Accepted(_)), "{announced}");
    }
    assert!(matches!(open(DigestAlgorithm::Sha512, "unknown"), InboundEnd::Accepted(_)));
    let InboundEnd::Refused(refused) = open(DigestAlgorithm::Sha512, "sha-256") else { panic!("too late") };
    assert!(refused.error().to_string().contains("cannot be verified in one pass"), "{}", refused.error());
}

#[test]
fn receipts_arrive_at_message_urls_too() {
    let order = sent(|_| {}, worked("payload.x12"));
    let bob = worked_identity("bob");
    let accepted = envelope(order.request.to_request()).open(&bob, Some(&alice()), now()).unwrap();
    let response = accepted.stored().build(now()).response.to_response();
    let mut request = Request::post("/as2").body(response.body().clone()).unwrap();
    *request.headers_mut() = response.headers().clone();
    let us = worked_identity("alice");
    for size in [1, 100, usize::MAX] {
        let (end, documents) = stream(&request, &Limits::default(), size, (&us, Some(&support::bob())), now());
        let InboundEnd::Mdn(mdn) = end else { panic!("{end:?}") };
        assert!(documents.is_empty());
        let outcome = order.pending.settle(&mdn, &support::bob(), now());
        assert!(matches!(outcome, Outcome::Deliver(_)), "{outcome:?}");
    }
    // One that is too long for a receipt is not kept.
    let long = [&b"--b\r\nContent-Type: text/plain\r\n\r\n"[..], &vec![b'x'; 5 << 20]].concat();
    let mut request = request.map(|_| Bytes::from(long));
    request.headers_mut().remove("content-length");
    request.headers_mut().insert("content-type", "multipart/report; boundary=b".parse().unwrap());
    let (parts, body) = request.into_parts();
    let mut stream = MessageParser::new(Limits::default()).head(&parts).unwrap().stream(&us, None, now());
    let mut nowhere: Vec<Vec<u8>> = Vec::new();
    body.chunks(100_000).for_each(|chunk| stream.write(chunk, &mut nowhere).unwrap());
    let error = stream.finish(&mut nowhere).unwrap_err();
    assert!(matches!(error, InboundError::Rejected(Rejection::Receipt(_))), "{error}");
}

/// A quarantine that takes so many octets, or no document.
struct Full(Option<usize>);

impl Quarantine for Full {
    fn begin(&mut self, _: usize, _: &DocumentHead) -> io::Result<()> {
        self.0.map(|_| ()).ok_or_else(|| io::ErrorKind::StorageFull.into())
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        let left = self.0.and_then(|room| room.checked_sub(octets.len()));
        self.0 = Some(left.ok_or(io::ErrorKind::StorageFull)?);
        Ok(())
    }
}

#[test]
fn a_quarantine_that_fails_defers_the_message() {
    for layers in LAYERINGS {
        for (length, room) in [(500, None), (500, Some(499)), (LONG, Some(LONG - 1)), (LONG, Some(1000))] {
            let (parts, body) = request(|terms| layering(terms, layers), text(length, "\r\n")).into_parts();
            let head = MessageParser::new(Limits::default()).head(&parts).unwrap();
            let (mut stream, mut full) = (head.stream(&worked_identity("bob"), Some(&alice()), now()), Full(room));
            let written = body.chunks(9000).try_for_each(|chunk| stream.write(chunk, &mut full));
            let end = written.and_then(|()| stream.finish(&mut full));
            let error = end.unwrap_err();
            assert!(matches!(&error, InboundError::Quarantine(cause) if cause.kind() == io::ErrorKind::StorageFull));
            assert_eq!(error.code(), "QUARANTINE");
            let reply = error.into_reply(Duration::from_secs(30));
            assert_eq!((reply.response.status().as_u16(), reply.response.header("retry-after")), (503, Some("30")));
        }
    }
}

#[test]
fn u12_bodies_that_are_too_long_or_too_short_are_rejected() {
    let (parts, body) = request(|_| {}, text(LONG, "\r\n")).into_parts();
    let bob = worked_identity("bob");
    let head = |limits: Limits, parts: &http::request::Parts| MessageParser::new(limits).head(parts).unwrap();
    let mut nowhere: Vec<Vec<u8>> = Vec::new();
    let mut open_length = parts.clone();
    open_length.headers.remove("content-length");
    let mut limits = Limits::default();
    limits.body = 100_000;
    let mut stream = head(limits, &open_length).stream(&bob, Some(&alice()), now());
    stream.write(&body[..100_000], &mut nowhere).unwrap();
    let error = stream.write(&body[100_000..100_001], &mut nowhere).unwrap_err();
    assert!(matches!(error, InboundError::Rejected(Rejection::TooLarge { limit: 100_000 })), "{error}");
    assert_eq!(error.into_reply(Duration::ZERO).response.status(), 413);
    let mut stream = head(Limits::default(), &parts).stream(&bob, Some(&alice()), now());
    stream.write(&body[1..], &mut nowhere).unwrap();
    let error = stream.finish(&mut nowhere).unwrap_err();
    assert!(matches!(error, InboundError::Rejected(Rejection::Length { .. })), "{error}");
    open_length.headers.remove("message-id");
    let mut stream = head(Limits::default(), &open_length).stream(&bob, Some(&alice()), now());
    let error = stream.write(&body, &mut nowhere).unwrap_err();
    assert!(matches!(error, InboundError::Rejected(Rejection::MissingHeader("message-id"))), "{error}");
}

#[test]
fn a14_messages_of_unknown_partners_are_taken_in_and_refused() {
    let request = request(|_| {}, text(LONG, "\r\n"));
    let (end, documents) = stream(&request, &Limits::default(), 5000, (&worked_identity("bob"), None), now());
    let InboundEnd::Refused(refused) = end else { panic!("{end:?}") };
    assert_eq!(refused.error().code(), "UNKNOWN_PARTNER");
    assert!(documents.is_empty());
}

/// A key that answers later: the octets that came with the question wait for it.
#[test]
fn keys_far_away_are_asked_once_and_in_time() {
    let certificate = worked_certificate("bob-enc");
    let far = Identity::builder(CryptoProvider::rustcrypto())
        .decrypting(certificate.clone(), std::sync::Arc::new(RemoteKey::new("hsm", &certificate, [7; 32])))
        .build()
        .unwrap();
    let key = worked_key("bob-enc");
    let answer = |request: KeyRequest| {
        let KeyRequest::Unwrap { request, .. } = request else { panic!("{request:?}") };
        crypto::DecryptingKey::unwrap_key(key.as_ref(), &request).map(|secret| secret.as_bytes().to_vec())
    };
    for (length, size) in [(500, 1), (500, usize::MAX), (LONG, 1000), (LONG, 150_000), (LONG, usize::MAX)] {
        let payload = text(length, "\r\n");
        let (parts, body) = request(|_| {}, payload.clone()).into_parts();
        let mut stream =
            MessageParser::new(Limits::default()).head(&parts).unwrap().stream(&far, Some(&alice()), now());
        let (mut quarantine, mut asked) = (Vec::new(), 0);
        for chunk in body.chunks(size.min(body.len())) {
            let mut wanted = stream.write_steps(chunk, &mut quarantine).unwrap();
            while let Some(request) = wanted {
                asked += 1;
                wanted = stream.provide(answer(request), &mut quarantine).unwrap();
            }
        }
        let mut step = stream.finish_steps(&mut quarantine).unwrap();
        let end = loop {
            match step {
                Step::Done(undelivered) => break undelivered.deliver(&mut quarantine).unwrap(),
                Step::Need(pending) => {
                    asked += 1;
                    let answer = answer(pending.request().clone());
                    step = pending.provide(answer);
                }
            }
        };
        assert!(matches!(end, InboundEnd::Accepted(_)), "{end:?}");
        assert_eq!(asked, 1, "{length} in {size}");
        assert!(quarantine.concat() == payload);
    }
    // Whoever does not answer gets a 503, never a receipt.
    let request = request(|_| {}, text(LONG, "\r\n"));
    let (end, _) = stream(&request, &Limits::default(), 5000, (&far, Some(&alice())), now());
    let InboundEnd::Refused(refused) = end else { panic!("{end:?}") };
    assert_eq!(refused.error(), &ReceiveError::KeyUnavailable(KeyError::Deferred.to_string()));
    assert_eq!(refused.mdn().build(now()).response.status(), 503);
}

/// Records are the same, however a message came: what was taken as a stream is a duplicate in memory, and the other way round.
#[test]
fn d01_messages_that_pass_by_are_claimed_like_others() {
    let bob = worked_identity("bob");
    let lease = Duration::from_secs(60);
    let streamed = |request: &Request<Bytes>| {
        let (parts, body) = request.clone().into_parts();
        let head = MessageParser::new(Limits::default()).head(&parts).unwrap();
        let (mut stream, mut quarantine) = (head.stream(&bob, Some(&alice()), now()).for_claims(), Vec::new());
        body.chunks(9999).for_each(|chunk| stream.write(chunk, &mut quarantine).unwrap());
        match stream.finish(&mut quarantine).unwrap() {
            InboundEnd::Accepted(order) => order,
            other => panic!("{other:?}"),
        }
    };
    for (layers, length) in [("", 300), ("S", 300), ("S", LONG), ("ES", 300), ("ES", LONG), ("EC", LONG)] {
        let request = request(|terms| layering(terms, layers), text(length, "\r\n"));
        let (order, at_hand) = (streamed(&request), envelope(request.clone()));
        let arrival = at_hand.arrival();
        assert_eq!(order.arrival(), Some(&arrival), "{layers} {length}");
        let Some(Claim::New(work)) = order.claim(None, lease, now()) else { panic!("new") };
        let reply = order.stored().build(now());
        let settled = work.settle(&reply, now());
        let again = at_hand.open(&bob, Some(&alice()), now()).unwrap();
        let replay = again.claim(&arrival, Some(settled.record()), lease, now());
        assert!(matches!(&replay, Claim::Replay(found) if found.response == reply.response), "{replay:?}");
        let order = streamed(&request);
        let replay = order.claim(Some(settled.record()), lease, now());
        assert!(matches!(&replay, Some(Claim::Replay(found)) if found.response == reply.response), "{replay:?}");
        // The same document, built anew under the same identifier.
        let mut rebuilt = request.clone();
        rebuilt
            .headers_mut()
            .insert("disposition-notification-options", "signed-receipt-micalg=optional, sha-256".parse().unwrap());
        let other = streamed(&rebuilt).claim(Some(settled.record()), lease, now());
        assert!(matches!(other, Some(Claim::Duplicate(_))), "{other:?}");
    }
    let request = request(|_| {}, text(300, "\n"));
    let (end, _) = stream(&request, &Limits::default(), 100, (&bob, Some(&alice())), now());
    let InboundEnd::Accepted(order) = end else { panic!("{end:?}") };
    assert!(order.arrival().is_none() && order.claim(None, lease, now()).is_none(), "nobody asked for it");
}

#[test]
fn one_document_goes_into_one_writer() {
    let request = request(|_| {}, text(LONG, "\r\n"));
    let (parts, body) = request.into_parts();
    let mut file = SingleDocument::new(Vec::new());
    let head = MessageParser::new(Limits::default()).head(&parts).unwrap();
    let mut stream = head.stream(&worked_identity("bob"), Some(&alice()), now());
    body.chunks(7777).for_each(|chunk| stream.write(chunk, &mut file).unwrap());
    assert!(matches!(stream.finish(&mut file).unwrap(), InboundEnd::Accepted(_)));
    assert!(file.into_inner() == text(LONG, "\r\n"));
    let mut several: SingleDocument<Vec<u8>> = SingleDocument::new(Vec::new());
    let head = DocumentHeads::of_a_message();
    several.begin(0, &head).unwrap();
    assert_eq!(several.begin(1, &head).unwrap_err().kind(), io::ErrorKind::Unsupported);
}

/// Heads of documents come out of streams only.
struct DocumentHeads(Vec<DocumentHead>);

impl Quarantine for DocumentHeads {
    fn begin(&mut self, _: usize, head: &DocumentHead) -> io::Result<()> {
        self.0.push(head.clone());
        Ok(())
    }

    fn write(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

impl DocumentHeads {
    fn of_a_message() -> DocumentHead {
        let (parts, body) = request(|_| {}, text(100, "\r\n")).into_parts();
        let head = MessageParser::new(Limits::default()).head(&parts).unwrap();
        let (mut stream, mut heads) = (head.stream(&worked_identity("bob"), Some(&alice()), now()), Self(Vec::new()));
        stream.write(&body, &mut heads).unwrap();
        assert!(matches!(stream.finish(&mut heads).unwrap(), InboundEnd::Accepted(_)));
        heads.0.pop().unwrap()
    }
}
