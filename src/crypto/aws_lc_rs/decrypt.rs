//! Private keys that unwrap content-encryption keys and agree on secrets with AWS-LC.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, ECDH_P521, UnparsedPublicKey};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512, OaepAlgorithm,
    OaepPrivateDecryptingKey, Pkcs1PrivateDecryptingKey, PrivateDecryptingKey,
};

use super::RSA_BITS;
use crate::algorithm::{DigestAlgorithm, EcdhGroup, KeyTransport};
use crate::crypto::rustcrypto::balanced_rsa_key;
use crate::crypto::{AgreeRequest, DecryptingKey, KeyError, OaepParameters, SecretBytes, UnwrapRequest};

/// A key that decrypts with AWS-LC as far as that can; `plain` itself if it cannot at all.
pub(super) fn key(plain: Arc<dyn DecryptingKey>, pkcs8_der: &[u8]) -> Arc<dyn DecryptingKey> {
    match Fast::load(pkcs8_der) {
        Some(fast) => Arc::new(Key { plain, fast }),
        None => plain,
    }
}

/// One private key, held twice.
struct Key {
    plain: Arc<dyn DecryptingKey>,
    fast: Fast,
}

enum Fast {
    Rsa(Pkcs1PrivateDecryptingKey, OaepPrivateDecryptingKey),
    Ec(agreement::PrivateKey, EcdhGroup),
}

impl Fast {
    fn load(pkcs8_der: &[u8]) -> Option<Self> {
        if balanced_rsa_key(pkcs8_der, &RSA_BITS).is_some() {
            let key = PrivateDecryptingKey::from_pkcs8(pkcs8_der).ok()?;
            let oaep = OaepPrivateDecryptingKey::new(key.clone()).ok()?;
            return Some(Self::Rsa(Pkcs1PrivateDecryptingKey::new(key).ok()?, oaep));
        }
        let curves = [(&ECDH_P256, EcdhGroup::P256), (&ECDH_P384, EcdhGroup::P384), (&ECDH_P521, EcdhGroup::P521)];
        curves.into_iter().find_map(|(curve, group)| {
            let key = agreement::PrivateKey::from_private_key_der(curve, pkcs8_der).ok()?;
            Some(Self::Ec(key, group))
        })
    }
}

impl DecryptingKey for Key {
    fn public_key(&self) -> &[u8] {
        self.plain.public_key()
    }

    fn unwrap_key(&self, request: &UnwrapRequest) -> Result<SecretBytes, KeyError> {
        let Fast::Rsa(pkcs1, oaep) = &self.fast else { return self.plain.unwrap_key(request) };
        if request.transport == KeyTransport::RsaPkcs1v15 {
            return decrypted(pkcs1.min_output_size(), |out| {
                pkcs1.decrypt(&request.encrypted_key, out).map(|key| key.len()).ok()
            });
        }
        match request.oaep.as_ref().and_then(|parameters| oaep_algorithm(request.transport, parameters)) {
            Some((algorithm, label)) => decrypted(oaep.min_output_size(), |out| {
                oaep.decrypt(algorithm, &request.encrypted_key, out, label).map(|key| key.len()).ok()
            }),
            None => self.plain.unwrap_key(request),
        }
    }

    fn agree(&self, request: &AgreeRequest) -> Result<SecretBytes, KeyError> {
        match &self.fast {
            Fast::Ec(key, group) if *group == request.group => {
                let theirs = UnparsedPublicKey::new(key.algorithm(), &request.public_key);
                agreement::agree(key, theirs, KeyError::Rejected, |secret| Ok(SecretBytes::new(secret.to_vec())))
            }
            _ => self.plain.agree(request),
        }
    }

    fn rejection_secret(&self) -> &[u8] {
        self.plain.rejection_secret()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AwsLc").field(&self.plain).finish()
    }
}

/// Runs a decryption that tells how many octets it wrote.
///
/// AWS-LC checks paddings without branches on the way, and reports a bad one only at its end. That report becomes
/// [`KeyError::Rejected`] after the same work as a key that was found, and the caller puts its substitute in place.
fn decrypted(room: usize, decrypt: impl FnOnce(&mut [u8]) -> Option<usize>) -> Result<SecretBytes, KeyError> {
    let mut out = SecretBytes::new(vec![0; room]);
    let len = decrypt(out.as_mut_bytes());
    let key = out.as_bytes().get(..len.unwrap_or_default()).unwrap_or_default();
    let key = SecretBytes::new(key.to_vec());
    len.map(|_| key).ok_or(KeyError::Rejected)
}

