//! The trading agreement as plain data: names, URL, what is sent, what is accepted, what receipts must be.

use crate::algorithm::{CipherAlgorithm, DigestAlgorithm, KeyTransport};
use crate::name::As2Name;
use crate::stored::FormatVersion;
use crate::url::HttpUrl;

/// Everything that two parties agree on, except keys and certificates (those stand in [`Identity`](crate::Identity)
/// and [`Partner`](crate::Partner)).
///
/// [`PartnerProfile::new`] gives the defaults; set the public fields to change them. With feature `serde`
/// the profile reads and writes itself in any self-describing format; unknown fields are refused.
///
/// ```
/// use as2_protocol::{Compression, PartnerProfile};
/// let mut acme = PartnerProfile::new("Our Co".parse()?, "ACME".parse()?, "https://acme.example/as2".parse()?);
/// acme.send.compress = Compression::BeforeSigning;
/// # Ok::<(), as2_protocol::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct PartnerProfile {
    pub(crate) version: FormatVersion,
    /// Our AS2 name towards this partner.
    pub us: As2Name,
    /// The partner's AS2 name.
    pub them: As2Name,
    /// Where messages to the partner are posted.
    pub url: HttpUrl,
    /// Right side of the Message-IDs that we write; the default `as2.invalid` should be replaced by a host name of ours.
    #[cfg_attr(feature = "serde", serde(default = "default_domain"))]
    pub message_id_domain: String,
    /// How messages are sent.
    #[cfg_attr(feature = "serde", serde(default))]
    pub send: SendTerms,
    /// What is accepted, and how it is answered.
    #[cfg_attr(feature = "serde", serde(default))]
    pub accept: AcceptTerms,
    /// What the partner's receipts must be.
    #[cfg_attr(feature = "serde", serde(default))]
    pub expect: ReceiptTerms,
    /// Deviations that a product on the other side needs.
    #[cfg_attr(feature = "serde", serde(default))]
    pub quirks: Quirks,
}

impl PartnerProfile {
    /// The default agreement: signed with SHA-256, encrypted with AES-256-CBC, signed synchronous receipts.
    #[must_use]
    pub fn new(us: As2Name, them: As2Name, url: HttpUrl) -> Self {
        Self {
            version: FormatVersion,
            us,
            them,
            url,
            message_id_domain: default_domain(),
            send: SendTerms::default(),
            accept: AcceptTerms::default(),
            expect: ReceiptTerms::default(),
            quirks: Quirks::default(),
        }
    }
}

fn default_domain() -> String {
    "as2.invalid".to_owned()
}

/// How messages to the partner are made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct SendTerms {
    /// Digest of the signature, or `None` for unsigned messages. Default SHA-256, which every maintained product verifies.
    #[cfg_attr(feature = "serde", serde(with = "or_none"))]
    pub sign: Option<DigestAlgorithm>,
    /// Content encryption, or `None`. Default AES-256-CBC: every product reads it; agree on GCM where you can.
    #[cfg_attr(feature = "serde", serde(with = "or_none"))]
    pub encrypt: Option<CipherAlgorithm>,
    /// How the content-encryption key travels. Default RSA PKCS#1 v1.5.
    pub key_transport: KeyTransport,
    /// Whether and where the payload is compressed. Default not at all: RFC 4130 alone does not know compression.
    pub compress: Compression,
    /// The receipt that is asked for. Default signed and synchronous.
    pub receipt: ReceiptWish,
}

impl Default for SendTerms {
    fn default() -> Self {
        Self {
            sign: Some(DigestAlgorithm::Sha256),
            encrypt: Some(CipherAlgorithm::Aes256Cbc),
            key_transport: KeyTransport::RsaPkcs1v15,
            compress: Compression::None,
            receipt: ReceiptWish::default(),
        }
    }
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
    /// No receipt, an unsigned one or a signed one.
    pub kind: ReceiptKind,
    /// Our URL for an asynchronous receipt; `None` asks for it in the HTTP response.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub asynchronous_url: Option<HttpUrl>,
    /// Digests to list, best first. Empty (the default) lists exactly the digest of our signature, so that
    /// both readings of RFC 4130 on the MIC algorithm agree.
    pub micalgs: Vec<DigestAlgorithm>,
}

impl Default for ReceiptWish {
    fn default() -> Self {
        Self { kind: ReceiptKind::Signed, asynchronous_url: None, micalgs: Vec::new() }
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

/// What is accepted from the partner, and how it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct AcceptTerms {
    /// Whether messages must be signed. Default [`Requirement::Require`].
    pub signature: Requirement,
    /// Whether messages must be encrypted. Default [`Requirement::Allow`].
    pub encryption: Requirement,
    /// Digests accepted in signatures. Default SHA-256, SHA-384, SHA-512.
    pub digests: Vec<DigestAlgorithm>,
    /// Ciphers accepted; checked before the private key is used. Default every AES mode.
    pub ciphers: Vec<CipherAlgorithm>,
    /// Key transports accepted. Default RSA PKCS#1 v1.5.
    pub key_transports: Vec<KeyTransport>,
    /// Which form of the content a signature may cover. Default both.
    pub signed_form: SignedForm,
    /// Digest of the signature of our receipts. Default: the first acceptable one that the sender listed.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub mdn_signature: Option<DigestAlgorithm>,
    /// Where asynchronous receipts are posted, whatever the sender asks for. Default: where he asks, if his host is allowed.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub receipt_url: Option<HttpUrl>,
    /// Hosts to which asynchronous receipts may be posted, beside the host of the partner's URL.
    pub receipt_hosts: Vec<String>,
    /// How much a negative receipt says about what failed inside an envelope. Default [`Explain::Safe`].
    pub explain: Explain,
    /// What happens when only SHA-1 is listed for the receipt. Default [`WeakReceipt::Serve`].
    pub weak_receipt: WeakReceipt,
    /// Status of the answer to a message whose receipt goes out later: 200 (default), 202 or 204.
    pub asynchronous_status: u16,
    /// Whether decrypted content without MIME headers is delivered although nothing authenticates it. Default no.
    /// mendelson encrypts unsigned payloads in this form.
    pub bare_content: bool,
}

impl Default for AcceptTerms {
    fn default() -> Self {
        Self {
            signature: Requirement::Require,
            encryption: Requirement::Allow,
            digests: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512],
            ciphers: CipherAlgorithm::ALL.to_vec(),
            key_transports: vec![KeyTransport::RsaPkcs1v15],
            signed_form: SignedForm::AsSentOrCrlf,
            mdn_signature: None,
            receipt_url: None,
            receipt_hosts: Vec::new(),
            explain: Explain::Safe,
            weak_receipt: WeakReceipt::Serve,
            asynchronous_status: 200,
            bare_content: false,
        }
    }
}

