//! Every error of a received message, from the request to the receipt that answers it.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

#[path = "support/dissect.rs"]
mod dissect;
#[path = "support/refusal.rs"]
mod refusal;
mod support;

use std::sync::Arc;

use dissect::*;
use refusal::*;
use support::*;

use as2_protocol::crypto::RemoteKey;
use as2_protocol::*;

const ENVELOPED_TYPE: &str = "application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m";
const COMPRESSED_TYPE: &str = "application/pkcs7-mime; smime-type=compressed-data; name=smime.p7z";
const SIGNED_TYPE: &str = "multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=b";

fn payload_entity() -> Vec<u8> {
    entity("Content-Type: application/edi-x12", &worked("payload.x12"))
}

fn signed_by(cms: &[u8]) -> Case {
    let signature = entity("Content-Type: application/pkcs7-signature", cms);
    Case::new(SIGNED_TYPE, &multipart("b", &[&payload_entity(), &signature]))
}

/// Signed, with the signature in binary so that it can be changed.
fn signed() -> Case {
    Case::built(|terms| {
        terms.send.encrypt = None;
        terms.quirks.signature_encoding = SignatureEncoding::Binary;
    })
}

fn encrypted(content: &[u8]) -> Case {
    Case::new(ENVELOPED_TYPE, &encrypt(content, &worked_certificate("bob-enc"), false))
}

#[test]
fn mime() {
    let error = Case::new("multipart/signed; micalg=sha-256", b"--b\r\n\r\n--b--\r\n")
        .refused(Told::exactly("MIME_MALFORMED", "processed/error: unexpected-processing-error"));
    assert!(matches!(error, ReceiveError::Mime { part: "multipart/signed", .. }), "{error:?}");
    let error = Case::new(SIGNED_TYPE, b"there is no boundary in here")
        .refused(Told::exactly("MIME_MALFORMED", "processed/error: unexpected-processing-error"));
    assert!(matches!(error, ReceiveError::Mime { .. }), "{error:?}");
}

#[test]
fn envelope_format() {
    let told = || Told::exactly("ENVELOPE_MALFORMED", "processed/error: decryption-failed");
    let whole = encrypt(b"x", &worked_certificate("bob-enc"), false);
    for cms in [&b"\x30\x03\x02\x01\x05"[..], &whole[..whole.len() / 2], b"no CMS at all"] {
        let error = Case::new(ENVELOPED_TYPE, cms).refused(told());
        assert!(matches!(error, ReceiveError::EnvelopeFormat(_)), "{error:?}");
    }
}

#[test]
fn signature_format() {
    for cms in [&b"\x30\x03\x02\x01\x05"[..], b"", &nobodys_signature()[..20]] {
        let error =
            signed_by(cms).refused(Told::exactly("SIGNATURE_MALFORMED", "processed/error: authentication-failed"));
        assert!(matches!(error, ReceiveError::SignatureFormat(_)), "{error:?}");
    }
}

#[test]
fn unsupported_content() {
    let told = || Told::exactly("CONTENT_UNSUPPORTED", "processed/error: unexpected-processing-error");
    let signature = entity("Content-Type: application/pkcs7-signature", &nobodys_signature());
    let pgp = entity("Content-Type: application/pgp-signature", b"x");
    let cases = [
        Case::new(SIGNED_TYPE, &multipart("b", &[&payload_entity(), &signature, &signature])),
        Case::new(SIGNED_TYPE, &multipart("b", &[&payload_entity(), &pgp])),
        signed_by(&compressed_data(&ZLIB, &zlib(b"x"))),
        Case::new("application/pkcs7-mime; smime-type=certs-only", &nobodys_signature()),
    ];
    for case in cases {
        let error = case.refused(told());
        assert!(matches!(error, ReceiveError::UnsupportedContent(_)), "{error:?}");
    }
}

#[test]
fn no_recipient() {
    let for_alice = || Case::new(ENVELOPED_TYPE, &encrypt(b"x", &worked_certificate("alice-enc"), false));
    let error = for_alice().refused(Told::exactly("NO_RECIPIENT", "processed/error: decryption-failed"));
    assert!(matches!(error, ReceiveError::NoRecipient { .. }), "{error:?}");
    let error =
        for_alice().accepting(|terms| terms.explain = Explain::Uniform).refused(Told::uniformly("NO_RECIPIENT"));
    assert!(matches!(error, ReceiveError::NoRecipient { .. }), "{error:?}");
}

