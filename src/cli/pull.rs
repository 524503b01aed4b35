//! `twofold pull REFERENCE -o FOLDER`

use std::path::Path;

use super::Done;
use crate::store::Store;

/// Pulls the package and gives the reference that pins it.
pub(super) fn run(store: &Store, reference: &str, output: &Path) -> Done {
    let artifact = super::artifact(reference)?;
    Ok(store.pull(&artifact, output)?.to_string())
}
