//! Envelopes and compression in the forms that products write, and in those that nobody may accept.

use bytes::Bytes;
use const_oid::ObjectIdentifier;
use flate2::Compression;
use flate2::write::{DeflateEncoder, ZlibEncoder};
use std::io::Write as _;

use crate::algorithm::{CipherAlgorithm, DigestAlgorithm, KeyTransport};
use crate::cms::enveloped::parameters::{aead as gcm_parameters, iv as cbc_parameters};
use crate::cms::signed::set_of;
use crate::cms::write::{integer, oid as write_oid, tlv};
use crate::cms::{self, AlgorithmIdentifier, ErrorKind, ber, oid};
use crate::crypto::content::EncryptStream;
use crate::error::{CONTENT_ENCRYPTION, DecompressionFault, DecryptionFault, KEY_TRANSPORT, ReceiveError};
use crate::smime::fixtures::{
    Pair, algorithm, alice_enc, attribute, bob_enc, children, content_info, content_type, decrypting, message_digest,
    now, null, open, provider, read,
};
use crate::{Identity, Inbound, Limits, MessageParser, Partner, PartnerProfile, Requirement};

const ORDER: &[u8] = b"Content-Type: application/edi-x12\r\n\r\nISA*00*          *00*          *ZZ*ALICE";

/// Writes an envelope for `ORDER` to recipients given by RecipientIdentifier and version.
fn envelope(cipher: CipherAlgorithm, before: &[Vec<u8>], to: &[(&Pair, Vec<u8>)], after: &[Vec<u8>]) -> Vec<u8> {
    let (key, iv) = (vec![0x42; cipher.key_len()], vec![0x17; cipher.iv_len()]);
    let mut infos = before.to_vec();
    for (pair, rid) in to {
        let wrapped = provider().wrap_key(KeyTransport::RsaPkcs1v15, pair.certificate.spki_der(), &key).unwrap();
        infos.push(recipient(2, rid, &algorithm(oid::RSA_ENCRYPTION, null()), &wrapped));
    }
    infos.extend_from_slice(after);
    let infos: Vec<_> = infos.iter().map(Vec::as_slice).collect();
    let parameters = if cipher.is_authenticated() { gcm_parameters(&iv, 16) } else { cbc_parameters(&iv) };
    sealed(cipher, &tlv(ber::SET, &infos), Gcm { key: &key, iv: &iv, parameters, attributes: None, tag: 16 })
}

fn recipient(version: u8, rid: &[u8], transport: &AlgorithmIdentifier, wrapped: &[u8]) -> Vec<u8> {
    tlv(ber::SEQUENCE, &[&integer(version), rid, &transport.encode(), &tlv(ber::OCTET_STRING, &[wrapped])])
}

struct Gcm<'a> {
    key: &'a [u8],
    iv: &'a [u8],
    parameters: Bytes,
    /// Content of the authenticated attributes, as it is written.
    attributes: Option<Vec<u8>>,
    /// Octets of the tag that are written.
    tag: usize,
}

/// EnvelopedData or AuthEnvelopedData around `ORDER`, after the given elements.
fn sealed(cipher: CipherAlgorithm, head: &[u8], gcm: Gcm<'_>) -> Vec<u8> {
    let mut all: Vec<_> =
        gcm.attributes.iter().flat_map(|content| children(content)).map(|attribute| attribute.0).collect();
    all.sort();
    let aad = gcm.attributes.as_ref().map(|_| set_of(&all.concat())).unwrap_or_default();
    let mut stream = EncryptStream::new(provider().ciphers().encryptor(cipher, gcm.key, gcm.iv, &aad).unwrap());
    let mut content = Vec::new();
    stream.push(ORDER, &mut content);
    let tag = stream.finish(&mut content);
    let algorithm = algorithm(cipher.oid(), Some(gcm.parameters)).encode();
    let encrypted = [write_oid(&oid::DATA), algorithm, tlv(ber::CONTEXT_0, &[&content])].concat();
    let mut inner = [&integer(0), head, &tlv(ber::SEQUENCE, &[&encrypted])].concat();
    if !cipher.is_authenticated() {
        return content_info(&oid::ENVELOPED_DATA, &inner);
    }
    inner.extend(gcm.attributes.map(|content| tlv(ber::CONTEXT_1_CONSTRUCTED, &[&content])).unwrap_or_default());
    inner.extend(tlv(ber::OCTET_STRING, &[&tag[..gcm.tag]]));
    content_info(&oid::AUTH_ENVELOPED_DATA, &inner)
}

