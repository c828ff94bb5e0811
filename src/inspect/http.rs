//! The HTTP head of a message, a receipt or an answer.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};

use super::tree::Finding;
use super::{Look, entity};
use crate::headers;
use crate::mdn::MdnRequest;
use crate::message::parser::{Inbound, MessageParser};
use crate::name::printable;

pub(super) fn request(inspector: &Look<'_>, request: &Request<Bytes>) -> Finding {
    let target = printable(&request.uri().to_string());
    let mut found = head(&format!("{} {target}", request.method()), request.headers(), request.body());
    let parser = MessageParser::new(inspector.limits.clone()).accept_missing_message_id();
    let (parts, body) = request.clone().into_parts();
    match parser.head(&parts) {
        Ok(head) => {
            found = found.fact("from", head.from()).fact("to", head.to());
            found = found.fact_if("message", head.message_id()).notes(&head.notes);
            if head.message_id().is_none() {
                found =
                    found.odd("there is no Message-ID", "RFC 4130 section 7.3: the receipt names the message by it");
            }
            found = asked(found, head.receipt_request.as_ref());
            found = found.part(entity::outer(inspector, request.headers(), request.body()));
            match head.body(body) {
                Ok(inbound) => verdict(inspector, found, inbound),
                Err(rejection) => found.broken(&rejection),
            }
        }
        Err(rejection) => found.part(entity::outer(inspector, request.headers(), request.body())).broken(&rejection),
    }
}

pub(super) fn response(inspector: &Look<'_>, response: &Response<Bytes>) -> Finding {
    let found = head(&format!("HTTP {}", response.status()), response.headers(), response.body());
    if response.body().is_empty() {
        return found;
    }
    found.part(entity::outer(inspector, response.headers(), response.body()))
}

fn head(title: &str, fields: &HeaderMap, body: &Bytes) -> Finding {
    let mut found = Finding::new(title);
    for (name, value) in fields {
        let secret = matches!(name.as_str(), "authorization" | "proxy-authorization" | "cookie" | "set-cookie");
        let shown =
            if secret { "(not shown)".to_owned() } else { printable(&String::from_utf8_lossy(value.as_bytes())) };
        found = found.fact(name.as_str(), shown);
    }
    found.fact("octets of the body", body.len())
}

/// The receipt that is asked for (RFC 4130 section 7.3).
fn asked(mut found: Finding, request: Option<&MdnRequest>) -> Finding {
    let Some(request) = request else { return found.fact("receipt", "none is asked for") };
    let kind = match request.signed() {
        Some(signed) => format!("signed, digests {}", signed.micalgs().join(", ")),
        None => "unsigned".to_owned(),
    };
    found = found.fact("receipt", format!("{kind}; {:?}", request.delivery()));
    for attribute in request.signed().map(|signed| signed.unknown_required()).unwrap_or_default() {
        found = found.odd(
            format!("{}: {attribute} is required, and nobody knows it", headers::DISPOSITION_NOTIFICATION_OPTIONS),
            "RFC 8098 section 2.2: parameters that are required must be understood",
        );
    }
    found
}

/// What the agreement says to the whole.
fn verdict(inspector: &Look<'_>, found: Finding, inbound: Inbound) -> Finding {
    let envelope = match inbound {
        Inbound::Message(envelope) => envelope,
        Inbound::Mdn(receipt) => {
            return found
                .fact("verdict", "a receipt; judge it by the pending receipt of its message")
                .notes(receipt.notes());
        }
    };
    let (Some(us), Some(partner), Some(now)) = (&inspector.identity, &inspector.partner, inspector.now) else {
        return found.fact("verdict", "none: an identity, a partner and a time are needed for it");
    };
    match envelope.open(us, Some(partner), now) {
        Ok(accepted) => {
            let layers: Vec<_> = accepted.layers().iter().map(ToString::to_string).collect();
            let mic = format!("{} over the {:?}", accepted.mic(), accepted.mic_scope());
            let layers = if layers.is_empty() { "none".to_owned() } else { layers.join(", ") };
            found.fact("verdict", "accepted").fact("layers", layers).fact("MIC", mic).notes(accepted.notes())
        }
        Err(refused) => {
            let error = format!("refused: {} ({})", refused.error(), refused.error().code());
            let notes = refused.notes().to_vec();
            let found = found.fact("verdict", error).notes(&notes);
            found.fact("the sender is told", refused.mdn().disposition())
        }
    }
}
