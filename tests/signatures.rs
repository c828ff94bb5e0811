//! Signatures of every family, as OpenSSL and Bouncy Castle wrote them (tests/vectors/signatures) and as we write them.
#![cfg(feature = "rustcrypto")]

mod support;

use std::sync::Arc;

use as2_protocol::crypto::SigningKey;
use as2_protocol::*;
use support::*;

/// What is signed in each of the files: a MIME entity.
const CONTENT: &[u8] = include_bytes!("vectors/signatures/content.txt");

fn vector(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/signatures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_pem(&vector(&format!("{name}.crt"))).unwrap()
}

/// Alice's signed message around a signature from a file.
fn message(cms: &[u8]) -> http::Request<bytes::Bytes> {
    let head = "--b\r\n".as_bytes();
    let part = b"\r\n--b\r\nContent-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: binary\r\n\r\n";
    let body = [head, CONTENT, part, cms, b"\r\n--b--\r\n"].concat();
    http::Request::post("/as2")
        .header("as2-from", "\"Alice Corp\"")
        .header("as2-to", "bob")
        .header("message-id", "<1@alice.example>")
        .header("content-type", "multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b")
        .body(body.into())
        .unwrap()
}

/// Bob's view of Alice, whose signatures verify with the certificate of this name.
fn sender(name: &str, change: impl Fn(&mut AcceptTerms)) -> Partner {
    let mut terms = profile(BOB, ALICE);
    change(&mut terms.accept);
    let partner = Partner::builder(terms, provider()).verify_with(certificate(name));
    // One key has an odd number of bits, and few of them.
    partner.allow_weak_keys().encrypt_to(worked_certificate("alice-enc")).build().unwrap()
}

fn open(cms: &[u8], partner: &Partner) -> Result<Accepted, ReceiveError> {
    envelope(message(cms))
        .open(&worked_identity("bob"), Some(partner), now())
        .map_err(|refused| refused.error().clone())
}

fn verify(file: &str, signer: &str) -> Result<Accepted, ReceiveError> {
    open(&vector(&format!("{file}.der")), &sender(signer, |_| ()))
}

fn text(result: Result<Accepted, ReceiveError>) -> String {
    result.map(|_| "accepted".to_owned()).unwrap_or_else(|error| error.to_string())
}

