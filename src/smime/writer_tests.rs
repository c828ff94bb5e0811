//! What is written, read by a strict DER decoder that is not ours.

use ::cms::authenveloped_data::AuthEnvelopedData;
use ::cms::compressed_data::CompressedData;
use ::cms::content_info::{CmsVersion, ContentInfo};
use ::cms::enveloped_data::{EncryptedContentInfo, EnvelopedData, RecipientIdentifier, RecipientInfo, RecipientInfos};
use ::cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use bytes::Bytes;
use const_oid::ObjectIdentifier;
use der::asn1::{ObjectIdentifier as DerOid, OctetString};
use der::{Decode, Encode};

use crate::algorithm::{CipherAlgorithm, DigestAlgorithm, KeyTransport};
use crate::cms::oid;
use crate::crypto::content::ciphertext_len;
use crate::identity::Signing;
use crate::mime::transfer::{TransferEncoding, decode};
use crate::profile::{Embed, Quirks, SignatureEncoding};
use crate::smime::compress::{InflateBudget, compress, inflate};
use crate::smime::encrypt::{EnvelopeTerms, encrypt};
use crate::smime::fixtures::{
    Pair, alice_enc, alice_sign, bob_enc, bob_sign, check, decrypting, now, open, provider, read, sha256,
};
use crate::smime::mic::Digests;
use crate::smime::sign::{SignTerms, sign};
use crate::smime::{Part, join};
use crate::{Certificate, Limits, SignatureScheme};

/// Lengths at which the length octets change, and those around a block.
const LENGTHS: [usize; 14] = [0, 1, 15, 16, 17, 80, 127, 128, 129, 255, 256, 65_000, 65_535, 65_536];

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
}

/// The same content in pieces of odd lengths.
fn pieces(content: &[u8]) -> Vec<Bytes> {
    content.chunks(4099).map(Bytes::copy_from_slice).collect()
}

/// Decodes one structure and demands that its encoding is the one that was read.
fn strict<'a, T: Decode<'a, Error = der::Error> + Encode>(octets: &'a [u8]) -> T {
    let value = T::from_der(octets).unwrap();
    assert_eq!(value.to_der().unwrap(), octets);
    value
}

/// The content of a ContentInfo, as DER.
fn inner(octets: &[u8], kind: ObjectIdentifier) -> Vec<u8> {
    let info: ContentInfo = strict(octets);
    assert_eq!(info.content_type, kind);
    info.content.to_der().unwrap()
}

fn field<'a>(part: &'a Part, name: &str) -> &'a str {
    &part.fields.iter().find(|(other, _)| *other == name).unwrap().1
}

/// The signature in a multipart/signed.
fn signature(part: &Part, encoding: SignatureEncoding) -> Vec<u8> {
    let tail = part.body.last().unwrap();
    let begin = tail.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let boundary = field(part, "Content-Type").split('"').nth_back(1).unwrap();
    let close = format!("\r\n--{boundary}--\r\n");
    assert!(tail.ends_with(close.as_bytes()) && tail.starts_with(format!("\r\n--{boundary}\r\n").as_bytes()));
    let body = tail.slice(begin..tail.len() - close.len());
    match encoding {
        SignatureEncoding::Binary => body.to_vec(),
        SignatureEncoding::Base64 => decode(TransferEncoding::Base64, body).unwrap().to_vec(),
    }
}

fn signed(pair: &Pair, chain: Vec<Certificate>, content: &[u8], digest: DigestAlgorithm, quirks: &Quirks) -> Part {
    let signing = Signing { name: String::new(), active_from: None, chain, key: pair.key.clone() };
    let digests = Digests::of(&provider(), &[digest], &pieces(content)).unwrap();
    let terms = SignTerms { scheme: SignatureScheme::RsaPkcs1v15(digest), quirks: quirks.clone(), now: now() };
    sign(pieces(content), &digests, &signing, &provider(), terms).run().unwrap()
}

fn rsa_with_null(algorithm: &spki::AlgorithmIdentifierOwned) {
    assert_eq!(
        algorithm.to_der().unwrap()[..],
        crate::cms::AlgorithmIdentifier { oid: oid::RSA_ENCRYPTION, parameters: crate::smime::fixtures::null() }
            .encode()
    );
}

