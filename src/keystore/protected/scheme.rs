//! The schemes by their object identifiers and parameters, and the octets that a password becomes for each.

use const_oid::ObjectIdentifier;
use zeroize::Zeroizing;

use super::{DEPTH, MAX_COST, pkcs12_mac};
use crate::cms::ber::{self, Cursor};
use crate::cms::{AlgorithmIdentifier, Error, ErrorKind};
use crate::crypto::password::{self, Cipher, Hash, Purpose, Secret};
use crate::keystore::KeyStoreError;
use crate::keystore::integer::small;

const PBES2: &str = "1.2.840.113549.1.5.13";
const PBKDF2: &str = "1.2.840.113549.1.5.12";
const PBMAC1: &str = "1.2.840.113549.1.5.14";
const SCRYPT: &str = "1.3.6.1.4.1.11591.4.11";

/// Octets of the longest salt; programs write 8 to 32.
const MAX_SALT: usize = 1024;
/// Memory that scrypt may use: what OpenSSL allows, twice.
const MAX_SCRYPT_OCTETS: u64 = 64 << 20;

/// The octet strings that programs make of one password, the usual one first.
pub(in crate::keystore) struct Forms {
    /// For PBES1, PBES2 and PEM: UTF-8, or Latin-1 where a program knows no other.
    pub(super) octets: Vec<Secret>,
    /// For PKCS #12: a BMPString with two final zeros (RFC 7292 appendix B.1). OpenSSL before 1.1 widens every octet.
    /// The empty password is two zeros for some and nothing at all for others.
    bmp: Vec<Secret>,
}

impl Forms {
    pub(in crate::keystore) fn new(password: &str) -> Self {
        let utf8 = Zeroizing::new(password.as_bytes().to_vec());
        let latin: Option<Vec<u8>> = password.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
        let wide = |units: &mut dyn Iterator<Item = u16>| -> Secret {
            Zeroizing::new(units.chain([0]).flat_map(u16::to_be_bytes).collect())
        };
        let mut bmp = vec![wide(&mut password.encode_utf16())];
        let mut octets = vec![utf8];
        if password.is_empty() {
            bmp.push(Secret::default());
        } else if !password.is_ascii() {
            bmp.push(wide(&mut password.bytes().map(u16::from)));
            octets.extend(latin.map(Zeroizing::new));
        }
        Self { octets, bmp }
    }

    /// What is written: a BMPString, that of the empty password being two zeros.
    pub(in crate::keystore) fn written(&self) -> &[u8] {
        self.bmp.first().map(|form| form.as_slice()).unwrap_or_default()
    }

    pub(super) fn of(&self, scheme: &Scheme) -> &[Secret] {
        if matches!(scheme.kdf, Kdf::Pkcs12) { &self.bmp } else { &self.octets }
    }

    pub(super) fn of_mac(&self, mac: &Mac) -> &[Secret] {
        if matches!(mac.kind, MacKind::Pkcs12) { &self.bmp } else { &self.octets }
    }
}

/// How a key and, for the older schemes, an IV follow from a password.
enum Kdf {
    Pbkdf2 { hash: Hash },
    Scrypt { log_n: u8, r: u32, p: u32 },
    Pbkdf1 { hash: Hash },
    Pkcs12,
}

/// A scheme with its parameters.
pub(super) struct Scheme {
    kdf: Kdf,
    cipher: Cipher,
    salt: Vec<u8>,
    iterations: u32,
    /// Stands in the parameters of PBES2; the others derive it.
    iv: Vec<u8>,
}

