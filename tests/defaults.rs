//! What is written unless something else is agreed, and stored forms of earlier versions, which must stay readable.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

#[path = "support/dissect.rs"]
mod dissect;
mod support;

use std::time::Duration;

use dissect::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use support::*;

use as2_protocol::*;

/// A stored form from the time of version 1. These files are never written anew.
fn golden(name: &str) -> serde_json::Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Reads a golden file, and sees that it is written as it was read, that other versions are told apart, and that
/// nothing in it is skipped over.
fn stored<T: Serialize + DeserializeOwned>(name: &str) -> T {
    let json = golden(name);
    let read: T = serde_json::from_value(json.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(serde_json::to_value(&read).unwrap(), json, "{name}");
    let changed = |field: &str, value: serde_json::Value| {
        let mut json = json.clone();
        json[field] = value;
        serde_json::from_value::<T>(json).err().unwrap_or_else(|| panic!("{name}: {field}")).to_string()
    };
    assert!(changed("version", 2.into()).contains("format version 2 is not known"), "{name}");
    assert!(changed("surprise", 1.into()).contains("unknown field `surprise`"), "{name}");
    read
}

fn default_message() -> Outbound {
    let mut terms = PartnerProfile::new(ALICE.parse().unwrap(), BOB.parse().unwrap(), URL.parse().unwrap());
    terms.accept.signature = Requirement::Require;
    let partner = worked_partner(terms, "bob");
    let payload = Payload::x12(worked("payload.x12")).with_filename("po850.x12");
    MessageBuilder::new(&worked_identity("alice"), &partner).build(payload, now()).unwrap()
}

const URL: &str = "https://bob.example/as2";

#[test]
fn a_new_profile_is_the_golden_one() {
    let profile = PartnerProfile::new(ALICE.parse().unwrap(), BOB.parse().unwrap(), URL.parse().unwrap());
    assert_eq!(serde_json::to_value(&profile).unwrap(), golden("partner_profile"));
    assert_eq!(stored::<PartnerProfile>("partner_profile"), profile);
    let early: PartnerProfile = serde_json::from_value(golden("partner_profile_early")).unwrap();
    // Lists are written out: what has become known since is not accepted by itself.
    let mut expected = profile.clone();
    expected.send.key_transport = Some(KeyTransport::RsaPkcs1v15);
    expected.accept.key_transports = vec![KeyTransport::RsaPkcs1v15];
    expected.accept.signed_form = SignedForm::AsSentOrCrlf;
    expected.accept.ciphers.retain(|cipher| cipher.name().ends_with("bc") || cipher.name().ends_with("gcm"));
    assert_eq!(early, expected, "written before there were endpoints, pacing and delivery");
    let short = serde_json::json!({ "version": 1, "us": ALICE, "them": BOB, "url": URL });
    assert_eq!(serde_json::from_value::<PartnerProfile>(short).unwrap(), profile, "everything else has a default");
}

#[test]
fn a_default_message_has_these_headers() {
    let request = default_message().request.to_request();
    let headers: Vec<_> = request
        .headers()
        .iter()
        .filter(|(name, _)| *name != "message-id" && *name != "content-length")
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    let expected = [
        "as2-version: 1.1",
        "as2-from: \"Alice Corp\"",
        "as2-to: bob",
        "date: Tue, 24 Nov 2026 00:00:00 GMT",
        "mime-version: 1.0",
        "content-type: application/pkcs7-mime; smime-type=enveloped-data; name=\"smime.p7m\"",
        "content-disposition: attachment; filename=\"smime.p7m\"",
        "disposition-notification-to: \"Alice Corp\"",
        "disposition-notification-options: signed-receipt-protocol=optional, pkcs7-signature; \
         signed-receipt-micalg=optional, sha-256",
    ];
    assert_eq!(headers, expected);
    assert_eq!(request.headers().len(), expected.len() + 2);
    let id = request.headers()["message-id"].to_str().unwrap();
    assert!(id.starts_with('<') && id.ends_with("@as2.invalid>"), "{id}");
}

#[test]
fn a_default_message_is_encrypted_with_aes256_cbc_and_signed_in_base64() {
    let request = default_message().request;
    let data = Tlv::of(request.body()).child(1).child(0);
    let aes256_cbc = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 42];
    assert_eq!(data.child(2).child(1).child(0).body, aes256_cbc);
    let recipients = data.child(1).children();
    assert_eq!((recipients.len(), recipients[0].child(2).child(0).body), (1, &RSA[..]));

    let plain = decrypt(request.body(), worked_key("bob-enc").as_ref());
    let (head, body) = head_and_body(&plain);
    let content_type = field(head, "content-type");
    assert!(content_type.starts_with("multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; "));
    let parts = split(body, parameter(content_type, "boundary"));
    let (head, body) = head_and_body(parts[0]);
    assert_eq!(
        head,
        "Content-Type: application/EDI-X12\r\nContent-Transfer-Encoding: binary\r\n\
         Content-Disposition: attachment; filename=\"po850.x12\"\r\n\r\n"
    );
    assert_eq!(body, worked("payload.x12"));
    let (head, body) = head_and_body(parts[1]);
    assert_eq!(
        head,
        "Content-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n"
    );
    let lines: Vec<_> = std::str::from_utf8(body).unwrap().split("\r\n").collect();
    let (last, full) = lines.split_last().unwrap();
    assert!(full.iter().all(|line| line.len() == 64) && (1..=64).contains(&last.len()), "{lines:?}");
    let cms = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, lines.concat()).unwrap();
    check_signed_data(&cms);
}