/// The single signer, after the rest of the structure was checked.
fn signer_of(cms: &[u8], digest: DigestAlgorithm, certificates: &[&Certificate]) -> SignerInfo {
    let signed_data: SignedData = strict(&inner(cms, oid::SIGNED_DATA));
    assert_eq!(signed_data.version, CmsVersion::V1);
    let digests: Vec<_> = signed_data.digest_algorithms.iter().map(|digest| digest.oid).collect();
    assert_eq!(digests, [digest.oid()]);
    assert_eq!(
        (signed_data.encap_content_info.econtent_type, signed_data.encap_content_info.econtent),
        (oid::DATA, None)
    );
    assert_eq!(signed_data.crls, None);
    let embedded: Vec<_> =
        signed_data.certificates.iter().flat_map(|set| set.0.iter()).map(|choice| choice.to_der().unwrap()).collect();
    assert_eq!(embedded.len(), certificates.len());
    assert!(certificates.iter().all(|certificate| embedded.iter().any(|der| der == certificate.der())));
    let [signer] = <[SignerInfo; 1]>::try_from(signed_data.signer_infos.0.into_vec()).unwrap();
    assert_eq!(signer.version, CmsVersion::V1);
    assert_eq!((signer.digest_alg.oid, &signer.digest_alg.parameters), (digest.oid(), &None));
    rsa_with_null(&signer.signature_algorithm);
    assert!(signer.unsigned_attrs.is_none());
    signer
}

#[test]
fn x02_x07_signatures_are_strict_der_with_sorted_attributes() {
    let alice = alice_sign();
    let leaf = alice.certificate.clone();
    for encoding in [SignatureEncoding::Base64, SignatureEncoding::Binary] {
        for digest in [DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512] {
            let quirks = Quirks { signature_encoding: encoding, ..Quirks::default() };
            let part = signed(&alice, vec![leaf.clone()], b"an order", digest, &quirks);
            let cms = signature(&part, encoding);
            let signer = signer_of(&cms, digest, &[&leaf]);
            match &signer.sid {
                SignerIdentifier::IssuerAndSerialNumber(id) => {
                    assert_eq!(id.issuer.to_der().unwrap(), leaf.issuer_der());
                    assert_eq!(id.serial_number.as_bytes(), leaf.serial_octets());
                }
                other => panic!("{other:?}"),
            }
            let attributes = signer.signed_attrs.unwrap();
            let kinds: Vec<_> = attributes.iter().map(|attribute| attribute.oid).collect();
            assert_eq!(kinds, [oid::CONTENT_TYPE, oid::SIGNING_TIME, oid::MESSAGE_DIGEST]);
            let value = |at: usize| attributes.get(at).unwrap().values.get(0).unwrap().to_der().unwrap();
            assert_eq!(DerOid::from_der(&value(0)).unwrap(), oid::DATA);
            assert_eq!(value(1), b"\x17\x0d261124000000Z");
            let expected = provider().digest(digest, b"an order").unwrap();
            assert_eq!(OctetString::from_der(&value(2)).unwrap().as_bytes(), expected.as_bytes());
            check(b"an order", cms, &[&alice]).unwrap();
        }
    }
}

#[test]
fn x07_years_from_2050_on_are_written_as_generalized_time() {
    let alice = alice_sign();
    let digest = sha256(b"");
    let late = now() + std::time::Duration::from_secs(30 * 366 * 86_400);
    let attributes = crate::cms::signed::signed_attributes(&oid::DATA, digest.as_bytes(), Some(late), None);
    assert!(attributes.windows(4).any(|window| window == b"2056"));
    let signer = crate::smime::fixtures::Signer::new(
        &alice,
        Some(attributes.clone()),
        alice.sign(&crate::cms::signed::set_of(&attributes)),
    );
    let cms = crate::smime::fixtures::signed_data(&[&signer], &[]);
    signer_of(&cms, DigestAlgorithm::Sha256, &[]);
    let crate::cms::content::ContentInfo::Signed(read) = read(cms).0 else { panic!() };
    assert_eq!(read.signers[0].signed_attributes.as_ref().unwrap().signing_time(), Some(late));
}

