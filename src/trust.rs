//! Which certificates may sign for a partner: those that are configured, and, as a choice, those that come with a
//! signature and are vouched for.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

#[cfg(feature = "webpki")]
mod chain;
mod judge;

#[cfg(feature = "webpki")]
pub use chain::{BoundName, ChainTrust};
pub(crate) use judge::{RevocationCheck, UseTerms, permits, purpose};

use crate::certificate::{Certificate, CertificateUse, Whose};
use crate::crypto::CryptoProvider;
use crate::error::TrustError;

/// Whether certificates beside the configured ones may sign for a partner.
///
/// Configured certificates come first whatever is chosen here, and an embedded one never replaces them: it is looked
/// at only if the signature verifies with none of them.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Trust {
    /// Only configured certificates. The default: everything that partners exchange works, self-signed too.
    #[default]
    Pin,
    /// Also a certificate that comes with the signature, if a chain leads from it to a trust anchor and it carries a
    /// name that stands for the partner.
    #[cfg(feature = "webpki")]
    Chain(Arc<ChainTrust>),
    /// Also a certificate that comes with the signature, if the application says so.
    Delegate(Arc<dyn TrustDelegate>),
}

impl Trust {
    /// Trust by chain.
    #[cfg(feature = "webpki")]
    #[must_use]
    pub fn chain(chain: ChainTrust) -> Self {
        Self::Chain(Arc::new(chain))
    }

    /// Trust by a rule of the application.
    #[must_use]
    pub fn delegate(delegate: impl TrustDelegate + 'static) -> Self {
        Self::Delegate(Arc::new(delegate))
    }

    pub(crate) fn is_pin(&self) -> bool {
        matches!(self, Self::Pin)
    }

    /// What stands behind embedded certificates, if anything does.
    pub(crate) fn as_delegate(&self) -> Option<&dyn TrustDelegate> {
        match self {
            Self::Pin => None,
            #[cfg(feature = "webpki")]
            Self::Chain(chain) => Some(&**chain),
            Self::Delegate(delegate) => Some(&**delegate),
        }
    }

    /// The anchors, for reports about expiring certificates.
    pub(crate) fn anchors(&self) -> &[Certificate] {
        match self {
            #[cfg(feature = "webpki")]
            Self::Chain(chain) => chain.anchors(),
            _ => &[],
        }
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pin => f.write_str("Pin"),
            #[cfg(feature = "webpki")]
            Self::Chain(chain) => f.debug_tuple("Chain").field(chain).finish(),
            Self::Delegate(_) => f.debug_tuple("Delegate").finish_non_exhaustive(),
        }
    }
}

/// A rule of the application for certificates that come with a signature. Closures of this form are delegates too.
///
/// It is asked only for a certificate under which the signature has verified already. It decides alone: unless it
/// compares who the certificate names with the partner (see [`Certificate::has_common_name`] and its neighbours), anybody with a certificate of the same authority speaks for
/// him (the AS2 names are outside of every signature).
///
/// ```
/// use as2_protocol::{Candidate, Trust, TrustError};
/// let known = [[0x5a; 32]]; // fingerprints that a directory gave us for this partner
/// let trust = Trust::delegate(move |candidate: &Candidate<'_>| {
///     let listed = known.contains(&candidate.certificate().fingerprint());
///     if listed { Ok(()) } else { Err(TrustError::Refused("not in the directory".to_owned())) }
/// });
/// ```
pub trait TrustDelegate: Send + Sync {
    /// Whether the candidate speaks for the partner.
    ///
    /// # Errors
    /// Why it does not; [`TrustError::Refused`] takes any text for our log. The partner is not told.
    fn judge(&self, candidate: &Candidate<'_>) -> Result<(), TrustError>;
}

impl<F> TrustDelegate for F
where
    F: for<'a> Fn(&Candidate<'a>) -> Result<(), TrustError> + Send + Sync,
{
    fn judge(&self, candidate: &Candidate<'_>) -> Result<(), TrustError> {
        self(candidate)
    }
}

/// A certificate that came with a signature, and under which that signature verified.
pub struct Candidate<'a> {
    pub(crate) certificate: &'a Certificate,
    pub(crate) embedded: &'a [Bytes],
    pub(crate) usage: CertificateUse,
    pub(crate) at: SystemTime,
    pub(crate) provider: &'a CryptoProvider,
    pub(crate) revocation: Option<&'a RevocationCheck>,
}

impl Candidate<'_> {
    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        self.certificate
    }

    /// The other certificates that came along, such as those of intermediate authorities: claims of the sender,
    /// sixteen at most.
    pub fn others(&self) -> impl Iterator<Item = Certificate> {
        let parsed = self.embedded.iter().filter_map(|der| Certificate::from_der(der.clone()).ok());
        parsed.filter(|other| other != self.certificate && other.is_small()).take(MAX_OTHERS)
    }

    /// [`CertificateUse::Verification`] for messages, [`CertificateUse::Receipts`] for receipts.
    #[must_use]
    pub fn usage(&self) -> CertificateUse {
        self.usage
    }

    /// The time that counts: when a message is opened; when the message was sent that a receipt is about.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// Asks the partner's revocation hook, if there is one, about an authority of the chain. The candidate itself is
    /// asked about in any case.
    ///
    /// # Errors
    /// [`TrustError::Certificate`] if the authority is revoked, or nobody knows and the configuration refuses that.
    pub fn check_authority(&self, authority: &Certificate) -> Result<(), TrustError> {
        let Some(check) = self.revocation else { return Ok(()) };
        check.ask(authority, (Whose::Partners, self.usage), self.at)?;
        Ok(())
    }

    /// The provider that works for the partner.
    #[must_use]
    pub fn provider(&self) -> &CryptoProvider {
        self.provider
    }
}

impl fmt::Debug for Candidate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate")
            .field("certificate", &self.certificate)
            .field("usage", &self.usage)
            .finish_non_exhaustive()
    }
}

/// Certificates beside the signer's that are looked at: chains have a handful.
const MAX_OTHERS: usize = 16;

/// Says whether certificates are revoked. Closures of this form are hooks too.
///
/// The crate fetches no lists and asks no servers: the hook answers from what the application keeps. It is asked for
/// the certificate that a signature verifies with, for each authority of a chain, and for the certificate that a
/// message is encrypted to.
pub trait Revocation: Send + Sync {
    /// The status of `certificate` at a time.
    fn status(&self, certificate: &Certificate, at: SystemTime) -> RevocationStatus;
}

impl<F> Revocation for F
where
    F: Fn(&Certificate, SystemTime) -> RevocationStatus + Send + Sync,
{
    fn status(&self, certificate: &Certificate, at: SystemTime) -> RevocationStatus {
        self(certificate, at)
    }
}

/// What is known about the revocation of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationStatus {
    /// It is not revoked.
    Good,
    /// It is revoked, and never used.
    Revoked,
    /// Nobody knows; what happens then is part of the hook's configuration.
    Unknown,
}

/// Who may sign for a partner at one use.
#[derive(Clone, Debug)]
pub(crate) struct Signers {
    /// The configured certificates.
    pub(crate) trusted: Vec<Certificate>,
    pub(crate) trust: Trust,
    pub(crate) terms: UseTerms,
}
