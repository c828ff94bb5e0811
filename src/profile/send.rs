//! How messages to the partner are made, and the receipt that is asked for with them.

use crate::algorithm::{CipherAlgorithm, DigestAlgorithm, KeyTransport};
use crate::profile::announce::AnnounceTerms;
#[cfg(feature = "serde")]
use crate::profile::text::or_none;
use crate::url::HttpUrl;

/// How messages to the partner are made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct SendTerms {
    /// Digest of the signature, or `None` for unsigned messages. Default SHA-256, which every maintained product verifies.
    #[cfg_attr(feature = "serde", serde(with = "or_none"))]
    pub sign: Option<DigestAlgorithm>,
    /// How RSA keys sign messages and receipts; other keys have one way only. Default PKCS#1 v1.5, the one way that every
    /// product verifies; German energy suppliers agree on PSS.
    pub rsa_signature: RsaSignature,
    /// Content encryption, or `None`. Default AES-256-CBC: every product reads it; agree on GCM where you can.
    #[cfg_attr(feature = "serde", serde(with = "or_none"))]
    pub encrypt: Option<CipherAlgorithm>,
    /// How the content-encryption key travels. Default what suits the partner's key: RSA PKCS#1 v1.5, which every
    /// product reads; ECDH with a digest as strong as the curve; X25519 and ML-KEM with HKDF. Agree on OAEP with SHA-256
    /// where you can.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub key_transport: Option<KeyTransport>,
    /// Whether messages are also encrypted to the newest of our own certificates, so that an archived copy can be read
    /// (RFC 8551 section 3.3). Default no.
    pub originator_copy: bool,
    /// Whether and where the payload is compressed. Default not at all: RFC 4130 alone does not know compression.
    pub compress: Compression,
    /// The receipt that is asked for. Default signed and synchronous.
    pub receipt: ReceiptWish,
    /// What we tell about ourselves, in messages and receipts. Default: AS2-Version 1.1 and nothing else.
    pub announce: AnnounceTerms,
    /// Whether several documents may go in one message (RFC 6362). Default [`Attachments::Warn`]: only by agreement.
    pub attachments: Attachments,
    /// Subject of messages for which none is given. Default none; OpenAS2 and as2-lib expect one.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub subject: Option<String>,
    /// The header `From`, an e-mail address of ours. Default none; OpenAS2 and as2-lib expect one, and AS2 gives it no meaning.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub from: Option<String>,
}

impl Default for SendTerms {
    fn default() -> Self {
        Self {
            sign: Some(DigestAlgorithm::Sha256),
            rsa_signature: RsaSignature::Pkcs1v15,
            encrypt: Some(CipherAlgorithm::Aes256Cbc),
            key_transport: None,
            originator_copy: false,
            compress: Compression::None,
            receipt: ReceiptWish::default(),
            announce: AnnounceTerms::default(),
            attachments: Attachments::Warn,
            subject: None,
            from: None,
        }
    }
}

/// How RSA keys sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum RsaSignature {
    /// RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2).
    #[default]
    #[cfg_attr(feature = "serde", serde(rename = "pkcs1-v1.5"))]
    Pkcs1v15,
    /// RSASSA-PSS with a salt as long as the digest (RFC 8017 section 8.1, RFC 4056).
    #[cfg_attr(feature = "serde", serde(rename = "pss"))]
    Pss,
}

/// Whether several documents may go in one message (RFC 6362).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Attachments {
    /// The partner takes them: he said so, or announces `multiple-attachments`.
    Allow,
    /// Nothing is known: they are sent, with a note.
    Warn,
    /// The partner does not take them: such a message is not built.
    Forbid,
}

/// Where compression stands among the layers (RFC 5402 section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Compression {
    /// The payload is not compressed.
    #[default]
    None,
    /// The payload is compressed, then signed.
    BeforeSigning,
    /// The signed message is compressed.
    AfterSigning,
}

/// The receipt that is asked for with a message (RFC 4130 section 7.3).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct ReceiptWish {
    /// No receipt, an unsigned one or a signed one. Default signed: nothing else proves delivery.
    pub kind: ReceiptKind,
    /// Our URL for an asynchronous receipt; `None` asks for it in the HTTP response.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub asynchronous_url: Option<HttpUrl>,
    /// Digests to list, best first. Empty (the default) lists exactly the digest of our signature, so that
    /// both readings of RFC 4130 on the MIC algorithm agree.
    pub micalgs: Vec<DigestAlgorithm>,
    /// Whether a partner who cannot sign as asked must answer with a failure (`required`) or may answer unsigned
    /// (`optional`). Default optional; Peppol asks for required.
    pub required: bool,
}

impl Default for ReceiptWish {
    fn default() -> Self {
        Self { kind: ReceiptKind::Signed, asynchronous_url: None, micalgs: Vec::new(), required: false }
    }
}

/// Whether a receipt is asked for, and whether it shall be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum ReceiptKind {
    /// No receipt.
    None,
    /// An unsigned receipt: tells, but proves nothing.
    Unsigned,
    /// A signed receipt.
    Signed,
}