#[test]
fn x04_x07_what_a_profile_may_change_about_signatures() {
    let alice = alice_sign();
    let chain = vec![alice.certificate.clone(), bob_sign().certificate, alice_enc().certificate];
    let all: Vec<_> = chain.iter().collect();
    for (embed, expected) in [(Embed::None, &all[..0]), (Embed::Leaf, &all[..1]), (Embed::Chain, &all[..])] {
        let quirks = Quirks { embed, algorithm_protection: true, ..Quirks::default() };
        let part = signed(&alice, chain.clone(), b"an order", DigestAlgorithm::Sha256, &quirks);
        let cms = signature(&part, SignatureEncoding::Base64);
        let signer = signer_of(&cms, DigestAlgorithm::Sha256, expected);
        assert!(signer.signed_attrs.unwrap().iter().any(|attribute| attribute.oid == oid::ALGORITHM_PROTECTION));
        assert_eq!(check(b"an order", cms, &[&alice]).unwrap().1, []);

        let quirks = Quirks { embed, signed_attributes: false, ..Quirks::default() };
        let part = signed(&alice, chain.clone(), b"an order", DigestAlgorithm::Sha256, &quirks);
        let cms = signature(&part, SignatureEncoding::Base64);
        assert_eq!(signer_of(&cms, DigestAlgorithm::Sha256, expected).signed_attrs, None);
        assert_eq!(check(b"an order", cms, &[&alice]).unwrap().1, []);
    }
}

#[test]
fn x02_signed_content_is_not_touched() {
    let alice = alice_sign();
    for length in LENGTHS {
        let content = content(length);
        let leaf = vec![alice.certificate.clone()];
        let part = signed(&alice, leaf, &content, DigestAlgorithm::Sha256, &Quirks::default());
        let cms = signature(&part, SignatureEncoding::Base64);
        check(&content, cms, &[&alice]).unwrap();
        let whole = join(part.body.clone());
        let begin = part.body[0].len();
        assert_eq!(whole[begin..begin + length], content);
    }
}

fn sole_recipient(recipients: RecipientInfos, to: &Certificate) -> Vec<u8> {
    let [recipient] = <[RecipientInfo; 1]>::try_from(recipients.0.into_vec()).unwrap();
    let RecipientInfo::Ktri(recipient) = recipient else { panic!() };
    assert_eq!(recipient.version, CmsVersion::V0);
    rsa_with_null(&recipient.key_enc_alg);
    match recipient.rid {
        RecipientIdentifier::IssuerAndSerialNumber(id) => {
            assert_eq!(id.issuer.to_der().unwrap(), to.issuer_der());
            assert_eq!(id.serial_number.as_bytes(), to.serial_octets());
        }
        other => panic!("{other:?}"),
    }
    recipient.enc_key.into_bytes().into_vec()
}

fn encrypted_content(info: &EncryptedContentInfo, cipher: CipherAlgorithm, length: usize) -> Vec<u8> {
    assert_eq!((info.content_type, info.content_enc_alg.oid), (oid::DATA, cipher.oid()));
    let content = info.encrypted_content.as_ref().unwrap();
    assert_eq!(
        u64::try_from(content.as_bytes().len()).unwrap(),
        ciphertext_len(cipher, u64::try_from(length).unwrap())
    );
    info.content_enc_alg.parameters.to_der().unwrap()
}

