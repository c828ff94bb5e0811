//! ML-KEM and ML-DSA in both directions, with messages made and opened by Python's cryptography
//! (`tests/interop/post_quantum.py`).
#![cfg(all(feature = "pq", feature = "serde"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use as2_protocol::crypto::{DecapsulateRequest, DecryptingKey, KeyError, RemoteKey};
use as2_protocol::*;
use bytes::Bytes;
use http::Request;
use support::der::Der;
use support::seen::Seen;
use support::streamed::Received;
use support::*;

const KEMS: [(&str, KeyTransport); 2] =
    [("ml-kem-768", KeyTransport::MlKem768), ("ml-kem-1024", KeyTransport::MlKem1024)];
const SIGNERS: [(&str, SignatureScheme); 2] =
    [("ml-dsa-65", SignatureScheme::MlDsa65), ("ml-dsa-87", SignatureScheme::MlDsa87)];

fn file(name: &str) -> Vec<u8> {
    std::fs::read(vectors("pq").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_pem(&file(&format!("{name}.crt"))).unwrap()
}

fn key(name: &str) -> Arc<dyn DecryptingKey> {
    decrypting_key(&file(&format!("{name}.key")))
}

/// Bob with both keys of ML-KEM, and the RSA key that he had before.
fn us() -> Identity {
    let builder = Identity::builder(provider())
        .signing(vec![certificate("ml-dsa-87")], signing_key(&file("ml-dsa-87.key")))
        .decrypting(worked_certificate("bob-enc"), decrypting_key(&worked("keys/bob-enc.key")));
    KEMS.iter().fold(builder, |builder, (name, _)| builder.decrypting(certificate(name), key(name))).build().unwrap()
}

fn message(cms: impl Into<Bytes>) -> Received {
    let request = Request::post("/").header("as2-from", "\"Alice Corp\"").header("as2-to", BOB);
    let request = request.header("message-id", "<1@a>").header("content-type", "application/pkcs7-mime");
    envelope(request.body(cms.into()).unwrap())
}

/// Alice as Bob sees her; `signer` is the certificate that she signs with.
fn sender(signer: &str, change: impl FnOnce(&mut PartnerProfile)) -> Partner {
    let mut terms = profile(BOB, ALICE);
    change(&mut terms);
    let builder = Partner::builder(terms, provider()).encrypt_to(certificate("ml-kem-768"));
    let signer = if signer == "alice-sign" { worked_certificate(signer) } else { certificate(signer) };
    builder.verify_with(signer).build().unwrap()
}

fn open(name: &str, signer: &str) -> Result<Accepted, ReceiveError> {
    let opened = message(file(name)).open(&us(), Some(&sender(signer, |_| ())), now());
    opened.map_err(|refused| refused.error().clone())
}

#[test]
fn envelopes_of_others_are_opened() {
    for (name, cipher, kem) in [
        ("enveloped-768.der", CipherAlgorithm::Aes256Cbc, KeyTransport::MlKem768),
        ("enveloped-1024-ukm.der", CipherAlgorithm::Aes256Cbc, KeyTransport::MlKem1024),
        ("enveloped-768-wrap128.der", CipherAlgorithm::Aes256Cbc, KeyTransport::MlKem768),
        ("auth-1024.der", CipherAlgorithm::Aes256Gcm, KeyTransport::MlKem1024),
    ] {
        let accepted = open(name, "ml-dsa-65").unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(accepted.payload().body(), "ISA*00*PQ~\r\n", "{name}");
        assert_eq!(accepted.layers(), [Layer::Encrypted(cipher, kem)], "{name}");
    }
}

#[test]
fn beside_a_classical_recipient_each_finds_his_own_key() {
    let us = |own: &str| {
        let builder = Identity::builder(provider());
        match own {
            "bob-enc" => builder.decrypting(worked_certificate(own), decrypting_key(&worked("keys/bob-enc.key"))),
            _ => builder.decrypting(certificate(own), key(own)),
        }
        .build()
        .unwrap()
    };
    let transport = |cms: Bytes, own: &str| {
        let accepted = message(cms).open(&us(own), Some(&alice()), now()).unwrap_or_else(|refused| {
            panic!("{own}: {}", refused.error());
        });
        let [Layer::Encrypted(_, transport)] = accepted.layers() else { panic!("{:?}", accepted.layers()) };
        *transport
    };
    let of_others = Bytes::from(file("auth-rsa-and-768.der"));
    assert_eq!(transport(of_others.clone(), "bob-enc"), KeyTransport::RsaPkcs1v15);
    assert_eq!(transport(of_others, "ml-kem-768"), KeyTransport::MlKem768);
    let mut terms = profile(ALICE, BOB);
    terms.send.sign = None;
    let bob = Partner::builder(terms, provider())
        .encrypt_to(worked_certificate("bob-enc"))
        .also_encrypt_to(certificate("ml-kem-768"))
        .also_encrypt_to(certificate("ml-kem-1024"))
        .verify_with(certificate("ml-dsa-65"))
        .build()
        .unwrap();
    let ours = sent(&us("bob-enc"), &bob);
    for (own, expected) in KEMS.into_iter().chain([("bob-enc", KeyTransport::RsaPkcs1v15)]) {
        assert_eq!(transport(ours.clone(), own), expected);
    }
}

#[test]
fn signatures_of_others_verify() {
    for (name, signer, scheme) in [
        ("signed-65.der", "ml-dsa-65", SignatureScheme::MlDsa65),
        ("signed-87.der", "ml-dsa-87", SignatureScheme::MlDsa87),
        ("signed-65-noattr.der", "ml-dsa-65", SignatureScheme::MlDsa65),
        ("signed-rsa-and-87.der", "ml-dsa-87", SignatureScheme::MlDsa87),
        ("signed-rsa-and-87.der", "alice-sign", SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256)),
    ] {
        let accepted = open(name, signer).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(accepted.payload().body(), "ISA*00*PQ~\r\n", "{name}");
        assert!(matches!(accepted.authenticity(), Authenticity::Signed { .. }), "{name}");
        assert_eq!(accepted.layers(), [Layer::Signed(scheme.digest())], "{name}");
        assert!(open(name, if signer == "ml-dsa-65" { "ml-dsa-87" } else { "ml-dsa-65" }).is_err(), "{name}");
    }
    let other_digest = open("signed-65-sha256.der", "ml-dsa-65").unwrap_err().to_string();
    assert!(other_digest.ends_with("ml-dsa-65 is used with the digest algorithm sha-256"), "{other_digest}");
}

