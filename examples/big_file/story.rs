//! What happens, in order, and what is told of it.

use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use as2_protocol::{Certificate, MessageBuilder, Outcome, PayloadHead, SendOutcome};

use crate::Fallible;
use crate::file;
use crate::keys::Credentials;
use crate::link::{Finding, Receiver, Report, Welcome};
use crate::memory::{Before, Memory};
use crate::options::Options;
use crate::progress::{Bar, Count, rate, seconds, size};
use crate::records::Records;
use crate::sender::{Attempt, Sender, Sent};
use crate::terms;

/// Sends the file and tells of it; an error if it was not delivered, or arrived as another.
pub(crate) fn run(options: &Options) -> Fallible<()> {
    let folder = Folder::make(options)?;
    let records = Records::new(&folder.path.join("sender"))?;
    let start = Instant::now();
    generate(&records.document(), options.size)?;
    tell("file", format_args!("{} of X12, made in {}", size(options.size), seconds(start.elapsed())));
    tell("folder", folder.path.display());

    let transfer = transfer(options, &folder.path, &records)?;
    for attempt in &transfer.sent.attempts {
        tell("attempt", describe(attempt));
    }
    if options.cut.is_some() && transfer.sent.attempts.len() == 1 {
        tell("cut", "nowhere: the message is shorter than --cut says");
    }
    for finding in transfer.report.iter().flat_map(|report| &report.findings) {
        show_finding(finding);
    }
    conclude(&records, transfer.sent)?;
    let report = transfer.report?;
    compare(&records, &report, options.size)?;
    let time = transfer.time;
    tell("throughput", format_args!("{} in {} to the receipt", rate(options.size, time), seconds(time)));
    tell("sender", transfer.memory);
    if let Some(memory) = report.memory {
        tell("receiver", memory);
    }
    Ok(())
}

fn generate(path: &Path, size: u64) -> Fallible<()> {
    let count = Count::default();
    let _bar = Bar::show("making", &count, size);
    let made = file::generate(path, size, &count);
    Ok(made.map_err(|error| format!("cannot write {}: {error}", path.display()))?)
}

/// A message that went over, and what it cost.
struct Transfer {
    sent: Sent,
    /// What the receiver tells, unless it has died.
    report: Fallible<Report>,
    memory: Memory,
    /// From before the first octet until the receipt was judged, with all attempts and the pauses between them.
    time: Duration,
}

fn transfer(options: &Options, folder: &Path, records: &Records) -> Fallible<Transfer> {
    let mut receiver = Receiver::start(options, folder)?;
    let credentials = Credentials::generate(terms::SENDER, SystemTime::now())?;
    let hello = receiver.hello()?;
    receiver.welcome(&Welcome { certificate: credentials.pem.clone() })?;
    tell("receiver", format_args!("process {} at {}", receiver.id(), hello.url));

    let identity = credentials.identity()?;
    let certificate = Certificate::from_pem(hello.certificate.as_bytes())?;
    let partner = terms::of_sender(options, hello.url.parse()?, certificate)?;
    let before = Before::now();
    let start = Instant::now();
    let document = PayloadHead::x12().with_len(options.size).with_filename("purchase-orders.x12");
    let message =
        MessageBuilder::new(&identity, &partner).subject("Purchase orders").stream(document, SystemTime::now())?;
    let length = message.head().content_length().map(|length| format!("{length} octets"));
    let length = length.unwrap_or_else(|| "of unknown length, in chunks".to_owned());
    tell("message", format_args!("{}, {length}", message.message_id()));

    let Options { chunk, spool, size, .. } = *options;
    let sender = Sender { partner: &partner, records, chunk, spool, size };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sent = runtime.block_on(sender.send(message))?;
    drop(runtime); // and with it the idle connection
    let (time, memory) = (start.elapsed(), before.until_now());
    Ok(Transfer { sent, report: receiver.report(), memory, time })
}

fn describe(attempt: &Attempt) -> String {
    let from = if attempt.spooled { "from the spool" } else { "while it was built" };
    let (octets, time) = (size(attempt.octets), seconds(attempt.time));
    match &attempt.answer {
        Ok(status) => {
            let rate = rate(attempt.octets, attempt.time);
            format!("{octets} {from}, answered {status} after {time}, {rate}")
        }
        Err(reason) => format!("{octets} {from}, broken off after {time}: {reason}"),
    }
}

fn show_finding(finding: &Finding) {
    match finding {
        Finding::Stored { path, octets, layers, signed, storing } => {
            let signed = if *signed { "signed by the partner" } else { "signed by nobody" };
            let layers = if layers.is_empty() { "no layers".to_owned() } else { layers.join(", ") };
            tell("received", format_args!("{octets} octets, {signed}; opened: {layers}"));
            tell("stored", format_args!("{}, on the disk in {}", path.display(), seconds(*storing)));
        }
        Finding::NotTaken { code, error } => tell("not taken", format_args!("{code}: {error}")),
    }
}

/// Keeps the proof of delivery; an error where there is none.
fn conclude(records: &Records, sent: Sent) -> Fallible<()> {
    let Sent { outcome, pending, .. } = sent;
    match outcome {
        SendOutcome::Settled(outcome) => match *outcome {
            Outcome::Deliver(evidence) => {
                records.save_evidence(&evidence)?;
                let proof = evidence.proof().ok_or("a delivery without proof")?;
                let mic = pending.mics().first().map_or_else(String::new, ToString::to_string);
                tell("receipt", format_args!("delivered, proof {proof:?}, MIC {mic}"));
                Ok(())
            }
            Outcome::Refuse(disposition, _) => Err(format!("the receiver refuses the message: {disposition}").into()),
            Outcome::Dispute(dispute, _) => {
                Err(format!("the receipt proves nothing: {}: {dispute}", dispute.code()).into())
            }
            other => Err(format!("the receipt cannot be judged: {other:?}").into()),
        },
        SendOutcome::Retry { reason } => Err(format!("not delivered: {reason}").into()),
        other => Err(format!("not delivered, {:?}: {other:?}", other.advice()).into()),
    }
}

/// Both files once more from the disk: they must be equal.
fn compare(records: &Records, report: &Report, size: u64) -> Fallible<()> {
    let stored = report.findings.iter().find_map(|finding| match finding {
        Finding::Stored { path, .. } => Some(path),
        Finding::NotTaken { .. } => None,
    });
    let received = stored.ok_or("the receiver has stored nothing")?;
    let count = Count::default();
    let bar = Bar::show("comparing", &count, size.saturating_mul(2));
    let [sent, received] = [file::digest(&records.document(), &count)?, file::digest(received, &count)?];
    if sent != received {
        return Err(format!("the files differ: SHA-256 {sent} was sent, {received} received").into());
    }
    drop(bar);
    tell("equal", format_args!("SHA-256 of both files {sent}"));
    Ok(())
}

fn tell(label: &str, text: impl Display) {
    // A reader that has gone, such as `head`, is no reason to stop.
    let _ = writeln!(std::io::stdout().lock(), "{label:10}  {text}");
}

/// A new folder for the files of both sides, deleted at the end unless it is to be kept.
struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    fn make(options: &Options) -> Fallible<Self> {
        let parent = options.dir.clone().unwrap_or_else(std::env::temp_dir);
        let path = std::path::absolute(parent.join(format!("as2-big-file-{}", std::process::id())))?;
        let made = fs::create_dir_all(&parent).and_then(|()| fs::create_dir(&path));
        made.map_err(|error| format!("cannot make the folder {}: {error}", path.display()))?;
        Ok(Self { path, keep: options.keep })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
