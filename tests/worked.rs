//! The worked examples: made with OpenSSL, from "Alice Corp" to "bob", with the MICs that they must have.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

mod support;

use std::sync::Arc;

use support::*;

use as2_protocol::crypto::{DecryptingKey, KeyError, SecretBytes, UnwrapRequest};
use as2_protocol::*;
use bytes::Bytes;

fn request(name: &str) -> http::Request<Bytes> {
    read_request(&worked(&format!("{name}.http")), &Limits::default()).unwrap()
}

fn open(name: &str) -> Result<Accepted, Refused> {
    envelope(request(name)).open(&worked_identity("bob"), Some(&alice()), now())
}

/// The expected MIC of a case, from the table beside the examples.
fn expected_mic(case: &str, algorithm: DigestAlgorithm) -> String {
    let table = String::from_utf8(worked("MIC.tsv").to_vec()).unwrap();
    let mut rows = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let row = rows.find(|row| row[0] == case && row[1] == "expected" && row[2] == algorithm.legacy_name());
    row.unwrap_or_else(|| panic!("{case} {algorithm}"))[3].to_owned()
}

/// The examples that open, with the layers that they have.
const POSITIVE: [(&str, &str); 13] = [
    ("01-plain", ""),
    ("02-signed", "S"),
    ("03-encrypted", "E"),
    ("04-signed-encrypted", "ES"),
    ("05-compressed", "C"),
    ("06-compressed-then-signed", "SC"),
    ("07-signed-then-compressed", "CS"),
    ("08-compressed-encrypted", "EC"),
    ("09-compressed-signed-encrypted", "ESC"),
    ("10-signed-compressed-encrypted", "ECS"),
    ("13-encrypted-aes128gcm", "E"),
    ("15-signed-base64-part", "S"),
    ("16-signed-sha512", "S"),
];

#[test]
fn every_positive_example_opens_with_its_payload_layers_and_mic() {
    for (case, layers) in POSITIVE {
        let accepted = open(case).unwrap_or_else(|refused| panic!("{case}: {} {refused:?}", refused.error()));
        assert_eq!(accepted.payload().body(), &worked("payload.x12"), "{case}");
        assert_eq!(accepted.payload().content_type().unwrap().essence(), "application/edi-x12", "{case}");
        let letter = |layer: &Layer| match layer {
            Layer::Signed(_) => 'S',
            Layer::Encrypted(..) => 'E',
            Layer::Compressed => 'C',
            other => panic!("{other}"),
        };
        assert_eq!(accepted.layers().iter().map(letter).collect::<String>(), layers, "{case}");
        assert_eq!(accepted.evidence().is_some(), layers.contains('S'), "{case}");
        // All of them list sha-256 first; number 16 is signed with sha-512, which it does not list.
        let mic = accepted.mic();
        assert_eq!(mic.algorithm(), DigestAlgorithm::Sha256, "{case}");
        assert_eq!(mic.to_base64(), expected_mic(case, mic.algorithm()), "{case}");
    }
}

#[test]
fn q10_the_mic_is_computed_with_the_digest_that_is_asked_for() {
    for (case, _) in POSITIVE {
        for digest in DigestAlgorithm::MICS {
            let mut request = request(case);
            let options = format!(
                "signed-receipt-protocol=required, pkcs7-signature; signed-receipt-micalg=required, md5, {digest}"
            );
            request.headers_mut().insert("disposition-notification-options", options.parse().unwrap());
            let accepted = envelope(request).open(&worked_identity("bob"), Some(&alice()), now()).unwrap();
            assert_eq!(accepted.mic().algorithm(), digest, "{case}");
            assert_eq!(accepted.mic().to_base64(), expected_mic(case, digest), "{case} {digest}");
        }
    }
}

#[test]
fn k20_the_digest_of_the_signature_is_preferred_where_it_is_listed() {
    let mut request = request("16-signed-sha512");
    let options = "signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, sha-256, sha-512";
    request.headers_mut().insert("disposition-notification-options", options.parse().unwrap());
    let accepted = envelope(request).open(&worked_identity("bob"), Some(&alice()), now()).unwrap();
    let expected = expected_mic("16-signed-sha512", DigestAlgorithm::Sha512);
    assert_eq!((accepted.mic().algorithm(), accepted.mic().to_base64()), (DigestAlgorithm::Sha512, expected));
}

