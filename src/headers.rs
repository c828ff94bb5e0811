//! The AS2 header fields of a request or response (RFC 4130 section 6).

use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::crypto::CryptoProvider;
use crate::error::{Rejection, SendError};
use crate::name::{MessageId, ReceivedName};
use crate::note::Note;
use crate::stored::Instant;

pub(crate) const AS2_VERSION: &str = "as2-version";
pub(crate) const AS2_FROM: &str = "as2-from";
pub(crate) const AS2_TO: &str = "as2-to";
pub(crate) const MESSAGE_ID: &str = "message-id";
pub(crate) const DISPOSITION_NOTIFICATION_TO: &str = "disposition-notification-to";
pub(crate) const DISPOSITION_NOTIFICATION_OPTIONS: &str = "disposition-notification-options";
pub(crate) const RECEIPT_DELIVERY_OPTION: &str = "receipt-delivery-option";
pub(crate) const CONTENT_TRANSFER_ENCODING: &str = "content-transfer-encoding";

/// The version that is written: 1.1 says that compression is understood (RFC 5402 section 6).
pub(crate) const VERSION: &str = "1.1";

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

/// RFC 4130 section 6.1: absence means 1.0, and only the major digit decides. Nothing here is a failure.
pub(crate) fn note_version(headers: &HeaderMap, notes: &mut Vec<Note>) {
    let Some(value) = headers.get(AS2_VERSION) else { return };
    let text = String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
    let known =
        text.strip_prefix("1.").is_some_and(|minor| minor.len() == 1 && minor.bytes().all(|o| o.is_ascii_digit()));
    if !known {
        notes.push(Note::Version(format!("AS2-Version is '{}'", crate::name::printable(&text))));
    }
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
