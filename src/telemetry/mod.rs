//! Logs and metrics.

pub mod metrics;

mod line;
mod output;
mod timestamp;

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};

use tracing_subscriber::layer::SubscriberExt;

use crate::config::{self, Home, LogFormat};

pub use metrics::Metrics;

use line::{Json, Text};
use output::Output;

/// Sends the process's log to stdout from now on, a whole line per event, and gives the guard to hold until the end.
///
/// Lines are gathered and written by a thread of their own, at most some milliseconds late; what stdout's reader does
/// not take in time is lost and counted, and requests never wait for it. On Lambda, which freezes its environments
/// between requests, each line is written at once.
///
/// Called a second time, it changes nothing.
pub fn init(config: &config::Telemetry, home: Home) -> Guard {
    let output = match home {
        Home::Lambda => Output::direct(io::stdout()),
        Home::Kubernetes | Home::Local => Output::gathered(io::stdout()),
    };
    let text = match config.format {
        LogFormat::Auto => io::stdout().is_terminal(),
        LogFormat::Json => false,
        LogFormat::Text => true,
    };
    let layer = tracing_subscriber::fmt::layer().with_writer(output.clone());
    let subscriber = tracing_subscriber::registry().with(config.filter.clone());
    // The first one stays: a process has one log.
    let _ = if text {
        tracing::subscriber::set_global_default(subscriber.with(layer.event_format(Text)))
    } else {
        tracing::subscriber::set_global_default(subscriber.with(layer.event_format(Json)))
    };
    Guard { output }
}

/// Writes what is left of the log when it is dropped.
#[derive(Debug)]
#[must_use = "dropped at once, it writes nothing of what comes later"]
pub struct Guard {
    output: Output,
}

impl Guard {
    /// Writes what was logged so far. Returns when stdout has taken it, or has not for two seconds.
    pub fn flush(&self) {
        self.output.flush();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.flush();
    }
}
