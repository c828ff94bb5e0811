//! Bodies of the fuzz targets: whatever octets arrive, the readers return, and agree with themselves.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod keys;

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::certificate::Certificate;
use crate::cms::ber;
use crate::cms::content::{self, ContentInfo};
use crate::cms::enveloped::parameters;
use crate::cms::enveloped::recipient::RecipientInfo;
use crate::cms::reader::{self, ContentKind, ContentReader};
use crate::crypto::CryptoProvider;
use crate::crypto::exchange::ecdh_key;
use crate::inspect::Inspector;
use crate::keystore::KeyStore;
use crate::limits::Limits;
use crate::mdn::{Disposition, Report, find_report};
use crate::message::parser::{Inbound, MessageParser};
use crate::message::received::Envelope;
use crate::message::stream::inbound::InboundEnd;
use crate::mime::entity::Entity;
use crate::mime::header::HeadReader;
use crate::mime::multipart::{Event, Multipart, Scanner};
use crate::mime::param::ContentType;
use crate::mime::transfer::{Decoder, TransferEncoding, decode};
use crate::mime::{filename, related};
use crate::receipt::builder::{FollowUp, Reply};
use crate::receipt::incoming::{IncomingMdn, ParkedMdn};
use crate::receipt::outcome::{Outcome, SendOutcome};
use crate::receipt::pending::PendingReceipt;
use crate::smime::compress::{InflateBudget, Inflater, compress, inflate};

fn limits() -> Limits {
    let mut limits = Limits::default();
    (limits.inflated, limits.inflate_allowance) = (1 << 20, 1 << 16);
    limits
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_478_400)
}

/// Header, transfer encoding and parts of an entity, at once and octet by octet.
pub fn entity(data: &[u8]) {
    let (limits, raw) = (limits(), Bytes::copy_from_slice(data));
    let mut reader = HeadReader::new(&limits);
    let stepwise = data.iter().position(|octet| matches!(reader.push(&[*octet]), Ok(Some(_)) | Err(_)));
    let Ok(entity) = Entity::parse(raw, &limits) else { return };
    let body = entity.body();
    assert_eq!(stepwise.map(|last| last + 1), Some(data.len() - body.len()));
    if let Ok(encoding) = entity.transfer_encoding() {
        transfer(encoding, &body);
    }
    let Some(Ok(content_type)) = entity.content_type() else { return };
    if let Some(boundary) = content_type.param("boundary") {
        parts(&body, boundary, &limits);
    }
    if let Some(documents) = related::read(&content_type, &body, &limits, limits.nesting).ok().map(|read| read.all) {
        assert!(documents.len() <= limits.parts);
        assert_eq!(documents.iter().filter(|document| document.is_root).count(), usize::from(!documents.is_empty()));
    }
}

fn transfer(encoding: TransferEncoding, body: &Bytes) {
    let (mut decoder, mut out) = (Decoder::new(encoding), Vec::new());
    let pushed = body.iter().try_for_each(|octet| decoder.push(&[*octet], &mut out));
    let stepwise = pushed.and_then(|()| decoder.finish(&mut out)).map(|()| Bytes::from(out));
    assert_eq!(decode(encoding, body.clone()), stepwise);
}

fn parts(body: &Bytes, boundary: &str, limits: &Limits) {
    let (Ok(whole), Ok(mut scanner)) = (Multipart::split(body, boundary, limits), Scanner::new(boundary, limits))
    else {
        return;
    };
    let (mut parts, mut carry) = (Vec::<Vec<u8>>::new(), Vec::new());
    for (at, octet) in body.iter().enumerate() {
        carry.push(*octet);
        loop {
            let (length, event) = scanner.step(&carry, at + 1 == body.len()).unwrap();
            let octets: Vec<u8> = carry.drain(..length).collect();
            match event {
                Event::NeedMore => break,
                Event::Delimiter => parts.push(Vec::new()),
                Event::Part => parts.last_mut().unwrap().extend(octets),
                Event::Preamble | Event::Close(_) | Event::Epilogue => {}
            }
        }
    }
    assert_eq!(whole.parts, parts);
}

