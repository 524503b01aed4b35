//! Whose folder the cache is.

use std::path::Path;
#[cfg(unix)]
use std::sync::OnceLock;

/// Why a folder may not be used: it lies where anyone may make one, and somebody else made it. What is read from it would be
/// hashed again all the same; but who owns it may put pipes and links where files belong.
#[cfg(unix)]
pub(super) fn check(folder: &Path) -> Result<(), String> {
    check_for(folder, user())
}

#[cfg(not(unix))]
pub(super) fn check(_: &Path) -> Result<(), String> {
    Ok(())
}

/// Mode bits of the system's temporary folder: anyone writes there, and removes only what is his.
#[cfg(unix)]
const FREE_FOR_ALL: u32 = 0o1002;

#[cfg(unix)]
fn check_for(folder: &Path, user: Option<u32>) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;

    // Of a link its maker counts, not whom it leads to.
    let (Some(user), Ok(found)) = (user, folder.symlink_metadata()) else { return Ok(()) };
    let above = folder.parent().and_then(|above| above.metadata().ok());
    let shared = above.is_some_and(|above| above.mode() & FREE_FOR_ALL == FREE_FOR_ALL);
    // What root made, such as a mount, it made on purpose.
    if !shared || [user, 0].contains(&found.uid()) {
        return Ok(());
    }
    Err(format!(
        "TWOFOLD_CACHE: {} belongs to another user ({}; this process is {user}): name another folder",
        folder.display(),
        found.uid()
    ))
}

/// The user that this process acts as, where the system says it in a file: read once, since it stays.
#[cfg(unix)]
fn user() -> Option<u32> {
    static USER: OnceLock<Option<u32>> = OnceLock::new();
    *USER.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let users = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        // The real one, then the effective one.
        users.split_whitespace().nth(1)?.parse().ok()
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

    use super::*;

    #[test]
    fn a_folder_of_another_user_is_refused_where_anyone_may_make_one() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("twofold");
        assert_eq!(check(&folder), Ok(()), "it is not there yet");
        fs::create_dir(&folder).unwrap();
        let shared = |mode| fs::set_permissions(above.path(), fs::Permissions::from_mode(mode)).unwrap();
        shared(0o1777);
        assert_eq!(check(&folder), Ok(()), "it is ours");
        // Root can give it away; for anyone else it is another's who it is compared with.
        let _ = chown(&folder, Some(12_345), None);
        let owner = folder.metadata().unwrap().uid();
        let refused = check_for(&folder, Some(owner + 1)).unwrap_err();
        assert!(
            refused.starts_with("TWOFOLD_CACHE: ") && refused.contains("belongs to another user"),
            "{refused}"
        );
        shared(0o755);
        assert_eq!(check_for(&folder, Some(owner + 1)), Ok(()), "whoever may make it there is trusted");
    }
}
