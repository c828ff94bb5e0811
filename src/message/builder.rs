//! Building a message: payload, layers, headers, and the receipt that is waited for (RFC 4130 sections 5 to 7).

use std::time::SystemTime;

use bytes::Bytes;

use crate::algorithm::{CipherAlgorithm, DigestAlgorithm};
use crate::certificate::Certificate;
use crate::crypto::DigestValue;
use crate::error::SendError;
use crate::headers::{self, Head, fresh_id, is_of_as2};
use crate::identity::{Identity, OwnCertificate, Signing};
use crate::mdn::Importance;
use crate::mdn::request::options_value;
use crate::message::parts::{attachment_notes, collection, document};
use crate::message::payload::Payload;
use crate::mime::write::encode_word;
use crate::name::MessageId;
use crate::note::Note;
use crate::partner::Partner;
use crate::profile::{Compression, PartnerProfile, ReceiptKind};
use crate::receipt::pending::{PendingReceipt, Sent};
use crate::rollover::{Observation, ObservedUse};
use crate::smime::compress::compress;
use crate::smime::encrypt::{Envelope, encrypt};
use crate::smime::mic::{Digests, Mic, MicScope};
use crate::smime::outward::SignedEnvelope;
use crate::smime::sign::{SignTerms, Signature, SignatureStep, sign};
use crate::smime::{Part, join, length};
use crate::step::Step;
use crate::stored::{Instant, StoredRequest};
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
    us: Identity,
    partner: Partner,
    subject: Option<String>,
    message_id: Option<MessageId>,
    extra: Vec<(String, String)>,
    attachments: Vec<Payload>,
    /// Whether even a single document goes in multipart/related.
    related: bool,
    url: Option<HttpUrl>,
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
        let (them, at) = (self.pending.them().as_str(), self.pending.sent_at());
        let ours = self.signed_with.iter();
        let ours = ours.map(|own| Observation::new(them, ObservedUse::SignedByUs, own.certificate(), own.name(), at));
        let theirs = self.encrypted_to.iter().map(|certificate| {
            Observation::new(them, ObservedUse::EncryptedToThem, certificate, certificate.subject(), at)
        });
        ours.chain(theirs).collect()
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
        let draft = Draft::new(self, now).and_then(|mut draft| Ok((draft.entity(payload)?, draft)));
        match draft {
            Ok((part, draft)) => draft.layers(part),
            Err(error) => Step::Done(Err(error)),
        }
    }
}

/// A message on its way through the layers.
struct Draft {
    us: Identity,
    partner: Partner,
    subject: Option<String>,
    extra: Vec<(String, String)>,
    attachments: Vec<Payload>,
    related: bool,
    url: Option<HttpUrl>,
    message_id: MessageId,
    now: SystemTime,
    /// Digests that the receipt may name.
    digests: Vec<DigestAlgorithm>,
    /// Those that we list for it.
    micalgs: Vec<DigestAlgorithm>,
    mics: Vec<Mic>,
    variants: Vec<Mic>,
    /// Header of the payload part; nothing where several documents stand behind it.
    head: Bytes,
    signed_with: Option<OwnCertificate>,
    encrypted_to: Vec<Certificate>,
    notes: Vec<Note>,
}

impl Draft {
    fn new(builder: MessageBuilder, now: SystemTime) -> Result<Self, SendError> {
        let MessageBuilder { us, partner, subject, message_id, extra, attachments, related, url } = builder;
        let profile = partner.profile();
        let subject = subject.or_else(|| profile.send.subject.clone());
        let message_id = match message_id {
            Some(id) => id,
            None => fresh_id(us.provider(), &profile.message_id_domain, now)?,
        };
        let digest = signature_digest(&us, profile, now)?;
        let micalgs = micalgs(profile, digest);
        let mut digests = vec![digest];
        digests.extend(&micalgs);
        Ok(Self {
            us,
            partner,
            subject,
            extra,
            attachments,
            related,
            url,
            message_id,
            now,
            digests,
            micalgs,
            mics: Vec::new(),
            variants: Vec::new(),
            head: Bytes::new(),
            signed_with: None,
            encrypted_to: Vec::new(),
            notes: Vec::new(),
        })
    }

