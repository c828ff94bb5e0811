//! The command line.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use as2_protocol::CipherAlgorithm;

pub(crate) const USAGE: &str = "\
Sends a generated file over AS2 between two processes on this machine, and tells throughput and memory of each side.

Usage: big_file [SIZE] [OPTIONS]

  SIZE             of the file, such as 512M or 10G; default 2G
  --cipher CIPHER  cbc (AES-256, the default), gcm (AES-256) or none
  --sign DIGEST    sha256 (the default) or none
  --compress       compress before signing
  --chunk N        octets of the file that are read and built into the message at a time; default 64K
  --spool          keep what went over the wire, so that a broken attempt can be repeated
  --cut N          the receiver breaks the first connection off after so many octets
  --dir DIR        where a folder for the files is made; default: the system's folder for temporary files
  --keep           do not delete that folder at the end
  -h, --help       print this help

The folder needs twice the size of the file, and three times with --spool.
";

/// Which part this process plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Help,
    Send,
    /// The other side, started by the sender with all of his arguments; `--dir` is the shared folder then.
    Receive,
}

/// What the command line asks for.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) role: Role,
    pub(crate) size: u64,
    pub(crate) cipher: Option<CipherAlgorithm>,
    pub(crate) sign: bool,
    pub(crate) compress: bool,
    pub(crate) chunk: usize,
    pub(crate) spool: bool,
    pub(crate) cut: Option<u64>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) keep: bool,
}

impl Options {
    /// Reads the arguments, without the name of the program.
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut options = Self {
            role: Role::Send,
            size: 2 << 30,
            cipher: Some(CipherAlgorithm::Aes256Cbc),
            sign: true,
            compress: false,
            chunk: 64 << 10,
            spool: false,
            cut: None,
            dir: None,
            keep: false,
        };
        let mut arguments = arguments.peekable();
        if arguments.next_if(|first| first == "receive").is_some() {
            options.role = Role::Receive;
        }
        let mut sized = false;
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("-h" | "--help") => options.role = Role::Help,
                Some(option) if option.starts_with('-') => options.option(option, &mut arguments)?,
                _ if sized => return Err(format!("one size at a time: what is {}?", argument.display())),
                _ => (options.size, sized) = (size(&argument)?, true),
            }
        }
        Ok(options)
    }

    fn option(&mut self, name: &str, rest: &mut impl Iterator<Item = OsString>) -> Result<(), String> {
        let mut value = |what: &str| rest.next().ok_or_else(|| format!("{name} needs {what}"));
        match name {
            "--compress" => self.compress = true,
            "--spool" => self.spool = true,
            "--keep" => self.keep = true,
            "--dir" => self.dir = Some(value("the name of a folder")?.into()),
            "--cut" => self.cut = Some(size(&value("a number of octets")?)?),
            "--cipher" => {
                self.cipher = match value("cbc, gcm or none")?.to_str() {
                    Some("cbc") => Some(CipherAlgorithm::Aes256Cbc),
                    Some("gcm") => Some(CipherAlgorithm::Aes256Gcm),
                    Some("none") => None,
                    _ => return Err("--cipher is cbc, gcm or none".to_owned()),
                };
            }
            "--sign" => {
                self.sign = match value("sha256 or none")?.to_str() {
                    Some("sha256") => true,
                    Some("none") => false,
                    _ => return Err("--sign is sha256 or none".to_owned()),
                };
            }
            "--chunk" => {
                let octets = usize::try_from(size(&value("a number of octets")?)?).unwrap_or(usize::MAX);
                if !(1..=LARGEST_CHUNK).contains(&octets) {
                    return Err("--chunk is between 1 and 16M".to_owned());
                }
                self.chunk = octets;
            }
            unknown => return Err(format!("unknown option {unknown}")),
        }
        Ok(())
    }

    /// The arguments that make a process the receiver of this one.
    pub(crate) fn for_receiver(&self, folder: PathBuf) -> Vec<OsString> {
        let cipher = match self.cipher {
            Some(CipherAlgorithm::Aes256Gcm) => "gcm",
            Some(_) => "cbc",
            None => "none",
        };
        let sign = if self.sign { "sha256" } else { "none" };
        let mut arguments: Vec<OsString> = ["receive", "--cipher", cipher, "--sign", sign].map(OsString::from).into();
        arguments.extend([self.size.to_string().into(), "--dir".into(), folder.into_os_string()]);
        if let Some(cut) = self.cut {
            arguments.extend(["--cut".into(), cut.to_string().into()]);
        }
        arguments
    }
}

/// More would be a buffer for its own sake.
const LARGEST_CHUNK: usize = 16 << 20;

/// `512M`, `10G`: octets in powers of 1024.
fn size(text: &OsStr) -> Result<u64, String> {
    let wrong = || format!("{} is no size: try 512M or 10G", text.display());
    let text = text.to_str().ok_or_else(wrong)?;
    let digits = text.trim_end_matches(|last: char| last.is_ascii_alphabetic());
    let shift = match text.get(digits.len()..).unwrap_or_default().to_ascii_uppercase().as_str() {
        "" => 0,
        "K" | "KIB" => 10,
        "M" | "MIB" => 20,
        "G" | "GIB" => 30,
        "T" | "TIB" => 40,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}
