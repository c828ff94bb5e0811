//! What can go wrong, grouped by who must act, and what the partner is told about it.

use std::time::SystemTime;

use crate::algorithm::DigestAlgorithm;
use crate::certificate::Certificate;
use crate::cms::Error as CmsError;
use crate::crypto::{CryptoError, KeyError};
use crate::mdn::Disposition;
use crate::mime::Error as MimeError;
use crate::name::NameError;
use crate::profile::Explain;
use crate::stored::Instant;

/// A mistake in keys, certificates or the agreement: found before anything is sent or received.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A private key does not belong to its certificate.
    #[error("the private key does not belong to the certificate of {subject}")]
    KeyMismatch {
        /// Subject of the certificate.
        subject: String,
    },
    /// There is no signing key, or it has no certificate.
    #[error("there is no signing key with its certificate")]
    NoSigningKey,
    /// The agreement contradicts itself.
    #[error("the agreement cannot work: {}", .0.join("; "))]
    Contradictions(Vec<String>),
    /// A certificate is outside its validity period.
    #[error(transparent)]
    Validity(#[from] ValidityError),
}

impl SetupError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::KeyMismatch { .. } => "KEY_MISMATCH",
            Self::NoSigningKey => "NO_SIGNING_KEY",
            Self::Contradictions(_) => "PROFILE_CONTRADICTION",
            Self::Validity(error) => error.code(),
        }
    }
}

/// A certificate is used outside its validity period.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{whose} certificate for {purpose} ({subject}, serial {serial}) {}",
    if *.not_yet { format!("is not valid before {}", date(*.not_before)) } else { format!("has expired on {}", date(*.not_after)) }
)]
#[non_exhaustive]
pub struct ValidityError {
    /// `our` or `the partner's`.
    pub whose: &'static str,
    /// What it was to be used for.
    pub purpose: &'static str,
    /// Subject of the certificate.
    pub subject: String,
    /// Serial number in hexadecimal.
    pub serial: String,
    /// Start of the validity period.
    pub not_before: SystemTime,
    /// End of the validity period.
    pub not_after: SystemTime,
    /// Whether it is not valid yet rather than expired.
    pub not_yet: bool,
}

impl ValidityError {
    /// `CERT_HAS_EXPIRED` or `CERT_NOT_YET_VALID`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        if self.not_yet { "CERT_NOT_YET_VALID" } else { "CERT_HAS_EXPIRED" }
    }

    /// Whether `certificate` may be used at `now`.
    pub(crate) fn check(
        certificate: &Certificate,
        whose: &'static str,
        purpose: &'static str,
        now: SystemTime,
    ) -> Result<(), Self> {
        if certificate.is_valid_at(now) {
            return Ok(());
        }
        Err(Self {
            whose,
            purpose,
            subject: certificate.subject().to_owned(),
            serial: certificate.serial_hex(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            not_yet: now < certificate.not_before(),
        })
    }
}

fn date(at: SystemTime) -> String {
    String::from(Instant(at))
}

/// A message cannot be built. Nothing has been sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Keys, certificates or the agreement do not allow it.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The partner has no certificate that is active now.
    #[error("no certificate of the partner is active to encrypt to")]
    NoEncryptionCertificate,
    /// A header value cannot be written.
    #[error("the header {name} cannot carry this value")]
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
    /// The signing key cannot sign with the digest that the agreement asks for.
    #[error("the signing key cannot sign with {0}")]
    SigningAlgorithm(DigestAlgorithm),
}

impl SendError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Setup(error) => error.code(),
            Self::NoEncryptionCertificate => "NO_ENCRYPTION_CERTIFICATE",
            Self::Header { .. } => "HEADER_INVALID",
            Self::Name(_) => "NAME_INVALID",
            Self::Mime(_) => "MIME_INVALID",
            Self::Crypto(_) => "CRYPTO",
            Self::Key(_) => "SIGNING_KEY",
            Self::SigningAlgorithm(_) => "SIGNING_ALGORITHM",
        }
    }
}

