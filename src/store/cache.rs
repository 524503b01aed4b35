//! Packages that were pulled, on disk, by the digests of their bytes.
//!
//! `blobs/sha256/HEX` holds bytes whose digest is their name, and `partial/` what is still being pulled. A file gets its place
//! by a rename, so that nobody sees half of one; two processes that pull the same put the same bytes there. What is read is
//! hashed again: a disk, another user or a power cut may have changed it, and nothing here waits for a disk to be sure.

mod owner;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::Digest;
use super::digest::Hasher;
use super::package::Blob;

/// A partial file that nobody holds and that is older was left behind by a process that died.
const LEFT_BEHIND: Duration = Duration::from_mins(1);

/// The folder, and how many bytes it may hold.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    folder: PathBuf,
    limit: u64,
}

/// Why a blob cannot be had from the cache.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is not there.
    Absent,
    /// It is not what its name says; it is gone now.
    Corrupt,
    /// It is, but what reads it does not like it.
    Contents(String),
    /// The folder cannot be used.
    Unusable(String),
}

impl Cache {
    pub(super) fn new(folder: PathBuf, limit: u64) -> Self {
        Self { folder, limit }
    }

    fn place(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest.hex())
    }

    fn unusable(file: &Path, error: &io::Error) -> Fault {
        Fault::Unusable(format!("{}: {error}", file.display()))
    }

    /// Whether a file of this digest and size is there; its bytes are not looked at.
    pub(super) fn has(&self, blob: &Blob) -> bool {
        fs::metadata(self.place(&blob.digest)).is_ok_and(|found| found.is_file() && found.len() == blob.size)
    }

    /// All bytes of a small blob.
    pub(super) fn read(&self, digest: &Digest, limit: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        let read = |reader: &mut dyn Read| {
            reader.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
            if bytes.len() > limit { Err(format!("larger than {limit} bytes")) } else { Ok(()) }
        };
        self.with(digest, read)?;
        Ok(bytes)
    }

    /// Calls `read` with the bytes of a blob and then makes sure that they were the right ones: what `read` got is to be used
    /// only if this succeeds. While it lasts, nobody evicts the blob.
    pub(super) fn with(
        &self,
        digest: &Digest,
        read: impl FnOnce(&mut dyn Read) -> Result<(), String>,
    ) -> Result<(), Fault> {
        let place = self.place(digest);
        owner::check(&self.folder).map_err(Fault::Unusable)?;
        let file = match File::open(&place) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Fault::Absent),
            Err(error) => return Err(Self::unusable(&place, &error)),
        };
        // File systems without locks have no second process to be safe from, or one that finds the blob gone and pulls again.
        let _ = file.lock_shared();
        // A cache that cannot be written to is read all the same.
        let _ = file.set_modified(SystemTime::now());
        let mut hashing = Hashing { reader: &file, hasher: Hasher::default() };
        let outcome = read(&mut hashing);
        let drained = io::copy(&mut hashing, &mut io::sink());
        match drained {
            Err(error) => Err(Self::unusable(&place, &error)),
            Ok(_) if hashing.hasher.finish() != *digest => {
                drop(file);
                let _ = fs::remove_file(&place);
                Err(Fault::Corrupt)
            }
            Ok(_) => outcome.map_err(Fault::Contents),
        }
    }

    /// Gives a blob a second name outside: a file that has just been pulled is not written twice.
    pub(super) fn link(&self, digest: &Digest, to: &Path) -> Result<(), Fault> {
        let place = self.place(digest);
        let linked = fs::hard_link(&place, to).or_else(|_| fs::copy(&place, to).map(|_| ()));
        linked.map_err(|error| Self::unusable(to, &error))
    }

    /// Puts bytes that are at hand into their place.
    pub(super) fn put(&self, bytes: &[u8]) -> Result<(), Fault> {
        let mut partial = self.begin(&Blob { digest: Digest::of(bytes), size: bytes.len() as u64 })?;
        partial.write(bytes)?;
        partial.finish()
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Begins a file for a blob, and makes room for it. The file has the blob's whole size from now on, without taking it on the
    /// disk: who makes room next must know what is still to come.
    pub(super) fn begin(&self, blob: &Blob) -> Result<Partial, Fault> {
        if blob.size > self.limit {
            let Self { limit, .. } = self;
            return Err(Fault::Unusable(format!(
                "TWOFOLD_CACHE_LIMIT: {limit} bytes are fewer than the {} bytes of {}",
                blob.size, blob.digest
            )));
        }
        owner::check(&self.folder).map_err(Fault::Unusable)?;
        let partial = self.folder.join("partial");
        let make = |folder: &Path| {
            let mut builder = fs::DirBuilder::new();
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.recursive(true).create(folder).map_err(|error| Self::unusable(folder, &error))
        };
        make(&partial)?;
        make(&self.folder.join("blobs/sha256"))?;
        // A name of its own, also among containers whose processes have the same number; and never a link or another's file.
        let path = partial.join(format!("{}-{}", Uuid::new_v4().simple(), blob.digest.hex()));
        let file = OpenOptions::new().create_new(true).write(true).open(&path);
        let file = file.map_err(|error| Self::unusable(&path, &error))?;
        // Nobody else holds what has just been made: there is nothing to wait for.
        let _ = file.try_lock();
        let _ = file.set_len(blob.size);
        let place = self.place(&blob.digest);
        let partial =
            Partial { file, path, place, blob: blob.clone(), hasher: Hasher::default(), written: 0 };
        self.evict();
        Ok(partial)
    }

    /// Removes what was left behind, and then the blobs that were used least recently, until what is there and what is to come
    /// fit. What another process reads or writes just now stays.
    fn evict(&self) {
        let entries = |folder: &str| {
            let entries = fs::read_dir(self.folder.join(folder)).into_iter().flatten().flatten();
            entries.filter_map(|entry| {
                let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
                let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                Some((used, metadata.len(), entry.path()))
            })
        };
        let free = |path: &Path| match File::open(path).map(|file| file.try_lock()) {
            Ok(Err(TryLockError::WouldBlock)) => false,
            _ => fs::remove_file(path).is_ok(),
        };
        let mut held = 0;
        for (used, size, path) in entries("partial") {
            let old = used.elapsed().is_ok_and(|age| age > LEFT_BEHIND);
            if !(old && free(&path)) {
                held += size;
            }
        }
        let mut blobs: Vec<_> = entries("blobs/sha256").collect();
        blobs.sort_unstable();
        held += blobs.iter().map(|(_, size, _)| size).sum::<u64>();
        for (_, size, path) in blobs {
            if held <= self.limit {
                break;
            }
            if free(&path) {
                tracing::debug!(path = %path.display(), size, "evicted");
                held -= size;
            }
        }
    }
}

