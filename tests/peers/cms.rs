//! Signatures, envelopes and certificates.

use super::by_hand::SIGNED_TYPE;
use super::dissect::*;
use super::made::*;
use super::refusal::Case;
use super::support::*;
use super::*;

fn part() -> Vec<u8> {
    entity(EDI_HEAD, EDI)
}

fn signed_with(cms: &[u8]) -> Case {
    Case::new(SIGNED_TYPE, &signed_body(&part(), cms))
}

fn code(case: &Case) -> &'static str {
    case.open_sync().unwrap_err().error().code()
}

/// Every Java peer streams: BER with indefinite lengths and octet strings in pieces.
#[test]
fn a1_28_ber_is_read_in_every_layer() {
    let long: Vec<u8> = EDI.iter().copied().cycle().take(5000).collect();
    let inner = entity(EDI_HEAD, &long);
    let signature = streamed(&Signer::java("alice-sign").sign(&inner));
    let signed = entity(&format!("Content-Type: {SIGNED_TYPE}"), &signed_body(&inner, &signature));
    // Stored deflate blocks keep the stream longer than one piece.
    let mut stream = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::none());
    std::io::Write::write_all(&mut stream, &signed).unwrap();
    let packed = entity(
        &format!("Content-Type: {COMPRESSED_TYPE}"),
        &streamed(&compressed_data(&ZLIB, &stream.finish().unwrap())),
    );
    for authenticated in [false, true] {
        let envelope = streamed(&encrypt(&packed, &worked_certificate("bob-enc"), authenticated));
        let accepted = Case::new(ENVELOPED_TYPE, &envelope).accepted();
        assert_eq!((accepted.payload().body().as_ref(), accepted.mic().to_base64()), (&long[..], mic(&inner)));
        assert_eq!(accepted.layers().len(), 3);
    }
}

/// Switches against it exist in OpenAS2, as2-lib and mendelson, since IBM Sterling and DataPower fail on it.
#[test]
fn a1_29_algorithm_protection_is_checked_and_written_on_request_only() {
    let java = Signer::java("alice-sign");
    let protection = |digest: Vec<u8>| {
        let mut signature = java.signature_algorithm();
        signature[0] = 0xa1;
        vec![(PROTECTION.to_vec(), der(0x30, &[&digest, &signature]))]
    };
    let right = Signer { more: protection(java.digest_algorithm()), ..java.clone() };
    assert_eq!(signed_with(&right.sign(&part())).accepted().notes(), []);
    let other = Signer { digest: DigestAlgorithm::Sha512, ..java.clone() };
    let wrong = Signer { more: protection(other.digest_algorithm()), ..java.clone() };
    assert_eq!(code(&signed_with(&wrong.sign(&part()))), "SIGNED_ATTRIBUTES");

    let written = |on| {
        let sent = signed_only(|terms| {
            (terms.quirks.algorithm_protection, terms.quirks.signature_encoding) = (on, SignatureEncoding::Binary);
        });
        memchr::memmem::find(sent.request.body(), &PROTECTION).is_some()
    };
    assert_eq!([false, true].map(written), [false, true]);
}

/// OpenAS2 embeds none, as2-lib the signer's, mendelson the chain.
#[test]
fn a1_30_embedded_certificates_are_not_needed_and_replace_nothing() {
    let java = Signer::java("alice-sign");
    for embedded in [&[][..], &["alice-sign"], &["alice-sign", "ca"], &["ca"]] {
        let cms = signed_data(std::slice::from_ref(&java), &part(), embedded);
        assert_eq!(signed_with(&cms).accepted().notes(), [], "{embedded:?}");
    }
    let stranger = signed_data(&[Signer::java("bob-sign")], &part(), &["bob-sign", "ca"]);
    assert_eq!(code(&signed_with(&stranger)), "SIGNER_UNTRUSTED");

    let counts = [Embed::None, Embed::Leaf].map(|embed| {
        let sent = signed_only(|terms| {
            (terms.quirks.embed, terms.quirks.signature_encoding) = (embed, SignatureEncoding::Binary);
        });
        memchr::memmem::find(sent.request.body(), worked_certificate("alice-sign").der()).is_some()
    });
    assert_eq!(counts, [false, true]);
}

