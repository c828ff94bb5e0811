//! Key agreement with EC private keys (RFC 5753 section 3.1).

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::ec::{EcPrivateKey, Secret};
use super::ecdh::{point, shared};
use crate::algorithm::EcdhGroup;
use crate::crypto::{AgreeRequest, DecryptingKey, KeyError, SecretBytes, SigningKey, UnwrapRequest};

impl DecryptingKey for EcPrivateKey {
    fn public_key(&self) -> &[u8] {
        SigningKey::public_key(self)
    }

    fn unwrap_key(&self, _: &UnwrapRequest) -> Result<SecretBytes, KeyError> {
        Err(KeyError::Unsupported)
    }

    fn agree(&self, request: &AgreeRequest) -> Result<SecretBytes, KeyError> {
        let theirs = &request.public_key;
        match (self.secret(), request.group) {
            (Secret::P256(key), EcdhGroup::P256) => point(theirs).map(|theirs| shared(&key.into(), &theirs)),
            (Secret::P384(key), EcdhGroup::P384) => point(theirs).map(|theirs| shared(&key.into(), &theirs)),
            (Secret::P521(key), EcdhGroup::P521) => point(theirs).map(|theirs| shared(&key.into(), &theirs)),
            _ => return Err(KeyError::Unsupported),
        }
        .ok_or(KeyError::Rejected)
    }

    fn rejection_secret(&self) -> &[u8] {
        self.rejection().as_bytes()
    }
}

impl Secret {
    /// What follows from the number alone, so that all nodes that hold the key agree.
    pub(super) fn rejection_secret(&self, public_key: &[u8]) -> SecretBytes {
        let number = Zeroizing::new(match self {
            Self::P256(key) => key.to_bytes().to_vec(),
            Self::P384(key) => key.to_bytes().to_vec(),
            Self::P521(key) => key.to_bytes().to_vec(),
        });
        rejection_secret(public_key, &number)
    }
}

pub(super) fn rejection_secret(public_key: &[u8], number: &[u8]) -> SecretBytes {
    let secret = Sha256::new()
        .chain_update(b"as2-protocol ECDH rejection secret 1")
        .chain_update(public_key)
        .chain_update(number)
        .finalize();
    SecretBytes::new(secret.to_vec())
}