/// What a message must, may or must not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Requirement {
    /// Without it the message is refused.
    Require,
    /// It may be there.
    Allow,
    /// With it the message is refused.
    Forbid,
}

/// Which form of the signed content is compared with the signature's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum SignedForm {
    /// The octets as sent, or the form with CRLF line ends: BouncyCastle and JavaMail sign the latter and send the former.
    AsSentOrCrlf,
    /// Only the octets as sent.
    AsSent,
}

/// How much a negative receipt says. Whatever is chosen, our own error stays exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Explain {
    /// Everything that fails on an encrypted message is answered `decryption-failed`.
    Uniform,
    /// As `Uniform`, but what an attacker cannot turn into an oracle is told: no recipient information for
    /// our key, anything behind a verified authentication tag, a valid signature by an unknown certificate.
    Safe,
}

/// What happens when a sender lists only digests that are weak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum WeakReceipt {
    /// The MIC is computed as asked; the receipt is signed with at least SHA-256.
    Serve,
    /// The message is refused with `failed/failure: unsupported MIC-algorithms`.
    Refuse,
}

/// What the partner's receipts must be to count as proof.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct ReceiptTerms {
    /// Digests accepted in the signature of a receipt. Default SHA-256, SHA-384, SHA-512.
    pub mdn_signatures: Vec<DigestAlgorithm>,
    /// Digests accepted for the MIC in a receipt. Default all, SHA-1 too: the MIC draws its strength from the signature around it.
    pub mics: Vec<DigestAlgorithm>,
}

impl Default for ReceiptTerms {
    fn default() -> Self {
        Self {
            mdn_signatures: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512],
            mics: DigestAlgorithm::ALL.to_vec(),
        }
    }
}

/// Deviations from the defaults of what we write, for products that need them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
#[non_exhaustive]
pub struct Quirks {
    /// How digests are spelt in `micalg` and `Disposition-Notification-Options`. Default RFC 5751;
    /// old Seeburger and BizTalk-era systems know only RFC 3851.
    pub micalg_names: MicalgNames,
    /// Transfer encoding of the signature part. Default base64, since partners with `openssl smime` cannot read binary.
    pub signature_encoding: SignatureEncoding,
    /// Whether signatures carry signed attributes. Default yes; some Sterling installations refuse them.
    pub signed_attributes: bool,
    /// Certificates embedded in signatures. Default the leaf; Peppol needs it.
    pub embed: Embed,
    /// Whether signatures carry CMSAlgorithmProtection (RFC 6211). Default no: IBM Sterling and DataPower fail on it.
    pub algorithm_protection: bool,
    /// Whether requests carry `Content-Transfer-Encoding: binary` among the HTTP headers. Default no.
    /// Some systems answer 400 without it.
    pub http_transfer_encoding: bool,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            micalg_names: MicalgNames::Rfc5751,
            signature_encoding: SignatureEncoding::Base64,
            signed_attributes: true,
            embed: Embed::Leaf,
            algorithm_protection: false,
            http_transfer_encoding: false,
        }
    }
}

/// Spelling of digest names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum MicalgNames {
    /// `sha-256`
    Rfc5751,
    /// `sha256`
    Rfc3851,
}

impl MicalgNames {
    pub(crate) const fn spell(self, digest: DigestAlgorithm) -> &'static str {
        match self {
            Self::Rfc5751 => digest.name(),
            Self::Rfc3851 => digest.legacy_name(),
        }
    }
}

/// Transfer encoding of the signature part of multipart/signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum SignatureEncoding {
    /// base64 in lines of 64 characters.
    Base64,
    /// The DER octets themselves.
    Binary,
}

/// Which of our certificates a signature carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Embed {
    /// None, as OpenAS2 does.
    None,
    /// The signing certificate.
    Leaf,
    /// The signing certificate and its chain, as mendelson does.
    Chain,
}

/// `"none"` for an algorithm that is switched off: a missing field means the default, not "off".
#[cfg(feature = "serde")]
mod or_none {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Off {
        None,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Setting<T> {
        Off(Off),
        On(T),
    }

    pub(super) fn serialize<T: Serialize + Copy, S: Serializer>(value: &Option<T>, out: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(algorithm) => Setting::On(*algorithm).serialize(out),
            None => Setting::<T>::Off(Off::None).serialize(out),
        }
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(input: D) -> Result<Option<T>, D::Error> {
        Ok(match Setting::deserialize(input)? {
            Setting::Off(_) => None,
            Setting::On(algorithm) => Some(algorithm),
        })
    }
}
