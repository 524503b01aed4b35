//! `twofold pack PATH -o LAYOUT`

use std::collections::BTreeMap;
use std::path::Path;

use super::Done;
use crate::store::Shipment;

/// Writes the layout and gives the package's digest.
pub(super) fn run(path: &Path, output: &Path, annotations: &BTreeMap<String, String>) -> Done {
    let shipment = Shipment::pack(path, annotations)?;
    shipment.write_layout(output, None)?;
    Ok(shipment.digest().to_string())
}
