//! Every setting: its variable, flag, default and meaning, in one place. The only reader of the environment.
//!
//! A setting is one field below. Its flag is the field's name in kebab case, its variable is `TWOFOLD_` and the name in
//! capitals, its meaning is the doc comment. A flag beats a variable; what is unknown or malformed is refused by name.
//! A field that takes no value is an option of the command line, and no setting: it has no variable.

mod command;
mod lambda;
mod refusal;
mod values;
mod variables;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches};
use tracing_subscriber::filter::Targets;

pub use command::{Command, Task};
pub use lambda::Lambda;
pub use refusal::Refusal;
pub use values::{LogFormat, ModelEntry};

/// What a process is told when it starts.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "twofold",
    version,
    about = "Serves ONNX models over the Open Inference Protocol",
    args_override_self = true,
    next_line_help = true
)]
pub struct Config {
    /// Where and how connections are accepted.
    #[command(flatten)]
    pub server: Server,
    /// Models to serve: comma-separated [NAME=]REFERENCE
    // The full path keeps clap from taking one flag per element: the last flag is the whole list.
    #[arg(long, value_name = "LIST", default_value = "embedded:digits", value_parser = values::models)]
    pub models: std::vec::Vec<ModelEntry>,
    /// Packages from registries.
    #[command(flatten)]
    pub packages: Packages,
    /// What a request may ask for.
    #[command(flatten)]
    pub http: Http,
    /// What models compute with.
    #[command(flatten)]
    pub compute: Compute,
    /// Logs.
    #[command(flatten)]
    pub telemetry: Telemetry,
    /// Serve nothing: ask the server at that address whether it is ready, and exit with 0 or 1
    #[arg(long)]
    pub check: bool,
    /// Where the function runs, told by variables that the home itself sets.
    #[arg(skip)]
    pub home: Home,
}

/// Where and how connections are accepted.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Server {
    /// Address of the server
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = values::address)]
    pub listen: SocketAddr,
    /// Open connections, at most; more wait until one is closed
    #[arg(long, value_name = "NUMBER", default_value = "10000", value_parser = values::connections)]
    pub connections: u32,
    /// Time to send a request's head: s, ms or m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = values::duration)]
    pub header_timeout: Duration,
    /// Time to send a request's body, and to take an answer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = values::duration)]
    pub body_timeout: Duration,
    /// Time that the server still serves, while not ready, after it was asked to stop; 0s is none
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = values::duration_or_none)]
    pub drain: Duration,
}

/// Packages from registries.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Packages {
    /// Folder of pulled packages: a path, or temporary for twofold in the system's temporary folder
    #[arg(long, value_name = "PATH", default_value = "temporary", value_parser = values::cache)]
    pub cache: PathBuf,
    /// Size of that folder, at most; the least recently used packages go first
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = values::size)]
    pub cache_limit: usize,
    /// Registries spoken to without TLS: comma-separated HOST or HOST:PORT, loopback for this machine, or none
    // The full path keeps clap from taking one flag per element: the last flag is the whole list.
    #[arg(long, value_name = "LIST", default_value = "loopback", value_parser = values::hosts)]
    pub plain_http: std::vec::Vec<String>,
    /// Hosts that take ECR's credentials besides ECR's own: comma-separated HOST or HOST:PORT, or none
    #[arg(long, value_name = "LIST", default_value = "none", value_parser = values::hosts)]
    pub ecr_hosts: std::vec::Vec<String>,
    /// Docker's `config.json`: in `DOCKER_CONFIG`, else in `.docker` of `HOME`.
    #[arg(skip)]
    pub docker: Option<PathBuf>,
}

/// What a request may ask for.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Http {
    /// Loading and unloading of models by the repository API: on or off
    #[arg(long, value_name = "SWITCH", action = clap::ArgAction::Set, default_value = "off", value_parser = values::switch)]
    pub admin: bool,
    /// Largest request body, after decompression: bytes, or a number of KiB, MiB or GiB
    #[arg(long, value_name = "SIZE", default_value = "6MiB", value_parser = values::size)]
    pub body_limit: usize,
    /// What the bodies of all requests may take at once, as sent, inflated, as tensors and as answers; beyond it: 429
    #[arg(long, value_name = "SIZE", default_value = "128MiB", value_parser = values::size)]
    pub body_memory: usize,
}

/// What models compute with.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Compute {
    /// Threads that compute what is not small: a number, or cores for as many as this process has
    #[arg(long, value_name = "COUNT", default_value = "cores", value_parser = values::threads)]
    pub threads: usize,
    /// Requests to one model that may wait for a thread; further ones are answered with 429
    #[arg(long, value_name = "COUNT", default_value = "256", value_parser = values::count)]
    pub queue: usize,
    /// Time from a request's last byte to its answer; then it is answered with 504
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = values::duration)]
    pub deadline: Duration,
}

/// Logs.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Telemetry {
    /// Filter of the log: a level (off, error, warn, info, debug, trace), then any number of TARGET=LEVEL
    #[arg(long = "log", id = "log", value_name = "FILTER", default_value = "info", value_parser = values::filter)]
    pub filter: Targets,
    /// Form of the log: json, text, or auto, which is text on a terminal and json elsewhere
    #[arg(long = "log-format", id = "log-format", value_name = "FORMAT", default_value = "auto", value_parser = values::log_format)]
    pub format: LogFormat,
}