/// Media types and file names: what is understood and clean is written so that it is understood again.
pub fn parameters(data: &[u8]) {
    if let Ok(read) = ContentType::read(data) {
        let written = read.to_string();
        if let Ok(strict) = written.parse::<ContentType>() {
            assert_eq!(ContentType::read(strict.to_string().as_bytes()), Ok(strict));
        }
    }
    let received = filename::received(Some(data), ContentType::read(data).ok().as_ref());
    let safe = received.as_deref().and_then(filename::safe);
    assert_eq!(safe.as_deref().and_then(filename::safe), safe);
    let name = String::from_utf8_lossy(data);
    let written = filename::attachment(&name, data.len() % 2 == 0);
    assert!(written.bytes().all(|octet| (b' '..=b'~').contains(&octet)));
    // Encoded words are decoded wherever they stand, since peers write them here.
    if !name.is_empty() && !name.contains("=?") {
        assert_eq!(filename::received(Some(written.as_bytes()), None).as_deref(), Some(&*name));
    }
}

/// Saved traffic of any kind is shown as a tree.
pub fn inspect(data: &[u8]) {
    let inspector = Inspector::new(CryptoProvider::rustcrypto(), limits());
    assert!(!inspector.wire(Bytes::copy_from_slice(data)).to_string().is_empty());
}

/// Files of keys and certificates; what is read as a certificate is written so that it is read again.
pub fn keystore(data: &[u8]) {
    let _ = KeyStore::read(data, Some("changeit"));
    for certificate in Certificate::read_all(data).unwrap_or_default() {
        let again = Certificate::read_all(certificate.to_pem().as_bytes()).unwrap();
        assert_eq!(again, [certificate]);
    }
}

/// BER becomes DER, which stays DER; tokens are the same in any chunks.
pub fn ber(data: &[u8]) {
    let depth = Limits::default().ber_depth;
    if let Ok(der) = ber::to_der(data, depth) {
        assert_eq!(ber::to_der(&der, depth), Ok(der));
    }
    // Where the element around it is exhausted, a header may be refused for either reason.
    assert_eq!(tokens(data, data.len().max(1)).ok(), tokens(data, 1).ok());
    cms(data);
}

fn tokens(data: &[u8], chunk: usize) -> Result<Vec<(ber::Event, usize)>, crate::cms::Error> {
    let (mut machine, mut events, mut carry) = (ber::Tokenizer::new(16), Vec::new(), Vec::new());
    for piece in data.chunks(chunk) {
        carry.extend_from_slice(piece);
        loop {
            let (length, event) = machine.step(&carry)?;
            carry.drain(..length);
            match (event, events.last_mut()) {
                (ber::Event::NeedMore, _) => break,
                (ber::Event::Done, _) => return Ok(events),
                (ber::Event::Content, Some((ber::Event::Content, total))) => *total += length,
                (event, _) => events.push((event, length)),
            }
        }
    }
    Ok(events)
}

/// A CMS object, at once and octet by octet.
fn cms(data: &[u8]) -> Option<ContentInfo> {
    let whole = content::read(Bytes::copy_from_slice(data), &limits());
    let stepwise = cms_stepwise(data);
    // What follows the object, and what is inside of its structure, is judged at once only.
    let (info, shape) = whole.ok()?;
    let (kind, content, length) = stepwise.unwrap();
    assert_eq!(length + shape.trailing, data.len());
    let (expected, octets) = match &info {
        ContentInfo::Signed(data) => (ContentKind::Signed, data.content.clone()),
        ContentInfo::Enveloped(data) => (ContentKind::Enveloped, Some(data.content.clone())),
        ContentInfo::AuthEnveloped(data) => (ContentKind::AuthEnveloped, Some(data.content.clone())),
        ContentInfo::Compressed(data) => (ContentKind::Compressed, Some(data.content.clone())),
    };
    assert_eq!((expected, octets.unwrap_or_default()), (kind, Bytes::from(content)));
    assert_eq!(content::sniff(data), Some(kind));
    Some(info)
}

/// Kind, content, and octets of the object.
fn cms_stepwise(data: &[u8]) -> Result<(ContentKind, Vec<u8>, usize), crate::cms::Error> {
    let (mut reader, mut content, mut carry, mut taken) = (ContentReader::new(&limits()), Vec::new(), Vec::new(), 0);
    'octets: for octet in data {
        carry.push(*octet);
        loop {
            let (length, event) = reader.step(&carry)?;
            taken += length;
            let octets: Vec<u8> = carry.drain(..length).collect();
            match event {
                reader::Event::NeedMore => break,
                reader::Event::Done => break 'octets,
                reader::Event::Content => content.extend(octets),
                reader::Event::Structure | reader::Event::Head => {}
            }
        }
    }
    let (kind, _) = reader.finish()?;
    Ok((kind, content, taken))
}