impl From<ValidityError> for SendError {
    fn from(error: ValidityError) -> Self {
        Self::Setup(SetupError::Validity(error))
    }
}

/// A received message is refused. The error is exact, for our log; what the partner learns is decided separately.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// No agreement stands between these two names.
    #[error("no agreement between {from} and {to}")]
    UnknownPartner {
        /// The decoded AS2-From.
        from: String,
        /// The decoded AS2-To.
        to: String,
    },
    /// A MIME structure cannot be read.
    #[error("{part}: {error}")]
    Mime {
        /// Where in the message.
        part: &'static str,
        /// What is wrong, and at which octet of that part.
        error: MimeError,
    },
    /// The encryption layer cannot be read.
    #[error("encrypted content: {0}")]
    EnvelopeFormat(CmsError),
    /// The signature cannot be read.
    #[error("signature: {0}")]
    SignatureFormat(CmsError),
    /// The content is an S/MIME object that this crate does not open.
    #[error("the content is {0}, which is not opened")]
    UnsupportedContent(String),
    /// None of our keys is among the recipients.
    #[error("encrypted to {}, our keys are {}", .encrypted_to.join(" and "), .ours.join(" and "))]
    NoRecipient {
        /// Whom the sender encrypted to: issuer and serial number, or key identifier.
        encrypted_to: Vec<String>,
        /// The same of our own certificates.
        ours: Vec<String>,
    },
    /// An algorithm is unknown to this crate or to the provider.
    #[error("{what} uses the algorithm {algorithm}, which is not supported")]
    UnsupportedAlgorithm {
        /// `content encryption`, `key transport` or `signature`.
        what: &'static str,
        /// Object identifier or name.
        algorithm: String,
    },
    /// The agreement does not accept an algorithm.
    #[error("{what} uses {algorithm}, which the agreement does not accept")]
    ForbiddenAlgorithm {
        /// `content encryption`, `key transport` or `signature`.
        what: &'static str,
        /// Name of the algorithm.
        algorithm: String,
    },
    /// The decrypting key cannot answer now.
    #[error("the decrypting key is unavailable: {0}")]
    KeyUnavailable(String),
    /// The content does not decrypt: wrong key, changed octets, bad padding or bad authentication tag.
    #[error("the content does not decrypt ({0})")]
    Decryption(DecryptionFault),
    /// The compressed content cannot be inflated.
    #[error("compressed content: {0}")]
    Decompression(DecompressionFault),
    /// The content is not what was signed.
    #[error("the {algorithm} digest of the content differs from the signed one")]
    IntegrityCheck {
        /// The digest that was compared.
        algorithm: DigestAlgorithm,
    },
    /// The sender could not be authenticated.
    #[error("{0}")]
    Authentication(AuthenticationFault),
    /// The message lacks protection that the agreement requires, or has protection that it forbids.
    #[error("the agreement {rule}")]
    InsufficientSecurity {
        /// The rule that the message breaks.
        rule: String,
    },
    /// The receipt was asked for in a format that nothing here can produce.
    #[error("the receipt is asked for in the format {0}, which is not supported")]
    UnsupportedReceiptFormat(String),
    /// The receipt was asked for with digests of which none is supported or acceptable.
    #[error("the receipt is asked for with {0}, of which nothing is supported")]
    UnsupportedMicAlgorithms(String),
    /// A limit is exceeded.
    #[error("{what} exceeds the limit of {limit}")]
    Limit {
        /// What was limited.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// Decrypted content has no MIME header, and nothing authenticates it.
    #[error("the decrypted content has no MIME header and is not authenticated")]
    BareContent,
    /// The application refused the payload.
    #[error("refused by the application: {0}")]
    Application(String),
}

