//! What can go wrong, grouped by who must act, and what the partner is told about it.

use std::time::SystemTime;

use crate::algorithm::SignatureScheme;
use crate::certificate::Certificate;
use crate::crypto::{CryptoError, KeyError};
use crate::mime::Error as MimeError;
use crate::name::NameError;
use crate::profile::Contradiction;
use crate::stored::Instant;
use crate::url::without_queries;

mod certificate;
mod receive;

pub use certificate::{CertificateFault, TrustError, ValidityError};
pub(crate) use receive::{Answer, CONTENT_ENCRYPTION, Exposure, KEY_TRANSPORT, SIGNATURE, answer};
pub use receive::{AuthenticationFault, DecompressionFault, DecryptionFault, ReceiveError};

/// A mistake in keys, certificates or the agreement: found before anything is sent or received.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A private key does not belong to its certificate.
    #[error("the private key does not belong to the certificate of {subject}: give the two that were made together")]
    KeyMismatch {
        /// Subject of the certificate.
        subject: String,
    },
    /// There is no signing key, or it has no certificate.
    #[error("there is no signing key with its certificate: give both to the identity, or agree on unsigned messages")]
    NoSigningKey,
    /// The key of the signing certificate makes no signatures that this crate writes.
    #[error(
        "the certificate of {subject} to sign with holds a key that signs nothing here: {key}; take one for RSA, ECDSA \
         or Ed25519"
    )]
    NotASigningKey {
        /// Subject of the certificate.
        subject: String,
        /// The algorithm of the key.
        key: String,
    },
    /// Signers are to be named by key identifier, and the signing certificate has none.
    #[error("the certificate of {subject} to sign with has no subject key identifier; leave `quirks.signer_id` out")]
    NoKeyIdentifier {
        /// Subject of the certificate.
        subject: String,
    },
    /// An RSA key is shorter than 2048 bits, and nobody has allowed that.
    #[error(
        "the RSA key of {subject} has {bits} bits, fewer than 2048: renew it, or call `allow_weak_keys` for a partner \
         who cannot"
    )]
    WeakKey {
        /// Subject of the certificate.
        subject: String,
        /// Bits of the modulus.
        bits: usize,
    },
    /// The agreement contradicts itself.
    #[error("the agreement cannot work: {}", listed(.0))]
    Contradictions(Vec<Contradiction>),
    /// Two keys of one kind have the same name.
    #[error("two keys are named {0}: give each a name of its own")]
    DuplicateName(String),
    /// The agreement names a signing key that we do not have.
    #[error(
        "`certificates.sign_with` names the key {name}, our signing keys are {}; name one of them, or leave it out",
        .known.join(", ")
    )]
    UnknownSigningKey {
        /// The name in the agreement.
        name: String,
        /// The names of our signing keys.
        known: Vec<String>,
    },
    /// No signing key is active yet.
    #[error("no signing key is active before {}: activate one earlier", String::from(Instant(*.from)))]
    NoActiveSigningKey {
        /// When the first one becomes active.
        from: SystemTime,
    },
    /// A certificate is outside its validity period, not meant for its use, or revoked.
    #[error("{fault}; {remedy}", fault = .0, remedy = .0.remedy())]
    Certificate(#[from] CertificateFault),
}

impl SetupError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::KeyMismatch { .. } => "KEY_MISMATCH",
            Self::NoSigningKey => "NO_SIGNING_KEY",
            Self::NotASigningKey { .. } => "NOT_A_SIGNING_KEY",
            Self::NoKeyIdentifier { .. } => "NO_KEY_IDENTIFIER",
            Self::WeakKey { .. } => "WEAK_KEY",
            Self::Contradictions(_) => "PROFILE_CONTRADICTION",
            Self::DuplicateName(_) => "KEY_NAME_DUPLICATE",
            Self::UnknownSigningKey { .. } => "SIGNING_KEY_UNKNOWN",
            Self::NoActiveSigningKey { .. } => "SIGNING_KEY_INACTIVE",
            Self::Certificate(fault) => fault.code(),
        }
    }

    /// RSA keys below 2048 bits are a matter of explicit consent (SP 800-131A).
    pub(crate) fn check_strength(certificate: &Certificate) -> Result<(), Self> {
        match certificate.key_kind().rsa_bits() {
            Some(bits) if bits < 2048 => Err(Self::WeakKey { subject: certificate.subject().to_owned(), bits }),
            _ => Ok(()),
        }
    }
}

fn listed(contradictions: &[Contradiction]) -> String {
    contradictions.iter().map(ToString::to_string).collect::<Vec<_>>().join(". ")
}