/// Where the function runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Home {
    /// A pod, told by `KUBERNETES_SERVICE_HOST`.
    Kubernetes,
    /// A Lambda function, told by `AWS_LAMBDA_FUNCTION_NAME` or `AWS_LAMBDA_RUNTIME_API`.
    Lambda,
    /// Anywhere else.
    #[default]
    Local,
}

impl Home {
    /// The word for it in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Home::Kubernetes => "kubernetes",
            Home::Lambda => "lambda",
            Home::Local => "local",
        }
    }
}

/// One setting, for documents that list them all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The environment's variable, such as `TWOFOLD_LISTEN`.
    pub variable: String,
    /// The flag of the same meaning, such as `--listen`.
    pub flag: String,
    /// The value that holds when neither is given.
    pub default: String,
    /// What it is for.
    pub meaning: String,
}

impl Config {
    /// Reads a command line (the program's name first) and an environment; the process's own is not looked at.
    ///
    /// Fails on an unknown flag or `TWOFOLD_*` variable and on a malformed value; also where `--help` or `--version`
    /// asks for an answer instead of a start.
    pub fn parse<A, V>(args: A, vars: V) -> Result<Self, Refusal>
    where
        A: IntoIterator,
        A::Item: Into<OsString>,
        V: IntoIterator<Item = (String, String)>,
    {
        let vars: Vec<(String, String)> = vars.into_iter().collect();
        let has = |name: &str| vars.iter().any(|(variable, _)| variable == name);
        let home = if has("AWS_LAMBDA_FUNCTION_NAME") || has("AWS_LAMBDA_RUNTIME_API") {
            Home::Lambda
        } else if has("KUBERNETES_SERVICE_HOST") {
            Home::Kubernetes
        } else {
            Home::Local
        };

        let command = command();
        let mut line: Vec<OsString> = args.into_iter().map(Into::into).collect();
        if line.is_empty() {
            line.push(command.get_name().into());
        }
        // By itself first, so that --help is answered whatever the environment holds.
        command.clone().try_get_matches_from(&line).map_err(|error| Refusal::of_flag(&error))?;
        // Flags come after the variables: the last one holds.
        line.splice(1..1, variables::as_flags(&command, &vars, home)?);
        let matches = command.try_get_matches_from(line).map_err(|error| Refusal::of_flag(&error))?;
        let mut config = Self::from_arg_matches(&matches).map_err(|error| Refusal::of_flag(&error))?;
        config.home = home;
        config.packages.docker = variables::docker(&vars);
        refuse_on_lambda(&config)?;
        refuse_small_memory(&config.http)?;
        Ok(config)
    }

    /// Reads the process's own command line and environment.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_process() -> Result<Self, Refusal> {
        let vars = variables::as_text(std::env::vars_os())?;
        Self::parse(std::env::args_os(), vars)
    }

    /// Every setting, in the order of `--help`.
    pub fn settings() -> impl Iterator<Item = Setting> {
        let command = Self::command();
        let settings: Vec<Setting> = command
            .get_arguments()
            .filter_map(|arg| {
                let flag = variables::flag_of_setting(arg)?;
                let default: Vec<_> = arg.get_default_values().iter().map(|v| v.to_string_lossy()).collect();
                Some(Setting {
                    variable: variables::of_flag(flag),
                    flag: format!("--{flag}"),
                    default: default.join(","),
                    meaning: arg.get_help().map(ToString::to_string).unwrap_or_default(),
                })
            })
            .collect();
        settings.into_iter()
    }
}

/// Refuses a memory for all bodies into which one would not fit.
fn refuse_small_memory(http: &Http) -> Result<(), Refusal> {
    if http.body_memory >= http.body_limit {
        return Ok(());
    }
    let (memory, limit) = (http.body_memory, http.body_limit);
    let reason = format_args!("{memory} bytes are refused: one body may have {limit}, by TWOFOLD_BODY_LIMIT");
    Err(Refusal::new("TWOFOLD_BODY_MEMORY", reason))
}

/// Refuses what cannot work in a function on Lambda.
fn refuse_on_lambda(config: &Config) -> Result<(), Refusal> {
    if config.home != Home::Lambda {
        return Ok(());
    }
    if config.http.admin {
        let reason = "'on' is refused: on Lambda each environment would have models of its own";
        return Err(Refusal::new("TWOFOLD_ADMIN", reason));
    }
    if config.check {
        return Err(Refusal::new("--check", "refused: on Lambda there is no server to ask"));
    }
    Ok(())
}

/// The server's command line.
fn command() -> clap::Command {
    named(Config::command())
}

/// A command line with each flag's help naming its variable.
fn named(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| match (variables::flag_of_setting(&arg), arg.get_help()) {
        (Some(flag), Some(help)) => {
            let help = format!("{help} [env: {}]", variables::of_flag(flag));
            arg.help(help)
        }
        _ => arg,
    })
}
