//! Certificate exchange messages as they are received, and the answer to a request.

use std::time::SystemTime;

use crate::cem::offer::CertificateRole;
use crate::cem::response::{self, ReceivedResponse, TrustResponse};
use crate::cem::{CemError, DOCUMENT_TYPE, Reference, xml};
use crate::certificate::Certificate;
use crate::cms::certs_only;
use crate::identity::Identity;
use crate::limits::Limits;
use crate::message::authenticity::Authenticity;
use crate::message::builder::Outbound;
use crate::message::payload::ReceivedPayload;
use crate::message::received::Accepted;
use crate::mime::related::bare_id;
use crate::name::printable;
use crate::partner::{Partner, PartnerBuilder};
use crate::step::Step;
use crate::stored::Instant;
use crate::url::HttpUrl;

/// Certificates that one message names; offers have two or four, each with a chain.
const MAX_CERTIFICATES: usize = 64;
/// Octets of one certs-only part; ten certificates with keys of 4096 bits stay under 20 KiB.
const MAX_PART: usize = 64 << 10;

/// A certificate exchange message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CemMessage {
    /// The partner offers certificates.
    Request(ReceivedRequest),
    /// The partner answers an offer of ours.
    Response(ReceivedResponse),
}

impl CemMessage {
    /// Reads an accepted message; `None` if it is no certificate exchange but a document.
    ///
    /// Whatever comes of it, the AS2 message gets its receipt: [`Accepted::stored`] after a request or response was
    /// stored, [`Accepted::failed`] with [`Verdict::ProcessingError`](crate::Verdict::ProcessingError) after an error.
    ///
    /// # Errors
    /// [`CemError`] if it is not signed, contradicts itself or its sender, or asks for a response at a forbidden place.
    pub fn read(accepted: &Accepted) -> Result<Option<Self>, CemError> {
        let root = accepted.root();
        if root.content_type().is_none_or(|content_type| content_type.essence() != DOCUMENT_TYPE) {
            return Ok(None);
        }
        if !matches!(accepted.authenticity(), Authenticity::Signed { .. }) {
            return Err(CemError::Unsigned);
        }
        let document = xml::parse(root.body())?;
        let element = document.root_element();
        let name = element.tag_name();
        let head = Head::read(element, accepted)?;
        let known = (name.namespace() == Some(xml::NAMESPACE)).then_some(name.name());
        match known {
            Some("EDIINTCertificateExchangeRequest") => {
                ReceivedRequest::read(element, head, accepted).map(|request| Some(Self::Request(request)))
            }
            Some("EDIINTCertificateExchangeResponse") => {
                let answers = trust_responses(element)?;
                Ok(Some(Self::Response(ReceivedResponse::new(head.request_id, head.from, head.originated, answers))))
            }
            _ => Err(CemError::Root(printable(name.name()))),
        }
    }
}

/// What both documents begin with.
struct Head {
    request_id: String,
    from: String,
    originated: SystemTime,
}

impl Head {
    fn read(element: roxmltree::Node<'_, '_>, accepted: &Accepted) -> Result<Self, CemError> {
        let request_id = element.attribute("requestId").unwrap_or_default().trim().to_owned();
        if request_id.is_empty() {
            return Err(CemError::Missing("requestId"));
        }
        let info = xml::child(element, "TradingPartnerInfo")?;
        let mut names = xml::children(info, "Name").filter(|name| {
            name.attribute("qualifier").is_some_and(|qualifier| qualifier.trim().eq_ignore_ascii_case("AS2"))
        });
        let name = names.next().ok_or(CemError::Missing("Name with qualifier AS2"))?;
        if names.next().is_some() {
            return Err(CemError::Repeated("Name with qualifier AS2"));
        }
        let (name, from) = (xml::text(name)?, accepted.sender().as_str());
        if name != from.trim() {
            return Err(CemError::Name { name: printable(&name), from: printable(from) });
        }
        let originated = xml::instant("MessageOriginated", &xml::child_text(info, "MessageOriginated")?)?;
        Ok(Self { request_id, from: from.to_owned(), originated })
    }
}

/// Offers of a partner.
#[derive(Clone, Debug)]
pub struct ReceivedRequest {
    request_id: String,
    originated: SystemTime,
    trust_requests: Vec<TrustRequest>,
}

/// A certificate that the partner wants to be trusted.
#[derive(Clone, Debug)]
pub struct TrustRequest {
    reference: Reference,
    certificate: Certificate,
    chain: Vec<Certificate>,
    roles: Vec<CertificateRole>,
    respond_by: Option<SystemTime>,
    response_url: HttpUrl,
}

