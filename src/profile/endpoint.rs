//! How a partner's HTTP endpoint is entered: credentials by reference, further headers, the TLS client certificate.

use std::fmt;

use crate::profile::pacing::FailRule;

/// What a request to one endpoint carries beside the message. The default is nothing.
///
/// Secrets stand here by name only ([`SecretRef`]): a profile can be stored, shown and mailed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct EndpointTerms {
    /// How we show who we are over HTTP.
    pub auth: AuthTerms,
    /// Further header fields of each request.
    pub headers: Vec<ExtraHeader>,
    /// Name of the identity whose certificate TLS shows to the server, as the application calls it. Default none.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub client_certificate: Option<String>,
}

/// Credentials, and how a refusal of them is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct AuthTerms {
    /// What is shown. Default nothing.
    pub method: AuthMethod,
    /// Whether a refused secret may be fetched anew once, before the same octets are sent again. Default no;
    /// say yes for tokens that expire.
    pub refreshable: bool,
    /// Which answers mean that the credentials are refused. Default status 401, which stays unless `status` is written.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "FailRule::read_refused"))]
    pub refused: FailRule,
}

impl Default for AuthTerms {
    fn default() -> Self {
        Self { method: AuthMethod::None, refreshable: false, refused: FailRule::unauthorized() }
    }
}

/// How credentials travel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case", deny_unknown_fields))]
#[non_exhaustive]
pub enum AuthMethod {
    /// Not at all.
    #[default]
    None,
    /// User name and password in `Authorization: Basic` (RFC 7617), sent with the first request already.
    #[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
    Basic {
        /// The user name; it must not contain a colon.
        user: String,
        /// The password.
        password: SecretRef,
    },
    /// A token in a header field.
    #[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
    Token {
        /// The header field. Default `Authorization`.
        #[cfg_attr(feature = "serde", serde(default = "authorization"))]
        header: String,
        /// What stands before the token, with a space between; default `Bearer` (RFC 6750), empty for the token alone.
        #[cfg_attr(feature = "serde", serde(default = "bearer"))]
        scheme: String,
        /// The token.
        token: SecretRef,
    },
    /// A token in the query of the URL. Servers write URLs into their logs: prefer a header.
    #[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
    Query {
        /// Name of the query parameter.
        parameter: String,
        /// The token.
        token: SecretRef,
    },
}

#[cfg(feature = "serde")]
fn authorization() -> String {
    "Authorization".to_owned()
}

#[cfg(feature = "serde")]
fn bearer() -> String {
    "Bearer".to_owned()
}

/// A header field that an endpoint wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct ExtraHeader {
    /// Name of the field.
    pub name: String,
    /// Its value, or where the value is kept.
    pub value: HeaderText,
}

/// The value of a header field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum HeaderText {
    /// The value itself.
    Text(String),
    /// The name of a secret.
    Secret(SecretRef),
}

/// The name of a secret: whoever sends resolves it, at each attempt, from wherever secrets are kept.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct SecretRef(String);

impl SecretRef {
    /// A reference by this name: a path in a vault, the name of an environment variable.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretRef({})", self.0)
    }
}
