//! X.509 certificates as AS2 uses them: names and serial number to find keys by, a public key, dates, key usage.
//!
//! The outer structure is walked here, octets as received, because certificates of the field break rules that do
//! not matter to AS2: serial numbers that are negative or longer than 20 octets, and version 1.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{ASN1Time, FromDer, X509Name};

mod der;
#[cfg(feature = "cem")]
mod distinguished;
mod key;
mod names;
mod role;

pub use role::{CertificateUse, Whose};

use der::{Reader, tag};
pub(crate) use key::KeyKind;

/// An X.509 certificate (RFC 5280), kept as the octets that were read. Cheap to clone; equal if the octets are.
///
/// Reading checks the form only: no signature, no chain, no date.
///
/// ```
/// use as2_protocol::Certificate;
/// # let pem = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/worked/keys/bob-sign.crt"));
/// let certificate = Certificate::from_pem(pem)?;
/// assert_eq!(certificate.subject(), "O=Bob, CN=bob signing");
/// assert_eq!(certificate.serial_hex(), "291fdabfb647451efb553b94b54dce0554f97806");
/// assert!(certificate.not_before() < certificate.not_after());
/// # Ok::<_, as2_protocol::CertificateError>(())
/// ```
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    der: Bytes,
    fields: Fields,
    subject: String,
    issuer: String,
    fingerprint: [u8; 32],
}

/// Where things are in the DER, and the small ones themselves.
struct Fields {
    serial: Range<usize>,
    issuer: Range<usize>,
    subject: Range<usize>,
    spki: Range<usize>,
    subject_key_id: Option<Range<usize>>,
    /// What the sequence of alternative names contains.
    subject_alt_name: Option<Range<usize>>,
    not_before: SystemTime,
    not_after: SystemTime,
    key_usage: Option<KeyUsage>,
    key_kind: KeyKind,
}

/// Why a certificate could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The PEM text is broken or holds no `CERTIFICATE` section.
    #[error("no certificate in the PEM text")]
    NoCertificate,
    /// The DER is malformed in or before the named part.
    #[error("malformed certificate: {part} at octet {offset}")]
    Malformed {
        /// The part that was being read.
        part: &'static str,
        /// Where in the DER.
        offset: usize,
    },
}

impl CertificateError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoCertificate => "CERT_NOT_FOUND",
            Self::Malformed { .. } => "CERT_MALFORMED",
        }
    }
}

impl Certificate {
    /// Reads a certificate in DER; the octets are kept as they are.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`] if they are not exactly one certificate.
    pub fn from_der(der: impl Into<Bytes>) -> Result<Self, CertificateError> {
        let der = der.into();
        let fields = Fields::read(&der)?;
        let name = |range: &Range<usize>| name_text(der.get(range.clone()).unwrap_or_default());
        let (subject, issuer) = (name(&fields.subject), name(&fields.issuer));
        let fingerprint = Sha256::digest(&der).into();
        Ok(Self(Arc::new(Inner { der, fields, subject, issuer, fingerprint })))
    }

    /// Reads the first `CERTIFICATE` section of a PEM text (RFC 7468 section 5); other sections are skipped.
    ///
    /// # Errors
    /// [`CertificateError`] if there is none or it is malformed.
    pub fn from_pem(pem: &[u8]) -> Result<Self, CertificateError> {
        let der = CertificateDer::from_pem_slice(pem).map_err(|_| CertificateError::NoCertificate)?;
        Self::from_der(der.to_vec())
    }

    /// The octets of the certificate.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The subject, for people to read; never compare names by it.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The issuer, for people to read; never compare names by it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The serial number as it is encoded, in lower-case hexadecimal without the leading zero octet.
    #[must_use]
    pub fn serial_hex(&self) -> String {
        let octets = self.serial_octets();
        hex(octets.strip_prefix(&[0]).filter(|rest| !rest.is_empty()).unwrap_or(octets))
    }

    /// The first instant of its validity.
    #[must_use]
    pub fn not_before(&self) -> SystemTime {
        self.0.fields.not_before
    }

