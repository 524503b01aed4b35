//! `twofold list REPOSITORY`

use super::Done;
use crate::store::{Artifact, Store};

/// A line for each image: its digest, its tags and its size, as far as the registry tells them.
pub(super) fn run(store: &Store, repository: &str) -> Done {
    let images = store.images(&Artifact::parse_repository(repository)?)?;
    let lines = images.into_iter().map(|image| {
        let size = image.size.map(|size| format!("{size} bytes")).unwrap_or_default();
        [image.digest, image.tags.join(","), size]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("  ")
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}
