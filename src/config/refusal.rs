//! Why a process does not start with what it was told.

use std::error::Error as _;
use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use clap::error::{ContextKind, ErrorKind};

/// Exit code of a process that was told something it does not understand: `EX_USAGE` of sysexits(3).
const USAGE: u8 = 64;

/// Why [`Config::parse`](super::Config::parse) gave no configuration: a setting was refused, or `--help` or `--version`
/// asked for an answer instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    text: String,
    exit_code: u8,
}

impl Refusal {
    /// What stands behind a name, a variable's or a flag's, is refused.
    pub(super) fn new(name: &str, reason: impl fmt::Display) -> Self {
        Self { text: format!("{name}: {reason}"), exit_code: USAGE }
    }

    /// A variable's value is refused, for the reason that the parser of its flag gave.
    pub(super) fn of_variable(variable: &str, value: &str, error: &clap::Error) -> Self {
        match error.source() {
            Some(reason) => Self::new(variable, format_args!("'{value}' is refused: {reason}")),
            None => Self::new(variable, format_args!("'{value}' is refused: {}", first_line(error))),
        }
    }

    /// The command line is refused, or asked for an answer.
    pub(super) fn of_flag(error: &clap::Error) -> Self {
        if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            return Self { text: error.render().to_string().trim_end().to_owned(), exit_code: 0 };
        }
        if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            return Self { text: error.render().to_string().trim_end().to_owned(), exit_code: USAGE };
        }
        let context = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
        match error.source() {
            Some(reason) => {
                let argument = context(ContextKind::InvalidArg);
                let flag = argument.split(' ').next().unwrap_or_default();
                let value = context(ContextKind::InvalidValue);
                Self::new(flag, format_args!("'{value}' is refused: {reason}"))
            }
            None => Self { text: format!("{}; see --help", first_line(error)), exit_code: USAGE },
        }
    }

    /// 64 where a setting was refused, 0 where `--help` or `--version` was answered.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// Says it where it belongs (an answer on stdout, a refusal on stderr) and gives the code to exit with.
    pub fn exit(&self) -> ExitCode {
        // A reader that went away is no reason for another code.
        let _ = match self.exit_code {
            0 => writeln!(std::io::stdout(), "{self}"),
            _ => writeln!(std::io::stderr(), "{self}"),
        };
        ExitCode::from(self.exit_code)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Refusal {}

fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let mut lines = text.lines();
    let line = lines.next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    // What it announces stands below it.
    let below = lines.map(str::trim).take_while(|below| line.ends_with(':') && !below.is_empty());
    below.fold(line.to_owned(), |line, below| format!("{line} {below}"))
}
