//! What was tolerated: every liberty that the reader took is told to the caller.

use std::fmt;

use crate::algorithm::DigestAlgorithm;

/// Something odd that was accepted. Notes never change a verdict; they are for the log and for the partner's administrator.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Note {
    /// An AS2 name that RFC 4130 section 6.2 would not have written so.
    OddName {
        /// The header that carried it.
        header: String,
        /// What is odd.
        oddity: String,
    },
    /// A header that may stand once was repeated with an equal value.
    RepeatedHeader(String),
    /// AS2-Version is missing, unreadable, or of an unknown major version.
    Version(String),
    /// The transfer encoding that was declared is not the one of the body (interop: OpenAS2 2.5, JavaScript clients).
    TransferEncoding(String),
    /// The CMS content is of another type than `smime-type` says.
    SmimeType {
        /// The parameter as received, or nothing.
        declared: Option<String>,
        /// What the object identifier says.
        actual: String,
    },
    /// The signature covers the CRLF form of what was sent with bare line feeds (BouncyCastle and JavaMail peers).
    CanonicalForm,
    /// The signature covers yet another form of what was sent, which differs in line ends. That form is delivered.
    OtherForm(SignedOctets),
    /// `micalg` names another digest than the signature uses.
    Micalg {
        /// The parameter as received.
        declared: String,
        /// What the signature uses.
        actual: DigestAlgorithm,
    },
    /// Octets before the first boundary or after the last one were skipped.
    Surroundings(String),
    /// The signed attributes were signed in another order than they were sent in (or the reverse).
    AttributeOrder,
    /// A certificate is outside its validity period, and the agreement lets it pass.
    Validity {
        /// Subject of the certificate.
        subject: String,
        /// Whether it is not yet valid rather than expired.
        not_yet: bool,
    },
    /// A certificate's key usage does not include what it was used for.
    KeyUsage {
        /// Subject of the certificate.
        subject: String,
        /// What it was used for.
        purpose: String,
    },
    /// It is not known whether a certificate is revoked.
    Revocation {
        /// Subject of the certificate.
        subject: String,
    },
    /// Another signer than the partner's stands beside a valid one, or a signer could not be judged.
    OtherSigner(String),
    /// The partner's wish where to send the receipt was overruled by the profile.
    ReceiptUrl {
        /// What the partner asked for.
        asked: String,
    },
    /// The receipt was asked for with digests that this crate signs nothing with; the MIC is as asked, the signature stronger.
    WeakReceipt {
        /// The digest that the receipt is signed with.
        signed_with: DigestAlgorithm,
    },
    /// A receipt was to be signed and could not be.
    UnsignedReceipt(String),
    /// A field of the receipt or of the request for it was odd.
    Receipt(String),
    /// The connection or the message is not confidential although nothing forbids it.
    Plaintext(String),
    /// Compression stands outside encryption, or another nesting was met that RFC 5402 does not list.
    Layering(String),
    /// A received file name cannot be used as it is.
    Filename {
        /// The name as the sender wrote it.
        raw: String,
        /// The name that was made of it, if anything was left.
        safe: Option<String>,
    },
    /// Something about several documents in one message: that they are sent at all, or how they are put together.
    Attachments(String),
    /// Any other liberty.
    Other(String),
}

