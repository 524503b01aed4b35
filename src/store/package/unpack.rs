//! Puts a package together from the layers of an artifact.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use super::layers::{Form, excerpt, is_onnx, is_part, select};
use super::{MANIFEST, MANIFEST_SIZE_LIMIT, MODEL, MODEL_SIZE_LIMIT, Manifest, Package, SIDE_SIZE_LIMIT};
use crate::store::package::archive::each_file;

/// What a compressed layer may grow to, per byte and beyond that: weights hardly shrink, trees by ten or so. It is unpacked in
/// memory, so there is an end to it in all, too.
const GROWTH: u64 = 16;
const GROWTH_AT_LEAST: u64 = 16 << 20;
const GROWTH_AT_MOST: u64 = 1 << 30;

/// The files of a package, by their paths in the artifact: their bytes, or for whoever need not read them, where these are.
#[derive(Debug)]
pub(in crate::store) struct Unpacked<C> {
    files: Vec<(String, C)>,
    /// How many bytes there may still be.
    left: u64,
    limit: u64,
}

impl<C: From<Bytes>> Unpacked<C> {
    /// Nothing yet, and no more than `limit` bytes, which is what the cache may hold.
    pub(in crate::store) fn within(limit: u64) -> Self {
        Self { files: Vec::new(), left: limit, limit }
    }

    /// Adds the files of one layer, which has `size` bytes.
    pub(in crate::store) fn add(
        &mut self,
        form: &Form,
        size: u64,
        reader: &mut dyn Read,
    ) -> Result<(), String> {
        match form {
            Form::File(name) => self.keep(name, size, reader),
            Form::Tar => self.archive(reader, |_| Ok(())),
            Form::TarGzip => {
                let grown = size.saturating_mul(GROWTH).saturating_add(GROWTH_AT_LEAST);
                let limit = grown.min(GROWTH_AT_MOST);
                let beyond = || format!("a compressed layer of {size} bytes grows beyond {limit} bytes");
                let mut bounded = Bounded { reader: MultiGzDecoder::new(reader), left: limit };
                // What says that it is too large is not read until it is.
                let read =
                    self.archive(&mut bounded, |size| if size > limit { Err(beyond()) } else { Ok(()) });
                if bounded.left == 0 { Err(beyond()) } else { read }
            }
        }
    }

    fn archive(
        &mut self,
        reader: &mut dyn Read,
        fits: impl Fn(u64) -> Result<(), String>,
    ) -> Result<(), String> {
        each_file(reader, |path, size, file| {
            fits(size)?;
            if is_part(path) || is_onnx(path) { self.keep(path, size, file) } else { Ok(()) }
        })
    }

    /// Adds a file that is not read, by where its bytes are.
    pub(in crate::store) fn refer(&mut self, path: &str, size: u64, to: C) -> Result<(), String> {
        self.admit(path, size)?;
        self.files.push((path.to_owned(), to));
        Ok(())
    }

    /// Whether a file of this path and size may be added.
    fn admit(&mut self, path: &str, size: u64) -> Result<(), String> {
        let limit = match path.rsplit('/').next().unwrap_or(path) {
            MANIFEST => MANIFEST_SIZE_LIMIT,
            name if is_onnx(name) => MODEL_SIZE_LIMIT,
            _ => SIDE_SIZE_LIMIT,
        };
        if size > limit {
            return Err(format!("{:?} is larger than {limit} bytes", excerpt(path)));
        }
        if self.files.iter().any(|(other, _)| other == path) {
            return Err(format!("holds {:?} twice", excerpt(path)));
        }
        let Some(left) = self.left.checked_sub(size) else {
            return Err(format!("grows beyond the {} bytes that TWOFOLD_CACHE_LIMIT allows", self.limit));
        };
        self.left = left;
        Ok(())
    }

    fn keep(&mut self, path: &str, size: u64, reader: &mut dyn Read) -> Result<(), String> {
        self.admit(path, size)?;
        let mut bytes = Vec::new();
        // A size that lies is not believed further than this; what comes beyond it makes the buffer grow.
        let promised = usize::try_from(size.min(1 << 28)).unwrap_or_default();
        if bytes.try_reserve_exact(promised).is_err() {
            return Err(format!("{:?}: {size} bytes do not fit into memory", excerpt(path)));
        }
        let read = reader.take(size).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if (read as u64) < size {
            return Err(format!("{:?} ends after {read} of {size} bytes", excerpt(path)));
        }
        self.files.push((path.to_owned(), Bytes::from(bytes).into()));
        Ok(())
    }

    /// The files of the package, by the names that they have there: the model and what lies beside it.
    pub(in crate::store) fn parts(self) -> Result<Vec<(String, C)>, String> {
        let paths: Vec<&str> = self.files.iter().map(|(path, _)| path.as_str()).collect();
        let model = select(&paths)?.ok_or("holds no model: there is no model.onnx in it")?.to_owned();
        let folder = model.rsplit_once('/').map_or("", |(folder, _)| folder);
        let named = self.files.into_iter().filter_map(|(path, contents)| {
            let (within, name) = path.rsplit_once('/').unwrap_or(("", &path));
            if path == model {
                return Some((MODEL.to_owned(), contents));
            }
            (within == folder && is_part(name) && name != MODEL).then(|| (name.to_owned(), contents))
        });
        Ok(named.collect())
    }
}

impl Unpacked<Bytes> {
    /// The package, without a name and a version.
    pub(in crate::store) fn finish(self) -> Result<Package, String> {
        let mut package = Package::default();
        for (name, bytes) in self.parts()? {
            match name.as_str() {
                MODEL => package.model = bytes,
                MANIFEST => {
                    package.manifest =
                        Manifest::parse(&bytes).map_err(|reason| format!("{MANIFEST}: {reason}"))?;
                }
                _ => package.side_files.push((name, bytes)),
            }
        }
        package.side_files.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Ok(package)
    }
}

/// Gives no more bytes than these, and then an error instead of an end.
struct Bounded<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other("it grows too large"));
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.reader.read(buffer.get_mut(..room).unwrap_or_default())?;
        self.left -= read as u64;
        Ok(read)
    }
}
