//! Lengths that are announced: by keys and payloads, kept or not.

use super::*;

use as2_protocol::crypto::{SignRequest, SigningKey};

fn signer(name: &str, key: Arc<dyn SigningKey>) -> Identity {
    let certificate = std::fs::read(vectors("signatures").join(format!("{name}.crt"))).unwrap();
    let certificate = Certificate::from_pem(&certificate).unwrap();
    Identity::builder(provider()).signing(vec![certificate], key).build().unwrap()
}

fn pem(name: &str) -> Vec<u8> {
    std::fs::read(vectors("signatures").join(format!("{name}.key"))).unwrap()
}

/// Identities by the kind of their signing key, and whether its signatures have one length.
fn signers() -> [(&'static str, Arc<dyn SigningKey>, bool); 5] {
    let rsa = |name: &str| Arc::new(RsaPrivateKey::from_pkcs8_pem(&pem(name)).unwrap());
    let ec = |name: &str| Arc::new(EcPrivateKey::from_pkcs8_pem(&pem(name)).unwrap());
    [
        ("rsa2049", rsa("rsa2049"), true),
        ("pss", rsa("pss"), true),
        ("ed25519", Arc::new(Ed25519PrivateKey::from_pkcs8_pem(&pem("ed25519")).unwrap()), true),
        ("p256", ec("p256"), false),
        ("p521", ec("p521"), false),
    ]
}

#[test]
fn content_length_is_exact_where_signatures_have_one_length_and_missing_where_not() {
    let order = payload(10_000);
    for (name, key, fixed) in signers() {
        for (encoding, encrypt, attributes) in [
            (SignatureEncoding::Base64, None, true),
            (SignatureEncoding::Binary, None, true),
            (SignatureEncoding::Base64, Some(CipherAlgorithm::Aes256Cbc), true),
            (SignatureEncoding::Binary, Some(CipherAlgorithm::Aes256Gcm), false),
        ] {
            if name == "ed25519" && !attributes {
                continue;
            }
            let mut terms = terms(true, encrypt, Compression::None);
            terms.quirks.signature_encoding = encoding;
            terms.quirks.signed_attributes = attributes;
            terms.quirks.algorithm_protection = attributes;
            let begin = |head| {
                let us = signer(name, Arc::clone(&key));
                MessageBuilder::new(&us, &worked_partner(terms.clone(), "bob")).stream(head, now()).unwrap()
            };
            let stream = begin(PayloadHead::x12().with_len(10_000));
            let length = stream.head().content_length();
            let (body, _) = drive(stream, &order, [3, 70]);
            assert_eq!(length, fixed.then(|| u64::try_from(body.len()).unwrap()), "{name}, {encoding:?}, {encrypt:?}");
            assert_eq!(begin(PayloadHead::x12()).head().content_length(), None, "{name}");
        }
    }
}

#[test]
fn another_number_of_octets_than_announced_makes_no_message() {
    for (id, sign, encrypt, compress) in LAYERINGS {
        let terms = terms(sign, encrypt.then_some(CipherAlgorithm::Aes256Cbc), compress);
        let begin = || message(&terms).stream(PayloadHead::x12().with_len(1000), now()).unwrap();

        let (mut stream, mut wire) = (begin(), Vec::new());
        stream.write(&[7; 600], &mut wire).unwrap();
        let sent = wire.len();
        let long = SendError::PayloadLength { announced: 1000, written: 1001 };
        assert_eq!(stream.write(&[7; 401], &mut wire).unwrap_err(), long, "{id}");
        // Void from then on, even if the right number would follow.
        assert_eq!(stream.write(&[7; 400], &mut wire).unwrap_err(), long, "{id}");
        assert_eq!(stream.finish(&mut wire).unwrap_err(), long, "{id}");
        assert_eq!(wire.len(), sent, "{id}: nothing came out after the error");

        let (mut stream, mut wire) = (begin(), Vec::new());
        stream.write(&[7; 999], &mut wire).unwrap();
        let sent = wire.len();
        let short = SendError::PayloadLength { announced: 1000, written: 999 };
        assert_eq!(stream.finish(&mut wire).unwrap_err(), short, "{id}");
        assert_eq!((wire.len(), short.code()), (sent, "PAYLOAD_LENGTH"), "{id}");
    }
}

/// A key that does not keep to its word.
#[derive(Debug)]
struct Longer(Arc<RsaPrivateKey>);

impl SigningKey for Longer {
    fn public_key(&self) -> &[u8] {
        SigningKey::public_key(&*self.0)
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.0.schemes()
    }

    fn signature_len(&self, scheme: SignatureScheme) -> Option<usize> {
        self.0.signature_len(scheme).map(|length| length - 10)
    }

    fn sign(&self, request: &SignRequest) -> Result<Vec<u8>, KeyError> {
        self.0.sign(request)
    }
}

#[test]
fn a_signature_of_another_length_than_announced_makes_no_message() {
    let us = Identity::builder(provider())
        .signing(vec![worked_certificate("alice-sign")], Arc::new(Longer(worked_key("alice-sign"))))
        .build()
        .unwrap();
    let partner = worked_partner(terms(true, Some(CipherAlgorithm::Aes256Cbc), Compression::None), "bob");
    let mut stream = MessageBuilder::new(&us, &partner).stream(PayloadHead::x12().with_len(5), now()).unwrap();
    let mut wire = Vec::new();
    stream.write(b"order", &mut wire).unwrap();
    let sent = wire.len();
    let error = stream.finish(&mut wire).unwrap_err();
    assert!(matches!(error, SendError::SignatureLength { announced, written } if announced < written), "{error:?}");
    assert_eq!((wire.len(), error.code()), (sent, "SIGNATURE_LENGTH"));
}

#[test]
fn what_needs_the_whole_message_is_refused_before_the_first_octet() {
    let ccm = terms(true, Some(CipherAlgorithm::Aes256Ccm), Compression::None);
    let error = message(&ccm).stream(PayloadHead::x12(), now()).unwrap_err();
    assert!(matches!(error, SendError::NotStreamable(why) if why.contains("AES-CCM")), "{error}");

    let mut bare = terms(true, None, Compression::None);
    (bare.quirks.signed_attributes, bare.quirks.algorithm_protection) = (false, false);
    let key = Arc::new(Ed25519PrivateKey::from_pkcs8_pem(&pem("ed25519")).unwrap());
    let error = MessageBuilder::new(&signer("ed25519", key), &worked_partner(bare, "bob"))
        .stream(PayloadHead::x12(), now())
        .unwrap_err();
    assert!(matches!(error, SendError::NotStreamable(why) if why.contains("Ed25519")), "{error}");
    assert_eq!(error.code(), "NOT_STREAMABLE");
}

/// SP 800-67 and the limit of receivers: more than that under one key of 3DES makes no message, known in advance or not.
#[cfg(feature = "legacy")]
#[test]
fn x21_old_ciphers_take_no_more_than_in_memory() {
    let limit = Limits::default().legacy_cipher;
    let terms = terms(false, Some(CipherAlgorithm::TripleDesCbc), Compression::None);
    let known = message(&terms).stream(PayloadHead::x12().with_len(limit), now()).unwrap_err();
    assert!(matches!(known, SendError::Crypto(_)), "{known}");
    let (mut stream, mut wire, chunk) =
        (message(&terms).stream(PayloadHead::x12(), now()).unwrap(), Vec::new(), [7; 65_536]);
    let mut taken = 0;
    let error = loop {
        wire.clear();
        match stream.write(&chunk, &mut wire) {
            Ok(()) => taken += 65_536,
            Err(error) => break error,
        }
    };
    assert_eq!(error, known);
    assert!(taken < limit && taken + 2 * 65_536 > limit, "{taken}");
}
