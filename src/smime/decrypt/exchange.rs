//! From what was sent to the content-encryption key: judged as far as it can be without the private key, then asked.

use std::sync::Arc;

use bytes::Bytes;

use super::addressee::SentKey;
use crate::algorithm::{DigestAlgorithm, EC_PUBLIC_KEY, EcdhGroup, KeyTransport};
use crate::certificate::KeyKind;
use crate::cms::enveloped::parameters::{self, LABEL_SPECIFIED, MGF1};
use crate::cms::enveloped::recipient::{KeyAgreement, KeyEncapsulation, PublicKey};
use crate::cms::{AlgorithmIdentifier, Error as CmsError, ErrorKind, oid};
use crate::crypto::exchange::{AgreeRequest, DecapsulateRequest, OaepParameters, ecdh_key};
use crate::crypto::{CryptoError, CryptoProvider, DecryptingKey, KeyError, KeyWrap, SecretBytes, UnwrapRequest};
use crate::error::{KEY_TRANSPORT, ReceiveError};
use crate::identity::Decrypting;
use crate::step::KeyRequest;

/// What the private key is asked, and what is done with its answer.
#[derive(Debug)]
pub(super) enum Exchange {
    Transport(UnwrapRequest),
    Agreement {
        request: AgreeRequest,
        scheme: KeyTransport,
        wrap: KeyWrap,
        /// ECC-CMS-SharedInfo.
        info: Vec<u8>,
        wrapped: Bytes,
    },
    Encapsulation {
        request: DecapsulateRequest,
        wrap: KeyWrap,
        /// CMSORIforKEMOtherInfo.
        info: Vec<u8>,
        wrapped: Bytes,
    },
}

impl Exchange {
    /// Judges algorithms, parameters and the sender's public key.
    pub(super) fn new(own: &Decrypting, sent: SentKey<'_>, provider: &CryptoProvider) -> Result<Self, ReceiveError> {
        match sent {
            SentKey::Transported { algorithm, wrapped } => {
                let request = transport(algorithm, wrapped)?;
                match own.certificate.key_kind() {
                    KeyKind::Rsa { .. } => Ok(Self::Transport(request)),
                    _ => Err(unsupported(format!("{} to a key that is not one of RSA", request.transport))),
                }
            }
            SentKey::Agreed { agreement, wrapped } => agree(own, agreement, wrapped, provider),
            SentKey::Encapsulated(sent) => encapsulated(own, sent),
        }
    }

    pub(super) fn transport(&self) -> KeyTransport {
        match self {
            Self::Transport(request) => request.transport,
            Self::Agreement { scheme, .. } => *scheme,
            Self::Encapsulation { request, .. } => request.kem,
        }
    }

    /// The content-encryption key as it stands in the message.
    pub(super) fn wrapped(&self) -> &Bytes {
        match self {
            Self::Transport(request) => &request.encrypted_key,
            Self::Agreement { wrapped, .. } | Self::Encapsulation { wrapped, .. } => wrapped,
        }
    }

    pub(super) fn request(&self, key: &Arc<dyn DecryptingKey>) -> KeyRequest {
        let key = Arc::clone(key);
        match self {
            Self::Transport(request) => KeyRequest::Unwrap { key, request: request.clone() },
            Self::Agreement { request, .. } => KeyRequest::Agree { key, request: request.clone() },
            Self::Encapsulation { request, .. } => KeyRequest::Decapsulate { key, request: request.clone() },
        }
    }

    /// The unwrapped key from the private key's answer. Whatever is wrong with it is one and the same refusal.
    pub(super) fn finish(
        &self,
        answer: Result<SecretBytes, KeyError>,
        provider: &CryptoProvider,
    ) -> Result<Result<SecretBytes, KeyError>, ReceiveError> {
        let (secret_len, scheme, wrap, info, wrapped) = match self {
            Self::Transport(_) => return Ok(answer),
            Self::Agreement { request, scheme, wrap, info, wrapped } => {
                (request.group.secret_len(), scheme, wrap, info, wrapped)
            }
            Self::Encapsulation { request, wrap, info, wrapped } => (KEM_SECRET_LEN, &request.kem, wrap, info, wrapped),
        };
        let secret = match answer {
            Ok(secret) => secret,
            Err(error) => return Ok(Err(error)),
        };
        // RFC 8418 section 2, RFC 7748 section 6.1: a secret of zeros comes from a key of small order.
        let agreed = secret.len() == secret_len && !secret.is_zero();
        let wrapping = provider.key_wrapping();
        let key = wrapping
            .derive(*scheme, secret.as_bytes(), info, wrap.key_len())
            .and_then(|key| wrapping.unwrap_with(*wrap, key.as_bytes(), wrapped));
        match key {
            Ok(key) if agreed => Ok(Ok(key)),
            Err(CryptoError::Unsupported) => Err(unsupported(format!("{scheme} with {wrap}"))),
            Ok(_) | Err(_) => Ok(Err(KeyError::Rejected)),
        }
    }
}

/// Octets of every shared secret of ML-KEM (FIPS 203 section 8).
const KEM_SECRET_LEN: usize = 32;

