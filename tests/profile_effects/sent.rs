//! What a profile changes about the messages that we send.

use serde_json::json;

use crate::dissect::*;
use crate::support::*;
use crate::{Row, row};

use as2_protocol::*;

pub(crate) fn rows() -> Vec<Row> {
    let clear = || json!({ "send.encrypt": "none" });
    vec![
        row("version", json!(2), |_| "read".to_owned(), "read", "format version 2 is not known"),
        row("us", json!("Alice 2"), |terms| header(terms, "as2-from"), "\"Alice Corp\"", "\"Alice 2\""),
        row("them", json!("bob2"), |terms| header(terms, "as2-to"), "bob", "bob2"),
        row("url", json!("http://bob2.example/in"), url, "https://bob.example/as2", "http://bob2.example/in"),
        row(
            "message_id_domain",
            json!("a.example"),
            |terms| header(terms, "message-id"),
            "@as2.invalid>",
            "@a.example>",
        ),
        row("send.sign", json!("sha-512"), micalg, "sha-256", "sha-512").with(clear()),
        row("send.rsa_signature", json!("pss"), signature_algorithm, "2a864886f70d010101", "2a864886f70d01010a")
            .with(clear()),
        row("send.encrypt", json!("aes128-gcm"), content_type, "enveloped-data", "authEnveloped-data"),
        row("send.originator_copy", json!(true), recipients, "1 recipients", "2 recipients"),
        row("send.key_transport", json!("rsa-oaep-sha256"), key_transport, "PKCS #1 v1.5", "OAEP"),
        row("send.compress", json!("after-signing"), content_type, "multipart/signed", "compressed-data").with(clear()),
        row("send.receipt.kind", json!("unsigned"), options, "micalg", "no receipt options"),
        row(
            "send.receipt.asynchronous_url",
            json!("https://alice.example/r"),
            |terms| header(terms, "receipt-delivery-option"),
            "none",
            "https://alice.example/r",
        ),
        row("send.receipt.micalgs", json!(["sha-384", "sha-1"]), options, "sha-256", "sha-384, sha-1"),
        row("send.receipt.required", json!(true), options, "protocol=optional, ", "protocol=required, "),
        row("send.announce.version", json!("1.0"), |terms| header(terms, "as2-version"), "1.1", "1.0"),
        row(
            "send.announce.features",
            json!(["multiple-attachments", "CEM"]),
            |terms| header(terms, "ediint-features"),
            "none",
            "multiple-attachments, CEM",
        ),
        row("send.announce.product", json!("p:1.0"), |terms| header(terms, "as2-product"), "none", "p:1.0"),
        row("send.attachments", json!("forbid"), two_documents, "ATTACHMENTS", "`send.attachments` forbids"),
        row("send.subject", json!("Documents"), without_subject, "none", "Documents"),
        row("send.from", json!("edi@a.example"), |terms| header(terms, "from"), "none", "edi@a.example"),
        row("quirks.filenames", json!("bare"), payload_part, "filename=\"po850.x12\"", "filename=po850.x12")
            .with(clear()),
        row("quirks.micalg_names", json!("rfc3851"), micalg, "sha-256", "sha256").with(clear()),
        row("quirks.signature_encoding", json!("binary"), signature_part, "base64", "binary").with(clear()),
        row("quirks.signed_attributes", json!(false), signed_data, "3 attributes", "0 attributes").with(clear()),
        row("quirks.signer_id", json!("key-id"), signed_data, "issuer and serial", "key identifier").with(clear()),
        row("quirks.embed", json!("none"), signed_data, "1 certificates", "0 certificates").with(clear()),
        row("quirks.algorithm_protection", json!(true), signed_data, "3 attributes", "4 attributes").with(clear()),
        row(
            "quirks.http_transfer_encoding",
            json!(true),
            |terms| header(terms, "content-transfer-encoding"),
            "none",
            "binary",
        ),
    ]
}

/// Alice's order under these terms.
pub(crate) fn order(terms: &PartnerProfile) -> Result<Outbound, String> {
    message(terms, |message| message.subject("Order 1"))
}

