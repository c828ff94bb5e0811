//! Which certificate was at fault when a TLS connection failed, with the codes that the rest of the crate uses.

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::{AlertDescription, CertificateError, Side};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::certificate::{Certificate, CertificateUse, Whose};
use crate::error::ValidityError;

/// A certificate because of which a TLS connection failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFault {
    /// A certificate is outside its dates.
    #[error(transparent)]
    Validity(#[from] ValidityError),
    /// A certificate is not accepted for another reason.
    #[error("{whose} certificate for {usage}{} is not accepted: {reason}", described(.certificate.as_deref()))]
    Refused {
        /// Whose certificate it is.
        whose: Whose,
        /// That of the server or of the client.
        usage: CertificateUse,
        /// Subject, serial number and SHA-256 of the certificate, if it is known.
        certificate: Option<String>,
        /// The reason, in the words of the side that refused it.
        reason: String,
    },
    /// A certificate was asked for, and none was shown.
    #[error("{whose} certificate for {usage} is asked for, and was not shown")]
    Missing {
        /// Whose certificate it is.
        whose: Whose,
        /// That of the server or of the client.
        usage: CertificateUse,
    },
}

fn described(certificate: Option<&str>) -> String {
    certificate.map(|text| format!(" ({text})")).unwrap_or_default()
}

impl TlsFault {
    /// A stable code: `CERT_HAS_EXPIRED`, `CERT_NOT_YET_VALID`, `CERT_REFUSED` or `CERT_MISSING`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Validity(error) => error.code(),
            Self::Refused { .. } => "CERT_REFUSED",
            Self::Missing { .. } => "CERT_MISSING",
        }
    }
}

/// Reads a failed connection as the fault of a certificate; `None` if it is none.
///
/// `error` may be a [`rustls::Error`], or have one among its sources. `side` is ours: what we refuse is the other side's
/// certificate, what an alert refuses is ours. `certificate` is the one at fault, if the caller knows it;
/// [`TlsClient::fault`](super::TlsClient::fault) and [`TlsServer::fault`](super::TlsServer::fault) do.
///
/// ```
/// use as2_protocol::rustls::{AlertDescription, Error, Side};
/// let error = std::io::Error::other(Error::AlertReceived(AlertDescription::CertificateExpired));
/// let fault = as2_protocol::tls::certificate_fault(&error, Side::Client, None).unwrap();
/// assert_eq!(fault.code(), "CERT_HAS_EXPIRED");
/// assert_eq!(fault.to_string(), "our certificate for the TLS client has expired");
/// ```
#[must_use]
pub fn certificate_fault(
    error: &(dyn StdError + 'static),
    side: Side,
    certificate: Option<&Certificate>,
) -> Option<TlsFault> {
    let (ours, theirs) = match side {
        Side::Client => (CertificateUse::TlsClient, CertificateUse::TlsServer),
        Side::Server => (CertificateUse::TlsServer, CertificateUse::TlsClient),
    };
    let our = About { whose: Whose::Ours, usage: ours, certificate };
    let their = About { whose: Whose::Partners, usage: theirs, certificate };
    match in_chain(error)? {
        rustls::Error::InvalidCertificate(error) => Some(their.refused_by_us(error)),
        rustls::Error::NoCertificatesPresented => Some(their.missing()),
        rustls::Error::AlertReceived(alert) => our.refused_by_them(*alert),
        _ => None,
    }
}

/// The rustls error in a chain of sources. An [`std::io::Error`] is looked into: it counts the sources of what it
/// wraps as its own.
pub(super) fn in_chain<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut current = error;
    for _ in 0..MAX_SOURCES {
        if let Some(found) = current.downcast_ref() {
            return Some(found);
        }
        let wrapped = current.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        current = match wrapped {
            Some(wrapped) => wrapped,
            None => current.source()?,
        };
    }
    None
}

/// HTTP clients wrap errors a few layers deep.
const MAX_SOURCES: usize = 16;

/// A certificate in its role.
struct About<'a> {
    whose: Whose,
    usage: CertificateUse,
    certificate: Option<&'a Certificate>,
}

