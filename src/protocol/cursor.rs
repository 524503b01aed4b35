//! A position in a JSON text: reads strings, keys and punctuation, and steps over whole values. No recursion: what a
//! client nests costs it a byte here, not a stack frame.

use std::borrow::Cow;

use super::Malformed;

/// Deeper nesting than this in a part of the request that is not read is refused.
const DEEPEST: usize = 128;

type Read<T> = Result<T, Malformed>;

#[derive(Clone)]
pub(super) struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Steps over `count` bytes of [`Cursor::rest`].
    pub(super) fn advance(&mut self, count: usize) {
        self.at += count;
    }

    /// The next byte that is not white space, without stepping over it.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            let &byte = self.text.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Steps over `byte` if it is next.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Steps over `byte`, which must be next.
    pub(super) fn expect(&mut self, byte: u8, place: &str) -> Read<()> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(self.unexpected(&format!("'{}' {place}", char::from(byte))))
        }
    }

    /// Steps over `word` if it is next.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        self.peek();
        let found = self.rest().starts_with(word.as_bytes());
        if found {
            self.at += word.len();
        }
        found
    }

    /// Nothing but white space may follow.
    pub(super) fn finish(&mut self) -> Read<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the end of the JSON")),
        }
    }

    /// An error that says what was expected here and what stands here.
    pub(super) fn unexpected(&self, expected: &str) -> Malformed {
        let got = match self.text.get(self.at) {
            None => "its end".to_owned(),
            Some(byte) if byte.is_ascii_graphic() => format!("'{}'", char::from(*byte)),
            Some(byte) => format!("byte 0x{byte:02x}"),
        };
        Malformed::new(format!("malformed JSON at byte {}: expected {expected}, got {got}", self.at))
    }

    /// Reads a string; it is copied only where it holds escapes.
    pub(super) fn string(&mut self) -> Read<Cow<'a, str>> {
        if !self.take(b'"') {
            return Err(self.unexpected("a string"));
        }
        let start = self.at;
        loop {
            match self.text.get(self.at) {
                Some(b'"') => {
                    let plain = self.utf8(start, self.at)?;
                    self.at += 1;
                    return Ok(Cow::Borrowed(plain));
                }
                Some(b'\\') => return self.escaped(start).map(Cow::Owned),
                Some(0..=0x1f) | None => return Err(self.unexpected("the end of a string")),
                Some(_) => self.at += 1,
            }
        }
    }

    /// The rest of a string that began at `start` and whose first escape is next.
    fn escaped(&mut self, start: usize) -> Read<String> {
        let mut string = self.utf8(start, self.at)?.to_owned();
        let mut plain = self.at;
        loop {
            match self.text.get(self.at) {
                Some(b'"') => {
                    string.push_str(self.utf8(plain, self.at)?);
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => {
                    string.push_str(self.utf8(plain, self.at)?);
                    self.at += 1;
                    string.push(self.escape()?);
                    plain = self.at;
                }
                Some(0..=0x1f) | None => return Err(self.unexpected("the end of a string")),
                Some(_) => self.at += 1,
            }
        }
    }

    /// The character that an escape stands for; the backslash is behind.
    fn escape(&mut self) -> Read<char> {
        let letter = self.text.get(self.at).copied();
        let character = match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.unexpected("an escape")),
        };
        self.at += 1;
        Ok(character)
    }

    /// The character of `\uXXXX`, or of two of them that make a surrogate pair.
    fn unicode(&mut self) -> Read<char> {
        let first = self.hex()?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        let pair = self.rest().starts_with(b"\\u") && first < 0xdc00;
        if pair {
            self.at += 2;
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                let scalar = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return char::from_u32(scalar).ok_or_else(|| self.unexpected("a character"));
            }
        }
        Err(self.unexpected("the second half of a surrogate pair"))
    }

    fn hex(&mut self) -> Read<u32> {
        let digits = self.text.get(self.at..self.at + 4);
        let value = digits.and_then(|digits| {
            digits.iter().try_fold(0, |value, &digit| Some(value * 16 + char::from(digit).to_digit(16)?))
        });
        let value = value.ok_or_else(|| self.unexpected("four hexadecimal digits"))?;
        self.at += 4;
        Ok(value)
    }

    fn utf8(&self, start: usize, end: usize) -> Read<&'a str> {
        let bytes = self.text.get(start..end).unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|error| {
            let at = start + error.valid_up_to();
            Malformed::new(format!("malformed JSON at byte {at}: expected UTF-8"))
        })
    }

    /// Walks through an object and calls `field` with each key, standing before its value.
    pub(super) fn object(
        &mut self,
        what: &str,
        mut field: impl FnMut(&mut Self, &str) -> Read<()>,
    ) -> Read<()> {
        if !self.take(b'{') {
            return Err(self.unexpected(&format!("{what}, an object")));
        }
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.expect(b':', "after a key")?;
            field(self, &key)?;
            if !self.take(b',') {
                return self.expect(b'}', "or ',' after a value");
            }
        }
    }

    /// Walks through an array and calls `element` before each of its values.
    pub(super) fn array(&mut self, what: &str, mut element: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        if !self.take(b'[') {
            return Err(self.unexpected(&format!("{what}, an array")));
        }
        if self.take(b']') {
            return Ok(());
        }
        loop {
            element(self)?;
            if !self.take(b',') {
                return self.expect(b']', "or ',' after a value");
            }
        }
    }

    pub(super) fn boolean(&mut self) -> Read<bool> {
        if self.take_word("true") {
            Ok(true)
        } else if self.take_word("false") {
            Ok(false)
        } else {
            Err(self.unexpected("true or false"))
        }
    }

    /// Steps over one value of any kind. NaN and the infinities, which Python's json writes, are let through: whether
    /// they may stand where they stand is for the reader of that value to say.
    pub(super) fn skip(&mut self) -> Read<()> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            match self.peek() {
                Some(opening @ (b'{' | b'[')) => {
                    self.at += 1;
                    let closing = if opening == b'{' { b'}' } else { b']' };
                    if !self.take(closing) {
                        if open.len() == DEEPEST {
                            return Err(Malformed::new(format!("JSON nested deeper than {DEEPEST} levels")));
                        }
                        open.push(closing);
                        self.skip_key(closing)?;
                        continue;
                    }
                }
                Some(b'"') => drop(self.string()?),
                _ => self.skip_scalar()?,
            }
            loop {
                let Some(&closing) = open.last() else { return Ok(()) };
                if self.take(b',') {
                    self.skip_key(closing)?;
                    break;
                }
                self.expect(closing, "or ',' after a value")?;
                open.pop();
            }
        }
    }

    /// Inside an object, a key comes before each value.
    fn skip_key(&mut self, closing: u8) -> Read<()> {
        if closing == b'}' {
            self.string()?;
            self.expect(b':', "after a key")?;
        }
        Ok(())
    }

    fn skip_scalar(&mut self) -> Read<()> {
        let words = ["true", "false", "null", "NaN", "Infinity", "-Infinity"];
        if words.iter().any(|word| self.take_word(word)) {
            return Ok(());
        }
        let Some((_, length)) = super::number::scan(self.rest()) else {
            return Err(self.unexpected("a value"));
        };
        self.at += length;
        Ok(())
    }
}
