//! Streams blobs from a registry into files, and goes on where a connection broke off.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use reqwest::header::{CONTENT_RANGE, HeaderMap, RANGE};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout_at};

use super::failure::{RETRIES, delay, of_transport};
use super::{Failure, Registry, digest_header};
use crate::store::cache::Partial;
use crate::store::package::Blob;

/// In each of these stretches of time at least so many bytes come, or the connection is given up.
const STRETCH: Duration = Duration::from_secs(10);
const LEAST: u64 = 64 << 10;

/// A registry that is this slow is tried once more, on another connection.
const SLOW_TRIES: u32 = 2;

/// Connections for one blob, even if each brings something.
const ATTEMPTS: u32 = 100;

/// Pieces that wait for the disk; each has some 400 KB at most. One or six instead were not told apart from noise.
const WAITING: usize = 2;

impl Registry {
    /// Gets what is missing of a blob and puts it into its place. `received` hears how many bytes came.
    pub(in crate::store) async fn pull(
        &self,
        mut partial: Partial,
        received: &(dyn Fn(usize) + Sync),
    ) -> Result<(), Failure> {
        let (mut vain, mut slow, mut corrupt) = (0, 0, false);
        for _ in 0..ATTEMPTS {
            let before = partial.written();
            let ended;
            (partial, ended) = self.stream(partial, received).await?;
            let came = partial.written().saturating_sub(before);
            match ended {
                Ok(()) if partial.is_right() => return Ok(partial.finish()?),
                // Bytes may have changed on their way: once more from the beginning, and then it is the registry's fault.
                Ok(()) if corrupt => {
                    let (wanted, found) = (partial.blob().digest, partial.digest());
                    return Err(Failure::Broken(format!(
                        "the bytes of layer {wanted} have the digest {found}"
                    )));
                }
                Ok(()) => {
                    corrupt = true;
                    partial.restart()?;
                }
                Err(Failure::Passing(reason, after)) => {
                    vain = if came >= LEAST { 0 } else { vain + 1 };
                    if vain > RETRIES {
                        return Err(Failure::passing(format!("{reason} ({vain} tries)")));
                    }
                    tracing::debug!(reason, bytes = partial.written(), "tried again");
                    sleep(delay(vain, after)).await;
                }
                Err(Failure::Slow(reason)) => {
                    slow += 1;
                    if slow == SLOW_TRIES {
                        return Err(Failure::Slow(reason));
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::passing(format!("the connection broke {ATTEMPTS} times")))
    }

    /// One connection's worth of bytes, hashed here and written by another thread: the next ones are hashed meanwhile. The partial
    /// blob is given back whatever happened, unless that thread is lost.
    async fn stream(
        &self,
        mut partial: Partial,
        received: &(dyn Fn(usize) + Sync),
    ) -> Result<(Partial, Result<(), Failure>), Failure> {
        let response = match self.open(&mut partial).await {
            Ok(response) => response,
            Err(failure) => return Ok((partial, Err(failure))),
        };
        let left = partial.left();
        let mut hasher = partial.take_hasher();
        let (to_write, mut pieces) = mpsc::channel::<Bytes>(WAITING);
        let writing = spawn_blocking(move || {
            while let Some(piece) = pieces.blocking_recv() {
                if let Err(fault) = partial.write_unhashed(&piece) {
                    return (partial, Err(Failure::from(fault)));
                }
            }
            (partial, Ok(()))
        });
        let take = async |piece: Bytes| {
            received(piece.len());
            hasher.update(&piece);
            to_write.send(piece).await.is_ok()
        };
        let read = read(response, left, take).await;
        drop(to_write);
        let lost = |error: tokio::task::JoinError| Failure::Cache(error.to_string());
        let (mut partial, written) = writing.await.map_err(lost)?;
        partial.put_hasher(hasher);
        Ok((partial, written.and(read)))
    }

    /// Asks for what is missing, and looks whether the answer is that.
    async fn open(&self, partial: &mut Partial) -> Result<Response, Failure> {
        let (blob, from) = (partial.blob().clone(), partial.written());
        let url = format!("{}/blobs/{}", self.base, blob.digest);
        let response = self
            .send(|client| match from {
                0 => client.get(&url),
                from => client.get(&url).header(RANGE, format!("bytes={from}-")),
            })
            .await?;
        if let Some(said) = digest_header(response.headers()).filter(|said| *said != blob.digest) {
            return Err(Failure::Broken(format!(
                "asked for layer {}, the registry's header says {said}",
                blob.digest
            )));
        }
        if response.status().as_u16() == 206 {
            return match range(response.headers()) {
                Some((first, size)) if first == from && size == blob.size => Ok(response),
                Some((_, size)) if size != blob.size => Err(another_size(&blob, size)),
                _ => Err(Failure::Broken("it answers with another range than was asked for".into())),
            };
        }
        // All of it, whether or not a part was asked for.
        partial.restart()?;
        match response.content_length() {
            Some(size) if size != blob.size => Err(another_size(&blob, size)),
            _ => Ok(response),
        }
    }
}

fn another_size(blob: &Blob, size: u64) -> Failure {
    Failure::Broken(format!("layer {} has {size} bytes; its manifest says {}", blob.digest, blob.size))
}

/// Gives the bytes on until they end, or nobody takes them. More than `left` are not given.
async fn read(
    mut response: Response,
    mut left: u64,
    mut take: impl AsyncFnMut(Bytes) -> bool,
) -> Result<(), Failure> {
    let (mut stretch, mut came) = (Instant::now() + STRETCH, 0);
    loop {
        let Ok(next) = timeout_at(stretch, response.chunk()).await else {
            if left == 0 {
                break;
            }
            if came < LEAST {
                return Err(Failure::Slow(format!("it sends {came} bytes in {} s", STRETCH.as_secs())));
            }
            (stretch, came) = (Instant::now() + STRETCH, 0);
            continue;
        };
        let piece = match next {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            // All of it came: that the end did not is no reason to ask for nothing.
            Err(_) if left == 0 => break,
            Err(error) => return Err(of_transport(&error)),
        };
        let size = piece.len() as u64;
        came += size;
        let Some(rest) = left.checked_sub(size) else {
            return Err(Failure::Broken("a layer goes on after the size that its manifest says".into()));
        };
        left = rest;
        // Who takes no more says why himself.
        if !take(piece).await {
            return Ok(());
        }
    }
    if left > 0 {
        return Err(Failure::passing(format!("a layer breaks off {left} bytes before its end")));
    }
    Ok(())
}

/// The first byte and the whole size of `bytes FIRST-LAST/SIZE`.
fn range(headers: &HeaderMap) -> Option<(u64, u64)> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    let (range, size) = text.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.parse().ok()?, size.parse().ok()?))
}