#[test]
fn a1_31_a_wrong_embedded_certificate_harms_nobody() {
    let cms = signed_data(&[Signer::java("alice-sign")], &part(), &["bob-enc"]);
    assert_eq!(
        signed_with(&cms).accepted().authenticity(),
        &Authenticity::Signed { certificate: worked_certificate("alice-sign") }
    );
}

#[test]
fn a1_33_old_and_new_keys_work_side_by_side() {
    let us = Identity::builder(CryptoProvider::rustcrypto())
        .signing(vec![worked_certificate("bob-sign")], worked_key("bob-sign"))
        .decrypting(worked_certificate("bob-enc"), worked_key("bob-enc"))
        .decrypting(worked_certificate("alice-enc"), worked_key("alice-enc"))
        .build()
        .unwrap();
    let partner = Partner::builder(profile(BOB, ALICE), CryptoProvider::rustcrypto())
        .verify_with(worked_certificate("bob-sign"))
        .verify_with(worked_certificate("alice-sign"))
        .encrypt_to(worked_certificate("alice-enc"))
        .build()
        .unwrap();
    for (encrypted_to, signed_by) in [("bob-enc", "alice-sign"), ("alice-enc", "bob-sign")] {
        let signed = signed_body(&part(), &Signer::java(signed_by).sign(&part()));
        let signed = entity(&format!("Content-Type: {SIGNED_TYPE}"), &signed);
        let case = Case::new(ENVELOPED_TYPE, &encrypt(&signed, &worked_certificate(encrypted_to), false));
        let accepted = case.us(us.clone()).partner(partner.clone()).accepted();
        assert_eq!(accepted.decrypted_with().unwrap().certificate(), &worked_certificate(encrypted_to));
        assert_eq!(accepted.authenticity(), &Authenticity::Signed { certificate: worked_certificate(signed_by) });
    }
}

#[test]
fn a1_34_an_envelope_for_another_certificate_is_told_with_its_name() {
    let other = worked_certificate("alice-enc");
    let case = Case::new(ENVELOPED_TYPE, &encrypt(&part(), &other, false));
    let refused = case.open_sync().unwrap_err();
    let text = refused.error().to_string();
    assert_eq!(refused.error().code(), "NO_RECIPIENT");
    assert!(text.to_lowercase().contains(&other.serial_hex()), "{text}");
}

/// What users of OpenAS2 call the settings for Amazon: no compression, the octets as sent.
#[test]
fn a1_37_the_preset_for_amazon_does_not_compress() {
    let terms = profile(ALICE, BOB).with_preset(Preset::Amazon);
    assert_eq!(terms.send.compress, Compression::None);
    assert_eq!(terms.accept.signed_form, SignedForm::Tolerant);
}

/// as2-lib and mendelson list ciphers that nobody uses any more.
#[test]
fn a1_39_capabilities_and_unknown_attributes_are_harmless() {
    let triple_des = der(0x30, &[&der(6, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x03, 0x07]])]);
    let rc2 = der(0x30, &[&der(6, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x03, 0x02]]), &[2, 2, 0, 0x80]]);
    let unknown = (vec![0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x63], der(0x0c, &[b"whatever"]));
    let more = vec![(CAPABILITIES.to_vec(), der(0x30, &[&triple_des, &rc2])), unknown];
    let signer = Signer { more, ..Signer::java("alice-sign") };
    assert_eq!(signed_with(&signer.sign(&part())).accepted().notes(), []);
}

/// as2-lib wants all signers to verify, OpenAS2 any.
#[test]
fn a1_40_one_known_signer_is_enough_and_others_are_noted() {
    let (alice, bob) = (Signer::java("alice-sign"), Signer::java("bob-sign"));
    for signers in [[alice.clone(), bob.clone()], [bob.clone(), alice]] {
        let accepted = signed_with(&signed_data(&signers, &part(), &[])).accepted();
        assert!(matches!(accepted.notes(), [Note::OtherSigner(_)]), "{:?}", accepted.notes());
    }
    assert_eq!(code(&signed_with(&signed_data(&[bob.clone(), bob], &part(), &[]))), "SIGNATURE_INVALID");
}