/// detached, one signer by issuer and serial number, the leaf embedded, three signed attributes.
fn check_signed_data(cms: &[u8]) {
    let sha256 = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
    let data = Tlv::of(cms).child(1).child(0).children();
    let [version, digests, content, certificates, signers] = data[..] else { panic!("{} elements", data.len()) };
    assert_eq!((version.body, content.children().len(), content.child(0).body), (&[1][..], 1, &DATA[..]));
    assert_eq!((digests.children().len(), digests.child(0).child(0).body), (1, &sha256[..]));
    assert_eq!(digests.child(0).children().len(), 1, "no parameters");
    assert_eq!(der(0x30, &[certificates.child(0).body]), worked_certificate("alice-sign").der());
    assert_eq!((certificates.children().len(), signers.children().len()), (1, 1));
    let signer = signers.child(0).children();
    let [version, sid, digest, attributes, algorithm, signature] = signer[..] else {
        panic!("{} elements", signer.len())
    };
    assert_eq!((version.body, sid.tag, signature.body.len()), (&[1][..], 0x30, 256));
    assert_eq!((digest.child(0).body, digest.children().len()), (&sha256[..], 1));
    assert_eq!((algorithm.child(0).body, algorithm.child(1).tag), (&RSA[..], 5), "rsaEncryption with NULL");
    let names: Vec<_> =
        attributes.children().iter().map(|attribute| *attribute.child(0).body.last().unwrap()).collect();
    assert_eq!(names, [3, 5, 4], "contentType, signingTime, messageDigest; no CMSAlgorithmProtection");
    assert_eq!(attributes.child(1).child(1).child(0).body, b"261124000000Z");
}

#[test]
fn default_limits_stand() {
    let limits = Limits::default();
    assert_eq!((limits.body, limits.inflated, limits.inflate_ratio), (1 << 30, 1 << 30, 250));
    assert_eq!((limits.header_bytes, limits.header_fields, limits.parts), (64 << 10, 256, 1000));
    assert_eq!((limits.nesting, limits.ber_depth, limits.cms_infos), (8, 24, 64));
    assert_eq!((limits.cms_overhead, limits.report, limits.inflate_allowance), (1 << 20, 4 << 20, 16 << 20));
}

fn check_order(inbound: Inbound) -> Accepted {
    let Inbound::Message(envelope) = inbound else { panic!("not a message") };
    let accepted = envelope.open(&worked_identity("bob"), Some(&alice()), now()).unwrap();
    assert_eq!(accepted.payload().body(), &worked("payload.x12"));
    assert_eq!(accepted.payload().raw_filename(), Some("po850.x12"));
    accepted
}

#[test]
fn stored_messages_can_still_be_sent_and_opened() {
    let request: StoredRequest = stored("stored_request");
    assert_eq!(request.to_request().uri(), URL);
    let accepted = check_order(parse(request.to_request()));
    let pending: PendingReceipt = stored("pending_receipt");
    assert_eq!(request.header("message-id"), Some(pending.message_id().as_str()));
    assert_eq!(pending.mics(), std::slice::from_ref(accepted.mic()));
    assert_eq!((pending.sent_at(), pending.subject()), (now(), Some("Order 4711")));

    let spooled: SpooledMessage = stored("spooled_message");
    assert_eq!(spooled.arrived_at(), now());
    let accepted = check_order(spooled.parse(&MessageParser::new(Limits::default())).unwrap());
    assert_eq!(accepted.mic(), &pending.mics()[0]);
}

