//! Encrypting: a MIME entity becomes application/pkcs7-mime with EnvelopedData or AuthEnvelopedData (RFC 8551 section 3.3).

use bytes::Bytes;
use const_oid::ObjectIdentifier;
use zeroize::Zeroizing;

use crate::algorithm::{CipherAlgorithm, KeyTransport};
use crate::certificate::Certificate;
use crate::cms::enveloped::recipient::Recipient;
use crate::cms::enveloped::{self, parameters};
use crate::cms::write::oid as write_oid;
use crate::cms::{AlgorithmIdentifier, EntityIdRef, oid};
use crate::crypto::content::{EncryptStream, ciphertext_len, max_plain_len};
use crate::crypto::exchange::{ecdh_key, transport_to};
use crate::crypto::{CryptoError, CryptoProvider, KeyWrap};
use crate::limits::Limits;
use crate::smime::{Part, length};

/// Encrypts the entity in `pieces` to `recipients`, the first of whom is the partner: some products look at nobody else.
/// Keys travel by `transport` where it fits the recipient's key, else by what suits that key.
pub(crate) fn encrypt(
    pieces: &[Bytes],
    recipients: &[&Certificate],
    cipher: CipherAlgorithm,
    transport: Option<KeyTransport>,
    provider: &CryptoProvider,
) -> Result<Part, CryptoError> {
    let mut key = Zeroizing::new(vec![0; cipher.key_len()]);
    let mut iv = vec![0; cipher.iv_len()];
    provider.fill_random(&mut key)?;
    provider.fill_random(&mut iv)?;
    let recipients: Vec<_> =
        recipients.iter().map(|to| recipient(to, &key, transport, provider)).collect::<Result<_, _>>()?;
    let encryptor = provider.ciphers().encryptor(cipher, &key, &iv, &[])?;
    let sizes = Sizes::of(cipher, length(pieces))?;
    let algorithm = cipher_identifier(cipher, &iv);
    let mut wire = if cipher.is_authenticated() {
        enveloped::auth_enveloped_prefix(&recipients, &algorithm, sizes.content, TAG_LEN)
    } else {
        enveloped::enveloped_prefix(&recipients, &algorithm, sizes.content)
    };
    wire.reserve_exact(sizes.reserve);
    let mut stream = EncryptStream::new(encryptor);
    for piece in pieces {
        stream.push(piece, &mut wire);
    }
    let tag = stream.finish(&mut wire);
    if cipher.is_authenticated() {
        wire.extend_from_slice(&enveloped::auth_enveloped_suffix(&tag));
    }
    Ok(pkcs7_mime(if cipher.is_authenticated() { "authEnveloped-data" } else { "enveloped-data" }, "smime.p7m", wire))
}

/// An application/pkcs7-mime entity around a CMS object (RFC 8551 section 3.2).
pub(crate) fn pkcs7_mime(smime_type: &str, name: &str, cms: Vec<u8>) -> Part {
    Part {
        fields: vec![
            ("Content-Type", format!("application/pkcs7-mime; smime-type={smime_type}; name=\"{name}\"")),
            ("Content-Transfer-Encoding", "binary".to_owned()),
            ("Content-Disposition", format!("attachment; filename=\"{name}\"")),
        ],
        body: vec![cms.into()],
    }
}

fn recipient<'a>(
    to: &'a Certificate,
    key: &[u8],
    wanted: Option<KeyTransport>,
    provider: &CryptoProvider,
) -> Result<Recipient<'a>, CryptoError> {
    let transport = transport_to(to, wanted).or_else(|| transport_to(to, None)).ok_or(CryptoError::InvalidKey)?;
    let rid = EntityIdRef::IssuerAndSerial { issuer: to.issuer_der(), serial: to.serial_octets() };
    if let Some(kem) = transport.encapsulation_oid() {
        return encapsulation(to, rid, key, (transport, kem), provider);
    }
    if let Some(scheme) = transport.agreement_oid() {
        return agreement(to, rid, key, (transport, scheme), provider);
    }
    let encrypted_key = provider.wrap_key(transport, to.spki_der(), key)?;
    Ok(Recipient::Transport { rid, algorithm: transport_identifier(transport), encrypted_key })
}