impl About<'_> {
    fn refused_by_us(&self, error: &CertificateError) -> TlsFault {
        match error {
            CertificateError::Expired => self.dates(false),
            CertificateError::NotValidYet => self.dates(true),
            // The error may be about an issuer; only a certificate that has the date is the one.
            CertificateError::ExpiredContext { .. } | CertificateError::NotValidYetContext { .. } => {
                let certificate = self.certificate.filter(|certificate| is_about(error, certificate));
                About { certificate, ..*self }.dates(matches!(error, CertificateError::NotValidYetContext { .. }))
            }
            CertificateError::Other(other) => match other.0.downcast_ref::<NotPinned>() {
                Some(NotPinned(shown)) => {
                    About { certificate: Some(shown), ..*self }.refused("another one is pinned".to_owned())
                }
                None => self.refused(other.to_string()),
            },
            other => self.refused(other.to_string()),
        }
    }

    /// RFC 8446 section 6.2.
    fn refused_by_them(&self, alert: AlertDescription) -> Option<TlsFault> {
        match alert {
            AlertDescription::CertificateExpired => Some(self.dates(false)),
            AlertDescription::CertificateRequired => Some(self.missing()),
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied => Some(self.refused(format!("the other side says {alert:?}"))),
            _ => None,
        }
    }

    fn dates(&self, not_yet: bool) -> TlsFault {
        let Self { whose, usage, certificate } = *self;
        let error =
            if not_yet { ValidityError::not_yet_valid(whose, usage) } else { ValidityError::expired(whose, usage) };
        match certificate {
            Some(certificate) => error.with_certificate(certificate).into(),
            None => error.into(),
        }
    }

    fn refused(&self, reason: String) -> TlsFault {
        let certificate = self.certificate.map(|certificate| {
            let (serial, print) = (certificate.serial_hex(), certificate.fingerprint_hex());
            format!("{}, serial {serial}, SHA-256 {print}", certificate.subject())
        });
        TlsFault::Refused { whose: self.whose, usage: self.usage, certificate, reason }
    }

    fn missing(&self) -> TlsFault {
        TlsFault::Missing { whose: self.whose, usage: self.usage }
    }
}

fn is_about(error: &CertificateError, certificate: &Certificate) -> bool {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => system(*not_after) == Some(certificate.not_after()),
        CertificateError::NotValidYetContext { not_before, .. } => {
            system(*not_before) == Some(certificate.not_before())
        }
        _ => false,
    }
}

fn system(at: UnixTime) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at.as_secs()))
}

/// Reasons that rustls has no name for never equal each other, so they are told apart by where they stand.
fn is_same(one: &CertificateError, other: &CertificateError) -> bool {
    match (one, other) {
        (CertificateError::Other(one), CertificateError::Other(other)) => Arc::ptr_eq(&one.0, &other.0),
        _ => one == other,
    }
}

/// The reason behind [`CertificateError::Other`] where another certificate is pinned.
#[derive(Debug, thiserror::Error)]
#[error("the certificate of {} with the SHA-256 {} is not pinned", .0.subject(), .0.fingerprint_hex())]
pub(super) struct NotPinned(pub(super) Certificate);

/// The certificates that were refused last. The errors of rustls hold dates and reasons, not the certificate.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<VecDeque<(CertificateError, Certificate)>>);

/// Refusals that are remembered: enough for the handshakes of one moment.
const MAX_REFUSALS: usize = 32;

impl Refusals {
    /// Remembers the certificate that the error is about: the one with its date, or else the first.
    pub(super) fn remember(&self, error: &CertificateError, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) {
        let read = |der: &CertificateDer<'_>| Certificate::from_der(der.to_vec()).ok();
        let dated = others.iter().filter_map(read).find(|other| is_about(error, other));
        let Some(leaf) = read(leaf) else { return };
        let certificate = if is_about(error, &leaf) { leaf } else { dated.unwrap_or(leaf) };
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.push_back((error.clone(), certificate));
        if last.len() > MAX_REFUSALS {
            last.pop_front();
        }
    }

    /// The certificate that was refused with this error, unless there were several different ones.
    pub(super) fn find(&self, error: &CertificateError) -> Option<Certificate> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut matching = last.iter().filter(|(known, _)| is_same(known, error)).map(|(_, certificate)| certificate);
        let first = matching.next()?;
        matching.all(|other| other == first).then(|| first.clone())
    }
}
