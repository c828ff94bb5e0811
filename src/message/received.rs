//! A received message: opened by our identity under one partner's terms, into something accepted or refused.
//! Both can be answered, and nothing else can be done with either without an answer at hand.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::algorithm::DigestAlgorithm;
use crate::announce::Announcement;
use crate::certificate::CertificateUse;
use crate::error::{Answer, ReceiveError};
use crate::headers::CONTENT_TRANSFER_ENCODING;
use crate::identity::{Identity, OwnCertificate};
use crate::limits::Limits;
use crate::mdn::{Disposition, MdnRequest};
use crate::message::authenticity::Authenticity;
use crate::message::origin::OriginEvidence;
use crate::message::parser::Head;
use crate::message::payload::ReceivedPayload;
use crate::message::refused::Refused;
use crate::message::verdict::Verdict;
use crate::mime::param::ContentType;
use crate::name::{ReceivedId, ReceivedName};
use crate::note::{Note, SignedOctets};
use crate::partner::Partner;
use crate::profile::{AcceptTerms, DuplicateTerms, Explain, WeakReceipt};
use crate::receipt::builder::{Asked, MdnBuilder, Reply};
use crate::rollover::{Observation, ObservedUse};
use crate::smime::layer::Layer;
use crate::smime::mic::{Mic, MicRule, MicScope};
use crate::smime::peel::{Current, Opened, PeelTerms, peel};
use crate::step::Step;
use crate::trust::UseTerms;

/// A message whose headers were read; nothing is decrypted and nothing is verified.
#[derive(Clone)]
#[must_use = "the partner is waiting for a reply"]
pub struct Envelope {
    head: Head,
    content_type: Option<ContentType>,
    body: Bytes,
    limits: Limits,
}

impl Envelope {
    pub(crate) fn new(head: Head, content_type: Option<ContentType>, body: Bytes, limits: Limits) -> Self {
        Self { head, content_type, body, limits }
    }

    /// The sender's name (AS2-From): a claim until the message is opened.
    #[must_use]
    pub fn from(&self) -> &ReceivedName {
        &self.head.from
    }

    /// The recipient's name (AS2-To).
    #[must_use]
    pub fn to(&self) -> &ReceivedName {
        &self.head.to
    }

    /// The Message-ID.
    #[must_use]
    pub fn message_id(&self) -> Option<&ReceivedId> {
        self.head.message_id.as_ref()
    }

    /// What the sender tells about itself: version, features, product.
    #[must_use]
    pub fn announced(&self) -> &Announcement {
        &self.head.announced
    }

    /// The receipt that the sender asks for.
    #[must_use]
    pub fn receipt_request(&self) -> Option<&MdnRequest> {
        self.head.receipt_request.as_ref()
    }

    pub(crate) fn headers(&self) -> &http::HeaderMap {
        &self.head.headers
    }

    pub(crate) fn octets(&self) -> &Bytes {
        &self.body
    }

    pub(crate) fn into_parts(self) -> (http::HeaderMap, Bytes) {
        (self.head.headers, self.body)
    }

    /// Opens the message: removes all layers, verifies, and judges it by the partner's terms. The decrypting key is
    /// asked in this thread.
    ///
    /// Without a partner, the message is refused as coming from an unknown one.
    ///
    /// # Errors
    /// [`Refused`] holds the exact error, and the answer that the partner gets.
    pub fn open(self, us: &Identity, partner: Option<&Partner>, now: SystemTime) -> Result<Accepted, Refused> {
        self.open_steps(us, partner, now).run()
    }

