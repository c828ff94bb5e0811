//! One exchange after the other, told step by step.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use as2_protocol::bytes::Bytes;
use as2_protocol::http::{Request, Response};
use as2_protocol::{
    Authenticity, Dispute, Evidence, Layer, NextStep, Outbound, Outcome, Partner, Proof, SendOutcome, TransportFailure,
};

use crate::Fallible;
use crate::company::{Arrived, Company, Event, Events, Finding};
use crate::http::Client;
use crate::options::Document;
use crate::terminal::{Terminal, duration, number, octets};

/// A company, and what is seen of its server.
pub(crate) struct Party {
    pub(crate) company: Arc<Company>,
    pub(crate) events: Events,
}

/// When the receipt comes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipt {
    Synchronous,
    Asynchronous,
}

impl Receipt {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Synchronous => "synchronous",
            Self::Asynchronous => "asynchronous",
        }
    }

    fn agreement(self, company: &Company) -> &Partner {
        match self {
            Self::Synchronous => &company.partner,
            Self::Asynchronous => &company.partner_later,
        }
    }
}

/// One exchange in the table at the end.
pub(crate) struct Row {
    pub(crate) delivered: bool,
    cells: Vec<String>,
}

/// A message that was sent, and the answer to it.
struct Sending {
    outcome: SendOutcome,
    answer: String,
    round_trip: Duration,
}

/// Tells exchanges while they happen.
pub(crate) struct Story<'a> {
    pub(crate) out: &'a Terminal,
    pub(crate) client: &'a Client,
    /// Folder that paths are shown relative to.
    pub(crate) root: &'a Path,
}