/// What Alice would have stored when she sent an example: no library built those messages, so identifier and MICs
/// are put into the stored form.
fn pending(message_id: &str, case: &str, kind: ReceiptKind) -> PendingReceipt {
    let mut terms = profile(ALICE, BOB);
    terms.send.receipt.kind = kind;
    let id: MessageId = message_id.parse().unwrap();
    let builder = MessageBuilder::new(&worked_identity("alice"), &worked_partner(terms, "bob")).message_id(id);
    let sent = builder.build(Payload::x12(worked("payload.x12")), now()).unwrap();
    let mut json = serde_json::to_value(&sent.pending).unwrap();
    let mic = |digest: DigestAlgorithm| serde_json::json!({ "algorithm": digest.name(), "digest": expected_mic(case, digest) });
    json["mics"] = DigestAlgorithm::MICS.map(mic).to_vec().into();
    serde_json::from_value(json).unwrap()
}

/// Our receipt for a refused example, as Alice judges it: disposition, explanation and MIC.
fn answer(case: &str, refused: Refused) -> (String, String, Option<String>) {
    let id = request(case).headers()["message-id"].to_str().unwrap().to_owned();
    let reply = refused.mdn().build(now());
    assert_eq!((reply.response.status().as_u16(), &reply.follow_up), (200, &FollowUp::None), "{case}: R-02");
    let pending = pending(&id, "02-signed", ReceiptKind::Signed);
    let SendOutcome::Settled(outcome) = pending.on_response(Ok(&reply.response.to_response()), &bob(), now()) else {
        panic!("{case}: not settled")
    };
    let Outcome::Refuse(disposition, evidence) = *outcome else { panic!("{case}: {outcome:?}") };
    assert_eq!(evidence.signer(), Some(&worked_certificate("bob-sign")), "{case}: D-13");
    let mic = evidence.receipt().mic().map(|field| match field {
        MicField::Mic(mic) => format!("{}, {}", mic.to_base64(), mic.algorithm),
        other => panic!("{case}: {other:?}"),
    });
    (disposition.to_string(), evidence.receipt().text().unwrap().to_owned(), mic)
}

const AUTOMATIC: &str = "automatic-action/MDN-sent-automatically";

#[test]
fn w18_pss_verifies_unless_the_agreement_leaves_it_out() {
    let accepted = open("18-signed-pss-sha256").unwrap();
    assert_eq!(accepted.mic().to_base64(), expected_mic("18-signed-pss-sha256", DigestAlgorithm::Sha256));
    let mut terms = profile(BOB, ALICE);
    terms.accept.signatures = vec![SignatureFamily::Pkcs1v15];
    let refused = envelope(request("18-signed-pss-sha256"))
        .open(&worked_identity("bob"), Some(&worked_partner(terms, "alice")), now())
        .unwrap_err();
    let text = "signature uses rsa-pss with sha-256, which the agreement does not accept";
    assert_eq!(refused.error().to_string(), text);
    let (disposition, explanation, _) = answer("18-signed-pss-sha256", refused);
    assert_eq!(disposition, format!("{AUTOMATIC}; processed/error: insufficient-message-security"));
    assert!(explanation.contains(text), "{explanation}");
}

#[test]
fn w19_oaep_opens_unless_the_agreement_leaves_it_out() {
    let case = "19-encrypted-oaep-aes256gcm";
    let accepted = open(case).unwrap();
    let layer = Layer::Encrypted(CipherAlgorithm::Aes256Gcm, KeyTransport::RsaOaepSha256);
    assert_eq!(accepted.layers(), [layer]);
    assert_eq!(accepted.mic().to_base64(), expected_mic(case, DigestAlgorithm::Sha256));
    let mut terms = profile(BOB, ALICE);
    terms.accept.key_transports = vec![KeyTransport::RsaPkcs1v15];
    let refused = envelope(request(case))
        .open(&worked_identity("bob"), Some(&worked_partner(terms, "alice")), now())
        .unwrap_err();
    let text = "key transport uses rsa-oaep-sha256, which the agreement does not accept";
    assert_eq!(refused.error().to_string(), text);
    let (disposition, explanation, _) = answer(case, refused);
    assert_eq!(disposition, format!("{AUTOMATIC}; processed/error: insufficient-message-security"));
    assert!(explanation.contains(text), "{explanation}");
}

