//! Packages in registries: pulled into the cache, many at once, and read from there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};

use super::cache::{Cache, Fault};
use super::package::{
    Blob, Form, Layer, MANIFEST, MANIFEST_LIMIT, MANIFEST_SIZE_LIMIT, Manifest, Unpacked, layers,
};
use super::reference::Artifact;
use super::registry::{Action, Connections, Failure, Login, PlainHttp, Registry};
use super::{Digest, Error, ErrorKind, Package};

/// Packages, and blobs, that are pulled at the same time. Each blob holds some pieces in memory.
const PACKAGES: usize = 16;
const TRANSFERS: usize = 4;

/// Where packages from registries go, and what is needed to get them.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) cache: Cache,
    pub(super) plain: PlainHttp,
    pub(super) login: Arc<Login>,
    /// Refuses tags.
    pub(super) pinned: bool,
    /// When a start must have ended, and how long it had.
    pub(super) until: Option<(Instant, Duration)>,
}

/// What pulls at the same time share.
pub(super) struct Batch {
    pub(super) connections: Connections,
    transfers: Semaphore,
    /// KiB that may be on their way: what the cache may hold.
    room: Semaphore,
    /// Models that share a blob pull it once.
    flights: Mutex<BTreeMap<Digest, Arc<AsyncMutex<()>>>>,
}

/// How far a pull is, in bytes.
#[derive(Debug, Default)]
struct Progress {
    received: AtomicU64,
    total: AtomicU64,
}

/// A package that is in the cache, unless it was evicted since.
#[derive(Clone, Debug)]
pub(super) struct Pulled {
    remote: Arc<Remote>,
    /// At its digest.
    artifact: Artifact,
    pub(super) digest: Digest,
    pub(super) layers: Vec<Layer>,
}

/// Why the cache does not give a package.
enum Unread {
    /// Something is not there any more, or not as it was.
    Lost,
    For(ErrorKind, String),
}

