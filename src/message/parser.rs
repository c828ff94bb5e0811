//! Reading a request: is it AS2, from whom, to whom, and is it a message or a receipt? No key is needed for that.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode, header};

use crate::announce::Announcement;
use crate::error::Rejection;
use crate::headers::{self, name, single};
use crate::limits::Limits;
use crate::mdn::MdnRequest;
use crate::message::received::Envelope;
use crate::mime::param::ContentType;
use crate::name::{ReceivedId, ReceivedName};
use crate::note::Note;
use crate::receipt::builder::{FollowUp, Reply};
use crate::receipt::incoming::{IncomingMdn, is_receipt};
use crate::stored::StoredResponse;

/// Reads requests. It holds no key and no partner: whose they are is known only after the head was read.
///
/// ```
/// # use as2_protocol::{Inbound, Limits, MessageParser};
/// # fn handle(request: http::Request<bytes::Bytes>) -> http::Response<bytes::Bytes> {
/// match MessageParser::new(Limits::default()).parse(request) {
///     Ok(Inbound::Message(envelope)) => todo_open(envelope),
///     Ok(Inbound::Mdn(receipt)) => todo_settle(receipt),
///     Err(rejection) => as2_protocol::Reply::from(rejection).response.into(),
/// }
/// # }
/// # fn todo_open(_: as2_protocol::Envelope) -> http::Response<bytes::Bytes> { Default::default() }
/// # fn todo_settle(_: as2_protocol::IncomingMdn) -> http::Response<bytes::Bytes> { Default::default() }
/// ```
#[derive(Clone, Debug, Default)]
pub struct MessageParser {
    limits: Limits,
    missing_id: MissingId,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum MissingId {
    #[default]
    Reject,
    Accept,
}

/// A request that is AS2: a message, or the receipt for one of ours.
#[derive(Clone, Debug)]
pub enum Inbound {
    /// A message.
    Message(Envelope),
    /// A receipt (MDN).
    Mdn(IncomingMdn),
}

impl MessageParser {
    /// A parser with these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, missing_id: MissingId::Reject }
    }

    /// Takes messages without a Message-ID too. Their receipts name no message, so senders cannot match them.
    #[must_use]
    pub fn accept_missing_message_id(mut self) -> Self {
        self.missing_id = MissingId::Accept;
        self
    }

    /// Reads a whole request.
    ///
    /// # Errors
    /// [`Rejection`] if the request is no AS2 message; it converts into the HTTP answer.
    pub fn parse(&self, request: Request<Bytes>) -> Result<Inbound, Rejection> {
        let (parts, body) = request.into_parts();
        self.head(&parts)?.body(body)
    }

    /// Reads the head alone, before the body has arrived.
    ///
    /// # Errors
    /// As for [`MessageParser::parse`].
    pub fn head(&self, parts: &Parts) -> Result<Head, Rejection> {
        if parts.method != Method::POST {
            return Err(Rejection::Method(crate::name::printable(parts.method.as_str())));
        }
        let headers = &parts.headers;
        let mut notes = Vec::new();
        let from = name(headers, headers::AS2_FROM, &mut notes)?.ok_or(Rejection::MissingHeader(headers::AS2_FROM))?;
        let to = name(headers, headers::AS2_TO, &mut notes)?.ok_or(Rejection::MissingHeader(headers::AS2_TO))?;
        let message_id = single(headers, headers::MESSAGE_ID, &mut notes)?.and_then(ReceivedId::read);
        single(headers, "content-type", &mut notes)?;
        let receipt_request = MdnRequest::read(
            single(headers, headers::DISPOSITION_NOTIFICATION_TO, &mut notes)?,
            single(headers, headers::DISPOSITION_NOTIFICATION_OPTIONS, &mut notes)?,
            single(headers, headers::RECEIPT_DELIVERY_OPTION, &mut notes)?,
        );
        let announced = headers::announced(headers);
        notes.extend(headers::version_note(&announced));
        let length = single(headers, "content-length", &mut notes)?
            .and_then(|value| std::str::from_utf8(value.trim_ascii()).ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > self.limits.body) {
            return Err(Rejection::TooLarge { limit: self.limits.body });
        }
        let mut headers = headers.clone();
        // What let the request in is not for spools and logs.
        for secret in [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE] {
            headers.remove(secret);
        }
        Ok(Head {
            limits: self.limits.clone(),
            missing_id: self.missing_id,
            headers,
            from,
            to,
            message_id,
            receipt_request,
            announced,
            length,
            notes,
        })
    }
}

