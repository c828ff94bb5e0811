//! Why a certificate exchange message cannot be made or is refused.

use crate::error::SendError;

/// A certificate exchange message that cannot be made, or that is refused. What a partner wrote is shown in printable
/// ASCII.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CemError {
    /// The message is not signed under a certificate of the partner's, so that anybody may have written it.
    #[error("a certificate exchange message must be signed under a certificate that is trusted already")]
    Unsigned,
    /// The XML cannot be read.
    #[error("the XML document cannot be read: {0}")]
    Xml(String),
    /// The XML has a document type declaration, which could make it expand.
    #[error("the XML document has a document type declaration")]
    DocumentType,
    /// Something is larger than anybody needs.
    #[error("more than {limit} {what}")]
    TooLarge {
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The root element is neither a request nor a response.
    #[error("the root element is {0}, which is neither a request nor a response")]
    Root(String),
    /// An element or attribute is missing or empty.
    #[error("{0} is missing or empty")]
    Missing(&'static str),
    /// An element is there twice, and nobody knows which one is meant.
    #[error("{0} is there more than once")]
    Repeated(&'static str),
    /// A value cannot be read.
    #[error("{element} has the value `{value}`, which cannot be read")]
    Value {
        /// The element.
        element: &'static str,
        /// Its value.
        value: String,
    },
    /// The name inside the document is not that of the sender.
    #[error("the document is of `{name}`, the message of `{from}`")]
    Name {
        /// The name in the document.
        name: String,
        /// AS2-From.
        from: String,
    },
    /// No part of the message has this Content-ID.
    #[error("no part of the message has the Content-ID `{0}`")]
    ContentId(String),
    /// The part with this Content-ID holds no certificate that can be read.
    #[error("the part `{content_id}` holds no certificate that can be read: {problem}")]
    Certificate {
        /// The Content-ID.
        content_id: String,
        /// What is wrong.
        problem: String,
    },
    /// Issuer and serial number are not those of a certificate in the part.
    #[error("no certificate in the part `{content_id}` is of issuer `{issuer}` and serial number {serial}")]
    Identifier {
        /// The Content-ID.
        content_id: String,
        /// The issuer that the document names.
        issuer: String,
        /// The serial number that the document names.
        serial: String,
    },
    /// The response is asked for at a place where none may be posted.
    #[error("the response is asked for at `{url}`, but {problem}")]
    ResponseUrl {
        /// The URL.
        url: String,
        /// Why nothing is posted there.
        problem: &'static str,
    },
    /// The response answers no request of ours to this partner.
    #[error("no request `{0}` was sent to this partner")]
    UnknownRequest(String),
    /// The response is about a certificate that was not offered.
    #[error("no certificate of issuer `{issuer}` and serial number {serial} was offered")]
    UnknownReference {
        /// The issuer that the response names.
        issuer: String,
        /// The serial number that the response names.
        serial: String,
    },
    /// A certificate that was accepted is rejected, or the reverse.
    #[error("the certificate with serial number {serial} was answered otherwise before")]
    Contradiction {
        /// The serial number.
        serial: String,
    },
    /// Nothing is offered.
    #[error("a certificate exchange request offers at least one certificate")]
    NothingOffered,
    /// The agreement does not protect the message as certificate exchange needs it.
    #[error("`{field}` must be set: a certificate exchange message is signed, and its receipt too")]
    Agreement {
        /// The field of the profile.
        field: &'static str,
    },
    /// The message cannot be built.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl CemError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unsigned => "CEM_UNSIGNED",
            Self::Xml(_) => "CEM_XML",
            Self::DocumentType => "CEM_DOCTYPE",
            Self::TooLarge { .. } => "CEM_TOO_LARGE",
            Self::Root(_) => "CEM_ROOT",
            Self::Missing(_) => "CEM_MISSING",
            Self::Repeated(_) => "CEM_REPEATED",
            Self::Value { .. } => "CEM_VALUE",
            Self::Name { .. } => "CEM_NAME",
            Self::ContentId(_) => "CEM_CONTENT_ID",
            Self::Certificate { .. } => "CEM_CERTIFICATE",
            Self::Identifier { .. } => "CEM_IDENTIFIER",
            Self::ResponseUrl { .. } => "CEM_RESPONSE_URL",
            Self::UnknownRequest(_) => "CEM_UNKNOWN_REQUEST",
            Self::UnknownReference { .. } => "CEM_UNKNOWN_REFERENCE",
            Self::Contradiction { .. } => "CEM_CONTRADICTION",
            Self::NothingOffered => "CEM_NOTHING_OFFERED",
            Self::Agreement { .. } => "CEM_AGREEMENT",
            Self::Send(error) => error.code(),
        }
    }
}