struct Hashing<R> {
    reader: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// A blob that is being pulled. Dropped before it is whole, it leaves nothing behind.
#[derive(Debug)]
pub(super) struct Partial {
    file: File,
    path: PathBuf,
    place: PathBuf,
    blob: Blob,
    hasher: Hasher,
    written: u64,
}

impl Partial {
    pub(super) fn blob(&self) -> &Blob {
        &self.blob
    }

    /// Whether all bytes are there, and are the right ones.
    pub(super) fn is_right(&self) -> bool {
        self.left() == 0 && self.digest() == self.blob.digest
    }

    /// How many bytes are there.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// How many more there may be.
    pub(super) fn left(&self) -> u64 {
        self.blob.size.saturating_sub(self.written)
    }

    /// Adds bytes; the caller has looked that they fit.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.write_unhashed(bytes)?;
        self.hasher.update(bytes);
        Ok(())
    }

    /// Adds bytes that somebody else hashes, with the hasher that was taken.
    pub(super) fn write_unhashed(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.file
            .write_all(bytes)
            .map_err(|error| Fault::Unusable(format!("{}: {error}", self.path.display())))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn take_hasher(&mut self) -> Hasher {
        std::mem::take(&mut self.hasher)
    }

    /// Gives back the hasher, which has seen the same bytes.
    pub(super) fn put_hasher(&mut self, hasher: Hasher) {
        self.hasher = hasher;
    }

    /// Forgets all bytes. The file is not cut: ext4 waits for the disk when one that was cut to nothing is closed.
    pub(super) fn restart(&mut self) -> Result<(), Fault> {
        self.file
            .seek(SeekFrom::Start(0))
            .map_err(|error| Fault::Unusable(format!("{}: {error}", self.path.display())))?;
        (self.hasher, self.written) = (Hasher::default(), 0);
        Ok(())
    }

    /// The digest of the bytes that are there.
    pub(super) fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }

    /// Puts the blob into its place if it is whole and the right one.
    pub(super) fn finish(self) -> Result<(), Fault> {
        if !self.is_right() {
            return Err(Fault::Corrupt);
        }
        fs::rename(&self.path, &self.place)
            .map_err(|error| Fault::Unusable(format!("{}: {error}", self.place.display())))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // After a rename there is nothing of this name.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(bytes: &[u8]) -> Blob {
        Blob { digest: Digest::of(bytes), size: bytes.len() as u64 }
    }

    fn files(folder: &Path, name: &str) -> usize {
        fs::read_dir(folder.join(name)).map_or(0, Iterator::count)
    }