impl Remote {
    /// Makes sure that the cache has these packages. What is there already, by its digest, needs no registry.
    pub(super) fn resolve(self: &Arc<Self>, artifacts: &[&Artifact]) -> Vec<Result<Pulled, Error>> {
        let mut found: Vec<_> = artifacts.iter().map(|artifact| self.cached(artifact).map(Ok)).collect();
        let missing: Vec<&Artifact> =
            artifacts.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(it, _)| *it).collect();
        if !missing.is_empty() {
            let pulled = self.on_network(async |batch| {
                let pulls = missing.iter().map(|artifact| self.pull_in_time(batch, artifact));
                stream::iter(pulls).buffered(PACKAGES).collect::<Vec<_>>().await
            });
            let pulled =
                pulled.unwrap_or_else(|failure| missing.iter().map(|_| Err(failure.clone())).collect());
            let empty = found.iter_mut().filter(|found| found.is_none());
            for ((place, artifact), outcome) in empty.zip(&missing).zip(pulled) {
                *place = Some(match outcome {
                    Ok((digest, layers)) => Ok(self.pulled(artifact, digest, layers)),
                    Err(failure) => Err(error(artifact, &failure)),
                });
            }
        }
        found.into_iter().flatten().collect()
    }

    /// The same, for one whose files go elsewhere.
    pub(super) fn without_cache(&self) -> Self {
        let cache = Cache::new(PathBuf::new(), 0);
        Self { cache, plain: self.plain.clone(), login: Arc::clone(&self.login), pinned: false, until: None }
    }

    fn pulled(self: &Arc<Self>, artifact: &Artifact, digest: Digest, layers: Vec<Layer>) -> Pulled {
        Pulled { remote: Arc::clone(self), artifact: artifact.at(digest), digest, layers }
    }

    /// The package of a digest whose files are all there. Their bytes are looked at when they are read.
    fn cached(self: &Arc<Self>, artifact: &Artifact) -> Option<Pulled> {
        let digest = artifact.digest?;
        let manifest = self.cache.read(&digest, MANIFEST_LIMIT).ok()?;
        let layers = layers(&manifest).ok()?;
        let complete = layers.iter().all(|layer| self.cache.has(&layer.blob));
        complete.then(|| self.pulled(artifact, digest, layers))
    }

    /// Runs `work` on a thread of its own, which is there only for it: callers block, and may be within a runtime.
    pub(super) fn on_network<T: Send>(
        &self,
        work: impl AsyncFnOnce(&Batch) -> T + Send,
    ) -> Result<T, Failure> {
        let broken = |reason: String| Failure::Broken(reason);
        let run = || {
            let connections = Connections::new(self.plain.clone()).map_err(broken)?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| broken(error.to_string()))?;
            let room = Semaphore::new(kib(self.cache.limit()) as usize);
            let batch =
                Batch { connections, transfers: Semaphore::new(TRANSFERS), room, flights: Mutex::default() };
            let outcome = runtime.block_on(work(&batch));
            // A helper program that still runs is not waited for.
            runtime.shutdown_background();
            Ok(outcome)
        };
        let ended = thread::scope(|scope| scope.spawn(run).join());
        ended.unwrap_or_else(|_| Err(broken("the pull ended in a panic, which is a bug".into())))
    }

    async fn pull_in_time(
        &self,
        batch: &Batch,
        artifact: &Artifact,
    ) -> Result<(Digest, Vec<Layer>), Failure> {
        let progress = Progress::default();
        let pull = self.pull(batch, artifact, &progress);
        let Some((until, whole)) = self.until else { return pull.await };
        tokio::time::timeout_at(until.into(), pull).await.unwrap_or_else(|_| {
            let megabytes = |bytes: &AtomicU64| bytes.load(Ordering::Relaxed) / 1_000_000;
            Err(Failure::Passing(
                format!(
                    "not here {} s after the start, with {} of {} MB: Lambda ends a start after ten seconds. Make the package \
                     smaller, or put it into the function's image and serve it by dir:",
                    whole.as_secs_f32(),
                    megabytes(&progress.received),
                    megabytes(&progress.total),
                ),
                None,
            ))
        })
    }

    async fn pull(
        &self,
        batch: &Batch,
        artifact: &Artifact,
        progress: &Progress,
    ) -> Result<(Digest, Vec<Layer>), Failure> {
        let registry = Registry::new(&batch.connections, artifact, Action::Pull, Arc::clone(&self.login));
        let (manifest, digest) = registry.manifest(artifact).await?;
        if self.pinned && artifact.digest.is_none() {
            let pinned = artifact.at(digest);
            return Err(Failure::Broken(format!(
                "a tag may mean another package to each environment, so Lambda takes digests only; it is {pinned} now"
            )));
        }
        let layers = layers(&manifest).map_err(Failure::Broken)?;
        let size = layers.iter().try_fold(0_u64, |sum, layer| sum.checked_add(layer.blob.size));
        let size = size.filter(|size| *size <= self.cache.limit()).ok_or_else(|| {
            let size = size.map_or("more bytes than can be counted".into(), |size| format!("{size} bytes"));
            Failure::Cache(format!(
                "TWOFOLD_CACHE_LIMIT: the package has {size}, the cache {}",
                self.cache.limit()
            ))
        })?;
        progress.total.store(size, Ordering::Relaxed);
        let count = |bytes| {
            progress.received.fetch_add(bytes as u64, Ordering::Relaxed);
        };
        stream::iter(layers.iter().map(Ok::<_, Failure>))
            .try_for_each_concurrent(TRANSFERS, |layer| self.pull_blob(batch, &registry, &layer.blob, &count))
            .await?;
        // Last: a manifest in the cache means that its layers were there.
        if !self.cache.has(&Blob { digest, size: manifest.len() as u64 }) {
            self.cache.put(&manifest)?;
        }
        tracing::info!(reference = %artifact.at(digest), bytes = size, "package pulled");
        Ok((digest, layers))
    }

    async fn pull_blob(
        &self,
        batch: &Batch,
        registry: &Registry,
        blob: &Blob,
        count: &(dyn Fn(usize) + Sync),
    ) -> Result<(), Failure> {
        let flight = {
            let mut flights = batch.flights.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(flights.entry(blob.digest).or_default())
        };
        let _alone = flight.lock().await;
        if self.cache.has(blob) {
            return Ok(());
        }
        // The semaphores are never closed. A blob larger than the room is refused by the cache.
        let _transfer = batch.transfers.acquire().await;
        let _room = batch.room.acquire_many(kib(blob.size.min(self.cache.limit()))).await;
        registry.pull(self.cache.begin(blob)?, count).await
    }
}

