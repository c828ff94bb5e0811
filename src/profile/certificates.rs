//! What is asked of certificates when they are used: dates, key usage, trust.

use crate::stored::Instant;

/// How strictly certificates are looked at. Decrypting never looks at dates: a message to our old key is still ours.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct CertificateTerms {
    /// Signing with a certificate of ours outside its dates. Default [`Strictness::Refuse`]: nobody would accept it.
    pub signing: Strictness,
    /// Encrypting to a certificate of the partner's outside its dates. Default [`Strictness::Refuse`].
    pub encryption: Strictness,
    /// Messages signed under a certificate of the partner's outside its dates. Default [`Strictness::Warn`]: partners
    /// renew late, and the certificate is pinned.
    pub verification: Strictness,
    /// Receipts signed under a certificate that was outside its dates when the message was sent. Default [`Strictness::Warn`].
    pub receipts: Strictness,
    /// Until this day, expired certificates of either side are used with a note whatever stands above. Default never.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub(crate) allow_expired_until: Option<Instant>,
    /// Certificates whose key usage does not allow what they are used for. Default [`Strictness::Warn`].
    pub key_usage: Strictness,
}

impl Default for CertificateTerms {
    fn default() -> Self {
        Self {
            signing: Strictness::Refuse,
            encryption: Strictness::Refuse,
            verification: Strictness::Warn,
            receipts: Strictness::Warn,
            allow_expired_until: None,
            key_usage: Strictness::Warn,
        }
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
