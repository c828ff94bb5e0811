//! The command line, and the documents that it names.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use as2_protocol::bytes::Bytes;
use as2_protocol::{ContentType, Payload};

use crate::Fallible;

pub(crate) const USAGE: &str = "\
Two companies exchange business documents over AS2, each with its own certificate and its own HTTP server.

Usage: exchange [FILE] [--show-failures] [--out DIR]

  FILE             document to exchange; default: an X12 850 and an EDIFACT ORDERS that come with the example
  --show-failures  also show what happens when something is wrong
  --out DIR        folder for what is sent and received; default: ./exchange-out
  -h, --help       print this help
";

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) file: Option<PathBuf>,
    pub(crate) show_failures: bool,
    pub(crate) out: PathBuf,
    pub(crate) help: bool,
}

impl Options {
    /// Reads the arguments, without the name of the program.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut options = Self { file: None, show_failures: false, out: PathBuf::from("exchange-out"), help: false };
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--show-failures") => options.show_failures = true,
                Some("--out") => {
                    options.out = arguments.next().ok_or("--out needs the name of a folder")?.into();
                }
                Some("-h" | "--help") => options.help = true,
                Some(unknown) if unknown.starts_with('-') => return Err(format!("unknown option {unknown}")),
                _ if options.file.is_none() => options.file = Some(argument.into()),
                _ => return Err(format!("one file at a time: what shall be done with {}?", argument.display())),
            }
        }
        Ok(options)
    }
}

/// A document to exchange.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) body: Bytes,
}

impl Document {
    /// The file that was named, or the two documents that come with the example.
    pub(crate) fn load(file: Option<&Path>) -> Result<Vec<Self>, String> {
        let Some(path) = file else {
            return Ok(vec![
                Self { name: "po850.x12".to_owned(), body: Bytes::from_static(include_bytes!("po850.x12")) },
                Self { name: "orders.edi".to_owned(), body: Bytes::from_static(include_bytes!("orders.edi")) },
            ]);
        };
        let body = fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(vec![Self { name, body: body.into() }])
    }

    /// The document with its media type, told by its first octets (RFC 1767).
    pub(crate) fn payload(&self) -> Fallible<Payload> {
        let body = self.body.clone();
        let payload = match body.trim_ascii_start() {
            [b'I', b'S', b'A', ..] => Payload::x12(body),
            [b'U', b'N', b'A' | b'B', ..] => Payload::edifact(body),
            [b'<', ..] => Payload::xml(body),
            _ => Payload::new(ContentType::new("application/octet-stream")?, body),
        };
        Ok(payload.with_filename(self.name.clone()))
    }
}
