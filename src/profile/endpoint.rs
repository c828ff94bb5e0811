//! How a partner's HTTP endpoint is entered: credentials by reference, further headers, TLS.

use std::fmt;

use crate::profile::pacing::FailRule;
use crate::profile::tls::TlsTerms;

/// How one endpoint is entered, and what a request to it carries beside the message. The default is nothing, over
/// TLS as the web has it.
///
/// Secrets stand here by name only ([`SecretRef`]): a profile can be stored, shown and mailed.
/// [`Partner::authorize`](crate::Partner::authorize) puts them on, at each attempt, and for the configured origin only.
///
/// ```
/// # #[cfg(feature = "serde")] {
/// use as2_protocol::PartnerProfile;
/// let acme: PartnerProfile = toml::from_str(r#"
///     version = 1
///     us = "Our Co"
///     them = "ACME"
///     url = "https://acme.example/as2"
///
///     [endpoint]
///     client_certificate = "our-tls"
///     headers = [{ name = "X-Tenant", value = { text = "4711" } }]
///     auth.method.token.token = "vault:acme/token" # sent as `Authorization: Bearer ...`
///     auth.refreshable = true
///     tls.trust = "pinned"
/// "#)?;
/// assert_eq!(acme.endpoint.secrets()[0].name(), "vault:acme/token");
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct EndpointTerms {
    /// How we show who we are over HTTP.
    pub auth: AuthTerms,
    /// Further header fields of each request, each name once.
    pub headers: Vec<ExtraHeader>,
    /// Name of the TLS identity that is shown to the server, as the application calls it. Default none.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub client_certificate: Option<String>,
    /// What the TLS connection must be.
    pub tls: TlsTerms,
}

impl EndpointTerms {
    /// Every secret that a request needs: whoever keeps secrets behind a network fetches these first.
    #[must_use]
    pub fn secrets(&self) -> Vec<&SecretRef> {
        let headers = self.headers.iter().filter_map(|header| header.value.secret());
        self.auth.method.secret().into_iter().chain(headers).collect()
    }

    /// Whether a request carries anything of these terms.
    pub(crate) fn adds_nothing(&self) -> bool {
        self.auth.method == AuthMethod::None && self.headers.is_empty()
    }
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
        /// The user name, sent in UTF-8; it must not contain a colon or control characters.
        user: String,
        /// The password: UTF-8 without control characters.
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
        /// The token: printable ASCII.
        token: SecretRef,
    },
    /// A token in the query of the URL, percent-encoded, after the query that the URL has. Servers write URLs into
    /// their logs: prefer a header.
    #[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
    Query {
        /// Name of the query parameter.
        parameter: String,
        /// The token: printable ASCII.
        token: SecretRef,
    },
}

impl AuthMethod {
    /// The secret that is shown.
    #[must_use]
    pub fn secret(&self) -> Option<&SecretRef> {
        match self {
            Self::None => None,
            Self::Basic { password: secret, .. }
            | Self::Token { token: secret, .. }
            | Self::Query { token: secret, .. } => Some(secret),
        }
    }

    /// The header field that carries it.
    pub(crate) fn header(&self) -> Option<&str> {
        match self {
            Self::None | Self::Query { .. } => None,
            Self::Basic { .. } => Some("authorization"),
            Self::Token { header, .. } => Some(header),
        }
    }
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
    /// Name of the field; not one that carries the message or the credentials. It replaces a field of this name that
    /// the message has from elsewhere.
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
    /// The name of a secret, printable ASCII.
    Secret(SecretRef),
}

impl HeaderText {
    fn secret(&self) -> Option<&SecretRef> {
        match self {
            Self::Secret(secret) => Some(secret),
            Self::Text(_) => None,
        }
    }
}

/// The name of a secret: whoever sends resolves it, at each attempt, from wherever secrets are kept.
///
/// The name appears in errors and logs: it must not be the secret itself.
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