impl ReceiveError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownPartner { .. } => "UNKNOWN_PARTNER",
            Self::Mime { .. } => "MIME_MALFORMED",
            Self::EnvelopeFormat(_) => "ENVELOPE_MALFORMED",
            Self::SignatureFormat(_) => "SIGNATURE_MALFORMED",
            Self::UnsupportedContent(_) => "CONTENT_UNSUPPORTED",
            Self::NoRecipient { .. } => "NO_RECIPIENT",
            Self::UnsupportedAlgorithm { .. } => "ALGORITHM_UNSUPPORTED",
            Self::ForbiddenAlgorithm { .. } => "ALGORITHM_FORBIDDEN",
            Self::KeyUnavailable(_) => "KEY_UNAVAILABLE",
            Self::Decryption(_) => "DECRYPTION",
            Self::Decompression(_) => "DECOMPRESSION",
            Self::IntegrityCheck { .. } => "INTEGRITY_CHECK",
            Self::Authentication(fault) => fault.code(),
            Self::InsufficientSecurity { .. } => "INSUFFICIENT_SECURITY",
            Self::UnsupportedReceiptFormat(_) => "RECEIPT_FORMAT",
            Self::UnsupportedMicAlgorithms(_) => "RECEIPT_MIC_ALGORITHMS",
            Self::Limit { .. } => "LIMIT",
            Self::BareContent => "BARE_CONTENT",
            Self::Application(_) => "APPLICATION",
        }
    }
}

/// Whether the sender may know what his octets led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// Nothing secret was looked at.
    Open,
    /// The failure depends on decrypted, unauthenticated content: answering it exactly would be an oracle.
    Sealed,
    /// The decrypted content was authenticated by its tag first.
    Authenticated,
}

/// What the partner is told: disposition and explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) disposition: Disposition,
    pub(crate) text: String,
    /// The answer is the one constant answer to whatever happens inside an envelope: no MIC, no detail.
    pub(crate) uniform: bool,
}

impl Answer {
    fn exact(disposition: Disposition, error: &ReceiveError) -> Self {
        Self { disposition, text: error.to_string(), uniform: false }
    }

    /// RFC 8551 section 6 and RFC 3218: one answer for all that depends on the decryption.
    fn uniform() -> Self {
        Self {
            disposition: Disposition::error("decryption-failed"),
            text: "The message could not be decrypted and verified.".to_owned(),
            uniform: true,
        }
    }
}

/// The answer to each error (RFC 4130 sections 7.5.3 and 7.5.4). No arm is a wildcard: a new error needs a decision here.
pub(crate) fn answer(error: &ReceiveError, exposure: Exposure, explain: Explain) -> Answer {
    let told = match exposure {
        Exposure::Open => true,
        Exposure::Authenticated => explain == Explain::Safe,
        // A valid signature by a certificate that is not ours to trust can only come from a real sender.
        Exposure::Sealed => {
            explain == Explain::Safe
                && matches!(error, ReceiveError::Authentication(AuthenticationFault::UntrustedSigner { .. }))
        }
    };
    if !told {
        return Answer::uniform();
    }
    let exact = |disposition| Answer::exact(disposition, error);
    match error {
        ReceiveError::UnknownPartner { .. } => exact(Disposition::error("unknown-trading-partner")),
        ReceiveError::Mime { .. }
        | ReceiveError::UnsupportedContent(_)
        | ReceiveError::Limit { .. }
        | ReceiveError::KeyUnavailable(_)
        | ReceiveError::BareContent
        | ReceiveError::Application(_) => exact(Disposition::error("unexpected-processing-error")),
        ReceiveError::Decryption(_) => Answer::uniform(),
        ReceiveError::NoRecipient { .. } if explain == Explain::Uniform => Answer::uniform(),
        ReceiveError::EnvelopeFormat(_) | ReceiveError::NoRecipient { .. } => {
            exact(Disposition::error("decryption-failed"))
        }
        ReceiveError::UnsupportedAlgorithm { what: SIGNATURE, .. } | ReceiveError::SignatureFormat(_) => {
            exact(Disposition::error("authentication-failed"))
        }
        ReceiveError::UnsupportedAlgorithm { .. } => exact(Disposition::error("decryption-failed")),
        ReceiveError::ForbiddenAlgorithm { .. } | ReceiveError::InsufficientSecurity { .. } => {
            exact(Disposition::error("insufficient-message-security"))
        }
        ReceiveError::Decompression(_) => exact(Disposition::error("decompression-failed")),
        ReceiveError::IntegrityCheck { .. } => exact(Disposition::error("integrity-check-failed")),
        ReceiveError::Authentication(_) => exact(Disposition::error("authentication-failed")),
        ReceiveError::UnsupportedReceiptFormat(_) => exact(Disposition::failure("unsupported format")),
        ReceiveError::UnsupportedMicAlgorithms(_) => exact(Disposition::failure("unsupported MIC-algorithms")),
    }
}

