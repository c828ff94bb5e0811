//! Signatures that differ from a good one in a single place, each refused for what it is.

use bytes::Bytes;

use crate::algorithm::{DigestAlgorithm, PssParameters, SignatureScheme};
use crate::cms::signed::set_of;
use crate::cms::write::{oid as write_oid, tlv};
use crate::cms::{ber, oid};
use crate::crypto::{SignRequest, SigningKey};
use crate::error::{AuthenticationFault, ReceiveError};
use crate::note::Note;
use crate::smime::fixtures::{
    Pair, Signer, algorithm, alice_sign, attribute, check, children, content_info, content_type, message_digest, null,
    sha256, signed_data,
};

const ORDER: &[u8] = b"Content-Type: application/edi-x12\r\n\r\nISA*00*          *00*          *ZZ*ALICE";

fn verdict(signer: &Signer, trusted: &Pair) -> Result<Vec<Note>, ReceiveError> {
    check(ORDER, signed_data(&[signer], &[]), &[trusted]).map(|(_, notes)| notes)
}

fn text(signer: &Signer, trusted: &Pair) -> String {
    verdict(signer, trusted).map(|notes| format!("accepted {notes:?}")).unwrap_or_else(|error| error.to_string())
}

/// An element with a length in more octets than needed.
fn long_length(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, 0x82, 0, u8::try_from(content.len()).unwrap()], content].concat()
}

#[test]
fn x03_attributes_in_ber_are_signed_in_der() {
    let alice = alice_sign();
    let digest = sha256(ORDER);
    let (head, tail) = digest.as_bytes().split_at(7);
    let constructed =
        tlv(ber::OCTET_STRING_CONSTRUCTED, &[&tlv(ber::OCTET_STRING, &[head]), &tlv(ber::OCTET_STRING, &[tail])]);
    let indefinite = [&[ber::SEQUENCE, 0x80], children(&content_type())[0].content(), &[0, 0]].concat();
    let der = set_of(&[content_type(), message_digest(ORDER)].concat());
    for written in [
        [content_type(), attribute(&oid::MESSAGE_DIGEST, &[&constructed])].concat(),
        [long_length(ber::SEQUENCE, children(&content_type())[0].content()), message_digest(ORDER)].concat(),
        [indefinite, message_digest(ORDER)].concat(),
    ] {
        // RFC 5652 section 5.4: whatever the encoding on the wire, DER is signed.
        let proper = Signer::new(&alice, Some(written.clone()), alice.sign(&der));
        assert_eq!(verdict(&proper, &alice), Ok(vec![Note::AttributeOrder]));
        let forged = Signer::new(&alice, Some(written.clone()), alice.sign(&set_of(&written)));
        let error = verdict(&forged, &alice).unwrap_err();
        assert!(matches!(error, ReceiveError::Authentication(AuthenticationFault::InvalidSignature { .. })), "{error}");
    }
}

#[test]
fn nothing_stands_behind_the_last_element_of_a_structure() {
    let alice = alice_sign();
    let usual = Signer::usual(&alice, ORDER);
    let extra = tlv(ber::OCTET_STRING, &[b"garbage"]);
    let grown = |element: &[u8]| tlv(element[0], &[children(element)[0].content(), &extra]);
    let sid = Signer { sid: grown(&alice.issuer_and_serial()), ..usual.clone() };
    let parameters = Some(Bytes::from([&[5, 0], &extra[..]].concat()));
    let digest = Signer { digest: algorithm(DigestAlgorithm::Sha256.oid(), parameters.clone()), ..usual.clone() };
    let signature = Signer { algorithm: algorithm(oid::RSA_ENCRYPTION, parameters), ..usual.clone() };
    let attributes = Signer::over(&alice, &[content_type(), grown(&message_digest(ORDER))]);
    for (signer, structure) in [
        (sid, "issuer and serial number"),
        (digest, "an algorithm"),
        (signature, "an algorithm"),
        (attributes, "an attribute"),
    ] {
        let text = text(&signer, &alice);
        assert!(text.contains(&format!("signature: {structure} is followed by further elements")), "{text}");
    }
    let inner = [
        crate::cms::write::integer(1),
        tlv(ber::SET, &[&usual.digest.encode()]),
        tlv(ber::SEQUENCE, &[&write_oid(&oid::DATA)]),
        tlv(ber::SET, &[&grown(&usual.encode())]),
    ];
    let error = check(ORDER, content_info(&oid::SIGNED_DATA, &inner.concat()), &[&alice]).unwrap_err().to_string();
    assert!(error.contains("SignerInfo is followed by further elements"), "{error}");
    let behind = [&signed_data(&[&usual], &[])[..], &extra].concat();
    let error = check(ORDER, behind, &[&alice]).unwrap_err().to_string();
    assert!(error.contains("octets follow the structure"), "{error}");
}

