//! Private keys behind traits, so that they may live in this process, an HSM or a key service.

use std::fmt;

use bytes::Bytes;
use zeroize::Zeroizing;

use super::DigestValue;
use super::exchange::{AgreeRequest, DecapsulateRequest, OaepParameters, ecdh_key};
use crate::algorithm::{DigestAlgorithm, KeyTransport, SignatureScheme};
use crate::certificate::{Certificate, KeyKind};

/// A private key that signs messages and MDNs.
///
/// A key in this process answers at once ([`RsaPrivateKey`](super::RsaPrivateKey)); one that needs the
/// network answers [`KeyError::Deferred`] ([`RemoteKey`]), and the caller carries the request there and back.
pub trait SigningKey: Send + Sync + fmt::Debug {
    /// The public half, a DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7): it must be that of the certificate.
    fn public_key(&self) -> &[u8];

    /// The schemes that this key can sign with, preferred ones first.
    fn schemes(&self) -> Vec<SignatureScheme>;

    /// Octets of a signature under `scheme`, if every one has the same length; lets `Content-Length` be
    /// known before the signature is made.
    fn signature_len(&self, scheme: SignatureScheme) -> Option<usize>;

    /// Signs a digest.
    ///
    /// # Errors
    /// [`KeyError::Deferred`] if the answer comes later, [`KeyError::Unsupported`] for a scheme outside
    /// [`schemes`](Self::schemes), [`KeyError::Unavailable`] if the key cannot be reached or used now.
    fn sign(&self, request: &SignRequest) -> Result<Vec<u8>, KeyError>;
}

/// A private key that opens envelopes: it unwraps content-encryption keys (RSA), agrees on what unwraps them (ECDH),
/// or decapsulates it (ML-KEM).
pub trait DecryptingKey: Send + Sync + fmt::Debug {
    /// The public half, a DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
    fn public_key(&self) -> &[u8];

    /// Unwraps a content-encryption key.
    ///
    /// With PKCS#1 v1.5, success says nothing: a key with implicit rejection returns plausible octets for a bad
    /// padding. The caller puts a substitute in place of a refused key, so that both look alike from outside (RFC 3218).
    ///
    /// # Errors
    /// [`KeyError::Rejected`] if the wrapped key is bad in whatever way, [`KeyError::Deferred`] if the answer comes
    /// later, [`KeyError::Unsupported`] for another key transport, [`KeyError::Unavailable`] if the key cannot be used now.
    fn unwrap_key(&self, request: &UnwrapRequest) -> Result<SecretBytes, KeyError>;

    /// Agrees on a secret with a sender's ephemeral key: the x-coordinate of the shared point, or what X25519 gives.
    ///
    /// The default is that of a key that does no key agreement.
    ///
    /// # Errors
    /// [`KeyError::Rejected`] if the ephemeral key is none of the group or leads to a secret of zeros,
    /// [`KeyError::Unsupported`] for another group; else those of [`unwrap_key`](Self::unwrap_key).
    fn agree(&self, request: &AgreeRequest) -> Result<SecretBytes, KeyError> {
        let _ = request;
        Err(KeyError::Unsupported)
    }

    /// Decapsulates a secret that a sender made for this key (RFC 9629).
    ///
    /// The default is that of a key of another kind.
    ///
    /// # Errors
    /// [`KeyError::Rejected`] if the ciphertext has the wrong length, [`KeyError::Unsupported`] for another mechanism; else
    /// those of [`unwrap_key`](Self::unwrap_key).
    fn decapsulate(&self, request: &DecapsulateRequest) -> Result<SecretBytes, KeyError> {
        let _ = request;
        Err(KeyError::Unsupported)
    }

    /// The secret that keys the substitutes of refused content-encryption keys.
    ///
    /// At least 32 unpredictable octets, the same on every node and after every restart: a substitute that
    /// changed from one try to the next, or that a peer could compute, would tell which keys were refused.
    fn rejection_secret(&self) -> &[u8];
}

/// Why a private key gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key lives elsewhere; its answer has to be fetched.
    #[error("the key answers later")]
    Deferred,
    /// The key cannot be reached or used now; the text is for the operator. A matter of this side, never of the peer.
    #[error("the key is unavailable: {0}")]
    Unavailable(String),
    /// The key refused the input. It carries no reason on purpose, for a reason is an oracle.
    #[error("the key rejected the input")]
    Rejected,
    /// The key signs the message itself, and the request holds the digest only.
    #[error("the key signs the message itself, and only its digest is at hand")]
    NeedsMessage,
    /// The key cannot do what was asked of it.
    #[error("the key does not support this operation")]
    Unsupported,
}

impl KeyError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Deferred => "KEY_DEFERRED",
            Self::Unavailable(_) => "KEY_UNAVAILABLE",
            Self::Rejected => "KEY_REJECTED",
            Self::NeedsMessage => "KEY_NEEDS_MESSAGE",
            Self::Unsupported => "KEY_UNSUPPORTED",
        }
    }
}

