//! Quoting what a client sent without sending all of it back.

use std::fmt;

/// As many characters of a client's text as an error message repeats.
const LONGEST: usize = 64;

/// Displays a text in single quotes, cut after 64 characters, control characters escaped.
pub struct Excerpt<'a>(pub &'a str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars();
        f.write_str("'")?;
        for character in characters.by_ref().take(LONGEST) {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        f.write_str(if characters.next().is_some() { "…'" } else { "'" })
    }
}
