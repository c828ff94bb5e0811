#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;

const ALICE_SIGN: &[u8] = include_bytes!("../../tests/vectors/worked/keys/alice-sign.crt");
const ALICE_ENC: &[u8] = include_bytes!("../../tests/vectors/worked/keys/alice-enc.crt");
const CA: &[u8] = include_bytes!("../../tests/vectors/worked/keys/ca.crt");
const EC: &[u8] = include_bytes!("../../tests/vectors/ber/ec.crt");

fn alice() -> Certificate {
    Certificate::from_pem(ALICE_SIGN).unwrap()
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82, high, low], content].concat()
}

/// A certificate with the names and the key of Alice; `version` and `rest` are whole elements.
fn assemble(version: &[u8], serial: &[u8], validity: &[u8], rest: &[u8]) -> Vec<u8> {
    let alice = alice();
    let algorithm = tlv(0x30, b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00");
    let tbs = [
        version,
        &tlv(2, serial),
        &algorithm,
        alice.issuer_der(),
        &tlv(0x30, validity),
        alice.slice(&alice.0.fields.subject),
        alice.spki_der(),
        rest,
    ];
    tlv(0x30, &[tlv(0x30, &tbs.concat()), algorithm, tlv(3, &[0; 257])].concat())
}

const VALIDITY: &[u8] = b"\x17\x0d700101000000Z\x17\x0d491231235959Z";
const V3: &[u8] = b"\xa0\x03\x02\x01\x02";

/// `openssl x509 -noout -subject -issuer -serial -dates -fingerprint -sha256 -ext subjectKeyIdentifier`
#[test]
fn fields_are_those_that_openssl_prints() {
    let certificate = alice();
    assert_eq!(certificate.subject(), "O=Alice Corp, CN=alice signing");
    assert_eq!(certificate.issuer(), "O=Worked Vectors, CN=Test CA");
    assert_eq!(certificate.serial_hex(), "291fdabfb647451efb553b94b54dce0554f97804");
    assert_eq!(hex(certificate.serial_octets()), certificate.serial_hex());
    assert_eq!(certificate.fingerprint_hex(), "b3c73b8728d4d57a24e47c148f91661efac5557dcca4007a934371c3ea5d6dd5");
    assert_eq!(hex(certificate.subject_key_id().unwrap()), "c805f08ca6d6cd23667ed7b79277af12a2c6b86c");
    // date -u -d 'Nov 23 23:12:46 2026' +%s; date -u -d 'Nov 17 23:12:46 2051' +%s
    assert_eq!(certificate.not_before(), at(1_795_475_566));
    assert_eq!(certificate.not_after(), at(2_583_875_566));
    assert_eq!(certificate.key_kind(), KeyKind::Rsa { bits: 2048 });
    // openssl x509 -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum
    let spki: [u8; 32] = Sha256::digest(certificate.spki_der()).into();
    assert_eq!(hex(&spki), "4451b88f5078308daa8551fa524b19adf8f7297ef69ef52bc12b1897e01490c9");
    assert_eq!(certificate.issuer_der()[0], 0x30);
}

#[test]
fn key_usage_decides_what_is_permitted() {
    let usage = alice().key_usage().unwrap();
    assert!(usage.digital_signature() && usage.non_repudiation());
    assert!(!usage.key_encipherment() && !usage.data_encipherment() && !usage.key_agreement());
    assert!(alice().permits_signing() && !alice().permits_encryption());
    let encryption = Certificate::from_pem(ALICE_ENC).unwrap();
    assert!(!encryption.permits_signing() && encryption.permits_encryption());
    let ca = Certificate::from_pem(CA).unwrap();
    let usage = ca.key_usage().unwrap();
    assert!(usage.key_cert_sign() && usage.crl_sign());
    assert!(!ca.permits_signing() && !ca.permits_encryption());
    let silent = Certificate::from_der(assemble(V3, &[1], VALIDITY, b"")).unwrap();
    assert_eq!(silent.key_usage(), None);
    assert!(silent.permits_signing() && silent.permits_encryption());
}

#[test]
fn keys_of_other_kinds_are_told_apart() {
    let certificate = Certificate::from_pem(EC).unwrap();
    assert_eq!(certificate.key_kind(), KeyKind::Ec(crate::EcCurve::P256));
    assert_eq!(certificate.subject(), "CN=bob");
}

#[test]
fn validity_includes_both_ends() {
    let (start, end) = (1_795_475_566, 2_583_875_566);
    let certificate = alice();
    assert!(!certificate.is_valid_at(at(start) - Duration::from_nanos(1)));
    assert!(certificate.is_valid_at(at(start)));
    assert!(certificate.is_valid_at(at(end) + Duration::from_millis(999)));
    assert!(!certificate.is_valid_at(at(end + 1)));
}

#[test]
fn dates_before_1970_and_at_the_end_of_time_are_read() {
    let validity = b"\x17\x0d500101000000Z\x18\x0f99991231235959Z";
    let certificate = Certificate::from_der(assemble(V3, &[1], validity, b"")).unwrap();
    assert_eq!(certificate.not_before(), SystemTime::UNIX_EPOCH - Duration::from_secs(631_152_000));
    assert!(certificate.is_valid_at(at(4_000_000_000)));
    let validity = b"\x17\x0d501301000000Z\x18\x0f99991231235959Z";
    let error = Certificate::from_der(assemble(V3, &[1], validity, b"")).unwrap_err();
    assert!(matches!(error, CertificateError::Malformed { part: "notBefore", .. }), "month 13");
}

#[test]
fn x13_serial_numbers_of_every_form_are_read_as_encoded() {
    for (serial, text) in [
        (&[0x00][..], "00"),
        (&[0x00, 0x91, 0x02], "9102"),
        (&[0x91, 0x02], "9102"),
        (&[0xff; 21], "ffffffffffffffffffffffffffffffffffffffffff"),
        (&[0x11; 40], "11111111111111111111111111111111111111111111111111111111111111111111111111111111"),
        (&[0x00, 0x00, 0x05], "0005"),
    ] {
        let certificate = Certificate::from_der(assemble(V3, serial, VALIDITY, b"")).unwrap();
        assert_eq!(certificate.serial_octets(), serial);
        assert_eq!(certificate.serial_hex(), text);
    }
}

#[test]
fn version_one_certificates_are_read() {
    let certificate = Certificate::from_der(assemble(b"", &[7], VALIDITY, b"")).unwrap();
    assert_eq!(certificate.issuer(), alice().issuer());
    assert_eq!(certificate.issuer_der(), alice().issuer_der());
    assert_eq!(certificate.subject_key_id(), None);
}

#[test]
fn unique_identifiers_are_skipped() {
    let rest = b"\x81\x02\x00\x01\x82\x02\x00\x02";
    assert!(Certificate::from_der(assemble(V3, &[1], VALIDITY, rest)).is_ok());
}

#[test]
fn the_first_extension_of_a_kind_counts() {
    let usage = |bits: u8| tlv(0x30, &[b"\x06\x03\x55\x1d\x0f\x04\x04\x03\x02\x00", &[bits][..]].concat());
    let unknown = tlv(0x30, b"\x06\x03\x55\x1d\x63\x01\x01\xff\x04\x01\xff");
    let extensions = tlv(0xa3, &tlv(0x30, &[unknown, usage(0x80), usage(0x20)].concat()));
    let certificate = Certificate::from_der(assemble(V3, &[1], VALIDITY, &extensions)).unwrap();
    assert!(certificate.permits_signing() && !certificate.permits_encryption());
}

#[test]
fn truncated_and_prolonged_input_is_refused() {
    let der = alice().der().to_vec();
    for end in 0..der.len() {
        assert!(Certificate::from_der(der[..end].to_vec()).is_err(), "{end} octets");
    }
    let error = Certificate::from_der([&der[..], &[0]].concat()).unwrap_err();
    assert_eq!(error, CertificateError::Malformed { part: "Certificate", offset: der.len() });
    assert_eq!(error.to_string(), format!("malformed certificate: Certificate at octet {}", der.len()));
}

#[test]
fn no_changed_octet_makes_it_panic() {
    let der = alice().der().to_vec();
    for at in 0..der.len() {
        for value in [0x00, 0x30, 0x7f, 0x80, 0x84, 0xff] {
            let mut changed = der.clone();
            changed[at] = value;
            if let Ok(certificate) = Certificate::from_der(changed) {
                let _ = (certificate.spki_der(), certificate.subject(), certificate.key_kind());
            }
        }
    }
}

#[test]
fn control_characters_stay_out_of_names() {
    let name = |text: &[u8]| {
        let attribute = tlv(0x30, &[b"\x06\x03\x55\x04\x03", &tlv(0x0c, text)[..]].concat());
        tlv(0x30, &tlv(0x31, &attribute))
    };
    assert_eq!(name_text(&name(b"a\r\nb")), "CN=a\u{fffd}\u{fffd}b");
    assert_eq!(name_text(&name("Grüße".as_bytes())), "CN=Grüße");
    assert_eq!(name_text(b"\x31\x00"), "#3100");
}

#[test]
fn pem_texts_may_hold_other_things_before() {
    let pem = [b"Bag Attributes\n    friendlyName: x\n", ALICE_SIGN, CA].concat();
    assert_eq!(Certificate::from_pem(&pem).unwrap(), alice());
    let crlf = String::from_utf8(ALICE_SIGN.to_vec()).unwrap().replace('\n', "\r\n");
    assert_eq!(Certificate::from_pem(crlf.as_bytes()).unwrap(), alice());
    let key = include_bytes!("../../tests/vectors/worked/keys/alice-sign.key");
    for bad in [&b""[..], b"abc", key, &ALICE_SIGN[..300]] {
        assert_eq!(Certificate::from_pem(bad), Err(CertificateError::NoCertificate));
    }
}

#[test]
fn equal_by_octets_and_short_in_debug() {
    assert_eq!(alice(), Certificate::from_der(alice().der().to_vec()).unwrap());
    assert_ne!(alice(), Certificate::from_pem(ALICE_ENC).unwrap());
    assert_eq!(
        format!("{:?}", alice()),
        "Certificate { subject: \"O=Alice Corp, CN=alice signing\", \
         serial: \"291fdabfb647451efb553b94b54dce0554f97804\", .. }"
    );
}

#[cfg(feature = "serde")]
#[test]
fn serde_is_base64_of_the_der() {
    let json = serde_json::to_string(&alice()).unwrap();
    assert!(json.starts_with("\"MIIDWjCC"));
    assert_eq!(serde_json::from_str::<Certificate>(&json).unwrap(), alice());
    for bad in ["\"MAA=\"", "\"*\"", "7"] {
        assert!(serde_json::from_str::<Certificate>(bad).is_err());
    }
}
