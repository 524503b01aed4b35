//! What the settings' values look like. Each parser's error says what was expected.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, Targets};

/// One entry of `TWOFOLD_MODELS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelEntry {
    /// The name to serve the model under; `None` = the package's own.
    pub name: Option<String>,
    /// Where the package is, not yet looked at.
    pub reference: String,
}

/// The form of the log's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text where stdout is a terminal, JSON elsewhere.
    Auto,
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

pub(super) fn address(value: &str) -> Result<SocketAddr, String> {
    value.parse().map_err(|_| "expected an IP address and a port, such as 127.0.0.1:8080 or [::]:8080".into())
}

pub(super) fn log_format(value: &str) -> Result<LogFormat, String> {
    match value {
        "auto" => Ok(LogFormat::Auto),
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err("expected auto, json or text".into()),
    }
}

pub(super) fn size(value: &str) -> Result<usize, String> {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = value.split_at(digits);
    let unit: Option<usize> = match unit {
        "" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let bytes = unit.zip(number.parse::<usize>().ok()).and_then(|(unit, number)| number.checked_mul(unit));
    match bytes {
        Some(bytes) if bytes > 0 => Ok(bytes),
        _ => Err("expected a size above zero, such as 6MiB, 512KiB, 1GiB or 6291456".into()),
    }
}

/// A folder that need not be there yet. Relative ones are refused: a server's own folder is nobody's choice.
pub(super) fn cache(value: &str) -> Result<PathBuf, String> {
    match value {
        "temporary" => Ok(std::env::temp_dir().join("twofold")),
        path if path.starts_with('/') => Ok(path.into()),
        _ => Err("expected an absolute path, or temporary".into()),
    }
}

pub(super) fn hosts(value: &str) -> Result<Vec<String>, String> {
    if value == "none" {
        return Ok(Vec::new());
    }
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    let host = |text: &str| match text.trim() {
        text if !text.is_empty() && text.bytes().all(plain) => Ok(text.to_owned()),
        text => Err(format!("expected HOST or HOST:PORT, comma-separated, or none, instead of '{text}'")),
    };
    value.split(',').map(host).collect()
}

pub(super) fn switch(value: &str) -> Result<bool, String> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("expected on or off".into()),
    }
}

pub(super) fn count(value: &str) -> Result<usize, String> {
    let count = value.parse().ok().filter(|&count| count > 0);
    count.ok_or_else(|| "expected a whole number above zero".into())
}

/// `cores` are those that this process may use, which in a container are fewer than the machine has.
pub(super) fn threads(value: &str) -> Result<usize, String> {
    let number = value.parse().ok().filter(|threads| (1..=1024).contains(threads));
    match (value, number) {
        ("cores", _) => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        (_, Some(threads)) => Ok(threads),
        (_, None) => Err("expected a number of threads from 1 to 1024, or cores".into()),
    }
}

/// As many as there can be addresses to connect from, many times over, and few enough to be counted anywhere.
pub(super) fn connections(value: &str) -> Result<u32, String> {
    let number = value.parse().ok().filter(|number| (1..=1_000_000).contains(number));
    number.ok_or_else(|| "expected a number of connections from 1 to 1000000".into())
}

pub(super) fn duration(value: &str) -> Result<Duration, String> {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = value.split_at(digits);
    let duration = match (number.parse::<u64>(), unit) {
        (Ok(number), "ms") => Some(Duration::from_millis(number)),
        (Ok(number), "s") => Some(Duration::from_secs(number)),
        (Ok(number), "m") => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    };
    let possible = Duration::from_millis(1)..=Duration::from_hours(24);
    duration
        .filter(|duration| possible.contains(duration))
        .ok_or_else(|| "expected a time from 1ms to 24 hours, such as 20s, 500ms or 2m".into())
}

pub(super) fn duration_or_none(value: &str) -> Result<Duration, String> {
    match value {
        "0s" => Ok(Duration::ZERO),
        _ => duration(value).map_err(|expected| format!("{expected}, or 0s for none")),
    }
}

/// `LEVEL`, `TARGET=LEVEL`, or several of them. A bare word that is no level is refused: taken for a target, a slip
/// of the pen would silence the log.
pub(super) fn filter(value: &str) -> Result<Targets, String> {
    let level = |word: &str| -> Result<LevelFilter, String> {
        match word {
            "off" => Ok(LevelFilter::OFF),
            "error" => Ok(LevelFilter::ERROR),
            "warn" => Ok(LevelFilter::WARN),
            "info" => Ok(LevelFilter::INFO),
            "debug" => Ok(LevelFilter::DEBUG),
            "trace" => Ok(LevelFilter::TRACE),
            _ => Err(format!(
                "expected off, error, warn, info, debug or trace instead of '{word}', \
                 as in info or info,twofold::http=debug"
            )),
        }
    };
    let mut filter = Targets::new();
    for directive in value.split(',') {
        filter = match directive.split_once('=') {
            Some(("", _)) => return Err(format!("expected a target before the = of '{directive}'")),
            Some((target, word)) => filter.with_target(target, level(word)?),
            None => filter.with_default(level(directive)?),
        };
    }
    Ok(filter)
}

pub(super) fn models(value: &str) -> Result<Vec<ModelEntry>, String> {
    let mut entries: Vec<ModelEntry> = Vec::new();
    for text in value.split(',').map(str::trim) {
        let entry = model(text)?;
        if let Some(name) = &entry.name
            && entries.iter().any(|other| other.name.as_ref() == Some(name))
        {
            return Err(format!("the name '{name}' is given twice"));
        }
        if entries.contains(&entry) {
            return Err(format!("'{text}' is listed twice"));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn model(text: &str) -> Result<ModelEntry, String> {
    // A reference begins with its kind and a colon, so an = after a colon belongs to the reference.
    let (name, reference) = match text.split_once('=') {
        Some((name, reference)) if !name.contains(':') => (Some(name), reference),
        _ => (None, text),
    };
    if reference.is_empty() {
        return Err(format!("expected [NAME=]REFERENCE, comma-separated, instead of '{text}'"));
    }
    match name {
        Some(name) if !is_name(name) => Err(format!(
            "expected a name of letters, digits, _, - and . that begins with none of - and . instead of '{name}'"
        )),
        _ => Ok(ModelEntry { name: name.map(str::to_owned), reference: reference.to_owned() }),
    }
}

/// The same rule as the store's: it stands in a URL's path and in a folder's name.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(['.', '-'])
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}