    fn profile(&self) -> &PartnerProfile {
        self.partner.profile()
    }

    fn values(&self, pieces: &[Bytes]) -> Result<Vec<DigestValue>, SendError> {
        Ok(Digests::of(self.us.provider(), &self.digests, pieces)?)
    }

    fn mics_of(&self, pieces: &[Bytes]) -> Result<Vec<Mic>, SendError> {
        Ok(self.values(pieces)?.iter().map(Mic::new).collect())
    }

    /// The documents as one MIME entity.
    fn entity(&mut self, payload: Payload) -> Result<Part, SendError> {
        let attachments = std::mem::take(&mut self.attachments);
        let profile = self.partner.profile();
        if attachments.is_empty() && !self.related {
            let part = document(payload, profile.quirks.filenames, None)?;
            self.head = part.pieces()?.first().cloned().unwrap_or_default();
            return Ok(part);
        }
        let notes = if self.related { Vec::new() } else { attachment_notes(&profile.send)? };
        let mut random = [0; 16];
        self.us.provider().fill_random(&mut random)?;
        let part = collection(payload, attachments, profile, &random)?;
        self.notes.extend(notes);
        Ok(part)
    }

    /// Compression, signature, compression, encryption: each as the agreement says.
    fn layers(mut self, payload: Part) -> Step<Result<Outbound, SendError>> {
        let send = &self.profile().send;
        if let (Some(digest), Some(cipher)) = (send.sign, send.encrypt)
            && send.compress != Compression::AfterSigning
        {
            return self.signed_envelope(payload, digest, cipher);
        }
        match self.unsigned(payload).and_then(|part| Ok((self.sign(&part)?, part))) {
            Err(error) => Step::Done(Err(error)),
            Ok((None, part)) => Step::Done(self.seal(part)),
            Ok((Some(signing), _)) => signing.and_then_ok(move |signed| {
                let part = match self.profile().send.compress {
                    Compression::AfterSigning => signed.pieces().map(|pieces| compress(&pieces)),
                    Compression::None | Compression::BeforeSigning => Ok(signed),
                };
                Step::Done(part.map_err(SendError::Mime).and_then(|part| self.seal(part)))
            }),
        }
    }

    /// The payload, compressed if that comes before signing, and its integrity checks if nothing is signed.
    fn unsigned(&mut self, payload: Part) -> Result<Part, SendError> {
        let pieces = payload.pieces()?;
        let send = &self.profile().send;
        let signs = send.sign.is_some();
        let compresses = match send.compress {
            Compression::None => false,
            Compression::BeforeSigning => true,
            Compression::AfterSigning => !signs,
        };
        match scope(self.profile()) {
            MicScope::SignedEntity => {}
            MicScope::WholeEntity => {
                // Of messages that are only compressed, OpenAS2 reports the check of the payload alone.
                if self.profile().send.encrypt.is_none() {
                    self.variants = self.mics_of(&payload.body)?;
                }
                self.mics = self.mics_of(&pieces)?;
            }
            MicScope::BodyOnly => self.mics = self.mics_of(&payload.body)?,
        }
        Ok(if compresses { compress(&pieces) } else { payload })
    }

    fn sign(&mut self, part: &Part) -> Result<Option<Step<Result<Part, SendError>>>, SendError> {
        let Some(digest) = self.profile().send.sign else { return Ok(None) };
        let pieces = part.pieces()?;
        let values = self.values(&pieces)?;
        self.mics = values.iter().map(Mic::new).collect();
        let us = self.us.clone();
        let (signing, terms) = self.signing(&us, digest)?;
        Ok(Some(sign(pieces, &values, signing, us.provider(), terms)))
    }

