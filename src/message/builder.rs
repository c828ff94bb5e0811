//! Building a message: payload, layers, headers, and the receipt that is waited for (RFC 4130 sections 5 to 7).

use std::time::SystemTime;

use bytes::Bytes;

use crate::algorithm::DigestAlgorithm;
use crate::crypto::{CryptoProvider, DigestValue};
use crate::error::{SendError, SetupError, ValidityError};
use crate::identity::Identity;
use crate::mdn::request::options_value;
use crate::message::headers::{self, Head};
use crate::message::payload::Payload;
use crate::mime::param::ContentDisposition;
use crate::mime::write::encode_word;
use crate::name::MessageId;
use crate::partner::Partner;
use crate::profile::{Compression, PartnerProfile, ReceiptKind};
use crate::receipt::pending::{PendingReceipt, Sent};
use crate::smime::compress::compress;
use crate::smime::encrypt::encrypt;
use crate::smime::mic::{Digests, Mic, MicScope};
use crate::smime::sign::{SignTerms, sign};
use crate::smime::{Part, join, length};
use crate::step::Step;
use crate::stored::{Instant, StoredRequest};

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
}

/// A message that is ready to be sent, and the receipt that it waits for. Save both before the first octet leaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outbound {
    /// The request, to be sent octet for octet at every attempt.
    pub request: StoredRequest,
    /// What the receipt will be checked against. It is there even if no receipt was asked for: it holds the MIC.
    pub pending: PendingReceipt,
}

impl MessageBuilder {
    /// A message from us to `partner`, as its profile says.
    pub fn new(us: &Identity, partner: &Partner) -> Self {
        let (us, partner) = (us.clone(), partner.clone());
        Self { us, partner, subject: None, message_id: None, extra: Vec::new() }
    }

    /// The subject, for people who read logs and receipts. Anything that is not ASCII is encoded (RFC 2047).
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// A Message-ID of the caller's, instead of a fresh one. It must never have been used for other content.
    pub fn message_id(mut self, id: MessageId) -> Self {
        self.message_id = Some(id);
        self
    }

    /// A further HTTP header field. Headers that AS2 defines are not replaced.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extra.push((name.into(), value.into()));
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
        match Draft::new(self, payload, now) {
            Ok((draft, pieces)) => draft.layers(pieces),
            Err(error) => Step::Done(Err(error)),
        }
    }
}

/// A message on its way through the layers.
struct Draft {
    builder: MessageBuilder,
    provider: CryptoProvider,
    message_id: MessageId,
    now: SystemTime,
    digests: Vec<DigestAlgorithm>,
    micalgs: Vec<DigestAlgorithm>,
    mics: Vec<Mic>,
    variants: Vec<Mic>,
    scope: MicScope,
    head: Bytes,
    wire: Option<Part>,
}

impl Draft {
    fn new(builder: MessageBuilder, payload: Payload, now: SystemTime) -> Result<(Self, Vec<Bytes>), SendError> {
        let provider = builder.us.provider().clone();
        let profile = builder.partner.profile();
        let message_id = match builder.message_id.clone() {
            Some(id) => id,
            None => fresh_id(&provider, &profile.message_id_domain, now)?,
        };
        let micalgs = micalgs(profile);
        let mut digests = vec![profile.send.sign.unwrap_or(DigestAlgorithm::Sha256)];
        digests.extend(&micalgs);
        let part = payload_part(payload)?;
        let mut draft = Self {
            provider,
            message_id,
            now,
            digests,
            micalgs,
            mics: Vec::new(),
            variants: Vec::new(),
            scope: scope(profile),
            head: Bytes::new(),
            wire: None,
            builder,
        };
        let profile = draft.builder.partner.profile();
        let layered =
            profile.send.sign.is_some() || profile.send.encrypt.is_some() || profile.send.compress != Compression::None;
        if !layered {
            draft.mics = draft.digest(&part.body)?;
            draft.wire = Some(part);
            return Ok((draft, Vec::new()));
        }
        let pieces = part.into_pieces()?;
        draft.head = pieces.first().cloned().unwrap_or_default();
        if profile.send.sign.is_none() {
            draft.mics = draft.digest(&pieces)?;
            if profile.send.encrypt.is_none() {
                // Compressed only: OpenAS2 answers with the MIC of the payload alone.
                draft.variants = draft.digest(pieces.get(1..).unwrap_or_default())?;
            }
        }
        Ok((draft, pieces))
    }

    fn digest(&self, pieces: &[Bytes]) -> Result<Vec<Mic>, SendError> {
        Ok(self.values(pieces)?.iter().map(Mic::new).collect())
    }

    fn values(&self, pieces: &[Bytes]) -> Result<Vec<DigestValue>, SendError> {
        Ok(Digests::of(&self.provider, &self.digests, pieces)?)
    }

    fn layers(mut self, pieces: Vec<Bytes>) -> Step<Result<Outbound, SendError>> {
        if self.wire.is_some() {
            return Step::Done(self.finish());
        }
        let compression = self.builder.partner.profile().send.compress;
        let signs = self.builder.partner.profile().send.sign.is_some();
        let pieces = if compression == Compression::BeforeSigning || (compression != Compression::None && !signs) {
            match self.wrap(compress(&pieces)) {
                Ok(pieces) => pieces,
                Err(error) => return Step::Done(Err(error)),
            }
        } else {
            pieces
        };
        match self.sign(&pieces) {
            Err(error) => Step::Done(Err(error)),
            Ok(None) => Step::Done(self.seal(pieces)),
            Ok(Some(signing)) => signing.and_then_ok(move |part| {
                let inside = (|| {
                    let pieces = self.wrap(part)?;
                    match compression {
                        Compression::AfterSigning => self.wrap(compress(&pieces)),
                        Compression::None | Compression::BeforeSigning => Ok(pieces),
                    }
                })();
                Step::Done(inside.and_then(|pieces| self.seal(pieces)))
            }),
        }
    }

