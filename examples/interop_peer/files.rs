//! `build` and `open`: one message between files.

use std::fs::File;
use std::io::Write as _;
use std::sync::mpsc;
use std::time::SystemTime;

use as2_protocol::bytes::Bytes;
use as2_protocol::http::Request;
use as2_protocol::{
    Inbound, Limits, MessageBuilder, MessageParser, Payload, PayloadHead, PendingReceipt, Rejection, read_request,
};
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
    let message = MessageBuilder::new(&relation.us, &partner).subject("interop");
    let pending = match options.get_or("stream", "no") {
        "no" => {
            let payload = Payload::new(content_type, std::fs::read(options.get("in")?)?);
            let sent = message.build(payload, SystemTime::now())?;
            let request = sent.request.to_request();
            std::fs::write(options.get("out")?, [raw_head(&request), request.body().to_vec()].concat())?;
            sent.pending
        }
        length => stream(message, PayloadHead::new(content_type), length == "known", options)?,
    };
    let mic = pending.mics().first();
    let (mic, mic_alg) = (mic.map(|mic| mic.to_base64()), mic.map(|mic| mic.algorithm().name()));
    println!("{}", json!({"message_id": pending.message_id().as_str(), "mic": mic, "mic_alg": mic_alg}));
    Ok(())
}

/// The same from file to file, of any size.
fn stream(
    message: MessageBuilder,
    payload: PayloadHead,
    known: bool,
    options: &Options,
) -> Result<PendingReceipt, Trouble> {
    let file = File::open(options.get("in")?)?;
    let payload = if known { payload.with_len(file.metadata()?.len()) } else { payload };
    let stream = message.stream(payload, SystemTime::now())?;
    let head = stream.head().to_request();
    let (sender, receipt) = mpsc::channel();
    let mut body = stream.read_from(file, move |end| Ok(sender.send(end.pending)?));
    let mut out = File::create(options.get("out")?)?;
    out.write_all(&raw_head(&head))?;
    std::io::copy(&mut body, &mut out)?;
    Ok(receipt.recv()?)
}

fn raw_head<B>(request: &Request<B>) -> Vec<u8> {
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