#[test]
fn x10_x16_x17_envelopes_are_strict_der_and_open() {
    let bob = bob_enc();
    let us = decrypting(std::slice::from_ref(&bob));
    for cipher in CipherAlgorithm::ALL.into_iter().filter(|cipher| !cipher.is_legacy()) {
        for length in LENGTHS {
            let content = content(length);
            let transport = Some(KeyTransport::RsaPkcs1v15);
            let part = encrypt(
                &pieces(&content),
                &EnvelopeTerms::new(vec![bob.certificate.clone()], cipher, transport),
                &provider(),
            )
            .unwrap();
            let wire = join(part.body.clone());
            let wrapped = if cipher.is_authenticated() {
                let data: AuthEnvelopedData = strict(&inner(&wire, oid::AUTH_ENVELOPED_DATA));
                assert_eq!((data.version, data.mac.as_bytes().len()), (CmsVersion::V0, 16));
                assert!(data.originator_info.is_none() && data.auth_attrs.is_none() && data.unauth_attrs.is_none());
                let parameters = encrypted_content(&data.auth_encrypted_content_info, cipher, length);
                // The nonce, and the length of the tag, always written; ChaCha20-Poly1305 has no other length.
                let nonce = u8::try_from(cipher.iv_len()).unwrap();
                match cipher {
                    CipherAlgorithm::ChaCha20Poly1305 => {
                        assert_eq!((parameters.len(), &parameters[..2]), (14, &[4, 12][..]))
                    }
                    _ => {
                        assert_eq!(parameters[..4], [0x30, nonce + 5, 4, nonce]);
                        assert_eq!(parameters[4 + cipher.iv_len()..], [2, 1, 16]);
                    }
                }
                assert!(field(&part, "Content-Type").contains("smime-type=authEnveloped-data"));
                sole_recipient(data.recip_infos, &bob.certificate)
            } else {
                let data: EnvelopedData = strict(&inner(&wire, oid::ENVELOPED_DATA));
                assert_eq!(data.version, CmsVersion::V0);
                assert!(data.originator_info.is_none() && data.unprotected_attrs.is_none());
                let parameters = encrypted_content(&data.encrypted_content, cipher, length);
                assert_eq!((parameters.len(), &parameters[..2]), (18, &[4, 16][..]));
                assert!(field(&part, "Content-Type").contains("smime-type=enveloped-data"));
                sole_recipient(data.recip_infos, &bob.certificate)
            };
            assert_eq!(wrapped.len(), 256);
            let opened = open(read(wire).0, &us).unwrap();
            assert_eq!((opened.content, opened.taint), (Bytes::from(content), None), "{cipher} {length}");
        }
    }
}

#[test]
fn x18_no_two_envelopes_are_alike() {
    let bob = bob_enc();
    for cipher in [CipherAlgorithm::Aes256Cbc, CipherAlgorithm::Aes256Gcm] {
        let build =
            || encrypt(&[], &EnvelopeTerms::new(vec![bob.certificate.clone()], cipher, None), &provider()).unwrap();
        let nonce = |part: Part| {
            let wire = inner(
                &join(part.body),
                if cipher.is_authenticated() { oid::AUTH_ENVELOPED_DATA } else { oid::ENVELOPED_DATA },
            );
            match cipher.is_authenticated() {
                true => {
                    strict::<AuthEnvelopedData>(&wire).auth_encrypted_content_info.content_enc_alg.to_der().unwrap()
                }
                false => strict::<EnvelopedData>(&wire).encrypted_content.content_enc_alg.to_der().unwrap(),
            }
        };
        assert_ne!(nonce(build()), nonce(build()));
    }
}

#[test]
fn x19_compressed_data_is_strict_der_and_inflates() {
    for length in LENGTHS {
        let content = content(length);
        let part = compress(&pieces(&content));
        let wire = join(part.body.clone());
        let data: CompressedData = strict(&inner(&wire, oid::COMPRESSED_DATA));
        assert_eq!(data.version, CmsVersion::V0);
        assert_eq!((data.compression_alg.oid, data.compression_alg.parameters), (oid::ZLIB, None));
        assert_eq!(data.encap_content_info.econtent_type, oid::DATA);
        let stream = data.encap_content_info.econtent.unwrap().decode_as::<OctetString>().unwrap();
        // CMF and FLG of RFC 1950: deflate, and a multiple of 31.
        let head = u32::from(stream.as_bytes()[0]) << 8 | u32::from(stream.as_bytes()[1]);
        assert!(stream.as_bytes()[0] & 0x0f == 8 && head % 31 == 0);
        let inflated = inflate(stream.as_bytes(), InflateBudget::new(&Limits::default())).unwrap().0;
        assert_eq!(inflated, content, "{length}");
    }
}
