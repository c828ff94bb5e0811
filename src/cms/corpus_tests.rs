//! Objects that OpenSSL and BouncyCastle wrote, as they are and re-encoded in every way that BER allows.

use std::sync::Arc;

use bytes::Bytes;

use super::ber::{self, Cursor};
use super::compressed::CompressedData;
use super::content::{ContentInfo, read as read_whole};
use super::enveloped::recipient::Recipient;
use super::enveloped::{self, AuthEnvelopedData, EnvelopedData, parameters};
use super::reader::{ContentKind, ContentReader, Event, Structure};
use super::signed::SignedData;
use super::write::tlv;
use super::{AlgorithmIdentifier, Error, ErrorKind, oid};
use crate::error::{AuthenticationFault, CONTENT_ENCRYPTION, DecryptionFault, ReceiveError};
use crate::note::Note;
use crate::smime::compress::{InflateBudget, inflate};
#[cfg(feature = "legacy")]
use crate::smime::decrypt::{OpenTerms, SealedEnvelope};
use crate::smime::fixtures::{corpus_rsa, decrypting, null, open, open_under, provider, read, terms, vector};
use crate::smime::verify::verify;
use crate::{AcceptTerms, Certificate, CipherAlgorithm, EcPrivateKey, Identity, Limits, SignatureFamily};

macro_rules! corpus {
    ($($name:literal),* $(,)?) => {
        [$(($name, vector!("ber/", $name, ".der"))),*]
    };
}

const CORPUS: [(&str, &[u8]); 28] = corpus![
    "bc-compress-mem",
    "bc-compress-stream",
    "bc-enc-3des-mem",
    "bc-enc-3des-stream",
    "bc-enc-aes256-mem",
    "bc-enc-aes256-stream",
    "bc-enc-gcm-mem",
    "bc-enc-rc2-mem",
    "bc-enc-rc2-stream",
    "bc-sign-detached-mem",
    "bc-sign-detached-stream",
    "bc-sign-encap-mem",
    "bc-sign-encap-stream",
    "ossl-enc-3des-def",
    "ossl-enc-3des-stream",
    "ossl-enc-cbc-def",
    "ossl-enc-cbc-stream",
    "ossl-enc-gcm-def",
    "ossl-enc-gcm-stream",
    "ossl-enc-kari-def",
    "ossl-enc-oaep-def",
    "ossl-enc-oaep-stream",
    "ossl-sign-detached-def",
    "ossl-sign-detached-stream",
    "ossl-sign-encap-def",
    "ossl-sign-encap-stream",
    "ossl-sign-multi-def",
    "ossl-sign-pss-def",
];
const CONTENT: &[u8] = vector!("ber/content.bin");

fn file(name: &str) -> &'static [u8] {
    CORPUS.iter().find(|(other, _)| *other == name).map(|(_, octets)| *octets).unwrap()
}

/// What the reader tells of an object that comes in chunks.
fn stream(octets: &[u8], chunk: usize) -> Result<(ContentKind, Structure, Vec<u8>), Error> {
    let (mut reader, mut carry, mut content) = (ContentReader::new(&Limits::default()), Vec::new(), Vec::new());
    for piece in octets.chunks(chunk).chain([&[][..]]) {
        carry.extend_from_slice(piece);
        loop {
            let (length, event) = reader.step(&carry)?;
            if event == Event::Content {
                content.extend_from_slice(&carry[..length]);
            }
            carry.drain(..length);
            if matches!(event, Event::NeedMore | Event::Done) {
                break;
            }
        }
    }
    let (kind, structure) = reader.finish()?;
    Ok((kind, structure, content))
}

/// The object that the structure and the content make, in words that can be compared.
fn interpret(kind: ContentKind, structure: &Structure, content: Vec<u8>) -> String {
    let (limits, content) = (Limits::default(), structure.has_content.then(|| Bytes::from(content)));
    let info = match kind {
        ContentKind::Signed => ContentInfo::Signed(SignedData::read(structure, content, &limits).unwrap()),
        ContentKind::Enveloped => ContentInfo::Enveloped(EnvelopedData::read(structure, content, &limits).unwrap()),
        ContentKind::AuthEnveloped => {
            ContentInfo::AuthEnveloped(AuthEnvelopedData::read(structure, content, &limits).unwrap())
        }
        ContentKind::Compressed => ContentInfo::Compressed(CompressedData::read(structure, content, &limits).unwrap()),
    };
    format!("{info:?}")
}

