//! Envelopes by OpenSSL, Bouncy Castle and Python's `cryptography`, and our own to keys of every kind.
#![cfg(feature = "rustcrypto")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;

use as2_protocol::crypto::{AgreeRequest, DecryptingKey, KeyError, RemoteKey, SecretBytes, UnwrapRequest};
use as2_protocol::*;
use bytes::Bytes;
use http::Request;
use support::streamed::Received;
use support::*;

fn file(name: &str) -> Bytes {
    std::fs::read(vectors("encryption").join(name)).unwrap_or_else(|error| panic!("{name}: {error}")).into()
}

fn certificate(name: &str) -> Certificate {
    let file = if matches!(name, "rsa" | "ec") { vectors("ber") } else { vectors("encryption/keys") };
    Certificate::from_pem(&std::fs::read(file.join(format!("{name}.crt"))).unwrap()).unwrap()
}

fn key(name: &str) -> Arc<dyn DecryptingKey> {
    let file = if matches!(name, "rsa" | "ec") { vectors("ber") } else { vectors("encryption/keys") };
    let pem = std::fs::read(file.join(format!("{name}.key"))).unwrap();
    decrypting_key(&pem)
}

const KEYS: [&str; 5] = ["rsa", "ec", "p384", "p521", "x25519"];

/// An identity with all keys that the files are encrypted to.
fn us() -> Identity {
    let builder = Identity::builder(provider());
    KEYS.iter().fold(builder, |builder, name| builder.decrypting(certificate(name), key(name))).build().unwrap()
}

fn message(cms: impl Into<Bytes>) -> Received {
    let request = Request::post("/").header("as2-from", "\"Alice Corp\"").header("as2-to", BOB);
    let request = request.header("message-id", "<1@a>").header("content-type", "application/pkcs7-mime");
    envelope(request.body(cms.into()).unwrap())
}

fn partner(change: impl FnOnce(&mut PartnerProfile)) -> Partner {
    let mut profile = profile(BOB, ALICE);
    change(&mut profile);
    worked_partner(profile, "alice")
}

fn open(cms: impl Into<Bytes>, change: impl FnOnce(&mut AcceptTerms)) -> Result<Accepted, ReceiveError> {
    let partner = partner(|profile| change(&mut profile.accept));
    message(cms).open(&us(), Some(&partner), now()).map_err(|refused| refused.error().clone())
}