    /// What signs, and how.
    fn signing<'a>(
        &mut self,
        us: &'a Identity,
        digest: DigestAlgorithm,
    ) -> Result<(&'a Signing, SignTerms), SendError> {
        let (signing, notes) = us.usable_signing(&self.profile().certificates, self.now)?;
        let scheme = signing.scheme(digest, self.profile().send.rsa_signature)?;
        self.signed_with = signing.own();
        self.notes.extend(notes);
        Ok((signing, SignTerms { scheme, quirks: self.profile().quirks.clone(), now: self.now }))
    }

    /// Signature and encryption with nothing in between: one pass over the payload, digested while it is encrypted.
    fn signed_envelope(
        mut self,
        payload: Part,
        digest: DigestAlgorithm,
        cipher: CipherAlgorithm,
    ) -> Step<Result<Outbound, SendError>> {
        match self.unsigned(payload).and_then(|part| self.encrypted_entity(&part, digest, cipher)) {
            Err(error) => Step::Done(Err(error)),
            Ok((signature, envelope)) => signature.and_then_ok(move |signature| {
                let sealed = envelope.finish(&signature).map_err(SendError::from);
                Step::Done(sealed.and_then(|part| self.finish(part)))
            }),
        }
    }

    /// The entity in its envelope, and the signature that still has to follow it there.
    fn encrypted_entity(
        &mut self,
        part: &Part,
        digest: DigestAlgorithm,
        cipher: CipherAlgorithm,
    ) -> Result<(SignatureStep, SignedEnvelope), SendError> {
        let pieces = part.pieces()?;
        let us = self.us.clone();
        let (signing, terms) = self.signing(&us, digest)?;
        let (transport, provider) = (self.profile().send.key_transport, us.provider());
        let signature = Signature::begin(signing, provider, terms)?;
        let recipients = self.recipients()?;
        let certificates: Vec<_> = recipients.iter().collect();
        let begun = Envelope::begin(&certificates, cipher, transport, provider)?;
        let digests = Digests::start(provider, &self.digests)?;
        let mut envelope = SignedEnvelope::begin(begun, digests, &signature, length(&pieces))?;
        pieces.iter().for_each(|piece| envelope.push(piece));
        let values = envelope.digests();
        let step = signature.ask(&pieces, &values, provider);
        self.mics = values.iter().map(Mic::new).collect();
        self.encrypted_to.extend(recipients);
        Ok((step, envelope))
    }

    fn seal(mut self, part: Part) -> Result<Outbound, SendError> {
        let Some(cipher) = self.profile().send.encrypt else { return self.finish(part) };
        let transport = self.profile().send.key_transport;
        let recipients = self.recipients()?;
        let certificates: Vec<_> = recipients.iter().collect();
        let sealed = encrypt(&part.pieces()?, &certificates, cipher, transport, self.us.provider())?;
        self.encrypted_to.extend(recipients);
        self.finish(sealed)
    }

    /// Whom the message is encrypted to: the partner first, since some products look at no other recipient.
    fn recipients(&mut self) -> Result<Vec<Certificate>, SendError> {
        let partner = self.partner.encryption_certificate(self.now).ok_or(SendError::NoEncryptionCertificate)?;
        let mut recipients = vec![partner.clone()];
        recipients.extend_from_slice(self.partner.further_recipients());
        for certificate in &recipients {
            self.notes.extend(self.partner.check_recipient(certificate, self.now)?);
        }
        if self.profile().send.originator_copy {
            let ours = self.us.newest_decrypting(self.now).ok_or(SendError::NoOriginatorCertificate)?;
            recipients.push(ours.clone());
        }
        Ok(recipients)
    }

    fn finish(self, part: Part) -> Result<Outbound, SendError> {
        let headers = self.headers(&part).finish().map_err(|name| SendError::Header { name })?;
        let profile = self.partner.profile();
        let request = StoredRequest::new(self.url.as_ref().unwrap_or(&profile.url).uri(), &headers, join(part.body));
        let pending = PendingReceipt::new(Sent {
            message_id: self.message_id,
            profile,
            sent_at: self.now,
            mics: self.mics,
            variants: self.variants,
            scope: scope(profile),
            head: self.head,
            subject: self.subject,
        });
        let Self { signed_with, encrypted_to, notes, .. } = self;
        Ok(Outbound { request, pending, signed_with, encrypted_to, notes })
    }

    fn headers(&self, part: &Part) -> Head {
        let profile = self.profile();
        let extra = Head::new().set_if("from", profile.send.from.as_deref());
        let extra = self
            .extra
            .iter()
            .filter(|(name, _)| !is_of_as2(name))
            .fold(extra, |head, (name, value)| head.set(name, value));
        let subject = self.subject.as_deref().map(encode_word);
        let mut head = extra
            .announce(&profile.send.announce)
            .set(headers::AS2_FROM, &profile.us.to_header())
            .set(headers::AS2_TO, &profile.them.to_header())
            .set(headers::MESSAGE_ID, self.message_id.as_str())
            .set("date", &Instant(self.now).http_date())
            .set("mime-version", "1.0")
            .set_if("subject", subject.as_deref())
            .set("content-length", &length(&part.body).to_string());
        for (name, value) in &part.fields {
            if !name.eq_ignore_ascii_case(headers::CONTENT_TRANSFER_ENCODING) {
                head = head.set(name, value);
            }
        }
        // HTTP bodies are binary anyway; some systems want to be told.
        let encoding = profile.quirks.http_transfer_encoding.then_some("binary");
        ask_receipt(head.set_if(headers::CONTENT_TRANSFER_ENCODING, encoding), profile, &self.micalgs)
    }
}

