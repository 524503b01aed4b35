//! What handlers take: the model that a path names, and a body within its limit, decompressed.

use std::io::{self, Read};
use std::time::Instant;

use axum::RequestPartsExt;
use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bytes::{Buf, Bytes};
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http_body_util::BodyExt;

use super::bodies::{Bodies, Held, SMALL};
use super::error::Error;
use super::serve::body::Late;
use crate::protocol::HEADER_LENGTH;
use crate::tensor::Excerpt;

/// Bytes that are inflated before it is asked whether there is room for more.
const INFLATED_AT_ONCE: u64 = 64 << 10;

/// The model, and perhaps its version, that a path names.
#[derive(Debug)]
pub(super) struct ModelPath {
    /// As the path has it, decoded.
    pub(super) model: String,
    /// None = the newest that is ready.
    pub(super) version: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for ModelPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Error> {
        let named = parts.extract::<RawPathParams>().await;
        let named =
            named.map_err(|rejection| Error::Malformed(format!("path: {}", rejection.body_text())))?;
        let mut path = Self { model: String::new(), version: None };
        for (name, value) in &named {
            match name {
                "model" => value.clone_into(&mut path.model),
                "version" => path.version = Some(value.to_owned()),
                _ => {}
            }
        }
        Ok(path)
    }
}

/// A whole body, decompressed, and its share of what all bodies may take.
#[derive(Debug)]
pub(super) struct Received {
    bytes: Bytes,
    held: Held,
    /// When its last byte came.
    arrived: Instant,
}

impl Received {
    pub(super) fn arrived(&self) -> Instant {
        self.arrived
    }

    /// Drops the body for what was made of it, which takes so many bytes.
    pub(super) fn replaced_by(self, bytes: usize) -> Result<Held, Error> {
        let Self { bytes: body, mut held, .. } = self;
        held.add(bytes)?;
        held.give_back(body.len());
        Ok(held)
    }
}

impl std::ops::Deref for Received {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads a whole body of at most as many bytes as one may have, before and after decompression.
pub(super) async fn body(bodies: &Bodies, headers: &HeaderMap, body: Body) -> Result<Received, Error> {
    let limit = bodies.limit();
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if let Some(length) = declared.filter(|&length| length > limit as u64) {
        return Err(Error::TooLarge(format!("the body has {length} bytes, the limit is {limit}")));
    }
    let encoding = Encoding::of(headers)?;
    let mut held = bodies.share();
    let bytes = gather(body, limit, &mut held).await?;
    let arrived = Instant::now();
    let sent = Received { bytes, held, arrived };
    let Some((decoder, name)) = encoding.decoder(&sent.bytes) else { return Ok(sent) };
    let mut inflating = Inflating { sent, decoder, name, inflated: Vec::new(), limit };
    // How much it becomes is not told by how much there is: a little of it is inflated to see.
    if !inflating.reach(SMALL)? {
        let rest = || inflating.reach(usize::MAX).map(|_| inflating);
        let rest = bodies.work_elsewhere(arrived, rest).await?;
        inflating = rest?;
    }
    Ok(inflating.end())
}

/// Reads a body to its end. What came in one part is not copied; parts are joined as they come, since each of them may
/// keep a buffer alive that is larger than itself.
async fn gather(mut body: Body, limit: usize, held: &mut Held) -> Result<Bytes, Error> {
    let (mut first, mut joined) = (Bytes::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| interrupted(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > limit - first.len() - joined.len() {
            return Err(Error::TooLarge(format!("the body has more bytes than the limit of {limit}")));
        }
        held.add(data.len())?;
        if first.is_empty() && joined.is_empty() {
            first = data;
        } else {
            joined.extend_from_slice(&std::mem::take(&mut first));
            joined.extend_from_slice(&data);
        }
    }
    Ok(if joined.is_empty() { first } else { joined.into() })
}

/// Why a body was not read to its end: it took too long, its chunks are none, or else its client is gone.
fn interrupted(error: &(dyn std::error::Error + 'static)) -> Error {
    let causes = || std::iter::successors(Some(error), |error| error.source());
    if let Some(late) = causes().find_map(|error| error.downcast_ref::<Late>()) {
        return Error::Malformed(late.to_string());
    }
    let is_malformed = causes()
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput));
    if is_malformed {
        return Error::Malformed(format!("the body cannot be read: {}", causes().last().unwrap_or(error)));
    }
    Error::BrokenOff(format!("the body ended early: {error}"))
}

/// The value of `Inference-Header-Content-Length`, where there is one.
pub(super) fn json_length(headers: &HeaderMap) -> Result<Option<usize>, Error> {
    let Some(value) = headers.get(HEADER_LENGTH) else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes());
    match text.trim().parse() {
        Ok(length) => Ok(Some(length)),
        Err(_) => Err(Error::Malformed(format!(
            "Inference-Header-Content-Length: expected the length of the JSON in bytes, got {}",
            Excerpt(&text)
        ))),
    }
}

