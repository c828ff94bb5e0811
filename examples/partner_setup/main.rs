//! Checks an agreement with a partner before anything is sent: reads a folder with a TOML profile and certificates, and
//! prints the onboarding sheet, that is what the partner must know of us, what we know of him, and what expires when.
//!
//! ```sh
//! cargo run --example partner_setup                # the folder that comes along
//! cargo run --example partner_setup -- FOLDER      # one of yours
//! ```
//!
//! It exits with 1, and lists every problem with its remedy, if the agreement cannot work.

mod setup;
mod sheet;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

fn main() -> ExitCode {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/partner_setup/acme");
    let folder = std::env::args().nth(1).map_or_else(|| PathBuf::from(shipped), PathBuf::from);
    let now = SystemTime::now();
    let checked = setup::read(&folder, now);
    print!("{}", sheet::write(&checked, now));
    match checked.problems.len() {
        0 => {
            println!("\nThe agreement can work.");
            ExitCode::SUCCESS
        }
        count => {
            println!(
                "\n{count} {} to solve before the agreement can work:",
                if count == 1 { "problem" } else { "problems" }
            );
            for (at, problem) in checked.problems.iter().enumerate() {
                println!("{:>3}. {problem}", at + 1);
            }
            ExitCode::FAILURE
        }
    }
}
