//! Content-encryption keys wrapped: RSA for a public key (RFC 8017 section 7), AES for a key that was agreed on (RFC 3394).

use ::rsa::Pkcs1v15Encrypt;
use aes::{Aes128, Aes192, Aes256};
use aes_kw::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, BlockSizeUser, consts::U16};
use aes_kw::{AesKw, KeyInit};
use pkcs8::SubjectPublicKeyInfoRef;
use pkcs8::der::Decode;

use super::rsa_public::plain_key;
use super::{RngAdapter, ecdh, oaep};
use crate::algorithm::{EcdhGroup, KeyTransport};
use crate::crypto::{Agreement, CryptoError, KeyWrap, KeyWrapper, RandomError, SecretBytes, SecureRandom};

pub(super) struct KeyTransports;

impl KeyWrapper for KeyTransports {
    fn wrap(
        &self,
        transport: KeyTransport,
        spki_der: &[u8],
        key: &[u8],
        random: &dyn SecureRandom,
    ) -> Result<Vec<u8>, CryptoError> {
        let spki = SubjectPublicKeyInfoRef::from_der(spki_der).map_err(|_| CryptoError::InvalidKey)?;
        let public = plain_key(&spki).ok_or(CryptoError::InvalidKey)?;
        let mut rng = RngAdapter::new(random);
        let wrapped = match transport.digest().filter(|_| transport.is_oaep()) {
            Some(digest) => oaep::encrypt(&public, digest, &mut rng, key).ok_or(CryptoError::Unsupported)?,
            None if transport == KeyTransport::RsaPkcs1v15 => public.encrypt(&mut rng, Pkcs1v15Encrypt, key),
            None => return Err(CryptoError::Unsupported),
        };
        wrapped.map_err(|error| match error {
            ::rsa::Error::Rng => CryptoError::Random(RandomError),
            _ => CryptoError::InvalidKey,
        })
    }

    fn agree(&self, group: EcdhGroup, public_key: &[u8], random: &dyn SecureRandom) -> Result<Agreement, CryptoError> {
        ecdh::ephemeral(group, public_key, random)
    }

    #[cfg(feature = "pq")]
    fn encapsulate(
        &self,
        kem: KeyTransport,
        spki_der: &[u8],
        random: &dyn SecureRandom,
    ) -> Result<crate::crypto::Encapsulation, CryptoError> {
        super::ml_kem::encapsulate(kem, spki_der, random)
    }

    fn check_public(&self, group: EcdhGroup, public_key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        ecdh::check(group, public_key)
    }

    fn derive(&self, scheme: KeyTransport, secret: &[u8], info: &[u8], len: usize) -> Result<SecretBytes, CryptoError> {
        ecdh::derive(scheme, secret, info, len)
    }

    fn wrap_with(&self, wrap: KeyWrap, wrapping: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match wrap {
            KeyWrap::Aes128 => wrapped::<Aes128>(wrapping, key),
            KeyWrap::Aes192 => wrapped::<Aes192>(wrapping, key),
            KeyWrap::Aes256 => wrapped::<Aes256>(wrapping, key),
        }
    }

    fn unwrap_with(&self, wrap: KeyWrap, wrapping: &[u8], wrapped: &[u8]) -> Result<SecretBytes, CryptoError> {
        match wrap {
            KeyWrap::Aes128 => unwrapped::<Aes128>(wrapping, wrapped),
            KeyWrap::Aes192 => unwrapped::<Aes192>(wrapping, wrapped),
            KeyWrap::Aes256 => unwrapped::<Aes256>(wrapping, wrapped),
        }
    }
}

/// Octets of keys that are wrapped with AES: whole blocks of 8, two at least (RFC 3394 section 2), and no longer than
/// any content-encryption key is.
const WRAPPABLE: std::ops::RangeInclusive<usize> = 16..=64;

