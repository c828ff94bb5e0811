//! A receipt as it arrives, parsed but unverified (RFC 4130 section 7.4).

use bytes::Bytes;
use http::HeaderMap;

use crate::announce::Announcement;
use crate::headers::{self, entity};
use crate::limits::Limits;
use crate::mdn::{self, Disposition, MicField, Report};
use crate::mime::entity::Entity;
use crate::mime::multipart::Multipart;
use crate::mime::param::ContentType;
use crate::mime::transfer::decode_der;
use crate::name::{ReceivedId, ReceivedName};
use crate::note::Note;
use crate::stored::{FormatVersion, Octets};

/// A receipt that was read and not yet judged: nothing in it is proven.
///
/// With feature `serde` it can be parked: asynchronous receipts may arrive before their message is recorded
/// ([`PendingReceipt::settle_parked`](crate::PendingReceipt::settle_parked) matches them then).
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "ParkedMdn", try_from = "ParkedMdn"))]
pub struct IncomingMdn {
    raw: ParkedMdn,
    from: Option<ReceivedName>,
    to: Option<ReceivedName>,
    report: Report,
    text: Option<String>,
    signed: Option<SignedReport>,
    notes: Vec<Note>,
}

/// A signed receipt's content and signature, as received.
#[derive(Clone, Debug)]
pub(crate) struct SignedReport {
    pub(crate) content: Bytes,
    pub(crate) cms: Bytes,
}

/// The octets of a receipt: what is stored of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub(crate) struct ParkedMdn {
    version: FormatVersion,
    from: Option<Octets>,
    to: Option<Octets>,
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Announcement::is_empty"))]
    announced: Announcement,
    entity: Octets,
}

impl IncomingMdn {
    /// Reads a receipt from the header and body of an HTTP request or response.
    pub(crate) fn read(http: &HeaderMap, body: Bytes, limits: &Limits) -> Result<Self, String> {
        if u64::try_from(body.len()).unwrap_or(u64::MAX) > limits.report {
            return Err(format!("it is larger than {} octets", limits.report));
        }
        let field = |name| http.get(name).map(|value| Octets(Bytes::copy_from_slice(value.as_bytes())));
        Self::from_parked(
            ParkedMdn {
                version: FormatVersion,
                from: field(headers::AS2_FROM),
                to: field(headers::AS2_TO),
                announced: headers::announced(http),
                entity: Octets(entity(http, &body)),
            },
            limits,
        )
    }

    fn from_parked(raw: ParkedMdn, limits: &Limits) -> Result<Self, String> {
        let outer = Entity::parse(raw.entity.0.clone(), limits).map_err(|error| error.to_string())?;
        let name = |header: &str, value: &Option<Octets>| ReceivedName::read(header, &value.as_ref()?.0);
        let (from, to) = (name(headers::AS2_FROM, &raw.from), name(headers::AS2_TO, &raw.to));
        let mut notes = Vec::new();
        let signed = signed_report(&outer, limits)?;
        let inner = match &signed {
            Some(signed) => {
                Entity::parse_after_blank_lines(&signed.content, limits).map_err(|error| error.to_string())?
            }
            None => outer,
        };
        let found = mdn::find_report(&inner, limits).map_err(|error| error.to_string())?;
        notes.extend(found.notes.into_iter().map(Note::Receipt));
        Ok(Self { raw, from, to, report: found.report, text: found.text, signed, notes })
    }

    /// Who says to have sent the receipt; synchronous receipts may leave it out.
    #[must_use]
    pub fn from(&self) -> Option<&ReceivedName> {
        self.from.as_ref()
    }

    /// Whom the receipt is addressed to.
    #[must_use]
    pub fn to(&self) -> Option<&ReceivedName> {
        self.to.as_ref()
    }

    /// What its sender tells about itself: version, features, product.
    #[must_use]
    pub fn announced(&self) -> &Announcement {
        &self.raw.announced
    }