#[test]
fn x23_x24_x25_x27_x28_signatures_of_others_verify() {
    for (file, signer, digest) in [
        ("rsa-sha256", "rsa", DigestAlgorithm::Sha256),
        ("rsa-sha384", "rsa", DigestAlgorithm::Sha384),
        ("rsa-sha512", "rsa", DigestAlgorithm::Sha512),
        ("pss-sha256", "rsa", DigestAlgorithm::Sha256),
        ("pss-sha384", "rsa", DigestAlgorithm::Sha384),
        ("pss-sha512", "rsa", DigestAlgorithm::Sha512),
        ("pss-salt-max", "rsa", DigestAlgorithm::Sha256),
        ("pss-salt-0", "rsa", DigestAlgorithm::Sha256),
        ("pss-salt-20", "rsa", DigestAlgorithm::Sha256),
        ("pss-mgf1-sha1", "rsa", DigestAlgorithm::Sha256),
        ("pss-1030", "rsa1030", DigestAlgorithm::Sha256),
        ("pss-2049", "rsa2049", DigestAlgorithm::Sha256),
        ("pss-noattr", "rsa", DigestAlgorithm::Sha256),
        ("pss-key", "pss", DigestAlgorithm::Sha384),
        ("pss-bound", "pss-bound", DigestAlgorithm::Sha256),
        ("p256-sha256", "p256", DigestAlgorithm::Sha256),
        ("p256-sha384", "p256", DigestAlgorithm::Sha384),
        ("p256-sha512", "p256", DigestAlgorithm::Sha512),
        ("p384-sha256", "p384", DigestAlgorithm::Sha256),
        ("p384-sha384", "p384", DigestAlgorithm::Sha384),
        ("p384-sha512", "p384", DigestAlgorithm::Sha512),
        ("p521-sha256", "p521", DigestAlgorithm::Sha256),
        ("p521-sha384", "p521", DigestAlgorithm::Sha384),
        ("p521-sha512", "p521", DigestAlgorithm::Sha512),
        ("p256-noattr", "p256", DigestAlgorithm::Sha256),
        ("p256-keyid", "p256", DigestAlgorithm::Sha256),
        ("p256-none", "p256", DigestAlgorithm::Sha256),
        ("bc-rsa", "rsa", DigestAlgorithm::Sha256),
        ("bc-pss", "rsa", DigestAlgorithm::Sha256),
        ("bc-p384", "p384", DigestAlgorithm::Sha384),
        ("bc-p521", "p521", DigestAlgorithm::Sha512),
        ("bc-ed25519", "ed25519", DigestAlgorithm::Sha512),
        ("bc-ed25519-noattr", "ed25519", DigestAlgorithm::Sha512),
    ] {
        let accepted = verify(file, signer).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(accepted.layers(), [Layer::Signed(digest)], "{file}");
        assert_eq!(accepted.authenticity(), &Authenticity::Signed { certificate: certificate(signer) }, "{file}");
        let noted: Vec<_> = accepted.notes().iter().filter(|note| note.code() != "MICALG").collect();
        assert!(noted.is_empty(), "{file}: {noted:?}");
        // The same octets under another certificate are no signature of his.
        let other = if signer == "rsa" { "p256" } else { "rsa" };
        assert!(verify(file, other).is_err(), "{file}");
    }
}

#[test]
fn x08_one_of_several_signers_is_trusted_and_the_others_are_noted() {
    for signer in ["rsa", "p384"] {
        let accepted = verify("multi", signer).unwrap();
        let others: Vec<_> = accepted.notes().iter().filter(|note| note.code() == "OTHER_SIGNER").collect();
        assert_eq!(others.len(), 1, "{others:?}");
    }
    let dsa = text(verify("multi", "dsa"));
    assert!(
        dsa.contains("which is not configured for this partner") || dsa.contains("which is not supported"),
        "{dsa}"
    );
}

#[test]
fn weak_digests_are_read_only_where_the_agreement_names_them() {
    for (file, signer, digest) in [
        ("rsa-sha1", "rsa", DigestAlgorithm::Sha1),
        ("pss-sha1", "rsa", DigestAlgorithm::Sha1),
        ("p256-sha1", "p256", DigestAlgorithm::Sha1),
        ("p384-sha1", "p384", DigestAlgorithm::Sha1),
        ("p521-sha1", "p521", DigestAlgorithm::Sha1),
        ("rsa-sha224", "rsa", DigestAlgorithm::Sha224),
        ("p256-sha224", "p256", DigestAlgorithm::Sha224),
        ("p384-sha224", "p384", DigestAlgorithm::Sha224),
        ("p521-sha224", "p521", DigestAlgorithm::Sha224),
        ("rsa-md5", "rsa", DigestAlgorithm::Md5),
    ] {
        let refused = text(verify(file, signer));
        assert!(refused.ends_with("which the agreement does not accept"), "{file}: {refused}");
        assert!(refused.contains(digest.name()), "{file}: {refused}");
        let named = sender(signer, |accept| accept.digests.push(digest));
        let taken = open(&vector(&format!("{file}.der")), &named);
        if cfg!(feature = "legacy") || digest == DigestAlgorithm::Sha1 {
            assert_eq!(taken.unwrap().layers(), [Layer::Signed(digest)], "{file}");
        } else {
            assert!(text(taken).ends_with("which is not supported"), "{file}");
        }
    }
}

