//! Puts blobs and manifests into a registry.

use std::io::{self, Read};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Body, Response, Url};
use tokio::time::timeout;

use super::access::Key;
use super::failure::{of_transport, retry};
use super::{Failure, Registry, digest_header};
use crate::store::Digest;
use crate::store::package::{Blob, MANIFEST_TYPE};

/// What is read from a file at once.
const PIECE: usize = 256 << 10;

/// A registry that takes no piece for so long, or says nothing after the last, is given up. It may have to copy the blob first.
const STALL: Duration = Duration::from_secs(30);

/// What became of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Pushed {
    /// It was there already.
    There,
    /// Another repository of the registry had it.
    Mounted,
    /// Its bytes were sent.
    Sent,
}

impl Registry {
    /// Makes sure that the repository has a blob. `from` is another repository of the registry that may have it.
    pub(in crate::store) async fn push(
        &self,
        blob: &Blob,
        from: Option<&str>,
        open: impl Fn() -> io::Result<Box<dyn Read + Send>>,
    ) -> Result<Pushed, Failure> {
        if self.has(blob).await? {
            return Ok(Pushed::There);
        }
        retry(async || {
            let uploads = format!("{}/blobs/uploads/", self.base);
            let mut url = Self::address(&uploads)?;
            if let Some(from) = from {
                let digest = blob.digest.to_string();
                url.query_pairs_mut().append_pair("mount", &digest).append_pair("from", from);
            }
            let begun = self.send(|client| client.post(url.clone()).header(CONTENT_LENGTH, 0)).await?;
            // 202 = an upload is to be made, also where a mount was asked for.
            if begun.status().as_u16() == 201 {
                return Ok(Pushed::Mounted);
            }
            let mut url = self.location(begun.headers())?;
            url.query_pairs_mut().append_pair("digest", &blob.digest.to_string());
            // All at once: a registry that answers a chunk in its own way is not asked about chunks. The bytes are read anew for
            // each try: a stream can be sent once only.
            self.opened(async |key| self.send_pieces(blob, url.clone(), key, &open).await).await?;
            Ok(Pushed::Sent)
        })
        .await
    }

    /// Sends a blob's bytes, for as long as somebody takes them.
    async fn send_pieces(
        &self,
        blob: &Blob,
        url: Url,
        key: &Key,
        open: &impl Fn() -> io::Result<Box<dyn Read + Send>>,
    ) -> Result<Response, Failure> {
        let unreadable = |error: io::Error| Failure::Broken(format!("{}: {error}", blob.digest));
        let taken = Arc::new(AtomicU64::new(0));
        let key = key.value.as_ref().filter(|_| self.is_here(&url));
        let mut request = self
            .connections
            .client
            .put(url)
            .header(CONTENT_LENGTH, blob.size)
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(pieces(open().map_err(unreadable)?, Arc::clone(&taken)));
        if let Some(value) = key {
            request = request.header(AUTHORIZATION, value);
        }
        let mut sending = pin!(request.send());
        let mut before = 0;
        loop {
            if let Ok(sent) = timeout(STALL, &mut sending).await {
                return sent.map_err(|error| of_transport(&error));
            }
            let now = taken.load(Ordering::Relaxed);
            if now == before {
                let reason =
                    format!("it takes no bytes for {} s, after {now} of {}", STALL.as_secs(), blob.size);
                return Err(Failure::Slow(reason));
            }
            before = now;
        }
    }

    /// Puts a manifest under a tag. What it names must be there.
    pub(in crate::store) async fn push_manifest(
        &self,
        manifest: &[u8],
        tag: &str,
    ) -> Result<Digest, Failure> {
        let url = format!("{}/manifests/{tag}", self.base);
        let digest = Digest::of(manifest);
        let sent = async || {
            let body = manifest.to_vec();
            self.send(|client| client.put(&url).header(CONTENT_TYPE, MANIFEST_TYPE).body(body.clone())).await
        };
        let response = retry(sent).await?;
        match digest_header(response.headers()).filter(|said| *said != digest) {
            Some(said) => {
                let reason = format!("the manifest's digest is {digest}; the registry stored it as {said}");
                Err(Failure::Broken(reason))
            }
            None => Ok(digest),
        }
    }

    fn address(text: &str) -> Result<Url, Failure> {
        Url::parse(text).map_err(|error| Failure::Broken(format!("{text}: {error}")))
    }

    /// Where to send the bytes: here, or at another host, which gets no credentials.
    fn location(&self, headers: &HeaderMap) -> Result<Url, Failure> {
        let broken = |reason: &str| Failure::Broken(format!("the registry begins an upload, {reason}"));
        let text = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let text = text.ok_or_else(|| broken("and says not where (no Location)"))?;
        let url = Self::address(&format!("{}/", self.base))?.join(text);
        let url = url.map_err(|_| broken("at an address that is none"))?;
        if !self.connections.plain.allows_url(&url) {
            return Err(broken("at an address without TLS"));
        }
        Ok(url)
    }
}

/// A file's bytes, piece by piece; `taken` counts them.
fn pieces(reader: Box<dyn Read + Send>, taken: Arc<AtomicU64>) -> Body {
    let next = |(mut reader, taken): (Box<dyn Read + Send>, Arc<AtomicU64>)| async move {
        let mut piece = Vec::with_capacity(PIECE);
        match (&mut reader).take(PIECE as u64).read_to_end(&mut piece) {
            Ok(0) => None,
            Ok(read) => {
                taken.fetch_add(read as u64, Ordering::Relaxed);
                Some((Ok(Bytes::from(piece)), (reader, taken)))
            }
            Err(error) => Some((Err(error), (reader, taken))),
        }
    };
    Body::wrap_stream(stream::unfold((reader, taken), next))
}
