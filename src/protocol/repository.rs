//! The model repository extension: the index of what is served.

use serde::Serialize;

use super::{Malformed, cursor::Cursor};

/// One line of the answer of `POST /v2/repository/index`.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The model's name.
    pub name: String,
    /// Its version; empty where none could be told.
    pub version: String,
    /// One of Triton's words: `READY`, `LOADING`, `UNLOADING`, `UNAVAILABLE`.
    pub state: &'static str,
    /// Why it is not ready; empty where it is.
    pub reason: String,
}

/// Reads the body of `POST /v2/repository/index`, which may be empty: whether only models that are ready are wanted.
pub fn only_ready(body: &[u8]) -> Result<bool, Malformed> {
    let mut cursor = Cursor::new(body);
    if cursor.peek().is_none() {
        return Ok(false);
    }
    let mut ready = false;
    cursor.object("an index request", |cursor, key| match key {
        "ready" => {
            ready = cursor.boolean()?;
            Ok(())
        }
        _ => cursor.skip(),
    })?;
    cursor.finish()?;
    Ok(ready)
}
