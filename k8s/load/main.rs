//! Constant load on one path, and every request that failed with its reason. Nothing is retried.
//!
//!     load --url http://HOST:PORT/PATH --body FILE [--expect FILE] [--failures FILE] [--seconds N]
//!          [--connections 16] [--new 4] [--rate 800] [--timeout 5]
//!
//! Of the connections, `--new` are opened for one request each; the others are kept for as long as the server lets them. Each
//! sends its next request when its turn has come, and not before its last one is answered. It ends after `--seconds`, or when
//! it is asked to (SIGTERM, ctrl-c), with what is in flight, and exits with 0 only where requests were sent and none failed:
//! whatever is not a 2xx, or not the bytes of `--expect`, has failed, as has what took longer than `--timeout`.
//!
//! `--failures` gets a line for each: when it began and when it ended, in milliseconds since 1970, whether its connection was
//! kept or new, and the reason.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod client;
mod options;
mod report;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval_at, sleep, timeout};

use client::Client;
use options::Options;
use report::{Report, Sample};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("load: {reason}");
            ExitCode::from(64)
        }
    }
}

fn run() -> Result<bool, String> {
    let options = Arc::new(Options::parse(std::env::args().skip(1))?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| format!("no runtime: {error}"))?.block_on(load(options))
}

/// All connections until the end, and then the report. Whether nothing failed.
async fn load(options: Arc<Options>) -> Result<bool, String> {
    let signal = twofold::shutdown::signal().map_err(|error| format!("no signals: {error}"))?;
    let mut report = Report::new(options.failures.as_deref())?;
    let (end, ended) = watch::channel(false);
    let (samples, mut taken) = mpsc::unbounded_channel();
    for number in 0..options.connections {
        tokio::spawn(connection(number, Arc::clone(&options), ended.clone(), samples.clone()));
    }
    drop((samples, ended));
    let seconds = options.seconds;
    tokio::spawn(async move {
        tokio::select! {
            _ = signal => {}
            () = sleep(seconds.unwrap_or(Duration::MAX)) => {}
        }
        end.send_replace(true);
    });
    while let Some(sample) = taken.recv().await {
        report.take(sample)?;
    }
    println!("{report}");
    Ok(report.is_clean())
}

/// One connection's requests, in turn with all others, until the end.
async fn connection(
    number: u32,
    options: Arc<Options>,
    mut ended: watch::Receiver<bool>,
    samples: mpsc::UnboundedSender<Sample>,
) {
    let kept = number >= options.new;
    let turn = Duration::from_secs(1) * options.connections / options.rate;
    let first = tokio::time::Instant::now() + turn * number / options.connections;
    let mut turns = interval_at(first, turn);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut client = Client::default();
    loop {
        tokio::select! {
            _ = ended.changed() => return,
            _ = turns.tick() => {}
        }
        if !kept {
            client = Client::default();
        }
        let (began, started) = (SystemTime::now(), Instant::now());
        let answer = timeout(options.timeout, client.send(&options)).await;
        let outcome = answer.unwrap_or_else(|_| Err(client.timed_out(options.timeout)));
        if outcome.is_err() {
            client = Client::default();
        }
        let sample = Sample { began, took: started.elapsed(), kept, outcome };
        if samples.send(sample).is_err() {
            return;
        }
    }
}