/// The `what` of errors about signatures.
pub(crate) const SIGNATURE: &str = "signature";
/// The `what` of errors about content encryption.
pub(crate) const CONTENT_ENCRYPTION: &str = "content encryption";
/// The `what` of errors about key transport.
pub(crate) const KEY_TRANSPORT: &str = "key transport";

/// Where decryption failed: for our log only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptionFault {
    /// The padding is wrong: a wrong key, or changed octets.
    #[error("wrong padding")]
    Padding,
    /// The authentication tag is wrong.
    #[error("wrong authentication tag")]
    Tag,
}

/// Why compressed content cannot be inflated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecompressionFault {
    /// The CMS structure cannot be read.
    #[error("{0}")]
    Format(CmsError),
    /// The compression algorithm is not zlib.
    #[error("the algorithm {0} is not zlib")]
    Algorithm(String),
    /// The zlib stream is damaged.
    #[error("the zlib stream is damaged at octet {offset}")]
    Damaged {
        /// Octets of the compressed stream that were read before.
        offset: u64,
    },
    /// The zlib stream ends early.
    #[error("the zlib stream ends early, after {offset} octets")]
    Truncated {
        /// Octets of the compressed stream.
        offset: u64,
    },
    /// Octets follow the zlib stream.
    #[error("{count} octets follow the zlib stream")]
    Trailing {
        /// How many.
        count: u64,
    },
    /// The inflated size exceeds the limit.
    #[error("the inflated size exceeds {limit} octets")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The content inflates more than any document would.
    #[error("the content inflates more than {ratio}-fold")]
    Ratio {
        /// The limit.
        ratio: u64,
    },
    /// The message is compressed twice (RFC 5402 section 3 forbids it).
    #[error("the message is compressed twice")]
    Twice,
}

/// Why the sender could not be authenticated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticationFault {
    /// The signature has no signer.
    #[error("the signature has no signer")]
    NoSigner,
    /// The signature is valid under a certificate that came with it, but that one is not configured for the partner.
    #[error(
        "signed with the certificate of {subject} (SHA-256 fingerprint {fingerprint}), which is not configured for this partner"
    )]
    UntrustedSigner {
        /// Subject of the embedded certificate.
        subject: String,
        /// SHA-256 fingerprint of the embedded certificate in hexadecimal.
        fingerprint: String,
    },
    /// The signature value does not verify with any certificate of the partner.
    #[error("the signature of {signer} does not verify with any certificate of the partner")]
    InvalidSignature {
        /// Whom the signature names: issuer and serial number, or key identifier.
        signer: String,
    },
    /// The signed attributes contradict the signature.
    #[error("the signed attributes are not acceptable: {0}")]
    Attributes(String),
}

impl AuthenticationFault {
    const fn code(&self) -> &'static str {
        match self {
            Self::NoSigner => "NO_SIGNER",
            Self::UntrustedSigner { .. } => "SIGNER_UNTRUSTED",
            Self::InvalidSignature { .. } => "SIGNATURE_INVALID",
            Self::Attributes(_) => "SIGNED_ATTRIBUTES",
        }
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
    /// A failure to connect, to send or to read the response, in the words of the HTTP client.
    #[must_use]
    pub fn new(description: impl Into<String>) -> Self {
        Self { description: description.into() }
    }
}