    /// Opens the message; the decrypting key may answer later.
    pub fn open_steps(
        self,
        us: &Identity,
        partner: Option<&Partner>,
        now: SystemTime,
    ) -> Step<Result<Accepted, Refused>> {
        let (head, limits) = (self.head, self.limits);
        let context = Context::new(us, partner, &head);
        let agreed = partner.filter(|partner| {
            let profile = partner.profile();
            head.from == profile.them && head.to == profile.us
        });
        let Some(partner) = agreed else {
            let error = ReceiveError::UnknownPartner {
                from: crate::name::printable(head.from.as_str()),
                to: crate::name::printable(head.to.as_str()),
            };
            return Step::Done(Err(Refused::early(context.of_nobody(), error)));
        };
        let accept = partner.profile().accept.clone();
        let mic = match check_receipt_request(head.receipt_request.as_ref(), &accept) {
            Ok(rule) => rule,
            Err(error) => return Step::Done(Err(Refused::early(context, error))),
        };
        let use_terms = UseTerms::new(&partner.profile().certificates, CertificateUse::Verification);
        let terms = PeelTerms {
            us: us.clone(),
            provider: partner.provider().clone(),
            signers: partner.signers(use_terms, now),
            accept,
            limits,
            now,
            mic,
        };
        let field = |name: &str| head.headers.get(name).map(|value| value.as_bytes().to_vec());
        let outer = Current {
            content_type: self.content_type,
            transfer: field(CONTENT_TRANSFER_ENCODING),
            disposition: field("content-disposition"),
            body: self.body,
            whole: None,
        };
        peel(outer, terms).map(move |peeled| match peeled {
            Ok(opened) => Ok(Accepted::new(context, opened, now)),
            Err(failure) => Err(Refused::new(context, *failure)),
        })
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope").field("head", &self.head).field("octets", &self.body.len()).finish_non_exhaustive()
    }
}

/// Who talks to whom about which message: what every answer needs.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    us: Identity,
    pub(super) partner: Option<Partner>,
    asked: Asked,
    announced: Announcement,
    pub(super) notes: Vec<Note>,
}

impl Context {
    fn new(us: &Identity, partner: Option<&Partner>, head: &Head) -> Self {
        let text =
            |name: &str| head.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Self {
            us: us.clone(),
            partner: partner.cloned(),
            asked: Asked {
                from: head.from.clone(),
                to: head.to.clone(),
                message_id: head.message_id.clone(),
                subject: text("subject"),
                date: text("date"),
                request: head.receipt_request.clone(),
            },
            announced: head.announced.clone(),
            notes: head.notes.clone(),
        }
    }

    /// The agreement does not cover these names, so none of its terms apply.
    pub(super) fn of_nobody(mut self) -> Self {
        self.partner = None;
        self
    }

    pub(super) fn explain(&self) -> Explain {
        self.partner.as_ref().map_or(Explain::Safe, |partner| partner.profile().accept.explain)
    }

    pub(super) fn mdn(self, answer: Answer, mic: Option<Mic>, signature: Option<DigestAlgorithm>) -> MdnBuilder {
        MdnBuilder::new(self.us, self.partner, self.asked, answer, mic, signature, self.notes)
    }
}

/// Whether the receipt can be given as it is asked for (RFC 4130 sections 7.3 and 7.5.3).
fn check_receipt_request(request: Option<&MdnRequest>, accept: &AcceptTerms) -> Result<MicRule, ReceiveError> {
    let Some(signed) = request.and_then(MdnRequest::signed) else { return Ok(MicRule::default()) };
    let known_protocol = signed.protocols().is_empty() || signed.supports_pkcs7();
    if signed.protocol_required() && !known_protocol {
        return Err(ReceiveError::UnsupportedReceiptFormat(signed.protocols().join(", ")));
    }
    if let Some(attribute) = signed.unknown_required().first() {
        return Err(ReceiveError::UnsupportedReceiptFormat(attribute.clone()));
    }
    let names = signed.micalgs();
    let mut listed: Vec<_> = names.iter().filter_map(|name| DigestAlgorithm::from_micalg(name)).collect();
    // MD5 and SHA-224 count as unknown names, unless the agreement takes signatures with them.
    listed.retain(|digest| digest.is_usual() || accept.digests.contains(digest));
    let weak_only = !listed.is_empty() && !listed.iter().any(|digest| digest.is_strong());
    let hopeless = listed.is_empty() && !names.is_empty() && signed.micalg_required();
    if hopeless || (weak_only && accept.weak_receipt == WeakReceipt::Refuse) {
        return Err(ReceiveError::UnsupportedMicAlgorithms(names.join(", ")));
    }
    Ok(MicRule { listed })
}

