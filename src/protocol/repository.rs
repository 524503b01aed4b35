//! The model repository extension: the index of what is served.

use serde::Serialize;

use super::{Malformed, cursor::Cursor};
use crate::tensor::Excerpt;

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

/// Reads the body of `POST /v2/repository/models/{model}/load`, which may be empty. A configuration or files of the client's
/// own would not be those of the package, so that they are refused.
pub fn check_load(body: &[u8]) -> Result<(), Malformed> {
    let mut cursor = Cursor::new(body);
    if cursor.peek().is_none() {
        return Ok(());
    }
    cursor.object("a load request", |cursor, key| match key {
        "parameters" => cursor.object("'parameters'", |cursor, key| {
            if key == "config" || key.starts_with("file:") {
                let message =
                    format!("parameter {} is not offered: a model is what its package says", Excerpt(key));
                return Err(Malformed::new(message));
            }
            cursor.skip()
        }),
        _ => cursor.skip(),
    })?;
    cursor.finish()
}
