//! What is asked of certificates when they are used: dates, key usage, and which of our keys signs.

use std::time::SystemTime;

use crate::profile::check::Found;
#[cfg(feature = "serde")]
use crate::stored::rfc3339;

/// How strictly certificates are looked at, use by use.
///
/// Decrypting never looks at dates: a message to our old key is still ours. A use that is refused gives an error
/// with the code `CERT_HAS_EXPIRED`, `CERT_NOT_YET_VALID` or `KEY_USAGE`.
///
/// ```
/// use as2_protocol::{CertificateTerms, Strictness};
/// use std::time::{Duration, SystemTime};
/// let mut certificates = CertificateTerms::default();
/// certificates.verification = Strictness::Refuse;
/// // But this partner renews late, and is given until 2027.
/// certificates.allow_expired_until.verification = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_798_761_600));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct CertificateTerms {
    /// Signing with a certificate of ours outside its dates. Default [`Strictness::Refuse`]: nobody would accept it.
    pub signing: Strictness,
    /// Encrypting to a certificate of the partner's outside its dates. Default [`Strictness::Refuse`]: its key may be
    /// in other hands by now.
    pub encryption: Strictness,
    /// Messages signed under a certificate of the partner's outside its dates when they are opened. Default
    /// [`Strictness::Warn`]: partners renew late, and the certificate is pinned.
    pub verification: Strictness,
    /// Receipts signed under a certificate that was outside its dates when the message was sent. Default
    /// [`Strictness::Warn`]: the certificate is pinned, and a lost proof helps nobody.
    pub receipts: Strictness,
    /// Days until which expired certificates are let pass where the fields above refuse them. Default none.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "AllowExpiredUntil::is_empty"))]
    pub allow_expired_until: AllowExpiredUntil,
    /// Certificates whose key usage does not allow what they are used for. Default [`Strictness::Warn`]: many were
    /// issued for web servers.
    pub key_usage: Strictness,
    /// Name of the key of ours that signs for this partner, as in
    /// [`IdentityBuilder::signing_named`](crate::IdentityBuilder::signing_named). Default: of those that are active
    /// the one activated last. Set it for a partner who has not taken over our new certificate yet.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub sign_with: Option<String>,
}

impl Default for CertificateTerms {
    fn default() -> Self {
        Self {
            signing: Strictness::Refuse,
            encryption: Strictness::Refuse,
            verification: Strictness::Warn,
            receipts: Strictness::Warn,
            allow_expired_until: AllowExpiredUntil::default(),
            key_usage: Strictness::Warn,
            sign_with: None,
        }
    }
}

/// Dated exceptions for expired certificates, for each use one: before that time they are used with a note, from then
/// on they are refused again. In serde the times are texts of RFC 3339, such as `2026-12-31T00:00:00Z`.
///
/// They speak of expired certificates only, not of those that are not valid yet; and only of uses that are set to
/// [`Strictness::Refuse`], since elsewhere they would change nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct AllowExpiredUntil {
    /// For signing with our certificate.
    #[cfg_attr(feature = "serde", serde(with = "rfc3339::option", skip_serializing_if = "Option::is_none"))]
    pub signing: Option<SystemTime>,
    /// For encrypting to the partner's certificate.
    #[cfg_attr(feature = "serde", serde(with = "rfc3339::option", skip_serializing_if = "Option::is_none"))]
    pub encryption: Option<SystemTime>,
    /// For messages that the partner signed.
    #[cfg_attr(feature = "serde", serde(with = "rfc3339::option", skip_serializing_if = "Option::is_none"))]
    pub verification: Option<SystemTime>,
    /// For receipts that the partner signed; compared with the time when the message was sent.
    #[cfg_attr(feature = "serde", serde(with = "rfc3339::option", skip_serializing_if = "Option::is_none"))]
    pub receipts: Option<SystemTime>,
}

impl AllowExpiredUntil {
    #[cfg(feature = "serde")]
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What happens when a certificate is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Strictness {
    /// It is used, and nothing is said.
    Ignore,
    /// It is used, with a note.
    Warn,
    /// It is not used.
    Refuse,
}

impl CertificateTerms {
    pub(super) fn check(&self, found: &mut Found) {
        let dated = &self.allow_expired_until;
        for (name, strictness, until) in [
            ("signing", self.signing, dated.signing),
            ("encryption", self.encryption, dated.encryption),
            ("verification", self.verification, dated.verification),
            ("receipts", self.receipts, dated.receipts),
        ] {
            found.unless(
                until.is_none() || strictness == Strictness::Refuse,
                format!("certificates.allow_expired_until.{name}"),
                format!("it changes nothing, since `certificates.{name}` refuses nothing"),
                format!("set `certificates.{name}` to \"refuse\", or leave the date out"),
            );
        }
        found.unless(
            self.sign_with.as_deref() != Some(""),
            "certificates.sign_with",
            "it is empty",
            "name one of our signing keys, or leave it out",
        );
    }
}
