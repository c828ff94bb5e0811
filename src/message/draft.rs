//! A message that is being built: layers, headers, and the receipt that is waited for (RFC 4130 sections 5 to 7). In
//! memory or as a stream, it takes the same steps.

use std::time::SystemTime;

use bytes::Bytes;

use crate::algorithm::DigestAlgorithm;
use crate::certificate::Certificate;
use crate::cms::frame::LONGEST_DEFINITE;
use crate::crypto::{CryptoProvider, DigestValue};
use crate::error::SendError;
use crate::headers::{self, Head, fresh_id, is_of_as2};
use crate::identity::{Identity, OwnCertificate};
use crate::mdn::Importance;
use crate::mdn::request::options_value;
use crate::message::builder::{MessageBuilder, Outbound};
use crate::message::parts::{Around, attachment_notes, collection, single};
use crate::message::payload::{Payload, PayloadHead};
use crate::mime::write::encode_word;
use crate::name::MessageId;
use crate::note::Note;
use crate::partner::Partner;
use crate::profile::{Compression, PartnerProfile, ReceiptKind};
use crate::receipt::pending::{PendingReceipt, Sent};
use crate::smime::compress::compress;
use crate::smime::encrypt::{EnvelopeTerms, encrypt};
use crate::smime::mic::{Digests, Mic, MicScope};
use crate::smime::outward::{Finished, Layers, Outside, Outward};
use crate::smime::sign::{SignTerms, Signature};
use crate::smime::{Part, head_block, join, length};
use crate::step::Step;
use crate::stored::{Instant, RequestHead};
use crate::url::HttpUrl;

/// A message on its way through the layers.
pub(crate) struct Draft {
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
    /// Envelopes have definite lengths if they are shorter than this.
    pub(super) longest_definite: u64,
}