#[test]
fn records_of_received_messages_still_answer_what_comes_again() {
    let request: StoredRequest = stored("stored_request");
    let record: InboxRecord = stored("inbox_record");
    let first: Reply = stored("reply");
    let envelope = envelope(request.to_request());
    let arrival = envelope.arrival();
    assert_eq!(arrival.known(Some(&record), &alice(), now()).as_ref(), Some(&first), "octets are digested as then");
    let order = envelope.open(&worked_identity("bob"), Some(&alice()), now()).unwrap();
    assert_eq!(record.disposition(), Some(&Disposition::processed()));
    let mut early = golden("inbox_record");
    early["answers"] = serde_json::json!([]);
    let early: InboxRecord = serde_json::from_value(early).unwrap();
    let claim = order.claim(&arrival, Some(&early), std::time::Duration::from_secs(60), now());
    assert!(matches!(claim, Claim::Duplicate(duplicate) if !duplicate.is_changed()), "and documents are");
}

#[test]
fn stored_origins_can_still_be_verified() {
    let record: OriginRecord = stored("origin_record");
    let evidence = record.verify(&CryptoProvider::rustcrypto()).unwrap();
    assert_eq!(evidence.signer(), &worked_certificate("alice-sign"));
    assert!(evidence.content().ends_with(&worked("payload.x12")));
    let mut forged = golden("origin_record");
    forged["content"] = golden("spooled_message")["body"].clone();
    let forged: OriginRecord = serde_json::from_value(forged).unwrap();
    assert_eq!(forged.verify(&CryptoProvider::rustcrypto()).unwrap_err().code(), "INTEGRITY_CHECK");
}

#[test]
fn stored_receipts_can_still_be_posted_settled_and_verified() {
    let pending: PendingReceipt = stored("pending_receipt");
    let delivered = |receipt: &IncomingMdn| match pending.settle(receipt, &bob(), now()) {
        Outcome::Deliver(evidence) => evidence.proof(),
        other => panic!("{other:?}"),
    };
    // A posted receipt holds its request only, whose version counts.
    let json = golden("pending_mdn");
    let posted: PendingMdn = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(&posted).unwrap(), json);
    assert_eq!(posted.request.to_request().uri(), "https://alice.example/receipts");
    let Inbound::Mdn(receipt) = parse(posted.request.to_request()) else { panic!("not a receipt") };
    assert_eq!(delivered(&receipt), Some(Proof::Signed));
    let parked: IncomingMdn = stored("incoming_mdn");
    assert_eq!(delivered(&parked), Some(Proof::Signed));

    let response: StoredResponse = stored("stored_response");
    let answered = pending.on_response(Ok(&response.to_response()), &bob(), now());
    assert_eq!(answered.advice(), Advice::Done);

    let record: EvidenceRecord = stored("evidence_record");
    let evidence = record.verify(&CryptoProvider::rustcrypto()).unwrap();
    assert_eq!((evidence.proof(), evidence.message_id()), (Some(Proof::Signed), pending.message_id()));
    assert_eq!(evidence.signer(), Some(&worked_certificate("bob-sign")));
    let mut forged = golden("evidence_record");
    forged["pending"]["mics"][0]["digest"] = "D+V9PsWSQT8jcUrdYX6d4tx21sUwlXtKwDH1AOaYIWE=".into();
    let forged: EvidenceRecord = serde_json::from_value(forged).unwrap();
    assert_eq!(forged.verify(&CryptoProvider::rustcrypto()).unwrap_err().code(), "MIC_MISMATCH");
}

#[test]
fn stored_deliveries_and_paces_go_on() {
    let delivery: Delivery = stored("delivery");
    let mut terms = PartnerProfile::new(ALICE.parse().unwrap(), BOB.parse().unwrap(), URL.parse().unwrap());
    // The second wait is ten minutes, of which half the jitter of 20 per cent is cut.
    let due = now() + Duration::from_millis(250) + Duration::from_secs(540);
    let NextStep::WaitUntil(at) = delivery.next_step(&terms, now()) else { panic!("{delivery:?}") };
    assert!(due.duration_since(at).unwrap() < Duration::from_millis(10), "{at:?}");

    let pacer: Pacer = stored("pacer");
    (terms.pacing.calls, terms.pacing.concurrency) = (4, 1);
    let turn = |seconds: u64| pacer.clone().try_start(&terms.pacing, now() + Duration::from_secs(seconds));
    assert_eq!(turn(0), Turn::WaitUntil(now() + Duration::from_secs(30)));
    assert_eq!(turn(30), Turn::Busy { until: now() + Duration::from_millis(599_750) });
    terms.pacing.concurrency = 0;
    assert!(matches!(pacer.clone().try_start(&terms.pacing, now() + Duration::from_secs(30)), Turn::Start(_)));
}