#[test]
fn families_of_signatures_are_refused_by_name() {
    for (file, signer, family, named) in [
        ("rsa-sha256", "rsa", SignatureFamily::Pkcs1v15, "rsa-pkcs1-v1.5 with sha-256"),
        ("pss-salt-max", "rsa", SignatureFamily::Pss, "rsa-pss with sha-256, salt of 222 octets"),
        ("p521-sha512", "p521", SignatureFamily::Ecdsa, "ecdsa with sha-512"),
        ("bc-ed25519", "ed25519", SignatureFamily::Ed25519, "ed25519"),
    ] {
        let partner = sender(signer, |accept| accept.signatures.retain(|allowed| *allowed != family));
        let refused = open(&vector(&format!("{file}.der")), &partner).unwrap_err();
        assert_eq!(refused.code(), "ALGORITHM_FORBIDDEN");
        assert_eq!(refused.to_string(), format!("signature uses {named}, which the agreement does not accept"));
        let only = sender(signer, |accept| accept.signatures = vec![family]);
        assert!(open(&vector(&format!("{file}.der")), &only).is_ok(), "{file}");
    }
}

#[test]
fn algorithms_and_curves_that_nobody_agreed_on_are_refused() {
    let dsa = text(verify("dsa", "dsa"));
    assert_eq!(dsa, "signature uses the algorithm 2.16.840.1.101.3.4.3.2, which is not supported");
    let k256 = text(verify("k256", "k256"));
    assert!(k256.contains("does not verify with any certificate of the partner"), "secp256k1: {k256}");
}

#[test]
fn t10_restricted_keys_verify_nothing_else() {
    // The key of `pss` may be used for RSASSA-PSS alone; the same numbers made a PKCS#1 v1.5 signature here.
    let plain = text(verify("pss-forged-v15", "pss"));
    assert!(plain.contains("does not verify"), "{plain}");
    // That of `pss-bound` moreover for SHA-256 and salts of 32 octets or more alone.
    for file in ["bound-forged-sha384", "bound-forged-salt-20"] {
        let forged = text(verify(file, "pss-bound"));
        assert!(forged.contains("does not verify"), "{file}: {forged}");
    }
    assert!(verify("bound-salt-max", "pss-bound").is_ok());
}

#[test]
fn x03_opaque_signatures_of_other_families_are_read() {
    for file in ["p256-opaque", "p256-opaque-noattr"] {
        let mut request = message(b"");
        request.headers_mut().insert("content-type", "application/pkcs7-mime; smime-type=signed-data".parse().unwrap());
        *request.body_mut() = vector(&format!("{file}.der")).into();
        let accepted = envelope(request).open(&worked_identity("bob"), Some(&sender("p256", |_| ())), now());
        let accepted = accepted.unwrap_or_else(|refused| panic!("{file}: {}", refused.error()));
        assert_eq!(accepted.payload().body().as_ref(), b"Purchase order 4711\r\n");
    }
}

/// Without the feature, the algorithm is named all the same.
#[cfg(not(feature = "pq"))]
#[test]
fn ml_dsa_needs_its_feature() {
    let file = |name: &str| std::fs::read(vectors("pq").join(name)).unwrap();
    let request = http::Request::post("/as2").header("as2-from", "\"Alice Corp\"").header("as2-to", "bob");
    let request = request.header("message-id", "<1@alice.example>").header("content-type", "application/pkcs7-mime");
    let terms = Partner::builder(profile(BOB, ALICE), provider()).encrypt_to(worked_certificate("alice-enc"));
    let partner = terms.verify_with(Certificate::from_pem(&file("ml-dsa-65.crt")).unwrap()).build().unwrap();
    let opened = envelope(request.body(file("signed-65.der").into()).unwrap());
    let refused = opened.open(&worked_identity("bob"), Some(&partner), now()).unwrap_err();
    assert_eq!(refused.error().to_string(), "signature uses the algorithm ml-dsa-65, which is not supported");
    let key = PrivateKey::read(&file("ml-dsa-65.key"), None).unwrap();
    assert_eq!(key.into_signing().unwrap_err().code(), "KEY_ALGORITHM");
    // Beside it stands a signature with RSA, which is enough.
    let request = http::Request::post("/as2").header("as2-from", "\"Alice Corp\"").header("as2-to", "bob");
    let request = request.header("message-id", "<2@alice.example>").header("content-type", "application/pkcs7-mime");
    let opened = envelope(request.body(file("signed-rsa-and-87.der").into()).unwrap());
    assert!(opened.open(&worked_identity("bob"), Some(&alice()), now()).is_ok());
    let terms = Partner::builder(profile(BOB, ALICE), provider()).verify_with(worked_certificate("alice-sign"));
    let kem = Certificate::from_pem(&file("ml-kem-768.crt")).unwrap();
    let error = terms.encrypt_to(kem).build().unwrap_err().to_string();
    assert!(error.contains("the crypto provider does not encrypt with ml-kem-768"), "{error}");
}

