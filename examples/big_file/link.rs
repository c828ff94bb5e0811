//! The two processes: how one starts the other, and the few lines that they exchange over its standard input and output.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Fallible;
use crate::memory::Memory;
use crate::options::Options;

/// What the receiver tells first.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) url: String,
    /// Its certificate; private keys stay where they were made.
    pub(crate) certificate: String,
}

/// What the sender answers.
#[derive(Serialize, Deserialize)]
pub(crate) struct Welcome {
    pub(crate) certificate: String,
}

/// What the receiver tells when the sender has closed its standard input.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) findings: Vec<Finding>,
    /// `None` if nothing arrived.
    pub(crate) memory: Option<Memory>,
}

/// What became of a request.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Finding {
    Stored {
        path: PathBuf,
        octets: u64,
        layers: Vec<String>,
        signed: bool,
        /// Time to make the file safe on the disk.
        storing: Duration,
    },
    /// The code and the text of the error: what the receiver's log would say.
    NotTaken { code: String, error: String },
}

/// The other process, as the sender has it. It ends with this value, at the latest.
pub(crate) struct Receiver {
    process: Child,
    /// `None` when it was told that nothing more comes.
    orders: Option<ChildStdin>,
    told: BufReader<ChildStdout>,
}

impl Receiver {
    pub(crate) fn start(options: &Options, folder: &Path) -> Fallible<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(options.for_receiver(folder.to_owned())).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(|error| format!("the receiver cannot be started: {error}"))?;
        let orders = process.stdin.take();
        let told = process.stdout.take().map(BufReader::new).ok_or("the receiver has no output")?;
        Ok(Self { process, orders, told })
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn hello(&mut self) -> Fallible<Hello> {
        read(&mut self.told)
    }

    pub(crate) fn welcome(&mut self, welcome: &Welcome) -> Fallible<()> {
        Ok(tell(self.orders.as_mut().ok_or("the receiver has no input")?, welcome)?)
    }

    /// Nothing more comes; what did it see?
    pub(crate) fn report(mut self) -> Fallible<Report> {
        self.orders = None;
        let report = read(&mut self.told)?;
        self.process.wait()?;
        Ok(report)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended, and then neither is possible.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One line of JSON.
pub(crate) fn read<T: DeserializeOwned>(from: &mut impl BufRead) -> Fallible<T> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err("the other process has ended".into());
    }
    Ok(serde_json::from_str(&line)?)
}

pub(crate) fn tell(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}
