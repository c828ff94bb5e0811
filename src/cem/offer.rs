//! Offering new certificates to a partner.

use std::time::SystemTime;

use crate::cem::exchange::CertificateExchange;
use crate::cem::{CemError, Reference, envelope, write_head, xml};
use crate::certificate::Certificate;
use crate::cms::certs_only;
use crate::error::SendError;
use crate::identity::Identity;
use crate::message::builder::{MessageBuilder, Outbound};
use crate::message::payload::Payload;
use crate::mime::param::ContentType;
use crate::partner::Partner;
use crate::profile::PartnerProfile;
use crate::step::Step;
use crate::stored::Instant;
use crate::url::HttpUrl;

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum CertificateRole {
    /// Messages and receipts will be signed with its key.
    DigitalSignature,
    /// Messages can be encrypted to it.
    KeyEncipherment,
    /// A TLS server will show it.
    TlsServer,
    /// A TLS client will show it.
    TlsClient,
}

impl CertificateRole {
    pub(super) const ALL: [Self; 4] = [Self::DigitalSignature, Self::KeyEncipherment, Self::TlsServer, Self::TlsClient];

    /// As the document spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DigitalSignature => "digitalSignature",
            Self::KeyEncipherment => "keyEncipherment",
            Self::TlsServer => "tlsServer",
            Self::TlsClient => "tlsClient",
        }
    }

    pub(super) fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name().eq_ignore_ascii_case(name))
    }
}

/// A certificate of ours that the partner shall trust.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct CertificateOffer {
    pub(super) certificate: Certificate,
    pub(super) chain: Vec<Certificate>,
    pub(super) roles: Vec<CertificateRole>,
    pub(super) respond_by: Option<Instant>,
    pub(super) response_url: HttpUrl,
}

impl CertificateOffer {
    /// A certificate for these roles; the response is to be posted to `response_url`, where our messages arrive.
    #[must_use]
    pub fn new(certificate: Certificate, roles: &[CertificateRole], response_url: HttpUrl) -> Self {
        Self { certificate, chain: Vec::new(), roles: roles.to_vec(), respond_by: None, response_url }
    }

    /// The certificates above it, up to the root.
    #[must_use]
    pub fn with_chain(mut self, chain: Vec<Certificate>) -> Self {
        self.chain = chain;
        self
    }

    /// When the partner should have answered: from then on the certificate may be in use whether he did or not.
    #[must_use]
    pub fn respond_by(mut self, date: SystemTime) -> Self {
        self.respond_by = Some(Instant(date));
        self
    }

    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// What it is for.
    #[must_use]
    pub fn roles(&self) -> &[CertificateRole] {
        &self.roles
    }

    pub(super) fn is_for(&self, role: CertificateRole) -> bool {
        // Without any role the draft means all of them.
        self.roles.is_empty() || self.roles.contains(&role)
    }
}

/// A certificate exchange request to one partner.
///
/// The order of the whole change is: our identity decrypts with the old key and the new one; the request goes out; the
/// partner accepts, and encrypts to the new certificate at once; we sign with the new key as soon as
/// [`CertificateExchange::readiness`] allows.
///
/// ```no_run
/// # use as2_protocol::*;
/// # use as2_protocol::cem::*;
/// # use std::time::SystemTime;
/// # fn offer(us: &Identity, acme: &Partner, new: Certificate, now: SystemTime) -> Result<(), Box<dyn std::error::Error>> {
/// let roles = [CertificateRole::DigitalSignature, CertificateRole::KeyEncipherment];
/// let offer = CertificateOffer::new(new, &roles, "https://our.example/as2".parse()?);
/// let (message, exchange) = CertificateRequest::new().offer(offer).build(us, acme, now)?;
/// // Save both, then send the message as any other.
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a request does nothing until build() is called"]
pub struct CertificateRequest {
    offers: Vec<CertificateOffer>,
}

impl CertificateRequest {
    /// A request that offers nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Offers a certificate.
    pub fn offer(mut self, offer: CertificateOffer) -> Self {
        self.offers.push(offer);
        self
    }

    /// Builds the message, and what its response will be compared with; the signing key is asked in this thread. It
    /// must be one that the partner trusts already.
    ///
    /// # Errors
    /// [`CemError`] if nothing is offered, if the agreement does not protect the message, or if it cannot be built.
    pub fn build(
        self,
        us: &Identity,
        partner: &Partner,
        now: SystemTime,
    ) -> Result<(Outbound, CertificateExchange), CemError> {
        self.steps(us, partner, now).run()
    }

    /// The same; the signing key may answer later.
    pub fn steps(
        self,
        us: &Identity,
        partner: &Partner,
        now: SystemTime,
    ) -> Step<Result<(Outbound, CertificateExchange), CemError>> {
        match self.prepare(us, partner, now) {
            Ok((message, payload, exchange)) => message.steps(payload, now).map(move |built| Ok((built?, exchange))),
            Err(error) => Step::Done(Err(error)),
        }
    }

    fn prepare(
        self,
        us: &Identity,
        partner: &Partner,
        now: SystemTime,
    ) -> Result<(MessageBuilder, Payload, CertificateExchange), CemError> {
        if self.offers.is_empty() {
            return Err(CemError::NothingOffered);
        }
        let profile = partner.profile();
        let mut random = [0; 16];
        us.provider().fill_random(&mut random).map_err(SendError::from)?;
        let token = format!("{:032x}", u128::from_be_bytes(random));
        let request_id = format!("{token}@{}", profile.message_id_domain);
        let mut parts = Parts { prefix: token, domain: &profile.message_id_domain, all: Vec::new() };
        let document = document(&self.offers, profile, &request_id, Instant(now), &mut parts);
        let attachments = parts.all;
        let (message, payload) = envelope(MessageBuilder::new(us, partner), partner, document)?;
        let message = attachments.into_iter().fold(message, MessageBuilder::attach);
        Ok((message, payload, CertificateExchange::new(request_id, profile, now, self.offers)))
    }
}

/// The certificates of a request, each a part of its own.
struct Parts<'a> {
    prefix: String,
    domain: &'a str,
    all: Vec<Payload>,
}

impl Parts<'_> {
    /// Adds a part; its Content-ID.
    fn add(&mut self, certificate: &Certificate) -> String {
        let id = format!("{}.cert{}@{}", self.prefix, self.all.len(), self.domain);
        let content = certs_only::write(&[certificate.der()]);
        self.all.push(Payload::new(ContentType::certs_only(), content).with_content_id(&id).with_filename("smime.p7c"));
        id
    }
}

fn document(
    offers: &[CertificateOffer],
    profile: &PartnerProfile,
    request_id: &str,
    now: Instant,
    parts: &mut Parts<'_>,
) -> String {
    let mut writer = xml::Writer::new("EDIINTCertificateExchangeRequest", request_id);
    write_head(&mut writer, &profile.us, now);
    for offer in offers {
        writer.begin("TrustRequest");
        for role in &offer.roles {
            writer.leaf("CertUsage", role.name());
        }
        if let Some(date) = offer.respond_by {
            writer.leaf("RespondByDate", &String::from(date));
        }
        writer.leaf("ResponseURL", &offer.response_url.to_string());
        let end = std::iter::once(("EndEntity", &offer.certificate));
        for (element, certificate) in end.chain(offer.chain.iter().map(|certificate| ("TrustChain", certificate))) {
            writer.begin(element);
            writer.begin("CertificateIdentifier");
            Reference::of(certificate).write(&mut writer);
            writer.end();
            writer.leaf("CertificateContentID", &parts.add(certificate));
            writer.end();
        }
        writer.end();
    }
    writer.finish()
}
