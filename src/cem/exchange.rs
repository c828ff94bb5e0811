//! A request of ours on its way: what the partner answered, and when the new certificates may be used.

use std::time::SystemTime;

use crate::cem::offer::{CertificateOffer, CertificateRole};
use crate::cem::received::Decision;
use crate::cem::response::ReceivedResponse;
use crate::cem::{CemError, Reference};
use crate::certificate::Certificate;
use crate::name::{As2Name, printable};
use crate::profile::PartnerProfile;
use crate::stored::{FormatVersion, Instant};

/// A certificate exchange request that was sent. Save it with the request, before the first octet leaves.
///
/// With feature `serde` it can be stored for as long as the response may take.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[must_use = "without it the response cannot be judged"]
pub struct CertificateExchange {
    version: FormatVersion,
    request_id: String,
    us: As2Name,
    them: As2Name,
    sent_at: Instant,
    offers: Vec<Offered>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
struct Offered {
    offer: CertificateOffer,
    state: OfferState,
}

/// What the partner said about an offered certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum OfferState {
    /// Nothing yet.
    Open,
    /// He trusts it.
    Accepted,
    /// He does not, for this reason.
    Rejected(String),
}

/// Whether a new certificate may be used for signing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readiness {
    /// Every partner to whom it was offered has accepted it.
    Ready,
    /// The dates to respond by have passed, but these partners have not accepted it: they will not verify what is
    /// signed with it until they do.
    Due {
        /// The partners.
        without: Vec<As2Name>,
    },
    /// Not yet.
    Wait {
        /// The partners that have not accepted it.
        on: Vec<As2Name>,
        /// When all dates to respond by have passed; `None` if a partner was given none, or rejected it.
        until: Option<SystemTime>,
    },
}

impl CertificateExchange {
    pub(super) fn new(
        request_id: String,
        profile: &PartnerProfile,
        now: SystemTime,
        offers: Vec<CertificateOffer>,
    ) -> Self {
        Self {
            version: FormatVersion,
            request_id,
            us: profile.us.clone(),
            them: profile.them.clone(),
            sent_at: Instant(now),
            offers: offers.into_iter().map(|offer| Offered { offer, state: OfferState::Open }).collect(),
        }
    }

    /// The identifier that the response will carry.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The partner.
    #[must_use]
    pub fn them(&self) -> &As2Name {
        &self.them
    }

    /// When the request was built.
    #[must_use]
    pub fn sent_at(&self) -> SystemTime {
        self.sent_at.0
    }

    /// The offers, and what the partner said to each.
    pub fn offers(&self) -> impl Iterator<Item = (&CertificateOffer, &OfferState)> {
        self.offers.iter().map(|offered| (&offered.offer, &offered.state))
    }

    /// Whether the partner has said something to every offer.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.offers.iter().all(|offered| offered.state != OfferState::Open)
    }

    /// Takes the partner's response. Nothing changes if there is an error; the same response may come again.
    ///
    /// # Errors
    /// [`CemError::UnknownRequest`], [`CemError::UnknownReference`] or [`CemError::Contradiction`] if it does not answer
    /// this request.
    pub fn settle(&mut self, response: &ReceivedResponse) -> Result<(), CemError> {
        if response.request_id() != self.request_id || response.from() != self.them.as_str() {
            return Err(CemError::UnknownRequest(printable(response.request_id())));
        }
        let mut offers = self.offers.clone();
        for answer in response.answers() {
            let state = match answer.decision() {
                Decision::Accept => OfferState::Accepted,
                Decision::Reject(reason) => OfferState::Rejected(reason.clone()),
            };
            apply(&mut offers, answer.reference(), &state)?;
        }
        self.offers = offers;
        Ok(())
    }

    /// Whether `certificate` may sign from `now` on, towards all partners to whom it was offered for that in `exchanges`. Of several
    /// exchanges with one partner the newest counts.
    ///
    /// A key that only one partner needs is asked about with his exchange alone. Our decrypting keys have no such
    /// question: the new one must be in the identity before the request is sent, since the partner encrypts to it as
    /// soon as he accepts.
    #[must_use]
    pub fn readiness(exchanges: &[Self], certificate: &Certificate, now: SystemTime) -> Readiness {
        let meant = |offer: &CertificateOffer| {
            offer.certificate == *certificate && offer.is_for(CertificateRole::DigitalSignature)
        };
        // What was refused may be offered again: the newest offer to a partner counts.
        let is_superseded = |exchange: &Self| {
            exchanges.iter().any(|other| {
                (&other.us, &other.them) == (&exchange.us, &exchange.them)
                    && other.sent_at.0 > exchange.sent_at.0
                    && other.offers().any(|(offer, _)| meant(offer))
            })
        };
        let (mut without, mut until, mut never) = (Vec::new(), now, false);
        for exchange in exchanges.iter().filter(|exchange| !is_superseded(exchange)) {
            for (offer, state) in exchange.offers().filter(|(offer, _)| meant(offer)) {
                if *state == OfferState::Accepted {
                    continue;
                }
                without.push(exchange.them.clone());
                match (state, offer.respond_by) {
                    (OfferState::Open, Some(date)) => until = until.max(date.0),
                    _ => never = true,
                }
            }
        }
        if without.is_empty() {
            Readiness::Ready
        } else if never || until > now {
            Readiness::Wait { on: without, until: (!never).then_some(until) }
        } else {
            Readiness::Due { without }
        }
    }
}

fn apply(offers: &mut [Offered], reference: &Reference, state: &OfferState) -> Result<(), CemError> {
    let mut known = false;
    // A certificate may be offered twice, for one role each.
    for offered in offers.iter_mut().filter(|offered| reference.names(&offered.offer.certificate)) {
        known = true;
        let changes = matches!(
            (&offered.state, state),
            (OfferState::Accepted, OfferState::Rejected(_)) | (OfferState::Rejected(_), OfferState::Accepted)
        );
        if changes {
            return Err(CemError::Contradiction { serial: printable(&reference.serial) });
        }
        offered.state = state.clone();
    }
    let (issuer, serial) = (printable(&reference.issuer), printable(&reference.serial));
    if known { Ok(()) } else { Err(CemError::UnknownReference { issuer, serial }) }
}
