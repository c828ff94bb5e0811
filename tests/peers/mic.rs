//! What the integrity check of a receipt covers, and how it is spelt.

use super::by_hand::SIGNED_TYPE;
use super::dissect::*;
use super::made::*;
use super::receipt::*;
use super::refusal::Case;
use super::support::*;
use super::*;

fn first_part(sent: &Outbound) -> Vec<u8> {
    let boundary = parameter(sent.request.header("content-type").unwrap(), "boundary");
    split(sent.request.body(), boundary)[0].to_vec()
}

/// A receipt from Bob for this message, unsigned, with this integrity check.
fn with_mic(pending: &PendingReceipt, mic: &str) -> ::http::Response<Bytes> {
    let id = pending.message_id();
    let mic = if mic.is_empty() { String::new() } else { format!("Received-Content-MIC: {mic}\r\n") };
    unsigned(&format!("Original-Message-ID: {id}\r\nDisposition: {PROCESSED}\r\n{mic}"))
}

/// A message with no layer but what is named here, and a receipt that need not be signed.
fn bare(compress: Compression) -> Outbound {
    signed_only(|terms| {
        terms.send.sign = None;
        terms.send.compress = compress;
        terms.send.receipt.kind = ReceiptKind::Unsigned;
    })
}

#[test]
fn a1_14_signed_messages_are_hashed_as_signed_whether_compressed_before_or_after() {
    let part = entity(EDI_HEAD, EDI);
    let packed = entity(&format!("Content-Type: {COMPRESSED_TYPE}"), &streamed(&compressed_data(&ZLIB, &zlib(&part))));
    let before = signed_body(&packed, &Signer::java("alice-sign").sign(&packed));
    let accepted = Case::new(SIGNED_TYPE, &before).accepted();
    assert_eq!((accepted.payload().body().as_ref(), accepted.mic().to_base64()), (EDI, mic(&packed)));

    let signed = signed_body(&part, &Signer::java("alice-sign").sign(&part));
    let signed = entity(&format!("Content-Type: {SIGNED_TYPE}"), &signed);
    let after = streamed(&compressed_data(&ZLIB, &zlib(&signed)));
    let accepted = Case::new(COMPRESSED_TYPE, &after).accepted();
    assert_eq!((accepted.payload().body().as_ref(), accepted.mic().to_base64()), (EDI, mic(&part)));

    let sent = signed_only(|terms| terms.send.compress = Compression::BeforeSigning);
    assert_eq!(sent.pending.mics()[0].to_base64(), mic(&first_part(&sent)));
}

#[test]
fn a1_15_encrypted_messages_are_hashed_with_header_and_plain_ones_without() {
    let part = entity(EDI_HEAD, EDI);
    let envelope = streamed(&encrypt(&part, &worked_certificate("bob-enc"), false));
    let accepted = Case::new(ENVELOPED_TYPE, &envelope).accepted();
    assert_eq!((accepted.mic().to_base64(), accepted.mic_scope()), (mic(&part), MicScope::WholeEntity));
    let accepted = Case::new("application/EDI-X12", EDI).accepted();
    assert_eq!((accepted.mic().to_base64(), accepted.mic_scope()), (mic(EDI), MicScope::BodyOnly));
    assert_eq!(bare(Compression::None).pending.mics()[0].to_base64(), mic(EDI));
}

/// as2-lib and mendelson hash with the header, OpenAS2 without it.
#[test]
fn a1_16_both_checks_of_compressed_messages_are_taken_and_that_of_the_standard_is_written() {
    let part = entity(EDI_HEAD, EDI);
    let accepted = Case::new(COMPRESSED_TYPE, &streamed(&compressed_data(&ZLIB, &zlib(&part)))).accepted();
    assert_eq!((accepted.mic().to_base64(), accepted.mic_scope()), (mic(&part), MicScope::WholeEntity));

    let pending = bare(Compression::AfterSigning).pending;
    let with_header = pending.mics()[0].to_base64();
    assert_ne!(with_header, mic(EDI));
    for check in [with_header, mic(EDI)] {
        let receipt = with_mic(&pending, &format!("{check}, sha-256"));
        assert_eq!(proof(&pending, &receipt), Some(Proof::UnsignedWithMic));
    }
    let plain = bare(Compression::None).pending;
    let receipt = with_mic(&plain, &format!("{}, sha-256", mic(&part)));
    assert!(matches!(outcome(&plain, &receipt), Outcome::Dispute(Dispute::MicMismatch { .. }, _)));
}