/// A size in KiB, one at least, and at most what can be counted here.
fn kib(size: u64) -> u32 {
    u32::try_from(size >> 10).unwrap_or(u32::MAX).max(1)
}

pub(super) fn error(artifact: &Artifact, failure: &Failure) -> Error {
    let kind = match failure {
        Failure::Passing(..) | Failure::Slow(_) | Failure::Unreachable(_) => ErrorKind::Unreachable,
        Failure::Denied(_) => ErrorKind::Denied,
        Failure::Absent(_) => ErrorKind::Absent,
        Failure::Broken(_) => ErrorKind::Contents,
        Failure::Cache(_) => ErrorKind::Cache,
    };
    Error::new(kind, artifact, failure.reason())
}

impl Pulled {
    /// The name in its `twofold.json`, else its repository's last part. A file that cannot be read is told by [`Self::fetch`].
    pub(super) fn name(&self) -> String {
        let told = self.layers.iter().find_map(|layer| match &layer.form {
            Form::File(path) if path.rsplit('/').next() == Some(MANIFEST) => {
                let limit = usize::try_from(MANIFEST_SIZE_LIMIT).unwrap_or(usize::MAX);
                let text = self.remote.cache.read(&layer.blob.digest, limit).ok()?;
                Manifest::parse(&text).ok()?.name
            }
            _ => None,
        });
        told.unwrap_or_else(|| self.artifact.last_name().to_owned())
    }

    /// Reads the package, each byte hashed again. What was evicted or has changed is pulled once more.
    pub(super) fn fetch(&self) -> Result<Package, Error> {
        for last in [false, true] {
            match self.read() {
                Ok(package) => return Ok(package),
                Err(Unread::Lost) if !last => {
                    tracing::warn!(reference = %self.artifact, "not in the cache as it was: pulled again");
                    let pulled = self.remote.resolve(&[&self.artifact]);
                    pulled.into_iter().collect::<Result<Vec<_>, _>>()?;
                }
                Err(Unread::Lost) => break,
                Err(Unread::For(kind, reason)) => return Err(Error::new(kind, &self.artifact, reason)),
            }
        }
        let reason = "TWOFOLD_CACHE_LIMIT: it is evicted as soon as it is pulled, or changed by somebody";
        Err(Error::new(ErrorKind::Cache, &self.artifact, reason))
    }

    fn read(&self) -> Result<Package, Unread> {
        let mut unpacked = Unpacked::within(self.remote.cache.limit());
        for Layer { blob, form } in &self.layers {
            let read = self.remote.cache.with(&blob.digest, |reader| unpacked.add(form, blob.size, reader));
            read.map_err(|fault| match fault {
                Fault::Absent | Fault::Corrupt => Unread::Lost,
                Fault::Contents(reason) => Unread::For(ErrorKind::Contents, reason),
                Fault::Unusable(reason) => Unread::For(ErrorKind::Cache, format!("cannot be read: {reason}")),
            })?;
        }
        let package = unpacked.finish().map_err(|reason| Unread::For(ErrorKind::Contents, reason))?;
        Ok(Package { digest: Some(self.digest), ..package })
    }
}

/// What a store is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder of the cache.
    pub cache: PathBuf,
    /// How many bytes it may hold.
    pub cache_limit: u64,
    /// Hosts that are spoken to without TLS; `loopback` stands for this machine.
    pub plain_http: Vec<String>,
    /// Hosts that take ECR's credentials besides ECR's own.
    pub ecr_hosts: Vec<String>,
    /// Docker's `config.json`, whether or not there is one.
    pub docker: Option<PathBuf>,
    /// Whether references to registries must have a digest.
    pub pinned: bool,
    /// How long pulls may take in all, from now on.
    pub within: Option<Duration>,
}

impl Settings {
    pub(super) fn remote(self) -> Remote {
        let login = Login { ecr: super::ecr::Ecr::new(self.ecr_hosts), docker: self.docker };
        Remote {
            cache: Cache::new(self.cache, self.cache_limit),
            plain: PlainHttp(self.plain_http),
            login: Arc::new(login),
            pinned: self.pinned,
            until: self.within.map(|within| (Instant::now() + within, within)),
        }
    }
}