    /// The message that the receipt is about: the key to look its [`PendingReceipt`](crate::PendingReceipt) up by,
    /// see [`ReceivedId::bare`].
    #[must_use]
    pub fn original_message_id(&self) -> Option<ReceivedId> {
        ReceivedId::read(self.report.original_message_id.as_deref()?.as_bytes())
    }

    /// The machine-readable part.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// What became of the message, according to the receipt.
    #[must_use]
    pub fn disposition(&self) -> Option<&Disposition> {
        self.report.disposition.as_ref()
    }

    /// The integrity check that the receipt reports, readable or not.
    #[must_use]
    pub fn mic(&self) -> Option<&MicField> {
        self.report.mic.as_ref()
    }

    /// The explanation for people.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Whether the receipt carries a signature, valid or not.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.signed.is_some()
    }

    /// The receipt as it came: a MIME entity, with those HTTP header fields that belong to it. As a file, mail tools and
    /// `openssl cms -verify` read it.
    #[must_use]
    pub fn mime(&self) -> &[u8] {
        &self.raw.entity.0
    }

    /// What was tolerated when it was read.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The receipt as it came: both names, and the entity with its MIME header.
    pub(crate) fn raw_parts(&self) -> [&[u8]; 3] {
        let ParkedMdn { from, to, entity, .. } = &self.raw;
        [from.as_ref(), to.as_ref(), Some(entity)].map(|octets| octets.map_or(&[][..], |octets| &octets.0))
    }

    pub(crate) fn signed(&self) -> Option<&SignedReport> {
        self.signed.as_ref()
    }
}

impl From<IncomingMdn> for ParkedMdn {
    fn from(mdn: IncomingMdn) -> Self {
        mdn.raw
    }
}

impl TryFrom<ParkedMdn> for IncomingMdn {
    type Error = String;

    fn try_from(raw: ParkedMdn) -> Result<Self, String> {
        Self::from_parked(raw, &Limits::default())
    }
}

/// Whether an entity is a receipt rather than a message, by its structure: receipts arrive at message URLs too.
pub(crate) fn is_receipt(content_type: Option<&ContentType>, body: &Bytes, limits: &Limits) -> bool {
    let Some(content_type) = content_type else { return false };
    if content_type.is_report() {
        return true;
    }
    // Only as much as the first part's header needs to show; a large message is not scanned for it.
    let start = body.slice(..body.len().min(PEEK));
    let Some(boundary) = content_type.param("boundary").filter(|_| content_type.essence() == "multipart/signed") else {
        return false;
    };
    let Ok(split) = Multipart::split(&start, boundary, limits) else { return false };
    let first = split.parts.into_iter().next().and_then(|part| Entity::parse_after_blank_lines(&part, limits).ok());
    first.and_then(|first| first.content_type()?.ok()).is_some_and(|inner| inner.is_report())
}

fn signed_report(outer: &Entity, limits: &Limits) -> Result<Option<SignedReport>, String> {
    let Some(Ok(content_type)) = outer.content_type() else { return Ok(None) };
    if content_type.essence() != "multipart/signed" {
        return Ok(None);
    }
    let boundary = content_type.param("boundary").unwrap_or_default();
    let split = Multipart::split(&outer.body(), boundary, limits).map_err(|error| error.to_string())?;
    let [content, signature] = <[Bytes; 2]>::try_from(split.parts)
        .map_err(|parts| format!("multipart/signed has {} parts instead of 2", parts.len()))?;
    let signature = Entity::parse(signature, limits).map_err(|error| error.to_string())?;
    let declared = signature.fields().get("content-transfer-encoding").map(|value| value.into_owned());
    let (cms, _) = decode_der(declared.as_deref(), signature.into_body()).map_err(|error| error.to_string())?;
    Ok(Some(SignedReport { content, cms }))
}

/// Octets that are looked at to tell a signed receipt from a signed message.
pub(crate) const PEEK: usize = 64 << 10;
