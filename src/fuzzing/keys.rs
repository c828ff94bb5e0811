//! Crypto that lets everything pass, so that fuzzing reaches what lies behind it.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::algorithm::{CipherAlgorithm, DigestAlgorithm, SignatureScheme};
use crate::certificate::Certificate;
use crate::crypto::{
    CipherProvider, ContentDecryptor, ContentEncryptor, CryptoError, CryptoProvider, DecryptingKey, DigestValue,
    KeyError, SecretBytes, SignRequest, SigningKey, Tag, TagMismatch, UnwrapRequest, VerifierProvider, VerifyError,
};
use crate::identity::Identity;
use crate::message::builder::MessageBuilder;
use crate::message::parser::{Inbound, MessageParser};
use crate::message::payload::Payload;
use crate::message::received::Envelope;
use crate::partner::Partner;
use crate::profile::{PartnerProfile, Requirement};
use crate::receipt::pending::PendingReceipt;
use crate::smime::encrypt::{EnvelopeTerms, encrypt};
use crate::smime::join;

/// A cipher that changes nothing, in blocks of the length of the real one.
#[derive(Clone, Copy)]
struct Clear(usize);

struct ClearCiphers;

impl CipherProvider for ClearCiphers {
    fn encryptor(
        &self,
        algorithm: CipherAlgorithm,
        _: &[u8],
        _: &[u8],
        _: &[u8],
    ) -> Result<Box<dyn ContentEncryptor>, CryptoError> {
        Ok(Box::new(Clear(algorithm.block_len())))
    }

    fn decryptor(
        &self,
        algorithm: CipherAlgorithm,
        _: &[u8],
        _: &[u8],
        _: &[u8],
    ) -> Result<Box<dyn ContentDecryptor>, CryptoError> {
        Ok(Box::new(Clear(algorithm.block_len())))
    }
}

impl ContentEncryptor for Clear {
    fn block_len(&self) -> usize {
        self.0
    }

    fn update(&mut self, _: &mut [u8]) {}

    fn finish(self: Box<Self>) -> Tag {
        if self.0 == 1 { Tag::from([0; 16]) } else { Tag::EMPTY }
    }
}

impl ContentDecryptor for Clear {
    fn block_len(&self) -> usize {
        self.0
    }

    fn update(&mut self, _: &mut [u8]) {}

    fn finish(self: Box<Self>, _: &[u8]) -> Result<(), TagMismatch> {
        Ok(())
    }
}

/// Takes every signature whose first octet is not zero.
struct Credulous;

impl VerifierProvider for Credulous {
    fn verify(
        &self,
        _: SignatureScheme,
        _: &[u8],
        _: &DigestValue,
        _: Option<&[u8]>,
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        if signature.first().is_some_and(|octet| *octet != 0) { Ok(()) } else { Err(VerifyError::InvalidSignature) }
    }
}

/// Signs and unwraps constants.
#[derive(Debug)]
struct Constant(Certificate);

impl SigningKey for Constant {
    fn public_key(&self) -> &[u8] {
        self.0.spki_der()
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        DigestAlgorithm::ALL.map(SignatureScheme::RsaPkcs1v15).to_vec()
    }

    fn signature_len(&self, _: SignatureScheme) -> Option<usize> {
        Some(256)
    }

    fn sign(&self, _: &SignRequest) -> Result<Vec<u8>, KeyError> {
        Ok(vec![1; 256])
    }
}

impl DecryptingKey for Constant {
    fn public_key(&self) -> &[u8] {
        self.0.spki_der()
    }

    fn unwrap_key(&self, _: &UnwrapRequest) -> Result<SecretBytes, KeyError> {
        Ok(SecretBytes::new(vec![0; 32]))
    }

    fn rejection_secret(&self) -> &[u8] {
        &[7; 32]
    }
}

fn certificate(pem: &[u8]) -> Certificate {
    Certificate::from_pem(pem).unwrap()
}

macro_rules! worked {
    ($name:literal) => {
        certificate(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/worked/keys/", $name)))
    };
}

fn provider() -> CryptoProvider {
    CryptoProvider::rustcrypto().with_ciphers(Arc::new(ClearCiphers)).with_verifiers(Arc::new(Credulous))
}

/// Bob of the worked examples.
pub(super) fn us() -> &'static Identity {
    static US: OnceLock<Identity> = OnceLock::new();
    US.get_or_init(|| {
        let (sign, encrypt) = (worked!("bob-sign.crt"), worked!("bob-enc.crt"));
        Identity::builder(provider())
            .signing(vec![sign.clone()], Arc::new(Constant(sign)))
            .decrypting(encrypt.clone(), Arc::new(Constant(encrypt)))
            .build()
            .unwrap()
    })
}

/// Alice, as Bob sees her.
pub(super) fn partner() -> &'static Partner {
    static PARTNER: OnceLock<Partner> = OnceLock::new();
    PARTNER.get_or_init(|| {
        let url = "https://alice.example/as2".parse().unwrap();
        let mut profile = PartnerProfile::new("bob".parse().unwrap(), "Alice Corp".parse().unwrap(), url);
        profile.accept.signature = Requirement::Allow;
        // Answers are searched as JSON and XML, by steps and by a pointer.
        profile.pacing.limited.path = Some("error.code[0]".to_owned());
        profile.pacing.limited.values = vec!["429".to_owned(), "SlowDown".to_owned()];
        profile.endpoint.auth.refused.path = Some("/error/~1auth/0".to_owned());
        let (sign, encrypt) = (worked!("alice-sign.crt"), worked!("alice-enc.crt"));
        Partner::builder(profile, provider()).verify_with(sign).encrypt_to(encrypt).build().unwrap()
    })
}

/// A message that waits for its receipt: it is that of the worked example `02-signed`.
pub(super) fn pending() -> &'static PendingReceipt {
    static PENDING: OnceLock<PendingReceipt> = OnceLock::new();
    PENDING.get_or_init(|| {
        let id = "02-signed.1@alice.example".parse().unwrap();
        let payload = Payload::x12(&b"ISA*00*"[..]);
        MessageBuilder::new(us(), partner()).message_id(id).build(payload, super::now()).unwrap().pending
    })
}

/// A message from Alice around `entity`, encrypted with the cipher that `choice` names.
pub(super) fn envelope(choice: u8, entity: Bytes) -> Envelope {
    let ciphers: Vec<_> = CipherAlgorithm::ALL.into_iter().filter(|cipher| !cipher.is_legacy()).collect();
    let cipher = ciphers[usize::from(choice) % ciphers.len()];
    let part =
        encrypt(&[entity], &EnvelopeTerms::new(vec![worked!("bob-enc.crt")], cipher, None), &provider()).unwrap();
    let mut request = http::Request::post("/as2")
        .header("as2-from", "\"Alice Corp\"")
        .header("as2-to", "bob")
        .header("message-id", "<1@alice.example>")
        .header("disposition-notification-to", "alice");
    for (name, value) in &part.fields {
        request = request.header(*name, value);
    }
    match MessageParser::new(super::limits()).parse(request.body(join(part.body)).unwrap()) {
        Ok(Inbound::Message(envelope)) => envelope,
        other => panic!("{other:?}"),
    }
}