impl Scheme {
    /// Reads an AlgorithmIdentifier from the content of its SEQUENCE.
    pub(super) fn read(part: &'static str, remedy: &'static str, content: &[u8]) -> Result<Self, KeyStoreError> {
        let reader = Reader { part, remedy };
        let algorithm = reader.algorithm(content)?;
        let oid = algorithm.oid.to_string();
        if oid == PBES2 {
            return reader.pbes2(&algorithm);
        }
        let (kdf, cipher) = match oid.as_str() {
            "1.2.840.113549.1.5.3" => (Kdf::Pbkdf1 { hash: Hash::Md5 }, Cipher::Des),
            "1.2.840.113549.1.5.6" => (Kdf::Pbkdf1 { hash: Hash::Md5 }, Cipher::Rc2(8)),
            "1.2.840.113549.1.5.10" => (Kdf::Pbkdf1 { hash: Hash::Sha1 }, Cipher::Des),
            "1.2.840.113549.1.5.11" => (Kdf::Pbkdf1 { hash: Hash::Sha1 }, Cipher::Rc2(8)),
            "1.2.840.113549.1.12.1.3" => (Kdf::Pkcs12, Cipher::TripleDes3),
            "1.2.840.113549.1.12.1.4" => (Kdf::Pkcs12, Cipher::TripleDes2),
            "1.2.840.113549.1.12.1.5" => (Kdf::Pkcs12, Cipher::Rc2(16)),
            "1.2.840.113549.1.12.1.6" => (Kdf::Pkcs12, Cipher::Rc2(5)),
            _ => return Err(reader.unsupported(&algorithm.oid)),
        };
        let mut parameters = reader.parameters(&algorithm)?;
        let salt = reader.salt(&mut parameters)?;
        let iterations = reader.iterations(&mut parameters)?;
        Ok(Self { kdf, cipher, salt, iterations, iv: Vec::new() })
    }

    /// Iterations of one try.
    pub(super) fn cost(&self) -> u64 {
        let blocks = |octets: usize, hash: Hash| u64::try_from(octets.div_ceil(hash.output_len())).unwrap_or(u64::MAX);
        let rounds = match self.kdf {
            Kdf::Pbkdf2 { hash } => blocks(self.cipher.key_len(), hash),
            Kdf::Pkcs12 => blocks(self.cipher.key_len(), Hash::Sha1) + 1,
            Kdf::Pbkdf1 { .. } => 1,
            // A step mixes 128 octets, twice.
            Kdf::Scrypt { log_n, r, p } => return (4 * u64::from(r) * u64::from(p)) << log_n.min(32),
        };
        rounds.saturating_mul(u64::from(self.iterations))
    }

    /// Decrypts under one form of a password; `None` if nothing comes out.
    pub(super) fn decrypt(&self, form: &[u8], data: &[u8]) -> Option<Secret> {
        let Self { cipher, salt, iterations, .. } = self;
        let length = cipher.key_len();
        match self.kdf {
            Kdf::Pbkdf2 { hash } => {
                cipher.decrypt(&password::pbkdf2(hash, form, salt, *iterations, length), &self.iv, data)
            }
            Kdf::Scrypt { log_n, r, p } => {
                cipher.decrypt(&password::scrypt(form, salt, log_n, r, p, length)?, &self.iv, data)
            }
            Kdf::Pbkdf1 { hash } => {
                let derived = password::pbkdf1(hash, form, salt, *iterations);
                cipher.decrypt(derived.get(..8)?, derived.get(8..16)?, data)
            }
            Kdf::Pkcs12 => {
                let derive = |purpose, length| password::pkcs12(Hash::Sha1, purpose, form, salt, *iterations, length);
                cipher.decrypt(&derive(Purpose::Key, length), &derive(Purpose::Iv, cipher.block_len()), data)
            }
        }
    }
}

/// Reads parameters; an error names the part of the file.
#[derive(Clone, Copy)]
struct Reader {
    part: &'static str,
    remedy: &'static str,
}

impl Reader {
    fn damaged(self, error: Error) -> KeyStoreError {
        KeyStoreError::Structure { part: self.part, error }
    }

    fn invalid(self, what: &'static str) -> KeyStoreError {
        self.damaged(Error::new(ErrorKind::Value(what), 0))
    }

    fn unsupported(self, oid: &ObjectIdentifier) -> KeyStoreError {
        KeyStoreError::Unsupported { part: self.part, what: format!("the algorithm {oid}"), remedy: self.remedy }
    }

    fn algorithm(self, content: &[u8]) -> Result<AlgorithmIdentifier, KeyStoreError> {
        AlgorithmIdentifier::read(content, DEPTH).map_err(|error| self.damaged(error))
    }

