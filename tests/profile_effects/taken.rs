//! What a profile changes about the messages and receipts that we take. Here Alice's profile of Bob is turned round:
//! Bob opens what Alice sends by terms that differ from it in names only.

use serde_json::json;

use crate::dissect::*;
use crate::sent::order;
use crate::support::*;
use crate::{Row, row};

use as2_protocol::*;

pub(crate) fn rows() -> Vec<Row> {
    let clear = || json!({ "send.encrypt": "none" });
    let plain = || json!({ "send.encrypt": "none", "send.sign": "none" });
    vec![
        row("accept.signature", json!("require"), verdict, "accepted", "INSUFFICIENT_SECURITY").with(plain()),
        row("accept.encryption", json!("require"), verdict, "accepted", "INSUFFICIENT_SECURITY").with(plain()),
        row("accept.digests", json!(["sha-384"]), verdict, "accepted", "ALGORITHM_FORBIDDEN"),
        row("accept.signatures", json!(["pss", "ecdsa"]), verdict, "accepted", "ALGORITHM_FORBIDDEN"),
        row("accept.ciphers", json!(["aes128-cbc"]), verdict, "accepted", "ALGORITHM_FORBIDDEN"),
        row("accept.key_transports", json!([]), verdict, "accepted", "ALGORITHM_FORBIDDEN"),
        row("accept.signed_form", json!("as-sent"), bare_line_feeds, "accepted", "INTEGRITY_CHECK").with(clear()),
        row("accept.bare_content", json!(true), without_header, "BARE_CONTENT", "accepted"),
        row("accept.filenames", json!("refuse"), path_as_name, "accepted FILENAME", "FILENAME_ILLEGAL").with(plain()),
        row("accept.gcm_in_enveloped_data", json!(true), gcm_in_enveloped_data, "ALGORITHM_FORBIDDEN", "accepted")
            .with(json!({ "accept.signature": "allow" })),
        row("expect.mdn_signatures", json!(["sha-512"]), settled, "Deliver", "MDN_SIGNATURE"),
        row("expect.mdn_signature_families", json!(["ed25519"]), settled, "Deliver", "MDN_SIGNATURE"),
        row("expect.mics", json!(["sha-512"]), settled, "Deliver", "MIC_ALGORITHM"),
    ]
}

/// The same terms as Bob sees them.
pub(crate) fn turned(terms: &PartnerProfile) -> PartnerProfile {
    let mut turned = terms.clone();
    (turned.us, turned.them) = (terms.them.clone(), terms.us.clone());
    turned.url = "https://alice.example/as2".parse().unwrap();
    turned
}

pub(crate) fn open(request: http::Request<bytes::Bytes>, terms: &PartnerProfile) -> Result<Accepted, Refused> {
    envelope(request).open(&worked_identity("bob"), Some(&worked_partner(turned(terms), "alice")), now())
}

fn code(opened: Result<Accepted, Refused>) -> String {
    match opened {
        Ok(accepted) => {
            let noted: Vec<_> = accepted.notes().iter().map(Note::code).collect();
            format!("accepted {}", noted.join(" "))
        }
        Err(refused) => refused.error().code().to_owned(),
    }
}

fn verdict(terms: &PartnerProfile) -> String {
    code(open(order(terms).unwrap().request.to_request(), terms))
}

/// A sender that names its document by the path that it has there.
fn path_as_name(terms: &PartnerProfile) -> String {
    let mut request = order(terms).unwrap().request.to_request();
    let named = "attachment; filename=\"C:\\out\\po.x12\"";
    request.headers_mut().insert("content-disposition", named.parse().unwrap());
    code(open(request, terms))
}

/// A JavaMail peer: the CRLF form is signed, the payload goes out with bare line feeds.
fn bare_line_feeds(terms: &PartnerProfile) -> String {
    let mut request = order(terms).unwrap().request.to_request();
    let text = String::from_utf8(request.body().to_vec()).unwrap().replace("~\r\n", "~\n");
    put(&mut request, text.into_bytes());
    code(open(request, terms))
}

/// A peer on Bouncy Castle: AES-GCM in EnvelopedData.
fn gcm_in_enveloped_data(terms: &PartnerProfile) -> String {
    let mut request = order(terms).unwrap().request.to_request();
    let cms = std::fs::read(vectors("encryption/bc-gcm-in-enveloped.der")).unwrap();
    put(&mut request, cms);
    let (certificate, key) = (vectors("ber/rsa.crt"), vectors("ber/rsa.key"));
    let key = RsaPrivateKey::from_pkcs8_pem(&std::fs::read(key).unwrap()).unwrap();
    let certificate = Certificate::from_pem(&std::fs::read(certificate).unwrap()).unwrap();
    let us = Identity::builder(CryptoProvider::rustcrypto()).decrypting(certificate, std::sync::Arc::new(key));
    code(envelope(request).open(&us.build().unwrap(), Some(&worked_partner(turned(terms), "alice")), now()))
}

/// A mendelson peer: encrypted and unsigned, the content has no MIME header.
fn without_header(terms: &PartnerProfile) -> String {
    let mut request = order(terms).unwrap().request.to_request();
    put(&mut request, encrypt(&worked("payload.x12"), &worked_certificate("bob-enc"), false));
    code(open(request, terms))
}

pub(crate) fn put(request: &mut http::Request<bytes::Bytes>, body: Vec<u8>) {
    request.headers_mut().insert("content-length", body.len().into());
    *request.body_mut() = body.into();
}

/// What Alice makes of Bob's receipt.
fn settled(terms: &PartnerProfile) -> String {
    let sent = order(terms).unwrap();
    let reply = open(sent.request.to_request(), &profile(ALICE, BOB)).unwrap().stored().build(now());
    let answered = sent.pending.on_response(Ok(&reply.response.to_response()), &bob(), now());
    match answered {
        SendOutcome::Settled(outcome) => match *outcome {
            Outcome::Dispute(dispute, _) => dispute.code().to_owned(),
            other => format!("{other:?}"),
        },
        other => format!("{other:?}"),
    }
}