/// Only HKDF with SHA-256 is read: RFC 9936 section 2.1 has everybody support it.
fn encapsulated(own: &Decrypting, sent: &KeyEncapsulation) -> Result<Exchange, ReceiveError> {
    let kem = KeyTransport::encapsulation(&sent.kem.oid).ok_or_else(|| unsupported(sent.kem.oid.to_string()))?;
    if sent.kdf.oid != parameters::HKDF_SHA256 {
        return Err(unsupported(format!("{kem} with the key derivation {}", sent.kdf.oid)));
    }
    let wrap = KeyWrap::from_oid(&sent.wrap.oid)
        .ok_or_else(|| unsupported(format!("{kem} with the key wrap algorithm {}", sent.wrap.oid)))?;
    if own.certificate.key_kind() != KeyKind::Kem(kem) {
        return Err(unsupported(format!("{kem} to a key that is not one of it")));
    }
    if [&sent.kem, &sent.kdf, &sent.wrap].iter().any(|algorithm| algorithm.parameters.is_some()) {
        return Err(malformed("the parameters of the key encapsulation"));
    }
    if kem.ciphertext_len() != Some(sent.ciphertext.len()) {
        return Err(malformed("the length of the encapsulated key"));
    }
    let Some(kek_len) = u8::try_from(sent.kek_len).ok().filter(|_| sent.kek_len == wrap.key_len()) else {
        return Err(malformed("the length of the key-encryption key"));
    };
    let info = parameters::kem_other_info(&sent.wrap.encode(), kek_len, sent.ukm.as_deref());
    let request = DecapsulateRequest::new(kem, sent.ciphertext.clone());
    Ok(Exchange::Encapsulation { request, wrap, info, wrapped: sent.encrypted_key.clone() })
}

fn unsupported(algorithm: String) -> ReceiveError {
    ReceiveError::UnsupportedAlgorithm { what: KEY_TRANSPORT, algorithm }
}

fn malformed(what: &'static str) -> ReceiveError {
    ReceiveError::EnvelopeFormat(CmsError::new(ErrorKind::Value(what), 0))
}

fn transport(algorithm: &AlgorithmIdentifier, wrapped: &Bytes) -> Result<UnwrapRequest, ReceiveError> {
    match algorithm.oid {
        oid::RSA_ENCRYPTION => Ok(UnwrapRequest::new(KeyTransport::RsaPkcs1v15, wrapped.clone())),
        oid::RSAES_OAEP => oaep(algorithm.parameters.as_deref(), wrapped),
        other => Err(unsupported(other.to_string())),
    }
}

/// Digest, mask generation and label are read one by one (RFC 4055 section 4.1).
fn oaep(parameters: Option<&[u8]>, wrapped: &Bytes) -> Result<UnwrapRequest, ReceiveError> {
    let read = parameters::read_oaep(parameters).map_err(ReceiveError::EnvelopeFormat)?;
    let with = |what: &str, oid| unsupported(format!("rsa-oaep with the {what} {oid}"));
    if read.mask != MGF1 {
        return Err(with("mask generation function", read.mask));
    }
    if read.source != LABEL_SPECIFIED {
        return Err(with("label source", read.source));
    }
    let digest = DigestAlgorithm::from_oid(&read.digest).and_then(KeyTransport::oaep);
    let transport = digest.ok_or_else(|| with("digest", read.digest))?;
    let mask_digest =
        DigestAlgorithm::from_oid(&read.mask_digest).filter(|digest| KeyTransport::oaep(*digest).is_some());
    let mask_digest = mask_digest.ok_or_else(|| with("mask digest", read.mask_digest))?;
    let oaep = OaepParameters::new(mask_digest, read.label);
    Ok(UnwrapRequest::new(transport, wrapped.clone()).with_oaep(oaep))
}

fn agree(
    own: &Decrypting,
    agreement: &KeyAgreement,
    wrapped: &Bytes,
    provider: &CryptoProvider,
) -> Result<Exchange, ReceiveError> {
    let algorithm = &agreement.algorithm;
    let scheme = KeyTransport::agreement(&algorithm.oid).ok_or_else(|| unsupported(algorithm.oid.to_string()))?;
    let missing = || ReceiveError::EnvelopeFormat(CmsError::new(ErrorKind::Missing("the key wrap algorithm"), 0));
    let wrap_der = algorithm.parameters.as_ref().ok_or_else(missing)?;
    let wrap = parameters::algorithm(wrap_der).map_err(ReceiveError::EnvelopeFormat)?;
    let wrap = KeyWrap::from_oid(&wrap.oid)
        .ok_or_else(|| unsupported(format!("{scheme} with the key wrap algorithm {}", wrap.oid)))?;
    let Some((group, _)) = ecdh_key(own.certificate.spki_der()) else {
        return Err(unsupported(format!("{scheme} to a key that is not one for ECDH")));
    };
    let Some(public) = &agreement.originator else {
        return Err(unsupported(format!("{scheme} with a certificate of the sender")));
    };
    let point = ephemeral(group, public, provider)?;
    let info = parameters::shared_info(wrap_der, agreement.ukm.as_deref(), wrap.key_bits());
    let request = AgreeRequest::new(group, point);
    Ok(Exchange::Agreement { request, scheme, wrap, info, wrapped: wrapped.clone() })
}

/// The sender's public key in our group: checked here, so that no device is fed points of other curves.
fn ephemeral(group: EcdhGroup, public: &PublicKey, provider: &CryptoProvider) -> Result<Vec<u8>, ReceiveError> {
    let (kind, curve) = group.oids();
    let is_curve = |der: &[u8]| curve.is_some_and(|curve| parameters::is_oid(der, &curve));
    // RFC 5753 section 3.1.1: the parameters may be absent or NULL, since our certificate names the curve.
    let fits = match public.algorithm.parameters.as_deref() {
        None | Some([5, 0]) => true,
        Some(parameters) => public.algorithm.oid == EC_PUBLIC_KEY && is_curve(parameters),
    };
    if public.algorithm.oid != kind || !fits {
        return Err(malformed("the group of the sender's ephemeral key"));
    }
    provider.key_wrapping().check_public(group, &public.bits).map_err(|error| match error {
        CryptoError::Unsupported => unsupported(format!("ECDH in {group}")),
        _ => malformed("the sender's ephemeral key"),
    })
}
