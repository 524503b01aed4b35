//! Lists what a repository holds.

use std::sync::Arc;

use crate::store::reference::Artifact;
use crate::store::registry::{Action, Registry};
use crate::store::remote::error;
use crate::store::{Error, Image, Store};

impl Store {
    /// The images of a repository: from ECR with digests, sizes and times, the newest first; from other registries the tags.
    pub fn images(&self, repository: &Artifact) -> Result<Vec<Image>, Error> {
        let remote = &self.remote;
        let listed = remote.on_network(async |batch| {
            let Artifact { host, repository: name, .. } = repository;
            if remote.login.ecr.is_at(host) {
                return remote.login.ecr.images(host, name).await;
            }
            let login = Arc::clone(&remote.login);
            let registry = Registry::new(&batch.connections, repository, Action::Pull, login);
            let mut tags = registry.tags().await?;
            tags.sort_unstable();
            let image = |tag| Image { digest: String::new(), tags: vec![tag], size: None, pushed: None };
            Ok(tags.into_iter().map(image).collect())
        });
        listed.and_then(|listed| listed).map_err(|failure| error(repository, &failure))
    }
}
