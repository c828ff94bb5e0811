//! Why a message is refused, and what its sender is told.

use crate::algorithm::{CipherAlgorithm, DigestAlgorithm};
use crate::cms::Error as CmsError;
use crate::error::{CertificateFault, TrustError};
use crate::mdn::Disposition;
use crate::mime::Error as MimeError;
use crate::profile::Explain;

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
    /// A file name cannot be used as it is, and the agreement does not have it mended.
    #[error("the file name `{0}` cannot be used as it is")]
    IllegalFilename(String),
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
            Self::IllegalFilename(_) => "FILENAME_ILLEGAL",
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
    /// As before, and even who signed may be what an attacker made of the decrypted content.
    Malleable,
    /// The decrypted content was authenticated by its tag first.
    Authenticated,
}

impl Exposure {
    /// That of the content of an envelope.
    pub(crate) fn inside(self, cipher: CipherAlgorithm) -> Self {
        match self {
            Self::Open | Self::Authenticated if cipher.is_authenticated() => Self::Authenticated,
            _ => Self::Sealed,
        }
    }
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
        Self { disposition, text: told_text(error), uniform: false }
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

/// The words for the partner: those of our log, but for what the application said in confidence.
fn told_text(error: &ReceiveError) -> String {
    match error {
        ReceiveError::Authentication(AuthenticationFault::Untrusted { subject, fingerprint, error })
            if matches!(**error, TrustError::Refused(_)) =>
        {
            format!(
                "signed with the certificate of {subject} (SHA-256 fingerprint {fingerprint}), which is not trusted"
            )
        }
        error => error.to_string(),
    }
}

/// The answer to each error (RFC 4130 sections 7.5.3 and 7.5.4). No arm is a wildcard: a new error needs a decision here.
pub(crate) fn answer(error: &ReceiveError, exposure: Exposure, explain: Explain) -> Answer {
    let told = match exposure {
        Exposure::Open => true,
        Exposure::Authenticated => explain == Explain::Safe,
        Exposure::Malleable => false,
        // A valid signature by a certificate that is not ours to trust, or not at this time, can only come from a
        // real sender. What a delegate or a chain says depends on more than that, and stays untold.
        Exposure::Sealed => {
            explain == Explain::Safe
                && matches!(
                    error,
                    ReceiveError::Authentication(
                        AuthenticationFault::UntrustedSigner { .. } | AuthenticationFault::Certificate(_)
                    )
                )
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
        | ReceiveError::BareContent => exact(Disposition::error("unexpected-processing-error")),
        ReceiveError::IllegalFilename(_) => exact(Disposition::error("illegal-filename")),
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
    /// A zlib stream stands where a CMS object with one should be, as in the sample of RFC 8551 section 3.6.
    #[error("a bare zlib stream, without the CMS object around it")]
    BareZlib,
    /// What should be a zlib stream is text that begins like one in base64, and is none.
    #[error("the compressed content is text that begins as a zlib stream in base64, but it is no base64")]
    Base64,
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
    /// The signature is valid under a certificate of the partner, but the agreement does not let that one pass:
    /// it is outside its dates, not meant for signatures, or revoked.
    #[error("the signature is valid, but {0}")]
    Certificate(CertificateFault),
    /// The signature is valid under a certificate that came with it, but that one does not speak for the partner.
    #[error(
        "signed with the certificate of {subject} (SHA-256 fingerprint {fingerprint}), which is not trusted: {error}"
    )]
    Untrusted {
        /// Subject of the embedded certificate.
        subject: String,
        /// SHA-256 fingerprint of the embedded certificate in hexadecimal.
        fingerprint: String,
        /// Why it is not trusted.
        error: Box<TrustError>,
    },
    /// The signature value does not verify with any certificate of the partner.
    #[error("the signature of {signer} does not verify with any certificate of the partner")]
    InvalidSignature {
        /// Whom the signature names: issuer and serial number, or key identifier.
        signer: String,
    },
    /// The algorithms that the signature names do not fit together, or have parameters that are not allowed.
    #[error("the algorithms of the signature are not acceptable: {0}")]
    Algorithm(String),
    /// The signed attributes contradict the signature.
    #[error("the signed attributes are not acceptable: {0}")]
    Attributes(String),
}

impl AuthenticationFault {
    const fn code(&self) -> &'static str {
        match self {
            Self::NoSigner => "NO_SIGNER",
            Self::UntrustedSigner { .. } => "SIGNER_UNTRUSTED",
            Self::Certificate(fault) => fault.code(),
            Self::Untrusted { error, .. } => error.code(),
            Self::InvalidSignature { .. } => "SIGNATURE_INVALID",
            Self::Algorithm(_) => "SIGNATURE_ALGORITHM",
            Self::Attributes(_) => "SIGNED_ATTRIBUTES",
        }
    }
}
