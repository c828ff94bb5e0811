//! MIME entities, and the receipts among them.

use bytes::Bytes;
use http::HeaderMap;

use super::tree::Finding;
use super::{Look, cms};
use crate::algorithm::DigestAlgorithm;
use crate::crypto::DigestValue;
use crate::headers::CONTENT_TRANSFER_ENCODING;
use crate::mdn::{self, MicField, Report};
use crate::mime::entity::Entity;
use crate::mime::filename;
use crate::mime::multipart::Multipart;
use crate::mime::param::ContentType;
use crate::mime::transfer::{TransferEncoding, decode, decode_der};
use crate::name::printable;
use crate::note::{Note, SignedOctets};
use crate::profile::SignedForm;
use crate::smime::forms::Received;
use crate::smime::layer::{boundary_note, is_cms, repeated_head, surroundings_notes};
use crate::smime::mic::{Digests, Mic};

/// An entity with its header in front.
pub(super) fn whole(inspector: &Look<'_>, octets: Bytes, nesting: usize) -> Finding {
    let parsed = Entity::parse_after_blank_lines(&octets, &inspector.limits);
    let entity = match parsed {
        Ok(entity) => entity,
        Err(error) => return Finding::new("a MIME entity").fact("octets", octets.len()).broken(&error),
    };
    let field = |name: &str| entity.fields().get(name).map(|value| value.into_owned());
    let fields = Labels {
        content_type: field("content-type"),
        transfer: field(CONTENT_TRANSFER_ENCODING),
        disposition: field("content-disposition"),
    };
    let mut found = describe(inspector, &fields, entity.body(), nesting);
    if found.parts.is_empty() && found.broken.is_none() {
        let checks = checks(inspector, &octets, &[DigestAlgorithm::Sha256]);
        let usual = checks.iter().filter(|check| !check.is_rare);
        found = usual.fold(found, |found, check| found.fact(&format!("MIC {}", check.form), &check.mic));
    }
    if !octets.starts_with(b"\r") && !octets.starts_with(b"\n") {
        return found;
    }
    found.odd("empty lines stand before its header", "RFC 2045 section 3: an entity begins with its header")
}

/// The entity whose header is that of HTTP.
pub(super) fn outer(inspector: &Look<'_>, http: &HeaderMap, body: &Bytes) -> Finding {
    let field = |name: &str| http.get(name).map(|value| value.as_bytes().to_vec());
    let fields = Labels {
        content_type: field("content-type"),
        transfer: field(CONTENT_TRANSFER_ENCODING),
        disposition: field("content-disposition"),
    };
    describe(inspector, &fields, body.clone(), inspector.limits.nesting)
}

struct Labels {
    content_type: Option<Vec<u8>>,
    transfer: Option<Vec<u8>>,
    disposition: Option<Vec<u8>>,
}

impl Labels {
    fn filename(&self) -> Option<String> {
        let content_type = self.content_type.as_deref().and_then(|value| ContentType::read(value).ok());
        filename::received(self.disposition.as_deref(), content_type.as_ref())
    }
}

fn describe(inspector: &Look<'_>, labels: &Labels, body: Bytes, nesting: usize) -> Finding {
    let Some(nesting) = nesting.checked_sub(1) else {
        return Finding::new("more layers")
            .broken(&format!("they are nested deeper than {}", inspector.limits.nesting));
    };
    let read = labels.content_type.as_deref().map(ContentType::read);
    let content_type = match read {
        Some(Ok(content_type)) => content_type,
        Some(Err(error)) => return leaf("an entity whose type cannot be read", labels, body).broken(&error),
        None => {
            return leaf("an entity without type", labels, body)
                .odd("it has no Content-Type", "RFC 2045 section 5.2: such an entity is text/plain in US-ASCII");
        }
    };
    match content_type.essence() {
        "multipart/signed" => signed(inspector, &content_type, &body, nesting),
        _ if is_cms(&content_type, labels.disposition.as_deref()) => {
            let (title, found) = (content_type.to_string(), cms_body(inspector, labels, body, &content_type, nesting));
            prefixed(&title, found)
        }
        "message/disposition-notification" => report_part(labels, body),
        essence if essence.starts_with("multipart/") => multipart(inspector, &content_type, &body, nesting),
        _ => leaf(&content_type.to_string(), labels, body),
    }
}

