//! URLs of partners: absolute, http or https, without credentials.

use std::fmt;
use std::str::FromStr;

use crate::name::NameError;

/// An absolute `http` or `https` URL without user information.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "String", try_from = "String"))]
pub struct HttpUrl(http::Uri);

impl HttpUrl {
    /// The URL as the `http` crate's type.
    #[must_use]
    pub fn uri(&self) -> &http::Uri {
        &self.0
    }

    /// The host, in lower case, without the port.
    #[must_use]
    pub fn host(&self) -> String {
        self.0.host().unwrap_or_default().to_ascii_lowercase()
    }

    /// Scheme, host and port; `None` if the port is no number of a port.
    pub(crate) fn origin(&self) -> Option<Origin> {
        Origin::of(&self.0)
    }

    /// Whether the URL is `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.scheme() == Some(&http::uri::Scheme::HTTPS)
    }
}

/// The text with the queries of URLs in it cut off: a query may hold a token, and texts end up in logs.
pub(crate) fn without_queries(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at);
        clean.push_str(before);
        let end = url.find(|c: char| c.is_whitespace() || "\"'<>)]}".contains(c)).unwrap_or(url.len());
        let (url, after) = url.split_at(end);
        match url.split_once('?') {
            Some((place, _)) => clean.extend([place, "?..."]),
            None => clean.push_str(url),
        }
        rest = after;
    }
    clean.push_str(rest);
    clean
}

impl FromStr for HttpUrl {
    type Err = NameError;

    fn from_str(url: &str) -> Result<Self, NameError> {
        let uri: http::Uri = url.trim().parse().map_err(|_| NameError::Url)?;
        let known_scheme = matches!(uri.scheme_str(), Some("http" | "https"));
        let authority = uri.authority().map_or("", http::uri::Authority::as_str);
        if !known_scheme || authority.is_empty() || authority.contains('@') || uri.host().is_none_or(str::is_empty) {
            return Err(NameError::Url);
        }
        Ok(Self(uri))
    }
}

impl TryFrom<String> for HttpUrl {
    type Error = NameError;

    fn try_from(url: String) -> Result<Self, NameError> {
        url.parse()
    }
}

impl From<HttpUrl> for String {
    fn from(url: HttpUrl) -> Self {
        url.0.to_string()
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Scheme, host and port (RFC 6454 section 4): what credentials belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// `None` for anything but an absolute http or https URL without user information.
    pub(crate) fn of(uri: &http::Uri) -> Option<Self> {
        let default_port = match uri.scheme_str()? {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        let port = match authority.as_str().get(authority.host().len()..)?.strip_prefix(':') {
            None | Some("") => default_port,
            Some(port) => port.parse().ok()?,
        };
        Some(Self { scheme: uri.scheme_str()?.to_owned(), host: authority.host().to_ascii_lowercase(), port })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_cut_from_texts() {
        for (text, clean) in [
            ("status 301", "status 301"),
            ("what? no", "what? no"),
            (
                "error for url (https://b.example/as2?token=s3cret): reset",
                "error for url (https://b.example/as2?...): reset",
            ),
            ("https://a/?x=1 http://b/?y=2&z=://?q", "https://a/?... http://b/?..."),
            ("https://a/b#c", "https://a/b#c"),
            ("://", "://"),
            ("", ""),
        ] {
            assert_eq!(without_queries(text), clean);
        }
    }

    #[test]
    fn u08_origins_are_compared_with_their_default_ports_and_without_case() {
        let origin = |url: &str| Origin::of(&url.parse().unwrap()).map(|origin| origin.to_string());
        assert_eq!(origin("HTTPS://AS2.Example/in?x=1").unwrap(), "https://as2.example:443");
        assert_eq!(origin("http://as2.example:/").unwrap(), "http://as2.example:80");
        assert_eq!(origin("https://[2001:DB8::1]:8443/").unwrap(), "https://[2001:db8::1]:8443");
        for none in ["/relative", "https://a@as2.example/", "https://as2.example:99999/", "ftp://as2.example/"] {
            assert_eq!(origin(none), None, "{none}");
        }
    }

    #[test]
    fn u08_urls_are_http_without_credentials() {
        assert!("https://as2.example:8443/in?x=1".parse::<HttpUrl>().unwrap().is_https());
        for bad in ["file:///x", "http://a@b/", "/relative", "mailto:x@y", "http://", "", "ftp://x/"] {
            assert!(bad.parse::<HttpUrl>().is_err(), "{bad}");
        }
    }
}
