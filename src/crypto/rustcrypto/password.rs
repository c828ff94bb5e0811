//! Password-protected files: keys out of passwords, and the CBC ciphers that use them (RFC 8018, RFC 7292).
//!
//! Mechanism only. The caller reads the parameters, and bounds what a hostile file may make us compute.

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::{
    Array, Block, BlockCipherDecrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit, KeyIvInit,
};
use des::{Des, TdesEde2, TdesEde3};
use hmac::{Hmac, Mac};
use md5::Md5;
use pbkdf2::pbkdf2_hmac;
use rc2::Rc2;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};
use zeroize::Zeroizing;

/// Secret octets on the way from a password to a key.
pub(crate) type Secret = Zeroizing<Vec<u8>>;

/// The hash functions that such files name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha512T224,
    Sha512T256,
}

/// Calls a generic function with the type that stands for a hash.
macro_rules! with_hash {
    ($hash:expr, $function:ident($($argument:expr),*)) => {
        match $hash {
            Hash::Md5 => $function::<Md5>($($argument),*),
            Hash::Sha1 => $function::<Sha1>($($argument),*),
            Hash::Sha224 => $function::<Sha224>($($argument),*),
            Hash::Sha256 => $function::<Sha256>($($argument),*),
            Hash::Sha384 => $function::<Sha384>($($argument),*),
            Hash::Sha512 => $function::<Sha512>($($argument),*),
            Hash::Sha512T224 => $function::<Sha512_224>($($argument),*),
            Hash::Sha512T256 => $function::<Sha512_256>($($argument),*),
        }
    };
}

impl Hash {
    /// Octets of a digest.
    pub(crate) fn output_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 | Self::Sha512T224 => 28,
            Self::Sha256 | Self::Sha512T256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Octets that its compression takes at a time.
    const fn block_len(self) -> usize {
        match self {
            Self::Md5 | Self::Sha1 | Self::Sha224 | Self::Sha256 => 64,
            Self::Sha384 | Self::Sha512 | Self::Sha512T224 | Self::Sha512T256 => 128,
        }
    }
}

/// HMAC (RFC 2104).
pub(crate) fn hmac(hash: Hash, key: &[u8], data: &[u8]) -> Vec<u8> {
    fn with<D: hmac::EagerHash>(key: &[u8], data: &[u8]) -> Vec<u8>
    where
        Hmac<D>: Mac + KeyInit,
    {
        let Ok(mut mac) = <Hmac<D> as KeyInit>::new_from_slice(key) else { return Vec::new() };
        mac.update(data);
        mac.finalize().into_bytes().to_vec()
    }
    with_hash!(hash, with(key, data))
}

/// PBKDF2 with HMAC (RFC 8018 section 5.2).
pub(crate) fn pbkdf2(hash: Hash, password: &[u8], salt: &[u8], iterations: u32, length: usize) -> Secret {
    let mut key = Zeroizing::new(vec![0; length]);
    with_hash!(hash, pbkdf2_hmac(password, salt, iterations, &mut key));
    key
}

/// The key that is written with: PBKDF2 with HMAC-SHA-256.
pub(crate) fn pbkdf2_sha256(password: &[u8], salt: &[u8], iterations: u32) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut *key);
    key
}

/// scrypt (RFC 7914); `None` for parameters that it does not allow.
pub(crate) fn scrypt(password: &[u8], salt: &[u8], log_n: u8, r: u32, p: u32, length: usize) -> Option<Secret> {
    let parameters = scrypt::Params::new(log_n, r, p).ok()?;
    let mut key = Zeroizing::new(vec![0; length]);
    scrypt::scrypt(password, salt, &parameters, &mut key).ok()?;
    Some(key)
}

/// PBKDF1 (RFC 8018 section 5.1), as long as a digest.
pub(crate) fn pbkdf1(hash: Hash, password: &[u8], salt: &[u8], iterations: u32) -> Secret {
    repeated(hash, &[password, salt], iterations)
}

/// What OpenSSL derives keys of PEM sections with `Proc-Type: 4,ENCRYPTED` by: MD5, one iteration.
pub(crate) fn openssl(password: &[u8], salt: &[u8], length: usize) -> Secret {
    let (mut key, mut last) = (Zeroizing::new(Vec::with_capacity(length + 16)), Secret::default());
    while key.len() < length {
        last = repeated(Hash::Md5, &[&last, password, salt], 1);
        key.extend_from_slice(&last);
    }
    key.truncate(length);
    key
}

