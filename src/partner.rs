//! Who they are: the profile together with the partner's certificates, checked once.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

mod check;

use crate::certificate::{Certificate, CertificateUse};
use crate::crypto::CryptoProvider;
use crate::error::{CertificateFault, SetupError};
use crate::note::Note;
use crate::profile::{PartnerProfile, Strictness};
use crate::trust::{Revocation, RevocationCheck, Signers, Trust, UseTerms};

/// One trading partner: the agreement and the certificates that are trusted for it.
///
/// A certificate that comes inside a message never replaces a configured one. Cheap to clone and to share.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let pem: &[u8] = b"";
/// use as2_protocol::{Certificate, CryptoProvider, Partner, PartnerProfile};
/// let profile = PartnerProfile::new("Our Co".parse()?, "ACME".parse()?, "https://acme.example/as2".parse()?);
/// let certificate = Certificate::from_pem(pem)?;
/// let acme = Partner::builder(profile, CryptoProvider::rustcrypto())
///     .encrypt_to(certificate.clone())
///     .verify_with(certificate)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Partner {
    inner: Arc<Inner>,
}

struct Inner {
    profile: PartnerProfile,
    provider: CryptoProvider,
    encryption: Vec<EncryptionCertificate>,
    /// Recipients beside the partner.
    further: Vec<Certificate>,
    verification: Vec<VerificationCertificate>,
    trust: Trust,
    revocation: Option<RevocationCheck>,
    notes: Vec<Note>,
}

impl Inner {
    /// The certificates that messages may be encrypted to.
    fn recipients(&self) -> impl Iterator<Item = &Certificate> {
        self.encryption.iter().map(|own| &own.certificate).chain(&self.further)
    }
}

struct EncryptionCertificate {
    certificate: Certificate,
    active_from: Option<SystemTime>,
}

#[derive(Clone)]
pub(crate) struct VerificationCertificate {
    pub(crate) certificate: Certificate,
    /// Accepted for what was sent before this time; `None` for a current certificate.
    pub(crate) retired_at: Option<SystemTime>,
}

impl Partner {
    /// Starts a partner from its profile; `provider` checks its signatures and encrypts to it.
    pub fn builder(profile: PartnerProfile, provider: CryptoProvider) -> PartnerBuilder {
        PartnerBuilder {
            inner: Inner {
                profile,
                provider,
                encryption: Vec::new(),
                further: Vec::new(),
                verification: Vec::new(),
                trust: Trust::Pin,
                revocation: None,
                notes: Vec::new(),
            },
            weak_keys_allowed: false,
        }
    }

    /// The agreement.
    #[must_use]
    pub fn profile(&self) -> &PartnerProfile {
        &self.inner.profile
    }

    /// What works, and should be looked at: sending in the clear, certificates that are not meant for their use.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.inner.notes
    }

    /// The provider that works for this partner.
    #[must_use]
    pub fn provider(&self) -> &CryptoProvider {
        &self.inner.provider
    }

    /// The certificate that messages are encrypted to at `now`: of those that are active the one activated last.
    #[must_use]
    pub fn encryption_certificate(&self, now: SystemTime) -> Option<&Certificate> {
        let active = |own: &&EncryptionCertificate| own.active_from.is_none_or(|from| from <= now);
        self.inner.encryption.iter().filter(active).max_by_key(|own| own.active_from).map(|own| &own.certificate)
    }

    /// Whether `certificate` is configured to verify this partner's signatures, now or for what was sent before.
    pub(crate) fn verifies_with(&self, certificate: &Certificate) -> bool {
        self.inner.verification.iter().any(|own| own.certificate == *certificate)
    }

    /// Whether certificates beside the configured ones may sign for the partner.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.inner.trust
    }

    /// Whom messages are encrypted to beside the partner.
    pub(crate) fn further_recipients(&self) -> &[Certificate] {
        &self.inner.further
    }

    /// Certificates that a signature made at `signed_at` may verify with: the current ones, and those retired later than that.
    fn verification_at(&self, signed_at: SystemTime) -> Vec<Certificate> {
        let acceptable = |own: &&VerificationCertificate| own.retired_at.is_none_or(|retired| signed_at <= retired);
        self.inner.verification.iter().filter(acceptable).map(|own| own.certificate.clone()).collect()
    }

    /// Certificates that were retired before `at`, each with the time.
    pub(crate) fn retired_before(&self, at: SystemTime) -> impl Iterator<Item = (Certificate, SystemTime)> {
        let retired = self.inner.verification.iter().filter_map(|own| Some((own.certificate.clone(), own.retired_at?)));
        retired.filter(move |(_, retired_at)| *retired_at < at)
    }

    /// Who may sign at `at` what is used so, by these terms.
    pub(crate) fn signers(&self, terms: UseTerms, at: SystemTime) -> Signers {
        Signers {
            trusted: self.verification_at(at),
            trust: self.inner.trust.clone(),
            terms: terms.with_revocation(self.inner.revocation.clone()),
        }
    }

    /// Whether a message may be encrypted to `certificate` now, and what is to be noted then.
    pub(crate) fn check_recipient(
        &self,
        certificate: &Certificate,
        now: SystemTime,
    ) -> Result<Vec<Note>, CertificateFault> {
        let terms = UseTerms::new(&self.inner.profile.certificates, CertificateUse::Encryption);
        terms.with_revocation(self.inner.revocation.clone()).judge(certificate, now)
    }

    pub(crate) fn current_verification(&self) -> impl Iterator<Item = &Certificate> {
        let current = self.inner.verification.iter().filter(|own| own.retired_at.is_none());
        current.map(|own| &own.certificate)
    }

    /// The certificates to encrypt to, each with the times from which on it is used and another one is.
    pub(crate) fn encryption_periods(
        &self,
    ) -> impl Iterator<Item = (&Certificate, Option<SystemTime>, Option<SystemTime>)> {
        let all = &self.inner.encryption;
        all.iter().enumerate().map(move |(at, own)| {
            // Of two that are active from the same time on the later one is used.
            let later =
                all.iter().enumerate().filter(|(other, next)| (next.active_from, *other) > (own.active_from, at));
            let next = later.map(|(_, next)| next.active_from).min();
            (&own.certificate, own.active_from, next.map(|from| from.unwrap_or(SystemTime::UNIX_EPOCH)))
        })
    }
}