    /// The last instant of its validity.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.0.fields.not_after
    }

    /// Whether it is valid at `now`, both ends included (RFC 5280 section 4.1.2.5).
    #[must_use]
    pub fn is_valid_at(&self, now: SystemTime) -> bool {
        // `notAfter` names a whole second.
        let end = self.not_after().checked_add(Duration::from_secs(1));
        self.not_before() <= now && end.is_none_or(|end| now < end)
    }

    /// The SHA-256 of the octets.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        self.0.fingerprint
    }

    /// The SHA-256 of the octets in lower-case hexadecimal.
    #[must_use]
    pub fn fingerprint_hex(&self) -> String {
        hex(&self.0.fingerprint)
    }

    /// What the key may be used for; `None` if the certificate does not say.
    #[must_use]
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.0.fields.key_usage
    }

    /// Whether signatures under this certificate are in order: no key usage, digitalSignature or nonRepudiation.
    pub(crate) fn permits_signing(&self) -> bool {
        self.key_usage().is_none_or(|usage| usage.digital_signature() || usage.non_repudiation())
    }

    /// Whether messages may be encrypted to this certificate: no key usage; keyEncipherment for RSA keys, keyAgreement
    /// for others (RFC 5753 section 7).
    pub(crate) fn permits_encryption(&self) -> bool {
        self.key_usage().is_none_or(|usage| match self.key_kind().rsa_bits() {
            Some(_) => usage.key_encipherment(),
            None => usage.key_agreement(),
        })
    }

    /// Whether it may be calculated with although a stranger sent it: huge RSA keys may not.
    pub(crate) fn is_small(&self) -> bool {
        self.key_kind().rsa_bits().is_none_or(|bits| bits <= MAX_STRANGER_BITS)
    }

    /// The whole SubjectPublicKeyInfo.
    pub(crate) fn spki_der(&self) -> &[u8] {
        self.slice(&self.0.fields.spki)
    }

    /// The whole issuer name, as encoded.
    pub(crate) fn issuer_der(&self) -> &[u8] {
        self.slice(&self.0.fields.issuer)
    }

    /// The content octets of the serial number, as encoded.
    pub(crate) fn serial_octets(&self) -> &[u8] {
        self.slice(&self.0.fields.serial)
    }

    /// The subject key identifier, if the certificate has one (RFC 5280 section 4.2.1.2).
    pub(crate) fn subject_key_id(&self) -> Option<&[u8]> {
        self.0.fields.subject_key_id.as_ref().map(|range| self.slice(range))
    }

    /// What kind of public key it holds.
    pub(crate) fn key_kind(&self) -> KeyKind {
        self.0.fields.key_kind
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.0.der.get(range.clone()).unwrap_or_default()
    }
}

/// RSA keys of strangers above this size are not calculated with.
const MAX_STRANGER_BITS: usize = 8192;

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

impl std::hash::Hash for Certificate {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.fingerprint.hash(state);
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject())
            .field("serial", &self.serial_hex())
            .finish_non_exhaustive()
    }
}

/// The key usage of a certificate (RFC 5280 section 4.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUsage(u8);