impl TrustRequest {
    /// The certificate. That it is in a message signed under a trusted one says whose it is; its dates, key and chain
    /// are for the application to judge.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The certificates above it that came along.
    #[must_use]
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// What it is for; where the partner names nothing, everything.
    #[must_use]
    pub fn roles(&self) -> &[CertificateRole] {
        &self.roles
    }

    /// When the partner may use it, answered or not.
    #[must_use]
    pub fn respond_by(&self) -> Option<SystemTime> {
        self.respond_by
    }

    /// Where the response goes.
    #[must_use]
    pub fn response_url(&self) -> &HttpUrl {
        &self.response_url
    }

    fn read(node: roxmltree::Node<'_, '_>, accepted: &Accepted) -> Result<Self, CemError> {
        let mut roles = Vec::new();
        for usage in xml::children(node, "CertUsage") {
            let text = xml::text(usage)?;
            let value = || CemError::Value { element: "CertUsage", value: printable(&text) };
            let role = CertificateRole::read(&text).ok_or_else(value)?;
            if !roles.contains(&role) {
                roles.push(role);
            }
        }
        if roles.is_empty() {
            roles = CertificateRole::ALL.to_vec();
        }
        let respond_by = match xml::optional(node, "RespondByDate")? {
            Some(date) => Some(xml::instant("RespondByDate", &xml::text(date)?)?),
            None => None,
        };
        let response_url = response_url(&xml::child_text(node, "ResponseURL")?, accepted)?;
        let (reference, certificate) = attached(xml::child(node, "EndEntity")?, accepted)?;
        let mut chain = Vec::new();
        for link in xml::children(node, "TrustChain") {
            chain.push(attached(link, accepted)?.1);
        }
        Ok(Self { reference, certificate, chain, roles, respond_by, response_url })
    }
}

impl ReceivedRequest {
    fn read(element: roxmltree::Node<'_, '_>, head: Head, accepted: &Accepted) -> Result<Self, CemError> {
        // Each of them is looked for among the parts, and read from there.
        let named = element.descendants().filter(|node| node.tag_name().name() == "CertificateIdentifier");
        if named.count() > MAX_CERTIFICATES {
            return Err(CemError::TooLarge { what: "certificates in a request", limit: MAX_CERTIFICATES });
        }
        let read = |node| TrustRequest::read(node, accepted);
        let trust_requests = xml::children(element, "TrustRequest").map(read).collect::<Result<Vec<_>, _>>()?;
        if trust_requests.is_empty() {
            return Err(CemError::Missing("TrustRequest"));
        }
        Ok(Self { request_id: head.request_id, originated: head.originated, trust_requests })
    }

    /// The identifier that the response repeats.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// When the partner wrote the document.
    #[must_use]
    pub fn originated(&self) -> SystemTime {
        self.originated
    }

    /// The certificates that are offered.
    #[must_use]
    pub fn trust_requests(&self) -> &[TrustRequest] {
        &self.trust_requests
    }

    /// Answers each offer. Adopt what was accepted before the response is sent: the partner may use it from then on.
    pub fn answer(self, now: SystemTime, mut decide: impl FnMut(&TrustRequest) -> Decision) -> Answer {
        let (mut adoptions, mut responses) = (Vec::new(), Vec::new());
        for trust in self.trust_requests {
            let decision = decide(&trust);
            let response = TrustResponse::new(trust.reference, decision.clone());
            responses.push((trust.response_url, response));
            if decision == Decision::Accept {
                adoptions.push(Adoption { certificate: trust.certificate, roles: trust.roles, from: Instant(now) });
            }
        }
        Answer { request_id: self.request_id, adoptions, responses }
    }
}

/// What becomes of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Decision {
    /// The certificate is trusted from now on.
    Accept,
    /// It is not, for this reason, which the other side reads.
    Reject(String),
}

/// A certificate of the partner's that was accepted: store it with the partner's others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Adoption {
    certificate: Certificate,
    roles: Vec<CertificateRole>,
    from: Instant,
}

impl Adoption {
    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// What it is trusted for.
    #[must_use]
    pub fn roles(&self) -> &[CertificateRole] {
        &self.roles
    }

    /// Since when: messages are encrypted to it from then on, and signatures may verify with it.
    #[must_use]
    pub fn from(&self) -> SystemTime {
        self.from.0
    }

    /// Adds the certificate to the partner's others: what is signed under an old one still counts, and messages are
    /// encrypted to this one from [`Adoption::from`] on. TLS certificates are left to the application.
    pub fn adopt(&self, mut partner: PartnerBuilder) -> PartnerBuilder {
        if self.roles.contains(&CertificateRole::DigitalSignature) {
            partner = partner.verify_with(self.certificate.clone());
        }
        if self.roles.contains(&CertificateRole::KeyEncipherment) {
            partner = partner.encrypt_to_from(self.certificate.clone(), Some(self.from.0));
        }
        partner
    }
}