    /// The parameters, which must be a SEQUENCE.
    fn parameters(self, algorithm: &AlgorithmIdentifier) -> Result<Cursor<'_>, KeyStoreError> {
        let raw = algorithm.parameters.as_deref().unwrap_or_default();
        let sequence = Cursor::new(raw, DEPTH).expect(ber::SEQUENCE, "parameters");
        Ok(Cursor::new(sequence.map_err(|error| self.damaged(error))?.content, DEPTH))
    }

    fn nested(self, cursor: &mut Cursor<'_>) -> Result<AlgorithmIdentifier, KeyStoreError> {
        let element = cursor.expect(ber::SEQUENCE, "an algorithm").map_err(|error| self.damaged(error))?;
        self.algorithm(element.content)
    }

    fn octets(self, cursor: &mut Cursor<'_>, what: &'static str) -> Result<Vec<u8>, KeyStoreError> {
        let element = cursor.expect(ber::OCTET_STRING, what).map_err(|error| self.damaged(error))?;
        Ok(element.content.to_vec())
    }

    fn salt(self, cursor: &mut Cursor<'_>) -> Result<Vec<u8>, KeyStoreError> {
        let salt = self.octets(cursor, "a salt")?;
        if salt.len() <= MAX_SALT { Ok(salt) } else { Err(self.invalid("the length of the salt")) }
    }

    fn iterations(self, cursor: &mut Cursor<'_>) -> Result<u32, KeyStoreError> {
        let iterations = small(cursor, self.part)?;
        match u32::try_from(iterations) {
            Ok(0) => Err(self.invalid("the iteration count 0")),
            Ok(count) if iterations <= MAX_COST => Ok(count),
            _ => Err(KeyStoreError::TooExpensive { part: self.part, cost: iterations, limit: MAX_COST }),
        }
    }

    /// PBES2-params (RFC 8018 appendix A.4).
    fn pbes2(self, algorithm: &AlgorithmIdentifier) -> Result<Scheme, KeyStoreError> {
        let mut parameters = self.parameters(algorithm)?;
        let (derivation, encryption) = (self.nested(&mut parameters)?, self.nested(&mut parameters)?);
        let (kdf, salt, iterations, length) = match derivation.oid.to_string().as_str() {
            PBKDF2 => self.pbkdf2(&derivation)?,
            SCRYPT => self.scrypt(&derivation)?,
            _ => return Err(self.unsupported(&derivation.oid)),
        };
        let (cipher, iv) = self.cipher(&encryption, length)?;
        if iv.len() != cipher.block_len() {
            return Err(self.invalid("the length of the IV"));
        }
        if length.is_some_and(|length| u64::try_from(cipher.key_len()) != Ok(length)) {
            return Err(self.invalid("the length of the derived key"));
        }
        Ok(Scheme { kdf, cipher, salt, iterations, iv })
    }

    /// PBKDF2-params (RFC 8018 appendix A.2).
    fn pbkdf2(self, algorithm: &AlgorithmIdentifier) -> Result<(Kdf, Vec<u8>, u32, Option<u64>), KeyStoreError> {
        let mut parameters = self.parameters(algorithm)?;
        let salt = self.salt(&mut parameters)?;
        let iterations = self.iterations(&mut parameters)?;
        let length = self.key_length(&mut parameters)?;
        let hash = match parameters.peek() {
            Some(_) => self.hmac(&self.nested(&mut parameters)?)?,
            None => Hash::Sha1,
        };
        Ok((Kdf::Pbkdf2 { hash }, salt, iterations, length))
    }

    /// scrypt-params (RFC 7914 section 7.1).
    fn scrypt(self, algorithm: &AlgorithmIdentifier) -> Result<(Kdf, Vec<u8>, u32, Option<u64>), KeyStoreError> {
        let mut parameters = self.parameters(algorithm)?;
        let salt = self.salt(&mut parameters)?;
        let mut number = || small(&mut parameters, self.part);
        let (n, r, p) = (number()?, number()?, number()?);
        let length = self.key_length(&mut parameters)?;
        let cost = n.saturating_mul(r).saturating_mul(p).saturating_mul(4);
        if cost > MAX_COST || n.saturating_add(p).saturating_mul(r).saturating_mul(128) > MAX_SCRYPT_OCTETS {
            return Err(KeyStoreError::TooExpensive { part: self.part, cost, limit: MAX_COST });
        }
        match (n.is_power_of_two(), u8::try_from(n.trailing_zeros()), u32::try_from(r), u32::try_from(p)) {
            (true, Ok(log_n @ 1..), Ok(r @ 1..), Ok(p @ 1..)) => Ok((Kdf::Scrypt { log_n, r, p }, salt, 1, length)),
            _ => Err(self.invalid("a parameter of scrypt")),
        }
    }

    fn key_length(self, cursor: &mut Cursor<'_>) -> Result<Option<u64>, KeyStoreError> {
        match cursor.peek() {
            Some(ber::INTEGER) => small(cursor, self.part).map(Some),
            _ => Ok(None),
        }
    }

    fn hmac(self, algorithm: &AlgorithmIdentifier) -> Result<Hash, KeyStoreError> {
        Ok(match algorithm.oid.to_string().as_str() {
            "1.2.840.113549.2.7" => Hash::Sha1,
            "1.2.840.113549.2.8" => Hash::Sha224,
            "1.2.840.113549.2.9" => Hash::Sha256,
            "1.2.840.113549.2.10" => Hash::Sha384,
            "1.2.840.113549.2.11" => Hash::Sha512,
            "1.2.840.113549.2.12" => Hash::Sha512T224,
            "1.2.840.113549.2.13" => Hash::Sha512T256,
            _ => return Err(self.unsupported(&algorithm.oid)),
        })
    }

    fn cipher(self, algorithm: &AlgorithmIdentifier, length: Option<u64>) -> Result<(Cipher, Vec<u8>), KeyStoreError> {
        let cipher = match algorithm.oid.to_string().as_str() {
            "2.16.840.1.101.3.4.1.2" => Cipher::Aes128,
            "2.16.840.1.101.3.4.1.22" => Cipher::Aes192,
            "2.16.840.1.101.3.4.1.42" => Cipher::Aes256,
            "1.2.840.113549.3.7" => Cipher::TripleDes3,
            "1.3.14.3.2.7" => Cipher::Des,
            "1.2.840.113549.3.2" => return self.rc2(algorithm, length),
            _ => return Err(self.unsupported(&algorithm.oid)),
        };
        let mut parameters = Cursor::new(algorithm.parameters.as_deref().unwrap_or_default(), DEPTH);
        Ok((cipher, self.octets(&mut parameters, "an IV")?))
    }

    /// RC2-CBC-Parameter (RFC 8018 appendix B.2.3): the version stands for the effective bits of the key.
    fn rc2(self, algorithm: &AlgorithmIdentifier, length: Option<u64>) -> Result<(Cipher, Vec<u8>), KeyStoreError> {
        let mut parameters = self.parameters(algorithm)?;
        let octets = match small(&mut parameters, self.part)? {
            160 => 5,
            120 => 8,
            58 => 16,
            _ => return Err(self.unsupported(&algorithm.oid)),
        };
        if length.is_some_and(|length| length != octets) {
            return Err(self.unsupported(&algorithm.oid));
        }
        let length = usize::try_from(octets).unwrap_or_default();
        Ok((Cipher::Rc2(length), self.octets(&mut parameters, "an IV")?))
    }
}