#[test]
fn z03_changed_content_is_an_integrity_failure_with_the_mic_of_what_was_received() {
    let case = "neg-02-signed-tampered";
    let refused = open(case).unwrap_err();
    assert_eq!(refused.error(), &ReceiveError::IntegrityCheck { algorithm: DigestAlgorithm::Sha256 });
    let (disposition, _, mic) = answer(case, refused);
    assert_eq!(disposition, format!("{AUTOMATIC}; processed/error: integrity-check-failed"));
    // The worked answer to it carries the same.
    let worked_answer = String::from_utf8(worked("mdn-neg-02-integrity-check-failed.http").to_vec()).unwrap();
    assert!(worked_answer.contains(&format!("Received-Content-MIC: {}\r\n", mic.unwrap())));
}

/// A key that goes by Bob's certificate and is another one.
#[derive(Debug)]
struct OtherKey {
    claimed: Arc<RsaPrivateKey>,
    actual: Arc<RsaPrivateKey>,
}

impl DecryptingKey for OtherKey {
    fn public_key(&self) -> &[u8] {
        DecryptingKey::public_key(self.claimed.as_ref())
    }

    fn unwrap_key(&self, request: &UnwrapRequest) -> Result<SecretBytes, KeyError> {
        self.actual.unwrap_key(request)
    }

    fn rejection_secret(&self) -> &[u8] {
        self.actual.rejection_secret()
    }
}

fn bob_decrypting_with(certificate: &str, key: Arc<dyn DecryptingKey>) -> Identity {
    Identity::builder(CryptoProvider::rustcrypto())
        .signing(vec![worked_certificate("bob-sign")], worked_key("bob-sign"))
        .decrypting(worked_certificate(certificate), key)
        .build()
        .unwrap()
}

#[test]
fn z04_a_wrong_key_is_a_decryption_failure_without_details() {
    let key = OtherKey { claimed: worked_key("bob-enc"), actual: worked_key("alice-enc") };
    let us = bob_decrypting_with("bob-enc", Arc::new(key));
    let cases = [
        ("03-encrypted", DecryptionFault::Padding),
        ("04-signed-encrypted", DecryptionFault::Padding),
        ("08-compressed-encrypted", DecryptionFault::Padding),
        ("13-encrypted-aes128gcm", DecryptionFault::Tag),
    ];
    for (case, fault) in cases {
        let refused = envelope(request(case)).open(&us, Some(&alice()), now()).unwrap_err();
        assert_eq!(refused.error(), &ReceiveError::Decryption(fault), "{case}");
        let (disposition, text, mic) = answer(case, refused);
        assert_eq!(disposition, format!("{AUTOMATIC}; processed/error: decryption-failed"), "{case}");
        assert!(text.starts_with("The message could not be decrypted and verified.\r\n"), "{case}: {text}");
        assert_eq!(mic, None, "{case}: K-25");
    }
}

#[test]
fn z04_an_envelope_for_somebody_else_is_a_decryption_failure() {
    let us = bob_decrypting_with("alice-enc", worked_key("alice-enc"));
    for case in ["03-encrypted", "04-signed-encrypted", "13-encrypted-aes128gcm"] {
        let refused = envelope(request(case)).open(&us, Some(&alice()), now()).unwrap_err();
        let ReceiveError::NoRecipient { encrypted_to, ours } = refused.error() else { panic!("{refused:?}") };
        assert_eq!((encrypted_to.len(), ours.len()), (1, 1), "{case}");
        assert_ne!(encrypted_to, ours, "{case}");
        let (disposition, _, mic) = answer(case, refused);
        assert_eq!((&*disposition, mic), (&*format!("{AUTOMATIC}; processed/error: decryption-failed"), None));
    }
}

#[test]
fn z02_a_signature_by_somebody_else_is_an_authentication_failure() {
    let mallory = worked_partner(profile(BOB, ALICE), "bob");
    let refused = envelope(request("02-signed")).open(&worked_identity("bob"), Some(&mallory), now()).unwrap_err();
    let expected = worked_certificate("alice-sign");
    match refused.error() {
        ReceiveError::Authentication(AuthenticationFault::UntrustedSigner { subject, fingerprint }) => {
            assert_eq!((&**subject, &**fingerprint), (expected.subject(), &*expected.fingerprint_hex()));
        }
        other => panic!("{other:?}"),
    }
    let (disposition, _, mic) = answer("02-signed", refused);
    assert_eq!(disposition, format!("{AUTOMATIC}; processed/error: authentication-failed"));
    assert_eq!(mic.unwrap(), format!("{}, sha-256", expected_mic("02-signed", DigestAlgorithm::Sha256)), "K-25");
}

const ID_02: &str = "<02-signed.1@alice.example>";