#[test]
fn x01_every_file_reads_alike_at_once_and_in_octets() {
    for (name, octets) in CORPUS {
        let expected = format!("{:?}", read(octets).0);
        for chunk in [1, 7, 1000, octets.len()] {
            let (kind, structure, content) = stream(octets, chunk).unwrap();
            assert_eq!(interpret(kind, &structure, content), expected, "{name} in chunks of {chunk}");
        }
    }
}

#[test]
fn x01_content_that_is_not_encrypted_is_the_content() {
    let mut detached = Vec::new();
    for (name, octets) in CORPUS {
        match read(octets).0 {
            ContentInfo::Signed(SignedData { content: Some(content), .. }) => assert_eq!(content, CONTENT, "{name}"),
            ContentInfo::Signed(_) => detached.push(name),
            ContentInfo::Compressed(data) => {
                assert_eq!(data.algorithm.oid, oid::ZLIB);
                let inflated = inflate(&data.content, InflateBudget::new(&Limits::default())).unwrap().0;
                assert_eq!(inflated, CONTENT, "{name}");
            }
            ContentInfo::Enveloped(_) | ContentInfo::AuthEnveloped(_) => assert!(name.contains("-enc-"), "{name}"),
        }
    }
    let expected = [
        "bc-sign-detached-mem",
        "bc-sign-detached-stream",
        "ossl-sign-detached-def",
        "ossl-sign-multi-def",
        "ossl-sign-pss-def",
    ];
    assert_eq!(detached, expected);
}

/// Both keys of the corpus.
fn corpus_identity() -> Identity {
    let rsa = corpus_rsa();
    let ec = EcPrivateKey::from_pkcs8_pem(vector!("ber/ec.key")).unwrap();
    Identity::builder(provider())
        .decrypting(rsa.certificate, rsa.key)
        .decrypting(Certificate::from_pem(vector!("ber/ec.crt")).unwrap(), Arc::new(ec))
        .build()
        .unwrap()
}

#[test]
fn x10_envelopes_decrypt_or_name_what_is_not_supported() {
    let us = corpus_identity();
    for (name, octets) in CORPUS.iter().filter(|(name, _)| name.contains("-enc-")) {
        let old = match name.split('-').nth(2).unwrap() {
            "3des" => Some(CipherAlgorithm::TripleDesCbc),
            "rc2" => Some(CipherAlgorithm::Rc2Cbc128),
            _ => None,
        };
        let mut accept = AcceptTerms::default();
        if let Some(cipher) = old {
            let unnamed = open_under(read(*octets).0, &us, &accept).unwrap_err();
            let forbidden =
                ReceiveError::ForbiddenAlgorithm { what: CONTENT_ENCRYPTION, algorithm: cipher.to_string() };
            assert_eq!(unnamed, forbidden, "{name}");
            accept.ciphers.push(cipher);
        }
        let opened = open_under(read(*octets).0, &us, &accept);
        if old.is_some() && !cfg!(feature = "legacy") {
            assert!(matches!(opened, Err(ReceiveError::UnsupportedAlgorithm { .. })), "{name}");
            continue;
        }
        let opened = opened.unwrap();
        assert_eq!(opened.content, CONTENT, "{name}");
        assert_eq!(opened.taint, None, "{name}");
    }
}

#[cfg(feature = "legacy")]
#[test]
fn u07_content_in_ciphers_of_the_past_is_bounded() {
    let us = corpus_identity();
    let accept = AcceptTerms { ciphers: vec![CipherAlgorithm::TripleDesCbc], ..AcceptTerms::default() };
    let ContentInfo::Enveloped(data) = read(file("ossl-enc-3des-def")).0 else { panic!() };
    let length = u64::try_from(data.content.len()).unwrap();
    for (limit, fits) in [(length, true), (length - 1, false)] {
        let limits = Limits { legacy_cipher: limit, ..Limits::default() };
        let terms = OpenTerms { us: &us, provider: &provider(), accept: &accept, limits: &limits };
        let sealed = SealedEnvelope::enveloped(data.clone(), terms);
        let refused = ReceiveError::Limit { what: "content in a cipher of the past", limit };
        assert_eq!(sealed.err(), (!fits).then_some(refused));
    }
}