/// Signed attributes: DER is a fixed point of sorting, and every claim can be read or refused.
pub fn signed(data: &[u8]) {
    let Some(ContentInfo::Signed(signed)) = cms(data) else { return };
    for attributes in signed.signers.iter().filter_map(|signer| signer.signed_attributes.as_ref()) {
        let _ = (attributes.content_type(), attributes.message_digest(), attributes.signing_time());
        let _ = attributes.algorithm_protection();
        if let Ok(sorted) = attributes.as_sorted_der() {
            assert_eq!(ber::to_der(&sorted, 64).as_ref(), Ok(&sorted));
        }
    }
    for certificate in signed.certificates {
        if let Ok(certificate) = crate::certificate::Certificate::from_der(certificate) {
            let _ = (certificate.subject(), certificate.serial_hex(), certificate.is_valid_at(now()));
        }
    }
}

/// Envelopes: parameters and recipients.
pub fn enveloped(data: &[u8]) {
    let (recipients, algorithm) = match cms(data) {
        Some(ContentInfo::Enveloped(data)) => (data.recipients, data.algorithm),
        Some(ContentInfo::AuthEnveloped(data)) => {
            let _ = data.aad();
            (data.recipients, data.algorithm)
        }
        _ => return,
    };
    for recipient in recipients {
        if let RecipientInfo::KeyAgreement(agreement) = recipient {
            let wrap = agreement.algorithm.parameters.unwrap_or_default();
            let _ = parameters::shared_info(&wrap, agreement.ukm.as_deref(), 128);
            let _ = agreement.originator.map(|key| ecdh_key(&key.bits).is_some());
        }
    }
    let octets = algorithm.parameters.unwrap_or_default();
    let _ = (parameters::read_iv(&octets), parameters::read_gcm(&octets), parameters::read_ccm(&octets));
    let _ = (parameters::read_rc2(&octets), parameters::read_oaep(Some(&octets)), parameters::algorithm(&octets));
}

/// Inflating, at once and octet by octet; and what is deflated comes back.
pub fn compressed(data: &[u8]) {
    let budget = || InflateBudget::new(&limits());
    if let Some(ContentInfo::Compressed(compressed)) = cms(data) {
        let (mut inflater, mut out) = (Inflater::new(budget()), Vec::new());
        let pushed = compressed.content.iter().try_for_each(|octet| inflater.push(&[*octet], &mut out));
        let stepwise = pushed.and_then(|()| inflater.finish(&mut out).map(|_| out));
        // Limits are met at other places, damage may be too; content is the same or refused by both.
        let whole = inflate(&compressed.content, budget()).map(|(content, _)| content);
        assert_eq!(whole.ok(), stepwise.ok());
    }
    let part = compress(&[Bytes::copy_from_slice(data)]);
    let Some(ContentInfo::Compressed(packed)) = cms(&part.body[0]) else { panic!("not read again") };
    assert_eq!(inflate(&packed.content, InflateBudget::new(&Limits::default())).unwrap().0, data);
}

/// Reports: what is written of one that was read is a fixed point.
pub fn report(data: &[u8]) {
    if let Ok(entity) = Entity::parse(Bytes::copy_from_slice(data), &limits()) {
        let _ = find_report(&entity, &limits());
    }
    let once = Report::read(&Report::read(data).write());
    assert_eq!(Report::read(&once.write()), once);
}

/// Dispositions: what is written of one that was read is a fixed point, and means the same.
pub fn disposition(data: &[u8]) {
    let read = Disposition::parse(&String::from_utf8_lossy(data));
    let again = Disposition::parse(&read.to_string());
    assert_eq!((again.is_positive(), again.is_failure()), (read.is_positive(), read.is_failure()));
    assert_eq!(Disposition::parse(&again.to_string()), again);
}

/// Whole requests under a cipher and a signature scheme that let everything pass.
pub fn request(data: &[u8]) {
    let Ok(request) = crate::read_request(&Bytes::copy_from_slice(data), &limits()) else { return };
    match MessageParser::new(limits()).accept_missing_message_id().parse(request) {
        Ok(Inbound::Message(envelope)) => {
            stream(&envelope, data.len());
            open(envelope);
        }
        Ok(Inbound::Mdn(receipt)) => park(receipt),
        Err(rejection) => assert!(rejection.status().is_client_error()),
    }
}

