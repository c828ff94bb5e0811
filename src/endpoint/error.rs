//! Why credentials were not put on. No error holds any part of a secret.

use crate::profile::SecretRef;

/// Credentials were not put on a request; it must not go out without them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizeError {
    /// The request goes to another place than the one that the credentials belong to.
    #[error(
        "the request goes to {request}, what stands in `{place}` belongs to {configured}: the URL has changed since \
         the request was stored; build it anew, or send it under the profile that it was built with"
    )]
    OtherOrigin {
        /// `endpoint` or `receipt_endpoint`.
        place: &'static str,
        /// Scheme, host and port of the request.
        request: String,
        /// Scheme, host and port in the profile.
        configured: String,
    },
    /// The secret is not there.
    #[error("`{field}`: there is no secret by the name `{}`", .secret.name())]
    MissingSecret {
        /// The field of the profile that names it.
        field: String,
        /// Its name.
        secret: SecretRef,
    },
    /// The secret cannot travel in the place where it belongs.
    #[error("`{field}`: the secret `{}` {fault}", .secret.name())]
    InvalidSecret {
        /// The field of the profile that names it.
        field: String,
        /// Its name.
        secret: SecretRef,
        /// What is wrong with it.
        fault: SecretFault,
    },
    /// A header field has no valid name or value.
    #[error("`{field}`: this is no header field")]
    Header {
        /// The field of the profile.
        field: String,
    },
}

impl AuthorizeError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OtherOrigin { .. } => "AUTH_OTHER_ORIGIN",
            Self::MissingSecret { .. } => "AUTH_SECRET_MISSING",
            Self::InvalidSecret { .. } => "AUTH_SECRET_INVALID",
            Self::Header { .. } => "AUTH_HEADER",
        }
    }
}

/// What is wrong with a secret, without showing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretFault {
    /// It has no octets.
    #[error("is empty")]
    Empty,
    /// It holds a line break; files often end with one.
    #[error("holds a line break; if it was read from a file, take the one at the end off")]
    LineBreak,
    /// It begins or ends with a blank, which HTTP would take off.
    #[error("begins or ends with a blank")]
    Blank,
    /// It holds another control character.
    #[error("holds a control character")]
    Control,
    /// A token or a header value holds octets outside ASCII.
    #[error("holds characters outside ASCII")]
    NotAscii,
    /// A password is not text in UTF-8.
    #[error("is not text in UTF-8")]
    NotUtf8,
    /// It is longer than a header or a URL may carry.
    #[error("is too long")]
    TooLong,
}