/// How a body was compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
    Deflate,
}

impl Encoding {
    fn of(headers: &HeaderMap) -> Result<Self, Error> {
        let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
        let (Some(encoding), more) = (encodings.next(), encodings.next()) else { return Ok(Self::Identity) };
        let text = String::from_utf8_lossy(encoding.as_bytes());
        match (text.trim().to_ascii_lowercase().as_str(), more) {
            ("gzip" | "x-gzip", None) => Ok(Self::Gzip),
            ("deflate", None) => Ok(Self::Deflate),
            ("identity" | "", None) => Ok(Self::Identity),
            _ => Err(Error::Malformed(format!(
                "Content-Encoding: expected gzip or deflate, got {}{}",
                Excerpt(&text),
                if more.is_some() { " and more" } else { "" }
            ))),
        }
    }

    /// What decodes it, and its name; none for what is as it was sent.
    fn decoder(self, sent: &Bytes) -> Option<(Box<dyn Read + Send>, &'static str)> {
        let reader = || sent.clone().reader();
        match self {
            Self::Identity => None,
            Self::Gzip => Some((Box::new(MultiGzDecoder::new(reader())), "gzip")),
            // The name means zlib's format (RFC 9110, 8.4.1.2); some clients send the bare stream inside it.
            Self::Deflate if is_zlib(sent) => Some((Box::new(ZlibDecoder::new(reader())), "deflate")),
            Self::Deflate => Some((Box::new(DeflateDecoder::new(reader())), "deflate")),
        }
    }
}

/// RFC 1950: the first two bytes name method 8 and are a multiple of 31.
fn is_zlib(sent: &[u8]) -> bool {
    match sent.first_chunk::<2>() {
        Some(&[method, flags]) => {
            method & 0x0f == 8 && u16::from_be_bytes([method, flags]).is_multiple_of(31)
        }
        None => true,
    }
}

/// A body that is being inflated.
struct Inflating {
    sent: Received,
    decoder: Box<dyn Read + Send>,
    name: &'static str,
    inflated: Vec<u8>,
    limit: usize,
}

impl Inflating {
    /// Goes on until there are so many bytes. Whether that is all of them.
    fn reach(&mut self, bytes: usize) -> Result<bool, Error> {
        while self.inflated.len() < bytes {
            let before = self.inflated.len();
            let read = self.decoder.by_ref().take(INFLATED_AT_ONCE).read_to_end(&mut self.inflated);
            self.sent.held.add(self.inflated.len() - before)?;
            if self.inflated.len() > self.limit {
                return Err(Error::TooLarge(format!(
                    "the body has more bytes than the limit of {} when inflated",
                    self.limit
                )));
            }
            match read {
                Ok(0) => return Ok(true),
                Ok(_) => {}
                Err(error) => {
                    return Err(Error::Malformed(format!("the body is not {}: {error}", self.name)));
                }
            }
        }
        Ok(false)
    }

    /// What was inflated, without what it was made of.
    fn end(self) -> Received {
        let Self { sent: Received { bytes: sent, mut held, arrived }, inflated, .. } = self;
        held.give_back(sent.len());
        Received { bytes: inflated.into(), held, arrived }
    }
}