/// The inside of an envelope: one octet that chooses the cipher, then the entity.
pub fn inside(data: &[u8]) {
    let Some((choice, entity)) = data.split_first() else { return };
    let envelope = keys::envelope(*choice, Bytes::copy_from_slice(entity));
    stream(&envelope, data.len());
    open(envelope);
}

/// A message that passes by is judged as one that is at hand, but for what is known too late.
fn stream(envelope: &Envelope, seed: usize) {
    let at_hand = envelope.clone().open(keys::us(), Some(keys::partner()), now());
    let (head, body) = (envelope.head().clone(), envelope.octets());
    let (mut stream, mut quarantine) = (head.stream(keys::us(), Some(keys::partner()), now()), Vec::new());
    let written = body.chunks(seed % 1999 + 1).try_for_each(|chunk| stream.write(chunk, &mut quarantine));
    match (written.and_then(|()| stream.finish(&mut quarantine)), at_hand) {
        (Ok(InboundEnd::Accepted(streamed)), Ok(at_hand)) => {
            assert_eq!((streamed.mic(), streamed.layers()), (at_hand.mic(), at_hand.layers()));
            let payloads = at_hand.payloads().iter().map(|payload| payload.body());
            assert!(quarantine.iter().eq(payloads));
        }
        (Ok(InboundEnd::Refused(streamed)), Err(at_hand)) => {
            let late = streamed.error().to_string().contains("one pass");
            assert!(late || streamed.error().code() == at_hand.error().code());
        }
        (Ok(InboundEnd::Refused(late)), Ok(at_hand)) => {
            let other_form = at_hand.notes().iter().any(|note| matches!(note, crate::Note::OtherForm(_)));
            assert!(other_form || late.error().to_string().contains("one pass"));
        }
        (streamed, at_hand) => panic!("{streamed:?} / {at_hand:?}"),
    }
}

fn open(envelope: Envelope) {
    let request = envelope.receipt_request().cloned();
    let (reply, positive) = match envelope.open(keys::us(), Some(keys::partner()), now()) {
        Ok(accepted) => (accepted.stored().build(now()), true),
        Err(refused) => {
            let _ = (refused.error().to_string(), refused.notes());
            let explained = refused.diagnose_signature().map(|diagnosis| diagnosis.to_string());
            assert!(explained.is_none_or(|sentence| sentence.ends_with('.')));
            (refused.mdn().build(now()), false)
        }
    };
    let Reply { response, follow_up, .. } = reply;
    let response = response.to_response();
    if request.is_none() {
        assert!(response.body().is_empty() && follow_up == FollowUp::None);
        return;
    }
    if !response.body().is_empty() {
        let receipt = IncomingMdn::read(response.headers(), response.body().clone(), &limits()).unwrap();
        assert_eq!(receipt.disposition().unwrap().is_positive(), positive);
    }
}

/// A parked receipt is the same receipt.
fn park(receipt: IncomingMdn) {
    let parked = IncomingMdn::try_from(ParkedMdn::from(receipt.clone())).unwrap();
    assert_eq!((parked.report(), parked.text()), (receipt.report(), receipt.text()));
}

/// The answer to a message: only a positive receipt about this message delivers.
pub fn settlement(data: &[u8]) {
    let Ok(response) = crate::read_response(&Bytes::copy_from_slice(data), &limits()) else { return };
    let pending: &PendingReceipt = keys::pending();
    let outcome = match pending.on_response(Ok(&response), keys::partner(), now()) {
        SendOutcome::Settled(outcome) => outcome,
        SendOutcome::Wait { until, .. } => return assert!(until > now()),
        other => return assert!(!matches!(other, SendOutcome::Transferred), "a receipt was asked for"),
    };
    let receipt = IncomingMdn::read(response.headers(), response.body().clone(), &Limits::default()).unwrap();
    if let Outcome::Deliver(evidence) = &*outcome {
        assert!(evidence.proof().is_some() && receipt.disposition().unwrap().is_positive());
        assert_eq!(receipt.original_message_id().unwrap(), *pending.message_id());
    }
    let _ = (outcome.advice(), outcome.letter());
    let diagnosis = pending.diagnose_signature(&receipt, keys::partner());
    assert_eq!(diagnosis.is_some(), receipt.is_signed());
    let _ = pending.settle_with(&receipt, keys::partner(), &mut &b"ISA*00*"[..], now());
    park(receipt);
}
