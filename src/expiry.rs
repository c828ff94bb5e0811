//! Certificates that expire soon, have expired or are not valid yet: a report that a service can alert on.

use std::time::{Duration, SystemTime};

use crate::certificate::{Certificate, CertificateUse, Whose};
use crate::identity::Identity;
use crate::partner::Partner;
#[cfg(feature = "serde")]
use crate::stored::rfc3339;

/// The certificates to be watched: those of identities, of partners, and any others such as those of TLS.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use as2_protocol::{Certificate, CertificateUse, CertificateWatch, ExpiryState, Whose};
/// # let pem = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/worked/keys/bob-sign.crt"));
/// let tls = Certificate::from_pem(pem)?;
/// let now = tls.not_after() - Duration::from_secs(20 * 86_400 + 5);
/// let watch = CertificateWatch::new().certificate("as2.example", Whose::Ours, CertificateUse::TlsServer, &tls);
/// let report = watch.expiring(now, Duration::from_secs(30 * 86_400));
/// assert_eq!((report[0].state, report[0].days_left, &*report[0].who), (ExpiryState::Expiring, 20, "as2.example"));
/// # Ok::<_, as2_protocol::CertificateError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a watch reports nothing until it is asked"]
pub struct CertificateWatch {
    watched: Vec<Watched>,
}

#[derive(Clone, Debug)]
struct Watched {
    who: String,
    whose: Whose,
    usage: CertificateUse,
    name: Option<String>,
    active_from: Option<SystemTime>,
    /// When another one takes its place.
    replaced_at: Option<SystemTime>,
    certificate: Certificate,
}

/// A certificate that needs attention.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct ExpiryEntry {
    /// Expired, expiring, or not valid yet.
    pub state: ExpiryState,
    /// Who it belongs to: the label of an identity, the AS2 name of a partner, or the label that was given.
    pub who: String,
    /// Whether it is ours or the partner's.
    pub whose: Whose,
    /// What it is used for.
    pub usage: CertificateUse,
    /// Our name of the key, if it has one.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub name: Option<String>,
    /// Subject of the certificate.
    pub subject: String,
    /// Serial number in hexadecimal.
    pub serial: String,
    /// SHA-256 fingerprint in hexadecimal.
    pub fingerprint: String,
    /// Start of the validity period.
    #[cfg_attr(feature = "serde", serde(with = "rfc3339"))]
    pub not_before: SystemTime,
    /// End of the validity period.
    #[cfg_attr(feature = "serde", serde(with = "rfc3339"))]
    pub not_after: SystemTime,
    /// Whole days until it expires; below zero for an expired one.
    pub days_left: i64,
}

/// Why a certificate needs attention, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum ExpiryState {
    /// It has expired.
    Expired,
    /// It expires within the time that was asked about.
    Expiring,
    /// It is not valid yet, and would be used already.
    NotYetValid,
}

impl CertificateWatch {
    /// Watches nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds all certificates of an identity of ours, under a label.
    pub fn identity(mut self, who: impl Into<String>, identity: &Identity) -> Self {
        let who = who.into();
        for signing in identity.all_signing() {
            let Some(leaf) = signing.leaf() else { continue };
            let watched = Watched::new(&who, Whose::Ours, CertificateUse::Signing, leaf).named(&signing.name);
            self.watched.push(Watched { active_from: signing.active_from, ..watched });
        }
        for own in identity.decrypting() {
            let watched = Watched::new(&who, Whose::Ours, CertificateUse::Decryption, &own.certificate);
            self.watched.push(watched.named(&own.name));
        }
        self
    }

    /// Adds the certificates of a partner that are in use or will be. Retired ones are left out, and a certificate to
    /// encrypt to is not reported where another one takes its place in time.
    pub fn partner(mut self, partner: &Partner) -> Self {
        let who = partner.profile().them.as_str().to_owned();
        for (certificate, active_from, replaced_at) in partner.encryption_periods() {
            let watched = Watched::new(&who, Whose::Partners, CertificateUse::Encryption, certificate);
            self.watched.push(Watched { active_from, replaced_at, ..watched });
        }
        let verification =
            partner.current_verification().map(|certificate| (CertificateUse::Verification, certificate));
        let anchors = partner.trust().anchors().iter().map(|anchor| (CertificateUse::TrustAnchor, anchor));
        for (usage, certificate) in verification.chain(anchors) {
            self.watched.push(Watched::new(&who, Whose::Partners, usage, certificate));
        }
        self
    }

    /// Adds any other certificate, such as one of TLS.
    pub fn certificate(
        mut self,
        who: impl Into<String>,
        whose: Whose,
        usage: CertificateUse,
        certificate: &Certificate,
    ) -> Self {
        self.watched.push(Watched::new(&who.into(), whose, usage, certificate));
        self
    }

    /// The certificates that have expired, that expire within a time, and that are not valid yet although they would
    /// be used: in this order, and in the order in which they expire.
    #[must_use]
    pub fn expiring(&self, now: SystemTime, within: Duration) -> Vec<ExpiryEntry> {
        let horizon = now.checked_add(within);
        let mut found: Vec<_> = self.watched.iter().filter_map(|watched| watched.entry(now, horizon)).collect();
        found.sort_by(|one, other| {
            let key = |entry: &ExpiryEntry| (entry.state, entry.not_after, entry.who.clone(), entry.usage);
            key(one).cmp(&key(other))
        });
        found
    }
}

impl Watched {
    fn new(who: &str, whose: Whose, usage: CertificateUse, certificate: &Certificate) -> Self {
        let (who, certificate) = (who.to_owned(), certificate.clone());
        Self { who, whose, usage, name: None, active_from: None, replaced_at: None, certificate }
    }

    fn named(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    fn entry(&self, now: SystemTime, horizon: Option<SystemTime>) -> Option<ExpiryEntry> {
        let certificate = &self.certificate;
        let waits = self.active_from.is_some_and(|from| now < from);
        if self.replaced_at.is_some_and(|at| at <= now || at <= certificate.not_after()) {
            return None;
        }
        let state = if now < certificate.not_before() {
            if waits {
                return None;
            }
            ExpiryState::NotYetValid
        } else if !certificate.is_valid_at(now) {
            ExpiryState::Expired
        } else if horizon.is_none_or(|horizon| certificate.not_after() <= horizon) {
            ExpiryState::Expiring
        } else {
            return None;
        };
        Some(ExpiryEntry {
            state,
            who: self.who.clone(),
            whose: self.whose,
            usage: self.usage,
            name: self.name.clone(),
            subject: certificate.subject().to_owned(),
            serial: certificate.serial_hex(),
            fingerprint: certificate.fingerprint_hex(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            days_left: days(now, certificate.not_after()),
        })
    }
}

/// Whole days from `now` until `end`, rounded down: an end that is past by a second is a day past.
fn days(now: SystemTime, end: SystemTime) -> i64 {
    const DAY: u64 = 86_400;
    let whole = |span: Duration| i64::try_from(span.as_secs() / DAY).unwrap_or(i64::MAX);
    match end.duration_since(now) {
        Ok(left) => whole(left),
        Err(past) => -whole(past.duration().saturating_add(Duration::from_secs(DAY - 1))),
    }
}