/// What a [`SigningKey`] is asked to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignRequest {
    /// The signature scheme.
    pub scheme: SignatureScheme,
    /// The digest to be signed, of the algorithm that the scheme names.
    pub digest: DigestValue,
    /// The octets that were digested, where they are at hand: some key services insist on digesting themselves.
    pub message: Option<Bytes>,
}

impl SignRequest {
    /// A request that carries the digest only.
    #[must_use]
    pub fn new(scheme: SignatureScheme, digest: DigestValue) -> Self {
        Self { scheme, digest, message: None }
    }

    /// Adds the octets that were digested.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Bytes>) -> Self {
        self.message = Some(message.into());
        self
    }
}

/// What a [`DecryptingKey`] is asked to unwrap.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnwrapRequest {
    /// How the key was wrapped.
    pub transport: KeyTransport,
    /// What OAEP is told beside the digest that the transport names; `None` for PKCS#1 v1.5.
    pub oaep: Option<OaepParameters>,
    /// The `encryptedKey` of the KeyTransRecipientInfo (RFC 5652 section 6.2.1).
    pub encrypted_key: Bytes,
}

impl UnwrapRequest {
    /// A request for one wrapped key; OAEP has its usual parameters.
    #[must_use]
    pub fn new(transport: KeyTransport, encrypted_key: impl Into<Bytes>) -> Self {
        let oaep = transport.digest().filter(|_| transport.is_oaep()).map(OaepParameters::usual);
        Self { transport, oaep, encrypted_key: encrypted_key.into() }
    }

    /// Takes the parameters that the sender wrote.
    #[must_use]
    pub fn with_oaep(mut self, oaep: OaepParameters) -> Self {
        self.oaep = Some(oaep);
        self
    }
}

/// Secret octets: wiped when dropped, not shown by `Debug`.
#[derive(Clone, Default)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes over octets; copies that the caller keeps are the caller's to wipe.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The octets themselves.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many octets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all octets are zero, in a time that depends on their number only.
    pub(crate) fn is_zero(&self) -> bool {
        self.0.iter().fold(0, |all, octet| all | octet) == 0
    }

    pub(crate) fn as_mut_bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretBytes").finish_non_exhaustive()
    }
}

/// A private key that lives outside this process, in an HSM or a key service.
///
/// It answers every request with [`KeyError::Deferred`]; the application then has the request answered by the
/// device that goes by [`name`](Self::name) and hands the answer back.
///
/// ```
/// use as2_protocol::crypto::{DecryptingKey, KeyError, RemoteKey, UnwrapRequest};
/// use as2_protocol::{Certificate, KeyTransport};
/// # let pem = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/worked/keys/bob-enc.crt"));
/// let certificate = Certificate::from_pem(pem)?;
/// let secret = [0x5a; 32]; // from the vault: the same on every node
/// let key = RemoteKey::new("kms:alias/as2-decryption", &certificate, secret);
///
/// let request = UnwrapRequest::new(KeyTransport::RsaPkcs1v15, vec![0; 256]);
/// assert_eq!(key.unwrap_key(&request).unwrap_err(), KeyError::Deferred);
/// # Ok::<_, as2_protocol::CertificateError>(())
/// ```
#[derive(Clone)]
pub struct RemoteKey {
    name: String,
    public_key: Vec<u8>,
    kind: KeyKind,
    rejection_secret: SecretBytes,
}

impl RemoteKey {
    /// A key known by its certificate.
    ///
    /// `rejection_secret` keys the substitutes of refused keys; see [`DecryptingKey::rejection_secret`]. It is
    /// asked for even where the key only signs, so that no key can decrypt without one.
    #[must_use]
    pub fn new(name: impl Into<String>, certificate: &Certificate, rejection_secret: [u8; 32]) -> Self {
        Self {
            name: name.into(),
            public_key: certificate.spki_der().to_vec(),
            kind: certificate.key_kind(),
            rejection_secret: SecretBytes::new(rejection_secret.to_vec()),
        }
    }

    /// What the application calls the key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for RemoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKey")
            .field("name", &self.name)
            .field("key", &self.kind.to_string())
            .finish_non_exhaustive()
    }
}

impl SigningKey for RemoteKey {
    fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        schemes_of(self.kind)
    }

    fn signature_len(&self, scheme: SignatureScheme) -> Option<usize> {
        signature_len(self.kind, scheme)
    }

    fn sign(&self, request: &SignRequest) -> Result<Vec<u8>, KeyError> {
        Err(if self.kind.permits(request.scheme) { KeyError::Deferred } else { KeyError::Unsupported })
    }
}

impl DecryptingKey for RemoteKey {
    fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    fn unwrap_key(&self, request: &UnwrapRequest) -> Result<SecretBytes, KeyError> {
        let rsa = !request.transport.is_agreement() && !request.transport.is_encapsulation();
        let fits = rsa && matches!(self.kind, KeyKind::Rsa { .. });
        Err(if fits { KeyError::Deferred } else { KeyError::Unsupported })
    }