#[test]
fn changed_signatures_and_content_are_refused() {
    for name in ["signed-65.der", "signed-65-noattr.der"] {
        let original = file(name);
        // The signature value ends the structure; the content stands near its start.
        let content = memchr::memmem::find(&original, b"ISA*").unwrap();
        for place in [content, original.len() - 1, original.len() - 1700, original.len() - 3300] {
            let mut changed = original.clone();
            changed[place] ^= 1;
            let refused = message(changed).open(&us(), Some(&sender("ml-dsa-65", |_| ())), now());
            let code = refused.err().unwrap_or_else(|| panic!("{name} {place}")).error().code().to_owned();
            assert!(
                ["AUTHENTICATION", "SIGNATURE_INVALID", "INTEGRITY_CHECK"].contains(&code.as_str()),
                "{place}: {code}"
            );
        }
    }
}

#[test]
fn families_and_mechanisms_outside_the_agreement_are_refused() {
    let refused = |name: &str, change: fn(&mut PartnerProfile)| {
        let opened = message(file(name)).open(&us(), Some(&sender("ml-dsa-65", change)), now());
        opened.err().map(|refused| refused.error().to_string()).unwrap_or_default()
    };
    let text = refused("signed-65.der", |terms| terms.accept.signatures = vec![SignatureFamily::Pss]);
    assert!(text.contains("ml-dsa-65"), "{text}");
    let text = refused("enveloped-768.der", |terms| terms.accept.key_transports = vec![KeyTransport::MlKem1024]);
    assert!(text.contains("ml-kem-768"), "{text}");
}

