//! Signatures in the forms that products write, and in those that nobody may accept.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use const_oid::ObjectIdentifier;

use crate::algorithm::{DigestAlgorithm, SignatureScheme};
use crate::certificate::Certificate;
use crate::cms::content::ContentInfo;
use crate::cms::signed::set_of;
use crate::cms::write::{integer, oid as write_oid, tlv};
use crate::cms::{AlgorithmIdentifier, ber, oid};
use crate::crypto::{DigestValue, VerifierProvider, VerifyError};
use crate::error::{AuthenticationFault, ReceiveError, SIGNATURE};
use crate::limits::Limits;
use crate::note::Note;
use crate::smime::fixtures::{
    Der, Pair, Signer, algorithm, alice_sign, attribute, bob_sign, check, children, content_info, content_type,
    message_digest, null, read, sha256, signed_data, terms, vector,
};
use crate::smime::verify::{read_signature, verify};

const ORDER: &[u8] = b"Content-Type: application/edi-x12\r\n\r\nISA*00*          *00*          *ZZ*ALICE";

fn notes(signers: &[&Signer], trusted: &Pair) -> Vec<Note> {
    check(ORDER, signed_data(signers, &[]), &[trusted]).unwrap().1
}

fn fault(signers: &[&Signer], trusted: &Pair) -> ReceiveError {
    check(ORDER, signed_data(signers, &[]), &[trusted]).unwrap_err()
}

