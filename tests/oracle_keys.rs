//! What a sender can learn from the answers to changed content-encryption keys that travel by OAEP or ECDH: nothing.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;

use support::der::Der;
use support::seen::Seen;
use support::*;

use as2_protocol::crypto::{AgreeRequest, DecryptingKey, KeyWrap};
use as2_protocol::*;
use bytes::Bytes;
use http::{HeaderMap, Request};

/// A valid signed message to a key of Bob's, to be changed.
struct Target {
    headers: HeaderMap,
    cms: Der,
    us: Identity,
    partner: Partner,
    /// Where the wrapped key stands.
    wrapped: &'static [usize],
}

const TRANSPORTED: &[usize] = &[1, 0, 1, 0, 3];
const AGREED: &[usize] = &[1, 0, 1, 0, 3, 0, 1];
/// The bits of the ephemeral key.
const EPHEMERAL: &[usize] = &[1, 0, 1, 0, 1, 0, 1];

fn pem(name: &str, kind: &str) -> Vec<u8> {
    let folder = if matches!(name, "rsa" | "ec") { "ber" } else { "encryption/keys" };
    std::fs::read(vectors(folder).join(format!("{name}.{kind}"))).unwrap()
}

fn key(name: &str) -> Arc<dyn DecryptingKey> {
    decrypting_key(&pem(name, "key"))
}

fn later() -> std::time::SystemTime {
    now() + std::time::Duration::from_secs(60 * 24 * 3600)
}

impl Target {
    fn new(name: &str, transport: Option<KeyTransport>, cipher: CipherAlgorithm) -> Self {
        let certificate = Certificate::from_pem(&pem(name, "crt")).unwrap();
        let mut terms = profile(ALICE, BOB);
        (terms.send.key_transport, terms.send.encrypt) = (transport, Some(cipher));
        let bob = Partner::builder(terms, provider())
            .encrypt_to(certificate.clone())
            .verify_with(worked_certificate("bob-sign"))
            .build()
            .unwrap();
        let message =
            MessageBuilder::new(&worked_identity("alice"), &bob).message_id("<1@alice.example>".parse().unwrap());
        let sent = message.build(Payload::x12(worked("payload.x12")), later()).unwrap().request.to_request();
        let (parts, body) = sent.into_parts();
        let mut headers = parts.headers;
        headers.remove("content-length");
        let us = Identity::builder(provider())
            .signing(vec![worked_certificate("bob-sign")], signing_key(&worked("keys/bob-sign.key")))
            .decrypting(certificate, key(name))
            .build()
            .unwrap();
        let mut accepted = profile(BOB, ALICE);
        accepted.accept.signature = Requirement::Require;
        let wrapped = if name == "rsa" { TRANSPORTED } else { AGREED };
        Self { headers, cms: Der::read(&body), us, partner: worked_partner(accepted, "alice"), wrapped }
    }

    fn with(&self, path: &[usize], octets: Vec<u8>) -> Bytes {
        let mut cms = self.cms.clone();
        cms.replace(path, octets);
        cms.write().into()
    }

    fn octets(&self, path: &[usize]) -> Vec<u8> {
        self.cms.at(path).octets().to_vec()
    }

    fn open(&self, body: Bytes) -> Result<Accepted, Box<Refused>> {
        let mut request = Request::post("/as2").body(body).unwrap();
        *request.headers_mut() = self.headers.clone();
        envelope(request).open(&self.us, Some(&self.partner), later()).map_err(Box::new)
    }

    /// What a sender sees, and what our log says.
    fn answer(&self, body: Bytes) -> (Seen, String) {
        match self.open(body) {
            Ok(accepted) => (Seen::of(&accepted.stored().build(later())), "delivered".to_owned()),
            Err(refused) => {
                let code = refused.error().code().to_owned();
                (Seen::of(&refused.mdn().build(later())), code)
            }
        }
    }

    /// The answer to changed content under the right key.
    fn changed_content(&self) -> Seen {
        let mut ciphertext = self.octets(&[1, 0, 2, 2]);
        *ciphertext.last_mut().unwrap() ^= 0x55;
        let (seen, code) = self.answer(self.with(&[1, 0, 2, 2], ciphertext));
        assert_eq!(code, "DECRYPTION");
        let receipt = seen.receipt.as_ref().unwrap();
        assert!(receipt.disposition.ends_with("processed/error: decryption-failed"), "{receipt:?}");
        assert_eq!(receipt.mic, None);
        seen
    }

    fn assert_uniform(&self, what: &str, path: &[usize], changed: impl IntoIterator<Item = Vec<u8>>) {
        let uniform = self.changed_content();
        for (number, octets) in changed.into_iter().enumerate() {
            let (seen, code) = self.answer(self.with(path, octets));
            assert!(seen == uniform, "{what} {number}: {code} {seen:?}");
            // What a substitute key makes of CBC content has good padding once in 256 times; our log tells the difference.
            assert!(
                matches!(code.as_str(), "DECRYPTION" | "BARE_CONTENT" | "MIME_MALFORMED"),
                "{what} {number}: {code}"
            );
        }
    }
}

