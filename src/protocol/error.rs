//! What is wrong with a request, in words for its sender.

use std::fmt;

use crate::tensor::Excerpt;

/// A request that is not what the protocol asks for. Its text names the part, what was expected and what came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Boxed, so that a result that holds one stays small on the way of every element.
    message: Box<str>,
}

impl Malformed {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into().into() }
    }

    /// Says which input or output it is about.
    pub(super) fn about(self, part: &str, name: &str) -> Self {
        Self::new(format!("{part} {}: {}", Excerpt(name), self.message))
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Malformed {}

/// The body of every error: `{"error":"…"}`.
pub fn error_body(message: &str) -> Vec<u8> {
    let mut body = Vec::with_capacity(message.len() + 16);
    body.extend_from_slice(b"{\"error\":");
    super::write::string(&mut body, message);
    body.push(b'}');
    body
}
