//! Certificate exchange (EDIINT CEM): new certificates are offered, accepted or rejected in signed AS2 messages
//! (feature `cem`).
//!
//! [`CertificateRequest`] offers certificates, [`CemMessage::read`] finds requests and responses among accepted messages,
//! [`ReceivedRequest::answer`] accepts or rejects each offer, and [`CertificateExchange`] says what became of ours. No
//! certificate is trusted by itself: the application decides, and adds what it accepted to the partner.
//!
//! Who may switch when: the side that offers must decrypt with the new key before the request goes out, and may sign
//! with it when [`CertificateExchange::readiness`] says so; the side that accepts must adopt before the response goes
//! out, and encrypts to the new certificate from then on. The old key decrypts until nothing that was encrypted to it
//! is in flight. Kept in this order, no message is lost.
//!
//! The draft (draft-meadors-certificate-exchange) has expired and never became an RFC. The form of the documents is
//! known here from descriptions and from what products write, not from the draft itself; agree on a trial with the
//! partner before a certificate depends on it. Announce the feature with [`Feature::cem`](crate::Feature::cem).

mod error;
mod exchange;
mod offer;
mod received;
mod response;
mod xml;

pub use error::CemError;
pub use exchange::{CertificateExchange, OfferState, Readiness};
pub use offer::{CertificateOffer, CertificateRequest, CertificateRole};
pub use received::{Adoption, Answer, CemMessage, Decision, ReceivedRequest, TrustRequest};
pub use response::{ReceivedResponse, TrustResponse};

use crate::certificate::Certificate;
use crate::message::builder::MessageBuilder;
use crate::message::payload::Payload;
use crate::mime::param::ContentType;
use crate::name::{As2Name, printable};
use crate::partner::Partner;
use crate::profile::ReceiptKind;
use crate::stored::Instant;

/// The media type of the XML document.
const DOCUMENT_TYPE: &str = "application/ediint-cert-exchange+xml";

/// Issuer and serial number as text, as the sender of the document writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(crate) struct Reference {
    issuer: String,
    serial: String,
}

impl Reference {
    fn of(certificate: &Certificate) -> Self {
        Self { issuer: certificate.issuer_rfc4514(), serial: certificate.serial_decimal() }
    }

    /// Reads `X509IssuerName` and `X509SerialNumber` (XML Signature section 4.4.4).
    fn read(node: roxmltree::Node<'_, '_>) -> Result<Self, CemError> {
        let (issuer, serial) = (xml::child_text(node, ISSUER)?, xml::child_text(node, SERIAL)?);
        let digits = serial.strip_prefix(['-', '+']).unwrap_or(&serial);
        if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
            return Err(CemError::Value { element: SERIAL, value: printable(&serial) });
        }
        Ok(Self { issuer, serial })
    }

    fn write(&self, writer: &mut xml::Writer) {
        writer.leaf("ds:X509IssuerName", &self.issuer);
        writer.leaf("ds:X509SerialNumber", &self.serial);
    }

    fn names(&self, certificate: &Certificate) -> bool {
        let (negative, digits) = match self.serial.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", self.serial.strip_prefix('+').unwrap_or(&self.serial)),
        };
        let digits = digits.trim_start_matches('0');
        let serial = if digits.is_empty() { "0".to_owned() } else { format!("{negative}{digits}") };
        certificate.serial_decimal() == serial && certificate.is_issued_by(&self.issuer)
    }
}

const ISSUER: &str = "X509IssuerName";
const SERIAL: &str = "X509SerialNumber";

/// The head of a document: who wrote it, and when.
fn write_head(writer: &mut xml::Writer, us: &As2Name, now: Instant) {
    writer.begin("TradingPartnerInfo");
    writer.leaf_with("Name", " qualifier=\"AS2\"", us.as_str());
    writer.leaf("MessageOriginated", &String::from(now));
    writer.end();
}

/// A message around a document: always multipart/related, and protected (its receipt proves that it arrived).
fn envelope(
    message: MessageBuilder,
    partner: &Partner,
    document: String,
) -> Result<(MessageBuilder, Payload), CemError> {
    let send = &partner.profile().send;
    if send.sign.is_none() {
        return Err(CemError::Agreement { field: "send.sign" });
    }
    if send.receipt.kind != ReceiptKind::Signed {
        return Err(CemError::Agreement { field: "send.receipt.kind" });
    }
    Ok((message.related(), Payload::new(ContentType::known(DOCUMENT_TYPE), document)))
}
