//! Messages that come again (RFC 4130 section 5.5): what names a message, and how the same octets are told from others.
//!
//! The crate stores nothing. [`record`] is what a table keeps about one message, and [`claim`] decides by it; the table
//! offers one operation, a write that takes effect only if the row is still as it was read.

pub(crate) mod claim;
pub(crate) mod record;

use std::fmt;
use std::time::SystemTime;

use http::HeaderMap;
use sha2::{Digest, Sha256};

use crate::headers::{
    CONTENT_TRANSFER_ENCODING, DISPOSITION_NOTIFICATION_OPTIONS, DISPOSITION_NOTIFICATION_TO, RECEIPT_DELIVERY_OPTION,
};
use crate::message::duplicate::record::InboxRecord;
use crate::message::payload::ReceivedPayload;
use crate::message::received::Envelope;
use crate::mime::param::extended::hex_pair;
use crate::name::{ReceivedId, ReceivedName};
use crate::partner::Partner;
use crate::receipt::builder::Reply;

/// What names a received message: sender, recipient and Message-ID together, so that no partner can use up the
/// identifiers of another one (RFC 4130 section 9.3).
///
/// Names are decoded, and the identifier stands without its brackets: the form in which they are compared. In a table
/// the three are the primary key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct MessageKey {
    from: String,
    to: String,
    message_id: String,
}

impl MessageKey {
    /// The sender's AS2 name.
    #[must_use]
    pub fn from(&self) -> &str {
        &self.from
    }

    /// The recipient's AS2 name.
    #[must_use]
    pub fn to(&self) -> &str {
        &self.to
    }

    /// The Message-ID without brackets. A message that came without one is named by its octets: `sha-256:` and
    /// [`Arrival::wire_digest`] in hexadecimal.
    #[must_use]
    pub fn message_id(&self) -> &str {
        &self.message_id
    }
}

/// A message that arrived, as far as its duplicates are concerned: its name, and a digest of its octets. Take it from the
/// [`Envelope`] before that is opened.
///
/// ```
/// # fn show(envelope: &as2_protocol::Envelope) {
/// let arrival = envelope.arrival();
/// println!("{} from {}", arrival.key().message_id(), arrival.key().from());
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    key: MessageKey,
    wire: Fingerprint,
}

impl Arrival {
    /// What names the message.
    #[must_use]
    pub fn key(&self) -> &MessageKey {
        &self.key
    }

    /// SHA-256 of what the sender sent: the body, the header fields without which it reads differently (type, transfer
    /// encoding, disposition), and the receipt that he asks for. Fields that senders write anew at each attempt, or
    /// that proxies touch, are left out.
    #[must_use]
    pub fn wire_digest(&self) -> &[u8; 32] {
        &self.wire.0
    }

    /// The answer to a message that need not be opened to be answered: the reply on record, if these very octets were
    /// answered before, or 503 while they are worked on. Nothing is to be written.
    ///
    /// `None` means: open the message, then [`claim`](crate::Accepted::claim) it. Who merely knows a Message-ID learns
    /// nothing here, since other octets always have to be opened.
    #[must_use]
    pub fn known(&self, record: Option<&InboxRecord>, partner: &Partner, now: SystemTime) -> Option<Reply> {
        let profile = partner.profile();
        let agreed = self.key.from == profile.them.as_str() && self.key.to == profile.us.as_str();
        let record = record.filter(|record| agreed && !record.is_expired(now))?;
        let terms = &profile.delivery.duplicates;
        if let Some(reply) = record.answer(&self.wire, terms) {
            return Some(reply.clone());
        }
        record.is_worked_on(&self.wire, now).then(|| Reply::deferred(terms.busy_wait, Vec::new()))
    }
}

impl Envelope {
    /// What names the message in a table of received ones.
    #[must_use]
    pub fn key(&self) -> MessageKey {
        match self.message_id() {
            Some(id) => self.named(id.bare()),
            None => self.arrival().key,
        }
    }

