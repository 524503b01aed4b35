//! `twofold push PATH REFERENCE`

use std::collections::BTreeMap;
use std::path::Path;

use super::Done;
use crate::store::{Destination, Shipment, Store};

/// Pushes the package, says on stderr what had to be sent, and gives the reference that pins it.
pub(super) fn run(
    store: &Store,
    path: &Path,
    reference: &str,
    create: bool,
    from: Option<&str>,
    annotations: &BTreeMap<String, String>,
) -> Done {
    let mut to = Destination::new(super::artifact(reference)?)?;
    to.create = create;
    to.from = from.map(str::to_owned);
    let (pinned, sent) = store.push(&Shipment::pack(path, annotations)?, &to)?;
    super::remark(format_args!(
        "{} blobs sent, {} mounted, {} there already",
        sent.uploaded, sent.mounted, sent.there
    ));
    Ok(pinned.to_string())
}