#[test]
fn unsupported_algorithm() {
    let aes256_cbc = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 42];
    let aes_wrap = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 45];
    let unknown = [&RSA[..8], &[99]].concat();
    let decryption = || Told::exactly("ALGORITHM_UNSUPPORTED", "processed/error: decryption-failed");
    let authentication = Told::exactly("ALGORITHM_UNSUPPORTED", "processed/error: authentication-failed").with_mic();
    let cases = [
        (encrypted(b"x").body(|body| patch_last(body, &aes256_cbc, &aes_wrap)), decryption(), "content encryption"),
        (encrypted(b"x").body(|body| patch_last(body, &RSA, &unknown)), decryption(), "key transport"),
        (signed().body(|body| patch_last(body, &RSA, &unknown)), authentication, "signature"),
    ];
    for (case, told, expected) in cases {
        let error = case.refused(told);
        assert!(matches!(error, ReceiveError::UnsupportedAlgorithm { what, .. } if what == expected), "{error:?}");
    }
}

#[test]
fn forbidden_algorithm() {
    let told = || Told::exactly("ALGORITHM_FORBIDDEN", "processed/error: insufficient-message-security");
    let cases = [
        (signed().accepting(|terms| terms.digests = vec![DigestAlgorithm::Sha512]), told().with_mic(), "signature"),
        (
            encrypted(b"x").accepting(|terms| terms.ciphers = vec![CipherAlgorithm::Aes256Gcm]),
            told(),
            "content encryption",
        ),
        (encrypted(b"x").accepting(|terms| terms.key_transports.clear()), told(), "key transport"),
    ];
    for (case, told, expected) in cases {
        let error = case.refused(told);
        assert!(matches!(error, ReceiveError::ForbiddenAlgorithm { what, .. } if what == expected), "{error:?}");
    }
}

#[test]
fn decryption() {
    // The last octet of the last but one block changes the last octet of the padding to more than a block.
    let error = encrypted(&payload_entity())
        .body(|body| {
            let mut body = body.to_vec();
            let at = body.len() - 17;
            body[at] ^= 0x80;
            body
        })
        .refused(Told::uniformly("DECRYPTION"));
    assert_eq!(error, ReceiveError::Decryption(DecryptionFault::Padding));

    let sealed = encrypt(&payload_entity(), &worked_certificate("bob-enc"), true);
    for at in [sealed.len() - 1, sealed.len() - 40] {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        let error = Case::new(ENVELOPED_TYPE, &changed).refused(Told::uniformly("DECRYPTION"));
        assert_eq!(error, ReceiveError::Decryption(DecryptionFault::Tag), "X-16");
    }
}

#[test]
fn decompression() {
    let stream = zlib(&payload_entity());
    let compressed = |stream: &[u8]| Case::new(COMPRESSED_TYPE, &compressed_data(&ZLIB, stream));
    let mut damaged = stream.clone();
    let checksum = damaged.len() - 1;
    damaged[checksum] ^= 1;
    let mut limits = Limits::default();
    limits.inflated = 100;
    let mut narrow = Limits::default();
    (narrow.inflate_ratio, narrow.inflate_allowance) = (1, 0);
    let twice = entity(&format!("Content-Type: {COMPRESSED_TYPE}"), &compressed_data(&ZLIB, &stream));
    type Fault = DecompressionFault;
    type Check = fn(&Fault) -> bool;
    let cases: [(Case, Check); 8] = [
        (Case::new(COMPRESSED_TYPE, b"\x30\x03\x02\x01\x05"), |fault| matches!(fault, Fault::Format(_))),
        (
            Case::new(COMPRESSED_TYPE, &compressed_data(&DATA, &stream)),
            |fault| matches!(fault, Fault::Algorithm(oid) if oid == "1.2.840.113549.1.7.1"),
        ),
        (compressed(&damaged), |fault| matches!(fault, Fault::Damaged { .. })),
        (compressed(&stream[..stream.len() - 1]), |fault| matches!(fault, Fault::Truncated { .. })),
        (compressed(&[&stream[..], b"xy"].concat()), |fault| *fault == Fault::Trailing { count: 2 }),
        (compressed(&stream).limits(limits), |fault| *fault == Fault::TooLarge { limit: 100 }),
        (compressed(&stream).limits(narrow), |fault| *fault == Fault::Ratio { ratio: 1 }),
        (compressed(&zlib(&twice)), |fault| *fault == Fault::Twice),
    ];
    for (case, expected) in cases {
        let error = case.refused(Told::exactly("DECOMPRESSION", "processed/error: decompression-failed"));
        let ReceiveError::Decompression(fault) = &error else { panic!("{error:?}") };
        assert!(expected(fault), "{fault:?}");
    }
}