fn settle(name: &str, pending: &PendingReceipt, partner: &Partner) -> Outcome {
    let octets = worked(&format!("{name}.http"));
    if octets.starts_with(b"POST") {
        let Inbound::Mdn(receipt) = parse(read_request(&octets, &Limits::default()).unwrap()) else {
            panic!("{name}: not a receipt")
        };
        assert_eq!(receipt.original_message_id().unwrap().bare(), pending.message_id().bare(), "{name}: E-09");
        return pending.settle(&receipt, partner, now());
    }
    let response = read_response(&octets, &Limits::default()).unwrap();
    match pending.on_response(Ok(&response), partner, now()) {
        SendOutcome::Settled(outcome) => *outcome,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn e06_every_worked_receipt_settles_as_its_name_says() {
    let signed = pending(ID_02, "02-signed", ReceiptKind::Signed);
    let unsigned = pending(ID_02, "02-signed", ReceiptKind::Unsigned);
    let tampered = pending("<neg-02.1@alice.example>", "02-signed", ReceiptKind::Signed);
    let text = |outcome: &Outcome| match outcome {
        Outcome::Deliver(evidence) => format!("{:?} {}", evidence.proof().unwrap(), evidence.disposition().unwrap()),
        Outcome::Refuse(disposition, evidence) => format!("{} {disposition}", evidence.signer().is_some()),
        Outcome::Dispute(dispute, _) => dispute.code().to_owned(),
        other => panic!("{other:?}"),
    };
    let cases = [
        ("mdn-02-signed-sync", &signed, "Signed {}; processed", Advice::Done),
        ("mdn-02-signed-async", &signed, "Signed {}; processed", Advice::Done),
        ("mdn-02-signed-sync", &unsigned, "Signed {}; processed", Advice::Done),
        ("mdn-02-unsigned-sync", &unsigned, "UnsignedWithMic {}; processed", Advice::Done),
        ("mdn-02-unsigned-sync", &signed, "MDN_UNSIGNED", Advice::AskPartner),
        ("mdn-02-duplicate", &signed, "Signed {}; processed/warning: duplicate-document", Advice::Done),
        (
            "mdn-02-authentication-failed",
            &signed,
            "true {}; processed/error: authentication-failed",
            Advice::ResubmitNewId,
        ),
        (
            "mdn-02-unsupported-micalg",
            &signed,
            "false {}; failed/failure: unsupported MIC-algorithms",
            Advice::DoNotResend,
        ),
        (
            "mdn-neg-02-integrity-check-failed",
            &tampered,
            "true {}; processed/error: integrity-check-failed",
            Advice::ResubmitNewId,
        ),
        ("mdn-neg-02-integrity-check-failed", &signed, "MDN_OTHER_MESSAGE", Advice::AskPartner),
        ("mdn-02-signed-sync", &tampered, "MDN_OTHER_MESSAGE", Advice::AskPartner),
    ];
    for (name, pending, expected, advice) in cases {
        let outcome = settle(name, pending, &bob());
        assert_eq!(text(&outcome), expected.replace("{}", AUTOMATIC), "{name}");
        assert_eq!(outcome.advice(), advice, "{name}");
        assert_eq!(outcome.letter().is_none(), advice == Advice::Done, "{name}");
    }
}

#[test]
fn k26_e08_receipts_over_other_content_or_by_another_signer_prove_nothing() {
    let other = pending(ID_02, "06-compressed-then-signed", ReceiptKind::Signed);
    let Outcome::Dispute(Dispute::MicMismatch { ours, received }, evidence) =
        settle("mdn-02-signed-sync", &other, &bob())
    else {
        panic!("the MIC is another")
    };
    assert_eq!(received, expected_mic("02-signed", DigestAlgorithm::Sha256));
    assert_eq!(ours.to_base64(), expected_mic("06-compressed-then-signed", DigestAlgorithm::Sha256));
    assert_eq!((evidence.proof(), evidence.signer().is_some()), (None, true));

    let pending = pending(ID_02, "02-signed", ReceiptKind::Signed);
    let stranger = worked_partner(profile(ALICE, BOB), "alice");
    let outcome = settle("mdn-02-signed-async", &pending, &stranger);
    let Outcome::Dispute(Dispute::Signature(error), evidence) = outcome else { panic!("{outcome:?}") };
    assert!(matches!(error, ReceiveError::Authentication(AuthenticationFault::UntrustedSigner { .. })), "{error}");
    assert_eq!((evidence.proof(), evidence.signer()), (None, None));
}