/// `Disposition-Notification-To` asks for the receipt, its value means nothing (RFC 4130 section 7.3).
fn ask_receipt(head: Head, profile: &PartnerProfile, micalgs: &[DigestAlgorithm]) -> Head {
    let wish = &profile.send.receipt;
    if wish.kind == ReceiptKind::None {
        return head;
    }
    let mut head = head.set(headers::DISPOSITION_NOTIFICATION_TO, &profile.us.to_header());
    if wish.kind == ReceiptKind::Signed {
        let importance = if wish.required { Importance::Required } else { Importance::Optional };
        let list = profile.quirks.micalg_names.list(micalgs);
        head =
            head.set(headers::DISPOSITION_NOTIFICATION_OPTIONS, &options_value("pkcs7-signature", &list, importance));
    }
    let url = wish.asynchronous_url.as_ref().map(ToString::to_string);
    head.set_if(headers::RECEIPT_DELIVERY_OPTION, url.as_deref())
}

/// The digest of our signature; some keys bring their own.
fn signature_digest(us: &Identity, profile: &PartnerProfile, now: SystemTime) -> Result<DigestAlgorithm, SendError> {
    let Some(digest) = profile.send.sign else { return Ok(DigestAlgorithm::Sha256) };
    let (signing, _) = us.usable_signing(&profile.certificates, now)?;
    Ok(signing.scheme(digest, profile.send.rsa_signature)?.digest())
}

/// The digests that we list for the receipt.
fn micalgs(profile: &PartnerProfile, signature: DigestAlgorithm) -> Vec<DigestAlgorithm> {
    match profile.send.receipt.kind {
        ReceiptKind::Signed if profile.send.receipt.micalgs.is_empty() => vec![signature],
        ReceiptKind::Signed => profile.send.receipt.micalgs.clone(),
        ReceiptKind::None | ReceiptKind::Unsigned => Vec::new(),
    }
}

fn scope(profile: &PartnerProfile) -> MicScope {
    let send = &profile.send;
    match (send.sign, send.encrypt, send.compress) {
        (Some(_), _, _) => MicScope::SignedEntity,
        (None, None, Compression::None) => MicScope::BodyOnly,
        (None, _, _) => MicScope::WholeEntity,
    }
}
