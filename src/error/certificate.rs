//! Certificates that may not be used as they are: outside their dates, not meant for the use, revoked, not trusted.

use std::time::SystemTime;

use crate::certificate::{Certificate, CertificateUse, Whose};
use crate::stored::Instant;

/// A certificate is used outside its validity period.
///
/// ```
/// use as2_protocol::{Certificate, CertificateUse, ValidityError, Whose};
/// # let pem = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/worked/keys/bob-sign.crt"));
/// let certificate = Certificate::from_pem(pem)?;
/// let later = certificate.not_after() + std::time::Duration::from_secs(86_400);
/// let error = ValidityError::check(&certificate, Whose::Partners, CertificateUse::TlsServer, later).unwrap_err();
/// assert_eq!(error.code(), "CERT_HAS_EXPIRED");
/// assert!(error.to_string().starts_with("the partner's certificate for the TLS server (O=Bob, CN=bob signing, serial 29"));
/// # Ok::<_, as2_protocol::CertificateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{whose} certificate for {usage}{} {}", identity(.subject, .serial), fault(self))]
#[non_exhaustive]
pub struct ValidityError {
    /// Whose certificate it is.
    pub whose: Whose,
    /// What it was to be used for.
    pub usage: CertificateUse,
    /// Subject of the certificate; `None` where only the fault is known, as from the alert of a TLS peer.
    pub subject: Option<String>,
    /// Serial number in hexadecimal.
    pub serial: Option<String>,
    /// Start of the validity period.
    pub not_before: Option<SystemTime>,
    /// End of the validity period.
    pub not_after: Option<SystemTime>,
    /// Whether it is not valid yet rather than expired.
    pub not_yet: bool,
}

impl ValidityError {
    /// `CERT_HAS_EXPIRED` or `CERT_NOT_YET_VALID`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        if self.not_yet { "CERT_NOT_YET_VALID" } else { "CERT_HAS_EXPIRED" }
    }

    /// What mends it, on our side.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match (self.usage, self.not_yet) {
            (CertificateUse::Signing, false) => {
                "renew it, or allow it for a time by `certificates.allow_expired_until.signing`"
            }
            (CertificateUse::Signing, true) => "activate it later, or allow it by `certificates.signing`",
            (CertificateUse::Encryption, false) => {
                "ask the partner for his new one, or allow it for a time by `certificates.allow_expired_until.encryption`"
            }
            (CertificateUse::Encryption, true) => "activate it later, or allow it by `certificates.encryption`",
            (_, false) => "a renewed one is needed",
            (_, true) => "use it later",
        }
    }

    /// Whether `certificate` is valid at `now`.
    ///
    /// # Errors
    /// The error that says it is not.
    pub fn check(certificate: &Certificate, whose: Whose, usage: CertificateUse, now: SystemTime) -> Result<(), Self> {
        if certificate.is_valid_at(now) {
            return Ok(());
        }
        let error = Self { not_yet: now < certificate.not_before(), ..Self::expired(whose, usage) };
        Err(error.with_certificate(certificate))
    }

    /// An expired certificate of which nothing more is known.
    #[must_use]
    pub const fn expired(whose: Whose, usage: CertificateUse) -> Self {
        Self { whose, usage, subject: None, serial: None, not_before: None, not_after: None, not_yet: false }
    }

    /// A certificate that is not valid yet, of which nothing more is known.
    #[must_use]
    pub const fn not_yet_valid(whose: Whose, usage: CertificateUse) -> Self {
        Self { whose, usage, subject: None, serial: None, not_before: None, not_after: None, not_yet: true }
    }

    /// Adds which certificate it is.
    #[must_use]
    pub fn with_certificate(self, certificate: &Certificate) -> Self {
        Self {
            subject: Some(certificate.subject().to_owned()),
            serial: Some(certificate.serial_hex()),
            not_before: Some(certificate.not_before()),
            not_after: Some(certificate.not_after()),
            ..self
        }
    }

    /// Adds what is known of the dates.
    #[must_use]
    pub fn with_dates(self, not_before: Option<SystemTime>, not_after: Option<SystemTime>) -> Self {
        Self { not_before, not_after, ..self }
    }
}

fn identity(subject: &Option<String>, serial: &Option<String>) -> String {
    match (subject, serial) {
        (Some(subject), Some(serial)) => format!(" ({subject}, serial {serial})"),
        (Some(only), None) | (None, Some(only)) => format!(" ({only})"),
        (None, None) => String::new(),
    }
}