#[test]
fn x16_gcm_has_no_place_in_enveloped_data_nor_cbc_in_auth_enveloped_data() {
    let (pair, content) = (corpus_rsa(), [0; 32]);
    let algorithm = AlgorithmIdentifier { oid: oid::RSA_ENCRYPTION, parameters: null() };
    let recipients = [Recipient::Transport { rid: pair.rid(), algorithm, encrypted_key: vec![1; 256] }];
    let us = decrypting(std::slice::from_ref(&pair));
    let error = |octets: Vec<u8>| open(read(octets).0, &us).unwrap_err();
    let named = |text: &str| ReceiveError::UnsupportedAlgorithm { what: CONTENT_ENCRYPTION, algorithm: text.into() };

    let gcm =
        AlgorithmIdentifier { oid: CipherAlgorithm::Aes256Gcm.oid(), parameters: Some(parameters::aead(&[7; 12], 16)) };
    let octets = [enveloped::enveloped(&recipients, &gcm).prefix(32), content.to_vec()].concat();
    let algorithm = "aes256-gcm in EnvelopedData".to_owned();
    assert_eq!(error(octets), ReceiveError::ForbiddenAlgorithm { what: CONTENT_ENCRYPTION, algorithm });
    let ccm =
        AlgorithmIdentifier { oid: CipherAlgorithm::Aes256Ccm.oid(), parameters: Some(parameters::aead(&[7; 12], 16)) };
    let octets = [enveloped::enveloped(&recipients, &ccm).prefix(32), content.to_vec()].concat();
    assert_eq!(error(octets), named("aes256-ccm in EnvelopedData"));

    let cbc = AlgorithmIdentifier { oid: CipherAlgorithm::Aes256Cbc.oid(), parameters: Some(parameters::iv(&[7; 16])) };
    let prefix = enveloped::auth_enveloped(&recipients, &cbc, 16).prefix(32);
    let octets = [prefix, content.to_vec(), enveloped::auth_enveloped_suffix(&[0; 16])].concat();
    assert_eq!(error(octets), named("aes256-cbc in AuthEnvelopedData"));
}

#[test]
fn x16_changed_authenticated_content_is_never_delivered() {
    let us = decrypting(&[corpus_rsa()]);
    for name in ["ossl-enc-gcm-def", "ossl-enc-gcm-stream", "bc-enc-gcm-mem"] {
        let octets = file(name);
        let ContentInfo::AuthEnveloped(data) = read(octets).0 else { panic!("{name}") };
        let needles = [&data.content[..16], &data.content[data.content.len() - 16..], &data.mac];
        for needle in needles {
            let at = octets.windows(needle.len()).position(|window| window == needle).unwrap();
            let mut changed = octets.to_vec();
            changed[at] ^= 0x80;
            let error = open(read(changed).0, &us).unwrap_err();
            assert_eq!(error, ReceiveError::Decryption(DecryptionFault::Tag), "{name} at {at}");
        }
    }
}

#[test]
fn x02_signatures_of_others_verify_over_the_content() {
    let rsa = corpus_rsa();
    for (name, octets) in CORPUS.iter().filter(|(name, _)| name.contains("-sign-")) {
        let ContentInfo::Signed(signed) = read(*octets).0 else { panic!("{name}") };
        let mut notes = Vec::new();
        let verified = verify(CONTENT.into(), &signed, &terms(&[&rsa]), &mut notes)
            .unwrap_or_else(|unverified| panic!("{name}: {}", unverified.error));
        assert_eq!(verified.certificate(), &rsa.certificate, "{name}");
        match notes.as_slice() {
            [] => assert_eq!(signed.signers.len(), 1, "{name}"),
            [Note::OtherSigner(text)] => assert!(name.contains("-multi-") && text.contains("CN=bob"), "{text}"),
            other => panic!("{name}: {other:?}"),
        }
        let mut changed = CONTENT.to_vec();
        changed[1500] ^= 1;
        let unverified = verify(changed.into(), &signed, &terms(&[&rsa]), &mut notes).unwrap_err();
        assert!(matches!(unverified.error, ReceiveError::IntegrityCheck { .. }), "{name}: {}", unverified.error);
    }
}

#[test]
fn x08_each_signer_of_several_can_be_the_trusted_one() {
    let ec = Certificate::from_pem(vector!("ber/ec.crt")).unwrap();
    let ContentInfo::Signed(mut multi) = read(file("ossl-sign-multi-def")).0 else { panic!() };
    for (trusted, family) in [(corpus_rsa().certificate, SignatureFamily::Pkcs1v15), (ec, SignatureFamily::Ecdsa)] {
        let mut terms = terms(&[]);
        terms.signers.trusted = vec![trusted.clone()];
        let verified = verify(CONTENT.into(), &multi, &terms, &mut Vec::new()).unwrap();
        assert_eq!((verified.certificate(), verified.scheme().family()), (&trusted, family));
    }
    multi.signers.clear();
    let error = verify(CONTENT.into(), &multi, &terms(&[&corpus_rsa()]), &mut Vec::new()).unwrap_err().error;
    assert_eq!(error, ReceiveError::Authentication(AuthenticationFault::NoSigner));
}