/// The head of an AS2 request: enough to look up who is meant, and to refuse early.
#[derive(Clone, Debug)]
pub struct Head {
    pub(crate) limits: Limits,
    missing_id: MissingId,
    pub(crate) headers: HeaderMap,
    pub(crate) from: ReceivedName,
    pub(crate) to: ReceivedName,
    pub(crate) message_id: Option<ReceivedId>,
    pub(crate) receipt_request: Option<MdnRequest>,
    pub(crate) announced: Announcement,
    length: Option<u64>,
    pub(crate) notes: Vec<Note>,
}

impl Head {
    /// The sender's name (AS2-From).
    #[must_use]
    pub fn from(&self) -> &ReceivedName {
        &self.from
    }

    /// The recipient's name (AS2-To).
    #[must_use]
    pub fn to(&self) -> &ReceivedName {
        &self.to
    }

    /// The Message-ID.
    #[must_use]
    pub fn message_id(&self) -> Option<&ReceivedId> {
        self.message_id.as_ref()
    }

    /// What the sender tells about itself: version, features, product.
    #[must_use]
    pub fn announced(&self) -> &Announcement {
        &self.announced
    }

    /// The body's length, if `Content-Length` tells it.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.length
    }

    /// Joins the body to the head, and tells messages and receipts apart by their structure.
    ///
    /// # Errors
    /// [`Rejection`] if the body is too large or shorter than announced, if a message has no Message-ID, or if
    /// what looks like a receipt cannot be read as one.
    pub fn body(self, body: Bytes) -> Result<Inbound, Rejection> {
        let actual = u64::try_from(body.len()).unwrap_or(u64::MAX);
        self.check_size(actual)?;
        self.check_length(actual)?;
        let content_type = self.content_type();
        if is_receipt(content_type.as_ref(), &body, &self.limits) {
            return IncomingMdn::read(&self.headers, body, &self.limits).map(Inbound::Mdn).map_err(Rejection::Receipt);
        }
        self.check_message()?;
        let limits = self.limits.clone();
        Ok(Inbound::Message(Envelope::new(self, content_type, body, limits)))
    }

    /// Whether so much of a body is taken.
    pub(crate) fn check_size(&self, octets: u64) -> Result<(), Rejection> {
        let fits = octets <= self.limits.body;
        if fits { Ok(()) } else { Err(Rejection::TooLarge { limit: self.limits.body }) }
    }

    /// Whether a complete body is as long as it was announced.
    pub(crate) fn check_length(&self, actual: u64) -> Result<(), Rejection> {
        match self.length.filter(|declared| *declared != actual) {
            Some(declared) => Err(Rejection::Length { declared, actual }),
            None => Ok(()),
        }
    }

    /// Whether what is no receipt has all that a message needs.
    pub(crate) fn check_message(&self) -> Result<(), Rejection> {
        let missing = self.message_id.is_none() && self.missing_id == MissingId::Reject;
        if missing { Err(Rejection::MissingHeader(headers::MESSAGE_ID)) } else { Ok(()) }
    }

    pub(crate) fn content_type(&self) -> Option<ContentType> {
        ContentType::read(self.headers.get("content-type")?.as_bytes()).ok()
    }
}

impl From<Rejection> for Reply {
    /// The bare HTTP answer to what is no AS2 message.
    fn from(rejection: Rejection) -> Self {
        let mut response = StoredResponse::empty(rejection.status());
        if rejection.status() == StatusCode::METHOD_NOT_ALLOWED {
            response = response.with_header("allow", "POST".to_owned());
        }
        Self::new(response, FollowUp::None, Vec::new())
    }
}