    /// Makes `part` the outermost layer so far, and gives its octets for the next one.
    fn wrap(&mut self, part: Part) -> Result<Vec<Bytes>, SendError> {
        let pieces = part.clone().into_pieces()?;
        self.wire = Some(part);
        Ok(pieces)
    }

    fn sign(&mut self, pieces: &[Bytes]) -> Result<Option<Step<Result<Part, SendError>>>, SendError> {
        let profile = self.builder.partner.profile();
        let Some(digest) = profile.send.sign else { return Ok(None) };
        let values = self.values(pieces)?;
        let signing = self.builder.us.usable_signing(self.now)?;
        let terms = SignTerms { digest, quirks: profile.quirks.clone(), now: self.now };
        let step = sign(pieces.to_vec(), &values, signing, &self.provider, terms);
        self.mics = values.iter().map(Mic::new).collect();
        Ok(Some(step))
    }

    fn seal(mut self, pieces: Vec<Bytes>) -> Result<Outbound, SendError> {
        let profile = self.builder.partner.profile();
        if let Some(cipher) = profile.send.encrypt {
            let transport = profile.send.key_transport;
            let certificate =
                self.builder.partner.encryption_certificate(self.now).ok_or(SendError::NoEncryptionCertificate)?;
            ValidityError::check(certificate, "the partner's", "encryption", self.now)?;
            self.wire = Some(encrypt(&pieces, certificate, cipher, transport, &self.provider)?);
        }
        self.finish()
    }

    fn finish(self) -> Result<Outbound, SendError> {
        let Some(part) = self.wire else { return Err(SendError::Setup(SetupError::NoSigningKey)) };
        let profile = self.builder.partner.profile();
        let head = self.builder.extra.iter().fold(Head::new(), |head, (name, value)| head.set(name, value));
        let subject = self.builder.subject.as_deref().map(encode_word);
        let mut head = head
            .set(headers::AS2_VERSION, headers::VERSION)
            .set(headers::AS2_FROM, &profile.us.to_header())
            .set(headers::AS2_TO, &profile.them.to_header())
            .set(headers::MESSAGE_ID, self.message_id.as_str())
            .set("date", &Instant(self.now).http_date())
            .set("mime-version", "1.0")
            .set_if("subject", subject.as_deref())
            .set("content-length", &length(&part.body).to_string());
        for (name, value) in &part.fields {
            let is_encoding = name.eq_ignore_ascii_case(headers::CONTENT_TRANSFER_ENCODING);
            if !is_encoding || profile.quirks.http_transfer_encoding {
                head = head.set(name, value);
            }
        }
        if profile.quirks.http_transfer_encoding {
            head = head.set(headers::CONTENT_TRANSFER_ENCODING, "binary");
        }
        let headers = ask_receipt(head, profile, &self.micalgs).finish().map_err(|name| SendError::Header { name })?;
        let request = StoredRequest::new(profile.url.uri(), &headers, join(part.body));
        let pending = PendingReceipt::new(Sent {
            message_id: self.message_id,
            profile,
            sent_at: self.now,
            mics: self.mics,
            variants: self.variants,
            scope: self.scope,
            head: self.head,
            subject: self.builder.subject.clone(),
        });
        Ok(Outbound { request, pending })
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
        let list = profile.quirks.micalg_names.list(micalgs);
        head = head.set(headers::DISPOSITION_NOTIFICATION_OPTIONS, &options_value("pkcs7-signature", &list));
    }
    let url = wish.asynchronous_url.as_ref().map(ToString::to_string);
    head.set_if(headers::RECEIPT_DELIVERY_OPTION, url.as_deref())
}

/// The digests that we list for the receipt.
fn micalgs(profile: &PartnerProfile) -> Vec<DigestAlgorithm> {
    match profile.send.receipt.kind {
        ReceiptKind::Signed if profile.send.receipt.micalgs.is_empty() => {
            vec![profile.send.sign.unwrap_or(DigestAlgorithm::Sha256)]
        }
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

/// The payload as a MIME entity. It is always labelled binary: a label that depends on the content makes
/// test files pass and production files fail.
fn payload_part(payload: Payload) -> Result<Part, SendError> {
    let mut fields = vec![("Content-Type", payload.content_type().to_string())];
    fields.push(("Content-Transfer-Encoding", "binary".to_owned()));
    if let Some(filename) = payload.filename() {
        fields.push(("Content-Disposition", ContentDisposition::write_attachment(filename)));
    }
    Ok(Part { fields, body: vec![payload.into_body()] })
}

pub(crate) fn fresh_id(provider: &CryptoProvider, domain: &str, now: SystemTime) -> Result<MessageId, SendError> {
    let mut random = [0; 16];
    provider.fill_random(&mut random)?;
    Ok(MessageId::generate(Instant(now).seconds(), &random, domain)?)
}
