//! Writing a receipt, and the HTTP answer that carries or announces it (RFC 4130 sections 7.3 to 7.6).

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::algorithm::DigestAlgorithm;
use crate::crypto::{CryptoProvider, KeyError};
use crate::error::{Answer, SendError, TransportFailure};
use crate::headers::{self, Head, fresh_id};
use crate::identity::Identity;
use crate::limits::Limits;
use crate::mdn::{Disposition, MdnRequest, MicField, ReceiptDelivery, ReceivedMic, Recipient, Report};
use crate::mime::write::{boundary_token, write_multipart};
use crate::name::{ReceivedId, ReceivedName, printable};
use crate::note::Note;
use crate::partner::Partner;
use crate::profile::{CertificateTerms, Quirks};
use crate::receipt::incoming::IncomingMdn;
use crate::receipt::outcome::SendOutcome;
use crate::response::{Rules, judge};
use crate::smime::mic::{Digests, Mic};
use crate::smime::sign::{SignTerms, sign};
use crate::smime::{Part, join, length};
use crate::step::Step;
use crate::stored::{FormatVersion, Instant, StoredRequest, StoredResponse};
use crate::url::HttpUrl;

/// What the sender asked, and about which message.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) from: ReceivedName,
    pub(crate) to: ReceivedName,
    pub(crate) message_id: Option<ReceivedId>,
    pub(crate) subject: Option<String>,
    pub(crate) date: Option<String>,
    pub(crate) request: Option<MdnRequest>,
}

/// The reply to a message: made by [`Accepted::stored`](crate::Accepted::stored),
/// [`Accepted::failed`](crate::Accepted::failed) or [`Refused::mdn`](crate::Refused::mdn).
#[derive(Clone, Debug)]
#[must_use = "the partner is waiting for a reply"]
pub struct MdnBuilder {
    us: Identity,
    partner: Option<Partner>,
    asked: Asked,
    answer: Answer,
    mic: Option<Mic>,
    signature: Option<DigestAlgorithm>,
    notes: Vec<Note>,
    reference: Option<String>,
    bare_status: StatusCode,
    signs: bool,
    transient: bool,
}

/// The HTTP answer, and what is left to do after it.
///
/// With feature `serde` it can be stored as a whole, without its notes: an [`InboxRecord`](crate::InboxRecord) keeps it
/// for duplicates of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[must_use = "the partner is waiting for this"]
#[non_exhaustive]
pub struct Reply {
    pub(crate) version: FormatVersion,
    /// The HTTP answer.
    pub response: StoredResponse,
    /// What is left to do once the answer is sent.
    pub follow_up: FollowUp,
    /// What was tolerated, and what could not be done as asked.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub notes: Vec<Note>,
    /// What became of the message, if that was decided: whoever settles a claim with a reply that was stored needs it.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub(crate) decided: Option<Decided>,
}

/// What became of a message, whether or not its receipt could be written as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(crate) struct Decided {
    pub(crate) disposition: Disposition,
    pub(crate) text: String,
    /// Whether the reply tells it: a receipt that could not be signed is better written anew when the message comes again.
    pub(crate) told: bool,
}

/// What is left to do once the HTTP answer is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case", deny_unknown_fields))]
#[must_use = "an asynchronous receipt is delivered by the application"]
#[non_exhaustive]
pub enum FollowUp {
    /// Nothing.
    None,
    /// Post this receipt.
    Post(PendingMdn),
    /// A receipt is asked for at a place where none may be posted; somebody should look at it.
    Blocked {
        /// Where it was asked for.
        url: String,
        /// Why it is not posted there.
        reason: String,
    },
}

/// An asynchronous receipt that is to be posted, in the same octets at every attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct PendingMdn {
    /// The request to be posted.
    pub request: StoredRequest,
}

impl PendingMdn {
    /// Reads the HTTP answer to the receipt, or the failure to get one, as the agreement of today says:
    /// [`SendOutcome::Transferred`] where it was taken. Refused credentials are those of `receipt_endpoint`.
    pub fn on_response(
        &self,
        response: Result<&Response<Bytes>, TransportFailure>,
        partner: &Partner,
        now: SystemTime,
    ) -> SendOutcome {
        let response = match response {
            Ok(response) => response,
            Err(failure) => return failure.into(),
        };
        let profile = partner.profile();
        let rules = Rules::new(&profile.receipt_endpoint, &profile.pacing);
        // RFC 8098 section 2.1: nothing answers a receipt, but what is one is not searched for error codes.
        let is_receipt = IncomingMdn::read(response.headers(), response.body().clone(), &Limits::default()).is_ok();
        match judge(response, (!is_receipt).then_some(rules), now) {
            Ok(()) => SendOutcome::Transferred,
            Err(trouble) => trouble.into(),
        }
    }
}

