//! The grammar of receipts (RFC 4130 section 7, RFC 8098): values in, values out; no keys, no policy.

pub(crate) mod disposition;
pub(crate) mod report;
pub(crate) mod request;

pub use disposition::{Disposition, DispositionMode, DispositionType, Modifier, ModifierKind};
pub use report::{MicField, ReceivedMic, Recipient, Report};
pub use request::{Importance, MdnRequest, ReceiptDelivery, SignedReceiptRequest};

use crate::limits::Limits;
use crate::mime::entity::Entity;
use crate::mime::multipart::{Closed, Multipart};
use crate::mime::transfer::decode;

/// An entity that is no receipt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum MdnError {
    /// A MIME structure cannot be read.
    #[error(transparent)]
    Mime(#[from] crate::mime::Error),
    /// There is no disposition notification in it.
    #[error("there is no message/disposition-notification in it")]
    NoReport,
}

/// A receipt's report and what stands beside it.
#[derive(Clone, Debug, Default)]
pub(crate) struct FoundReport {
    pub(crate) report: Report,
    /// The explanation for people.
    pub(crate) text: Option<String>,
    pub(crate) notes: Vec<String>,
}

/// Multiparts in multiparts that are looked into.
const MAX_NESTING: usize = 3;
/// Octets of the explanation that are kept.
const MAX_TEXT: usize = 16 << 10;

/// Finds the report in an entity by its type: the explanation may be missing or have no header, further parts may
/// follow, and the report may stand alone.
pub(crate) fn find_report(entity: &Entity, limits: &Limits) -> Result<FoundReport, MdnError> {
    let (mut found, mut report) = (FoundReport::default(), None);
    search(entity, limits, MAX_NESTING, &mut found, &mut report)?;
    found.report = report.ok_or(MdnError::NoReport)?;
    Ok(found)
}

fn search(
    entity: &Entity,
    limits: &Limits,
    nesting: usize,
    found: &mut FoundReport,
    report: &mut Option<Report>,
) -> Result<(), MdnError> {
    let content_type = entity.content_type().and_then(Result::ok);
    let essence = content_type.as_ref().map_or("", |content_type| content_type.essence());
    match essence {
        "message/disposition-notification" if report.is_none() => *report = Some(Report::read(&leaf(entity, found)?)),
        _ if essence.starts_with("multipart/") && nesting > 0 => {
            let boundary = content_type.as_ref().and_then(|content_type| content_type.param("boundary"));
            let split = Multipart::split(&entity.body(), boundary.unwrap_or_default(), limits)?;
            if split.closed != Closed::Proper {
                found.notes.push("the last boundary of the receipt is missing or misspelt".to_owned());
            }
            for part in split.parts {
                match Entity::parse(part.clone(), limits) {
                    Ok(inner) => search(&inner, limits, nesting - 1, found, report)?,
                    // Sterling writes the explanation without any header.
                    Err(_) => keep_text(found, &part),
                }
            }
        }
        "" | "text/plain" | "text/html" => {
            let text = leaf(entity, found)?;
            keep_text(found, &text);
        }
        _ => {}
    }
    Ok(())
}

/// The body without its transfer encoding; one that is not known is read as it stands.
fn leaf(entity: &Entity, found: &mut FoundReport) -> Result<bytes::Bytes, MdnError> {
    match entity.transfer_encoding() {
        Ok(encoding) => Ok(decode(encoding, entity.body())?),
        Err(error) => {
            found.notes.push(error.to_string());
            Ok(entity.body())
        }
    }
}

fn keep_text(found: &mut FoundReport, octets: &[u8]) {
    if found.text.is_none() {
        let start = octets.get(..MAX_TEXT).unwrap_or(octets);
        found.text = Some(String::from_utf8_lossy(start).trim().to_owned()).filter(|text| !text.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str) -> Result<FoundReport, MdnError> {
        let octets = bytes::Bytes::copy_from_slice(text.replace('\n', "\r\n").as_bytes());
        find_report(&Entity::parse(octets, &Limits::default()).unwrap(), &Limits::default())
    }

    const FIELDS: &str =
        "Original-Message-ID: <1@a>\nDisposition: automatic-action/MDN-sent-automatically; processed\n";

    #[test]
    fn e02_e18_reports_are_found_by_their_type() {
        let text = "Content-Type: text/plain\n\nThank you.";
        let machine = format!("Content-Type: Message/Disposition-Notification\n\n{FIELDS}");
        let base64 = format!(
            "Content-Type: message/disposition-notification\nContent-Transfer-Encoding: base64\n\n{}",
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, FIELDS)
        );
        let third = "Content-Type: text/rfc822-headers\n\nAS2-From: x";
        let bodies = [
            (vec![text, &machine], true),
            (vec![&machine as &str, text], true),
            (vec![&machine as &str], false),
            (vec![text, &machine, third], true),
            (vec!["\nThank you.", &base64], true),
            (vec!["Thank you.", &machine], true),
        ];
        for (parts, has_text) in bodies {
            let body: String = parts.iter().map(|part| format!("--b\n{part}\n")).collect();
            for kind in
                ["multipart/report; Report-Type=disposition-notification", "Multipart/Report", "multipart/mixed"]
            {
                let found = find(&format!("Content-Type: {kind}; boundary=b\n\nAS2-From: x\n\n{body}--b--\n")).unwrap();
                assert_eq!(found.report.original_message_id.as_deref(), Some("<1@a>"));
                assert_eq!(found.text.is_some(), has_text, "{parts:?}");
            }
        }
        assert!(find(&machine).unwrap().report.disposition.is_some(), "P-18: a bare report");
    }

    #[test]
    fn m14_a_misspelt_close_is_noted() {
        let body = format!(
            "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/disposition-notification\n\n{FIELDS}\n--b-\n"
        );
        assert_eq!(find(&body).unwrap().notes.len(), 1);
    }

    #[test]
    fn e11_other_bodies_are_no_receipts() {
        for other in [
            "Content-Type: text/html\n\n<html>",
            "\nOK",
            "Content-Type: multipart/report; boundary=b\n\n--b\n\nx\n--b--",
        ] {
            assert_eq!(find(other).unwrap_err(), MdnError::NoReport, "{other}");
        }
        assert!(find("Content-Type: multipart/report\n\n--b\n\nx\n--b--").is_err());
    }
}