/// What `us` sends to a partner, without HTTP.
fn sent(us: &Identity, partner: &Partner) -> Bytes {
    let message = MessageBuilder::new(us, partner);
    message.build(Payload::x12("ISA*00*PQ~\r\n"), now()).unwrap().request.to_request().into_body()
}

#[test]
fn whole_exchanges_with_signed_receipts() {
    for ((kem, transport), (dsa, scheme)) in KEMS.into_iter().zip(SIGNERS) {
        for cipher in [CipherAlgorithm::Aes256Cbc, CipherAlgorithm::Aes256Gcm, CipherAlgorithm::Aes128Cbc] {
            let us = Identity::builder(provider())
                .signing(vec![certificate(dsa)], signing_key(&file(&format!("{dsa}.key"))))
                .decrypting(certificate(kem), key(kem))
                .build()
                .unwrap();
            let partner = |profile: PartnerProfile| {
                let builder = Partner::builder(profile, provider());
                builder.encrypt_to(certificate(kem)).verify_with(certificate(dsa)).build().unwrap()
            };
            let mut terms = profile(ALICE, BOB);
            (terms.send.sign, terms.send.encrypt) = (Some(DigestAlgorithm::Sha512), Some(cipher));
            let (bob, alice) = (partner(terms), partner(profile(BOB, ALICE)));
            let sent = MessageBuilder::new(&us, &bob).build(Payload::x12("ISA*00*PQ~\r\n"), now()).unwrap();
            let accepted = envelope(sent.request.to_request()).open(&us, Some(&alice), now()).unwrap();
            assert_eq!(accepted.layers()[0], Layer::Encrypted(cipher, transport));
            assert_eq!(accepted.layers()[1], Layer::Signed(scheme.digest()));
            let reply = accepted.stored().build(now()).response.to_response();
            let SendOutcome::Settled(outcome) = sent.pending.on_response(Ok(&reply), &bob, now()) else { panic!() };
            assert!(matches!(*outcome, Outcome::Deliver(_)), "{outcome:?}");
        }
    }
}

/// The KEMRecipientInfo, from the outside in: recipients, the only one, and its value behind the kind.
const KEMRI: &[usize] = &[1, 0, 1, 0, 1];

#[test]
fn u02_x14_wrong_keys_in_encapsulations_are_answered_alike() {
    for name in ["enveloped-768.der", "auth-1024.der"] {
        let partner = sender("ml-dsa-65", |_| ());
        let cms = Der::read(&file(name));
        let answer = |cms: &Der| {
            let refused = message(cms.write()).open(&us(), Some(&partner), now()).unwrap_err();
            (refused.error().code().to_owned(), Seen::of(&refused.mdn().build(now())))
        };
        let with = |place: usize, change: &dyn Fn(&mut Vec<u8>)| {
            let (mut changed, path) = (cms.clone(), [KEMRI, &[place]].concat());
            let mut octets = changed.at(&path).octets().to_vec();
            change(&mut octets);
            changed.replace(&path, octets);
            changed
        };
        let mut content = cms.clone();
        let mut octets = content.at(&[1, 0, 2, 2]).octets().to_vec();
        *octets.last_mut().unwrap() ^= 0x55;
        content.replace(&[1, 0, 2, 2], octets);
        let (_, uniform) = answer(&content);
        // Ciphertext of ML-KEM, and wrapped key: any octet, and keys of other lengths.
        for place in [0, 1, 500, 1087] {
            let (code, seen) = answer(&with(3, &|octets| octets[place] ^= 1));
            assert!(seen == uniform, "{name} {place}: {code} {seen:?}");
            let again = answer(&with(3, &|octets| octets[place] ^= 1));
            assert!(again == (code, seen), "the substitute stays the same");
        }
        let changes: [fn(&mut Vec<u8>); 3] = [|octets| octets[7] ^= 1, |octets| octets.truncate(24), Vec::clear];
        for change in changes {
            let (code, seen) = answer(&with(7, &change));
            assert!(seen == uniform, "{name}: {code} {seen:?}");
        }
    }
}

