//! Pushes a package: first its blobs, then the manifest that names them.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::Shipment;
use crate::store::reference::Artifact;
use crate::store::registry::{Action, Failure, Pushed, Registry};
use crate::store::remote::error;
use crate::store::{Digest, Error, ErrorKind, Store};

/// Blobs that are sent at the same time.
const TRANSFERS: usize = 4;

/// Where a package is pushed to.
#[derive(Clone, Debug)]
pub struct Destination {
    artifact: Artifact,
    /// Whether to make a repository that is not there; ECR does not by itself.
    pub create: bool,
    /// Another repository of the registry, whose blobs need not be sent again.
    pub from: Option<String>,
}

impl Destination {
    /// The reference must have a tag. A digest beside it must be the package's.
    pub fn new(artifact: Artifact) -> Result<Self, Error> {
        if artifact.tag.is_none() {
            return Err(Error::new(
                ErrorKind::Reference,
                artifact,
                "a package is pushed under a tag: expected :TAG",
            ));
        }
        Ok(Self { artifact, create: false, from: None })
    }
}

/// What a push did, in blobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Were there already.
    pub there: usize,
    /// Another repository had them.
    pub mounted: usize,
    /// Had to be sent.
    pub uploaded: usize,
}

impl Store {
    /// Pushes a package. The reference that pins it, and what was sent.
    pub fn push(&self, shipment: &Shipment, to: &Destination) -> Result<(Artifact, Sent), Error> {
        let Destination { artifact, create, from } = to;
        let digest = shipment.digest();
        if let Some(wanted) = artifact.digest.filter(|wanted| *wanted != digest) {
            let reason = format!("the package's digest is {digest}, not {wanted}");
            return Err(Error::new(ErrorKind::Contents, artifact, reason));
        }
        let remote = &self.remote;
        let pushed = remote.on_network(async |batch| {
            if *create {
                remote.login.ecr.create_repository(&artifact.host, &artifact.repository).await?;
            }
            let login = Arc::clone(&remote.login);
            let from = from.as_deref();
            let registry = Registry::new(&batch.connections, artifact, Action::Push { from }, login);
            send(&registry, shipment, artifact, from).await
        });
        let (stored, sent) = pushed.and_then(|pushed| pushed).map_err(|failure| error(artifact, &failure))?;
        Ok((artifact.at(stored), sent))
    }
}

async fn send(
    registry: &Registry,
    shipment: &Shipment,
    artifact: &Artifact,
    from: Option<&str>,
) -> Result<(Digest, Sent), Failure> {
    let sending = shipment.blobs.iter().map(|(blob, contents)| registry.push(blob, from, || contents.open()));
    let pushed: Vec<Pushed> = stream::iter(sending).buffer_unordered(TRANSFERS).try_collect().await?;
    let count = |what| pushed.iter().filter(|pushed| **pushed == what).count();
    let sent =
        Sent { there: count(Pushed::There), mounted: count(Pushed::Mounted), uploaded: count(Pushed::Sent) };
    let digest =
        registry.push_manifest(&shipment.manifest, artifact.tag.as_deref().unwrap_or_default()).await?;
    Ok((digest, sent))
}