/// An element with its children, to be written in another encoding.
#[derive(Clone, Debug)]
enum Node {
    Primitive(u8, Vec<u8>),
    Constructed(u8, Vec<Self>),
}

/// How elements are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Encoding {
    indefinite: bool,
    /// Leading zero octets of each length.
    padded: usize,
    /// Octets per piece of an octet string; 0 leaves it in one.
    piece: usize,
    /// How deep pieces are nested in further constructed strings.
    nested: usize,
}

impl Node {
    fn parse(octets: &[u8]) -> Vec<Self> {
        let (mut cursor, mut nodes) = (Cursor::new(octets, 64), Vec::new());
        while let Some(element) = cursor.next().unwrap() {
            nodes.push(match element.tag & 0x20 {
                0 => Self::Primitive(element.tag, element.content.to_vec()),
                _ => Self::Constructed(element.tag, Self::parse(element.content)),
            });
        }
        nodes
    }

    fn write(&self, how: Encoding) -> Vec<u8> {
        match self {
            // In these structures [0] is primitive only where it stands for an octet string.
            Self::Primitive(tag @ (ber::OCTET_STRING | ber::CONTEXT_0), content) if how.piece > 0 => {
                let wrap = |inner: Vec<u8>| wrapped(ber::OCTET_STRING_CONSTRUCTED, &inner, how);
                let piece = |octets: &[u8]| {
                    (0..how.nested).fold(framed(ber::OCTET_STRING, octets, how.padded), |inner, _| wrap(inner))
                };
                let pieces: Vec<u8> = content.chunks(how.piece).flat_map(piece).collect();
                wrapped(tag | 0x20, &pieces, how)
            }
            Self::Primitive(tag, content) => framed(*tag, content, how.padded),
            Self::Constructed(tag, children) => {
                let content: Vec<u8> = children.iter().flat_map(|child| child.write(how)).collect();
                wrapped(*tag, &content, how)
            }
        }
    }
}

fn wrapped(tag: u8, content: &[u8], how: Encoding) -> Vec<u8> {
    match how.indefinite {
        true => [&[tag, 0x80], content, &[0, 0]].concat(),
        false => framed(tag, content, how.padded),
    }
}

/// An element of definite length, written with `padded` octets more than the shortest long form has.
fn framed(tag: u8, content: &[u8], padded: usize) -> Vec<u8> {
    if padded == 0 {
        return tlv(tag, &[content]);
    }
    let length = content.len().to_be_bytes();
    let significant = &length[length.iter().take_while(|octet| **octet == 0).count().min(7)..];
    let zeros = vec![0; padded.min(8 - significant.len())];
    let count = u8::try_from(zeros.len() + significant.len()).unwrap();
    [&[tag, 0x80 | count], zeros.as_slice(), significant, content].concat()
}

/// An object without what only its encoding makes different.
fn normal(info: ContentInfo) -> String {
    let der = |octets: &Bytes| ber::to_der(octets, 64).unwrap();
    match info {
        ContentInfo::Signed(signed) => {
            let certificates: Vec<_> = signed.certificates.iter().map(der).collect();
            let signers: Vec<_> = signed
                .signers
                .iter()
                .map(|signer| {
                    let attributes = signer.signed_attributes.as_ref().map(|all| all.as_sorted_der().unwrap());
                    let (digest, algorithm) = (&signer.digest_algorithm, &signer.signature_algorithm);
                    (&signer.sid, digest, attributes, algorithm, &signer.signature)
                })
                .collect();
            format!("{:?} {:?} {certificates:x?} {signers:?}", signed.content_type, signed.content)
        }
        ContentInfo::AuthEnveloped(data) => {
            let parts = (&data.recipients, &data.algorithm, &data.content, data.aad().unwrap(), &data.mac);
            format!("{parts:?}")
        }
        ContentInfo::Enveloped(data) => format!("{data:?}"),
        ContentInfo::Compressed(data) => format!("{data:?}"),
    }
}

