//! Building a message: what the application says about it, and what it gets (RFC 4130 section 5).

use std::time::SystemTime;

use crate::certificate::Certificate;
use crate::error::SendError;
use crate::identity::{Identity, OwnCertificate};
use crate::message::draft::Draft;
use crate::message::payload::{Payload, PayloadHead};
use crate::message::stream::outbound::OutboundStream;
use crate::name::MessageId;
use crate::note::Note;
use crate::partner::Partner;
use crate::receipt::pending::PendingReceipt;
use crate::rollover::{Observation, ObservedUse};
use crate::step::Step;
use crate::stored::StoredRequest;
use crate::url::HttpUrl;

/// Builds one message to one partner.
///
/// ```no_run
/// # use as2_protocol::*;
/// # fn send(us: &Identity, acme: &Partner, order: Vec<u8>, now: std::time::SystemTime) -> Result<(), SendError> {
/// let sent = MessageBuilder::new(us, acme).subject("Purchase order 4711").build(Payload::x12(order), now)?;
/// // Save both, then send: the request can be repeated octet for octet, the receipt can be awaited for days.
/// let (request, pending) = (&sent.request, &sent.pending);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until build() is called"]
pub struct MessageBuilder {
    pub(super) us: Identity,
    pub(super) partner: Partner,
    pub(super) subject: Option<String>,
    pub(super) message_id: Option<MessageId>,
    pub(super) extra: Vec<(String, String)>,
    pub(super) attachments: Vec<Payload>,
    /// Whether even a single document goes in multipart/related.
    pub(super) related: bool,
    pub(super) url: Option<HttpUrl>,
}

/// A message that is ready to be sent, and the receipt that it waits for. Save both before the first octet leaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outbound {
    /// The request, to be sent octet for octet at every attempt.
    pub request: StoredRequest,
    /// What the receipt will be checked against. It is there even if no receipt was asked for: it holds the MIC.
    pub pending: PendingReceipt,
    /// The key of ours that signed, and its certificate.
    pub signed_with: Option<OwnCertificate>,
    /// The certificates of the partner that the message is encrypted to.
    pub encrypted_to: Vec<Certificate>,
    /// What was tolerated, such as a certificate that has expired where the agreement lets that pass.
    pub notes: Vec<Note>,
}

impl Outbound {
    /// The certificates at work, for [`rollover_report`](crate::rollover_report): which partners we ourselves still
    /// serve with old ones.
    #[must_use]
    pub fn observations(&self) -> Vec<Observation> {
        observations(&self.pending, self.signed_with.as_ref(), &self.encrypted_to)
    }
}

impl MessageBuilder {
    /// A message from us to `partner`, as its profile says.
    pub fn new(us: &Identity, partner: &Partner) -> Self {
        let (us, partner) = (us.clone(), partner.clone());
        Self {
            us,
            partner,
            subject: None,
            message_id: None,
            extra: Vec::new(),
            attachments: Vec::new(),
            related: false,
            url: None,
        }
    }

    /// The subject, for people who read logs and receipts; without it, that of the profile. Anything that is not ASCII is encoded (RFC 2047).
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// A Message-ID of the caller's, instead of a fresh one. It must never have been used for other content.
    pub fn message_id(mut self, id: MessageId) -> Self {
        self.message_id = Some(id);
        self
    }

    /// A further HTTP header field. Those of AS2 itself are never set by it, be they part of this message or not.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extra.push((name.into(), value.into()));
        self
    }

    /// A further document in the same message (RFC 6362): the one given to [`MessageBuilder::build`] is the main one and
    /// comes first, the others follow in the order of the calls. All are signed, compressed and encrypted together, and
    /// acknowledged together. What is done if the partner may not take them, `send.attachments` says.
    pub fn attach(mut self, document: Payload) -> Self {
        self.attachments.push(document);
        self
    }

    /// Puts the documents into multipart/related whatever their number and the agreement on attachments.
    #[cfg(feature = "cem")]
    pub(crate) fn related(mut self) -> Self {
        self.related = true;
        self
    }

    /// Sends the message to another place of the partner's.
    #[cfg(feature = "cem")]
    pub(crate) fn posted_to(mut self, url: HttpUrl) -> Self {
        self.url = Some(url);
        self
    }

    /// Builds the message; the signing key is asked in this thread.
    ///
    /// # Errors
    /// [`SendError`] tells what does not allow the message. Nothing has been sent then.
    pub fn build(self, payload: Payload, now: SystemTime) -> Result<Outbound, SendError> {
        self.steps(payload, now).run()
    }

    /// Builds the message; the signing key may answer later.
    pub fn steps(self, payload: Payload, now: SystemTime) -> Step<Result<Outbound, SendError>> {
        match Draft::new(self, now) {
            Ok(draft) => draft.build(payload),
            Err(error) => Step::Done(Err(error)),
        }
    }

    /// Begins a message whose payload comes piece by piece: in one pass and in bounded memory, whatever its size.
    ///
    /// The head of the request is known at once; its receipt together with the last octets. See [`OutboundStream`].
    ///
    /// # Errors
    /// As for [`build`](Self::build); [`SendError::NotStreamable`] where the agreement asks for what needs the whole
    /// message in memory: AES-CCM, and Ed25519 without signed attributes.
    pub fn stream(self, payload: PayloadHead, now: SystemTime) -> Result<OutboundStream, SendError> {
        OutboundStream::begin(Draft::new(self, now)?, &payload)
    }
}

/// The certificates at work in a message of ours.
pub(crate) fn observations(
    pending: &PendingReceipt,
    signed_with: Option<&OwnCertificate>,
    encrypted_to: &[Certificate],
) -> Vec<Observation> {
    let (them, at) = (pending.them().as_str(), pending.sent_at());
    let ours = signed_with.into_iter();
    let ours = ours.map(|own| Observation::new(them, ObservedUse::SignedByUs, own.certificate(), own.name(), at));
    let theirs = encrypted_to.iter().map(|certificate| {
        Observation::new(them, ObservedUse::EncryptedToThem, certificate, certificate.subject(), at)
    });
    ours.chain(theirs).collect()
}