/// A message that fulfils the agreement. Store the payload, then say so: only then the sender is told that it arrived.
#[derive(Clone, Debug)]
#[must_use = "the partner is waiting for a reply"]
pub struct Accepted {
    context: Context,
    payload: ReceivedPayload,
    payloads: Vec<ReceivedPayload>,
    layers: Vec<Layer>,
    authenticity: Authenticity,
    mic: Mic,
    mic_scope: MicScope,
    signature: Option<DigestAlgorithm>,
    signed_octets: Option<SignedOctets>,
    evidence: Option<OriginEvidence>,
    envelope_key: Option<Vec<u8>>,
    signature_key: Option<Vec<u8>>,
    decrypted_with: Option<OwnCertificate>,
    opened_at: SystemTime,
}

impl Accepted {
    fn new(mut context: Context, opened: Opened, now: SystemTime) -> Self {
        let Opened { content_type, filename, body, documents, trail, mic, mic_scope } = opened;
        let payload = ReceivedPayload::single(content_type, filename, body);
        let payloads = if documents.is_empty() {
            vec![payload.clone()]
        } else {
            documents.into_iter().map(ReceivedPayload::from).collect()
        };
        context.notes.extend(trail.notes);
        let authenticity = match &trail.signature {
            Some(verified) => Authenticity::Signed { certificate: verified.certificate().clone() },
            None if trail.sealed => Authenticity::SealedUnsigned,
            None => Authenticity::None,
        };
        let evidence = match (&trail.signature, trail.signature_cms) {
            (Some(verified), Some(cms)) => Some(OriginEvidence::new(&context.asked, verified, cms, now)),
            _ => None,
        };
        Self {
            signature: trail.signature.as_ref().map(|verified| verified.scheme().digest()),
            signed_octets: trail.signature.as_ref().map(|verified| verified.value().form),
            signature_key: trail.signature.as_ref().map(|verified| verified.value().signature_key.clone()),
            envelope_key: trail.envelope_key,
            decrypted_with: trail.decrypted_with,
            opened_at: now,
            payload,
            payloads,
            layers: trail.layers,
            authenticity,
            mic,
            mic_scope,
            evidence,
            context,
        }
    }

    /// What the message carries, as a whole: its document, or the multipart/related of its documents as it was sent.
    #[must_use]
    pub fn payload(&self) -> &ReceivedPayload {
        &self.payload
    }

    /// Every document of the message, in the order in which they were sent: one, or the parts of a multipart/related
    /// or multipart/mixed (RFC 6362). All of them are acknowledged together.
    #[must_use]
    pub fn payloads(&self) -> &[ReceivedPayload] {
        &self.payloads
    }

    /// The main document: the root of several, or the only one.
    #[must_use]
    pub fn root(&self) -> &ReceivedPayload {
        self.payloads.iter().find(|payload| payload.is_root()).unwrap_or(&self.payload)
    }

    /// The documents beside the main one.
    pub fn attachments(&self) -> impl Iterator<Item = &ReceivedPayload> {
        self.payloads.iter().filter(|payload| !payload.is_root())
    }

    /// What the sender tells about itself.
    #[must_use]
    pub fn announced(&self) -> &Announcement {
        &self.context.announced
    }

    /// Who vouches for the document.
    #[must_use]
    pub fn authenticity(&self) -> &Authenticity {
        &self.authenticity
    }

    /// The layers that were opened, outermost first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The integrity check that the receipt will carry.
    #[must_use]
    pub fn mic(&self) -> &Mic {
        &self.mic
    }

    /// Which octets the integrity check covers.
    #[must_use]
    pub fn mic_scope(&self) -> MicScope {
        self.mic_scope
    }

