//! The tool beside the server, `twofold`: a function per task, in a file of its own.

mod list;
mod pack;
mod pull;
mod push;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use crate::config::{Command, Packages, Task};
use crate::store::{Artifact, Error, Reference, Settings, Store};

/// Does what was asked for: the answer goes to stdout, why not to stderr. Exit codes are 0 and 1.
pub fn run(command: &Command) -> ExitCode {
    let store = || store(&command.packages);
    let done = match &command.task {
        Task::Pack { path, output, labels } => pack::run(path, output, &labels.annotations()),
        Task::Push { path, reference, create, from, labels } => {
            push::run(&store(), path, reference, *create, from.as_deref(), &labels.annotations())
        }
        Task::Pull { reference, output } => pull::run(&store(), reference, output),
        Task::List { repository } => list::run(&store(), repository),
    };
    // A reader that went away is no reason for another code.
    match done {
        Ok(answer) => {
            let _ = writeln!(std::io::stdout(), "{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// A store whose cache is not used: what is pulled goes where the task says.
fn store(packages: &Packages) -> Store {
    Store::new(Settings {
        cache: packages.cache.clone(),
        cache_limit: packages.cache_limit as u64,
        plain_http: packages.plain_http.clone(),
        ecr_hosts: packages.ecr_hosts.clone(),
        docker: packages.docker.clone(),
        pinned: false,
        within: None,
    })
}

/// An artifact as it is written on the command line, where `oci://` may be left out.
fn artifact(text: &str) -> Result<Artifact, Error> {
    let whole = if text.starts_with("oci://") { text.to_owned() } else { format!("oci://{text}") };
    Reference::parse(&whole)?.artifact()
}

/// Something for people, beside the answer.
fn remark(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// What a task says when it is done, or why it is not.
type Done = Result<String, Error>;