/// Changes of single octets, and other lengths.
fn spoilt(original: &[u8], step: usize) -> Vec<Vec<u8>> {
    let mut all: Vec<_> = (0..original.len())
        .step_by(step)
        .map(|place| {
            let mut changed = original.to_vec();
            changed[place] ^= 0x10;
            changed
        })
        .collect();
    let length = original.len();
    all.extend([Vec::new(), vec![1], vec![0; length], vec![0xff; length], original[1..].to_vec()]);
    all.extend([[&[0][..], original].concat(), [original, &[0]].concat(), vec![7; 4096]]);
    all
}

#[test]
fn u02_x26_wrong_keys_in_oaep_are_answered_alike() {
    let provider = provider();
    let rsa = key("rsa");
    for cipher in [CipherAlgorithm::Aes256Cbc, CipherAlgorithm::Aes256Gcm] {
        let target = Target::new("rsa", Some(KeyTransport::RsaOaepSha256), cipher);
        assert!(target.open(target.cms.write().into()).is_ok());
        let mut wrong = spoilt(&target.octets(TRANSPORTED), 16);
        let wrap = |transport, length: usize| {
            let key = vec![0xc3; length];
            provider.key_wrapping().wrap(transport, rsa.public_key(), &key, &**provider.random()).unwrap()
        };
        // Good paddings around keys of every other length, and of the right length; paddings of another kind.
        wrong.extend((0..48).step_by(3).chain([32, 64, 190]).map(|length| wrap(KeyTransport::RsaOaepSha256, length)));
        wrong.extend([KeyTransport::RsaOaepSha512, KeyTransport::RsaPkcs1v15].map(|transport| wrap(transport, 32)));
        target.assert_uniform("OAEP", TRANSPORTED, wrong);
    }
}

#[test]
fn u02_x27_x29_wrong_keys_in_agreements_are_answered_alike() {
    let provider = provider();
    for (name, group) in [("ec", EcdhGroup::P256), ("p521", EcdhGroup::P521), ("x25519", EcdhGroup::X25519)] {
        for cipher in [CipherAlgorithm::Aes256Cbc, CipherAlgorithm::Aes256Gcm] {
            let target = Target::new(name, None, cipher);
            assert!(target.open(target.cms.write().into()).is_ok());
            assert_eq!(target.wrapped, AGREED);
            target.assert_uniform(name, AGREED, spoilt(&target.octets(AGREED), 1));
            // Good wraps of keys of every length under another key.
            let wrapped = [16, 24, 32, 40, 64].map(|length| {
                provider.key_wrapping().wrap_with(KeyWrap::Aes256, &[9; 32], &vec![0xc3; length]).unwrap()
            });
            target.assert_uniform(name, AGREED, wrapped);
            // Other ephemeral keys of the group.
            let public = AgreeRequest::new(group, target.octets(EPHEMERAL)[1..].to_vec());
            let others = (0..5).map(|_| {
                let other = provider.key_wrapping().agree(group, &public.public_key, &**provider.random()).unwrap();
                [&[0][..], &other.public_key].concat()
            });
            target.assert_uniform(name, EPHEMERAL, others);
        }
    }
}

/// What is no key of the group is told as such: everybody can see that, and no private key is asked.
#[test]
fn u26_ephemeral_keys_that_are_none_are_told_without_asking_a_private_key() {
    for (name, length) in [("ec", 65), ("p521", 133), ("x25519", 32)] {
        let target = Target::new(name, None, CipherAlgorithm::Aes256Cbc);
        let point = target.octets(EPHEMERAL);
        assert_eq!(point.len(), length + 1);
        let mut bad = vec![vec![0; length + 1], point[..length].to_vec(), vec![0]];
        if name != "x25519" {
            let mut off = point.clone();
            *off.last_mut().unwrap() ^= 1;
            bad.push(off);
        }
        for octets in bad {
            let refused = target.open(target.with(EPHEMERAL, octets)).unwrap_err();
            assert_eq!(refused.error().code(), "ENVELOPE_MALFORMED", "{name}: {}", refused.error());
            assert!(
                refused.error().to_string().contains("the sender's ephemeral key is not valid"),
                "{}",
                refused.error()
            );
        }
    }
}

#[test]
fn x14_substitutes_of_refused_keys_stay_the_same() {
    // What stands behind the uniform answers: the same message fails in the same way, again and again.
    for name in ["rsa", "ec", "x25519"] {
        let transport = (name == "rsa").then_some(KeyTransport::RsaOaepSha256);
        let target = Target::new(name, transport, CipherAlgorithm::Aes256Cbc);
        let mut wrapped = target.octets(target.wrapped);
        wrapped[5] ^= 1;
        let first = target.answer(target.with(target.wrapped, wrapped.clone()));
        for _ in 0..3 {
            assert!(target.answer(target.with(target.wrapped, wrapped.clone())) == first, "{name}");
        }
    }
}