impl Story<'_> {
    /// Sends a document and waits for its receipt.
    pub(crate) async fn exchange(
        &self,
        document: &Document,
        from: &mut Party,
        to: &mut Party,
        receipt: Receipt,
    ) -> Fallible<Row> {
        let start = Instant::now();
        let (sender, receiver) = (from.company.clone(), to.company.clone());
        let sent = self.prepare(document, &sender, receipt.agreement(&sender))?;
        self.show_request(&sent.request.to_request());

        let Sending { outcome, answer, round_trip } = self.send(&sent, &sender).await?;
        match self.arrival(to, sent.pending.message_id().bare()).await {
            Some(arrival) => self.show_arrival(&arrival),
            None => self.out.verdict("arrival", false, format!("{} saw no message", receiver.name()), None),
        }
        let outcome = match outcome {
            SendOutcome::Awaiting => {
                self.out.step("answer", format!("{answer}; the receipt will be posted"), Some(round_trip));
                self.wait_for_receipt(from, &sent, start).await
            }
            SendOutcome::Settled(outcome) => {
                self.out.step("answer", format!("{answer}, the receipt"), Some(round_trip));
                Ok(*outcome)
            }
            other => Err(describe(&other)),
        };
        let (delivered, proof) = self.conclude(outcome, &sender, start.elapsed())?;
        let names = [document.name.as_str(), sender.name(), receiver.name(), receipt.name()];
        let mut cells: Vec<_> = names.map(str::to_owned).into();
        cells.extend([
            number(document.body.len()),
            number(sent.request.body().len()),
            duration(start.elapsed()),
            proof,
        ]);
        Ok(Row { delivered, cells })
    }

    /// Builds the message, and saves it with the receipt that it waits for: before the first octet leaves.
    fn prepare(&self, document: &Document, sender: &Company, agreement: &Partner) -> Fallible<Outbound> {
        let start = Instant::now();
        let sent = sender.build(document, agreement)?;
        let (plain, wire) = (octets(document.body.len()), octets(sent.request.body().len()));
        self.out.step("build", format!("{plain} compressed, signed and encrypted to {wire}"), Some(start.elapsed()));
        for mic in sent.pending.mics() {
            self.out.detail(format!("MIC {mic}"));
        }
        let start = Instant::now();
        let folder = sender.store.save_outbound(&sent)?;
        self.out.step("save", "request and pending receipt, in", Some(start.elapsed()));
        self.out.detail(self.short(&folder));
        Ok(sent)
    }

    pub(crate) fn show_request(&self, request: &Request<Bytes>) {
        let (uri, host) = (request.uri(), request.uri().authority().map_or("", |authority| authority.as_str()));
        self.out.step("send", format!("POST {} HTTP/1.1", uri.path()), None);
        self.out.detail(format!("Host: {host}"));
        for (name, value) in request.headers() {
            self.out.detail(format!("{}: {}", title_case(name.as_str()), String::from_utf8_lossy(value.as_bytes())));
        }
    }

    /// Posts the stored request. Without an answer, the same octets are sent again, as often as the agreement says:
    /// the receiver knows duplicates.
    async fn send(&self, sent: &Outbound, sender: &Company) -> Fallible<Sending> {
        let (partner, id) = (&sender.partner, sent.pending.message_id().bare());
        loop {
            sender.progress(id, |delivery| delivery.sent(SystemTime::now()))?;
            let start = Instant::now();
            let answer = self.client.post(sent.request.to_request()).await;
            let round_trip = start.elapsed();
            let outcome = sender.conclude(&sent.pending, answer.as_ref().map_err(Clone::clone))?;
            let now = SystemTime::now();
            let delivery = sender.progress(id, |delivery| delivery.answered(&outcome, partner, now))?;
            let NextStep::WaitUntil(due) = delivery.next_step(partner.profile(), now) else {
                return Ok(Sending { outcome, answer: describe_answer(&answer), round_trip });
            };
            self.out.step("retry", describe(&outcome), Some(round_trip));
            tokio::time::sleep(due.duration_since(now).unwrap_or_default()).await;
        }
    }

    /// What the receiver's server says about a message.
    pub(crate) async fn arrival(&self, party: &mut Party, message_id: &str) -> Option<Box<Arrived>> {
        let wanted = |event| match event {
            Event::Message(arrival) if arrival.message_id == message_id => Ok(arrival),
            other => Err(other),
        };
        party.events.next(wanted, |text| self.out.step("log", text, None)).await
    }

    fn show_arrival(&self, arrival: &Arrived) {
        match &arrival.finding {
            Finding::Stored { layers, authenticity, mic, size, path } => {
                self.out.step("open", list(layers), Some(arrival.opening));
                self.out.detail(vouched(authenticity));
                self.out.detail(format!("MIC {mic}"));
                let (folder, name) = self.message_folder(path);
                let text = format!("{} as {name}, then the receipt, in", octets(*size));
                self.out.step("store", text, Some(arrival.answering));
                self.out.detail(folder);
            }
            Finding::Duplicate => self.out.step("open", "received before, answered as before", Some(arrival.opening)),
            Finding::Deferred { error } => self.out.verdict("store", false, error, Some(arrival.answering)),
            Finding::Refused { code, error, .. } => {
                self.out.verdict("open", false, format!("{code}: {error}"), Some(arrival.opening));
            }
        }
    }

    /// An asynchronous receipt comes to our own server, which matches it by Message-ID and judges it.
    async fn wait_for_receipt(&self, party: &mut Party, sent: &Outbound, start: Instant) -> Result<Outcome, String> {
        let message_id = sent.pending.message_id().bare();
        let wanted = |event| match event {
            Event::Receipt(settled) if settled.message_id == message_id => Ok(settled),
            other => Err(other),
        };
        let settled = party.events.next(wanted, |text| self.out.step("log", text, None)).await;
        let settled = settled.ok_or("no receipt was posted in time")?;
        self.out.step("post", "the receipt comes to our server and finds its message", Some(start.elapsed()));
        self.out.detail(format!("Original-Message-ID <{message_id}>"));
        self.out.detail(format!("judged and archived in {}", duration(settled.judging)));
        Ok(settled.outcome)
    }

    /// The receipt, what it is worth, and where it is kept.
    fn conclude(
        &self,
        outcome: Result<Outcome, String>,
        sender: &Company,
        total: Duration,
    ) -> Fallible<(bool, String)> {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(problem) => {
                self.out.verdict("verdict", false, format!("not delivered: {problem}"), Some(total));
                return Ok((false, problem));
            }
        };
        if let Some(evidence) = outcome.evidence() {
            self.show_receipt(evidence);
        }
        let Outcome::Deliver(evidence) = &outcome else {
            let problem = describe_outcome(&outcome);
            self.out.verdict("verdict", false, &problem, Some(total));
            return Ok((false, problem));
        };
        let start = Instant::now();
        let audited = sender.audit(evidence.message_id().bare())?;
        let proof = proof(audited.proof());
        self.out.step("audit", "evidence.json read back and verified again", Some(start.elapsed()));
        self.out.verdict("verdict", true, format!("delivered; proof level: {proof}"), Some(total));
        Ok((true, proof.to_owned()))
    }

    pub(crate) fn show_receipt(&self, evidence: &Evidence) {
        let disposition = evidence.disposition().map_or_else(|| "no disposition".to_owned(), ToString::to_string);
        self.out.step("receipt", disposition, None);
        let text = evidence.receipt().text().unwrap_or_default();
        let reference = text.lines().filter(|line| line.starts_with("Reference: "));
        for line in text.lines().take(1).chain(reference) {
            self.out.detail(line);
        }
        match evidence.signer() {
            Some(signer) => self.out.detail(format!("signed by {}", signer.subject())),
            None => self.out.detail("not signed"),
        }
    }

    /// All exchanges in one table.
    pub(crate) fn summary(&self, rows: &[Row]) {
        self.out.heading("Summary");
        let cells: Vec<_> = rows.iter().map(|row| row.cells.clone()).collect();
        let head = ["document", "from", "to", "receipt", "octets", "on wire", "time", "proof"];
        self.out.table(&head, &cells);
    }

    /// The folder of a received message, and the name of the document in it.
    fn message_folder(&self, document: &Path) -> (String, String) {
        let folder = document.ancestors().nth(2).unwrap_or(document);
        (self.short(folder), document.strip_prefix(folder).unwrap_or(document).display().to_string())
    }

    fn short(&self, path: &Path) -> String {
        path.strip_prefix(self.root).unwrap_or(path).display().to_string()
    }
}

