//! Decrypting: EnvelopedData and AuthEnvelopedData (RFC 5652 section 6, RFC 5083), with one opaque failure.

mod addressee;
mod exchange;

use std::sync::Arc;

use bytes::Bytes;

use self::addressee::addressee;
use self::exchange::Exchange;
use crate::algorithm::{CipherAlgorithm, DigestAlgorithm, KeyTransport};
use crate::cms::enveloped::parameters::{self, AeadParameters};
use crate::cms::enveloped::recipient::RecipientInfo;
use crate::cms::enveloped::{AuthEnvelopedData, EnvelopedData};
use crate::cms::{AlgorithmIdentifier, Error as CmsError, ErrorKind};
use crate::crypto::content::{DecryptStream, content_key, decrypt_in_place};
use crate::crypto::{ContentDecryptor, CryptoError, CryptoProvider, DecryptingKey, KeyError, SecretBytes};
use crate::error::{CONTENT_ENCRYPTION, DecryptionFault, KEY_TRANSPORT, ReceiveError};
use crate::identity::{Identity, OwnCertificate};
use crate::limits::Limits;
use crate::profile::AcceptTerms;
use crate::step::KeyRequest;

/// An envelope whose key is still wrapped: everything that can be judged without a private key has been judged.
#[derive(Debug)]
pub(crate) struct SealedEnvelope {
    pub(crate) cipher: CipherAlgorithm,
    iv: Vec<u8>,
    aad: Vec<u8>,
    tag: Bytes,
    content: Bytes,
    /// Whom it is addressed to.
    pub(crate) own: OwnCertificate,
    key: Arc<dyn DecryptingKey>,
    exchange: Exchange,
}

/// What opening an envelope needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenTerms<'a> {
    pub(crate) us: &'a Identity,
    pub(crate) provider: &'a CryptoProvider,
    pub(crate) accept: &'a AcceptTerms,
    pub(crate) limits: &'a Limits,
}

/// What of an envelope stands before its content.
#[derive(Debug)]
pub(crate) enum EnvelopeHead {
    Enveloped(EnvelopedData),
    /// Without the tag, which follows the content.
    Authenticated(AuthEnvelopedData),
}

/// Where the authentication tag of content stands that passes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TagPlace {
    /// There is none.
    Nowhere,
    /// In so many octets at the end of the content.
    Behind(usize),
    /// In its own field behind the content.
    Mac,
}

/// How the content was encrypted.
struct Encryption {
    cipher: CipherAlgorithm,
    iv: Vec<u8>,
    aad: Vec<u8>,
    tag: Bytes,
    content: Bytes,
}

/// Decrypted content.
#[derive(Debug)]
pub(crate) struct OpenedEnvelope {
    pub(crate) content: Bytes,
    /// Set where the padding was wrong: the content is the unstripped buffer, to be worked on as if nothing had
    /// happened, and refused in the end.
    pub(crate) taint: Option<DecryptionFault>,
}

impl SealedEnvelope {
    /// EnvelopedData: CBC modes, and GCM with its tag behind the content where the agreement allows that.
    pub(crate) fn enveloped(data: EnvelopedData, terms: OpenTerms<'_>) -> Result<Self, ReceiveError> {
        let cipher = cipher(&data.algorithm)?;
        if cipher.is_gcm() {
            return Self::addressed(
                &data.recipients,
                trailing_tag(cipher, data.content, &data.algorithm, terms)?,
                terms,
            );
        }
        if cipher.is_authenticated() {
            return Err(misplaced(cipher, "EnvelopedData"));
        }
        let parameters = parameters(&data.algorithm);
        let iv = match cipher {
            CipherAlgorithm::Rc2Cbc128 | CipherAlgorithm::Rc2Cbc40 => {
                parameters::read_rc2(parameters).map(|(_, iv)| iv)
            }
            _ => parameters::read_iv(parameters),
        };
        let iv = iv.map_err(ReceiveError::EnvelopeFormat)?;
        let encryption = Encryption { cipher, iv, aad: Vec::new(), tag: Bytes::new(), content: data.content };
        Self::addressed(&data.recipients, encryption, terms)
    }

    /// AuthEnvelopedData: AEAD modes only.
    pub(crate) fn authenticated(data: AuthEnvelopedData, terms: OpenTerms<'_>) -> Result<Self, ReceiveError> {
        let cipher = cipher(&data.algorithm)?;
        if !cipher.is_authenticated() {
            return Err(misplaced(cipher, "AuthEnvelopedData"));
        }
        let parameters = aead(cipher, parameters(&data.algorithm))?;
        let aad = data.aad().map_err(ReceiveError::EnvelopeFormat)?;
        let tag = fitting_tag(cipher, &parameters, data.mac);
        let encryption = Encryption { cipher, iv: parameters.nonce, aad, tag, content: data.content };
        Self::addressed(&data.recipients, encryption, terms)
    }

