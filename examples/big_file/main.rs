//! Sends a large file over AS2 and HTTP on loopback, between two processes that both stream it from and to disk, and
//! tells throughput and memory of each.
//!
//! ```text
//! cargo run --release --example big_file -- [SIZE] [--spool] [--cipher gcm] [--keep] ...
//! ```
//!
//! Read `sender.rs` and `receiver.rs` first, they hold what an application does; `quarantine.rs` is where the document
//! lies until it is known whether it may be used, `records.rs` what the sender saves and when. `wire.rs` carries octets
//! between a thread that may wait and hyper, `link.rs` starts the second process: this program once more, with the
//! subcommand `receive`.

#[path = "../exchange/keys.rs"]
mod keys;

mod file;
mod link;
mod memory;
mod options;
mod progress;
mod quarantine;
mod receiver;
mod records;
mod sender;
mod story;
mod terms;
mod wire;

use std::fmt::Arguments;
use std::io::Write;
use std::process::ExitCode;

use crate::options::{Options, Role, USAGE};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Fallible<T> = Result<T, BoxError>;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            complain(format_args!("{problem}\n\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    let done = match options.role {
        Role::Help => {
            let _ = write!(std::io::stdout(), "{USAGE}");
            Ok(())
        }
        Role::Send => story::run(&options),
        Role::Receive => receiver::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("{}\n", with_causes(error.as_ref())));
            ExitCode::FAILURE
        }
    }
}

fn complain(text: Arguments<'_>) {
    let _ = write!(std::io::stderr(), "big_file: {text}");
}

/// The error and what it was caused by, each once: hyper tells the reason in the causes.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| match cause.to_string() {
        cause if text.contains(&cause) => text,
        cause => format!("{text}: {cause}"),
    })
}