fn fault(error: &ValidityError) -> String {
    let date = |at: SystemTime| Instant(at).text();
    match (error.not_yet, error.not_before, error.not_after) {
        (true, Some(from), _) => format!("is not valid before {}", date(from)),
        (true, None, _) => "is not valid yet".to_owned(),
        (false, _, Some(until)) => format!("has expired on {}", date(until)),
        (false, _, None) => "has expired".to_owned(),
    }
}

/// What stands against using a certificate that is otherwise the right one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateFault {
    /// It is outside its validity period.
    #[error(transparent)]
    Validity(ValidityError),
    /// Its key usage does not allow the use.
    #[error("{whose} certificate for {usage} ({subject}, serial {serial}) has a key usage that does not allow that")]
    KeyUsage {
        /// Whose certificate it is.
        whose: Whose,
        /// What it was to be used for.
        usage: CertificateUse,
        /// Subject of the certificate.
        subject: String,
        /// Serial number in hexadecimal.
        serial: String,
    },
    /// It is revoked.
    #[error("{whose} certificate for {usage} ({subject}, serial {serial}) is revoked")]
    Revoked {
        /// Whose certificate it is.
        whose: Whose,
        /// What it was to be used for.
        usage: CertificateUse,
        /// Subject of the certificate.
        subject: String,
        /// Serial number in hexadecimal.
        serial: String,
    },
    /// Nobody knows whether it is revoked, and the agreement wants to know.
    #[error("it is not known whether {whose} certificate for {usage} ({subject}, serial {serial}) is revoked")]
    RevocationUnknown {
        /// Whose certificate it is.
        whose: Whose,
        /// What it was to be used for.
        usage: CertificateUse,
        /// Subject of the certificate.
        subject: String,
        /// Serial number in hexadecimal.
        serial: String,
    },
}

impl CertificateFault {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Validity(error) => error.code(),
            Self::KeyUsage { .. } => "KEY_USAGE",
            Self::Revoked { .. } => "CERT_REVOKED",
            Self::RevocationUnknown { .. } => "CERT_REVOCATION_UNKNOWN",
        }
    }

    /// What mends it, on our side.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Validity(error) => error.remedy(),
            Self::KeyUsage { .. } => "take one that is meant for it, or write `certificates.key_usage = \"warn\"`",
            Self::Revoked { .. } => "take another one",
            Self::RevocationUnknown { .. } => "ask the source again, or be less strict in `PartnerBuilder::revocation`",
        }
    }

    /// The fault in the dates, if it is one.
    #[must_use]
    pub const fn validity(&self) -> Option<&ValidityError> {
        match self {
            Self::Validity(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ValidityError> for CertificateFault {
    fn from(error: ValidityError) -> Self {
        Self::Validity(error)
    }
}

/// Why a certificate that came with a signature does not speak for the partner, or trust cannot be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The trust anchors cannot be used.
    #[error("trust anchor: {0}")]
    Anchor(String),
    /// The name that certificates are bound by cannot be used.
    #[error("the name that binds certificates to the partner: {0}")]
    Binding(String),
    /// The certificate does not carry a name that stands for the partner.
    #[error("the certificate of {subject} does not carry {wanted}, which stands for the partner")]
    Name {
        /// Subject of the certificate.
        subject: String,
        /// The names of which it must carry one.
        wanted: String,
    },
    /// Dates, key usage or revocation stand against it.
    #[error(transparent)]
    Certificate(#[from] CertificateFault),
    /// Its extended key usage lists other purposes than e-mail protection (RFC 8551 section 4.4.4).
    #[error("the extended key usage of the chain does not include emailProtection")]
    Purpose,
    /// It is the certificate of an authority or of X.509 version 1: no chain vouches for it.
    #[error("{0}; configure it for the partner instead, since no chain vouches for it")]
    Leaf(&'static str),
    /// No valid chain leads to a trust anchor.
    #[error("no valid chain to a trust anchor: {0}")]
    Chain(String),
    /// The application does not trust it.
    #[error("the application does not trust it: {0}")]
    Refused(String),
}

impl TrustError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Anchor(_) => "TRUST_ANCHOR",
            Self::Binding(_) => "TRUST_BINDING",
            Self::Name { .. } => "TRUST_NAME",
            Self::Certificate(fault) => fault.code(),
            Self::Purpose => "TRUST_PURPOSE",
            Self::Leaf(_) => "TRUST_LEAF",
            Self::Chain(_) => "TRUST_CHAIN",
            Self::Refused(_) => "TRUST_REFUSED",
        }
    }
}