/// What a key derived by [`pkcs12`] is for (RFC 7292 appendix B.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Key,
    Iv,
    Mac,
}

/// The key derivation of PKCS #12 (RFC 7292 appendix B.2); the password is a BMPString with its final zeros.
pub(crate) fn pkcs12(
    hash: Hash,
    purpose: Purpose,
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    length: usize,
) -> Secret {
    let block = hash.block_len();
    let id = match purpose {
        Purpose::Key => 1,
        Purpose::Iv => 2,
        Purpose::Mac => 3,
    };
    let diversifier = vec![id; block];
    let filled = |octets: &[u8]| -> Secret {
        Zeroizing::new(octets.iter().copied().cycle().take(octets.len().next_multiple_of(block)).collect())
    };
    let mut input = filled(salt);
    input.extend_from_slice(&filled(password));
    let mut key = Zeroizing::new(Vec::with_capacity(length + hash.output_len()));
    while key.len() < length {
        let digest = repeated(hash, &[&diversifier, &input], iterations);
        key.extend_from_slice(&digest);
        let addend: Secret = Zeroizing::new(digest.iter().copied().cycle().take(block).collect());
        input.chunks_exact_mut(block).for_each(|chunk| add_and_one(chunk, &addend));
    }
    key.truncate(length);
    key
}

/// `number + addend + 1` modulo the size of the number, both big-endian.
fn add_and_one(number: &mut [u8], addend: &[u8]) {
    let mut carry = 1;
    for (octet, other) in number.iter_mut().rev().zip(addend.iter().rev()) {
        let [high, low] = (u16::from(*octet) + u16::from(*other) + carry).to_be_bytes();
        *octet = low;
        carry = u16::from(high);
    }
}

/// A hash of a hash of a hash.
fn repeated(hash: Hash, parts: &[&[u8]], iterations: u32) -> Secret {
    fn with<D: Digest>(parts: &[&[u8]], iterations: u32) -> Secret {
        let mut digest = parts.iter().fold(D::new(), |digest, part| digest.chain_update(part)).finalize();
        for _ in 1..iterations {
            digest = D::digest(&digest);
        }
        Zeroizing::new(digest.to_vec())
    }
    with_hash!(hash, with(parts, iterations))
}

/// The ciphers that such files name, in CBC mode with the padding of RFC 5652 section 6.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    Des,
    /// Two keys of three.
    TripleDes2,
    TripleDes3,
    /// Octets of the key; its effective bits are as many.
    Rc2(usize),
}

impl Cipher {
    pub(crate) fn key_len(self) -> usize {
        match self {
            Self::Aes128 | Self::TripleDes2 => 16,
            Self::Aes192 | Self::TripleDes3 => 24,
            Self::Aes256 => 32,
            Self::Des => 8,
            Self::Rc2(length) => length,
        }
    }

    /// Octets of a block and of the IV.
    pub(crate) fn block_len(self) -> usize {
        match self {
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
            Self::Des | Self::TripleDes2 | Self::TripleDes3 | Self::Rc2(_) => 8,
        }
    }

    /// Decrypts and takes the padding off; `None` if that does not come out.
    pub(crate) fn decrypt(self, key: &[u8], iv: &[u8], data: &[u8]) -> Option<Secret> {
        match self {
            Self::Aes128 => decrypt(Aes128::new_from_slice(key).ok()?, iv, data),
            Self::Aes192 => decrypt(Aes192::new_from_slice(key).ok()?, iv, data),
            Self::Aes256 => decrypt(Aes256::new_from_slice(key).ok()?, iv, data),
            Self::Des => decrypt(Des::new_from_slice(key).ok()?, iv, data),
            Self::TripleDes2 => decrypt(TdesEde2::new_from_slice(key).ok()?, iv, data),
            Self::TripleDes3 => decrypt(TdesEde3::new_from_slice(key).ok()?, iv, data),
            Self::Rc2(length @ 1..=128) if key.len() == length => {
                decrypt(Rc2::new_with_eff_key_len(key, length * 8), iv, data)
            }
            Self::Rc2(_) => None,
        }
    }
}