fn is_wrappable(len: usize) -> bool {
    WRAPPABLE.contains(&len) && len.is_multiple_of(8)
}

fn wrapped<C>(wrapping: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
{
    let cipher = AesKw::<C>::new_from_slice(wrapping).map_err(|_| CryptoError::InvalidKey)?;
    if !is_wrappable(key.len()) {
        return Err(CryptoError::InvalidKey);
    }
    let mut out = vec![0; key.len() + 8];
    cipher.wrap_key(key, &mut out).map_err(|_| CryptoError::InvalidKey)?;
    Ok(out)
}

fn unwrapped<C>(wrapping: &[u8], wrapped: &[u8]) -> Result<SecretBytes, CryptoError>
where
    C: BlockCipherDecrypt + BlockSizeUser<BlockSize = U16> + KeyInit,
{
    let cipher = AesKw::<C>::new_from_slice(wrapping).map_err(|_| CryptoError::InvalidKey)?;
    let len = wrapped.len().checked_sub(8).filter(|len| is_wrappable(*len)).ok_or(CryptoError::InvalidKey)?;
    let mut key = SecretBytes::new(vec![0; len]);
    cipher.unwrap_key(wrapped, key.as_mut_bytes()).map_err(|_| CryptoError::InvalidKey)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::super::{EcPrivateKey, RsaPrivateKey, SystemRandom, X25519PrivateKey};
    use super::*;
    use crate::certificate::Certificate;
    use crate::crypto::exchange::{ecdh_key, spki_der};
    use crate::crypto::tests::hex;
    use crate::crypto::{AgreeRequest, DecryptingKey, KeyError, UnwrapRequest};

    fn alice() -> (RsaPrivateKey, Certificate) {
        let key = include_bytes!("../../../tests/vectors/worked/keys/alice-sign.key");
        let certificate = include_bytes!("../../../tests/vectors/worked/keys/alice-sign.crt");
        (RsaPrivateKey::from_pkcs8_pem(key).unwrap(), Certificate::from_pem(certificate).unwrap())
    }

    #[test]
    fn wrapped_keys_are_unwrapped() {
        let (key, certificate) = alice();
        let random = SystemRandom;
        for len in [0, 16, 24, 32, 245] {
            let content_key = vec![0xa5; len];
            let wrap = || KeyTransports.wrap(KeyTransport::RsaPkcs1v15, certificate.spki_der(), &content_key, &random);
            let wrapped = wrap().unwrap();
            assert_ne!(wrapped, wrap().unwrap(), "padding is random");
            let unwrapped = key.unwrap_key(&UnwrapRequest::new(KeyTransport::RsaPkcs1v15, wrapped)).unwrap();
            assert_eq!(unwrapped.as_bytes(), content_key);
        }
    }

    #[test]
    fn wrapping_fails_by_name() {
        struct Broken;
        impl SecureRandom for Broken {
            fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
                Err(RandomError)
            }
        }
        let (_, certificate) = alice();
        let wrap = |spki: &[u8], key: &[u8]| KeyTransports.wrap(KeyTransport::RsaPkcs1v15, spki, key, &Broken);
        assert_eq!(wrap(certificate.spki_der(), &[0; 16]), Err(CryptoError::Random(RandomError)));
        assert_eq!(
            wrap(certificate.spki_der(), &[0; 246]),
            Err(CryptoError::InvalidKey),
            "longer than the modulus takes"
        );
        assert_eq!(wrap(b"", &[0; 16]), Err(CryptoError::InvalidKey));
    }

    #[test]
    fn x26_oaep_is_written_with_one_digest_and_no_label() {
        let (key, certificate) = alice();
        for transport in [KeyTransport::RsaOaepSha256, KeyTransport::RsaOaepSha512] {
            let wrapped = KeyTransports.wrap(transport, certificate.spki_der(), &[7; 32], &SystemRandom).unwrap();
            let unwrapped = key.unwrap_key(&UnwrapRequest::new(transport, wrapped.clone())).unwrap();
            assert_eq!(unwrapped.as_bytes(), [7; 32]);
            let other = UnwrapRequest::new(KeyTransport::RsaOaepSha384, wrapped);
            assert_eq!(key.unwrap_key(&other).unwrap_err(), KeyError::Rejected);
        }
        let agreement = KeyTransports.wrap(KeyTransport::EcdhSha256, certificate.spki_der(), &[7; 32], &SystemRandom);
        assert_eq!(agreement, Err(CryptoError::Unsupported));
    }

    /// RFC 3394 sections 4.1, 4.4 and 4.6.
    #[test]
    fn x27_aes_key_wrap_of_the_rfc() {
        let key: Vec<u8> = (0..32).collect();
        let data = hex("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f");
        for (wrap, len, expected) in [
            (KeyWrap::Aes128, 16, "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"),
            (KeyWrap::Aes192, 24, "031d33264e15d33268f24ec260743edce1c6c7ddee725a936ba814915c6762d2"),
            (KeyWrap::Aes256, 32, "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"),
        ] {
            let key = &key[..wrap.key_len()];
            let wrapped = KeyTransports.wrap_with(wrap, key, &data[..len]).unwrap();
            assert_eq!(wrapped, hex(expected));
            assert_eq!(KeyTransports.unwrap_with(wrap, key, &wrapped).unwrap().as_bytes(), &data[..len]);
            for at in 0..wrapped.len() {
                let mut changed = wrapped.clone();
                changed[at] ^= 1;
                assert_eq!(KeyTransports.unwrap_with(wrap, key, &changed).unwrap_err(), CryptoError::InvalidKey);
                assert_eq!(KeyTransports.unwrap_with(wrap, key, &wrapped[..at]).unwrap_err(), CryptoError::InvalidKey);
            }
        }
        for len in [0, 8, 15, 17, 65, 72, 1 << 20] {
            let refused = KeyTransports.wrap_with(KeyWrap::Aes128, &key[..16], &vec![0; len]);
            assert_eq!(refused, Err(CryptoError::InvalidKey), "{len}");
            let refused = KeyTransports.unwrap_with(KeyWrap::Aes128, &key[..16], &vec![0; len + 8]);
            assert_eq!(refused.unwrap_err(), CryptoError::InvalidKey, "{len}");
        }
    }

    fn agreeing_keys() -> Vec<(EcdhGroup, Box<dyn DecryptingKey>)> {
        let ec = |pem: &[u8]| Box::new(EcPrivateKey::from_pkcs8_pem(pem).unwrap());
        let x25519 = include_bytes!("../../../tests/vectors/encryption/keys/x25519.key");
        vec![
            (EcdhGroup::P256, ec(include_bytes!("../../../tests/vectors/ber/ec.key"))),
            (EcdhGroup::P384, ec(include_bytes!("../../../tests/vectors/encryption/keys/p384.key"))),
            (EcdhGroup::P521, ec(include_bytes!("../../../tests/vectors/encryption/keys/p521.key"))),
            (EcdhGroup::X25519, Box::new(X25519PrivateKey::from_pkcs8_pem(x25519).unwrap())),
        ]
    }

    #[test]
    fn x27_x29_both_sides_agree_and_nobody_else() {
        for (group, key) in agreeing_keys() {
            let (found, public) = ecdh_key(key.public_key()).unwrap();
            assert_eq!((found, spki_der(group, public)), (group, key.public_key().to_vec()));
            let ours = KeyTransports.agree(group, public, &SystemRandom).unwrap();
            assert_eq!(ours.secret.len(), group.secret_len());
            let request = AgreeRequest::new(group, ours.public_key.clone());
            assert_eq!(key.agree(&request).unwrap().as_bytes(), ours.secret.as_bytes());
            assert_eq!(KeyTransports.check_public(group, &ours.public_key), Ok(ours.public_key.clone()));
            let again = KeyTransports.agree(group, public, &SystemRandom).unwrap();
            assert_ne!(again.public_key, ours.public_key);
            for other in EcdhGroup::ALL.into_iter().filter(|other| *other != group) {
                let request = AgreeRequest::new(other, ours.public_key.clone());
                assert_eq!(key.agree(&request).unwrap_err(), KeyError::Unsupported);
            }
            let unwrap = UnwrapRequest::new(KeyTransport::RsaPkcs1v15, vec![0; 256]);
            assert_eq!(key.unwrap_key(&unwrap).unwrap_err(), KeyError::Unsupported);
            assert_eq!(key.rejection_secret().len(), 32);
        }
        let secrets: std::collections::BTreeSet<_> =
            agreeing_keys().iter().map(|(_, key)| key.rejection_secret().to_vec()).collect();
        assert_eq!(secrets.len(), 4);
    }

    #[test]
    fn u26_points_off_the_curve_and_of_small_order_are_refused() {
        for (group, key) in agreeing_keys() {
            let public = ecdh_key(key.public_key()).unwrap().1.to_vec();
            let mut bad: Vec<Vec<u8>> =
                vec![vec![], vec![0], vec![4], public[1..].to_vec(), [&public[..], &[0]].concat()];
            if group == EcdhGroup::X25519 {
                // RFC 7748 section 6.1; points of order 1, 2, 4 and 8 in all their encodings.
                bad.extend(SMALL_ORDER.map(hex));
            } else {
                let mut off = public.clone();
                *off.last_mut().unwrap() ^= 1;
                let mut hybrid = public.clone();
                hybrid[0] = 6 | public.last().unwrap() & 1;
                let mut compact = public[..=public.len() / 2].to_vec();
                compact[0] = 5;
                bad.extend([off, hybrid, compact, [&[4][..], &vec![0; public.len() - 1]].concat()]);
                bad.push([&[4][..], &vec![0xff; public.len() - 1]].concat());
            }
            for octets in bad {
                let request = AgreeRequest::new(group, octets.clone());
                assert_eq!(key.agree(&request).unwrap_err(), KeyError::Rejected, "{group} {octets:x?}");
                assert_eq!(KeyTransports.check_public(group, &octets), Err(CryptoError::InvalidKey));
                let refused = KeyTransports.agree(group, &octets, &SystemRandom);
                assert_eq!(refused.unwrap_err(), CryptoError::InvalidKey);
            }
        }
    }

    const SMALL_ORDER: [&str; 7] = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];

    #[test]
    fn x27_compressed_points_are_read() {
        for (group, key) in agreeing_keys().into_iter().filter(|(group, _)| *group != EcdhGroup::X25519) {
            let public = ecdh_key(key.public_key()).unwrap().1.to_vec();
            let mut compressed = public[..=public.len() / 2].to_vec();
            compressed[0] = 2 | public.last().unwrap() & 1;
            assert_eq!(KeyTransports.check_public(group, &compressed), Ok(public), "{group}");
        }
    }

    #[test]
    fn x27_no_random_octets_no_agreement() {
        struct Broken;
        impl SecureRandom for Broken {
            fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
                Err(RandomError)
            }
        }
        for (group, key) in agreeing_keys() {
            let public = ecdh_key(key.public_key()).unwrap().1;
            let failed = KeyTransports.agree(group, public, &Broken).unwrap_err();
            assert_eq!(failed, CryptoError::Random(RandomError), "{group}");
        }
    }

    #[test]
    fn x27_keys_are_derived_by_agreements_alone() {
        for transport in KeyTransport::ALL {
            let derived = KeyTransports.derive(transport, &[1; 32], b"info", 100);
            assert_eq!(derived.is_ok(), transport.is_agreement() || transport.is_encapsulation(), "{transport}");
        }
    }
}
