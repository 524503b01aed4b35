//! What became of the requests.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// One request.
pub(crate) struct Sample {
    pub(crate) began: SystemTime,
    pub(crate) took: Duration,
    /// Whether its connection is one of those that are kept.
    pub(crate) kept: bool,
    /// Whether a connection was opened for it, or why it failed.
    pub(crate) outcome: Result<bool, String>,
}

/// All requests.
pub(crate) struct Report {
    began: SystemTime,
    failures: Option<File>,
    times: Vec<Duration>,
    opened: usize,
    failed: usize,
    reasons: BTreeMap<String, Reason>,
}

/// The failures of one kind: how many, and when the first of them began and the last one ended.
struct Reason {
    count: usize,
    first: SystemTime,
    last: SystemTime,
}

impl Report {
    pub(crate) fn new(failures: Option<&Path>) -> Result<Self, String> {
        let create = |path: &Path| File::create(path).map_err(|error| format!("{}: {error}", path.display()));
        Ok(Self {
            began: SystemTime::now(),
            failures: failures.map(create).transpose()?,
            times: Vec::new(),
            opened: 0,
            failed: 0,
            reasons: BTreeMap::new(),
        })
    }

    pub(crate) fn take(&mut self, sample: Sample) -> Result<(), String> {
        let Sample { began, took, kept, outcome } = sample;
        let ended = began + took;
        match outcome {
            Ok(opened) => {
                self.times.push(took);
                self.opened += usize::from(opened);
            }
            Err(reason) => {
                self.failed += 1;
                if let Some(file) = &mut self.failures {
                    let kind = if kept { "kept" } else { "new" };
                    writeln!(file, "{} {} {kind} {reason}", milliseconds(began), milliseconds(ended))
                        .map_err(|error| format!("failures: {error}"))?;
                }
                let of_kind =
                    self.reasons.entry(reason).or_insert(Reason { count: 0, first: began, last: ended });
                of_kind.count += 1;
                of_kind.first = of_kind.first.min(began);
                of_kind.last = of_kind.last.max(ended);
            }
        }
        Ok(())
    }

    /// Whether requests were sent and none failed.
    pub(crate) fn is_clean(&self) -> bool {
        self.failed == 0 && !self.times.is_empty()
    }

    fn since(&self, time: SystemTime) -> f64 {
        time.duration_since(self.began).unwrap_or_default().as_secs_f64()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut times = self.times.clone();
        times.sort();
        let part = |of: usize| times.get((times.len() * of / 1000).min(times.len().saturating_sub(1)));
        let ms = |of: usize| part(of).copied().unwrap_or_default().as_secs_f64() * 1000.0;
        write!(
            f,
            "{} requests in {:.1} s, {} connections opened; p50 {:.1} ms, p99 {:.1} ms, slowest {:.1} ms; {} failed",
            self.times.len() + self.failed,
            self.since(SystemTime::now()),
            self.opened,
            ms(500),
            ms(990),
            ms(1000),
            self.failed
        )?;
        for (reason, Reason { count, first, last }) in &self.reasons {
            let (first, last) = (self.since(*first), self.since(*last));
            write!(f, "\n  {count} x {reason} (from {first:.2} s to {last:.2} s)")?;
        }
        Ok(())
    }
}

fn milliseconds(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}
