//! A received message: opened by our identity under one partner's terms, into something accepted or refused.
//! Both can be answered, and nothing else can be done with either without an answer at hand.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::algorithm::DigestAlgorithm;
use crate::announce::Announcement;
use crate::error::Answer;
use crate::identity::{Identity, OwnCertificate};
use crate::limits::Limits;
use crate::mdn::{Disposition, MdnRequest};
use crate::message::authenticity::Authenticity;
use crate::message::opening::{Context, Opening};
use crate::message::origin::OriginEvidence;
use crate::message::parser::Head;
use crate::message::payload::ReceivedPayload;
use crate::message::refused::Refused;
use crate::message::verdict::Verdict;
use crate::mime::param::ContentType;
use crate::name::{ReceivedId, ReceivedName};
use crate::note::{Note, SignedOctets};
use crate::partner::Partner;
use crate::profile::DuplicateTerms;
use crate::receipt::builder::{MdnBuilder, Reply};
use crate::rollover::{Observation, ObservedUse};
use crate::smime::current::Current;
use crate::smime::layer::Layer;
use crate::smime::mic::{Mic, MicScope};
use crate::smime::passed::Body;
use crate::smime::peel::{Opened, peel};
use crate::step::Step;

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

    #[cfg(fuzzing)]
    pub(crate) fn head(&self) -> &Head {
        &self.head
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
        let Self { head, content_type, body, limits } = self;
        let Opening { context, terms, outer } = match Opening::new(head, content_type, limits, (us, partner), now) {
            Ok(opening) => opening,
            Err(refused) => return Step::Done(Err(refused)),
        };
        let outer = Current { body: Body::Whole(body), ..outer };
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
    signature_cms: Option<Bytes>,
    envelope_key: Option<Vec<u8>>,
    signature_key: Option<Vec<u8>>,
    decrypted_with: Option<OwnCertificate>,
    opened_at: SystemTime,
}

impl Accepted {
    pub(crate) fn new(mut context: Context, opened: Opened, now: SystemTime) -> Self {
        let Opened { content_type, filename, body, documents, trail, mic, mic_scope, .. } = opened;
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
        let at_hand = trail.signature.as_ref().filter(|verified| !verified.value().passed);
        let evidence = match (at_hand, &trail.signature_cms) {
            (Some(verified), Some(cms)) => Some(OriginEvidence::new(&context.asked, verified, cms.clone(), now)),
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
            signature_cms: trail.signature_cms,
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

    pub(crate) fn signature_cms(&self) -> Option<&Bytes> {
        self.signature_cms.as_ref()
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