impl Draft {
    pub(crate) fn new(builder: MessageBuilder, now: SystemTime) -> Result<Self, SendError> {
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
            longest_definite: LONGEST_DEFINITE,
        })
    }

    pub(crate) fn profile(&self) -> &PartnerProfile {
        self.partner.profile()
    }

    pub(crate) fn message_id(&self) -> &MessageId {
        &self.message_id
    }

    pub(crate) fn provider(&self) -> &CryptoProvider {
        self.us.provider()
    }

    /// Digests that have not begun, of all algorithms that the receipt may name.
    pub(crate) fn digests(&self) -> Result<Digests, SendError> {
        Ok(Digests::start(self.us.provider(), &self.digests)?)
    }

    fn values(&self, pieces: &[Bytes]) -> Result<Vec<DigestValue>, SendError> {
        Ok(Digests::of(self.us.provider(), &self.digests, pieces)?)
    }

    fn mics_of(&self, pieces: &[Bytes]) -> Result<Vec<Mic>, SendError> {
        Ok(self.values(pieces)?.iter().map(Mic::new).collect())
    }

    /// The documents as one MIME entity, whose main one is still to come.
    pub(crate) fn around(&mut self, payload: &PayloadHead) -> Result<Around, SendError> {
        let attachments = std::mem::take(&mut self.attachments);
        let profile = self.partner.profile();
        if attachments.is_empty() && !self.related {
            let around = single(payload, profile.quirks.filenames)?;
            self.head = head_block(&around.fields)?.into();
            return Ok(around);
        }
        let notes = if self.related { Vec::new() } else { attachment_notes(&profile.send)? };
        let mut random = [0; 16];
        self.us.provider().fill_random(&mut random)?;
        let around = collection(payload, attachments, profile, &random)?;
        self.notes.extend(notes);
        Ok(around)
    }

    /// Builds the message in memory.
    pub(crate) fn build(mut self, payload: Payload) -> Step<Result<Outbound, SendError>> {
        let (head, body) = payload.into_parts();
        let ready = self.around(&head).and_then(|around| self.unsigned(around.part(body)));
        match ready.and_then(|part| Ok((part, self.signature()?, self.envelope()?))) {
            Ok((part, signature, envelope)) => self.layers(part, signature, envelope),
            Err(error) => Step::Done(Err(error)),
        }
    }

    /// Signature, compression, encryption: each as the agreement says. Compression is done already if it comes first.
    fn layers(
        self,
        part: Part,
        signature: Option<Signature>,
        envelope: Option<EnvelopeTerms>,
    ) -> Step<Result<Outbound, SendError>> {
        if signature.is_none() && envelope.is_none() {
            return Step::Done(self.finish(part));
        }
        match signature.as_ref().map_or(Ok(true), |signature| self.knows_all(signature)) {
            Ok(true) => self.one_pass(part, signature, envelope),
            Ok(false) => self.one_by_one(part, signature, envelope),
            Err(error) => Step::Done(Err(error)),
        }
    }

    /// Whether every length is known before the key has answered, and nothing but the digest is signed: then one pass
    /// over the octets does.
    fn knows_all(&self, signature: &Signature) -> Result<bool, SendError> {
        Ok(!self.compresses_then() && !signature.signs_content() && signature.closing_len()?.is_some())
    }

    fn one_pass(
        self,
        part: Part,
        signature: Option<Signature>,
        envelope: Option<EnvelopeTerms>,
    ) -> Step<Result<Outbound, SendError>> {
        let written = (|| {
            let signature = signature.map(|signature| Ok::<_, SendError>((signature, self.digests()?))).transpose()?;
            let layers = Layers { signature, envelope, ..Layers::default() };
            let inside = Outside { fields: part.fields, body: u64::try_from(length(&part.body)).ok() };
            let (mut outward, outside) = Outward::new(inside, layers, self.us.provider())?;
            let room = outside.body.and_then(|octets| usize::try_from(octets).ok()).unwrap_or(0);
            let mut wire = Vec::with_capacity(room);
            part.body.iter().try_for_each(|piece| outward.push(piece, &mut wire))?;
            Ok((outward.finish(wire), outside.fields))
        })();
        match written {
            Err(error) => Step::Done(Err(error)),
            Ok((finishing, fields)) => finishing.and_then_ok(move |Finished { signed, wire }| {
                Step::Done(self.with_mics_of(&signed).finish(Part { fields, body: vec![wire.into()] }))
            }),
        }
    }

    /// Each layer over pieces that are shared, so that only the outermost one is a copy.
    fn one_by_one(
        self,
        part: Part,
        signature: Option<Signature>,
        envelope: Option<EnvelopeTerms>,
    ) -> Step<Result<Outbound, SendError>> {
        let signing = part.pieces().map_err(SendError::Mime).and_then(|pieces| {
            let Some(signature) = signature else { return Ok((Step::Done(Ok(part)), Vec::new())) };
            let digests = self.values(&pieces)?;
            Ok((signature.enclose(pieces, &digests, self.us.provider()), digests))
        });
        match signing {
            Err(error) => Step::Done(Err(error)),
            Ok((signing, digests)) => {
                signing.and_then_ok(move |signed| Step::Done(self.with_mics_of(&digests).seal(signed, envelope)))
            }
        }
    }

    fn seal(self, mut part: Part, envelope: Option<EnvelopeTerms>) -> Result<Outbound, SendError> {
        if self.compresses_then() {
            part = compress(&part.pieces()?);
        }
        if let Some(terms) = envelope {
            part = encrypt(&part.pieces()?, &terms, self.us.provider())?;
        }
        self.finish(part)
    }

    /// Whether compression comes first, before a signature or without one.
    pub(crate) fn compresses_first(&self) -> bool {
        match self.profile().send.compress {
            Compression::None => false,
            Compression::BeforeSigning => true,
            Compression::AfterSigning => self.profile().send.sign.is_none(),
        }
    }

    /// Whether what is signed is compressed.
    pub(crate) fn compresses_then(&self) -> bool {
        self.profile().send.compress == Compression::AfterSigning && !self.compresses_first()
    }

    /// The payload, compressed if that comes first, and its integrity checks if nothing is signed.
    fn unsigned(&mut self, payload: Part) -> Result<Part, SendError> {
        let pieces = payload.pieces()?;
        let (entity, body) = self.unsigned_scopes();
        let (entity, body) = (
            entity.then(|| self.mics_of(&pieces)).transpose()?,
            body.then(|| self.mics_of(&payload.body)).transpose()?,
        );
        self.set_unsigned(entity, body);
        Ok(if self.compresses_first() { compress(&pieces) } else { payload })
    }

    /// Which integrity checks are needed where nothing is signed: of the entity, and of its body.
    pub(crate) fn unsigned_scopes(&self) -> (bool, bool) {
        match scope(self.profile()) {
            MicScope::SignedEntity => (false, false),
            // Of messages that are only compressed, OpenAS2 reports the check of the payload alone.
            MicScope::WholeEntity => (true, self.profile().send.encrypt.is_none()),
            MicScope::BodyOnly => (false, true),
        }
    }

    /// Takes over those integrity checks.
    pub(crate) fn set_unsigned(&mut self, entity: Option<Vec<Mic>>, body: Option<Vec<Mic>>) {
        match (entity, body) {
            (Some(entity), body) => (self.mics, self.variants) = (entity, body.unwrap_or_default()),
            (None, Some(body)) => self.mics = body,
            (None, None) => {}
        }
    }

    /// Takes over the integrity checks of what was signed, if anything was.
    pub(crate) fn with_mics_of(mut self, signed: &[DigestValue]) -> Self {
        if !signed.is_empty() {
            self.mics = signed.iter().map(Mic::new).collect();
        }
        self
    }

    /// The signature to be made.
    pub(crate) fn signature(&mut self) -> Result<Option<Signature>, SendError> {
        let profile = self.partner.profile();
        let Some(digest) = profile.send.sign else { return Ok(None) };
        let (signing, notes) = self.us.usable_signing(&profile.certificates, self.now)?;
        let scheme = signing.scheme(digest, profile.send.rsa_signature)?;
        let terms = SignTerms { scheme, quirks: profile.quirks.clone(), now: self.now };
        let signature = Signature::begin(signing, self.us.provider(), terms)?;
        self.signed_with = signing.own();
        self.notes.extend(notes);
        Ok(Some(signature))
    }

    /// The envelope to be made.
    pub(crate) fn envelope(&mut self) -> Result<Option<EnvelopeTerms>, SendError> {
        let Some(cipher) = self.profile().send.encrypt else { return Ok(None) };
        let recipients = self.recipients()?;
        self.encrypted_to.clone_from(&recipients);
        let terms = EnvelopeTerms::new(recipients, cipher, self.profile().send.key_transport);
        Ok(Some(EnvelopeTerms { longest_definite: self.longest_definite, ..terms }))
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
        let head = self.head(&Outside { fields: part.fields, body: u64::try_from(length(&part.body)).ok() })?;
        let request = head.with_body(join(part.body));
        let Ready { pending, signed_with, encrypted_to, notes } = self.ready();
        Ok(Outbound { request, pending, signed_with, encrypted_to, notes })
    }

    /// The head of the request, around the outermost entity.
    pub(crate) fn head(&self, outermost: &Outside) -> Result<RequestHead, SendError> {
        let headers = self.headers(outermost).finish().map_err(|name| SendError::Header { name })?;
        Ok(RequestHead::new(self.url.as_ref().unwrap_or(&self.profile().url).uri(), &headers))
    }

    /// What is told beside the request.
    pub(crate) fn ready(self) -> Ready {
        let profile = self.partner.profile();
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
        Ready { pending, signed_with, encrypted_to, notes }
    }

    fn headers(&self, outermost: &Outside) -> Head {
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
            .set_if("content-length", outermost.body.map(|octets| octets.to_string()).as_deref());
        for (name, value) in &outermost.fields {
            if !name.eq_ignore_ascii_case(headers::CONTENT_TRANSFER_ENCODING) {
                head = head.set(name, value);
            }
        }
        // HTTP bodies are binary anyway; some systems want to be told.
        let encoding = profile.quirks.http_transfer_encoding.then_some("binary");
        ask_receipt(head.set_if(headers::CONTENT_TRANSFER_ENCODING, encoding), profile, &self.micalgs)
    }
}

/// What is told beside the request of a message.
pub(crate) struct Ready {
    pub(crate) pending: PendingReceipt,
    pub(crate) signed_with: Option<OwnCertificate>,
    pub(crate) encrypted_to: Vec<Certificate>,
    pub(crate) notes: Vec<Note>,
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