impl KeyUsage {
    /// Signatures other than on certificates: digitalSignature.
    #[must_use]
    pub const fn digital_signature(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// Signatures that bind the signer: nonRepudiation, also called contentCommitment.
    #[must_use]
    pub const fn non_repudiation(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// Wrapping of content-encryption keys: keyEncipherment.
    #[must_use]
    pub const fn key_encipherment(self) -> bool {
        self.0 & 0x20 != 0
    }

    /// Encryption of data with the public key itself: dataEncipherment.
    #[must_use]
    pub const fn data_encipherment(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// Key agreement: keyAgreement.
    #[must_use]
    pub const fn key_agreement(self) -> bool {
        self.0 & 0x08 != 0
    }

    /// Signatures on certificates: keyCertSign.
    #[must_use]
    pub const fn key_cert_sign(self) -> bool {
        self.0 & 0x04 != 0
    }

    /// Signatures on revocation lists: cRLSign.
    #[must_use]
    pub const fn crl_sign(self) -> bool {
        self.0 & 0x02 != 0
    }
}

impl Fields {
    /// RFC 5280 section 4.1, from the outside in.
    fn read(der: &[u8]) -> Result<Self, CertificateError> {
        let mut outer = Reader::new(der);
        let certificate = outer.expect(tag::SEQUENCE, "Certificate")?;
        outer.end("Certificate")?;
        let mut parts = outer.inside(&certificate);
        let tbs = parts.expect(tag::SEQUENCE, "tbsCertificate")?;
        parts.expect(tag::SEQUENCE, "signatureAlgorithm")?;
        parts.expect(tag::BIT_STRING, "signatureValue")?;
        parts.end("signatureValue")?;

        let mut tbs = parts.inside(&tbs);
        tbs.optional(tag::context(0), "version")?;
        let serial = tbs.expect(tag::INTEGER, "serialNumber")?;
        tbs.expect(tag::SEQUENCE, "signature")?;
        let issuer = tbs.expect(tag::SEQUENCE, "issuer")?;
        let validity = tbs.expect(tag::SEQUENCE, "validity")?;
        let subject = tbs.expect(tag::SEQUENCE, "subject")?;
        let spki = tbs.expect(tag::SEQUENCE, "subjectPublicKeyInfo")?;
        let (not_before, not_after) = read_validity(tbs.inside(&validity))?;
        let mut fields = Self {
            serial: serial.content,
            issuer: issuer.whole,
            subject: subject.whole,
            key_kind: KeyKind::read(tbs.inside(&spki)),
            spki: spki.whole,
            subject_key_id: None,
            subject_alt_name: None,
            not_before,
            not_after,
            key_usage: None,
        };
        fields.read_optional(tbs)?;
        Ok(fields)
    }

    fn read_optional(&mut self, mut tbs: Reader<'_>) -> Result<(), CertificateError> {
        tbs.optional(tag::unique_id(1), "issuerUniqueID")?;
        tbs.optional(tag::unique_id(2), "subjectUniqueID")?;
        if let Some(wrapper) = tbs.optional(tag::context(3), "extensions")? {
            let mut wrapper = tbs.inside(&wrapper);
            let extensions = wrapper.expect(tag::SEQUENCE, "extensions")?;
            let mut extensions = wrapper.inside(&extensions);
            while !extensions.is_empty() {
                let extension = extensions.expect(tag::SEQUENCE, "extension")?;
                self.read_extension(extensions.inside(&extension))?;
            }
        }
        tbs.end("tbsCertificate")
    }

    /// The first extension of a kind counts. Those that AS2 does not look at are not read.
    fn read_extension(&mut self, mut extension: Reader<'_>) -> Result<(), CertificateError> {
        const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 0x0e];
        const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
        const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
        let oid = extension.expect(tag::OID, "extnID")?;
        extension.optional(tag::BOOLEAN, "critical")?;
        let value = extension.expect(tag::OCTET_STRING, "extnValue")?;
        let mut inner = extension.inside(&value);
        match extension.octets(&oid.content) {
            SUBJECT_KEY_ID if self.subject_key_id.is_none() => {
                self.subject_key_id = Some(inner.expect(tag::OCTET_STRING, "subjectKeyIdentifier")?.content);
            }
            KEY_USAGE if self.key_usage.is_none() => {
                let bits = inner.expect(tag::BIT_STRING, "keyUsage")?;
                // The first octet counts unused bits; a ninth bit (decipherOnly) is of no interest.
                self.key_usage = Some(KeyUsage(inner.octets(&bits.content).get(1).copied().unwrap_or(0)));
            }
            // One that cannot be read names nobody; the certificate may be pinned nevertheless.
            SUBJECT_ALT_NAME if self.subject_alt_name.is_none() => {
                let names = inner.expect(tag::SEQUENCE, "subjectAltName");
                self.subject_alt_name = Some(names.map_or(0..0, |names| names.content));
            }
            _ => {}
        }
        Ok(())
    }
}

fn read_validity(mut validity: Reader<'_>) -> Result<(SystemTime, SystemTime), CertificateError> {
    let not_before = read_time(&mut validity, "notBefore")?;
    let not_after = read_time(&mut validity, "notAfter")?;
    Ok((not_before, not_after))
}

/// UTCTime or GeneralizedTime.
fn read_time(reader: &mut Reader<'_>, part: &'static str) -> Result<SystemTime, CertificateError> {
    let element = reader.next(part)?;
    let malformed = CertificateError::Malformed { part, offset: element.whole.start };
    let (_, time) = ASN1Time::from_der(reader.octets(&element.whole)).map_err(|_| malformed.clone())?;
    let since = Duration::from_secs(time.timestamp().unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    let instant = if time.timestamp() < 0 { epoch.checked_sub(since) } else { epoch.checked_add(since) };
    instant.ok_or(malformed)
}

/// A name for people. Control characters, which could forge lines in a log, are replaced.
pub(crate) fn name_text(der: &[u8]) -> String {
    let text = match X509Name::from_der(der) {
        Ok((_, name)) => name.to_string(),
        Err(_) => format!("#{}", hex(der)),
    };
    text.replace(char::is_control, "\u{fffd}")
}

pub(crate) fn hex(octets: &[u8]) -> String {
    use fmt::Write;
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

#[cfg(feature = "serde")]
mod serial {
    use super::Certificate;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    /// The DER in base64.
    impl Serialize for Certificate {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(&STANDARD.encode(self.der()))
        }
    }

    impl<'de> Deserialize<'de> for Certificate {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            let der = STANDARD.decode(text.trim()).map_err(de::Error::custom)?;
            Self::from_der(der).map_err(de::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests;