    /// Name and digest of the message; the body is hashed once, here.
    #[must_use]
    pub fn arrival(&self) -> Arrival {
        let mut wire = wire_digest(self.headers());
        wire.update(self.octets());
        Arrival::new((self.from(), self.to()), self.message_id(), wire)
    }

    fn named(&self, message_id: String) -> MessageKey {
        MessageKey::named((self.from(), self.to()), message_id)
    }
}

impl MessageKey {
    fn named((from, to): (&ReceivedName, &ReceivedName), message_id: String) -> Self {
        Self { from: from.as_str().to_owned(), to: to.as_str().to_owned(), message_id }
    }
}

impl Arrival {
    /// `wire` has taken in the body behind what [`wire_digest`] began with.
    pub(crate) fn new(names: (&ReceivedName, &ReceivedName), id: Option<&ReceivedId>, wire: Sha256) -> Self {
        let wire = Fingerprint(wire.finalize().into());
        let id = id.map_or_else(|| format!("sha-256:{}", String::from(wire)), |id| id.bare());
        Self { key: MessageKey::named(names, id), wire }
    }
}

/// The digest before the body. Each field with its length before it, so that no two messages hash the same octets.
pub(crate) fn wire_digest(headers: &HeaderMap) -> Sha256 {
    let mut hash = Sha256::new_with_prefix(b"as2-protocol arrival 1\0");
    let mut add = |value: Option<Vec<u8>>| {
        hash.update([u8::from(value.is_some())]);
        let value = value.unwrap_or_default();
        hash.update(u64::try_from(value.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(value);
    };
    let value = |name: &str| headers.get(name).map(|value| one_line(value.as_bytes()));
    for name in [
        "content-type",
        CONTENT_TRANSFER_ENCODING,
        "content-disposition",
        DISPOSITION_NOTIFICATION_OPTIONS,
        RECEIPT_DELIVERY_OPTION,
    ] {
        add(value(name));
    }
    // The address in it is never used: that it is there asks for a receipt.
    add(value(DISPOSITION_NOTIFICATION_TO).map(|_| Vec::new()));
    hash
}

/// White space as it is after unfolding: a proxy may have done that.
fn one_line(value: &[u8]) -> Vec<u8> {
    let words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(&b' ')
}

/// What is compared of two messages: the octets of their documents, without transfer encoding, file names and the
/// boundaries between them, so that a message that was built anew counts as the same one.
fn payload_digest(documents: &[ReceivedPayload]) -> Fingerprint {
    digest_of(documents.iter().map(|document| Sha256::new_with_prefix(document.body())))
}

/// The same, of the digests of the documents.
pub(crate) fn digest_of(documents: impl Iterator<Item = Sha256>) -> Fingerprint {
    let digests: Vec<[u8; 32]> = documents.map(|document| document.finalize().into()).collect();
    if let [only] = digests.as_slice() {
        return Fingerprint(*only);
    }
    let mut hash = Sha256::new_with_prefix(b"as2-protocol documents 1\0");
    digests.iter().for_each(|digest| hash.update(digest));
    Fingerprint(hash.finalize().into())
}

/// A SHA-256 digest; hexadecimal where it is stored or shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "String", try_from = "String"))]
pub(crate) struct Fingerprint([u8; 32]);

impl From<Fingerprint> for String {
    fn from(digest: Fingerprint) -> Self {
        digest.0.iter().fold(Self::with_capacity(64), |text, octet| format!("{text}{octet:02x}"))
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let octets: Option<Vec<u8>> = text.as_bytes().chunks(2).map(hex_pair).collect();
        let digest = octets.filter(|_| text.len() == 64).and_then(|octets| octets.try_into().ok());
        digest.map(Self).ok_or_else(|| format!("'{text}' is not a SHA-256 digest of 64 hexadecimal digits"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from(*self))
    }
}
