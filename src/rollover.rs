//! Which certificates were seen at work, and which partners have not changed over to a new one yet.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::certificate::Certificate;
#[cfg(feature = "serde")]
use crate::stored::rfc3339;

/// A certificate that was seen at work. Results make them; store them, and ask [`rollover_report`] and [`last_seen`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Observation {
    /// The partner's AS2 name.
    pub partner: String,
    /// When it was seen. For receipts: when they were judged.
    #[cfg_attr(feature = "serde", serde(with = "rfc3339"))]
    pub at: SystemTime,
    /// At which work.
    pub usage: ObservedUse,
    /// SHA-256 fingerprint of the certificate in lower-case hexadecimal.
    pub fingerprint: String,
    /// Our name of the key, if it is one of ours; the subject of the certificate if it is the partner's.
    pub name: String,
}

/// At which work a certificate was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum ObservedUse {
    /// The partner encrypted a message to ours.
    EncryptedToUs,
    /// The partner signed a message with his.
    SignedByThem,
    /// The partner signed a receipt with his.
    ReceiptSignedByThem,
    /// We signed a message with ours.
    SignedByUs,
    /// We encrypted a message to the partner's.
    EncryptedToThem,
}

impl Observation {
    /// An observation from elsewhere, such as the log of another program.
    #[must_use]
    pub fn new(
        partner: impl Into<String>,
        usage: ObservedUse,
        certificate: &Certificate,
        name: impl Into<String>,
        at: SystemTime,
    ) -> Self {
        let fingerprint = certificate.fingerprint_hex();
        Self { partner: partner.into(), at, usage, fingerprint, name: name.into() }
    }
}

/// The change from one certificate to another, as far as partners have come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct RolloverReport {
    /// One entry for each partner, by name.
    pub partners: Vec<RolloverEntry>,
}

/// How far one partner has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct RolloverEntry {
    /// The partner's AS2 name.
    pub partner: String,
    /// Where the partner stands.
    pub state: RolloverState,
    /// When the old certificate was last seen at work.
    #[cfg_attr(feature = "serde", serde(with = "rfc3339::option", default))]
    pub old_last_seen: Option<SystemTime>,
    /// When the new certificate was last seen at work.
    #[cfg_attr(feature = "serde", serde(with = "rfc3339::option", default))]
    pub new_last_seen: Option<SystemTime>,
}

/// Where a partner stands in the change from one certificate to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum RolloverState {
    /// The old certificate is what was seen last: it must stay.
    StillOld,
    /// Neither was seen: ask.
    Unseen,
    /// The new certificate is what was seen last.
    Changed,
}

impl RolloverReport {
    /// The partners that still use the old certificate.
    pub fn still_old(&self) -> impl Iterator<Item = &str> {
        self.in_state(RolloverState::StillOld)
    }

    /// The partners that were not seen with the new certificate yet, whether or not with the old one.
    pub fn not_yet_on_new(&self) -> impl Iterator<Item = &str> {
        self.partners.iter().filter(|entry| entry.new_last_seen.is_none()).map(|entry| &*entry.partner)
    }

    /// Whether every partner was last seen with the new certificate, so that the old one can go.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.partners.iter().all(|entry| entry.state == RolloverState::Changed)
    }

    fn in_state(&self, state: RolloverState) -> impl Iterator<Item = &str> {
        self.partners.iter().filter(move |entry| entry.state == state).map(|entry| &*entry.partner)
    }
}

/// Which partners still use the old certificate?
///
/// `partners` are those that should change over, by AS2 name; a partner that was seen with either certificate is in
/// the report even if he is not listed.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use as2_protocol::{Certificate, Observation, ObservedUse, rollover_report};
/// # let old = Certificate::from_pem(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/worked/keys/bob-sign.crt")))?;
/// # let new = Certificate::from_pem(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/worked/keys/bob-enc.crt")))?;
/// let day = |n: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(n * 86_400);
/// let usage = ObservedUse::EncryptedToUs;
/// let seen = [
///     Observation::new("ACME", usage, &old, "2025", day(1)), // as Accepted::observations() gives them
///     Observation::new("ACME", usage, &new, "2026", day(2)),
///     Observation::new("Initech", usage, &old, "2025", day(3)),
/// ];
/// let report = rollover_report(&seen, usage, &old, &new, ["ACME", "Initech", "Umbrella"]);
/// assert_eq!(report.still_old().collect::<Vec<_>>(), ["Initech"]);
/// assert_eq!(report.not_yet_on_new().collect::<Vec<_>>(), ["Initech", "Umbrella"]);
/// # Ok::<_, as2_protocol::CertificateError>(())
/// ```
#[must_use]
pub fn rollover_report<'a, 'b>(
    observations: impl IntoIterator<Item = &'a Observation>,
    usage: ObservedUse,
    old: &Certificate,
    new: &Certificate,
    partners: impl IntoIterator<Item = &'b str>,
) -> RolloverReport {
    let (old, new) = (old.fingerprint_hex(), new.fingerprint_hex());
    let mut seen: BTreeMap<String, [Option<SystemTime>; 2]> =
        partners.into_iter().map(|partner| (partner.to_owned(), [None, None])).collect();
    for observation in observations.into_iter().filter(|observation| observation.usage == usage) {
        let is_old = observation.fingerprint == old;
        if is_old || observation.fingerprint == new {
            let [on_old, on_new] = seen.entry(observation.partner.clone()).or_default();
            let last = if is_old { on_old } else { on_new };
            *last = (*last).max(Some(observation.at));
        }
    }
    let entry = |(partner, [old_last_seen, new_last_seen]): (String, [Option<SystemTime>; 2])| {
        let state = match (old_last_seen, new_last_seen) {
            (None, None) => RolloverState::Unseen,
            (old, new) if old >= new => RolloverState::StillOld,
            _ => RolloverState::Changed,
        };
        RolloverEntry { partner, state, old_last_seen, new_last_seen }
    };
    RolloverReport { partners: seen.into_iter().map(entry).collect() }
}

/// The latest observation of each certificate, for each partner and use: what there is to choose an old and a new one from.
#[must_use]
pub fn last_seen<'a>(observations: impl IntoIterator<Item = &'a Observation>) -> Vec<Observation> {
    let mut latest: BTreeMap<(&str, ObservedUse, &str), &Observation> = BTreeMap::new();
    for observation in observations {
        let key = (&*observation.partner, observation.usage, &*observation.fingerprint);
        let last = latest.entry(key).or_insert(observation);
        if last.at < observation.at {
            *last = observation;
        }
    }
    latest.into_values().cloned().collect()
}