/// The MAC over the content of a PKCS #12 file.
pub(super) struct Mac {
    kind: MacKind,
    hash: Hash,
    salt: Vec<u8>,
    iterations: u32,
    pub(super) expected: Vec<u8>,
}

enum MacKind {
    /// RFC 7292 appendix B.3.
    Pkcs12,
    /// PBMAC1 (RFC 9579): PBKDF2 with this hash, and a key as long.
    Pbmac1 { derivation: Hash, length: usize },
}

impl Mac {
    /// Reads MacData (RFC 7292 section 4).
    pub(super) fn read(part: &'static str, content: &[u8]) -> Result<Self, KeyStoreError> {
        let reader = Reader { part, remedy: super::REMEDY_STORE };
        let mut cursor = Cursor::new(content, DEPTH);
        let info = cursor.expect(ber::SEQUENCE, "a MAC").map_err(|error| reader.damaged(error))?;
        let mut info = Cursor::new(info.content, DEPTH);
        let algorithm = reader.nested(&mut info)?;
        let expected = reader.octets(&mut info, "a MAC")?;
        if algorithm.oid.to_string() == PBMAC1 {
            return reader.pbmac1(&algorithm, expected);
        }
        let salt = reader.salt(&mut cursor)?;
        let iterations = if cursor.peek().is_some() { reader.iterations(&mut cursor)? } else { 1 };
        let hash = match algorithm.oid.to_string().as_str() {
            "1.2.840.113549.2.5" => Hash::Md5,
            "1.3.14.3.2.26" => Hash::Sha1,
            "2.16.840.1.101.3.4.2.4" => Hash::Sha224,
            "2.16.840.1.101.3.4.2.1" => Hash::Sha256,
            "2.16.840.1.101.3.4.2.2" => Hash::Sha384,
            "2.16.840.1.101.3.4.2.3" => Hash::Sha512,
            "2.16.840.1.101.3.4.2.5" => Hash::Sha512T224,
            "2.16.840.1.101.3.4.2.6" => Hash::Sha512T256,
            _ => return Err(reader.unsupported(&algorithm.oid)),
        };
        Ok(Self { kind: MacKind::Pkcs12, hash, salt, iterations, expected })
    }