fn prefixed(title: &str, mut found: Finding) -> Finding {
    found.title = format!("{title}: {}", found.title);
    found
}

fn cms_body(inspector: &Look<'_>, labels: &Labels, body: Bytes, content_type: &ContentType, nesting: usize) -> Finding {
    let length = body.len();
    let repeated = repeated_head(&body, &inspector.limits);
    let is_repeated = repeated.is_some();
    let (declared, body) = repeated.unwrap_or_else(|| (labels.transfer.clone(), body));
    match decode_der(declared.as_deref(), body) {
        Ok((octets, fault)) => {
            let mut found = cms::object(inspector, octets, Some(content_type), nesting);
            if is_repeated {
                found.note(&Note::Surroundings("the MIME header is repeated in the body".to_owned()));
            }
            if let Some(fault) = fault {
                found.note(&Note::TransferEncoding(fault.to_owned()));
            }
            found
        }
        Err(error) => Finding::new("a CMS object").fact("octets", length).broken(&error),
    }
}

/// multipart/signed (RFC 1847): the content, the signature, and every digest that the two can be compared by.
fn signed(inspector: &Look<'_>, content_type: &ContentType, body: &Bytes, nesting: usize) -> Finding {
    let boundary = content_type.param("boundary").unwrap_or_default();
    let found = Finding::new("multipart/signed").fact_if("micalg", content_type.param("micalg"));
    let found = found.fact_if("protocol", content_type.param("protocol"));
    let split = match Multipart::split(body, boundary, &inspector.limits) {
        Ok(split) => split,
        Err(error) => return found.fact("octets", body.len()).broken(&error),
    };
    let mut found = found.notes(&surroundings_notes(&split));
    if let Some(note) = boundary_note(content_type) {
        found.note(&note);
    }
    let mut parts = split.parts.into_iter();
    let (content, signature) = (parts.next().unwrap_or_default(), parts.next());
    if parts.next().is_some() || signature.is_none() {
        found = found.odd("it has not two parts", "RFC 1847 section 2.1: multipart/signed has exactly two parts");
    }
    let found = found.part(whole(inspector, content.clone(), nesting));
    let Some(signature) = signature else { return found };
    let entity = match Entity::parse(signature, &inspector.limits) {
        Ok(entity) => entity,
        Err(error) => return found.part(Finding::new("the signature part").broken(&error)),
    };
    let declared = entity.fields().get(CONTENT_TRANSFER_ENCODING).map(|value| value.into_owned());
    let part = match decode_der(declared.as_deref(), entity.into_body()) {
        Ok((octets, _)) => cms::signature(inspector, octets, &content, content_type.param("micalg")),
        Err(error) => Finding::new("the signature").broken(&error),
    };
    found.part(part)
}

fn multipart(inspector: &Look<'_>, content_type: &ContentType, body: &Bytes, nesting: usize) -> Finding {
    let found = Finding::new(content_type.essence());
    let boundary = content_type.param("boundary").unwrap_or_default();
    match Multipart::split(body, boundary, &inspector.limits) {
        Ok(split) => {
            let found = found.fact("parts", split.parts.len()).notes(&surroundings_notes(&split));
            split.parts.into_iter().fold(found, |found, part| found.part(whole(inspector, part, nesting)))
        }
        Err(error) => found.fact("octets", body.len()).broken(&error),
    }
}

