//! Where a document lies while it arrives: a file that nobody else looks at, and that vanishes unless it is accepted.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use as2_protocol::{DocumentHead, Quarantine};

const BUFFER: usize = 64 << 10;

/// One document that arrives, in a file of the folder `quarantine`.
pub(crate) struct QuarantineFile {
    /// The folder of all that was accepted.
    inbox: PathBuf,
    path: PathBuf,
    /// `None` before the document begins.
    file: Option<BufWriter<File>>,
    name: Option<String>,
}

impl QuarantineFile {
    /// `number` tells apart what arrives at the same time.
    pub(crate) fn new(folder: &Path, number: u32) -> io::Result<Self> {
        let (inbox, quarantine) = (folder.join("inbox"), folder.join("quarantine"));
        fs::create_dir_all(&inbox)?;
        fs::create_dir_all(&quarantine)?;
        Ok(Self { inbox, path: quarantine.join(format!("{number}.part")), file: None, name: None })
    }

    /// The message is accepted: the document is made safe and moved to where it belongs. Only then may the receipt go.
    pub(crate) fn accept(mut self) -> io::Result<PathBuf> {
        let mut file = self.file.take().ok_or(ErrorKind::NotFound)?;
        // A failure from here on deletes the file as well: the sender comes again.
        file.flush().and_then(|()| file.get_ref().sync_all()).inspect_err(|_| self.delete())?;
        drop(file);
        // The name was made safe by the library: it has no folder in it.
        let place = self.inbox.join(self.name.as_deref().unwrap_or("document"));
        fs::rename(&self.path, &place).inspect_err(|_| self.delete())?;
        #[cfg(unix)] // the new name is safe, too, when the folder is
        File::open(&self.inbox)?.sync_all()?;
        Ok(place)
    }

    fn delete(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Quarantine for QuarantineFile {
    fn begin(&mut self, _number: usize, head: &DocumentHead) -> io::Result<()> {
        if self.file.is_some() {
            return Err(io::Error::new(ErrorKind::Unsupported, "one document was agreed on, and this is another"));
        }
        self.name = head.filename();
        self.file = Some(BufWriter::with_capacity(BUFFER, File::create_new(&self.path)?));
        Ok(())
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.file.as_mut().ok_or(ErrorKind::InvalidInput)?.write_all(octets)
    }
}

impl Drop for QuarantineFile {
    /// Refused, or never complete: nothing of it stays.
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // What is buffered is not worth writing any more.
            drop(file.into_parts());
            self.delete();
        }
    }
}