fn decrypt<C: BlockCipherDecrypt>(cipher: C, iv: &[u8], data: &[u8]) -> Option<Secret> {
    let mut mode = cbc::Decryptor::inner_iv_slice_init(cipher, iv).ok()?;
    let mut plain = Zeroizing::new(data.to_vec());
    let (blocks, rest): (&mut [Block<C>], _) = Array::slice_as_chunks_mut(&mut plain);
    if !rest.is_empty() {
        return None;
    }
    mode.decrypt_blocks(blocks);
    let last = plain.last().copied()?;
    let padding = usize::from(last);
    let (content, padded) = plain.split_at_checked(plain.len().checked_sub(padding)?)?;
    if !(1..=C::block_size()).contains(&padding) || padded.iter().any(|octet| *octet != last) {
        return None;
    }
    let length = content.len();
    plain.truncate(length);
    Some(plain)
}

/// Pads and encrypts with AES-256 in CBC mode.
pub(crate) fn encrypt_aes256(key: &[u8; 32], iv: &[u8; 16], data: &[u8]) -> Vec<u8> {
    let mut mode = cbc::Encryptor::<Aes256>::new(key.into(), iv.into());
    let padding = 16 - data.len() % 16;
    let mut out = Vec::with_capacity(data.len() + padding);
    out.extend_from_slice(data);
    out.resize(data.len() + padding, u8::try_from(padding).unwrap_or(16));
    let (blocks, _): (&mut [Block<Aes256>], _) = Array::slice_as_chunks_mut(&mut out);
    mode.encrypt_blocks(blocks);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::tests::hex;

    /// RFC 6070 section 2 and RFC 7914 section 11.
    #[test]
    fn pbkdf2_known_answers() {
        let key = pbkdf2(Hash::Sha1, b"password", b"salt", 4096, 20);
        assert_eq!(*key, hex("4b007901b765489abead49d926f721d065a429c1"));
        let key = pbkdf2(Hash::Sha256, b"passwd", b"salt", 1, 64);
        assert_eq!(key[..32], hex("55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc")[..]);
        assert_eq!(*pbkdf2_sha256(b"passwd", b"salt", 1), key[..32]);
    }

    /// RFC 7914 section 12.
    #[test]
    fn scrypt_known_answer_and_bad_parameters() {
        let key = scrypt(b"", b"", 4, 1, 1, 64).unwrap();
        assert_eq!(key[..16], hex("77d6576238657b203b19ca42c18a0497")[..]);
        for (log_n, r, p) in [(64, 1, 1), (4, 0, 1), (4, 1, 0)] {
            assert!(scrypt(b"", b"", log_n, r, p, 64).is_none());
        }
    }

    /// BouncyCastle 1.72, PKCS12ParametersGenerator.
    #[test]
    fn pkcs12_known_answers() {
        let password = hex("0073006d006500670000");
        let salt = hex("0a58cf64530d823f");
        let key = pkcs12(Hash::Sha1, Purpose::Key, &password, &salt, 1, 24);
        assert_eq!(*key, hex("8aaae6297b6cb04642ab5b077851284eb7128f1a2a7fbca3"));
        let iv = pkcs12(Hash::Sha1, Purpose::Iv, &password, &salt, 1, 8);
        assert_eq!(*iv, hex("79993dfe048d3b76"));
        let mac = pkcs12(Hash::Sha512, Purpose::Mac, &password, &salt, 1000, 150);
        assert_eq!(mac[..8], hex("03d741f5949e0f87")[..]);
        assert_eq!(mac[142..], hex("c80c842ce8f6a7d4")[..], "the third block");
    }

    #[test]
    fn padding_that_does_not_come_out_is_refused() {
        let (key, iv) = ([7; 32], [9; 16]);
        for length in [0, 1, 15, 16, 17, 100] {
            let data = vec![3; length];
            let encrypted = encrypt_aes256(&key, &iv, &data);
            assert_eq!(*Cipher::Aes256.decrypt(&key, &iv, &encrypted).unwrap(), data);
            assert!(Cipher::Aes256.decrypt(&key, &iv, &encrypted[1..]).is_none());
        }
        assert!(Cipher::Aes256.decrypt(&key, &iv, &[]).is_none());
        assert!(Cipher::Aes256.decrypt(&key[1..], &iv, &[0; 16]).is_none());
        assert!(Cipher::Aes256.decrypt(&key, &iv[1..], &[0; 16]).is_none());
        for length in [0, 4, 129] {
            assert!(Cipher::Rc2(length).decrypt(&vec![1; length.min(5)], &[0; 8], &[0; 8]).is_none());
        }
    }
}