/// Signing keys of every kind, each with the family of its signatures.
fn keys() -> Vec<(&'static str, Arc<dyn SigningKey>)> {
    let names = ["rsa", "rsa1030", "rsa2049", "pss", "pss-bound", "p256", "p384", "p521", "ed25519"];
    names.into_iter().map(|name| (name, signing_key(&vector(&format!("{name}.key"))))).collect()
}

/// The same keys by their own types, which are those of RustCrypto.
fn read_alone(name: &str) -> Arc<dyn SigningKey> {
    let pem = vector(&format!("{name}.key"));
    match name {
        "p256" | "p384" | "p521" => Arc::new(EcPrivateKey::from_pkcs8_pem(&pem).unwrap()),
        "ed25519" => Arc::new(Ed25519PrivateKey::from_pkcs8_pem(&pem).unwrap()),
        _ => Arc::new(RsaPrivateKey::from_pkcs8_pem(&pem).unwrap()),
    }
}

#[test]
fn keys_out_of_a_key_store_sign_like_those_that_are_read_alone() {
    for (name, backend) in keys() {
        let key = read_alone(name);
        let stored = PrivateKey::read(&vector(&format!("{name}.key")), None).unwrap().into_signing().unwrap();
        for other in [stored, backend] {
            assert_eq!((other.public_key(), other.schemes()), (key.public_key(), key.schemes()), "{name}");
            for scheme in key.schemes() {
                assert_eq!(other.signature_len(scheme), key.signature_len(scheme), "{name} {scheme}");
            }
        }
    }
}

fn identity(name: &str, key: Arc<dyn SigningKey>) -> Identity {
    let builder = Identity::builder(provider());
    builder.allow_weak_keys().signing(vec![certificate(name)], key).build().unwrap()
}

#[test]
fn messages_and_receipts_of_every_key_are_taken() {
    for (name, key) in keys() {
        for (rsa, attributes, digest) in [
            (RsaSignature::Pkcs1v15, true, DigestAlgorithm::Sha256),
            (RsaSignature::Pss, true, DigestAlgorithm::Sha384),
            (RsaSignature::Pss, false, DigestAlgorithm::Sha256),
        ] {
            exchange(name, Arc::clone(&key), |terms| {
                terms.send.rsa_signature = rsa;
                terms.send.sign = Some(digest);
                terms.quirks.signed_attributes = attributes;
                terms.quirks.algorithm_protection = attributes;
                terms.quirks.signer_id = if attributes { SignerId::KeyId } else { SignerId::IssuerSerial };
            });
        }
    }
}

