//! What a TLS connection must be: whom it trusts, which versions, which dates.

use crate::profile::certificates::Strictness;

/// What a TLS connection must be. The default is that of the web: a server named by its certificate, issued by a
/// trusted root and within its dates, over TLS 1.2 or 1.3.
///
/// Certificates and keys are handed to the TLS configuration itself, apart from those of AS2: each has its own time
/// of renewal. With feature `tls` these terms make a rustls configuration; with another TLS library the application
/// applies them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct TlsTerms {
    /// Which certificates of the other side are trusted. Default [`TlsTrust::Roots`], as on the web: pins have to be
    /// changed by hand.
    pub trust: TlsTrust,
    /// The versions that are offered. Default 1.2 and 1.3: many partners have only the former.
    pub versions: Vec<TlsVersion>,
    /// A pinned certificate outside its dates. Default [`Strictness::Refuse`]: say so if a partner shall be let pass.
    /// Under roots dates always count.
    pub dates: Strictness,
}

impl Default for TlsTerms {
    fn default() -> Self {
        Self { trust: TlsTrust::Roots, versions: vec![TlsVersion::Tls12, TlsVersion::Tls13], dates: Strictness::Refuse }
    }
}

/// Which certificates of the other side are trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum TlsTrust {
    /// Those whose chain ends at a given root, and which name the server that was called.
    #[default]
    Roots,
    /// Exactly the given ones, octet for octet, whatever they name and whoever issued them: for partners who show a
    /// self-signed certificate, or call themselves something else.
    Pinned,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    #[cfg_attr(feature = "serde", serde(rename = "1.2"))]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    #[cfg_attr(feature = "serde", serde(rename = "1.3"))]
    Tls13,
}