fn message(terms: &PartnerProfile, with: fn(MessageBuilder) -> MessageBuilder) -> Result<Outbound, String> {
    let partner = Partner::builder(terms.clone(), CryptoProvider::rustcrypto())
        .encrypt_to(worked_certificate("bob-enc"))
        .verify_with(worked_certificate("bob-sign"))
        .build()
        .map_err(|error| error.to_string())?;
    let payload = Payload::x12(worked("payload.x12")).with_filename("po850.x12");
    let message = with(MessageBuilder::new(&worked_identity("alice"), &partner));
    message.build(payload, now()).map_err(|error| error.to_string())
}

fn two_documents(terms: &PartnerProfile) -> String {
    match message(terms, |message| message.attach(Payload::text("see above"))) {
        Ok(sent) => sent.notes.iter().map(Note::code).collect(),
        Err(error) => error,
    }
}

fn without_subject(terms: &PartnerProfile) -> String {
    message(terms, |message| message).unwrap().request.header("subject").unwrap_or("none").to_owned()
}

/// Header of the payload part.
fn payload_part(terms: &PartnerProfile) -> String {
    let request = request(terms);
    let boundary = parameter(request.header("content-type").unwrap(), "boundary");
    head_and_body(split(request.body(), boundary)[0]).0.to_owned()
}

fn request(terms: &PartnerProfile) -> StoredRequest {
    order(terms).unwrap().request
}

pub(crate) fn header(terms: &PartnerProfile, name: &str) -> String {
    request(terms).header(name).unwrap_or("none").to_owned()
}

fn url(terms: &PartnerProfile) -> String {
    request(terms).to_request().uri().to_string()
}

fn recipients(terms: &PartnerProfile) -> String {
    let wire = request(terms).to_request().into_body();
    let data = Tlv::of(&wire).child(1).child(0);
    format!("{} recipients", data.child(1).children().len())
}

fn content_type(terms: &PartnerProfile) -> String {
    header(terms, "content-type")
}

/// How the first recipient gets the key.
fn key_transport(terms: &PartnerProfile) -> String {
    const OAEP: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07];
    let request = request(terms);
    let algorithm = Tlv::of(request.body()).child(1).child(0).child(1).child(0).child(2).child(0);
    let name = if algorithm.body == RSA { "PKCS #1 v1.5" } else { "another" };
    if algorithm.body == OAEP { "OAEP" } else { name }.to_owned()
}

fn micalg(terms: &PartnerProfile) -> String {
    parameter(&content_type(terms), "micalg").to_owned()
}

fn options(terms: &PartnerProfile) -> String {
    let request = request(terms);
    request.header("disposition-notification-options").unwrap_or("no receipt options").to_owned()
}

/// Header of the signature part.
fn signature_part(terms: &PartnerProfile) -> String {
    let request = request(terms);
    let boundary = parameter(request.header("content-type").unwrap(), "boundary");
    let (head, _) = head_and_body(split(request.body(), boundary)[1]);
    field(head, "content-transfer-encoding").to_owned()
}

fn signature_octets(terms: &PartnerProfile) -> Vec<u8> {
    let mut terms = terms.clone();
    terms.quirks.signature_encoding = SignatureEncoding::Binary;
    let request = request(&terms);
    let boundary = parameter(request.header("content-type").unwrap(), "boundary");
    head_and_body(split(request.body(), boundary)[1]).1.to_vec()
}

/// The object identifier of the signature algorithm in hexadecimal.
fn signature_algorithm(terms: &PartnerProfile) -> String {
    let cms = signature_octets(terms);
    let data = Tlv::of(&cms).child(1).child(0).children();
    let signer = data.last().unwrap().child(0).children();
    let oid = signer[signer.len() - 2].child(0);
    oid.body.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// What the signature holds.
fn signed_data(terms: &PartnerProfile) -> String {
    let cms = signature_octets(terms);
    let data = Tlv::of(&cms).child(1).child(0).children();
    let count = |elements: Vec<Tlv<'_>>| {
        elements.into_iter().find(|element| element.tag == 0xa0).map_or(0, |set| set.children().len())
    };
    let signer = data.last().unwrap().child(0).children();
    let signer_id = if signer[1].tag == 0x30 { "issuer and serial number" } else { "key identifier" };
    format!("{} certificates, {} attributes, signer by {signer_id}", count(data), count(signer))
}