#[test]
fn x01_other_encodings_of_the_same_object_read_alike() {
    let plain = Encoding::default();
    let encodings = [
        plain,
        Encoding { indefinite: true, ..plain },
        Encoding { padded: 1, ..plain },
        Encoding { padded: 5, ..plain },
        Encoding { piece: 700, ..plain },
        Encoding { piece: 700, padded: 3, ..plain },
        Encoding { piece: 1, nested: 1, ..plain },
        Encoding { piece: 64, nested: 2, indefinite: true, ..plain },
        Encoding { piece: 1000, nested: 3, indefinite: true, padded: 2 },
    ];
    let limits = Limits { ber_depth: 32, ..Limits::default() };
    for (name, octets) in CORPUS {
        let expected = normal(read(octets).0);
        let [tree] = <[Node; 1]>::try_from(Node::parse(octets)).unwrap();
        for how in encodings {
            let other = tree.write(how);
            assert_eq!(other == octets, how == plain && name.ends_with("-def"), "{name} {how:?}");
            let (info, shape) =
                read_whole(other.clone().into(), &limits).unwrap_or_else(|e| panic!("{name} {how:?} {e}"));
            assert_eq!(normal(info), expected, "{name} {how:?}");
            assert_eq!(shape.indefinite, how.indefinite, "{name} {how:?}");
            if how.nested < 2 {
                let (kind, structure, content) = stream(&other, 1).unwrap();
                assert_eq!(stream(&other, other.len()).unwrap(), (kind, structure, content), "{name} {how:?}");
            }
        }
    }
}

#[test]
fn x01_signatures_verify_after_any_re_encoding() {
    let rsa = corpus_rsa();
    let how = Encoding { indefinite: true, piece: 100, nested: 1, padded: 1 };
    for (name, octets) in CORPUS.iter().filter(|(name, _)| name.contains("-sign-") && !name.contains("-pss-")) {
        let ContentInfo::Signed(signed) = read(Node::parse(octets)[0].write(how)).0 else { panic!("{name}") };
        let mut notes = Vec::new();
        let verified = verify(CONTENT.into(), &signed, &terms(&[&rsa]), &mut notes);
        assert!(verified.is_ok(), "{name}");
        // What was signed are the attributes in DER; that they came otherwise is told.
        assert!(notes.contains(&Note::AttributeOrder), "{name}: {notes:?}");
    }
}

#[test]
fn x01_every_truncation_is_an_error() {
    let limits = Limits::default();
    for (name, octets) in CORPUS {
        let whole = Bytes::from_static(octets);
        for end in 0..octets.len() {
            assert!(read_whole(whole.slice(..end), &limits).is_err(), "{name} cut at {end}");
        }
        // In chunks the same: the end is met early, and nothing else.
        for end in (0..octets.len()).step_by(97) {
            assert_eq!(stream(&octets[..end], 64).unwrap_err().kind(), &ErrorKind::Truncated, "{name} cut at {end}");
        }
    }
}

#[test]
fn x01_a_changed_octet_anywhere_is_read_or_refused() {
    let limits = Limits::default();
    let (mut read, mut refused) = (0, 0);
    for (_, octets) in CORPUS {
        for at in 0..octets.len() {
            let mut changed = octets.to_vec();
            // Another bit at each place, so that tags and lengths change in every way.
            changed[at] ^= 1 << (at % 8);
            match read_whole(changed.into(), &limits) {
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            }
        }
    }
    // Content is read whatever it is; most changes of the structure show.
    assert!(read > refused && refused > 1000, "{read} {refused}");
}

#[test]
fn x01_content_in_pieces_is_put_together_in_place() {
    for name in ["bc-enc-aes256-stream", "bc-enc-gcm-mem", "ossl-enc-cbc-stream", "bc-sign-encap-stream"] {
        let owned = Bytes::from(file(name).to_vec());
        let allocation = owned.as_ptr_range();
        let (info, shape) = read(owned);
        assert!(shape.indefinite, "{name}");
        let content = content_of(info);
        assert!(allocation.contains(&content.as_ptr()), "{name}: {} pieces were copied", shape.segments);
    }
}

#[test]
fn x01_shared_octets_stay_as_they_are() {
    let octets = file("bc-enc-aes256-stream");
    let shared = Bytes::from(octets.to_vec());
    let (info, shape) = read(shared.clone());
    assert!(shape.segments > 1);
    let content = content_of(info);
    assert_eq!(shared, octets);
    assert!(!shared.as_ptr_range().contains(&content.as_ptr()));
    // In one piece nothing is moved, shared or not.
    let shared = Bytes::from(file("ossl-enc-cbc-def").to_vec());
    let (info, shape) = read(shared.clone());
    assert_eq!(shape.segments, 1);
    assert!(shared.as_ptr_range().contains(&content_of(info).as_ptr()));
}

fn content_of(info: ContentInfo) -> Bytes {
    match info {
        ContentInfo::Signed(data) => data.content.unwrap(),
        ContentInfo::Enveloped(data) => data.content,
        ContentInfo::AuthEnveloped(data) => data.content,
        ContentInfo::Compressed(data) => data.content,
    }
}