    pub(super) fn cost(&self) -> u64 {
        let blocks = match self.kind {
            MacKind::Pkcs12 => 1,
            MacKind::Pbmac1 { derivation, length } => length.div_ceil(derivation.output_len()),
        };
        u64::try_from(blocks).unwrap_or(u64::MAX).saturating_mul(u64::from(self.iterations))
    }

    pub(super) fn compute(&self, form: &[u8], data: &[u8]) -> Vec<u8> {
        match self.kind {
            MacKind::Pkcs12 => pkcs12_mac(self.hash, form, &self.salt, self.iterations, data),
            MacKind::Pbmac1 { derivation, length } => {
                let key = password::pbkdf2(derivation, form, &self.salt, self.iterations, length);
                password::hmac(self.hash, &key, data)
            }
        }
    }
}

impl Reader {
    /// PBMAC1-params (RFC 8018 appendix A.5); the length of the key must be told (RFC 9579 section 5).
    fn pbmac1(self, algorithm: &AlgorithmIdentifier, expected: Vec<u8>) -> Result<Mac, KeyStoreError> {
        const LONGEST: u64 = 128;
        let mut parameters = self.parameters(algorithm)?;
        let (derivation, scheme) = (self.nested(&mut parameters)?, self.nested(&mut parameters)?);
        if derivation.oid.to_string() != PBKDF2 {
            return Err(self.unsupported(&derivation.oid));
        }
        let hash = self.hmac(&scheme)?;
        let (Kdf::Pbkdf2 { hash: derivation }, salt, iterations, length) = self.pbkdf2(&derivation)? else {
            return Err(self.invalid("the key derivation"));
        };
        let length = length.filter(|length| (20..=LONGEST).contains(length));
        let length = length.and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or_else(|| self.invalid("the length of the MAC key"))?;
        Ok(Mac { kind: MacKind::Pbmac1 { derivation, length }, hash, salt, iterations, expected })
    }
}

/// The ciphers of `DEK-Info`.
pub(super) fn cipher_by_name(name: &str) -> Option<Cipher> {
    Some(match name {
        "AES-128-CBC" => Cipher::Aes128,
        "AES-192-CBC" => Cipher::Aes192,
        "AES-256-CBC" => Cipher::Aes256,
        "DES-CBC" => Cipher::Des,
        "DES-EDE3-CBC" => Cipher::TripleDes3,
        _ => return None,
    })
}