impl fmt::Debug for Partner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partner")
            .field("us", &self.inner.profile.us)
            .field("them", &self.inner.profile.them)
            .finish_non_exhaustive()
    }
}

/// Collects the partner's certificates; see [`Partner::builder`].
#[must_use]
pub struct PartnerBuilder {
    inner: Inner,
    weak_keys_allowed: bool,
}

impl PartnerBuilder {
    /// A certificate to encrypt to, effective at once.
    pub fn encrypt_to(self, certificate: Certificate) -> Self {
        self.encrypt_to_from(certificate, None)
    }

    /// A certificate to encrypt to from a point in time on. The one activated last is used.
    pub fn encrypt_to_from(mut self, certificate: Certificate, active_from: Option<SystemTime>) -> Self {
        self.inner.encryption.push(EncryptionCertificate { certificate, active_from });
        self
    }

    /// A further certificate that every message is encrypted to, as for an archive or a second system of the partner's.
    /// Call it once for each. For a copy of our own see [`SendTerms::originator_copy`](crate::SendTerms::originator_copy).
    pub fn also_encrypt_to(mut self, certificate: Certificate) -> Self {
        self.inner.further.push(certificate);
        self
    }

    /// A certificate that the partner's signatures may verify with. Call it once for each.
    pub fn verify_with(mut self, certificate: Certificate) -> Self {
        self.inner.verification.push(VerificationCertificate { certificate, retired_at: None });
        self
    }

    /// A certificate that the partner no longer uses since `retired_at`: receipts for what was sent before still count.
    pub fn retired(mut self, certificate: Certificate, retired_at: SystemTime) -> Self {
        self.inner.verification.push(VerificationCertificate { certificate, retired_at: Some(retired_at) });
        self
    }

    /// Whether certificates beside the configured ones may sign for the partner. Default [`Trust::Pin`]: they may not.
    pub fn trust(mut self, trust: Trust) -> Self {
        self.inner.trust = trust;
        self
    }

    /// Asks `hook` whether certificates of the partner are revoked, configured ones too. A revoked certificate is never
    /// used; `unknown` says what happens where the hook knows nothing. Default: nobody is asked.
    pub fn revocation(mut self, hook: Arc<dyn Revocation>, unknown: Strictness) -> Self {
        self.inner.revocation = Some(RevocationCheck { hook, unknown });
        self
    }

    /// Takes certificates with RSA keys of fewer than 2048 bits, down to 1024. Without it they are refused: anybody
    /// with means can read what is encrypted to them, and sign in the partner's name.
    pub fn allow_weak_keys(mut self) -> Self {
        self.weak_keys_allowed = true;
        self
    }

    /// Checks the agreement as a whole.
    ///
    /// # Errors
    /// [`SetupError::Contradictions`] with every contradiction that was found, not only the first;
    /// [`SetupError::WeakKey`] for an RSA key of fewer than 2048 bits.
    pub fn build(mut self) -> Result<Partner, SetupError> {
        self.inner.notes = check::notes(&self.inner);
        let found = check::contradictions(&self.inner);
        if !found.is_empty() {
            return Err(SetupError::Contradictions(found));
        }
        if !self.weak_keys_allowed {
            let verification = self.inner.verification.iter().map(|own| &own.certificate);
            self.inner.recipients().chain(verification).try_for_each(SetupError::check_strength)?;
        }
        Ok(Partner { inner: Arc::new(self.inner) })
    }
}

impl fmt::Debug for PartnerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartnerBuilder").field("them", &self.inner.profile.them).finish_non_exhaustive()
    }
}