fn attribute_fault(signer: &Signer, trusted: &Pair) -> String {
    match fault(&[signer], trusted) {
        ReceiveError::Authentication(AuthenticationFault::Attributes(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn x02_signers_are_named_by_issuer_and_serial_or_by_key_identifier() {
    let alice = alice_sign();
    let by_serial = Signer::usual(&alice, ORDER);
    assert_eq!(notes(&[&by_serial], &alice), []);
    let by_key_id = Signer { version: 3, sid: alice.key_id(), ..by_serial };
    assert_eq!(notes(&[&by_key_id], &alice), []);
    // The name is a hint: a renewed certificate holds the same key.
    let by_other = Signer { sid: bob_sign().issuer_and_serial(), ..by_key_id };
    assert_eq!(notes(&[&by_other], &alice), []);
}

#[test]
fn x03_attributes_out_of_order_verify_however_they_were_signed() {
    let alice = alice_sign();
    let mut sorted = vec![content_type(), message_digest(ORDER)];
    sorted.sort();
    let reversed: Vec<_> = sorted.iter().rev().cloned().collect();
    let value = |signed: &[Vec<u8>]| alice.sign(&set_of(&signed.concat()));
    let signer = |written: &[Vec<u8>], signed: &[Vec<u8>]| Signer::new(&alice, Some(written.concat()), value(signed));
    assert_eq!(notes(&[&signer(&sorted, &sorted)], &alice), []);
    assert_eq!(notes(&[&signer(&reversed, &reversed)], &alice), []);
    assert_eq!(notes(&[&signer(&reversed, &sorted)], &alice), [Note::AttributeOrder]);
    // What was written in order was signed in order.
    let disordered = fault(&[&signer(&sorted, &reversed)], &alice);
    assert!(matches!(disordered, ReceiveError::Authentication(AuthenticationFault::InvalidSignature { .. })));
}

#[test]
fn x03_the_signature_covers_the_set_and_not_the_tag_on_the_wire() {
    let alice = alice_sign();
    let content = [content_type(), message_digest(ORDER)].concat();
    let implicit = tlv(ber::CONTEXT_0_CONSTRUCTED, &[&content]);
    let signer = Signer::new(&alice, Some(content), alice.sign(&implicit));
    let error = fault(&[&signer], &alice);
    assert!(matches!(error, ReceiveError::Authentication(AuthenticationFault::InvalidSignature { .. })));
}

#[test]
fn x04_without_attributes_the_signature_covers_the_content() {
    let alice = alice_sign();
    let signer = Signer::new(&alice, None, alice.sign(ORDER));
    assert_eq!(notes(&[&signer], &alice), []);
    let error = check(b"another order", signed_data(&[&signer], &[]), &[&alice]).unwrap_err();
    assert!(matches!(error, ReceiveError::Authentication(AuthenticationFault::InvalidSignature { .. })), "{error:?}");
}

#[test]
fn x04_a_signature_over_attributes_needs_its_attributes() {
    let alice = alice_sign();
    let signer = Signer { attributes: None, ..Signer::usual(&alice, ORDER) };
    let error = fault(&[&signer], &alice);
    assert!(matches!(error, ReceiveError::Authentication(AuthenticationFault::InvalidSignature { .. })), "{error:?}");
}

#[test]
fn x05_a_changed_content_is_an_integrity_failure() {
    let alice = alice_sign();
    let signer = Signer::usual(&alice, ORDER);
    let expected = ReceiveError::IntegrityCheck { algorithm: DigestAlgorithm::Sha256 };
    let mut changed = ORDER.to_vec();
    for at in 0..changed.len() {
        changed[at] ^= 1;
        assert_eq!(check(&changed, signed_data(&[&signer], &[]), &[&alice]).unwrap_err(), expected, "{at}");
        changed[at] ^= 1;
    }
    // Whoever signed it.
    assert_eq!(check(b"", signed_data(&[&signer], &[]), &[&bob_sign()]).unwrap_err(), expected);
}

#[test]
fn x05_content_type_and_message_digest_stand_there_once_with_one_value() {
    let alice = alice_sign();
    let digest = tlv(ber::OCTET_STRING, &[sha256(ORDER).as_bytes()]);
    let data = write_oid(&oid::DATA);
    let cases: [(&str, Vec<Vec<u8>>); 8] = [
        ("messageDigest", vec![content_type()]),
        ("messageDigest", vec![content_type(), message_digest(ORDER), message_digest(ORDER)]),
        ("messageDigest", vec![content_type(), message_digest(b"other"), message_digest(ORDER)]),
        ("messageDigest", vec![content_type(), attribute(&oid::MESSAGE_DIGEST, &[&digest, &digest])]),
        ("messageDigest", vec![content_type(), attribute(&oid::MESSAGE_DIGEST, &[])]),
        ("contentType", vec![message_digest(ORDER)]),
        ("contentType", vec![content_type(), content_type(), message_digest(ORDER)]),
        ("contentType", vec![attribute(&oid::CONTENT_TYPE, &[&data, &data]), message_digest(ORDER)]),
    ];
    for (name, attributes) in cases {
        let text = attribute_fault(&Signer::over(&alice, &attributes), &alice);
        assert!(text.contains(name), "{text}");
    }
    let empty = attribute_fault(&Signer::over(&alice, &[]), &alice);
    assert!(empty.contains("messageDigest"), "{empty}");
}

#[test]
fn x05_content_type_is_that_of_the_content() {
    let alice = alice_sign();
    let other = attribute(&oid::CONTENT_TYPE, &[&write_oid(&oid::COMPRESSED_DATA)]);
    let text = attribute_fault(&Signer::over(&alice, &[other, message_digest(ORDER)]), &alice);
    assert!(text.contains("contentType is 1.2.840.113549.1.9.16.1.9"), "{text}");
}

#[test]
fn x08_one_valid_signer_suffices_and_the_others_are_told() {
    let (alice, bob) = (alice_sign(), bob_sign());
    let valid = Signer::usual(&alice, ORDER);
    let unknown = Signer::usual(&bob, ORDER);
    let foreign = Signer { algorithm: algorithm(ObjectIdentifier::new_unwrap("1.3.101.113"), None), ..unknown.clone() };
    for other in [&unknown, &foreign] {
        for order in [[&valid, other], [other, &valid]] {
            let found = notes(&order, &alice);
            assert!(matches!(found.as_slice(), [Note::OtherSigner(_)]), "{found:?}");
        }
    }
    let (verified, none) = check(ORDER, signed_data(&[&valid, &unknown], &[]), &[&alice, &bob]).unwrap();
    assert_eq!((verified.certificate(), none), (&alice.certificate, Vec::new()));
    let error = fault(&[&unknown, &foreign], &alice);
    assert!(matches!(error, ReceiveError::Authentication(AuthenticationFault::InvalidSignature { .. })));
    let unsupported = ReceiveError::UnsupportedAlgorithm { what: SIGNATURE, algorithm: "1.3.101.113".to_owned() };
    assert_eq!(fault(&[&foreign], &alice), unsupported);
}

#[test]
fn x09_an_embedded_certificate_does_not_make_its_key_trusted() {
    let (alice, bob) = (alice_sign(), bob_sign());
    let embedded = tlv(ber::CONTEXT_0_CONSTRUCTED, &[bob.certificate.der()]);
    match check(ORDER, signed_data(&[&Signer::usual(&bob, ORDER)], &embedded), &[&alice]).unwrap_err() {
        ReceiveError::Authentication(AuthenticationFault::UntrustedSigner { subject, fingerprint }) => {
            assert_eq!(subject, bob.certificate.subject());
            assert_eq!(fingerprint, bob.certificate.fingerprint_hex());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn x21_certificates_alone_are_read_and_prove_nothing() {
    let (alice, bob) = (alice_sign(), bob_sign());
    let certificates = [alice.certificate.der(), bob.certificate.der()];
    let cms = signed_data(&[], &tlv(ber::CONTEXT_0_CONSTRUCTED, &certificates));
    let ContentInfo::Signed(signed) = read(cms.clone()).0 else { panic!() };
    assert_eq!(signed.certificates, certificates);
    assert_eq!((signed.signers.len(), signed.content), (0, None));
    let error = check(ORDER, cms, &[&alice]).unwrap_err();
    assert_eq!(error, ReceiveError::Authentication(AuthenticationFault::NoSigner));
}

/// CMSAlgorithmProtection (RFC 6211 section 2).
fn protection(digest: &AlgorithmIdentifier, signature: &AlgorithmIdentifier) -> Vec<u8> {
    let mut tagged = signature.encode();
    tagged[0] = ber::CONTEXT_1_CONSTRUCTED;
    attribute(&oid::ALGORITHM_PROTECTION, &[&tlv(ber::SEQUENCE, &[&digest.encode(), &tagged])])
}

#[test]
fn x22_algorithm_protection_must_name_the_algorithms_in_use() {
    let alice = alice_sign();
    let over = |more: &[Vec<u8>]| Signer::over(&alice, &[&[content_type(), message_digest(ORDER)], more].concat());
    let sha256 = algorithm(DigestAlgorithm::Sha256.oid(), None);
    let rsa = algorithm(oid::RSA_ENCRYPTION, null());
    assert_eq!(notes(&[&over(&[protection(&sha256, &rsa)])], &alice), []);
    // Parameters may be NULL or absent on either side.
    let (with_null, without) = (AlgorithmIdentifier { parameters: null(), ..sha256.clone() }, algorithm(rsa.oid, None));
    assert_eq!(notes(&[&over(&[protection(&with_null, &without)])], &alice), []);

    let named = "CMSAlgorithmProtection";
    let sha512 = algorithm(DigestAlgorithm::Sha512.oid(), None);
    let other = algorithm(oid::SHA512_WITH_RSA, null());
    let damaged = attribute(&oid::ALGORITHM_PROTECTION, &[&tlv(ber::SEQUENCE, &[])]);
    let twice = protection(&sha256, &rsa);
    for wrong in [
        vec![protection(&sha512, &rsa)],
        vec![protection(&sha256, &other)],
        vec![twice.clone(), twice],
        vec![attribute(&oid::ALGORITHM_PROTECTION, &[])],
    ] {
        let text = attribute_fault(&over(&wrong), &alice);
        assert!(text.contains(named), "{text}");
    }
    let text = attribute_fault(&over(&[damaged]), &alice);
    assert!(text.contains("a digest algorithm is missing"), "{text}");
}

#[test]
fn x23_parameters_of_digest_and_signature_may_be_null_or_absent() {
    let alice = alice_sign();
    let usual = Signer::usual(&alice, ORDER);
    for digest in [None, null()] {
        for signature in [None, null()] {
            let signer = Signer {
                digest: algorithm(DigestAlgorithm::Sha256.oid(), digest.clone()),
                algorithm: algorithm(oid::RSA_ENCRYPTION, signature),
                ..usual.clone()
            };
            assert_eq!(notes(&[&signer], &alice), []);
        }
    }
}

#[test]
fn x24_rsa_with_and_without_the_digest_in_its_name_is_one_algorithm() {
    let alice = alice_sign();
    let usual = Signer::usual(&alice, ORDER);
    for name in [oid::RSA_ENCRYPTION, oid::SHA256_WITH_RSA] {
        let signer = Signer { algorithm: algorithm(name, null()), ..usual.clone() };
        let (verified, _) = check(ORDER, signed_data(&[&signer], &[]), &[&alice]).unwrap();
        assert_eq!(verified.scheme().digest(), DigestAlgorithm::Sha256);
    }
    let contradictory = Signer { algorithm: algorithm(oid::SHA512_WITH_RSA, null()), ..usual };
    let text = fault(&[&contradictory], &alice).to_string();
    assert!(text.ends_with("rsa-pkcs1-v1.5 with sha-512 is used with the digest algorithm sha-256"), "{text}");
}

#[test]
fn x30_what_stands_beside_the_signature_is_ignored() {
    let alice = alice_sign();
    let mut with_unsigned = Signer::usual(&alice, ORDER).encode();
    let unsigned = tlv(ber::CONTEXT_1_CONSTRUCTED, &[&attribute(&oid::SIGNING_TIME, &[&tlv(0x17, &[b"0"])])]);
    let certificates = tlv(
        ber::CONTEXT_0_CONSTRUCTED,
        &[
            // PKCS #6, attribute certificates of both versions, others.
            &tlv(0xa0, &[&integer(0)]),
            &tlv(0xa1, &[&integer(1)]),
            &tlv(0xa2, &[&integer(2)]),
            &tlv(0xa3, &[&write_oid(&oid::DATA)]),
            &tlv(ber::SEQUENCE, &[b"\x02\x01\x07"]),
        ],
    );
    let revocations = tlv(ber::CONTEXT_1_CONSTRUCTED, &[&tlv(ber::SEQUENCE, &[]), &tlv(0xa1, &[&integer(0)])]);
    let plain = signed_data(&[&Signer::usual(&alice, ORDER)], &[certificates.clone(), revocations.clone()].concat());
    assert_eq!(check(ORDER, plain, &[&alice]).unwrap().1, []);

    with_unsigned = tlv(ber::SEQUENCE, &[&[children(&with_unsigned)[0].content(), &unsigned].concat()]);
    let inner = [
        integer(4),
        tlv(ber::SET, &[]),
        tlv(ber::SEQUENCE, &[&write_oid(&oid::DATA)]),
        certificates,
        revocations,
        tlv(ber::SET, &[&with_unsigned]),
    ];
    let cms = content_info(&oid::SIGNED_DATA, &inner.concat());
    assert_eq!(check(ORDER, cms, &[&alice]).unwrap().1, []);
}

#[test]
fn x30_the_serial_number_of_an_embedded_certificate_may_be_of_any_length() {
    let alice = alice_sign();
    let serial = [0x71; 40];
    let certificate = children(alice.certificate.der()).remove(0);
    let mut fields = children(certificate.content());
    let mut tbs = children(fields[0].content());
    tbs[1] = Der(tlv(ber::INTEGER, &[&serial]));
    let tbs: Vec<_> = tbs.into_iter().flat_map(|field| field.0).collect();
    fields[0] = Der(tlv(ber::SEQUENCE, &[&tbs]));
    let fields: Vec<_> = fields.into_iter().flat_map(|field| field.0).collect();
    let embedded = tlv(ber::CONTEXT_0_CONSTRUCTED, &[&tlv(ber::SEQUENCE, &[&fields])]);
    let sid = tlv(ber::SEQUENCE, &[alice.certificate.issuer_der(), &tlv(ber::INTEGER, &[&serial])]);
    let signer = Signer { sid, ..Signer::usual(&alice, ORDER) };
    assert_eq!(check(ORDER, signed_data(&[&signer], &embedded), &[&alice]).unwrap().1, []);
}

/// Counts how often content is read for a signature over the message itself.
#[derive(Default)]
struct Counting(AtomicUsize);

impl VerifierProvider for Counting {
    fn verify(
        &self,
        _: SignatureScheme,
        _: &[u8],
        _: &DigestValue,
        message: Option<&[u8]>,
        _: &[u8],
    ) -> Result<(), VerifyError> {
        assert!(message.is_some_and(|message| message.starts_with(ORDER)));
        self.0.fetch_add(1, Ordering::Relaxed);
        Err(VerifyError::InvalidSignature)
    }
}

#[test]
fn x28_content_is_read_a_bounded_number_of_times_whatever_signers_want() {
    let alice = alice_sign();
    let signer = Signer {
        digest: algorithm(DigestAlgorithm::Sha512.oid(), None),
        algorithm: algorithm(oid::ED25519, None),
        attributes: None,
        ..Signer::usual(&alice, ORDER)
    };
    let signed = read_signature(signed_data(&[&signer; 64], &[]).into(), &Limits::default()).unwrap();
    let ed25519 = Certificate::from_pem(vector!("signatures/ed25519.crt")).unwrap();
    let counting = Arc::new(Counting::default());
    let mut terms = terms(&[]);
    terms.signers.trusted = vec![alice.certificate, ed25519];
    terms.provider = terms.provider.with_verifiers(counting.clone());
    let refused = verify(ORDER.into(), &signed, &terms, &mut Vec::new()).unwrap_err();
    assert_eq!(counting.0.load(Ordering::Relaxed), 16);
    assert_eq!(refused.error.code(), "SIGNATURE_INVALID");
}
