//! Deviations from the defaults of what we write, for products that need them.

use crate::algorithm::DigestAlgorithm;

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
    /// How signatures name their certificate. Default issuer and serial number, which every product reads.
    pub signer_id: SignerId,
    /// Certificates embedded in signatures. Default the leaf; Peppol needs it.
    pub embed: Embed,
    /// Whether signatures carry CMSAlgorithmProtection (RFC 6211). Default no: IBM Sterling and DataPower fail on it.
    pub algorithm_protection: bool,
    /// Whether requests carry `Content-Transfer-Encoding: binary` among the HTTP headers. Default no.
    /// Some systems answer 400 without it.
    pub http_transfer_encoding: bool,
    /// How file names stand in `Content-Disposition` of payload parts. Default quoted, which RFC 2183 prints; a server
    /// is known that takes the quotes for a part of the name.
    pub filenames: FilenameStyle,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            micalg_names: MicalgNames::Rfc5751,
            signature_encoding: SignatureEncoding::Base64,
            signed_attributes: true,
            signer_id: SignerId::IssuerSerial,
            embed: Embed::Leaf,
            algorithm_protection: false,
            http_transfer_encoding: false,
            filenames: FilenameStyle::Quoted,
        }
    }
}

/// How the file name of a payload part is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum FilenameStyle {
    /// `filename="po.x12"`
    Quoted,
    /// `filename=po.x12`; names that cannot stand so are quoted all the same.
    Bare,
    /// No `Content-Disposition`: file names stay with us.
    None,
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

/// How a signature names the certificate of its signer (RFC 5652 section 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum SignerId {
    /// Issuer and serial number.
    IssuerSerial,
    /// Subject key identifier, which the certificate must have.
    KeyId,
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