fn opens(octets: Vec<u8>, us: &Identity) {
    let opened = open(read(octets).0, us).unwrap();
    assert_eq!((opened.content.as_ref(), opened.taint), (ORDER, None));
}

/// A set with one recipient, Bob.
fn to_bob(key: &[u8]) -> Vec<u8> {
    let bob = bob_enc();
    let wrapped = provider().wrap_key(KeyTransport::RsaPkcs1v15, bob.certificate.spki_der(), key).unwrap();
    let rsa = algorithm(oid::RSA_ENCRYPTION, null());
    tlv(ber::SET, &[&recipient(0, &bob.issuer_and_serial(), &rsa, &wrapped)])
}

#[test]
fn x10_versions_and_originator_information_do_not_matter() {
    let us = decrypting(&[bob_enc()]);
    let (key, iv) = ([0x42; 32], [0x17; 16]);
    let certificates = tlv(ber::CONTEXT_0_CONSTRUCTED, &[alice_enc().certificate.der()]);
    let originator = tlv(ber::CONTEXT_0_CONSTRUCTED, &[&certificates]);
    let head = [originator, to_bob(&key)].concat();
    let gcm = Gcm { key: &key, iv: &iv, parameters: cbc_parameters(&iv), attributes: None, tag: 0 };
    opens(sealed(CipherAlgorithm::Aes256Cbc, &head, gcm), &us);
    let gcm = Gcm { key: &key, iv: &iv[..12], parameters: gcm_parameters(&iv[..12], 16), attributes: None, tag: 16 };
    opens(sealed(CipherAlgorithm::Aes256Gcm, &head, gcm), &us);
}

