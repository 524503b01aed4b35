//! Reads files out of a tar, in memory: nothing is ever written where a path says.

use std::io::{self, Read};

use super::layers::{check_path, excerpt};

const BLOCK: usize = 512;

/// Longest name, given in a block of its own, that is read.
const NAME_LIMIT: u64 = 64 << 10;

/// No file is as large as this.
const LARGEST: u64 = 1 << 60;

/// Most entries of one tar.
const ENTRIES_LIMIT: usize = 10_000;

/// Calls `take` for every file with its path, its size and a reader of its bytes. A link, a device and a path that leads out
/// are refused, and nothing is read that is not in the tar's own sizes.
pub(super) fn each_file(
    mut tar: impl Read,
    mut take: impl FnMut(&str, u64, &mut dyn Read) -> Result<(), String>,
) -> Result<(), String> {
    let mut long: Option<String> = None;
    let mut long_size: Option<u64> = None;
    for _ in 0..ENTRIES_LIMIT {
        let mut block = [0; BLOCK];
        match tar.read_exact(&mut block) {
            Ok(()) => {}
            // Some writers leave the two empty blocks out.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(format!("the tar cannot be read: {error}")),
        }
        if block.iter().all(|&byte| byte == 0) {
            return Ok(());
        }
        let header = Header::read(&block)?;
        let size = if matches!(header.kind, b'x' | b'g' | b'L') {
            header.size
        } else {
            long_size.take().unwrap_or(header.size)
        };
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        let mut entry = (&mut tar).take(size);
        match header.kind {
            b'L' | b'x' => {
                if size > NAME_LIMIT {
                    return Err(format!("a name in the tar takes {size} bytes"));
                }
                let mut text = Vec::new();
                entry.read_to_end(&mut text).map_err(|error| format!("the tar cannot be read: {error}"))?;
                if header.kind == b'L' {
                    let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
                    long = Some(String::from_utf8_lossy(text.get(..end).unwrap_or_default()).into_owned());
                } else {
                    for (key, value) in records(&text) {
                        match key {
                            "path" => long = Some(value.to_owned()),
                            "size" => {
                                let size = value.parse().ok().filter(|size| *size < LARGEST);
                                long_size = Some(size.ok_or("a size in the tar cannot be read")?);
                            }
                            _ => {}
                        }
                    }
                }
            }
            0 | b'0' | b'7' => {
                let name = long.take().unwrap_or(header.name);
                take(check_path(&name)?, size, &mut entry)?;
            }
            b'5' => {
                let name = long.take().unwrap_or(header.name);
                let name = name.strip_suffix('/').unwrap_or(&name);
                if name != "." {
                    check_path(name)?;
                }
            }
            b'g' => {}
            _ => {
                let name = long.take().unwrap_or(header.name);
                return Err(format!("the tar holds {:?}, which is no file", excerpt(&name)));
            }
        }
        let left = entry.limit();
        let skipped = io::copy(&mut (&mut tar).take(left + padding), &mut io::sink())
            .map_err(|error| format!("the tar cannot be read: {error}"))?;
        if skipped < left {
            return Err("the tar ends within a file".into());
        }
    }
    Err(format!("the tar holds more than {ENTRIES_LIMIT} entries"))
}

struct Header {
    name: String,
    size: u64,
    kind: u8,
}

impl Header {
    fn read(block: &[u8; BLOCK]) -> Result<Self, String> {
        let field = |from: usize, to: usize| block.get(from..to).unwrap_or_default();
        let text = |from, to| {
            let bytes = field(from, to);
            let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
        };
        let sum: u64 = block
            .iter()
            .enumerate()
            .map(|(at, &byte)| u64::from(if (148..156).contains(&at) { b' ' } else { byte }))
            .sum();
        if octal(field(148, 156)) != Some(sum) {
            return Err("no tar: a header's checksum is wrong".into());
        }
        let size = match field(124, 136) {
            // What does not fit into octal is written in binary, with the first bit set.
            [first, rest @ ..] if first & 0x80 != 0 => rest
                .iter()
                .try_fold(0_u64, |size, &byte| size.checked_mul(256)?.checked_add(byte.into()))
                .filter(|_| *first == 0x80),
            digits => octal(digits),
        };
        let size = size.filter(|size| *size < LARGEST).ok_or("a size in the tar cannot be read")?;
        let (name, prefix) = (text(0, 100), text(345, 500));
        let name = if field(257, 263) == b"ustar\0" && !prefix.is_empty() {
            format!("{prefix}/{name}")
        } else {
            name
        };
        Ok(Self { name, size, kind: field(156, 157).first().copied().unwrap_or_default() })
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

/// The records of a pax header: `LENGTH KEY=VALUE\n`.
fn records(mut text: &[u8]) -> Vec<(&str, &str)> {
    let mut records = Vec::new();
    while let Some(space) = text.iter().position(|&byte| byte == b' ') {
        let length = text.get(..space).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        let Some(record) = length.and_then(|length: usize| text.get(space + 1..length)) else { break };
        let record = std::str::from_utf8(record).unwrap_or_default().trim_end_matches('\n');
        records.extend(record.split_once('='));
        text = length.and_then(|length| text.get(length..)).unwrap_or_default();
    }
    records
}
