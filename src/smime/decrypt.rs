//! Decrypting: EnvelopedData and AuthEnvelopedData (RFC 5652 section 6, RFC 5083), with one opaque failure.

use std::sync::Arc;

use bytes::Bytes;

use crate::algorithm::{CipherAlgorithm, DigestAlgorithm, KeyTransport};
use crate::cms::enveloped::{self, AuthEnvelopedData, EnvelopedData, RecipientInfo};
use crate::cms::{AlgorithmIdentifier, EntityId, oid};
use crate::crypto::content::{content_key, decrypt_in_place};
use crate::crypto::{CryptoError, CryptoProvider, DecryptingKey, KeyError, SecretBytes, UnwrapRequest};
use crate::error::{CONTENT_ENCRYPTION, DecryptionFault, KEY_TRANSPORT, ReceiveError};
use crate::identity::{Decrypting, Identity, OwnCertificate};
use crate::profile::AcceptTerms;
use crate::smime::verify::{describe, names};
use crate::step::KeyRequest;

/// An envelope whose key is still wrapped: everything that can be judged without a private key has been judged.
#[derive(Debug)]
pub(crate) struct SealedEnvelope {
    pub(crate) cipher: CipherAlgorithm,
    pub(crate) transport: KeyTransport,
    iv: Vec<u8>,
    aad: Vec<u8>,
    tag: Bytes,
    content: Bytes,
    /// Whom it is addressed to.
    pub(crate) own: OwnCertificate,
    key: Arc<dyn DecryptingKey>,
    wrapped: Bytes,
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
    /// EnvelopedData: CBC modes only; GCM in this place has no authentication tag.
    pub(crate) fn enveloped(data: EnvelopedData, us: &Identity, accept: &AcceptTerms) -> Result<Self, ReceiveError> {
        let cipher = cipher(&data.algorithm)?;
        if cipher.is_authenticated() {
            let algorithm = format!("{cipher} in EnvelopedData");
            return Err(ReceiveError::UnsupportedAlgorithm { what: CONTENT_ENCRYPTION, algorithm });
        }
        let iv = enveloped::read_iv(parameters(&data.algorithm)).map_err(ReceiveError::EnvelopeFormat)?;
        let sealed = Self::addressed(&data.recipients, cipher, us, accept)?;
        Ok(Self { iv, content: data.content, ..sealed })
    }

    /// AuthEnvelopedData: AEAD modes only.
    pub(crate) fn authenticated(
        data: AuthEnvelopedData,
        us: &Identity,
        accept: &AcceptTerms,
    ) -> Result<Self, ReceiveError> {
        let cipher = cipher(&data.algorithm)?;
        if !cipher.is_authenticated() {
            let algorithm = format!("{cipher} in AuthEnvelopedData");
            return Err(ReceiveError::UnsupportedAlgorithm { what: CONTENT_ENCRYPTION, algorithm });
        }
        let (iv, length, explicit) =
            enveloped::read_gcm_parameters(parameters(&data.algorithm)).map_err(ReceiveError::EnvelopeFormat)?;
        // RFC 8551 section 3.4 prints a sample without aes-ICVlen (default 12) and with a tag of 16 octets.
        let fits = data.mac.len() == usize::from(length) || (!explicit && data.mac.len() == 16);
        let aad = data.aad().map_err(ReceiveError::EnvelopeFormat)?;
        let sealed = Self::addressed(&data.recipients, cipher, us, accept)?;
        let tag = if fits { data.mac } else { Bytes::new() };
        Ok(Self { iv, aad, tag, content: data.content, ..sealed })
    }

    /// Finds our recipient, and checks every algorithm before a private key is used.
    fn addressed(
        recipients: &[RecipientInfo],
        cipher: CipherAlgorithm,
        us: &Identity,
        accept: &AcceptTerms,
    ) -> Result<Self, ReceiveError> {
        if !accept.ciphers.contains(&cipher) {
            let algorithm = cipher.to_string();
            return Err(ReceiveError::ForbiddenAlgorithm { what: CONTENT_ENCRYPTION, algorithm });
        }
        let (own, algorithm, wrapped) = addressee(recipients, us.decrypting())?;
        let transport = transport(algorithm)?;
        if !accept.key_transports.contains(&transport) {
            let algorithm = transport.to_string();
            return Err(ReceiveError::ForbiddenAlgorithm { what: KEY_TRANSPORT, algorithm });
        }
        Ok(Self {
            cipher,
            transport,
            iv: Vec::new(),
            aad: Vec::new(),
            tag: Bytes::new(),
            content: Bytes::new(),
            own: own.own(),
            key: Arc::clone(&own.key),
            wrapped: wrapped.clone(),
        })
    }

