//! Where something is made before it is whole.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::check_free;
use crate::store::Error;

/// Held in the folder for as long as somebody works there.
const LOCK: &str = "lock";

/// Names that are tried. One is taken away only by whoever looks in the moment between its making and its lock.
const TRIES: usize = 3;

/// A folder beside the one that is to be made, which takes its place when it is whole.
#[derive(Debug)]
pub(super) struct Staging {
    pub(super) folder: PathBuf,
    to: PathBuf,
    _lock: File,
}

impl Staging {
    pub(super) fn beside(to: &Path) -> Result<Self, Error> {
        check_free(to)?;
        let unusable = |error: io::Error| Error::of_io(to.display(), "the folder", &error);
        let to = std::path::absolute(to).map_err(unusable)?;
        let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let above = to.parent().unwrap_or(Path::new("/")).to_owned();
        fs::create_dir_all(&above).map_err(unusable)?;
        let begin = format!(".{name}.twofold-");
        for entry in fs::read_dir(&above).map_err(unusable)?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(&begin) {
                remove_left_behind(&entry.path());
            }
        }
        for _ in 0..TRIES {
            let folder = above.join(format!("{begin}{}", Uuid::new_v4().simple()));
            fs::create_dir(&folder).map_err(unusable)?;
            if let Some(lock) = lock(&folder).map_err(unusable)? {
                return Ok(Self { folder, to, _lock: lock });
            }
        }
        Err(unusable(io::Error::other("somebody removes what is made there")))
    }

    /// Puts one of its folders where the result belongs.
    pub(super) fn finish(self, made: &Path) -> Result<(), Error> {
        fs::rename(made, &self.to).map_err(|error| Error::of_io(self.to.display(), "the folder", &error))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Takes a new folder's lock. None where another process has taken the folder for one that was left behind.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let path = folder.join(LOCK);
    let file = match OpenOptions::new().create_new(true).write(true).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    // File systems without locks: nobody removes what he cannot lock either.
    let taken = matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock));
    Ok((!taken && path.exists()).then_some(file))
}

/// Removes the folder of a process that was killed: its lock went with it. A process's number would not tell, since another
/// container has numbers of its own.
fn remove_left_behind(folder: &Path) {
    if let Ok(lock) = File::open(folder.join(LOCK))
        && lock.try_lock().is_ok()
    {
        let _ = fs::remove_dir_all(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_behind_goes_and_what_another_works_on_stays() {
        let above = tempfile::tempdir().unwrap();
        let to = above.path().join("iris");
        // As a process of another container leaves it: its number is none here.
        let left = above.path().join(".iris.twofold-4194305");
        fs::create_dir(&left).unwrap();
        fs::write(left.join(LOCK), "").unwrap();
        let mut one = Staging::beside(&to).unwrap();
        assert!(!left.exists());
        // The same number, or none that is known, and still at work.
        fs::rename(&one.folder, &left).unwrap();
        one.folder = left.clone();
        let other = Staging::beside(&to).unwrap();
        assert!(left.exists(), "a pull that runs was removed");
        drop((one, other));
        assert_eq!(fs::read_dir(above.path()).unwrap().count(), 0);
    }
}