/// A message signed with `key` goes out, and a receipt signed with it comes back: both sides have the same key.
fn exchange(name: &str, key: Arc<dyn SigningKey>, change: impl Fn(&mut PartnerProfile)) {
    let us = identity(name, key);
    let partner = |us, them| {
        let mut terms = profile(us, them);
        terms.send.encrypt = None;
        change(&mut terms);
        Partner::builder(terms, provider()).verify_with(certificate(name)).allow_weak_keys().build().unwrap()
    };
    let (alice, bob) = (partner(BOB, ALICE), partner(ALICE, BOB));
    let wish = bob.profile().send.sign.unwrap();
    let sent = MessageBuilder::new(&us, &bob).build(Payload::x12(&b"ISA*00*"[..]), now()).unwrap();
    let accepted = envelope(sent.request.to_request()).open(&us, Some(&alice), now());
    let accepted = accepted.unwrap_or_else(|refused| panic!("{name}: {}", refused.error()));
    let digest = match name {
        "ed25519" => DigestAlgorithm::Sha512,
        "pss-bound" => DigestAlgorithm::Sha256,
        _ => wish,
    };
    assert_eq!(accepted.layers(), [Layer::Signed(digest)], "{name}");
    assert_eq!(accepted.mic().algorithm(), digest, "{name}: signature and list name one digest");
    assert_eq!(accepted.notes(), [], "{name}");
    let reply = accepted.stored().build(now()).response.to_response();
    let micalg = format!("micalg={digest}");
    assert!(reply.headers()["content-type"].to_str().unwrap().contains(&micalg), "{name}: {reply:?}");
    let SendOutcome::Settled(outcome) = sent.pending.on_response(Ok(&reply), &bob, now()) else { panic!("{name}") };
    assert!(matches!(*outcome, Outcome::Deliver(_)), "{name}: {outcome:?}");
}

#[test]
fn receipts_of_a_family_outside_the_agreement_prove_nothing() {
    let us = identity("p256", signing_key(&vector("p256.key")));
    let mut terms = profile(ALICE, BOB);
    terms.send.encrypt = None;
    terms.expect.mdn_signature_families = vec![SignatureFamily::Pkcs1v15, SignatureFamily::Pss];
    let bob = Partner::builder(terms, provider()).verify_with(certificate("p256")).build().unwrap();
    let alice = Partner::builder(profile(BOB, ALICE), provider()).verify_with(certificate("p256"));
    let alice = alice.encrypt_to(worked_certificate("alice-enc")).build().unwrap();
    let sent = MessageBuilder::new(&us, &bob).build(Payload::x12(&b"ISA*00*"[..]), now()).unwrap();
    let accepted = envelope(sent.request.to_request()).open(&us, Some(&alice), now()).unwrap();
    let reply = accepted.stored().build(now()).response.to_response();
    let SendOutcome::Settled(outcome) = sent.pending.on_response(Ok(&reply), &bob, now()) else { panic!() };
    let Outcome::Dispute(dispute, _) = *outcome else { panic!("{outcome:?}") };
    assert!(dispute.to_string().contains("ecdsa with sha-256, which the agreement does not accept"), "{dispute}");
}

#[test]
fn keys_that_cannot_do_what_is_asked_say_so_before_anything_is_sent() {
    let send = |us: &Identity, change: &dyn Fn(&mut PartnerProfile)| {
        let mut terms = profile(ALICE, BOB);
        terms.send.encrypt = None;
        change(&mut terms);
        let bob = Partner::builder(terms, provider()).verify_with(certificate("rsa")).build().unwrap();
        MessageBuilder::new(us, &bob).build(Payload::x12(&b"ISA*00*"[..]), now()).unwrap_err()
    };
    // 1030 bits have no room for SHA-512 and a salt of 64 octets.
    let error = send(&identity("rsa1030", signing_key(&vector("rsa1030.key"))), &|terms| {
        terms.send.rsa_signature = RsaSignature::Pss;
        terms.send.sign = Some(DigestAlgorithm::Sha512);
    });
    assert_eq!(error, SendError::Key(KeyError::Unsupported));
    // An EC certificate whose key signs elsewhere, and not with ECDSA.
    let us = identity("k256", Arc::new(RemoteKey::new("hsm/1", &certificate("k256"), [0; 32])));
    let error = send(&us, &|_| ());
    assert_eq!(error.code(), "NOT_A_SIGNING_KEY");
}
