//! What a company keeps, as plain files: a real application has a database with the same operations.
//!
//! ```text
//! outbox/<message>/          request.json pending.json    saved before the first octet leaves
//!                            receipt.mime evidence.json   the receipt as it came, and what it proves
//! inbox/<partner>/<message>/ record.json                  who works on the message, and how it was answered
//!                            payload/ origin.json         saved before the receipt is written
//! parked/<message>/                                       receipts for messages that we do not know
//! ```

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use as2_protocol::{
    Accepted, Delivery, Evidence, EvidenceRecord, InboxRecord, InboxWrite, IncomingMdn, MessageKey, Outbound,
    PendingReceipt, ReceivedPayload,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// A folder of one company.
pub(crate) struct Store {
    root: PathBuf,
    /// Taken while a record is compared and replaced. A database does that in one statement, and for several processes.
    records: Mutex<()>,
}

impl Store {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, records: Mutex::new(()) }
    }

    /// Keeps a text beside the rest, such as our certificate.
    pub(crate) fn save_text(&self, name: &str, text: &str) -> io::Result<()> {
        write(&self.root.join(name), text.as_bytes())
    }

    /// Everything that is needed to repeat the message and to judge its receipt, even after a crash.
    pub(crate) fn save_outbound(&self, sent: &Outbound) -> io::Result<PathBuf> {
        let folder = self.outbox(sent.pending.message_id().bare());
        write_json(&folder.join("pending.json"), &sent.pending)?;
        write_json(&folder.join("request.json"), &sent.request)?;
        Ok(folder)
    }

    /// How often a message of ours was tried, and how it stands; a new one was not tried yet.
    pub(crate) fn delivery(&self, message_id: &str) -> io::Result<Delivery> {
        let stored = read_json(&self.outbox(message_id).join("delivery.json"))?;
        Ok(stored.unwrap_or_else(Delivery::of_message))
    }

    pub(crate) fn save_delivery(&self, message_id: &str, delivery: &Delivery) -> io::Result<()> {
        write_json(&self.outbox(message_id).join("delivery.json"), delivery)
    }

    /// What the receipt for a message of ours is checked against; `None` if there is no such message.
    pub(crate) fn pending(&self, message_id: &str) -> io::Result<Option<PendingReceipt>> {
        read_json(&self.outbox(message_id).join("pending.json"))
    }

    /// The proof of delivery of a message, if there is one already.
    pub(crate) fn evidence(&self, message_id: &str) -> io::Result<Option<EvidenceRecord>> {
        read_json(&self.outbox(message_id).join("evidence.json"))
    }

    /// Archives a receipt and the proof that it is.
    pub(crate) fn save_evidence(&self, message_id: &str, evidence: &Evidence) -> io::Result<PathBuf> {
        let folder = self.outbox(message_id);
        write(&folder.join("receipt.mime"), &mime_file(evidence))?;
        write_json(&folder.join("evidence.json"), evidence.record())?;
        Ok(folder)
    }

    /// Keeps a receipt that proves no delivery, for the people who will look at it.
    pub(crate) fn save_complaint(&self, message_id: &str, evidence: &Evidence) -> io::Result<PathBuf> {
        let folder = self.outbox(message_id);
        write(&folder.join("refusal.mime"), &mime_file(evidence))?;
        write_json(&folder.join("refusal.json"), evidence.record())?;
        Ok(folder)
    }

    /// Keeps a receipt whose message is not known, or not yet. One that comes twice is kept once, and none replaces
    /// another.
    pub(crate) fn park(&self, receipt: &IncomingMdn) -> io::Result<()> {
        let id = receipt.original_message_id().map_or_else(|| "no-message-id".to_owned(), |id| id.bare());
        write_json(&self.parked_folder(&id).join(hexadecimal(&receipt.digest())).with_extension("json"), receipt)
    }

    /// The receipts that were put aside for a message.
    pub(crate) fn parked(&self, message_id: &str) -> io::Result<Vec<IncomingMdn>> {
        let folder = match fs::read_dir(self.parked_folder(message_id)) {
            Ok(folder) => folder,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let paths = folder.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
        let whole = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        let read: io::Result<Vec<_>> = whole.map(|path| read_json(path)).collect();
        Ok(read?.into_iter().flatten().collect())
    }

    /// Keeps a received document and the proof of its origin; gives the path of the document.
    ///
    /// The place follows from sender and Message-ID alone: a message that comes again after a crash overwrites itself.
    pub(crate) fn save_message(&self, key: &MessageKey, message: &Accepted) -> io::Result<PathBuf> {
        let folder = self.inbox(key);
        if let Some(evidence) = message.evidence() {
            write_json(&folder.join("origin.json"), evidence.record())?;
        }
        let path = folder.join("payload").join(payload_name(message.payload()));
        write(&path, message.payload().body())?;
        Ok(path)
    }

    /// What is on record about a message that was received; `None` if it is new.
    pub(crate) fn record(&self, key: &MessageKey) -> io::Result<Option<InboxRecord>> {
        read_json(&self.inbox(key).join("record.json"))
    }

    /// Replaces a record if it is still as it was read; tells whether it was.
    pub(crate) fn write_record(&self, write: &InboxWrite) -> io::Result<bool> {
        let _records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let unchanged = self.record(write.key())?.map(|record| record.fence()) == write.replaces();
        if unchanged {
            write_json(&self.inbox(write.key()).join("record.json"), write.record())?;
        }
        Ok(unchanged)
    }

    fn outbox(&self, message_id: &str) -> PathBuf {
        self.root.join("outbox").join(file_name(message_id))
    }

    fn inbox(&self, key: &MessageKey) -> PathBuf {
        self.root.join("inbox").join(file_name(key.from())).join(file_name(key.message_id()))
    }

    fn parked_folder(&self, message_id: &str) -> PathBuf {
        self.root.join("parked").join(file_name(message_id))
    }
}

/// A receipt as a file that mail tools and `openssl cms` read.
fn mime_file(evidence: &Evidence) -> Vec<u8> {
    [b"MIME-Version: 1.0\r\n", evidence.receipt().mime()].concat()
}

/// A partner's text as a file name: what is short and harmless stays readable, anything else becomes a hash.
/// Two texts share a name only where the file system ignores case: no readable name looks like a hash.
fn file_name(text: &str) -> String {
    let harmless = |octet: u8| octet.is_ascii_alphanumeric() || b" -_@.".contains(&octet);
    let edges = |octet: u8| octet.is_ascii_alphanumeric();
    let outer = [text.bytes().next(), text.bytes().last()];
    if text.len() <= 100 && text.bytes().all(harmless) && outer.into_iter().all(|octet| octet.is_some_and(edges)) {
        return text.to_owned();
    }
    format!("sha256={}", hexadecimal(&Sha256::digest(text.as_bytes())))
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |text, octet| format!("{text}{octet:02x}"))
}

/// The name that the sender gave the document, if it is one that can do no harm here.
fn payload_name(payload: &ReceivedPayload) -> String {
    let Some(name) = payload.raw_filename() else { return "document".to_owned() };
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let device = matches!(stem.as_str(), "con" | "prn" | "aux" | "nul")
        || (stem.len() == 4 && (stem.starts_with("com") || stem.starts_with("lpt")));
    if device { "document".to_owned() } else { file_name(name) }
}

fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    write(path, &serde_json::to_vec_pretty(value)?)
}

/// Writes a file as a whole or not at all; an error names the file.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()));
    replace(path, content).map_err(named)
}

/// Returns when the content would survive a power cut.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".part");
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(serde_json::from_slice(&content)?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