    /// Which octets the signature covers, compared with those that arrived; `None` if the message is not signed. The
    /// integrity check covers the same ones, and what is delivered are they, but for [`SignedOctets::InCrlf`]: the
    /// peers that sign that form have never written it.
    #[must_use]
    pub fn signed_octets(&self) -> Option<SignedOctets> {
        self.signed_octets
    }

    /// What was tolerated.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.context.notes
    }

    /// Proof of origin to be archived: there is one if the message was signed with multipart/signed.
    #[must_use]
    pub fn evidence(&self) -> Option<&OriginEvidence> {
        self.evidence.as_ref()
    }

    /// SHA-256 of the wrapped content-encryption key: equal for every replay of this envelope, whatever its Message-ID.
    #[must_use]
    pub fn envelope_key(&self) -> Option<&[u8]> {
        self.envelope_key.as_deref()
    }

    /// SHA-256 of the signature value: equal for every replay of this signature, whatever its Message-ID.
    #[must_use]
    pub fn signature_key(&self) -> Option<&[u8]> {
        self.signature_key.as_deref()
    }

    /// The key of ours that decrypted the message, if it was encrypted: its name and certificate.
    #[must_use]
    pub fn decrypted_with(&self) -> Option<&OwnCertificate> {
        self.decrypted_with.as_ref()
    }

    /// The certificates that were seen at work: ours, if the message was encrypted, and the partner's, if it was
    /// signed. Keep them, and [`rollover_report`](crate::rollover_report) tells who still uses an old one.
    #[must_use]
    pub fn observations(&self) -> Vec<Observation> {
        let Some(partner) = &self.context.partner else { return Vec::new() };
        let them = partner.profile().them.as_str();
        let ours = self.decrypted_with.iter().map(|own| {
            Observation::new(them, ObservedUse::EncryptedToUs, own.certificate(), own.name(), self.opened_at)
        });
        let theirs = match &self.authenticity {
            Authenticity::Signed { certificate } => Some(certificate),
            _ => None,
        };
        let theirs = theirs.map(|certificate| {
            Observation::new(them, ObservedUse::SignedByThem, certificate, certificate.subject(), self.opened_at)
        });
        ours.chain(theirs).collect()
    }

    pub(crate) fn duplicate_terms(&self) -> DuplicateTerms {
        let partner = self.context.partner.as_ref();
        partner.map(|partner| partner.profile().delivery.duplicates.clone()).unwrap_or_default()
    }

    /// A receipt that says what is on record, about this message.
    pub(crate) fn receipt(&self, disposition: Disposition, text: String) -> MdnBuilder {
        let answer = Answer { disposition, text, uniform: false };
        self.context.clone().mdn(answer, Some(self.mic.clone()), self.signature)
    }

    /// Who sent it (AS2-From).
    #[cfg(feature = "cem")]
    pub(crate) fn sender(&self) -> &ReceivedName {
        &self.context.asked.from
    }

    /// The agreement under which it was opened.
    #[cfg(feature = "cem")]
    pub(crate) fn partner(&self) -> Option<&Partner> {
        self.context.partner.as_ref()
    }

    /// The payload is safe: the positive receipt may go out. There is no other way to one.
    pub fn stored(self) -> MdnBuilder {
        let disposition = Disposition::processed();
        let answer = Answer { disposition, text: "The message was received and stored.".to_owned(), uniform: false };
        self.context.mdn(answer, Some(self.mic), self.signature)
    }

    /// The application does not take the payload: the sender gets the verdict.
    pub fn failed(self, verdict: Verdict) -> MdnBuilder {
        let (disposition, text) = verdict.answer();
        self.context.mdn(Answer { disposition, text, uniform: false }, Some(self.mic), self.signature)
    }

    /// The payload cannot be stored now: no receipt, status 503, and the sender tries again.
    pub fn defer(self, retry_after: Duration) -> Reply {
        Reply::deferred(retry_after, self.context.notes)
    }
}
