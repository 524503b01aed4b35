//! The tool's entry point: packs, pushes and pulls packages.

use std::process::ExitCode;

use twofold::cli;
use twofold::config::Command;

fn main() -> ExitCode {
    match Command::from_process() {
        Ok(command) => cli::run(&command),
        Err(refusal) => refusal.exit(),
    }
}