/// Opens one of the files; gives cipher and key transport.
fn opened(name: &str, change: impl FnOnce(&mut AcceptTerms)) -> (CipherAlgorithm, KeyTransport) {
    let accepted = open(file(&format!("{name}.der")), change).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(file("content.txt").ends_with(accepted.payload().body()), "{name}");
    assert!(accepted.payload().body().starts_with(b"ISA*"), "{name}");
    match accepted.layers() {
        [Layer::Encrypted(cipher, transport)] => (*cipher, *transport),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn x10_x17_ciphers_of_others() {
    for (name, cipher) in [
        ("ossl-aes128-cbc", CipherAlgorithm::Aes128Cbc),
        ("ossl-aes192-cbc", CipherAlgorithm::Aes192Cbc),
        ("ossl-aes256-cbc", CipherAlgorithm::Aes256Cbc),
        ("ossl-keyid", CipherAlgorithm::Aes256Cbc),
        ("ossl-aes128-gcm", CipherAlgorithm::Aes128Gcm),
        ("ossl-aes192-gcm", CipherAlgorithm::Aes192Gcm),
        ("ossl-aes256-gcm", CipherAlgorithm::Aes256Gcm),
    ] {
        assert_eq!(opened(name, |_| ()), (cipher, KeyTransport::RsaPkcs1v15), "{name}");
    }
    for (name, cipher) in [
        ("bc-aes128-ccm", CipherAlgorithm::Aes128Ccm),
        ("bc-aes192-ccm", CipherAlgorithm::Aes192Ccm),
        ("bc-aes256-ccm", CipherAlgorithm::Aes256Ccm),
    ] {
        assert_eq!(opened(name, |_| ()), (cipher, KeyTransport::RsaOaepSha256), "{name}");
    }
    for (name, cipher) in [
        ("py-aes128-ccm-nonce-7-tag-16", CipherAlgorithm::Aes128Ccm),
        ("py-aes192-ccm-nonce-13-tag-8", CipherAlgorithm::Aes192Ccm),
        ("py-aes256-ccm-nonce-12-tag-12", CipherAlgorithm::Aes256Ccm),
    ] {
        assert_eq!(opened(name, |_| ()), (cipher, KeyTransport::EcdhHkdfSha256), "{name}");
    }
}

#[test]
fn x26_oaep_of_others() {
    for (name, transport) in [
        ("ossl-oaep-sha1", KeyTransport::RsaOaepSha1),
        ("ossl-oaep-sha224", KeyTransport::RsaOaepSha224),
        ("ossl-oaep-sha256", KeyTransport::RsaOaepSha256),
        ("ossl-oaep-sha384", KeyTransport::RsaOaepSha384),
        ("ossl-oaep-sha512", KeyTransport::RsaOaepSha512),
        ("ossl-oaep-sha256-mask-sha1", KeyTransport::RsaOaepSha256),
        ("ossl-oaep-sha1-mask-sha512-label", KeyTransport::RsaOaepSha1),
        ("bc-oaep-sha256-mask-sha1-label", KeyTransport::RsaOaepSha256),
        ("bc-oaep-sha224-mask-sha384", KeyTransport::RsaOaepSha224),
        ("bc-oaep-sha512", KeyTransport::RsaOaepSha512),
    ] {
        assert_eq!(opened(name, |_| ()).1, transport, "{name}");
    }
}

#[test]
fn x27_x29_agreements_of_others() {
    for (name, transport) in [
        ("ossl-p256-sha1", KeyTransport::EcdhSha1),
        ("ossl-p256-sha224", KeyTransport::EcdhSha224),
        ("ossl-p256-sha256", KeyTransport::EcdhSha256),
        ("ossl-p256-sha384", KeyTransport::EcdhSha384),
        ("ossl-p256-sha512", KeyTransport::EcdhSha512),
        ("ossl-p256-cofactor", KeyTransport::EcdhSha256),
        ("ossl-p256-keyid", KeyTransport::EcdhSha1),
        ("ossl-p384", KeyTransport::EcdhSha384),
        ("ossl-p384-gcm", KeyTransport::EcdhSha384),
        ("ossl-p521", KeyTransport::EcdhSha512),
        ("bc-p256-sha1", KeyTransport::EcdhSha1),
        ("bc-p256-sha224", KeyTransport::EcdhSha224),
        ("bc-p256-sha256", KeyTransport::EcdhSha256),
        ("bc-p384-sha384-ukm", KeyTransport::EcdhSha384),
        ("bc-p521-cofactor-sha512", KeyTransport::EcdhSha512),
        ("py-x25519-hkdf-sha256-chacha20", KeyTransport::EcdhHkdfSha256),
        ("py-x25519-hkdf-sha384-chacha20", KeyTransport::EcdhHkdfSha384),
        ("py-x25519-hkdf-sha512-chacha20", KeyTransport::EcdhHkdfSha512),
    ] {
        let (cipher, actual) = opened(name, |_| ());
        assert_eq!(actual, transport, "{name}");
        assert_eq!(cipher == CipherAlgorithm::ChaCha20Poly1305, name.contains("chacha20"));
    }
}

#[test]
fn x11_u16_ours_among_recipients_of_every_kind() {
    assert_eq!(opened("ossl-several", |_| ()), (CipherAlgorithm::Aes256Cbc, KeyTransport::EcdhSha1));
    // Nobody of ours: a password that we do not look at, and others.
    let stranger = worked_identity("bob");
    let refused = message(file("ossl-several.der")).open(&stranger, Some(&alice()), now()).unwrap_err();
    match refused.error() {
        ReceiveError::NoRecipient { encrypted_to, .. } => {
            assert_eq!(encrypted_to.len(), 5);
            assert!(encrypted_to.contains(&"whoever knows a password".to_owned()), "{encrypted_to:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn gcm_in_enveloped_data_is_read_by_agreement_and_authenticates() {
    for name in ["bc-gcm-in-enveloped", "py-gcm-in-enveloped-bare-nonce"] {
        let wire = file(&format!("{name}.der"));
        let refused = open(wire.clone(), |_| ()).unwrap_err();
        let algorithm = "aes256-gcm in EnvelopedData".to_owned();
        assert_eq!(refused, ReceiveError::ForbiddenAlgorithm { what: "content encryption", algorithm });
        assert_eq!(opened(name, |accept| accept.gcm_in_enveloped_data = true).0, CipherAlgorithm::Aes256Gcm);
        // The last octets are the tag, those before it the content; end-of-contents octets may follow them.
        let end = wire.iter().rposition(|octet| *octet != 0).unwrap();
        for at in [end, end - 7, end - 40] {
            let mut changed = wire.to_vec();
            changed[at] ^= 1;
            let refused = open(changed, |accept| accept.gcm_in_enveloped_data = true).unwrap_err();
            assert_eq!(refused, ReceiveError::Decryption(DecryptionFault::Tag), "{name} {at}");
        }
    }
}

#[test]
fn ciphers_of_the_past_need_their_feature_and_their_name() {
    for (name, cipher) in [
        ("ossl-3des", CipherAlgorithm::TripleDesCbc),
        ("ossl-rc2-128", CipherAlgorithm::Rc2Cbc128),
        ("ossl-rc2-40", CipherAlgorithm::Rc2Cbc40),
    ] {
        let wire = file(&format!("{name}.der"));
        let refused = open(wire.clone(), |_| ()).unwrap_err();
        let algorithm = cipher.to_string();
        assert_eq!(refused, ReceiveError::ForbiddenAlgorithm { what: "content encryption", algorithm });
        assert!(refused.to_string().contains(cipher.name()), "{refused}");
        #[cfg(feature = "legacy")]
        assert_eq!(opened(name, |accept| accept.ciphers = vec![cipher]), (cipher, KeyTransport::RsaPkcs1v15));
    }
    #[cfg(feature = "legacy")]
    {
        let all = open(file("ossl-rc2-64.der"), |accept| accept.ciphers = CipherAlgorithm::ALL.to_vec());
        let algorithm = "1.2.840.113549.3.2 with the parameter version 120".to_owned();
        let expected = ReceiveError::UnsupportedAlgorithm { what: "content encryption", algorithm };
        assert_eq!(all.unwrap_err(), expected);
    }
}

#[test]
fn transports_that_the_agreement_does_not_name_are_refused_before_the_key_is_asked() {
    #[derive(Debug)]
    struct Untouchable(Arc<dyn DecryptingKey>);
    impl DecryptingKey for Untouchable {
        fn public_key(&self) -> &[u8] {
            self.0.public_key()
        }
        fn unwrap_key(&self, _: &UnwrapRequest) -> Result<SecretBytes, KeyError> {
            panic!("asked")
        }
        fn agree(&self, _: &AgreeRequest) -> Result<SecretBytes, KeyError> {
            panic!("asked")
        }
        fn rejection_secret(&self) -> &[u8] {
            self.0.rejection_secret()
        }
    }
    let builder = KEYS.iter().fold(Identity::builder(provider()), |builder, name| {
        builder.decrypting(certificate(name), Arc::new(Untouchable(key(name))))
    });
    let us = builder.build().unwrap();
    for (name, transport) in [
        ("ossl-aes256-cbc", KeyTransport::RsaPkcs1v15),
        ("ossl-oaep-sha256", KeyTransport::RsaOaepSha256),
        ("ossl-p384", KeyTransport::EcdhSha384),
        ("py-x25519-hkdf-sha256-chacha20", KeyTransport::EcdhHkdfSha256),
    ] {
        let partner = partner(|profile| profile.accept.key_transports.retain(|known| *known != transport));
        let refused = message(file(&format!("{name}.der"))).open(&us, Some(&partner), now()).unwrap_err();
        let algorithm = transport.to_string();
        assert_eq!(*refused.error(), ReceiveError::ForbiddenAlgorithm { what: "key transport", algorithm });
    }
}

/// Alice with the certificate to encrypt to that bears this name.
fn recipient(name: &str, change: impl FnOnce(&mut PartnerProfile)) -> Result<Partner, SetupError> {
    let mut profile = profile(ALICE, BOB);
    profile.send.sign = None;
    change(&mut profile);
    let builder = Partner::builder(profile, provider());
    builder.encrypt_to(certificate(name)).verify_with(worked_certificate("bob-sign")).build()
}

fn sent_to(partner: &Partner) -> Request<Bytes> {
    let message = MessageBuilder::new(&worked_identity("alice"), partner);
    message.build(Payload::x12(worked("payload.x12")), later()).unwrap().request.to_request()
}

/// The certificates that the files are encrypted to are all valid then.
fn later() -> std::time::SystemTime {
    now() + std::time::Duration::from_secs(60 * 24 * 3600)
}

fn layers_of(request: Request<Bytes>, change: impl FnOnce(&mut AcceptTerms)) -> Vec<Layer> {
    let partner = partner(|profile| change(&mut profile.accept));
    let accepted = envelope(request).open(&us(), Some(&partner), later()).unwrap();
    assert_eq!(*accepted.payload().body(), worked("payload.x12"));
    accepted.layers().to_vec()
}

#[test]
fn x26_x27_x29_every_cipher_and_transport_that_is_written_is_read() {
    let ciphers = CipherAlgorithm::ALL.into_iter().filter(|cipher| !cipher.is_legacy());
    for (cipher, name) in ciphers.flat_map(|cipher| KEYS.map(|name| (cipher, name))) {
        for transport in KeyTransport::ALL.map(Some).into_iter().chain([None]) {
            let partner = recipient(name, |profile| {
                (profile.send.encrypt, profile.send.key_transport) = (Some(cipher), transport);
            });
            let Ok(partner) = partner else { continue };
            match layers_of(sent_to(&partner), |_| ())[..] {
                [Layer::Encrypted(actual, travelled)] => {
                    assert_eq!(actual, cipher);
                    assert_eq!(transport.unwrap_or(travelled), travelled);
                    assert_eq!(travelled.is_agreement(), name != "rsa", "{name} {travelled}");
                }
                ref other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn the_key_chooses_its_transport_and_contradictions_are_told() {
    let chosen = KEYS.map(|name| match layers_of(sent_to(&recipient(name, |_| ()).unwrap()), |_| ())[..] {
        [Layer::Encrypted(_, transport)] => transport,
        ref other => panic!("{other:?}"),
    });
    let expected = [
        KeyTransport::RsaPkcs1v15,
        KeyTransport::EcdhSha256,
        KeyTransport::EcdhSha384,
        KeyTransport::EcdhSha512,
        KeyTransport::EcdhHkdfSha256,
    ];
    assert_eq!(chosen, expected);
    let told = |name, change: fn(&mut PartnerProfile)| match recipient(name, change) {
        Err(SetupError::Contradictions(all)) => all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        other => panic!("{other:?}"),
    };
    let rsa = told("ec", |profile| profile.send.key_transport = Some(KeyTransport::RsaOaepSha256));
    assert!(rsa.contains("`send.key_transport`: rsa-oaep-sha256 does not fit the key in the certificate of"), "{rsa}");
    let ecdh = told("rsa", |profile| profile.send.key_transport = Some(KeyTransport::EcdhSha256));
    assert!(ecdh.contains("ecdh-sha256 does not fit"), "{ecdh}");
    let old = told("rsa", |profile| profile.send.key_transport = Some(KeyTransport::RsaOaepSha1));
    assert!(old.contains("`send.key_transport`: its digest is one that this crate only reads"), "{old}");
    let rc2 = told("rsa", |profile| profile.send.encrypt = Some(CipherAlgorithm::Rc2Cbc128));
    assert!(rc2.contains("`send.encrypt`: it is RC2"), "{rc2}");
    let copy = told("rsa", |profile| (profile.send.encrypt, profile.send.originator_copy) = (None, true));
    assert!(copy.contains("`send.originator_copy`"), "{copy}");
    if cfg!(not(feature = "legacy")) {
        let old = told("rsa", |profile| profile.send.encrypt = Some(CipherAlgorithm::TripleDesCbc));
        assert!(old.contains("the crypto provider does not encrypt with 3des-cbc"), "{old}");
        let old = told("rsa", |profile| profile.accept.ciphers.push(CipherAlgorithm::TripleDesCbc));
        assert!(old.contains("the crypto provider does not read 3des-cbc"), "{old}");
    }
}

#[cfg(feature = "legacy")]
#[test]
fn triple_des_is_written_where_the_profile_says_so() {
    let old = recipient("rsa", |profile| profile.send.encrypt = Some(CipherAlgorithm::TripleDesCbc)).unwrap();
    let layers = layers_of(sent_to(&old), |accept| accept.ciphers.push(CipherAlgorithm::TripleDesCbc));
    assert_eq!(layers, [Layer::Encrypted(CipherAlgorithm::TripleDesCbc, KeyTransport::RsaPkcs1v15)]);
    let us = worked_identity("alice");
    let long = Payload::x12(vec![b'x'; (64 << 20) + 1]);
    let refused = MessageBuilder::new(&us, &old).build(long, later()).unwrap_err();
    assert!(refused.to_string().contains("too long"), "{refused}");
}

#[test]
fn x12_several_recipients_and_a_copy_for_the_originator() {
    let mut terms = profile(ALICE, BOB);
    (terms.send.sign, terms.send.originator_copy) = (None, true);
    terms.send.key_transport = Some(KeyTransport::RsaOaepSha512);
    let builder = Partner::builder(terms, provider()).encrypt_to(certificate("rsa"));
    let further =
        ["p384", "x25519"].into_iter().fold(builder, |builder, name| builder.also_encrypt_to(certificate(name)));
    let partner = further.verify_with(worked_certificate("bob-sign")).build().unwrap();
    let request = sent_to(&partner);
    let read = |us: &Identity| {
        let accepted = envelope(request.clone()).open(us, Some(&alice()), later()).unwrap();
        assert_eq!(*accepted.payload().body(), worked("payload.x12"));
        match accepted.layers() {
            [Layer::Encrypted(_, transport)] => *transport,
            other => panic!("{other:?}"),
        }
    };
    for (name, transport) in [
        ("rsa", KeyTransport::RsaOaepSha512),
        ("p384", KeyTransport::EcdhSha384),
        ("x25519", KeyTransport::EcdhHkdfSha256),
    ] {
        let us = Identity::builder(provider()).decrypting(certificate(name), key(name));
        assert_eq!(read(&us.build().unwrap()), transport, "{name}");
    }
    assert_eq!(read(&worked_identity("alice")), KeyTransport::RsaOaepSha512, "our own copy");
    let nobody = Identity::builder(provider()).build().unwrap();
    let refused = MessageBuilder::new(&nobody, &partner).build(Payload::x12("ISA"), later()).unwrap_err();
    assert_eq!(refused, SendError::NoOriginatorCertificate);
}

/// A key that answers later, by a device that only computes ECDH or RSA.
#[test]
fn keys_far_away_agree_and_unwrap() {
    for (name, cms) in [
        ("rsa", "ossl-oaep-sha256-mask-sha1"),
        ("rsa", "ossl-oaep-sha1-mask-sha512-label"),
        ("ec", "ossl-p256-sha1"),
        ("p521", "ossl-p521"),
        ("x25519", "py-x25519-hkdf-sha384-chacha20"),
    ] {
        let remote = Arc::new(RemoteKey::new("hsm", &certificate(name), [7; 32]));
        let us = Identity::builder(provider()).decrypting(certificate(name), remote).build().unwrap();
        let partner = alice();
        let mut step = message(file(&format!("{cms}.der"))).open_steps(&us, Some(&partner), now());
        let mut asked = 0;
        let opened = loop {
            step = match step {
                Step::Done(opened) => break opened,
                Step::Need(pending) => {
                    asked += 1;
                    let answer = match pending.request() {
                        KeyRequest::Unwrap { request, .. } => {
                            let oaep = request.oaep.as_ref().unwrap();
                            assert_eq!(oaep.label, if cms.ends_with("label") { "label" } else { "" });
                            key(name).unwrap_key(request)
                        }
                        KeyRequest::Agree { request, .. } => {
                            assert!(request.spki_der().ends_with(&request.public_key));
                            key(name).agree(request)
                        }
                        other => panic!("{other:?}"),
                    };
                    pending.provide(answer.map(|secret| secret.as_bytes().to_vec()))
                }
            };
        };
        assert!(opened.is_ok(), "{cms}: {:?}", opened.err().map(|refused| refused.error().clone()));
        assert_eq!(asked, 1);
    }
}
