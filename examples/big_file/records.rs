//! What the sender saves, and when: the head before the first octet leaves, the receipt that is awaited before the
//! last one does, the outcome of every attempt, the proof in the end.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use as2_protocol::bytes::Bytes;
use as2_protocol::{Delivery, Evidence, PendingReceipt, RequestHead};
use serde::Serialize;

use crate::progress::{Count, add};
use crate::wire::Pieces;

/// Octets that are read from the spool at a time.
const PIECE: usize = 64 << 10;

/// The sender's folder.
#[derive(Clone)]
pub(crate) struct Records(PathBuf);

impl Records {
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self(folder.to_owned()))
    }

    /// The file that is sent.
    pub(crate) fn document(&self) -> PathBuf {
        self.0.join("purchase-orders.x12")
    }

    pub(crate) fn save_head(&self, head: &RequestHead) -> io::Result<()> {
        self.save("head.json", head)
    }

    pub(crate) fn save_pending(&self, pending: &PendingReceipt) -> io::Result<()> {
        self.save("pending.json", pending)
    }

    pub(crate) fn save_delivery(&self, delivery: &Delivery) -> io::Result<()> {
        self.save("delivery.json", delivery)
    }

    pub(crate) fn save_evidence(&self, evidence: &Evidence) -> io::Result<()> {
        self.save("evidence.json", evidence.record())
    }

    /// Replaces a file as a whole, whatever happens.
    fn save(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        let (path, new) = (self.0.join(name), self.0.join(format!("{name}.new")));
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec_pretty(value)?)?;
        file.sync_all()?;
        fs::rename(new, path)
    }

    pub(crate) fn spool(&self) -> io::Result<Spool> {
        let path = self.0.join("wire.spool");
        Ok(Spool { file: File::create_new(&path)?, path })
    }
}

/// The octets of the body as they go over the wire: what a second attempt sends. Built anew they would be others, under
/// another key, and a partner who has the first ones after all would see a duplicate that differs.
pub(crate) struct Spool {
    file: File,
    path: PathBuf,
}

impl Spool {
    pub(crate) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.file.write_all(octets)
    }

    /// All is there: it survives a crash from now on.
    pub(crate) fn complete(self) -> io::Result<PathBuf> {
        self.file.sync_all()?;
        Ok(self.path)
    }
}

/// Sends what was spooled, until the other end takes no more: the attempt tells why.
pub(crate) fn send_spooled(path: &Path, pieces: Pieces, count: &Count) -> io::Result<()> {
    let mut file = File::open(path)?;
    loop {
        let mut piece = vec![0; PIECE];
        let length = file.read(&mut piece)?;
        piece.truncate(length);
        if length == 0 {
            let _ = pieces.end();
            return Ok(());
        }
        if pieces.send(Bytes::from(piece)).is_err() {
            return Ok(());
        }
        add(count, length);
    }
}
