//! What to send, where and how often.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::client::PORTS;

pub(crate) struct Options {
    /// HOST:PORT
    pub(crate) address: String,
    path: String,
    body: Bytes,
    pub(crate) expect: Option<Bytes>,
    pub(crate) failures: Option<PathBuf>,
    pub(crate) seconds: Option<Duration>,
    pub(crate) connections: u32,
    /// How many of the connections are opened anew for each request.
    pub(crate) new: u32,
    /// Requests per second, of all connections together.
    pub(crate) rate: u32,
    pub(crate) timeout: Duration,
    /// How many ports were taken.
    pub(crate) ports: AtomicU32,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut url, mut body) = (None, None);
        let mut options = Self {
            address: String::new(),
            path: String::new(),
            body: Bytes::new(),
            expect: None,
            failures: None,
            seconds: None,
            connections: 16,
            new: 4,
            rate: 800,
            timeout: Duration::from_secs(5),
            ports: AtomicU32::new(first_port()),
        };
        while let Some(flag) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{flag}: a value is missing"))?;
            match flag.as_str() {
                "--url" => url = Some(value),
                "--body" => body = Some(file(&flag, &value)?),
                "--expect" => options.expect = Some(file(&flag, &value)?),
                "--failures" => options.failures = Some(value.into()),
                "--seconds" => options.seconds = Some(Duration::from_secs(number(&flag, &value)?.into())),
                "--connections" => options.connections = number(&flag, &value)?,
                "--new" => options.new = number(&flag, &value)?,
                "--rate" => options.rate = number(&flag, &value)?,
                "--timeout" => options.timeout = Duration::from_secs(number(&flag, &value)?.into()),
                _ => return Err(format!("{flag}: there is no such option")),
            }
        }
        let url = url.ok_or("--url: missing")?;
        let rest = url.strip_prefix("http://").ok_or("--url: expected http://HOST:PORT/PATH")?;
        let (address, path) = rest.split_once('/').ok_or("--url: expected a path after the host")?;
        options.address = if address.contains(':') { address.to_owned() } else { format!("{address}:80") };
        options.path = format!("/{path}");
        options.body = body.ok_or("--body: missing")?;
        if options.connections == 0 || options.rate == 0 || options.new > options.connections {
            return Err("--connections, --rate: expected more than none; --new: at most all".to_owned());
        }
        Ok(options)
    }

    pub(crate) fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = http::Method::POST;
        // Both were checked by what reads them first: a path that is none is refused by the server's 4xx.
        if let Ok(path) = self.path.parse() {
            *request.uri_mut() = path;
        }
        if let Ok(host) = self.address.parse() {
            request.headers_mut().insert(http::header::HOST, host);
        }
        request
    }
}

fn file(flag: &str, path: &str) -> Result<Bytes, String> {
    fs::read(path).map(Bytes::from).map_err(|error| format!("{flag}: {path}: {error}"))
}

fn number(flag: &str, value: &str) -> Result<u32, String> {
    value.parse().map_err(|_| format!("{flag}: expected a whole number instead of '{value}'"))
}

/// By the clock, so that a run begins behind the ports of the last one.
fn first_port() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(now.as_micros() / 2_500 % u128::from(PORTS)).unwrap_or_default()
}
