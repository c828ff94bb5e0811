//! Whose a certificate is and what it does: how errors, reports and observations speak of it.

use std::fmt;

/// Whose certificate it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Whose {
    /// Ours.
    Ours,
    /// The partner's.
    Partners,
}

impl fmt::Display for Whose {
    /// As in "our certificate".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "our",
            Self::Partners => "the partner's",
        })
    }
}

/// What a certificate is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum CertificateUse {
    /// Messages and receipts are signed with its key.
    Signing,
    /// Messages are encrypted to it.
    Encryption,
    /// Messages are decrypted with its key.
    Decryption,
    /// Signatures of messages are verified with it.
    Verification,
    /// Signatures of receipts are verified with it.
    Receipts,
    /// A TLS server shows it.
    TlsServer,
    /// A TLS client shows it.
    TlsClient,
    /// Chains of certificates end at it.
    TrustAnchor,
}

impl fmt::Display for CertificateUse {
    /// As in "certificate for signing".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signing => "signing",
            Self::Encryption => "encryption",
            Self::Decryption => "decryption",
            Self::Verification => "signatures of messages",
            Self::Receipts => "signatures of receipts",
            Self::TlsServer => "the TLS server",
            Self::TlsClient => "the TLS client",
            Self::TrustAnchor => "trust in others",
        })
    }
}