#[test]
fn integrity_check() {
    let error = signed()
        .body(|body| patch_last(body, b"*ALICECORP", b"*MALLORY12"))
        .refused(Told::exactly("INTEGRITY_CHECK", "processed/error: integrity-check-failed").with_mic());
    assert_eq!(error, ReceiveError::IntegrityCheck { algorithm: DigestAlgorithm::Sha256 });
}

fn authentication_fault(case: Case, code: &'static str) -> AuthenticationFault {
    match case.refused(Told::exactly(code, "processed/error: authentication-failed").with_mic()) {
        ReceiveError::Authentication(fault) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn authentication_no_signer() {
    assert_eq!(authentication_fault(signed_by(&nobodys_signature()), "NO_SIGNER"), AuthenticationFault::NoSigner);
}

#[test]
fn authentication_untrusted_signer() {
    let case = signed().partner(worked_partner(profile(BOB, ALICE), "bob"));
    let AuthenticationFault::UntrustedSigner { subject, fingerprint } = authentication_fault(case, "SIGNER_UNTRUSTED")
    else {
        panic!("X-09")
    };
    let embedded = worked_certificate("alice-sign");
    assert_eq!((&*subject, fingerprint), (embedded.subject(), embedded.fingerprint_hex()));
}

#[test]
fn authentication_invalid_signature() {
    let nameless = Case::built(|terms| {
        terms.send.encrypt = None;
        terms.quirks.embed = Embed::None;
    });
    let wrong_key = nameless.partner(worked_partner(profile(BOB, ALICE), "bob"));
    let changed_value = signed().body(|body| {
        let mut body = body.to_vec();
        let at = memchr::memmem::rfind(&body, b"\r\n--").unwrap() - 1;
        body[at] ^= 1;
        body
    });
    for case in [wrong_key, changed_value] {
        let fault = authentication_fault(case, "SIGNATURE_INVALID");
        let AuthenticationFault::InvalidSignature { signer } = fault else { panic!("{fault:?}") };
        assert!(signer.contains("serial"), "{signer}");
    }
}

#[test]
fn authentication_attributes() {
    let sha512_with_rsa = [&RSA[..8], &[13]].concat();
    let other_algorithm = signed().body(|body| patch_last(body, &RSA, &sha512_with_rsa));
    // The first id-data is that of the content, the last one that of the contentType attribute.
    let other_type = signed().body(|body| patch_last(body, &DATA, &SIGNED));
    let fault = authentication_fault(other_type, "SIGNED_ATTRIBUTES");
    assert!(matches!(fault, AuthenticationFault::Attributes(_)), "{fault:?}");
    let fault = authentication_fault(other_algorithm, "SIGNATURE_ALGORITHM");
    assert!(matches!(fault, AuthenticationFault::Algorithm(_)), "{fault:?}");
    // rsaEncryption becomes RSASSA-PSS, and its NULL is no parameters.
    let pss = [&RSA[..8], &[10]].concat();
    let fault = authentication_fault(signed().body(|body| patch_last(body, &RSA, &pss)), "SIGNATURE_ALGORITHM");
    assert_eq!(fault, AuthenticationFault::Algorithm("the parameters of rsa-pss cannot be read".to_owned()));
}

#[test]
fn insufficient_security() {
    let plain = || {
        Case::built(|terms| {
            terms.send.sign = None;
            terms.send.encrypt = None;
        })
    };
    let told = || Told::exactly("INSUFFICIENT_SECURITY", "processed/error: insufficient-message-security");
    let cases = [
        (plain().accepting(|terms| terms.signature = Requirement::Require), "requires messages to be signed"),
        (plain().accepting(|terms| terms.encryption = Requirement::Require), "requires messages to be encrypted"),
        (signed().accepting(|terms| terms.signature = Requirement::Forbid), "forbids messages to be signed"),
    ];
    for (case, expected) in cases {
        let error = case.refused(told());
        assert_eq!(error, ReceiveError::InsufficientSecurity { rule: expected.to_owned() });
    }
    let error = Case::built(|_| ())
        .accepting(|terms| terms.encryption = Requirement::Forbid)
        .refused(Told::exactly("INSUFFICIENT_SECURITY", "processed/error: insufficient-message-security"));
    assert_eq!(error, ReceiveError::InsufficientSecurity { rule: "forbids messages to be encrypted".to_owned() });
}

#[test]
fn limit() {
    let mut limits = Limits::default();
    limits.nesting = 0;
    let error =
        signed().limits(limits.clone()).refused(Told::exactly("LIMIT", "processed/error: unexpected-processing-error"));
    assert_eq!(error, ReceiveError::Limit { what: "nesting of layers", limit: 0 }, "U-14");
    limits.nesting = 1;
    let error = Case::built(|_| ()).limits(limits).refused(Told::uniformly("LIMIT"));
    assert_eq!(error, ReceiveError::Limit { what: "nesting of layers", limit: 1 }, "U-14");
}

#[test]
fn bare_content() {
    let order = worked("payload.x12");
    let error = encrypted(&order).refused(Told::uniformly("BARE_CONTENT"));
    assert_eq!(error, ReceiveError::BareContent);
    let accepted = encrypted(&order).accepting(|terms| terms.bare_content = true).accepted();
    assert_eq!(accepted.payload().body(), &order);
}

#[test]
fn unsupported_receipt_format() {
    let told = || Told::exactly("RECEIPT_FORMAT", "failed/failure: unsupported format");
    let error = signed()
        .options("signed-receipt-protocol=required, pgp-signature; signed-receipt-micalg=optional, sha-256")
        .refused(told().unsigned());
    assert_eq!(error, ReceiveError::UnsupportedReceiptFormat("pgp-signature".to_owned()), "Z-13");
    let unknown = "signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, sha-256; \
                   signed-receipt-seal=required, wax";
    let error = signed().options(unknown).refused(told());
    assert_eq!(error, ReceiveError::UnsupportedReceiptFormat("signed-receipt-seal".to_owned()), "Q-13");
    let optional = "signed-receipt-protocol=optional, pgp-signature; signed-receipt-micalg=optional, sha-256";
    assert!(signed().options(optional).accepted().evidence().is_some(), "Q-11");
}

#[test]
fn unsupported_mic_algorithms() {
    let told = || Told::exactly("RECEIPT_MIC_ALGORITHMS", "failed/failure: unsupported MIC-algorithms");
    let options =
        |list: &str| format!("signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg={list}");
    let error = signed().options(&options("required, md2, rsa-foo")).refused(told());
    assert_eq!(error, ReceiveError::UnsupportedMicAlgorithms("md2, rsa-foo".to_owned()), "Z-14");
    let mic = signed().options(&options("optional, md2")).accepted().mic().algorithm();
    assert_eq!(mic, DigestAlgorithm::Sha256, "Q-11");
    let weak = |terms: &mut AcceptTerms| terms.weak_receipt = WeakReceipt::Refuse;
    let error = signed().accepting(weak).options(&options("optional, sha1")).refused(told());
    assert_eq!(error, ReceiveError::UnsupportedMicAlgorithms("sha1".to_owned()), "U-06");
    let mic = signed().accepting(weak).options(&options("optional, sha1, sha-256")).accepted().mic().algorithm();
    assert_eq!(mic, DigestAlgorithm::Sha256, "U-06: not only weak ones");
}

#[test]
fn key_unavailable() {
    let key = RemoteKey::new("hsm", &worked_certificate("bob-enc"), [7; 32]);
    let us = Identity::builder(CryptoProvider::rustcrypto())
        .signing(vec![worked_certificate("bob-sign")], worked_key("bob-sign"))
        .decrypting(worked_certificate("bob-enc"), Arc::new(key))
        .build()
        .unwrap();
    let case = encrypted(&payload_entity()).us(us);
    for refused in [case.open_sync(), case.open_async(ASYNC_URL), case.open(&[])].map(Result::unwrap_err) {
        let expected = ReceiveError::KeyUnavailable("the key answers later".to_owned());
        assert_eq!((refused.error(), refused.error().code()), (&expected, "KEY_UNAVAILABLE"));
        let reply = refused.mdn().build(now());
        assert_eq!((reply.response.status().as_u16(), reply.response.body().len()), (503, 0));
        assert_eq!((reply.response.header("retry-after"), &reply.follow_up), (Some("60"), &FollowUp::None));
        let answered = pending().on_response(Ok(&reply.response.to_response()), &bob(), now());
        assert_eq!(answered.advice(), Advice::RetrySameId);
    }
}
