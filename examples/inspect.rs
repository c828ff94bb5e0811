//! Shows what an AS2 request, response or receipt is made of, saved raw from the wire: a tree of its layers, with
//! everything that is odd and what the standards say about it. Broken files are shown as far as they go.
//!
//! ```sh
//! cargo run --example inspect -- FILE
//! cargo run --example inspect --features pkcs12 -- FILE --identity our.p12 --partner partner.cer
//! ```
//!
//! With the identity, our private key in any form, envelopes are opened; a password is taken from the environment
//! variable `AS2_PASSWORD`. With the partner's certificate too, there is a verdict.

use std::process::ExitCode;
use std::time::SystemTime;

use as2_protocol::bytes::Bytes;
use as2_protocol::{
    Certificate, CryptoProvider, Identity, Inbound, Inspector, KeyStore, Limits, MessageParser, Partner,
    PartnerProfile, ReceiptKind, read_request,
};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(tree) => {
            print!("{tree}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}\nusage: inspect FILE [--identity PATH] [--partner PATH]");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Fallible<String> {
    let mut arguments = std::env::args().skip(1);
    let file = Bytes::from(read(&arguments.next().ok_or("name a file")?)?);
    let (mut us, mut partner) = (None, None);
    while let Some(option) = arguments.next() {
        let path = arguments.next().ok_or_else(|| format!("{option} needs a path"))?;
        match option.as_str() {
            "--identity" => us = Some(identity(&path)?),
            "--partner" => partner = Some(partner_of(&path, &file)?),
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    let mut inspector = Inspector::new(CryptoProvider::rustcrypto(), Limits::default()).at(SystemTime::now());
    if let Some(us) = &us {
        inspector = inspector.with_identity(us);
    }
    if let Some(partner) = &partner {
        inspector = inspector.with_partner(partner);
    }
    Ok(inspector.wire(file).to_string())
}

fn read(path: &str) -> Fallible<Vec<u8>> {
    std::fs::read(path).map_err(|error| format!("{path}: {error}").into())
}

/// Every key of a file, to decrypt with.
fn identity(path: &str) -> Fallible<Identity> {
    let password = std::env::var("AS2_PASSWORD").ok();
    let store = KeyStore::read(&read(path)?, password.as_deref()).map_err(|error| format!("{path}: {error}"))?;
    let mut builder = Identity::builder(CryptoProvider::rustcrypto()).allow_weak_keys();
    for entry in store.entries() {
        let certificate = entry.certificate().ok_or_else(|| format!("{path}: a key without certificate"))?;
        builder = builder.decrypting(certificate.clone(), entry.key().clone().into_decrypting()?);
    }
    Ok(builder.build()?)
}

/// The sender of the message, with this certificate. His agreement allows everything: it is about looking, not about trust.
fn partner_of(path: &str, file: &Bytes) -> Fallible<Partner> {
    let (us, them) = names(file).unwrap_or_else(|| ("us".to_owned(), "them".to_owned()));
    let mut profile = PartnerProfile::new(us.parse()?, them.parse()?, "https://partner.invalid/".parse()?);
    profile.send.encrypt = None;
    profile.send.receipt.kind = ReceiptKind::None;
    profile.accept.gcm_in_enveloped_data = true;
    let mut builder = Partner::builder(profile, CryptoProvider::rustcrypto()).allow_weak_keys();
    for certificate in Certificate::read_all(&read(path)?).map_err(|error| format!("{path}: {error}"))? {
        builder = builder.verify_with(certificate);
    }
    Ok(builder.build()?)
}

/// The recipient and the sender that a message names.
fn names(file: &Bytes) -> Option<(String, String)> {
    let request = read_request(file, &Limits::default()).ok()?;
    let parser = MessageParser::new(Limits::default()).accept_missing_message_id();
    match parser.parse(request).ok()? {
        Inbound::Message(envelope) => Some((envelope.to().as_str().to_owned(), envelope.from().as_str().to_owned())),
        Inbound::Mdn(receipt) => Some((receipt.to()?.as_str().to_owned(), receipt.from()?.as_str().to_owned())),
    }
}
