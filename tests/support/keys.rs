//! Private keys for tests that open and answer thousands of messages: the expensive operations are done once.
#![allow(dead_code, unreachable_pub)] // each test binary uses its own part of it

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use as2_protocol::crypto::{DecryptingKey, KeyError, SecretBytes, SignRequest, SigningKey, UnwrapRequest};
use as2_protocol::*;
use bytes::Bytes;

use super::{decrypting_key, provider, signing_key, worked, worked_certificate};

/// A decrypting key that remembers its answers.
#[derive(Debug)]
struct Remembering {
    key: Arc<dyn DecryptingKey>,
    answers: Mutex<HashMap<Bytes, Result<SecretBytes, KeyError>>>,
}

impl DecryptingKey for Remembering {
    fn public_key(&self) -> &[u8] {
        self.key.public_key()
    }

    fn unwrap_key(&self, request: &UnwrapRequest) -> Result<SecretBytes, KeyError> {
        if let Some(known) = self.answers.lock().unwrap().get(&request.encrypted_key) {
            return known.clone();
        }
        let answer = self.key.unwrap_key(request);
        self.answers.lock().unwrap().insert(request.encrypted_key.clone(), answer.clone());
        answer
    }

    fn rejection_secret(&self) -> &[u8] {
        self.key.rejection_secret()
    }
}

/// A signing key whose signatures have the right length and nothing else.
#[derive(Debug)]
struct Blank(Arc<dyn SigningKey>);

impl SigningKey for Blank {
    fn public_key(&self) -> &[u8] {
        self.0.public_key()
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.0.schemes()
    }

    fn signature_len(&self, scheme: SignatureScheme) -> Option<usize> {
        self.0.signature_len(scheme)
    }

    fn sign(&self, request: &SignRequest) -> Result<Vec<u8>, KeyError> {
        Ok(vec![0x5a; self.0.signature_len(request.scheme).ok_or(KeyError::Unsupported)?])
    }
}

/// As [`worked_identity`](super::worked_identity), but its keys cost next to nothing: receipts are not really signed.
pub fn fast_identity(name: &str) -> Identity {
    let (sign, encrypt) = (format!("{name}-sign"), format!("{name}-enc"));
    let decrypting =
        Remembering { key: decrypting_key(&worked(&format!("keys/{encrypt}.key"))), answers: Mutex::default() };
    Identity::builder(provider())
        .signing(vec![worked_certificate(&sign)], Arc::new(Blank(signing_key(&worked(&format!("keys/{sign}.key"))))))
        .decrypting(worked_certificate(&encrypt), Arc::new(decrypting))
        .build()
        .unwrap()
}