/// The variants of OAEP that AWS-LC has: one digest in both places. An empty label is none.
fn oaep_algorithm(
    transport: KeyTransport,
    parameters: &OaepParameters,
) -> Option<(&'static OaepAlgorithm, Option<&[u8]>)> {
    let digest = transport.digest().filter(|digest| *digest == parameters.mask_digest)?;
    let algorithm = match digest {
        DigestAlgorithm::Sha1 => &OAEP_SHA1_MGF1SHA1,
        DigestAlgorithm::Sha256 => &OAEP_SHA256_MGF1SHA256,
        DigestAlgorithm::Sha384 => &OAEP_SHA384_MGF1SHA384,
        DigestAlgorithm::Sha512 => &OAEP_SHA512_MGF1SHA512,
        _ => return None,
    };
    let label = Some(parameters.label.as_ref()).filter(|label| !label.is_empty());
    transport.is_oaep().then_some((algorithm, label))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::CryptoProvider;
    use crate::keystore::PrivateKey;

    /// One key by RustCrypto and by AWS-LC.
    fn both(path: &str) -> (Arc<dyn DecryptingKey>, Arc<dyn DecryptingKey>) {
        let file = std::fs::read(format!("{}/tests/vectors/{path}.key", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let key = PrivateKey::read(&file, None).unwrap();
        let fast = key.clone().into_decrypting_with(&CryptoProvider::aws_lc_rs()).unwrap();
        assert!(format!("{fast:?}").starts_with("AwsLc("), "{fast:?}");
        (key.into_decrypting().unwrap(), fast)
    }

    fn wrapped(key: &dyn DecryptingKey, transport: KeyTransport, content_key: &[u8]) -> Vec<u8> {
        CryptoProvider::rustcrypto().wrap_key(transport, key.public_key(), content_key).unwrap()
    }

    #[test]
    fn keys_are_unwrapped_as_by_rustcrypto() {
        let (plain, fast) = both("worked/keys/bob-enc");
        assert_eq!((plain.public_key(), plain.rejection_secret()), (fast.public_key(), fast.rejection_secret()));
        for transport in KeyTransport::ALL
            .into_iter()
            .filter(|transport| transport.is_oaep() || *transport == KeyTransport::RsaPkcs1v15)
        {
            for len in [16, 24, 32] {
                let request = UnwrapRequest::new(transport, wrapped(&*fast, transport, &vec![0xa5; len]));
                let answers = [&plain, &fast].map(|key| key.unwrap_key(&request).unwrap().as_bytes().to_vec());
                assert_eq!(answers, [vec![0xa5; len], vec![0xa5; len]], "{transport}");
            }
        }
        assert_eq!(fast.agree(&AgreeRequest::new(EcdhGroup::P256, vec![4; 65])).unwrap_err(), KeyError::Unsupported);
    }

    #[test]
    fn x26_labels_and_other_masks_of_oaep() {
        let (_, fast) = both("worked/keys/bob-enc");
        let oaep = KeyTransport::RsaOaepSha256;
        let request = UnwrapRequest::new(oaep, wrapped(&*fast, oaep, &[0xa5; 32]));
        for (mask, label) in [(DigestAlgorithm::Sha256, "label"), (DigestAlgorithm::Sha1, "")] {
            let other = request.clone().with_oaep(OaepParameters::new(mask, label));
            assert_eq!(fast.unwrap_key(&other).unwrap_err(), KeyError::Rejected, "{mask} {label}");
        }
    }

    #[test]
    fn x14_bad_wrapped_keys_are_rejected_whatever_is_wrong() {
        let (_, fast) = both("worked/keys/bob-enc");
        let good = wrapped(&*fast, KeyTransport::RsaPkcs1v15, &[0xa5; 32]);
        let mut changed = good.clone();
        changed[200] ^= 1;
        let oaep = wrapped(&*fast, KeyTransport::RsaOaepSha256, &[0xa5; 32]);
        for bad in [changed, oaep, good[1..].to_vec(), vec![0xff; 256], vec![0; 256], Vec::new(), vec![7; 4096]] {
            let answer = fast.unwrap_key(&UnwrapRequest::new(KeyTransport::RsaPkcs1v15, bad));
            assert_eq!(answer.unwrap_err(), KeyError::Rejected);
        }
        let empty = fast.unwrap_key(&UnwrapRequest::new(
            KeyTransport::RsaPkcs1v15,
            wrapped(&*fast, KeyTransport::RsaPkcs1v15, b""),
        ));
        assert!(empty.unwrap().is_empty(), "an empty key is no error here; its length is compared later");
    }

    #[test]
    fn x27_secrets_are_agreed_on_as_by_rustcrypto() {
        for (path, group) in [
            ("ber/ec", EcdhGroup::P256),
            ("encryption/keys/p384", EcdhGroup::P384),
            ("encryption/keys/p521", EcdhGroup::P521),
        ] {
            let (plain, fast) = both(path);
            let own = crate::crypto::exchange::ecdh_key(fast.public_key()).unwrap().1;
            let theirs = CryptoProvider::rustcrypto().agree(group, own).unwrap();
            let request = AgreeRequest::new(group, theirs.public_key.clone());
            for key in [plain, fast.clone()] {
                assert_eq!(key.agree(&request).unwrap().as_bytes(), theirs.secret.as_bytes(), "{path}");
            }
            let mut off = theirs.public_key;
            *off.last_mut().unwrap() ^= 1;
            for bad in [off, vec![0], vec![4; 65], Vec::new()] {
                assert_eq!(fast.agree(&AgreeRequest::new(group, bad)).unwrap_err(), KeyError::Rejected);
            }
            let other = AgreeRequest::new(EcdhGroup::X25519, vec![9; 32]);
            assert_eq!(fast.agree(&other).unwrap_err(), KeyError::Unsupported);
        }
    }
}