#[test]
fn signature_values_are_taken_as_a_whole() {
    let alice = alice_sign();
    let usual = Signer::usual(&alice, ORDER);
    let (value, mut flipped) = (usual.signature.clone(), usual.signature.clone());
    flipped[255] ^= 1;
    for bad in [Vec::new(), value[1..].to_vec(), [&[0], &value[..]].concat(), [&value[..], &[0]].concat(), flipped] {
        let error = verdict(&Signer { signature: bad, ..usual.clone() }, &alice).unwrap_err();
        assert!(matches!(error, ReceiveError::Authentication(AuthenticationFault::InvalidSignature { .. })), "{error}");
    }
}

/// Alice's order, signed with RSASSA-PSS, under these parameters.
fn pss(alice: &Pair, parameters: Option<Vec<u8>>) -> Signer {
    let attributes = [content_type(), message_digest(ORDER)].concat();
    let scheme = SignatureScheme::rsa_pss(DigestAlgorithm::Sha256);
    let signature = alice.key.sign(&SignRequest::new(scheme, sha256(&set_of(&attributes)))).unwrap();
    Signer {
        algorithm: algorithm(oid::RSASSA_PSS, parameters.map(Bytes::from)),
        ..Signer::new(alice, Some(attributes), signature)
    }
}

#[test]
fn x25_pss_parameters_must_be_those_of_the_signature() {
    let alice = alice_sign();
    let usual = PssParameters::new(DigestAlgorithm::Sha256);
    let with = |parameters: PssParameters| pss(&alice, Some(parameters.to_der()));
    assert_eq!(verdict(&with(usual), &alice), Ok(Vec::new()));
    // pyas2lib leaves them out.
    let assumed = "the signature is rsa-pss without parameters; those usual for sha-256 were assumed";
    assert_eq!(verdict(&pss(&alice, None), &alice), Ok(vec![Note::Other(assumed.to_owned())]));
    for other in [usual.with_salt_len(20), usual.with_salt_len(0), usual.with_mgf1_digest(DigestAlgorithm::Sha1)] {
        assert!(text(&with(other), &alice).contains("does not verify"), "{other}");
    }
    let refused = |parameters: Vec<u8>| text(&pss(&alice, Some(parameters)), &alice);
    let begin = "the algorithms of the signature are not acceptable: ";
    let sha512 = PssParameters::new(DigestAlgorithm::Sha512).to_der();
    assert_eq!(refused(sha512), format!("{begin}rsa-pss with sha-512 is used with the digest algorithm sha-256"));
    let sha1 = vec![0x30, 0];
    assert_eq!(refused(sha1), format!("{begin}rsa-pss with sha-1 is used with the digest algorithm sha-256"));
    assert_eq!(refused(vec![5, 0]), format!("{begin}the parameters of rsa-pss cannot be read"));
    // Another trailer: the field [3] behind the others.
    let mut trailer = usual.to_der();
    trailer[1] += 5;
    trailer.extend([0xa3, 3, 2, 1, 2]);
    assert_eq!(refused(trailer), format!("{begin}rsa-pss has the trailer field 2, the only one is 1"));
}

#[test]
fn x22_algorithm_protection_covers_the_parameters() {
    let alice = alice_sign();
    let protected = |named: PssParameters| {
        let used = PssParameters::new(DigestAlgorithm::Sha256);
        let mut tagged = algorithm(oid::RSASSA_PSS, Some(named.to_der().into())).encode();
        tagged[0] = ber::CONTEXT_1_CONSTRUCTED;
        let digest = algorithm(DigestAlgorithm::Sha256.oid(), null()).encode();
        let protection = attribute(&oid::ALGORITHM_PROTECTION, &[&tlv(ber::SEQUENCE, &[&digest, &tagged])]);
        let attributes = [content_type(), message_digest(ORDER), protection].concat();
        let scheme = SignatureScheme::RsaPss(used);
        let signature = alice.key.sign(&SignRequest::new(scheme, sha256(&set_of(&attributes)))).unwrap();
        Signer {
            algorithm: algorithm(oid::RSASSA_PSS, Some(used.to_der().into())),
            ..Signer::new(&alice, Some(attributes), signature)
        }
    };
    let usual = PssParameters::new(DigestAlgorithm::Sha256);
    assert_eq!(verdict(&protected(usual), &alice), Ok(Vec::new()));
    let other = text(&protected(usual.with_salt_len(20)), &alice);
    assert!(other.contains("CMSAlgorithmProtection names other algorithms"), "{other}");
}
