//! One request, before it takes either way.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

#[derive(Clone, Debug)]
pub struct Call {
    /// Says which request this was when two answers differ.
    pub name: String,
    pub method: &'static str,
    /// Path and query.
    pub target: String,
    /// Names in lower case, in the order of sending.
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// The answer holds times or counts: its numbers are not compared.
    pub counts: bool,
}

impl Call {
    pub fn new(name: impl Into<String>, method: &'static str, target: impl Into<String>) -> Self {
        let (name, target) = (name.into(), target.into());
        let name = format!("{name}: {method} {target}");
        Self { name, method, target, headers: Vec::new(), body: Vec::new(), counts: false }
    }

    pub fn get(name: impl Into<String>, target: impl Into<String>) -> Self {
        Self::new(name, "GET", target)
    }

    pub fn post(name: impl Into<String>, target: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self::new(name, "POST", target).body(body)
    }

    /// An inference with digits.
    pub fn infer(name: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self::post(name, "/v2/models/digits/infer", body)
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn json(self) -> Self {
        self.header("content-type", "application/json")
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn counts(mut self) -> Self {
        self.counts = true;
        self
    }

    pub fn gzip(mut self) -> Self {
        self.body = gzip(&self.body);
        self.header("content-encoding", "gzip")
    }

    /// As HTTP means it: in zlib's wrapper.
    pub fn deflate(mut self) -> Self {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&self.body).unwrap();
        self.body = encoder.finish().unwrap();
        self.header("content-encoding", "deflate")
    }

    pub fn given(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }
}

pub fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}