/// What an HTTP answer looks like from outside.
pub(crate) fn describe_answer(answer: &Result<Response<Bytes>, TransportFailure>) -> String {
    match answer {
        Ok(response) => format!("{}, {}", response.status(), octets(response.body().len())),
        Err(failure) => failure.to_string(),
    }
}

fn vouched(authenticity: &Authenticity) -> String {
    match authenticity {
        Authenticity::Signed { certificate } => format!("signed by {}", certificate.subject()),
        _ => "nobody vouches for the sender".to_owned(),
    }
}

pub(crate) fn list(layers: &[Layer]) -> String {
    let names: Vec<_> = layers.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn proof(proof: Option<Proof>) -> &'static str {
    match proof {
        Some(Proof::Signed) => "signed receipt, MIC equal",
        Some(Proof::UnsignedWithMic) => "unsigned receipt, MIC equal",
        Some(Proof::UnsignedNoMic) => "unsigned receipt",
        _ => "none",
    }
}

fn describe_outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Deliver(_) => "delivered".to_owned(),
        Outcome::Refuse(disposition, _) => format!("refused: {disposition}"),
        Outcome::Dispute(dispute @ Dispute::MicMismatch { .. }, _) => format!("something else arrived: {dispute}"),
        Outcome::Dispute(dispute, _) => format!("disputed: {dispute}"),
        other => format!("open: {other:?}"),
    }
}

fn describe(outcome: &SendOutcome) -> String {
    match outcome {
        SendOutcome::Settled(outcome) => describe_outcome(outcome),
        SendOutcome::NoReceipt { status, reason } => format!("status {status}, but no receipt: {reason}"),
        SendOutcome::Retry { reason } | SendOutcome::Stop { reason } => reason.clone(),
        SendOutcome::Wait { reason, .. } => format!("to be sent later: {reason}"),
        SendOutcome::AuthRefused { reason, .. } => format!("the server refuses our credentials: {reason}"),
        SendOutcome::Redirect { status, location } => format!("status {status}, redirects to {location:?}"),
        other => format!("{other:?}"),
    }
}

/// The spelling of a header name on the wire, see `http.rs`.
fn title_case(name: &str) -> String {
    let mut upper = true;
    let spell = |letter: char| {
        let spelt = if upper { letter.to_ascii_uppercase() } else { letter };
        upper = letter == '-';
        spelt
    };
    name.chars().map(spell).collect()
}