/// What OpenAS2 prints at TRACE level for its supporters.
#[test]
fn a1_17_a_differing_check_is_explained() {
    let sent = signed_only(|terms| terms.send.compress = Compression::BeforeSigning);
    let provider = CryptoProvider::rustcrypto();
    let document = Payload::x12(Bytes::from_static(EDI));
    let told = |check: String| {
        let receipt = receipt_in(&with_mic(&sent.pending, &check));
        sent.pending.diagnose(&receipt, &document, Some(&sent.request), &[], &provider)
    };
    let found = |check: String| match told(check) {
        MicDiagnosis::Found { octets, algorithm, .. } => (octets, algorithm),
        other => panic!("{other:?}"),
    };
    let entity = entity(&format!("{EDI_HEAD}\r\nContent-Transfer-Encoding: binary"), EDI);
    let (sha256, sha512) = (DigestAlgorithm::Sha256, DigestAlgorithm::Sha512);
    let cases = [
        (HashedOctets::Entity, entity.clone(), sha256),
        (HashedOctets::EntityInCrlf, crlf(&entity), sha256),
        (HashedOctets::Payload, EDI.to_vec(), sha512),
        (HashedOctets::PayloadInCrlf, crlf(EDI), sha256),
        (HashedOctets::AsAgreed, first_part(&sent), sha256),
    ];
    for (octets, hashed, algorithm) in cases {
        let named = if octets == HashedOctets::AsAgreed { "sha-1" } else { "sha-256" };
        assert_eq!(found(format!("{}, {named}", mic_with(algorithm, &hashed))), (octets, algorithm));
    }
    assert_eq!(told(format!("{}, sha-256", mic(b"something else"))), MicDiagnosis::Unknown);
}

/// mendelson answers unsigned messages with SHA-1 whatever was asked for, and takes the strongest digest listed;
/// OpenAS2 and as2-lib take the first.
#[test]
fn a1_18_checks_with_other_digests_are_compared_too() {
    let listed = vec![DigestAlgorithm::Sha256, DigestAlgorithm::Sha512];
    let sent = signed_only(|terms| {
        terms.send.sign = None;
        terms.send.receipt.kind = ReceiptKind::Unsigned;
        terms.send.receipt.micalgs = listed;
    });
    for algorithm in [DigestAlgorithm::Sha1, DigestAlgorithm::Sha256, DigestAlgorithm::Sha512] {
        let response = with_mic(&sent.pending, &format!("{}, {algorithm}", mic_with(algorithm, EDI)));
        let receipt = receipt_in(&response);
        let judged = sent.pending.settle_with(&receipt, &bob(), &mut &EDI[..], now()).unwrap();
        let Outcome::Deliver(evidence) = judged else { panic!("{algorithm}: {judged:?}") };
        assert_eq!(evidence.proof(), Some(Proof::UnsignedWithMic), "{algorithm}");
    }
    let sha1 = with_mic(&sent.pending, &format!("{}, sha1", mic_with(DigestAlgorithm::Sha1, b"other")));
    let judged = sent.pending.settle_with(&receipt_in(&sha1), &bob(), &mut &EDI[..], now()).unwrap();
    assert!(matches!(judged, Outcome::Dispute(Dispute::MicMismatch { .. }, _)), "{judged:?}");

    // Answering, the first digest listed that is known counts.
    let options =
        "signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, whirl, sha-512, sha1";
    let accepted = Case::new("application/EDI-X12", EDI).options(options).accepted();
    assert_eq!(accepted.mic().to_base64(), mic_with(DigestAlgorithm::Sha512, EDI));
}

#[test]
fn a1_19_checks_are_read_in_every_spelling() {
    let pending = bare(Compression::None).pending;
    let check = mic(EDI);
    let (start, end) = check.split_at(20);
    for value in [
        format!("{check}, sha-256"),
        format!("{check},sha256"),
        format!("  {check}  ,  SHA-256  "),
        format!("{check}, SHA2_256"),
        format!("{check}, rsa-sha256"),
        format!("{check}, \"sha-256\""),
        format!("{check}, sha-256 (SHA-2)"),
        format!("{check},\r\n\tsha-256"),
        format!("{start}\r\n {end}, sha-256"),
        format!("{check}; sha-256"),
    ] {
        let fields = format!("original-message-id: {}\r\nDISPOSITION: {PROCESSED}\r\n", pending.message_id());
        for name in ["Received-content-MIC", "Received-Content-Mic", "received-content-mic", "RECEIVED-CONTENT-MIC "] {
            let receipt = unsigned(&format!("{fields}{name}: {value}\r\n"));
            assert_eq!(proof(&pending, &receipt), Some(Proof::UnsignedWithMic), "{name}: {value}");
        }
    }
}

#[test]
fn a1_20_a_missing_check_is_a_weaker_proof_or_none() {
    let pending = bare(Compression::None).pending;
    assert_eq!(proof(&pending, &with_mic(&pending, "")), Some(Proof::UnsignedNoMic));
    let waiting = waiting(ReceiptKind::Signed, false);
    let judged = outcome(&waiting, &signed(&fields(PROCESSED, None, "")));
    assert!(matches!(judged, Outcome::Dispute(Dispute::MicMissing, _)), "{judged:?}");
    let error = "automatic-action/MDN-sent-automatically; processed/error: decryption-failed";
    let judged = outcome(&waiting, &signed(&fields(error, None, "")));
    assert!(matches!(judged, Outcome::Refuse(..)), "{judged:?}");
}

/// mendelson and as2-lib write a mismatch into their log and go on.
#[test]
fn a1_21_a_mismatch_is_never_a_delivery() {
    let pending = waiting(ReceiptKind::Signed, false);
    let more = format!("Received-content-MIC: {}, sha-256\r\n", mic(b"something else"));
    let response = signed(&fields(PROCESSED, None, &more));
    let judged = outcome(&pending, &response);
    let Outcome::Dispute(dispute @ Dispute::MicMismatch { .. }, evidence) = judged else { panic!("{judged:?}") };
    assert_eq!((evidence.proof(), dispute.code()), (None, "MIC_MISMATCH"));
    assert!(evidence.signer().is_some());
}