    /// What to ask the private key.
    pub(crate) fn request(&self) -> KeyRequest {
        let request = UnwrapRequest::new(self.transport, self.wrapped.clone());
        KeyRequest::Unwrap { key: Arc::clone(&self.key), request }
    }

    /// Digest of the wrapped key: the same for every copy of this envelope.
    pub(crate) fn envelope_key(&self, provider: &CryptoProvider) -> Vec<u8> {
        let key = provider.digest(DigestAlgorithm::Sha256, &self.wrapped);
        key.map(|digest| digest.as_bytes().to_vec()).unwrap_or_default()
    }

    /// Decrypts with the key's answer. A refused or ill-sized key is replaced by a deterministic one, so that
    /// it shows no earlier and no differently than changed content (RFC 3218).
    pub(crate) fn open(
        self,
        answer: Result<SecretBytes, KeyError>,
        provider: &CryptoProvider,
    ) -> Result<OpenedEnvelope, ReceiveError> {
        let key = content_key(answer, self.cipher, self.key.rejection_secret(), &self.wrapped)
            .map_err(|error| ReceiveError::KeyUnavailable(error.to_string()))?;
        let decryptor = provider
            .ciphers()
            .decryptor(self.cipher, key.as_bytes(), &self.iv, &self.aad)
            .map_err(|error| unsupported(self.cipher, &error))?;
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

/// Our key among the recipients: by issuer and serial number or key identifier, else by a serial number that is
/// unique on both sides, since some stacks re-encode the issuer's strings. Never by trying keys in turn: whether a
/// PKCS#1 v1.5 unwrap succeeded must not be observable.
fn addressee<'a>(
    recipients: &'a [RecipientInfo],
    ours: &'a [Decrypting],
) -> Result<(&'a Decrypting, &'a AlgorithmIdentifier, &'a Bytes), ReceiveError> {
    let exact = transported(recipients)
        .find_map(|(id, rest)| ours.iter().find(|own| names(id, &own.certificate)).map(|own| (own, rest)));
    let by_serial = || {
        let mut hits = transported(recipients)
            .flat_map(|(id, rest)| ours.iter().filter(move |own| same_serial(id, own)).map(move |own| (own, rest)));
        hits.next().filter(|_| hits.next().is_none())
    };
    match exact.or_else(by_serial) {
        Some((own, (algorithm, wrapped))) => Ok((own, algorithm, wrapped)),
        None => Err(ReceiveError::NoRecipient {
            encrypted_to: recipients.iter().map(describe_recipient).collect(),
            ours: ours.iter().map(describe_own).collect(),
        }),
    }
}

type Transported<'a> = (&'a EntityId, (&'a AlgorithmIdentifier, &'a Bytes));

fn transported(recipients: &[RecipientInfo]) -> impl Iterator<Item = Transported<'_>> {
    recipients.iter().filter_map(|recipient| match recipient {
        RecipientInfo::KeyTransport { rid, algorithm, encrypted_key } => Some((rid, (algorithm, encrypted_key))),
        RecipientInfo::Other { .. } => None,
    })
}

fn same_serial(id: &EntityId, own: &Decrypting) -> bool {
    match id {
        EntityId::IssuerAndSerial { serial, .. } => serial.as_ref() == own.certificate.serial_octets(),
        EntityId::SubjectKeyId(_) => false,
    }
}

fn describe_recipient(recipient: &RecipientInfo) -> String {
    match recipient {
        RecipientInfo::KeyTransport { rid, .. } => describe(rid),
        RecipientInfo::Other { tag } => format!("a recipient of kind {tag}"),
    }
}

fn describe_own(own: &Decrypting) -> String {
    format!("issuer {}, serial {}", own.certificate.issuer(), own.certificate.serial_hex())
}

fn cipher(algorithm: &AlgorithmIdentifier) -> Result<CipherAlgorithm, ReceiveError> {
    CipherAlgorithm::from_oid(&algorithm.oid).ok_or_else(|| ReceiveError::UnsupportedAlgorithm {
        what: CONTENT_ENCRYPTION,
        algorithm: algorithm.oid.to_string(),
    })
}

fn transport(algorithm: &AlgorithmIdentifier) -> Result<KeyTransport, ReceiveError> {
    match algorithm.oid {
        oid::RSA_ENCRYPTION => Ok(KeyTransport::RsaPkcs1v15),
        other => Err(ReceiveError::UnsupportedAlgorithm { what: KEY_TRANSPORT, algorithm: other.to_string() }),
    }
}

fn unsupported(cipher: CipherAlgorithm, error: &CryptoError) -> ReceiveError {
    ReceiveError::UnsupportedAlgorithm { what: CONTENT_ENCRYPTION, algorithm: format!("{cipher} ({error})") }
}

fn parameters(algorithm: &AlgorithmIdentifier) -> &[u8] {
    algorithm.parameters.as_deref().unwrap_or_default()
}