impl Note {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OddName { .. } => "ODD_NAME",
            Self::RepeatedHeader(_) => "REPEATED_HEADER",
            Self::Version(_) => "VERSION",
            Self::TransferEncoding(_) => "TRANSFER_ENCODING",
            Self::SmimeType { .. } => "SMIME_TYPE",
            Self::CanonicalForm => "CANONICAL_FORM",
            Self::OtherForm(_) => "OTHER_FORM",
            Self::Micalg { .. } => "MICALG",
            Self::Surroundings(_) => "SURROUNDINGS",
            Self::AttributeOrder => "ATTRIBUTE_ORDER",
            Self::Validity { not_yet: true, .. } => "CERT_NOT_YET_VALID",
            Self::Validity { .. } => "CERT_HAS_EXPIRED",
            Self::KeyUsage { .. } => "KEY_USAGE",
            Self::Revocation { .. } => "CERT_REVOCATION_UNKNOWN",
            Self::OtherSigner(_) => "OTHER_SIGNER",
            Self::ReceiptUrl { .. } => "RECEIPT_URL",
            Self::WeakReceipt { .. } => "WEAK_RECEIPT",
            Self::UnsignedReceipt(_) => "UNSIGNED_RECEIPT",
            Self::Receipt(_) => "RECEIPT",
            Self::Plaintext(_) => "PLAINTEXT",
            Self::Layering(_) => "LAYERING",
            Self::Filename { .. } => "FILENAME",
            Self::Attachments(_) => "ATTACHMENTS",
            Self::Other(_) => "OTHER",
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OddName { header, oddity } => write!(f, "the name in {header} {oddity}"),
            Self::RepeatedHeader(name) => write!(f, "the header {name} is repeated with an equal value"),
            Self::Version(text)
            | Self::TransferEncoding(text)
            | Self::Surroundings(text)
            | Self::OtherSigner(text)
            | Self::UnsignedReceipt(text)
            | Self::Receipt(text)
            | Self::Plaintext(text)
            | Self::Layering(text)
            | Self::Attachments(text)
            | Self::Other(text) => f.write_str(text),
            Self::Filename { raw, safe: Some(safe) } => write!(f, "the file name `{raw}` was made `{safe}`"),
            Self::Filename { raw, safe: None } => write!(f, "nothing of the file name `{raw}` can be used"),
            Self::SmimeType { declared: Some(declared), actual } => {
                write!(f, "smime-type says {declared}, the content is {actual}")
            }
            Self::SmimeType { declared: None, actual } => write!(f, "smime-type is missing, the content is {actual}"),
            Self::CanonicalForm => {
                f.write_str("the signature covers the CRLF form of a body sent with bare line feeds")
            }
            Self::OtherForm(form) => write!(f, "the signature covers the content {form}"),
            Self::Micalg { declared, actual } => write!(f, "micalg says {declared}, the signature uses {actual}"),
            Self::AttributeOrder => {
                f.write_str("the signed attributes are not sent in the order in which they were signed")
            }
            Self::Validity { subject, not_yet: true } => write!(f, "the certificate of {subject} is not valid yet"),
            Self::Validity { subject, not_yet: false } => write!(f, "the certificate of {subject} has expired"),
            Self::KeyUsage { subject, purpose } => {
                write!(f, "the certificate of {subject} does not allow its use for {purpose}")
            }
            Self::Revocation { subject } => {
                write!(f, "it is not known whether the certificate of {subject} is revoked")
            }
            Self::ReceiptUrl { asked } => write!(f, "the receipt was asked for at {asked}, the profile says otherwise"),
            Self::WeakReceipt { signed_with } => {
                write!(f, "only weak digests were asked for; the receipt is signed with {signed_with}")
            }
        }
    }
}

/// Which octets a signature covers, compared with those that arrived: all forms differ in line ends alone.
///
/// RFC 1847 section 2.1 wants the octets that are sent. Products sign what they have before their mail library writes
/// it, or count the line end before a boundary among the content, or leave one out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum SignedOctets {
    /// The octets as received, between the boundaries.
    AsReceived,
    /// With all line ends made CRLF.
    InCrlf,
    /// Without the last line end.
    WithoutLastLineEnd,
    /// With one more CRLF: the one that belongs to the boundary.
    WithLineEnd,
    /// With CRLF in the header and bare line feeds in the body.
    BodyInLf,
}

impl SignedOctets {
    /// What a note says about a signature over this form, if it is not the form as received.
    pub(crate) fn note(self) -> Option<Note> {
        match self {
            Self::AsReceived => None,
            Self::InCrlf => Some(Note::CanonicalForm),
            other => Some(Note::OtherForm(other)),
        }
    }
}

impl fmt::Display for SignedOctets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AsReceived => "as it was sent",
            Self::InCrlf => "with all line ends made CRLF",
            Self::WithoutLastLineEnd => "without its last line end",
            Self::WithLineEnd => "with one line end more",
            Self::BodyInLf => "with CRLF in its header and bare line feeds in its body",
        })
    }
}
