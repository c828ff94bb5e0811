//! `build` and `open`: one message between files.

use std::time::SystemTime;

use as2_protocol::bytes::Bytes;
use as2_protocol::http::Request;
use as2_protocol::{Inbound, Limits, MessageBuilder, MessageParser, Payload, Rejection, read_request};
use serde_json::json;

use crate::terms::{Relation, is_unsupported, key_transport, set_layers, set_signature, verdict};
use crate::{Options, Trouble};

/// Writes the HTTP request of one message, and prints its MIC.
pub(crate) fn build(options: &Options) -> Result<(), Trouble> {
    let relation = Relation::read(options)?;
    let mut profile = relation.profile("http://127.0.0.1/")?;
    let layer = |name| options.get_or(name, "none");
    set_layers(&mut profile, layer("sign"), layer("encrypt"), layer("compress"))?;
    set_signature(&mut profile, options)?;
    profile.send.key_transport = key_transport(options.get_or("key-transport", "auto"))?;
    let partner = relation.partner(profile)?;
    let content_type = options.get_or("content-type", "application/edi-x12").parse()?;
    let payload = Payload::new(content_type, std::fs::read(options.get("in")?)?);
    let sent = MessageBuilder::new(&relation.us, &partner).subject("interop").build(payload, SystemTime::now())?;
    std::fs::write(options.get("out")?, raw_request(&sent.request.to_request()))?;
    let mic = sent.pending.mics().first();
    let (mic, mic_alg) = (mic.map(|mic| mic.to_base64()), mic.map(|mic| mic.algorithm().name()));
    println!("{}", json!({"message_id": sent.pending.message_id().as_str(), "mic": mic, "mic_alg": mic_alg}));
    Ok(())
}

fn raw_request(request: &Request<Bytes>) -> Vec<u8> {
    let mut raw = format!("POST {} HTTP/1.1\r\n", request.uri().path()).into_bytes();
    let host = request.uri().authority().map_or("", |authority| authority.as_str());
    raw.extend_from_slice(format!("host: {host}\r\n").as_bytes());
    for (name, value) in request.headers() {
        raw.extend_from_slice(name.as_str().as_bytes());
        raw.extend_from_slice(b": ");
        raw.extend_from_slice(value.as_bytes());
        raw.extend_from_slice(b"\r\n");
    }
    raw.extend_from_slice(b"\r\n");
    raw.extend_from_slice(request.body());
    raw
}

/// Opens a saved HTTP request, writes its payload, and prints what a receiver makes of it.
pub(crate) fn open(options: &Options) -> Result<(), Trouble> {
    let relation = Relation::read(options)?;
    let mut profile = relation.receiving(options)?;
    profile.send.encrypt = None;
    let partner = relation.partner(profile)?;
    let octets = Bytes::from(std::fs::read(options.get("in")?)?);
    let limits = Limits::default();
    let parsed = read_request(&octets, &limits).and_then(|request| MessageParser::new(limits).parse(request));
    let envelope = match parsed {
        Ok(Inbound::Message(envelope)) => envelope,
        Ok(_) => return Err(Trouble::other("this is a receipt")),
        Err(rejection) => return reject(&rejection),
    };
    let result = envelope.open(&relation.us, Some(&partner), SystemTime::now());
    println!("{}", verdict(&result));
    match &result {
        Ok(accepted) => std::fs::write(options.get("out")?, accepted.payload().body())?,
        Err(refused) if is_unsupported(refused.error()) => {
            return Err(Trouble::Unsupported(refused.error().to_string()));
        }
        Err(_) => {}
    }
    Ok(())
}

/// No AS2 message: there is an HTTP status for it, and no disposition.
fn reject(rejection: &Rejection) -> Result<(), Trouble> {
    let none: [&str; 0] = [];
    println!(
        "{}",
        json!({
            "verdict": "refused", "layers": none, "mic": null, "mic_alg": null, "disposition": null,
            "detail": rejection.to_string(),
        })
    );
    Ok(())
}