    #[test]
    fn a_blob_is_there_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("new"), 1000);
        let digest = Digest::of(b"bytes");
        assert!(matches!(cache.read(&digest, 10), Err(Fault::Absent)));
        let mut partial = cache.begin(&blob(b"bytes")).unwrap();
        partial.write(b"wrong").unwrap();
        assert!(matches!(partial.finish(), Err(Fault::Corrupt)));
        let mut partial = cache.begin(&blob(b"bytes")).unwrap();
        partial.write(b"by").unwrap();
        assert!(!cache.has(&blob(b"bytes")));
        partial.restart().unwrap();
        partial.write(b"byt").unwrap();
        partial.write(b"es").unwrap();
        partial.finish().unwrap();
        assert!(cache.has(&blob(b"bytes")));
        assert_eq!(cache.read(&digest, 10).unwrap(), b"bytes");
        assert!(matches!(cache.read(&digest, 4), Err(Fault::Contents(_))));
        assert_eq!(files(&folder.path().join("new"), "partial"), 0);
    }

    #[test]
    fn a_blob_that_changed_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned(), 1000);
        cache.put(b"bytes").unwrap();
        fs::write(cache.place(&Digest::of(b"bytes")), b"bytez").unwrap();
        let seen = cache.with(&Digest::of(b"bytes"), |_| Err("not looked at".into()));
        assert!(matches!(seen, Err(Fault::Corrupt)), "{seen:?}");
        assert!(matches!(cache.read(&Digest::of(b"bytes"), 10), Err(Fault::Absent)));
    }

    #[test]
    fn the_least_recently_used_goes_first_and_none_that_is_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned(), 25);
        let (a, b, c) = ([b'a'; 10], [b'b'; 10], [b'c'; 10]);
        cache.put(&a).unwrap();
        cache.put(&b).unwrap();
        let old = |bytes: &[u8], seconds| {
            let file = File::open(cache.place(&Digest::of(bytes))).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
        };
        old(&a, 20);
        old(&b, 10);
        cache.read(&Digest::of(&a), 10).unwrap();
        cache.put(&c).unwrap();
        assert_eq!([&a, &b, &c].map(|bytes| cache.has(&blob(bytes))), [true, false, true]);

        old(&a, 20);
        cache
            .with(&Digest::of(&a), |_| {
                old(&a, 20);
                cache.put(&b).unwrap();
                Ok(())
            })
            .unwrap();
        assert_eq!([&a, &b, &c].map(|bytes| cache.has(&blob(bytes))), [true, true, false]);
        let large = cache.begin(&blob(&[0; 26])).unwrap_err();
        let Fault::Unusable(text) = large else { panic!("{large:?}") };
        assert!(
            text.starts_with("TWOFOLD_CACHE_LIMIT: 25 bytes are fewer than the 26 bytes of sha256:"),
            "{text}"
        );
    }

    #[test]
    fn what_a_process_left_behind_goes_and_what_one_writes_stays() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned(), 1000);
        let held = cache.begin(&blob(b"held")).unwrap();
        let left = folder.path().join("partial/1-0-left");
        fs::write(&left, b"half").unwrap();
        for path in [&held.path, &left] {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(100)).unwrap();
        }
        cache.put(b"other").unwrap();
        assert!(held.path.exists());
        assert!(!left.exists());
    }

    #[test]
    fn what_is_still_to_come_has_its_room() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned(), 100);
        for bytes in [[1; 30], [2; 30], [3; 30]] {
            cache.put(&bytes).unwrap();
        }
        let held = [40, 30].map(|size| cache.begin(&Blob { digest: Digest::of(b"later"), size }).unwrap());
        assert_eq!(files(folder.path(), "blobs/sha256"), 1, "70 bytes are to come, and 30 may stay");
        drop(held);
        cache.put(&[4; 70]).unwrap();
        assert_eq!(files(folder.path(), "blobs/sha256"), 2);
    }

    /// Containers that share a volume are each process 1 of their own: what tells their files apart must not be that.
    #[test]
    fn a_partial_file_has_a_name_that_nobody_can_have_taken() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned(), 1000);
        let (one, other) = (cache.begin(&blob(b"bytes")).unwrap(), cache.begin(&blob(b"bytes")).unwrap());
        let random = |partial: &Partial| {
            let name = partial.path.file_name().unwrap().to_str().unwrap().to_owned();
            let (random, digest) = name.split_once('-').unwrap();
            assert_eq!((random.len(), digest), (32, Digest::of(b"bytes").hex().as_str()), "{name}");
            random.to_owned()
        };
        assert_ne!(random(&one), random(&other));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told_by_the_settings_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let cache = Cache::new(file.path().join("cache"), 1000);
        let Fault::Unusable(text) = cache.begin(&blob(b"bytes")).unwrap_err() else { panic!() };
        assert!(text.contains("Not a directory"), "{text}");
    }
}
