//! The AS2 header fields of a request or response (RFC 4130 section 6).

use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::announce::{Announcement, Feature};
use crate::crypto::CryptoProvider;
use crate::error::{Rejection, SendError};
use crate::name::{MessageId, ReceivedName};
use crate::note::Note;
use crate::profile::AnnounceTerms;
use crate::stored::Instant;

pub(crate) const AS2_VERSION: &str = "as2-version";
pub(crate) const AS2_FROM: &str = "as2-from";
pub(crate) const AS2_TO: &str = "as2-to";
pub(crate) const MESSAGE_ID: &str = "message-id";
pub(crate) const DISPOSITION_NOTIFICATION_TO: &str = "disposition-notification-to";
pub(crate) const DISPOSITION_NOTIFICATION_OPTIONS: &str = "disposition-notification-options";
pub(crate) const RECEIPT_DELIVERY_OPTION: &str = "receipt-delivery-option";
pub(crate) const CONTENT_TRANSFER_ENCODING: &str = "content-transfer-encoding";

const EDIINT_FEATURES: &str = "ediint-features";
const AS2_PRODUCT: &str = "as2-product";

/// Whether AS2 gives a header field its meaning, whether or not a message has it.
pub(crate) fn is_of_as2(name: &str) -> bool {
    let own = [
        AS2_VERSION,
        AS2_FROM,
        AS2_TO,
        MESSAGE_ID,
        DISPOSITION_NOTIFICATION_TO,
        DISPOSITION_NOTIFICATION_OPTIONS,
        RECEIPT_DELIVERY_OPTION,
        CONTENT_TRANSFER_ENCODING,
        EDIINT_FEATURES,
        AS2_PRODUCT,
    ];
    own.iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// Collects header fields; the first value that HTTP cannot carry is told by name at the end.
pub(crate) struct Head {
    headers: HeaderMap,
    invalid: Option<String>,
}

impl Head {
    pub(crate) fn new() -> Self {
        Self { headers: HeaderMap::new(), invalid: None }
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        // Printable ASCII on one line: some peers choke on anything else, and no value may break out of its line.
        let printable = value.bytes().all(|octet| (b' '..=b'~').contains(&octet));
        match (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) if printable => {
                self.headers.insert(name, value);
            }
            _ => {
                self.invalid.get_or_insert_with(|| name.to_owned());
            }
        }
        self
    }

    pub(crate) fn set_if(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    /// What we tell about ourselves, in messages and receipts alike (RFC 6017 section 3).
    pub(crate) fn announce(self, terms: &AnnounceTerms) -> Self {
        let features: Vec<_> = terms.features.iter().map(Feature::as_str).collect();
        let head = self.set(AS2_VERSION, terms.version().name());
        let head = head.set_if(EDIINT_FEATURES, (!features.is_empty()).then(|| features.join(", ")).as_deref());
        head.set_if(AS2_PRODUCT, terms.product.as_ref().map(ToString::to_string).as_deref())
    }

    /// The headers, or the name of the first one that cannot be written.
    pub(crate) fn finish(self) -> Result<HeaderMap, String> {
        match self.invalid {
            None => Ok(self.headers),
            Some(name) => Err(name),
        }
    }

    /// The headers without those that cannot be written.
    pub(crate) fn finish_lossy(self) -> HeaderMap {
        self.headers
    }
}

/// The value of a field that may stand once. Repetitions with equal values are noted, others refused: which one a
/// proxy or another parser would take is not to be guessed.
pub(crate) fn single<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
    notes: &mut Vec<Note>,
) -> Result<Option<&'a [u8]>, Rejection> {
    let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let Some(first) = values.next() else { return Ok(None) };
    let mut repeated = false;
    for value in values {
        if value.trim_ascii() != first.trim_ascii() {
            return Err(Rejection::ContradictingHeader(name));
        }
        repeated = true;
    }
    if repeated {
        notes.push(Note::RepeatedHeader(name.to_owned()));
    }
    Ok(Some(first))
}

/// An AS2 name; some peers send it both quoted and bare, which is equal after decoding.
pub(crate) fn name(
    headers: &HeaderMap,
    name: &'static str,
    notes: &mut Vec<Note>,
) -> Result<Option<ReceivedName>, Rejection> {
    let mut values = headers.get_all(name).iter().filter_map(|value| ReceivedName::read(name, value.as_bytes()));
    let Some(first) = values.next() else { return Ok(None) };
    let mut repeated = false;
    for value in values {
        if value != first {
            return Err(Rejection::ContradictingHeader(name));
        }
        repeated = true;
    }
    if repeated {
        notes.push(Note::RepeatedHeader(name.to_owned()));
    }
    notes.extend_from_slice(first.notes());
    Ok(Some(first))
}

/// What the other side tells about itself. Nothing here is a failure (RFC 4130 section 6.1, RFC 6017 section 4).
pub(crate) fn announced(headers: &HeaderMap) -> Announcement {
    let text = |name: &str| {
        let values: Vec<_> = headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
        let joined = values.iter().map(|value| value.trim()).collect::<Vec<_>>().join(", ");
        (!values.is_empty()).then(|| crate::name::printable(&joined))
    };
    let version = headers.get(AS2_VERSION).map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
    Announcement::new(version.as_deref().map(crate::name::printable), text(EDIINT_FEATURES), text(AS2_PRODUCT))
}

/// A version that is not known, for the log.
pub(crate) fn version_note(announced: &Announcement) -> Option<Note> {
    let unknown = announced.version_text().filter(|_| announced.version().is_none())?;
    Some(Note::Version(format!("AS2-Version is '{unknown}'")))
}

/// A Message-ID that was never used before.
pub(crate) fn fresh_id(provider: &CryptoProvider, domain: &str, now: SystemTime) -> Result<MessageId, SendError> {
    let mut random = [0; 16];
    provider.fill_random(&mut random)?;
    Ok(MessageId::generate(Instant(now).seconds(), &random, domain)?)
}

/// An entity in octets, with those HTTP header fields that belong to it. Receipts are small, so this copies.
pub(crate) fn entity(headers: &HeaderMap, body: &Bytes) -> Bytes {
    let mut octets = Vec::with_capacity(body.len() + 256);
    for name in ["content-type", CONTENT_TRANSFER_ENCODING, "content-disposition"] {
        if let Some(value) = headers.get(name) {
            octets.extend_from_slice(name.as_bytes());
            octets.extend_from_slice(b": ");
            octets.extend_from_slice(value.as_bytes());
            octets.extend_from_slice(b"\r\n");
        }
    }
    octets.extend_from_slice(b"\r\n");
    octets.extend_from_slice(body);
    octets.into()
}