/// A message cannot be built. Nothing has been sent; of a message that is streamed, never the end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Keys, certificates or the agreement do not allow it.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The partner has no certificate that is active now.
    #[error("no certificate of the partner is active to encrypt to: activate one earlier, or ask him for one")]
    NoEncryptionCertificate,
    /// `send.originator_copy` is set, and none of our certificates to decrypt with is valid now.
    #[error("`send.originator_copy` is set, but none of our certificates to decrypt with is valid now: renew one")]
    NoOriginatorCertificate,
    /// A header value cannot be written.
    #[error("the header {name} cannot carry this value: write one line of printable ASCII")]
    Header {
        /// Name of the header.
        name: String,
    },
    /// A name, identifier or URL cannot be written.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A MIME header cannot be written.
    #[error(transparent)]
    Mime(#[from] MimeError),
    /// The crypto provider refuses.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The private key refuses.
    #[error("the signing key gave no signature: {0}")]
    Key(#[from] KeyError),
    /// A file name is not to be sent.
    #[error("the file name `{name}` cannot be sent: {problem}")]
    Filename {
        /// The name, control characters replaced.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Two documents of a message have one Content-ID.
    #[error("two documents have the Content-ID {0}: give each its own")]
    ContentIdTwice(String),
    /// Several documents in one message, which the agreement forbids.
    #[error("`send.attachments` forbids several documents in one message: send each alone, or agree on several")]
    AttachmentsForbidden,
    /// The signing key cannot sign with the digest that the agreement asks for.
    #[error("the signing key cannot sign with {0}: agree on another digest, or take another key")]
    SigningAlgorithm(SignatureScheme),
    /// The agreement asks for what cannot be done in one pass and bounded memory.
    #[error("the message cannot be streamed: {0}; build it in memory")]
    NotStreamable(&'static str),
    /// The payload is shorter or longer than its head announced. What was sent so far is no message, and must not be
    /// completed.
    #[error("the payload was announced with {announced} octets and has {written}: give its length, or none")]
    PayloadLength {
        /// The length in the head of the payload.
        announced: u64,
        /// Octets that were written, or would have been.
        written: u64,
    },
    /// The signing key gave a signature of another length than it had announced. What was sent so far is no message,
    /// and must not be completed.
    #[error("the signature takes {written} octets with all around it, and {announced} were announced")]
    SignatureLength {
        /// Octets behind the signed entity as they were announced.
        announced: u64,
        /// Octets behind the signed entity with the signature of the key.
        written: u64,
    },
}

impl SendError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Setup(error) => error.code(),
            Self::NoEncryptionCertificate => "NO_ENCRYPTION_CERTIFICATE",
            Self::NoOriginatorCertificate => "NO_ORIGINATOR_CERTIFICATE",
            Self::Header { .. } => "HEADER_INVALID",
            Self::Name(_) => "NAME_INVALID",
            Self::Mime(_) => "MIME_INVALID",
            Self::Crypto(_) => "CRYPTO",
            Self::Key(_) => "SIGNING_KEY",
            Self::SigningAlgorithm(_) => "SIGNING_ALGORITHM",
            Self::Filename { .. } => "FILENAME_ILLEGAL",
            Self::ContentIdTwice(_) => "CONTENT_ID_TWICE",
            Self::AttachmentsForbidden => "ATTACHMENTS_FORBIDDEN",
            Self::NotStreamable(_) => "NOT_STREAMABLE",
            Self::PayloadLength { .. } => "PAYLOAD_LENGTH",
            Self::SignatureLength { .. } => "SIGNATURE_LENGTH",
        }
    }
}

impl From<CertificateFault> for SendError {
    fn from(fault: CertificateFault) -> Self {
        Self::Setup(SetupError::Certificate(fault))
    }
}

/// An HTTP request that is no AS2 message: there is nobody to send a receipt to, only an HTTP status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The method is not POST.
    #[error("the method is {0}, AS2 messages are posted")]
    Method(String),
    /// A header that every AS2 message has is missing or empty.
    #[error("the header {0} is missing or empty")]
    MissingHeader(&'static str),
    /// A header that may stand once is there several times with different values.
    #[error("the header {0} is there several times with different values")]
    ContradictingHeader(&'static str),
    /// The header block cannot be read.
    #[error("HTTP header: {0}")]
    Head(MimeError),
    /// The body is larger than the limit.
    #[error("the body is larger than {limit} octets")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The body is shorter or longer than `Content-Length` says.
    #[error("Content-Length says {declared} octets, the body has {actual}")]
    Length {
        /// The header's value.
        declared: u64,
        /// Octets of the body.
        actual: u64,
    },
    /// The body should be a receipt and cannot be read as one.
    #[error("the receipt cannot be read: {0}")]
    Receipt(String),
}

impl Rejection {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Method(_) => "METHOD",
            Self::MissingHeader(_) => "HEADER_MISSING",
            Self::ContradictingHeader(_) => "HEADER_CONTRADICTION",
            Self::Head(_) => "HEAD_MALFORMED",
            Self::TooLarge { .. } => "TOO_LARGE",
            Self::Length { .. } => "LENGTH",
            Self::Receipt(_) => "RECEIPT_MALFORMED",
        }
    }

    /// The HTTP status that answers the request (RFC 9110 section 15.5).
    #[must_use]
    pub const fn status(&self) -> http::StatusCode {
        match self {
            Self::Method(_) => http::StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge { .. } => http::StatusCode::PAYLOAD_TOO_LARGE,
            Self::MissingHeader(_)
            | Self::ContradictingHeader(_)
            | Self::Head(_)
            | Self::Length { .. }
            | Self::Receipt(_) => http::StatusCode::BAD_REQUEST,
        }
    }
}

/// A request that got no usable HTTP response: what the HTTP client reported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{description}")]
pub struct TransportFailure {
    description: String,
}

impl TransportFailure {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "TRANSPORT"
    }

    /// A failure to connect, to send or to read the response, in the words of the HTTP client. The queries of URLs
    /// in it are cut off, since some clients quote the URL, and it may hold a token.
    #[must_use]
    pub fn new(description: impl AsRef<str>) -> Self {
        Self { description: without_queries(description.as_ref()) }
    }
}