fn report_part(labels: &Labels, body: Bytes) -> Finding {
    let encoding = labels.transfer.as_deref().map_or(Ok(TransferEncoding::Binary), TransferEncoding::read);
    let found = Finding::new("message/disposition-notification");
    match encoding.and_then(|encoding| decode(encoding, body)) {
        Ok(octets) => report(found, &Report::read(&octets)),
        Err(error) => found.broken(&error),
    }
}

fn report(found: Finding, report: &Report) -> Finding {
    let recipient = |recipient: &Option<mdn::Recipient>| recipient.as_ref().map(|known| printable(&known.address));
    let shown = |text: &Option<String>| text.as_deref().map(printable);
    let mut found = found
        .fact_if("Reporting-UA", shown(&report.reporting_ua))
        .fact_if("Original-Recipient", recipient(&report.original_recipient))
        .fact_if("Final-Recipient", recipient(&report.final_recipient))
        .fact_if("Original-Message-ID", shown(&report.original_message_id))
        .fact_if("Disposition", report.disposition.as_ref());
    found = match &report.mic {
        Some(MicField::Mic(mic)) => found.fact("MIC", format!("{}, {}", mic.to_base64(), printable(&mic.algorithm))),
        Some(MicField::Unparsable(text)) => found.odd(
            format!("the MIC cannot be read: {}", printable(text)),
            "RFC 4130 section 7.4.3: base64, a comma, and the name of the digest",
        ),
        None => found,
    };
    if report.disposition.is_none() {
        found = found.odd("there is no Disposition", "RFC 8098 section 3.2.6: it must be there");
    }
    let lists = [("Failure", &report.failures), ("Error", &report.errors), ("Warning", &report.warnings)];
    for (name, texts) in lists {
        found = texts.iter().fold(found, |found, text| found.fact(name, printable(text)));
    }
    report.extensions.iter().fold(found, |found, (name, value)| found.fact(&printable(name), printable(value)))
}

/// A part that is no container: its size, its digest, and what its labels say.
fn leaf(title: &str, labels: &Labels, body: Bytes) -> Finding {
    let found = Finding::new(printable(title)).fact("octets", body.len());
    let declared = labels.transfer.as_deref().map(|value| printable(&String::from_utf8_lossy(value)));
    let found = found.fact_if("transfer encoding", declared);
    let found = found.fact_if("file name", labels.filename().map(|name| printable(&name)));
    match labels.transfer.as_deref().map(TransferEncoding::read) {
        Some(Err(error)) => found.broken(&error),
        _ => found,
    }
}

/// An integrity check that somebody may have computed over an entity.
pub(super) struct Check {
    /// What it covers.
    pub(super) form: String,
    /// Whether hardly anybody does so: it is worth a line only if it fits.
    pub(super) is_rare: bool,
    pub(super) mic: Mic,
}

/// Each integrity check that somebody may have computed over an entity.
pub(super) fn checks(inspector: &Look<'_>, entity: &Bytes, algorithms: &[DigestAlgorithm]) -> Vec<Check> {
    let (provider, all) = (&inspector.provider, SignedForm::Tolerant);
    let Ok(mut received) = Received::new(provider, algorithms, entity, all) else { return Vec::new() };
    let others = received.others(provider, algorithms, entity, all);
    let check = |form: &str, is_rare| {
        let form = form.to_owned();
        move |value: &DigestValue| Check { form: form.clone(), is_rare, mic: Mic::new(value) }
    };
    let mut checks: Vec<_> = received.values.iter().map(check("as sent", false)).collect();
    for other in &others {
        let form = match other.form {
            SignedOctets::InCrlf => "in CRLF form".to_owned(),
            rare => rare.to_string(),
        };
        checks.extend(other.values.iter().map(check(&form, other.form != SignedOctets::InCrlf)));
    }
    if let Ok(parsed) = Entity::parse_after_blank_lines(entity, &inspector.limits) {
        let values = Digests::of(provider, algorithms, &[parsed.into_body()]).unwrap_or_default();
        checks.extend(values.iter().map(check("without its header", false)));
    }
    checks
}
