//! An AS2 station on the command line, for the scripts in `tests/interop`; the contract is in the README there.
//!
//! `serve` shows how the crate is joined to an HTTP stack (hyper), `build` and `open` work on files.

mod files;
mod server;
mod station;
mod terms;

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("{trouble}");
            ExitCode::from(if matches!(trouble, Trouble::Unsupported(_)) { 3 } else { 1 })
        }
    }
}

fn run() -> Result<(), Trouble> {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let options = Options::read(words)?;
    match command.as_str() {
        "build" => files::build(&options),
        "open" => files::open(&options),
        "serve" => server::serve(&options),
        _ => Err(Trouble::other("usage: interop_peer build|open|serve --us NAME --them NAME ...")),
    }
}

/// The options `--name value` of the command line.
pub(crate) struct Options(HashMap<String, String>);

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Trouble> {
        let mut options = HashMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| Trouble::other(format!("unexpected {word:?}")))?;
            let value = words.next().ok_or_else(|| Trouble::other(format!("{word} has no value")))?;
            options.insert(name.to_owned(), value);
        }
        Ok(Self(options))
    }

    pub(crate) fn get(&self, name: &str) -> Result<&str, Trouble> {
        self.0.get(name).map(String::as_str).ok_or_else(|| Trouble::other(format!("--{name} is missing")))
    }

    pub(crate) fn get_or<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.0.get(name).map_or(default, String::as_str)
    }
}

/// Why the command did not do its work.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// What was asked for is not supported: exit status 3.
    Unsupported(String),
    /// Anything else: exit status 1.
    Other(Box<dyn Error + Send + Sync>),
}

impl Trouble {
    pub(crate) fn other(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Other(reason.into())
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(what) => write!(f, "unsupported: {what}"),
            Self::Other(error) => error.fmt(f),
        }
    }
}