impl Reply {
    pub(crate) fn new(response: StoredResponse, follow_up: FollowUp, notes: Vec<Note>) -> Self {
        Self { version: FormatVersion, response, follow_up, notes, decided: None }
    }

    pub(crate) fn bare(status: StatusCode, notes: Vec<Note>) -> Self {
        Self::new(StoredResponse::empty(status), FollowUp::None, notes)
    }

    pub(crate) fn deferred(retry_after: Duration, notes: Vec<Note>) -> Self {
        let mut reply = Self::bare(StatusCode::SERVICE_UNAVAILABLE, notes);
        // Half a second is no reason to come again at once.
        let seconds = retry_after.as_secs().saturating_add(u64::from(retry_after.subsec_nanos() > 0));
        reply.response = reply.response.with_header("retry-after", seconds.to_string());
        reply
    }

    /// The answer to a receipt that was taken: 200 without a body.
    pub fn received() -> Self {
        Self::bare(StatusCode::OK, Vec::new())
    }
}

impl MdnBuilder {
    pub(crate) fn new(
        us: Identity,
        partner: Option<Partner>,
        asked: Asked,
        answer: Answer,
        mic: Option<Mic>,
        signature: Option<DigestAlgorithm>,
        notes: Vec<Note>,
    ) -> Self {
        let bare_status = if answer.disposition.is_positive() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        let reference = answer.uniform.then(|| reference(us.provider()));
        Self {
            us,
            partner,
            asked,
            answer,
            mic,
            signature,
            notes,
            reference,
            bare_status,
            signs: true,
            transient: false,
        }
    }

    /// The status where no receipt is asked for.
    pub(crate) fn bare_status(mut self, status: StatusCode) -> Self {
        self.bare_status = status;
        self
    }

    /// RFC 4130 section 6.2: strangers get an unsigned explanation.
    pub(crate) fn unsigned(mut self) -> Self {
        self.signs = false;
        self
    }

    /// The reply is 503, whatever is asked for.
    pub(crate) fn transient(mut self) -> Self {
        self.transient = true;
        self
    }

    /// Replaces the explanation for people. The one constant explanation of what happened inside an envelope stays.
    pub fn text(mut self, explanation: impl Into<String>) -> Self {
        if !self.answer.uniform {
            self.answer.text = explanation.into();
        }
        self
    }

    /// The disposition that the receipt will carry.
    #[must_use]
    pub fn disposition(&self) -> &Disposition {
        &self.answer.disposition
    }

