//! Puts a package together from the layers of an artifact.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use super::layers::{Form, excerpt, is_onnx, is_part, select};
use super::{MANIFEST, MANIFEST_SIZE_LIMIT, MODEL, MODEL_SIZE_LIMIT, Manifest, Package, SIDE_SIZE_LIMIT};
use crate::store::package::archive::each_file;

/// What a compressed layer may grow to, per byte and beyond that: weights hardly shrink, trees by ten or so.
const GROWTH: u64 = 64;
const GROWTH_AT_LEAST: u64 = 16 << 20;

/// The files of a package, by their paths in the artifact.
#[derive(Debug, Default)]
pub(in crate::store) struct Unpacked {
    files: Vec<(String, Bytes)>,
}

impl Unpacked {
    /// Adds the files of one layer, which has `size` bytes.
    pub(in crate::store) fn add(
        &mut self,
        form: &Form,
        size: u64,
        reader: &mut dyn Read,
    ) -> Result<(), String> {
        match form {
            Form::File(name) => self.keep(name, size, reader),
            Form::Tar => self.archive(reader),
            Form::TarGzip => {
                let limit = size.saturating_mul(GROWTH).saturating_add(GROWTH_AT_LEAST);
                let mut bounded = Bounded { reader: MultiGzDecoder::new(reader), left: limit };
                let read = self.archive(&mut bounded);
                if bounded.left == 0 {
                    return Err(format!("a compressed layer of {size} bytes grows beyond {limit} bytes"));
                }
                read
            }
        }
    }

    fn archive(&mut self, reader: &mut dyn Read) -> Result<(), String> {
        each_file(
            reader,
            |path, size, file| {
                if is_part(path) || is_onnx(path) { self.keep(path, size, file) } else { Ok(()) }
            },
        )
    }

    fn keep(&mut self, path: &str, size: u64, reader: &mut dyn Read) -> Result<(), String> {
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
        self.files.push((path.to_owned(), bytes.into()));
        Ok(())
    }

    /// The files of the package, by the names that they have there: the model and what lies beside it. Empty where no file was
    /// added.
    pub(in crate::store) fn parts(self) -> Result<Vec<(String, Bytes)>, String> {
        if self.files.is_empty() {
            return Ok(Vec::new());
        }
        let paths: Vec<&str> = self.files.iter().map(|(path, _)| path.as_str()).collect();
        let model = select(&paths)?.ok_or("holds no model: there is no model.onnx in it")?.to_owned();
        let folder = model.rsplit_once('/').map_or("", |(folder, _)| folder);
        let named = self.files.into_iter().filter_map(|(path, bytes)| {
            let (within, name) = path.rsplit_once('/').unwrap_or(("", &path));
            if path == model {
                return Some((MODEL.to_owned(), bytes));
            }
            (within == folder && is_part(name) && name != MODEL).then(|| (name.to_owned(), bytes))
        });
        Ok(named.collect())
    }

    /// The package, without a name and a version.
    pub(in crate::store) fn finish(self) -> Result<Package, String> {
        let mut package = Package::default();
        let parts = self.parts()?;
        if parts.is_empty() {
            return Err("holds no model: there is no model.onnx in it".into());
        }
        for (name, bytes) in parts {
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