    /// An envelope whose content will pass by; beside it, where its authentication tag will stand.
    pub(crate) fn passing(head: &EnvelopeHead, terms: OpenTerms<'_>) -> Result<(Self, TagPlace), ReceiveError> {
        match head {
            EnvelopeHead::Enveloped(data) => {
                let cipher = cipher(&data.algorithm)?;
                if cipher.is_gcm() {
                    let (nonce, tag_len) = trailing(cipher, &data.algorithm, terms)?;
                    let encryption =
                        Encryption { cipher, iv: nonce, aad: Vec::new(), tag: Bytes::new(), content: Bytes::new() };
                    return Ok((Self::addressed(&data.recipients, encryption, terms)?, TagPlace::Behind(tag_len)));
                }
                Ok((Self::enveloped(data.clone(), terms)?, TagPlace::Nowhere))
            }
            EnvelopeHead::Authenticated(data) => Ok((Self::authenticated(data.clone(), terms)?, TagPlace::Mac)),
        }
    }

    /// The tag of AuthEnvelopedData whose content has passed by, now that its end is known.
    pub(crate) fn late_tag(data: &AuthEnvelopedData) -> Result<Bytes, ReceiveError> {
        if !data.aad().map_err(ReceiveError::EnvelopeFormat)?.is_empty() {
            let text = "AuthEnvelopedData with authenticated attributes behind its content, in one pass";
            return Err(ReceiveError::UnsupportedContent(text.to_owned()));
        }
        let cipher = cipher(&data.algorithm)?;
        let parameters = aead(cipher, parameters(&data.algorithm))?;
        Ok(fitting_tag(cipher, &parameters, data.mac.clone()))
    }

    /// Whether the content must be kept as a whole until its tag is known to be good.
    pub(crate) fn needs_whole(&self) -> bool {
        self.cipher.is_ccm()
    }

    /// Finds our recipient, and checks every algorithm before a private key is used.
    fn addressed(
        recipients: &[RecipientInfo],
        encryption: Encryption,
        terms: OpenTerms<'_>,
    ) -> Result<Self, ReceiveError> {
        let Encryption { cipher, iv, aad, tag, content } = encryption;
        if !terms.accept.ciphers.contains(&cipher) {
            let algorithm = cipher.to_string();
            return Err(ReceiveError::ForbiddenAlgorithm { what: CONTENT_ENCRYPTION, algorithm });
        }
        if cipher.is_legacy() && u64::try_from(content.len()).unwrap_or(u64::MAX) > terms.limits.legacy_cipher {
            return Err(ReceiveError::Limit {
                what: "content in a cipher of the past",
                limit: terms.limits.legacy_cipher,
            });
        }
        let (own, sent) = addressee(recipients, terms.us.decrypting())?;
        let exchange = Exchange::new(own, sent, terms.provider)?;
        let transport = exchange.transport();
        if !terms.accept.key_transports.contains(&transport) {
            let algorithm = transport.to_string();
            return Err(ReceiveError::ForbiddenAlgorithm { what: KEY_TRANSPORT, algorithm });
        }
        // A cipher that the provider lacks, or parameters that it refuses, are told before the key is asked.
        let probe = vec![0x5a; cipher.key_len()];
        terms.provider.ciphers().decryptor(cipher, &probe, &iv, &aad).map_err(|error| unsupported(cipher, &error))?;
        let (key, own) = (Arc::clone(&own.key), own.own());
        Ok(Self { cipher, iv, aad, tag, content, own, key, exchange })
    }

    /// How the key came.
    pub(crate) fn transport(&self) -> KeyTransport {
        self.exchange.transport()
    }

    /// What to ask the private key.
    pub(crate) fn request(&self) -> KeyRequest {
        self.exchange.request(&self.key)
    }

    /// Digest of the wrapped key: the same for every copy of this envelope.
    pub(crate) fn envelope_key(&self, provider: &CryptoProvider) -> Vec<u8> {
        let key = provider.digest(DigestAlgorithm::Sha256, self.exchange.wrapped());
        key.map(|digest| digest.as_bytes().to_vec()).unwrap_or_default()
    }

    /// Decryption with the key's answer, of content that passes by.
    pub(crate) fn start(
        &self,
        answer: Result<SecretBytes, KeyError>,
        provider: &CryptoProvider,
    ) -> Result<DecryptStream, ReceiveError> {
        self.decryptor(answer, provider).map(DecryptStream::new)
    }

    fn decryptor(
        &self,
        answer: Result<SecretBytes, KeyError>,
        provider: &CryptoProvider,
    ) -> Result<Box<dyn ContentDecryptor>, ReceiveError> {
        let unwrapped = self.exchange.finish(answer, provider)?;
        let key = content_key(unwrapped, self.cipher, self.key.rejection_secret(), self.exchange.wrapped())
            .map_err(|error| ReceiveError::KeyUnavailable(error.to_string()))?;
        let decryptor = provider.ciphers().decryptor(self.cipher, key.as_bytes(), &self.iv, &self.aad);
        decryptor.map_err(|error| unsupported(self.cipher, &error))
    }

