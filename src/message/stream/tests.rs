//! Envelopes too long for definite lengths, at a length that tests can have.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::outbound::OutboundStream;
use crate::crypto::{RandomError, SecureRandom};
use crate::message::draft::Draft;
use crate::*;

/// Octets that PKCS#1 v1.5 does not skip, the same in every run.
struct Sevens;

impl SecureRandom for Sevens {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
        out.fill(7);
        Ok(())
    }
}

macro_rules! key {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/vectors/worked/keys/", $name))
    };
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_478_400)
}

fn identity(sign: (&[u8], &[u8]), open: (&[u8], &[u8])) -> Identity {
    let key = |pem: &[u8]| Arc::new(RsaPrivateKey::from_pkcs8_pem(pem).unwrap());
    Identity::builder(CryptoProvider::rustcrypto().with_random(Arc::new(Sevens)))
        .signing(vec![Certificate::from_pem(sign.0).unwrap()], key(sign.1))
        .decrypting(Certificate::from_pem(open.0).unwrap(), key(open.1))
        .build()
        .unwrap()
}

fn partner(us: &str, them: &str, encrypt: &[u8], verify: &[u8], cipher: CipherAlgorithm) -> Partner {
    let url = "https://them.example/as2".parse().unwrap();
    let mut terms = PartnerProfile::new(us.parse().unwrap(), them.parse().unwrap(), url);
    terms.send.encrypt = Some(cipher);
    Partner::builder(terms, CryptoProvider::rustcrypto())
        .encrypt_to(Certificate::from_pem(encrypt).unwrap())
        .verify_with(Certificate::from_pem(verify).unwrap())
        .build()
        .unwrap()
}

#[test]
fn p04_envelopes_that_java_could_not_read_are_written_in_segments_of_known_total() {
    let alice =
        identity((key!("alice-sign.crt"), key!("alice-sign.key")), (key!("alice-enc.crt"), key!("alice-enc.key")));
    let bob = identity((key!("bob-sign.crt"), key!("bob-sign.key")), (key!("bob-enc.crt"), key!("bob-enc.key")));
    let order: Vec<u8> = (0..300_000u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    for cipher in [CipherAlgorithm::Aes256Cbc, CipherAlgorithm::Aes256Gcm] {
        let them = partner("a", "b", key!("bob-enc.crt"), key!("bob-sign.crt"), cipher);
        let draft = |longest_definite| {
            let mut draft = Draft::new(MessageBuilder::new(&alice, &them), now()).unwrap();
            draft.longest_definite = longest_definite;
            draft
        };
        let definite = draft(1 << 20).build(Payload::x12(order.clone())).run().unwrap();
        assert_eq!(definite.request.body().get(..2), Some(&[0x30, 0x83][..]));
        let built = draft(300_000).build(Payload::x12(order.clone())).run().unwrap();
        assert_eq!(built.request.body().get(..2), Some(&[0x30, 0x80][..]));
        let length = u64::try_from(built.request.body().len()).unwrap();
        assert_eq!(built.request.header("content-length"), Some(length.to_string().as_str()));

        let head = PayloadHead::x12().with_len(300_000);
        let mut stream = OutboundStream::begin(draft(300_000), &head).unwrap();
        assert_eq!(stream.head().content_length(), Some(length));
        let mut wire = Vec::new();
        order.chunks(12_345).for_each(|chunk| stream.write(chunk, &mut wire).unwrap());
        let end = stream.finish(&mut wire).unwrap();
        assert!(wire == *built.request.body(), "{cipher}");
        assert_eq!(end.pending, built.pending);

        let us = partner("b", "a", key!("alice-enc.crt"), key!("alice-sign.crt"), cipher);
        let Ok(Inbound::Message(received)) = MessageParser::new(Limits::default()).parse(built.request.to_request())
        else {
            panic!("not a message")
        };
        let accepted = received.open(&bob, Some(&us), now()).unwrap();
        assert!(accepted.payload().body() == &order && end.pending.mics() == [accepted.mic().clone()], "{cipher}");
    }
}