#[test]
fn x11_our_recipient_is_found_wherever_it_stands() {
    let (alice, bob) = (alice_enc(), bob_enc());
    let us = decrypting(std::slice::from_ref(&bob));
    let agreement = tlv(ber::CONTEXT_1_CONSTRUCTED, &[&integer(3)]);
    let password = tlv(0xa3, &[&integer(0)]);
    for cipher in [CipherAlgorithm::Aes128Cbc, CipherAlgorithm::Aes256Gcm] {
        for rid in [bob.issuer_and_serial(), bob.key_id()] {
            let ours = (&bob, rid);
            let other = (&alice, alice.issuer_and_serial());
            opens(envelope(cipher, &[], &[ours.clone(), other.clone()], &[]), &us);
            opens(envelope(cipher, &[], &[other.clone(), ours.clone()], &[]), &us);
            let mixed = [password.clone(), agreement.clone()];
            opens(envelope(cipher, &mixed, &[other, ours], &mixed), &us);
        }
    }
    let ours_is_not_there = envelope(CipherAlgorithm::Aes256Cbc, &[], &[(&alice, alice.key_id())], &[agreement]);
    match open(read(ours_is_not_there).0, &us).unwrap_err() {
        ReceiveError::NoRecipient { encrypted_to, ours } => assert_eq!((encrypted_to.len(), ours.len()), (2, 1)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn x11_the_key_that_the_recipient_names_is_the_one_that_is_asked() {
    let (alice, bob) = (alice_enc(), bob_enc());
    let us = decrypting(&[alice.clone(), bob.clone()]);
    opens(envelope(CipherAlgorithm::Aes256Cbc, &[], &[(&bob, bob.issuer_and_serial())], &[]), &us);
    opens(envelope(CipherAlgorithm::Aes256Cbc, &[], &[(&alice, alice.key_id())], &[]), &us);
}

#[test]
fn x11_another_key_transport_of_ours_is_named() {
    let bob = bob_enc();
    let kem = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.3.14");
    let info = recipient(0, &bob.issuer_and_serial(), &algorithm(kem, None), &[1; 256]);
    let error = open(read(envelope(CipherAlgorithm::Aes256Cbc, &[info], &[], &[])).0, &decrypting(&[bob])).unwrap_err();
    assert_eq!(error, ReceiveError::UnsupportedAlgorithm { what: KEY_TRANSPORT, algorithm: kem.to_string() });
}

const KEY: [u8; 32] = [0x42; 32];
const NONCE: [u8; 12] = [0x17; 12];

/// AES-256-GCM to Bob.
fn gcm(parameters: Bytes, attributes: Option<Vec<u8>>, tag: usize) -> Vec<u8> {
    let gcm = Gcm { key: &KEY, iv: &NONCE, parameters, attributes, tag };
    sealed(CipherAlgorithm::Aes256Gcm, &to_bob(&KEY), gcm)
}

#[test]
fn x16_authenticated_attributes_count_as_a_der_set_and_any_change_shows() {
    let us = decrypting(&[bob_enc()]);
    let time = attribute(&oid::SIGNING_TIME, &[&tlv(0x17, &[b"261124000000Z"])]);
    let unsorted = [message_digest(ORDER), time, content_type()].concat();
    let wire = gcm(gcm_parameters(&NONCE, 16), Some(unsorted.clone()), 16);
    opens(wire.clone(), &us);
    let at = wire.windows(unsorted.len()).position(|window| window == unsorted).unwrap();
    // The content ends before the header of the attributes; the tag follows them with its own.
    let content = at - 2 - ORDER.len()..at - 2;
    let tag = wire.len() - 16..wire.len();
    let mut malformed = 0;
    for at in content.chain(at..at + unsorted.len()).chain(tag) {
        let mut changed = wire.clone();
        changed[at] ^= 1;
        let opened = cms::content::read(changed.into(), &Limits::default())
            .map_err(ReceiveError::EnvelopeFormat)
            .and_then(|(info, _)| open(info, &us));
        match opened.unwrap_err() {
            ReceiveError::Decryption(DecryptionFault::Tag) => {}
            ReceiveError::EnvelopeFormat(_) => malformed += 1,
            other => panic!("{at}: {other:?}"),
        }
    }
    // Identifiers and lengths among the attributes alone.
    assert!(malformed < unsorted.len() / 4, "{malformed}");
    let without = gcm(gcm_parameters(&NONCE, 16), Some(unsorted), 0);
    assert_eq!(open(read(without).0, &us).unwrap_err(), ReceiveError::Decryption(DecryptionFault::Tag));
}

#[test]
fn x17_tag_lengths_that_are_written_and_left_out() {
    let us = decrypting(&[bob_enc()]);
    let nonce = tlv(ber::OCTET_STRING, &[&NONCE]);
    let left_out: Bytes = tlv(ber::SEQUENCE, &[&nonce]).into();
    for length in 12..=16u8 {
        opens(gcm(gcm_parameters(&NONCE, length), None, length.into()), &us);
    }
    opens(gcm(left_out.clone(), None, 12), &us);
    opens(gcm(left_out.clone(), None, 16), &us);
    let refused = |wire: Vec<u8>| open(read(wire).0, &us).unwrap_err();
    let tag = ReceiveError::Decryption(DecryptionFault::Tag);
    assert_eq!(refused(gcm(left_out.clone(), None, 14)), tag);
    assert_eq!(refused(gcm(left_out, None, 4)), tag);
    assert_eq!(refused(gcm(gcm_parameters(&NONCE, 16), None, 12)), tag);
    assert_eq!(refused(gcm(gcm_parameters(&NONCE, 12), None, 16)), tag);
    for length in [0, 4, 11, 17] {
        let error = refused(gcm(gcm_parameters(&NONCE, length), None, 16));
        let expected = ErrorKind::Value("the length of the authentication tag");
        assert!(matches!(&error, ReceiveError::EnvelopeFormat(e) if *e.kind() == expected), "{length}: {error:?}");
    }
    let none = refused(gcm(tlv(ber::SEQUENCE, &[&tlv(ber::OCTET_STRING, &[])]).into(), None, 16));
    assert!(matches!(none, ReceiveError::UnsupportedAlgorithm { what: CONTENT_ENCRYPTION, .. }), "{none:?}");
}

#[test]
fn x30_unprotected_attributes_are_ignored() {
    let us = decrypting(&[bob_enc()]);
    let behind = |wire: Vec<u8>, kind: &ObjectIdentifier, tag: u8| {
        let inner = children(children(children(&wire)[0].content())[1].content()).remove(0);
        let attributes = tlv(tag, &[&attribute(&oid::SIGNING_TIME, &[&tlv(0x17, &[b"0"])])]);
        content_info(kind, &[inner.content(), &attributes].concat())
    };
    let bob = bob_enc();
    let cbc = envelope(CipherAlgorithm::Aes256Cbc, &[], &[(&bob, bob.key_id())], &[]);
    opens(behind(cbc, &oid::ENVELOPED_DATA, ber::CONTEXT_1_CONSTRUCTED), &us);
    opens(behind(gcm(gcm_parameters(&NONCE, 16), None, 16), &oid::AUTH_ENVELOPED_DATA, 0xa2), &us);
}

fn zlib(octets: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap()
}

fn compressed(algorithm: &AlgorithmIdentifier, stream: &[u8]) -> Vec<u8> {
    let octets = tlv(ber::CONTEXT_0_CONSTRUCTED, &[&tlv(ber::OCTET_STRING, &[stream])]);
    let content = tlv(ber::SEQUENCE, &[&write_oid(&oid::DATA), &octets]);
    content_info(&oid::COMPRESSED_DATA, &[integer(0), algorithm.encode(), content].concat())
}

/// Opens a message whose body is labelled as compressed.
fn open_compressed(body: Vec<u8>) -> Result<Vec<u8>, ReceiveError> {
    let mut profile = PartnerProfile::new(
        "bob".parse().unwrap(),
        "alice".parse().unwrap(),
        "https://alice.example/as2".parse().unwrap(),
    );
    profile.accept.signature = Requirement::Allow;
    let partner = Partner::builder(profile, provider()).encrypt_to(alice_enc().certificate);
    let partner = partner.verify_with(alice_enc().certificate).build().unwrap();
    let request = http::Request::post("/")
        .header("AS2-Version", "1.1")
        .header("AS2-From", "alice")
        .header("AS2-To", "bob")
        .header("Message-ID", "<1@alice.example>")
        .header("Content-Type", "application/pkcs7-mime; smime-type=compressed-data; name=smime.p7z")
        .body(Bytes::from(body));
    match MessageParser::new(Limits::default()).parse(request.unwrap()).unwrap() {
        Inbound::Message(envelope) => match envelope.open(&decrypting(&[bob_enc()]), Some(&partner), now()) {
            Ok(accepted) => Ok(accepted.payload().body().to_vec()),
            Err(refused) => Err(refused.error().clone()),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn x19_compressed_data_holds_a_zlib_stream() {
    let stream = zlib(ORDER);
    for parameters in [None, null()] {
        let body = open_compressed(compressed(&algorithm(oid::ZLIB, parameters), &stream)).unwrap();
        assert!(ORDER.ends_with(&body) && body.starts_with(b"ISA"));
    }
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
    raw.write_all(ORDER).unwrap();
    let raw = open_compressed(compressed(&algorithm(oid::ZLIB, None), &raw.finish().unwrap()));
    assert!(matches!(raw, Err(ReceiveError::Decompression(DecompressionFault::Damaged { .. }))), "{raw:?}");
    // The zlib stream itself, without CMS.
    let bare = open_compressed(stream.clone());
    assert_eq!(bare, Err(ReceiveError::Decompression(DecompressionFault::BareZlib)));
    // phpas2: the stream as base64 text.
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &stream);
    let body = open_compressed(compressed(&algorithm(oid::ZLIB, None), text.as_bytes())).unwrap();
    assert!(ORDER.ends_with(&body) && body.starts_with(b"ISA"));
    let spoilt = text.replace(&text[10..12], "*!");
    let spoilt = open_compressed(compressed(&algorithm(oid::ZLIB, None), spoilt.as_bytes()));
    assert_eq!(spoilt, Err(ReceiveError::Decompression(DecompressionFault::Base64)));
    let cut = open_compressed(compressed(&algorithm(oid::ZLIB, None), &text.as_bytes()[..20]));
    assert!(matches!(cut, Err(ReceiveError::Decompression(DecompressionFault::Truncated { .. }))), "{cut:?}");
    let other = open_compressed(compressed(&algorithm(oid::DATA, None), &stream));
    assert_eq!(other, Err(ReceiveError::Decompression(DecompressionFault::Algorithm(oid::DATA.to_string()))));
}

#[test]
fn x20_damage_to_the_stream_is_told_exactly() {
    let (stream, zlib_algorithm) = (zlib(ORDER), algorithm(oid::ZLIB, None));
    let fault = |stream: &[u8]| match open_compressed(compressed(&zlib_algorithm, stream)) {
        Err(ReceiveError::Decompression(fault)) => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(fault(&[stream.as_slice(), b"more"].concat()), DecompressionFault::Trailing { count: 4 });
    assert!(matches!(fault(&stream[..stream.len() - 5]), DecompressionFault::Truncated { .. }));
    assert!(matches!(fault(&[]), DecompressionFault::Truncated { offset: 0 }));
    for at in [0, stream.len() - 1] {
        let mut changed = stream.clone();
        changed[at] ^= 0x10;
        assert!(matches!(fault(&changed), DecompressionFault::Damaged { .. }), "{at}");
    }
    let inner = compressed(&zlib_algorithm, &stream);
    let head = b"Content-Type: application/pkcs7-mime; smime-type=compressed-data\r\n\r\n".as_slice();
    assert_eq!(fault(&zlib(&[head, &inner].concat())), DecompressionFault::Twice);
}

#[test]
fn x20_structures_without_content_are_told_exactly() {
    let kind = |wire: Vec<u8>| match cms::content::read(wire.into(), &Limits::default()) {
        Err(error) => error.kind().clone(),
        Ok(other) => panic!("{other:?}"),
    };
    let typed = tlv(ber::SEQUENCE, &[&write_oid(&oid::DATA)]);
    let zlib_algorithm = algorithm(oid::ZLIB, None).encode();
    let hollow = content_info(&oid::COMPRESSED_DATA, &[integer(0), zlib_algorithm, typed.clone()].concat());
    assert_eq!(kind(hollow), ErrorKind::Missing("the compressed content"));
    let unnamed = content_info(&oid::COMPRESSED_DATA, &integer(0));
    assert_eq!(kind(unnamed), ErrorKind::Missing("the compression algorithm"));
    let alone = content_info(&oid::ENVELOPED_DATA, &[integer(0), typed].concat());
    assert_eq!(kind(alone), ErrorKind::Missing("the recipients"));
    let unknown = content_info(&DigestAlgorithm::Sha1.oid(), &integer(0));
    assert_eq!(kind(unknown), ErrorKind::ContentType("1.3.14.3.2.26".to_owned()));
}
