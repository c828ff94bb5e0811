//! A message set aside as it came, to be opened later or elsewhere.

use std::time::SystemTime;

use http::{HeaderMap, Method, Request, StatusCode};

use crate::error::Rejection;
use crate::mdn::ReceiptDelivery;
use crate::message::parser::{Inbound, MessageParser};
use crate::message::received::Envelope;
use crate::stored::{FormatVersion, Instant, Octets, StoredResponse, header_list, header_map};

/// A received message as it came: nothing is decrypted, nothing is verified, and nothing can be lost any more.
///
/// ```
/// # use as2_protocol::*;
/// # fn put_aside(envelope: Envelope, now: std::time::SystemTime) -> Result<Inbound, Rejection> {
/// let (spooled, early_answer) = envelope.into_spool(now);
/// // Store `spooled`; send `early_answer` if there is one. Later, anywhere:
/// spooled.parse(&MessageParser::new(Limits::default()))
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct SpooledMessage {
    version: FormatVersion,
    arrived_at: Instant,
    headers: Vec<(String, Octets)>,
    body: Octets,
}

impl SpooledMessage {
    /// When the message arrived.
    #[must_use]
    pub fn arrived_at(&self) -> SystemTime {
        self.arrived_at.0
    }

    /// Reads the message again, with the limits of `parser`.
    ///
    /// # Errors
    /// [`Rejection`] where `parser` is stricter than the one that read the message first.
    pub fn parse(self, parser: &MessageParser) -> Result<Inbound, Rejection> {
        let mut request = Request::new(self.body.0);
        *request.method_mut() = Method::POST;
        *request.headers_mut() = header_map(&self.headers);
        parser.parse(request)
    }
}

impl Envelope {
    /// Sets the message aside. If its receipt goes another way than the HTTP response, the answer to the request is
    /// there at once: send it as soon as the spooled message is stored. Otherwise the sender waits for the receipt.
    #[must_use = "the message is lost with this value"]
    pub fn into_spool(self, now: SystemTime) -> (SpooledMessage, Option<StoredResponse>) {
        let waits = self.receipt_request().is_some_and(|request| *request.delivery() == ReceiptDelivery::Sync);
        let (headers, body): (HeaderMap, _) = self.into_parts();
        let spooled = SpooledMessage {
            version: FormatVersion,
            arrived_at: Instant(now),
            headers: header_list(&headers),
            body: Octets(body),
        };
        (spooled, (!waits).then(|| StoredResponse::empty(StatusCode::OK)))
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::limits::Limits;

    fn envelope(delivery: Option<&str>) -> Envelope {
        let mut request =
            Request::post("/").header("as2-from", "\"A B\"").header("as2-to", "b").header("message-id", "<1@a>");
        request = request.header("disposition-notification-to", "x").header("content-type", "application/xml");
        if let Some(url) = delivery {
            request = request.header("receipt-delivery-option", url);
        }
        let request = request.body(Bytes::from_static(b"<a/>\0\xff")).unwrap();
        match MessageParser::new(Limits::default()).parse(request).unwrap() {
            Inbound::Message(envelope) => envelope,
            Inbound::Mdn(_) => panic!("a message"),
        }
    }

    #[test]
    fn a_spooled_message_comes_back_as_it_was() {
        let now = SystemTime::UNIX_EPOCH;
        let (spooled, early) = envelope(None).into_spool(now);
        assert_eq!(early, None, "the sender waits for the receipt");
        let json = serde_json::to_string(&spooled).unwrap();
        let read: SpooledMessage = serde_json::from_str(&json).unwrap();
        assert_eq!((&read, read.arrived_at()), (&spooled, now));
        match read.parse(&MessageParser::new(Limits::default())).unwrap() {
            Inbound::Message(envelope) => assert_eq!(envelope.into_spool(now).0, spooled),
            Inbound::Mdn(_) => panic!("a message"),
        }
    }

    #[test]
    fn u22_neither_documents_nor_credentials_show_in_logs_and_spools() {
        let request = Request::post("/").header("as2-from", "a").header("as2-to", "b").header("message-id", "<1@a>");
        let request = request.header("authorization", "Bearer s3cret").header("cookie", "s3cret");
        let request = request.body(Bytes::from_static(b"document")).unwrap();
        let Inbound::Message(envelope) = MessageParser::new(Limits::default()).parse(request).unwrap() else {
            panic!("a message")
        };
        let shown = format!("{envelope:?}");
        let (spooled, _) = envelope.into_spool(SystemTime::UNIX_EPOCH);
        let (logged, stored) = (format!("{spooled:?}"), serde_json::to_string(&spooled).unwrap());
        for text in [shown, logged, stored] {
            assert!(!text.contains("s3cret") && !text.contains("czNjcmV0"), "{text}");
            assert!(!text.contains("document") && !text.contains("100, 111, 99"), "{text}");
        }
    }

    #[test]
    fn r03_an_asynchronous_request_is_answered_at_once() {
        let (_, early) = envelope(Some("http://a.example/mdn")).into_spool(SystemTime::UNIX_EPOCH);
        assert_eq!(early.unwrap().status(), StatusCode::OK);
    }
}
