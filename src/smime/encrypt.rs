//! Encrypting: a MIME entity becomes application/pkcs7-mime with EnvelopedData or AuthEnvelopedData (RFC 8551 section 3.3).

use bytes::Bytes;
use const_oid::ObjectIdentifier;
use zeroize::Zeroizing;

use crate::algorithm::{CipherAlgorithm, KeyTransport};
use crate::certificate::Certificate;
use crate::cms::enveloped::recipient::Recipient;
use crate::cms::enveloped::{self, auth_enveloped_suffix, parameters};
use crate::cms::frame::{Frame, LONGEST_DEFINITE};
use crate::cms::write::oid as write_oid;
use crate::cms::{AlgorithmIdentifier, EntityIdRef, oid};
use crate::crypto::content::{EncryptStream, ciphertext_len, max_plain_len};
use crate::crypto::exchange::{ecdh_key, transport_to};
use crate::crypto::{CryptoError, CryptoProvider, KeyWrap};
use crate::limits::Limits;
use crate::smime::mic::Digests;
use crate::smime::{Part, length};

/// How an envelope is made.
#[derive(Clone, Debug)]
pub(crate) struct EnvelopeTerms {
    /// Whom it is for; the partner comes first, since some products look at nobody else.
    pub(crate) recipients: Vec<Certificate>,
    pub(crate) cipher: CipherAlgorithm,
    /// How keys travel where it fits the recipient's key; else what suits that key is taken.
    pub(crate) transport: Option<KeyTransport>,
    /// The envelope has definite lengths if it is shorter than this.
    pub(crate) longest_definite: u64,
}

impl EnvelopeTerms {
    pub(crate) fn new(recipients: Vec<Certificate>, cipher: CipherAlgorithm, transport: Option<KeyTransport>) -> Self {
        Self { recipients, cipher, transport, longest_definite: LONGEST_DEFINITE }
    }
}

/// Encrypts the entity in `pieces`.
pub(crate) fn encrypt(pieces: &[Bytes], terms: &EnvelopeTerms, provider: &CryptoProvider) -> Result<Part, CryptoError> {
    let plain = u64::try_from(length(pieces)).map_err(|_| CryptoError::TooLong)?;
    let mut envelope = Envelope::new(Some(plain), terms, provider)?;
    let fields = envelope.fields();
    let mut wire = envelope.room();
    envelope.begin(&mut wire);
    for piece in pieces {
        envelope.push(piece, &mut wire)?;
    }
    envelope.finish(&mut wire);
    Ok(Part { fields, body: vec![wire.into()] })
}

/// An envelope that is being filled: plaintext goes in, the CMS object comes out.
pub(crate) struct Envelope {
    stream: EncryptStream,
    frame: Frame,
    cipher: CipherAlgorithm,
    /// Octets of plaintext so far.
    taken: u64,
}

impl Envelope {
    /// An envelope for `plain` octets, `None` for a number that is not known.
    pub(crate) fn new(
        plain: Option<u64>,
        terms: &EnvelopeTerms,
        provider: &CryptoProvider,
    ) -> Result<Self, CryptoError> {
        let cipher = terms.cipher;
        check_len(cipher, plain.unwrap_or(0))?;
        let mut key = Zeroizing::new(vec![0; cipher.key_len()]);
        let mut iv = vec![0; cipher.iv_len()];
        provider.fill_random(&mut key)?;
        provider.fill_random(&mut iv)?;
        let recipients: Vec<_> = terms
            .recipients
            .iter()
            .map(|to| recipient(to, &key, terms.transport, provider))
            .collect::<Result<_, _>>()?;
        let encryptor = provider.ciphers().encryptor(cipher, &key, &iv, &[])?;
        let algorithm = cipher_identifier(cipher, &iv);
        let nest = if cipher.is_authenticated() {
            enveloped::auth_enveloped(&recipients, &algorithm, TAG_LEN)
        } else {
            enveloped::enveloped(&recipients, &algorithm)
        };
        let content = plain.map(|plain| ciphertext_len(cipher, plain));
        let frame = Frame::new(nest, content, terms.longest_definite);
        Ok(Self { stream: EncryptStream::new(encryptor), frame, cipher, taken: 0 })
    }

    /// Header of the entity around the CMS object.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        pkcs7_mime(if self.cipher.is_authenticated() { "authEnveloped-data" } else { "enveloped-data" }, "smime.p7m")
    }

    /// Octets of the CMS object, if they are known.
    pub(crate) fn total(&self) -> Option<u64> {
        self.frame.total()
    }

    /// An empty buffer that holds the whole CMS object without growing.
    fn room(&self) -> Vec<u8> {
        Vec::with_capacity(self.total().and_then(|total| usize::try_from(total).ok()).unwrap_or(0))
    }

    pub(crate) fn begin(&self, wire: &mut Vec<u8>) {
        self.frame.begin(wire);
    }

    pub(crate) fn push(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), CryptoError> {
        self.count(plain)?;
        self.frame.fill(wire, |room| self.stream.push(plain, room));
        Ok(())
    }

    /// The same, and digests the octets meanwhile.
    pub(crate) fn push_digesting(
        &mut self,
        digests: &mut Digests,
        plain: &[u8],
        wire: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        self.count(plain)?;
        self.frame.fill(wire, |room| digests.update_and_encrypt(plain, &mut self.stream, room));
        Ok(())
    }

    fn count(&mut self, plain: &[u8]) -> Result<(), CryptoError> {
        self.taken = self.taken.saturating_add(u64::try_from(plain.len()).unwrap_or(u64::MAX));
        check_len(self.cipher, self.taken)
    }

    pub(crate) fn finish(mut self, wire: &mut Vec<u8>) {
        let tag = self.frame.fill(wire, |room| self.stream.finish(room));
        let after = if self.cipher.is_authenticated() { auth_enveloped_suffix(&tag) } else { Vec::new() };
        self.frame.finish(&after, wire);
    }
}

/// Header of an application/pkcs7-mime entity around a CMS object (RFC 8551 section 3.2).
pub(crate) fn pkcs7_mime(smime_type: &str, name: &str) -> Vec<(&'static str, String)> {
    vec![
        ("Content-Type", format!("application/pkcs7-mime; smime-type={smime_type}; name=\"{name}\"")),
        ("Content-Transfer-Encoding", "binary".to_owned()),
        ("Content-Disposition", format!("attachment; filename=\"{name}\"")),
    ]
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

/// Refuses more plaintext than the cipher may take.
fn check_len(cipher: CipherAlgorithm, plain: u64) -> Result<(), CryptoError> {
    // As receivers count: with the padding.
    let fits = !cipher.is_legacy() || ciphertext_len(cipher, plain) <= Limits::default().legacy_cipher;
    if fits && plain <= max_plain_len(cipher) { Ok(()) } else { Err(CryptoError::TooLong) }
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