    /// The reference that a receipt without details carries: write it beside the exact error into the log, and an
    /// operator can find the one by the other.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        self.reference.as_deref()
    }

    /// Builds the reply; the signing key is asked in this thread. It cannot fail: without a usable key the receipt
    /// is an unsigned `failed/failure: unsupported format`, and a key that is unavailable at the moment makes it a 503.
    pub fn build(self, now: SystemTime) -> Reply {
        self.steps(now).run()
    }

    /// Builds the reply; the signing key may answer later.
    pub fn steps(self, now: SystemTime) -> Step<Reply> {
        if self.transient {
            return Step::Done(Reply::deferred(RETRY_AFTER, self.notes));
        }
        let Answer { disposition, text, .. } = self.answer.clone();
        self.written(now).map(move |mut reply| {
            let told = !reply.notes.iter().any(|note| matches!(note, Note::UnsignedReceipt(_)));
            reply.decided = Some(Decided { disposition, text, told });
            reply
        })
    }

    fn written(self, now: SystemTime) -> Step<Reply> {
        let Some(request) = self.asked.request.clone() else {
            return Step::Done(Reply::bare(self.bare_status, self.notes));
        };
        let route = self.route(&request);
        if let Route::Nowhere { url, reason } = route {
            // Nothing else will tell the sender that his message was refused.
            let positive = self.answer.disposition.is_positive();
            let mut reply = Reply::bare(if positive { self.early_status() } else { self.bare_status }, self.notes);
            reply.follow_up = FollowUp::Blocked { url, reason };
            return Step::Done(reply);
        }
        if !self.signs || request.signed().is_none_or(|signed| !signed.asks_for_pkcs7()) {
            let unsigned = self.report();
            return Step::Done(self.reply(unsigned, route, now));
        }
        self.signed(route, now)
    }

    fn signed(mut self, route: Route, now: SystemTime) -> Step<Reply> {
        let digest = self.signature_digest();
        let provider = self.us.provider().clone();
        let quirks = self.quirks();
        let rsa = self.partner.as_ref().map(|partner| partner.profile().send.rsa_signature).unwrap_or_default();
        let signing = (|| {
            let pieces = self.report().pieces()?;
            let (own, notes) = self.us.usable_signing(&self.certificates(), now)?;
            let scheme = own.scheme(digest, rsa)?;
            let values = Digests::of(&provider, &[scheme.digest()], &pieces)?;
            Ok::<_, SendError>((sign(pieces, &values, own, &provider, SignTerms { scheme, quirks, now }), notes))
        })();
        match signing {
            Ok((step, notes)) => step.map(move |signed| match signed {
                Ok(part) => {
                    self.notes.extend(notes);
                    self.reply(part, route, now)
                }
                // The sender tries again, and finds the key at work then.
                Err(SendError::Key(error @ (KeyError::Unavailable(_) | KeyError::Deferred))) => {
                    self.notes.push(Note::UnsignedReceipt(error.to_string()));
                    Reply::deferred(RETRY_AFTER, self.notes)
                }
                Err(error) => self.unsignable(error.to_string(), route, now),
            }),
            Err(error) => Step::Done(self.unsignable(error.to_string(), route, now)),
        }
    }

    /// A signed receipt is asked for and cannot be made: RFC 4130 section 7.5.3 knows the answer.
    fn unsignable(mut self, reason: String, route: Route, now: SystemTime) -> Reply {
        self.notes.push(Note::UnsignedReceipt(reason));
        if self.answer.disposition.is_positive() {
            self.answer.disposition = Disposition::failure("unsupported format");
            self.answer.text = "The receipt cannot be signed.".to_owned();
        }
        let part = self.report();
        self.reply(part, route, now)
    }

    /// The digest that the receipt is signed with: by profile, or the first one asked for that is strong enough.
    fn signature_digest(&mut self) -> DigestAlgorithm {
        if let Some(digest) = self.partner.as_ref().and_then(|partner| partner.profile().accept.mdn_signature) {
            return digest;
        }
        let listed: Vec<_> = self.listed();
        if let Some(strong) = listed.iter().find(|digest| digest.is_strong()) {
            return *strong;
        }
        let own = self.signature.filter(|digest| digest.is_strong()).unwrap_or(DigestAlgorithm::Sha256);
        if !listed.is_empty() {
            self.notes.push(Note::WeakReceipt { signed_with: own });
        }
        own
    }

    fn listed(&self) -> Vec<DigestAlgorithm> {
        let signed = self.asked.request.as_ref().and_then(MdnRequest::signed);
        let names = signed.map(|signed| signed.micalgs()).unwrap_or_default();
        names.iter().filter_map(|name| DigestAlgorithm::from_micalg(name)).collect()
    }

    fn quirks(&self) -> Quirks {
        self.partner.as_ref().map(|partner| partner.profile().quirks.clone()).unwrap_or_default()
    }

    fn certificates(&self) -> CertificateTerms {
        self.partner.as_ref().map(|partner| partner.profile().certificates.clone()).unwrap_or_default()
    }

    /// The name of the MIC's digest as the sender spelt it: some peers compare strings.
    fn mic_name(&self, digest: DigestAlgorithm) -> String {
        let signed = self.asked.request.as_ref().and_then(MdnRequest::signed);
        let names = signed.map(|signed| signed.micalgs()).unwrap_or_default();
        let spelt = names.iter().find(|name| DigestAlgorithm::from_micalg(name) == Some(digest));
        match spelt {
            Some(name) => printable(name),
            None => self.quirks().micalg_names.spell(digest).to_owned(),
        }
    }

    /// multipart/report with an explanation and the report itself (RFC 8098 section 3).
    fn report(&self) -> Part {
        let address = self.asked.to.echo();
        let recipient = Recipient { address_type: Some("rfc822".to_owned()), address };
        let report = Report {
            original_recipient: Some(recipient.clone()),
            final_recipient: Some(recipient),
            original_message_id: self.asked.message_id.as_ref().and_then(ReceivedId::echo),
            disposition: Some(self.answer.disposition.clone()),
            mic: self
                .mic
                .as_ref()
                .map(|mic| MicField::Mic(ReceivedMic::new(mic.digest(), &self.mic_name(mic.algorithm())))),
            ..Report::default()
        };
        let boundary = self.boundary();
        let mut machine = b"Content-Type: message/disposition-notification\r\n\r\n".to_vec();
        machine.extend_from_slice(&report.write());
        let mut body = Vec::new();
        write_multipart(&mut body, &boundary, &[self.explanation().as_bytes(), &machine]);
        let content_type = format!("multipart/report; report-type=disposition-notification; boundary=\"{boundary}\"");
        Part { fields: vec![("Content-Type", content_type)], body: vec![Bytes::from(body)] }
    }

    fn boundary(&self) -> String {
        let mut random = [0; 16];
        // A boundary must be absent from the two parts that we write ourselves; without randomness it still is.
        let _ = self.us.provider().fill_random(&mut random);
        boundary_token(&random)
    }

    fn explanation(&self) -> String {
        let asked = &self.asked;
        let line = |name: &str, value: Option<String>| match value {
            Some(value) => format!("{name}: {}\r\n", printable(&value)),
            None => String::new(),
        };
        format!(
            "Content-Type: text/plain; charset=us-ascii\r\n\r\n\
             {}\r\n\r\n{}{}{}{}{}{}",
            printable(&self.answer.text),
            line("Message", asked.message_id.as_ref().map(ToString::to_string)),
            line("From", Some(asked.from.to_string())),
            line("To", Some(asked.to.to_string())),
            line("Subject", asked.subject.clone()),
            line("Date", asked.date.clone()),
            line("Reference", self.reference.clone()),
        )
    }

    fn reply(self, part: Part, route: Route, now: SystemTime) -> Reply {
        let headers = self.head(&part, now).finish_lossy();
        let early = self.early_status();
        let mut notes = self.notes;
        let body = join(part.body);
        match route {
            Route::Here => Reply::new(StoredResponse::new(StatusCode::OK, &headers, body), FollowUp::None, notes),
            Route::There { url, note } => {
                notes.extend(note);
                let request = StoredRequest::new(url.uri(), &headers, body);
                Reply::new(StoredResponse::empty(early), FollowUp::Post(PendingMdn { request }), notes)
            }
            Route::Nowhere { url, reason } => {
                Reply::new(StoredResponse::empty(early), FollowUp::Blocked { url, reason }, notes)
            }
        }
    }

    /// The header of a receipt: names swapped, in the spelling that the sender used (RFC 4130 section 6.2).
    fn head(&self, part: &Part, now: SystemTime) -> Head {
        let domain = self.partner.as_ref().map_or("as2.invalid", |partner| &partner.profile().message_id_domain);
        let id = fresh_id(self.us.provider(), domain, now).map(String::from).ok();
        let announce = self.partner.as_ref().map(|partner| partner.profile().send.announce.clone()).unwrap_or_default();
        let head = Head::new()
            .announce(&announce)
            .set(headers::AS2_FROM, &self.asked.to.echo())
            .set(headers::AS2_TO, &self.asked.from.echo())
            .set_if(headers::MESSAGE_ID, id.as_deref())
            .set("date", &Instant(now).http_date())
            .set("mime-version", "1.0")
            .set("content-length", &length(&part.body).to_string());
        part.fields.iter().fold(head, |head, (name, value)| head.set(name, value))
    }

    /// The status of an answer whose receipt goes another way.
    fn early_status(&self) -> StatusCode {
        let status = self.partner.as_ref().map_or(200, |partner| partner.profile().accept.asynchronous_status);
        StatusCode::from_u16(status).unwrap_or(StatusCode::OK)
    }

    /// Where the receipt goes. The URL in the request is the sender's word only: it is followed to hosts of the
    /// agreement, or overruled by it.
    fn route(&self, request: &MdnRequest) -> Route {
        let asked = match request.delivery() {
            ReceiptDelivery::Sync => return Route::Here,
            ReceiptDelivery::Unsupported(url) => {
                let reason = "receipts are delivered over HTTP only".to_owned();
                return Route::Nowhere { url: printable(url), reason };
            }
            ReceiptDelivery::Async(url) => url,
        };
        let nowhere = |reason: &str| Route::Nowhere { url: printable(asked), reason: reason.to_owned() };
        let Some(partner) = &self.partner else { return nowhere("the sender is unknown") };
        let accept = &partner.profile().accept;
        if let Some(url) = &accept.receipt_url {
            let note = (url.to_string() != *asked).then(|| Note::ReceiptUrl { asked: printable(asked) });
            return Route::There { url: url.clone(), note };
        }
        let Ok(url) = asked.parse::<HttpUrl>() else {
            return nowhere("not an http or https URL without user information");
        };
        if partner.profile().may_call(&url) {
            return Route::There { url, note: None };
        }
        nowhere("the host is neither that of the partner's URL nor listed in `accept.receipt_hosts`")
    }
}

enum Route {
    Here,
    There { url: HttpUrl, note: Option<Note> },
    Nowhere { url: String, reason: String },
}

/// What a peer is told to wait when a key is unavailable.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// 128 random bits in a fixed length: a reference must not tell one failure from another.
fn reference(provider: &CryptoProvider) -> String {
    let mut random = [0; 16];
    let _ = provider.fill_random(&mut random);
    format!("{:032x}", u128::from_be_bytes(random))
}