    /// Decrypts with the key's answer. A refused or ill-sized key is replaced by a deterministic one, so that
    /// it shows no earlier and no differently than changed content (RFC 3218).
    pub(crate) fn open(
        self,
        answer: Result<SecretBytes, KeyError>,
        provider: &CryptoProvider,
    ) -> Result<OpenedEnvelope, ReceiveError> {
        let decryptor = self.decryptor(answer, provider)?;
        let mut content = match self.content.try_into_mut() {
            Ok(unique) => unique,
            Err(shared) => shared.as_ref().into(),
        };
        let finished = decrypt_in_place(decryptor, &mut content, &self.tag);
        if finished.tag == Some(false) {
            return Err(ReceiveError::Decryption(DecryptionFault::Tag));
        }
        let taint = (!finished.padding_ok).then_some(DecryptionFault::Padding);
        Ok(OpenedEnvelope { content: content.freeze(), taint })
    }
}

/// GCM as Bouncy Castle writes it into EnvelopedData: the tag follows the content, the parameters are those of RFC 5084
/// or, from Node, the nonce alone.
fn trailing_tag(
    cipher: CipherAlgorithm,
    content: Bytes,
    algorithm: &AlgorithmIdentifier,
    terms: OpenTerms<'_>,
) -> Result<Encryption, ReceiveError> {
    let (iv, tag_len) = trailing(cipher, algorithm, terms)?;
    let at = content.len().checked_sub(tag_len).ok_or_else(no_tag)?;
    let (tag, mut content) = (Bytes::copy_from_slice(content.get(at..).unwrap_or_default()), content);
    content.truncate(at);
    Ok(Encryption { cipher, iv, aad: Vec::new(), tag, content })
}

/// Nonce and length of such a tag.
fn trailing(
    cipher: CipherAlgorithm,
    algorithm: &AlgorithmIdentifier,
    terms: OpenTerms<'_>,
) -> Result<(Vec<u8>, usize), ReceiveError> {
    if !terms.accept.gcm_in_enveloped_data {
        let algorithm = format!("{cipher} in EnvelopedData");
        return Err(ReceiveError::ForbiddenAlgorithm { what: CONTENT_ENCRYPTION, algorithm });
    }
    let parameters = parameters(algorithm);
    match parameters::read_iv(parameters) {
        Ok(nonce) => Ok((nonce, 16)),
        Err(_) => aead(cipher, parameters).map(|read| (read.nonce, usize::from(read.tag_len))),
    }
}

/// Content that is shorter than the tag behind it.
pub(crate) fn no_tag() -> ReceiveError {
    ReceiveError::EnvelopeFormat(CmsError::new(ErrorKind::Missing("the authentication tag"), 0))
}

/// The tag, or nothing if it has another length than the parameters say: that is no tag then.
fn fitting_tag(cipher: CipherAlgorithm, parameters: &AeadParameters, mac: Bytes) -> Bytes {
    // RFC 8551 section 3.4 prints a sample without aes-ICVlen (default 12) and with a tag of 16 octets.
    let fits =
        mac.len() == usize::from(parameters.tag_len) || (!parameters.explicit && cipher.is_gcm() && mac.len() == 16);
    if fits { mac } else { Bytes::new() }
}

fn aead(cipher: CipherAlgorithm, parameters: &[u8]) -> Result<AeadParameters, ReceiveError> {
    let read = match cipher {
        _ if cipher.is_gcm() => parameters::read_gcm(parameters),
        _ if cipher.is_ccm() => parameters::read_ccm(parameters),
        _ => parameters::read_iv(parameters).map(|nonce| AeadParameters { nonce, tag_len: 16, explicit: true }),
    };
    read.map_err(ReceiveError::EnvelopeFormat)
}

fn cipher(algorithm: &AlgorithmIdentifier) -> Result<CipherAlgorithm, ReceiveError> {
    let unknown = |algorithm: String| ReceiveError::UnsupportedAlgorithm { what: CONTENT_ENCRYPTION, algorithm };
    match CipherAlgorithm::from_oid(&algorithm.oid) {
        // RFC 3370 section 5.2: 58 stands for 128 bits, 120 for 64, 160 for 40.
        Some(CipherAlgorithm::Rc2Cbc128) => {
            match parameters::read_rc2(parameters(algorithm)).map_err(ReceiveError::EnvelopeFormat)? {
                (58, _) => Ok(CipherAlgorithm::Rc2Cbc128),
                (160, _) => Ok(CipherAlgorithm::Rc2Cbc40),
                (version, _) => Err(unknown(format!("{} with the parameter version {version}", algorithm.oid))),
            }
        }
        Some(cipher) => Ok(cipher),
        None => Err(unknown(algorithm.oid.to_string())),
    }
}

fn misplaced(cipher: CipherAlgorithm, object: &str) -> ReceiveError {
    let algorithm = format!("{cipher} in {object}");
    ReceiveError::UnsupportedAlgorithm { what: CONTENT_ENCRYPTION, algorithm }
}

fn unsupported(cipher: CipherAlgorithm, error: &CryptoError) -> ReceiveError {
    ReceiveError::UnsupportedAlgorithm { what: CONTENT_ENCRYPTION, algorithm: format!("{cipher} ({error})") }
}

fn parameters(algorithm: &AlgorithmIdentifier) -> &[u8] {
    algorithm.parameters.as_deref().unwrap_or_default()
}