/// The answer to a request: what to adopt, and what to send.
#[derive(Clone, Debug)]
#[must_use = "the partner is waiting for the response"]
pub struct Answer {
    request_id: String,
    adoptions: Vec<Adoption>,
    responses: Vec<(HttpUrl, TrustResponse)>,
}

impl Answer {
    /// The certificates that were accepted.
    #[must_use]
    pub fn adoptions(&self) -> &[Adoption] {
        &self.adoptions
    }

    /// Builds the response, one message for each place where one is asked for; the signing key is asked in this thread.
    ///
    /// # Errors
    /// [`CemError`] if the agreement does not protect the message, or if it cannot be built.
    pub fn build(&self, us: &Identity, partner: &Partner, now: SystemTime) -> Result<Vec<Outbound>, CemError> {
        self.steps(us, partner, now).into_iter().map(Step::run).collect()
    }

    /// The same; the signing key may answer later, for each message on its own.
    #[must_use]
    pub fn steps(&self, us: &Identity, partner: &Partner, now: SystemTime) -> Vec<Step<Result<Outbound, CemError>>> {
        let mut places: Vec<(&HttpUrl, Vec<&TrustResponse>)> = Vec::new();
        for (url, answer) in &self.responses {
            match places.iter_mut().find(|(known, _)| *known == url) {
                Some((_, answers)) => answers.push(answer),
                None => places.push((url, vec![answer])),
            }
        }
        let message = |(url, answers): (&HttpUrl, Vec<&TrustResponse>)| match response::message(
            &self.request_id,
            &answers,
            us,
            partner,
            now,
        ) {
            Ok((message, payload)) => message.posted_to(url.clone()).steps(payload, now).map(|built| Ok(built?)),
            Err(error) => Step::Done(Err(error)),
        };
        places.into_iter().map(message).collect()
    }
}

/// The URL is the sender's word only: as for receipts, hosts of the agreement are called and no others.
fn response_url(text: &str, accepted: &Accepted) -> Result<HttpUrl, CemError> {
    let refused = |problem| CemError::ResponseUrl { url: printable(text), problem };
    let url: HttpUrl = text.parse().map_err(|_| refused("it is not an http or https URL without user information"))?;
    if accepted.partner().is_some_and(|partner| partner.profile().may_call(&url)) {
        return Ok(url);
    }
    Err(refused("its host is neither that of the partner's URL nor listed in `accept.receipt_hosts`"))
}

/// The certificate that an element names twice: by issuer and serial number, and by the part that holds it.
fn attached(node: roxmltree::Node<'_, '_>, accepted: &Accepted) -> Result<(Reference, Certificate), CemError> {
    let reference = Reference::read(xml::child(node, "CertificateIdentifier")?)?;
    let content_id = xml::child_text(node, "CertificateContentID")?;
    let content_id = bare_id(&content_id);
    let part = accepted.attachments().find(|part| part.content_id() == Some(content_id));
    let part = part.ok_or_else(|| CemError::ContentId(printable(content_id)))?;
    let certificates =
        certificates(part).map_err(|problem| CemError::Certificate { content_id: printable(content_id), problem })?;
    let found = certificates.into_iter().find(|certificate| reference.names(certificate));
    let certificate = found.ok_or_else(|| CemError::Identifier {
        content_id: printable(content_id),
        issuer: printable(&reference.issuer),
        serial: printable(&reference.serial),
    })?;
    Ok((reference, certificate))
}

fn certificates(part: &ReceivedPayload) -> Result<Vec<Certificate>, String> {
    if part.body().len() > MAX_PART {
        return Err(format!("it is larger than {MAX_PART} octets"));
    }
    let raw = certs_only::read(part.body().clone(), &Limits::default()).map_err(|error| error.to_string())?;
    let read = |der| Certificate::from_der(der).map_err(|error| error.to_string());
    let certificates = raw.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() { Err("there is none".to_owned()) } else { Ok(certificates) }
}

fn trust_responses(element: roxmltree::Node<'_, '_>) -> Result<Vec<TrustResponse>, CemError> {
    let mut answers = Vec::new();
    for node in xml::children(element, "TrustResponse") {
        if answers.len() >= MAX_CERTIFICATES {
            return Err(CemError::TooLarge { what: "certificates in a response", limit: MAX_CERTIFICATES });
        }
        answers.push(TrustResponse::read(node)?);
    }
    if answers.is_empty() { Err(CemError::Missing("TrustResponse")) } else { Ok(answers) }
}