/// An ephemeral key for each recipient; one for all would only save a few octets.
fn agreement<'a>(
    to: &'a Certificate,
    rid: EntityIdRef<'a>,
    key: &[u8],
    (transport, scheme): (KeyTransport, ObjectIdentifier),
    provider: &CryptoProvider,
) -> Result<Recipient<'a>, CryptoError> {
    let (group, public) = ecdh_key(to.spki_der()).ok_or(CryptoError::InvalidKey)?;
    let agreed = provider.agree(group, public)?;
    let wrap = KeyWrap::for_key_len(key.len());
    // The parameters of AES key wrap are absent (RFC 3565 section 2.3.2).
    let wrap_der = AlgorithmIdentifier { oid: wrap.oid(), parameters: None }.encode();
    let info = parameters::shared_info(&wrap_der, None, wrap.key_bits());
    let wrapping = provider.key_wrapping();
    let derived = wrapping.derive(transport, agreed.secret.as_bytes(), &info, wrap.key_len())?;
    let encrypted_key = wrapping.wrap_with(wrap, derived.as_bytes(), key)?;
    let (kind, curve) = group.oids();
    let kind = AlgorithmIdentifier { oid: kind, parameters: curve.map(|curve| write_oid(&curve).into()) };
    Ok(Recipient::Agreement {
        rid,
        originator: (kind, agreed.public_key),
        algorithm: AlgorithmIdentifier { oid: scheme, parameters: Some(wrap_der.into()) },
        encrypted_key,
    })
}

/// A secret for each recipient; the wrapping key is derived from it (RFC 9629 section 4). RFC 9936 section 2.1 asks for
/// HKDF with SHA-256, and for keys of 256 bits in between.
fn encapsulation<'a>(
    to: &'a Certificate,
    rid: EntityIdRef<'a>,
    key: &[u8],
    (transport, kem): (KeyTransport, ObjectIdentifier),
    provider: &CryptoProvider,
) -> Result<Recipient<'a>, CryptoError> {
    const WRAP: KeyWrap = KeyWrap::Aes256;
    const KEK_LEN: u8 = 32;
    let plain = |oid| AlgorithmIdentifier { oid, parameters: None };
    let encapsulated = provider.encapsulate(transport, to.spki_der())?;
    let info = parameters::kem_other_info(&plain(WRAP.oid()).encode(), KEK_LEN, None);
    let wrapping = provider.key_wrapping();
    let derived = wrapping.derive(transport, encapsulated.secret.as_bytes(), &info, WRAP.key_len())?;
    Ok(Recipient::Encapsulation {
        rid,
        kem: plain(kem),
        ciphertext: encapsulated.ciphertext,
        kdf: plain(parameters::HKDF_SHA256),
        kek_len: KEK_LEN,
        wrap: plain(WRAP.oid()),
        encrypted_key: wrapping.wrap_with(WRAP, derived.as_bytes(), key)?,
    })
}

/// Octets of the tag of every authenticated cipher (RFC 5084 section 3, RFC 8439): the longest, written explicitly.
const TAG_LEN: u64 = 16;

struct Sizes {
    content: u64,
    /// Content, tag and its header.
    reserve: usize,
}

impl Sizes {
    fn of(cipher: CipherAlgorithm, plain: usize) -> Result<Self, CryptoError> {
        let length = u64::try_from(plain).map_err(|_| CryptoError::TooLong)?;
        let content = ciphertext_len(cipher, length);
        // As receivers count: with the padding.
        let fits = !cipher.is_legacy() || content <= Limits::default().legacy_cipher;
        if !fits || length > max_plain_len(cipher) {
            return Err(CryptoError::TooLong);
        }
        Ok(Self { content, reserve: usize::try_from(content).unwrap_or(plain).saturating_add(32) })
    }
}

fn cipher_identifier(cipher: CipherAlgorithm, iv: &[u8]) -> AlgorithmIdentifier {
    let parameters = if cipher.is_gcm() || cipher.is_ccm() { parameters::aead(iv, 16) } else { parameters::iv(iv) };
    AlgorithmIdentifier { oid: cipher.oid(), parameters: Some(parameters) }
}

fn transport_identifier(transport: KeyTransport) -> AlgorithmIdentifier {
    match transport.digest().filter(|_| transport.is_oaep()) {
        Some(digest) => AlgorithmIdentifier { oid: oid::RSAES_OAEP, parameters: Some(parameters::oaep(digest.oid())) },
        None => AlgorithmIdentifier { oid: oid::RSA_ENCRYPTION, parameters: Some(Bytes::from_static(&[5, 0])) },
    }
}