#[test]
fn encapsulations_that_cannot_be_read_say_why() {
    let cms = Der::read(&file("enveloped-768.der"));
    let refused = |path: &[usize], octets: &[u8]| {
        let (mut changed, path) = (cms.clone(), [KEMRI, path].concat());
        changed.replace(&path, octets.to_vec());
        message(changed.write()).open(&us(), Some(&sender("ml-dsa-65", |_| ())), now()).unwrap_err().error().to_string()
    };
    for (path, octets, text) in [
        // ML-KEM-512, HKDF with SHA-512, PBKDF-like key wraps.
        (&[2, 0][..], &b"\x60\x86\x48\x01\x65\x03\x04\x04\x01"[..], "2.16.840.1.101.3.4.4.1"),
        (&[4, 0], b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x03\x1e", "key derivation 1.2.840.113549.1.9.16.3.30"),
        (&[6, 0], b"\x60\x86\x48\x01\x65\x03\x04\x01\x2a", "key wrap algorithm 2.16.840.1.101.3.4.1.42"),
        (&[2, 0], b"\x60\x86\x48\x01\x65\x03\x04\x04\x03", "ml-kem-1024 to a key that is not one of it"),
        (&[3], &[7; 1087], "the length of the encapsulated key"),
        (&[5], &[16], "the length of the key-encryption key"),
    ] {
        let error = refused(path, octets);
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn keys_far_away_decapsulate() {
    for (name, kem) in KEMS {
        let remote = Arc::new(RemoteKey::new("hsm", &certificate(name), [7; 32]));
        assert_eq!(remote.decapsulate(&DecapsulateRequest::new(kem, vec![])).unwrap_err(), KeyError::Deferred);
        let us = Identity::builder(provider()).decrypting(certificate(name), remote).build().unwrap();
        let cms = if name == "ml-kem-768" { "enveloped-768.der" } else { "auth-1024.der" };
        let mut step = message(file(cms)).open_steps(&us, Some(&alice()), now());
        let mut asked = 0;
        let opened = loop {
            step = match step {
                Step::Done(opened) => break opened,
                Step::Need(pending) => {
                    asked += 1;
                    let KeyRequest::Decapsulate { request, .. } = pending.request() else { panic!("{pending:?}") };
                    let secret = key(name).decapsulate(request).map(|secret| secret.as_bytes().to_vec());
                    pending.provide(secret)
                }
            };
        };
        assert_eq!((opened.unwrap().payload().body().as_ref(), asked), (&b"ISA*00*PQ~\r\n"[..], 1));
    }
}

#[test]
fn keys_are_used_for_what_they_are() {
    for (name, kem) in KEMS {
        let stored = PrivateKey::read(&file(&format!("{name}.key")), None).unwrap();
        assert_eq!(*stored.algorithm(), KeyAlgorithm::MlKem(kem));
        assert!(stored.belongs_to(&certificate(name)));
        assert_eq!(stored.algorithm().to_string(), name.to_uppercase());
        assert_eq!(stored.into_signing().unwrap_err().code(), "KEY_ALGORITHM");
        let signing =
            Identity::builder(provider()).signing(vec![certificate(name)], signing_key(&file("ml-dsa-65.key")));
        assert!(signing.build().is_err());
    }
    for (name, scheme) in SIGNERS {
        let stored = PrivateKey::read(&file(&format!("{name}.key")), None).unwrap();
        assert_eq!(*stored.algorithm(), KeyAlgorithm::MlDsa(scheme));
        assert!(stored.belongs_to(&certificate(name)));
        assert_eq!(stored.into_decrypting().unwrap_err().code(), "KEY_ALGORITHM");
    }
    let mut terms = profile(ALICE, BOB);
    terms.send.key_transport = Some(KeyTransport::RsaOaepSha256);
    let builder = Partner::builder(terms.clone(), provider()).verify_with(certificate("ml-dsa-65"));
    let error = builder.encrypt_to(certificate("ml-kem-768")).build().unwrap_err().to_string();
    assert!(error.contains("rsa-oaep-sha256 does not fit the key"), "{error}");
    terms.send.key_transport = Some(KeyTransport::MlKem1024);
    let builder = Partner::builder(terms, provider()).verify_with(certificate("ml-dsa-65"));
    let error = builder.encrypt_to(certificate("ml-kem-768")).build().unwrap_err().to_string();
    assert!(error.contains("ml-kem-1024 does not fit the key"), "{error}");
}

/// Python with what the script needs; where it is missing this is said, and with `CI=true` fails.
fn python(arguments: &[&Path]) -> Option<Vec<u8>> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/interop/post_quantum.py");
    let probe = ["-c", "from cryptography.hazmat.primitives.asymmetric import mlkem"];
    let there = Command::new("python3").args(probe).output().is_ok_and(|output| output.status.success());
    let there = there && script.exists();
    if !there {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "python3 with cryptography 48 or later is missing");
        eprintln!("skipped: python3 with cryptography 48 or later is missing");
        return None;
    }
    let output = Command::new("python3").arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

#[test]
fn what_we_write_is_read_by_others() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    for ((kem, _), (dsa, _)) in KEMS.into_iter().zip(SIGNERS) {
        let us =
            Identity::builder(provider()).signing(vec![certificate(dsa)], signing_key(&file(&format!("{dsa}.key"))));
        let us = us.build().unwrap();
        let partner = |change: &dyn Fn(&mut PartnerProfile)| {
            let mut terms = profile(ALICE, BOB);
            change(&mut terms);
            let builder = Partner::builder(terms, provider()).encrypt_to(certificate(kem));
            builder.also_encrypt_to(worked_certificate("bob-enc")).verify_with(certificate(dsa)).build().unwrap()
        };
        for cipher in [CipherAlgorithm::Aes256Cbc, CipherAlgorithm::Aes256Gcm] {
            let to = partner(&|terms| (terms.send.sign, terms.send.encrypt) = (None, Some(cipher)));
            let cms = folder.join(format!("{kem}.der"));
            std::fs::write(&cms, sent(&us, &to)).unwrap();
            let key = vectors("pq").join(format!("{kem}.key"));
            let Some(content) = python(&[Path::new("open"), &key, &cms]) else { return };
            assert!(content.ends_with(b"\r\n\r\nISA*00*PQ~\r\n"), "{kem} {cipher}");
        }
        for attributes in [true, false] {
            let to = partner(&|terms| {
                (terms.send.sign, terms.send.encrypt) = (Some(DigestAlgorithm::Sha512), None);
                terms.quirks.signed_attributes = attributes;
                terms.quirks.signature_encoding = SignatureEncoding::Binary;
            });
            let request = MessageBuilder::new(&us, &to).build(Payload::x12("ISA*00*PQ~\r\n"), now()).unwrap();
            let (content, signature) = parts(&request.request.to_request());
            let (cms, text) = (folder.join(format!("{dsa}.der")), folder.join(format!("{dsa}.txt")));
            std::fs::write(&cms, signature).unwrap();
            std::fs::write(&text, content).unwrap();
            let Some(answer) = python(&[Path::new("verify"), &vectors("pq").join(format!("{dsa}.crt")), &cms, &text])
            else {
                return;
            };
            assert_eq!(answer, b"good\n");
        }
    }
}

/// What is signed, and the signature, of a multipart/signed message.
fn parts(request: &Request<Bytes>) -> (Vec<u8>, Vec<u8>) {
    let kind = request.headers()["content-type"].to_str().unwrap();
    let boundary = kind.split("boundary=\"").nth(1).unwrap().trim_end_matches('"');
    let (body, delimiter) = (request.body(), format!("\r\n--{boundary}"));
    let first = boundary.len() + 4;
    let end = memchr::memmem::find(body, delimiter.as_bytes()).unwrap();
    let rest = &body[end + delimiter.len()..];
    let start = memchr::memmem::find(rest, b"\r\n\r\n").unwrap() + 4;
    let stop = memchr::memmem::rfind(rest, delimiter.as_bytes()).unwrap();
    (body[first..end].to_vec(), rest[start..stop].to_vec())
}