    fn agree(&self, request: &AgreeRequest) -> Result<SecretBytes, KeyError> {
        let group = ecdh_key(&self.public_key).map(|(group, _)| group);
        Err(if group == Some(request.group) { KeyError::Deferred } else { KeyError::Unsupported })
    }

    fn decapsulate(&self, request: &DecapsulateRequest) -> Result<SecretBytes, KeyError> {
        Err(if self.kind == KeyKind::Kem(request.kem) { KeyError::Deferred } else { KeyError::Unsupported })
    }

    fn rejection_secret(&self) -> &[u8] {
        self.rejection_secret.as_bytes()
    }
}

/// What keys of a kind can sign with, preferred schemes first; whether SHA-1 may be used is decided by policy, not here.
pub(crate) fn schemes_of(kind: KeyKind) -> Vec<SignatureScheme> {
    let strong = DigestAlgorithm::STRONG;
    let own = match kind {
        KeyKind::RsaPss { restriction: Some(restriction), .. } => Some(SignatureScheme::RsaPss(restriction)),
        _ => None,
    };
    let pkcs1v15 = strong.into_iter().chain([DigestAlgorithm::Sha1]).map(SignatureScheme::RsaPkcs1v15);
    let all = pkcs1v15.chain(strong.map(SignatureScheme::rsa_pss)).chain(strong.map(SignatureScheme::Ecdsa)).chain([
        SignatureScheme::Ed25519,
        SignatureScheme::MlDsa65,
        SignatureScheme::MlDsa87,
    ]);
    let usual = all.filter(|scheme| kind.permits(*scheme) && Some(*scheme) != own);
    own.into_iter().filter(|scheme| scheme.digest().is_strong()).chain(usual).collect()
}

/// Octets of a signature, where every one has the same length.
pub(crate) fn signature_len(kind: KeyKind, scheme: SignatureScheme) -> Option<usize> {
    match (kind.permits(scheme), scheme) {
        (true, SignatureScheme::RsaPkcs1v15(_) | SignatureScheme::RsaPss(_)) => {
            kind.rsa_bits().map(|bits| bits.div_ceil(8))
        }
        (true, SignatureScheme::Ed25519) => Some(64),
        (true, SignatureScheme::MlDsa65 | SignatureScheme::MlDsa87) => scheme.ml_dsa_signature_len(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; 32] = [0x5a; 32];

    fn remote() -> RemoteKey {
        let certificate = include_bytes!("../../tests/vectors/worked/keys/alice-sign.crt");
        RemoteKey::new("hsm/7", &Certificate::from_pem(certificate).unwrap(), SECRET)
    }

    #[test]
    fn remote_key_defers_every_operation() {
        let key = remote();
        let scheme = SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256);
        let request = SignRequest::new(scheme, DigestValue::sha256([1; 32])).with_message(&b"abc"[..]);
        assert_eq!(request.message.as_deref(), Some(&b"abc"[..]));
        assert_eq!(key.sign(&request), Err(KeyError::Deferred));
        assert_eq!(key.signature_len(scheme), Some(256));
        assert_eq!(key.schemes().first(), Some(&scheme));
        let unwrap = UnwrapRequest::new(KeyTransport::RsaPkcs1v15, vec![0; 256]);
        assert_eq!(key.unwrap_key(&unwrap).unwrap_err(), KeyError::Deferred);
        assert_eq!(key.rejection_secret(), SECRET);
        assert_eq!(key.name(), "hsm/7");
    }

    #[test]
    fn secrets_stay_out_of_debug() {
        let debug = format!("{:?} {:?}", remote(), SecretBytes::new(vec![0x5a; 4]));
        assert_eq!(
            debug, "RemoteKey { name: \"hsm/7\", key: \"RSA of 2048 bits\", .. } SecretBytes { .. }",
            "neither the secret nor its length is shown"
        );
        assert!(SecretBytes::default().is_empty());
        assert_eq!(SecretBytes::from(vec![1, 2]).len(), 2);
    }

    #[test]
    fn remote_keys_of_other_kinds_defer_what_they_can() {
        let certificate = include_bytes!("../../tests/vectors/ber/ec.crt");
        let key = RemoteKey::new("ec", &Certificate::from_pem(certificate).unwrap(), SECRET);
        let scheme = SignatureScheme::RsaPkcs1v15(DigestAlgorithm::Sha256);
        assert_eq!(key.schemes(), DigestAlgorithm::STRONG.map(SignatureScheme::Ecdsa));
        let ecdsa = SignatureScheme::Ecdsa(DigestAlgorithm::Sha256);
        assert_eq!(key.sign(&SignRequest::new(ecdsa, DigestValue::sha256([0; 32]))), Err(KeyError::Deferred));
        assert_eq!((key.signature_len(ecdsa), key.signature_len(scheme)), (None, None));
        assert_eq!(key.sign(&SignRequest::new(scheme, DigestValue::sha256([0; 32]))), Err(KeyError::Unsupported));
        let unwrap = UnwrapRequest::new(KeyTransport::RsaPkcs1v15, vec![]);
        assert_eq!(key.unwrap_key(&unwrap).unwrap_err(), KeyError::Unsupported);
    }
}
