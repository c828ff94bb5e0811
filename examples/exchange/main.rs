//! Two companies exchange documents over AS2 and real HTTP, in both directions, with receipts of both kinds.
//!
//! ```text
//! cargo run --release --example exchange -- [FILE] [--show-failures] [--out DIR]
//! ```
//!
//! Read `company.rs` first: it holds all that an application does with this crate. `keys.rs` makes certificates,
//! `http.rs` is the transport (hyper), `store.rs` the files; `story.rs` and `failures.rs` tell what happens.

mod company;
mod failures;
mod http;
mod keys;
mod options;
mod store;
mod story;
mod terminal;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::time::{Instant, SystemTime};

use as2_protocol::{Certificate, Compression, CryptoProvider, HttpUrl, Partner, PartnerProfile};
use tokio::net::TcpListener;

use crate::company::Company;
use crate::http::Client;
use crate::keys::Credentials;
use crate::options::{Document, Options, USAGE};
use crate::store::Store;
use crate::story::{Party, Receipt, Story};
use crate::terminal::Terminal;

type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            complain(format_args!("{problem}\n\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    if options.help {
        let _ = write!(std::io::stdout(), "{USAGE}");
        return ExitCode::SUCCESS;
    }
    let documents = match Document::load(options.file.as_deref()) {
        Ok(documents) => documents,
        Err(problem) => {
            complain(format_args!("{problem}\n"));
            return ExitCode::FAILURE;
        }
    };
    match run(&options, &documents).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(format_args!("{error}\n"));
            ExitCode::FAILURE
        }
    }
}

fn complain(text: std::fmt::Arguments<'_>) {
    let _ = write!(std::io::stderr(), "exchange: {text}");
}

/// Exchanges all documents; tells whether every one was delivered, and every bad message refused.
async fn run(options: &Options, documents: &[Document]) -> Fallible<bool> {
    let (out, client) = (Terminal::new(), Client::new());
    let (mut orchard, mut harbour) = open_for_business(&out, &client, &options.out).await?;
    let story = Story { out: &out, client: &client, root: &options.out };

    let (mut rows, all) = (Vec::new(), documents.len() * 4);
    for document in documents {
        for receipt in [Receipt::Synchronous, Receipt::Asynchronous] {
            for forth in [true, false] {
                let (from, to) = if forth { (&mut orchard, &mut harbour) } else { (&mut harbour, &mut orchard) };
                let names = format!("{} to {}", from.company.name(), to.company.name());
                let title = format!("{}: {names}, {} receipt", document.name, receipt.name());
                out.heading(format_args!("[{}/{all}] {title}", rows.len() + 1));
                rows.push(story.exchange(document, from, to, receipt).await?);
            }
        }
    }
    let mut as_expected = true;
    if let (true, Some(document)) = (options.show_failures, documents.first()) {
        as_expected = failures::show(&story, document, &mut orchard, &mut harbour).await?;
    }
    story.summary(&rows);
    let delivered = rows.iter().filter(|row| row.delivered).count();
    let folder = shown(&options.out);
    out.blank();
    out.paragraph(&format!("{delivered} of {all} delivered. Everything that was sent and received is in {folder}"));
    Ok(delivered == all && as_expected)
}

/// Makes keys, starts both servers, and tells each company about the other.
async fn open_for_business(out: &Terminal, client: &Client, folder: &Path) -> Fallible<(Party, Party)> {
    let start = Instant::now();
    let (orchard, harbour) = tokio::try_join!(generate("Orchard Foods"), generate("Harbour Supply"))?;
    let taken = start.elapsed();
    let (orchard_socket, orchard_url) = listen().await?;
    let (harbour_socket, harbour_url) = listen().await?;

    out.heading("AS2 exchange between two companies");
    let orchard = Place { name: "Orchard Foods", domain: "orchard.example", url: orchard_url, credentials: orchard };
    let harbour = Place { name: "Harbour Supply", domain: "harbour.example", url: harbour_url, credentials: harbour };
    for place in [&orchard, &harbour] {
        out.step("company", format!("{} at {}", place.name, place.url), None);
        out.detail(format!("certificate {}", place.credentials.certificate.subject()));
        out.detail(format!("SHA-256 {}", place.credentials.certificate.fingerprint_hex()));
    }
    out.step("keys", "two RSA keys of 2048 bits with self-signed certificates", Some(taken));
    out.step("files", shown(folder), None);

    let orchard_party = orchard.party(&harbour, &folder.join("orchard"))?;
    let harbour_party = harbour.party(&orchard, &folder.join("harbour"))?;
    tokio::spawn(http::serve(orchard_socket, orchard_party.company.clone(), client.clone()));
    tokio::spawn(http::serve(harbour_socket, harbour_party.company.clone(), client.clone()));
    Ok((orchard_party, harbour_party))
}

async fn generate(organization: &'static str) -> Fallible<Credentials> {
    tokio::task::spawn_blocking(move || Credentials::generate(organization, SystemTime::now())).await?
}

async fn listen() -> Fallible<(TcpListener, HttpUrl)> {
    let socket = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}{}", socket.local_addr()?, http::PATH).parse()?;
    Ok((socket, url))
}

/// What there is to know of a company. The partner gets all of it but the private key.
struct Place {
    name: &'static str,
    domain: &'static str,
    url: HttpUrl,
    credentials: Credentials,
}

impl Place {
    fn party(&self, them: &Self, folder: &Path) -> Fallible<Party> {
        let store = Store::new(folder.to_owned());
        store.save_text("certificate.pem", &self.credentials.pem)?;
        let agreements = [self.agreement(them, None)?, self.agreement(them, Some(self.url.clone()))?];
        let (company, events) = Company::new(self.credentials.identity()?, agreements, store);
        Ok(Party { company: Arc::new(company), events })
    }

    /// What we agreed with them: signed, compressed and encrypted both ways, with signed receipts.
    fn agreement(&self, them: &Self, receipts_to: Option<HttpUrl>) -> Fallible<Partner> {
        let mut profile = PartnerProfile::new(self.name.parse()?, them.name.parse()?, them.url.clone());
        profile.message_id_domain = self.domain.to_owned();
        profile.send.compress = Compression::BeforeSigning;
        profile.send.receipt.asynchronous_url = receipts_to;
        // Nobody wants to wait here; the defaults are made for hours and days.
        let retry = &mut profile.delivery.retry;
        (retry.attempts, retry.first_wait) = (3, Duration::from_millis(500));
        trusting(profile, &them.credentials.certificate)
    }
}

/// A partner who signs and decrypts with the key of this certificate.
fn trusting(profile: PartnerProfile, certificate: &Certificate) -> Fallible<Partner> {
    let builder = Partner::builder(profile, CryptoProvider::rustcrypto());
    Ok(builder.encrypt_to(certificate.clone()).verify_with(certificate.clone()).build()?)
}

/// A folder in full, for people who want to open it.
fn shown(folder: &Path) -> String {
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()).display().to_string()
}
