//! Builds of other revisions, kept from one comparison to the next, and never taken away while one uses them.
//!
//! Each build has a lock file beside its folder: shared among the comparisons that use the build, exclusive for the one
//! that makes it or takes it away. Lock files stay, so that everybody locks the same one.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;

/// Builds that are kept, newest first: each takes several hundred megabytes.
const KEPT: usize = 4;

/// A build that stays as long as this is held.
#[derive(Debug)]
pub struct KeptBuild {
    /// The program.
    pub program: PathBuf,
    _shared: File,
}

impl KeptBuild {
    /// Comes by the program called `name` in the folder `dir`, which `build` makes unless it is there. Says so to `build`
    /// or to `found`.
    ///
    /// # Errors
    /// If the folder cannot be made or locked, or the build fails.
    pub fn acquire(
        dir: &Path,
        name: &str,
        found: impl Fn(),
        build: impl Fn() -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let program = dir.join(name);
        std::fs::create_dir_all(dir)
            .with_context(|| format!("failed to create {}", dir.display()))?;
        let unlockable = || format!("failed to lock {}", dir.display());
        let lock = open_lock(dir).with_context(unlockable)?;
        let mut built = false;
        loop {
            lock.lock_shared().with_context(unlockable)?;
            if program.is_file() {
                if !built {
                    found();
                }
                let _newest_first = lock.set_modified(SystemTime::now());
                return Ok(Self {
                    program,
                    _shared: lock,
                });
            }
            // Nobody but the one who builds may hold it; in between another one may have built, or taken away.
            lock.unlock().with_context(unlockable)?;
            lock.lock().with_context(unlockable)?;
            if !program.is_file() {
                build()?;
                built = true;
            }
            lock.unlock().with_context(unlockable)?;
        }
    }
}

/// Takes away the oldest builds below `all` that no comparison uses. What cannot be taken away only takes room.
pub fn prune(all: &Path) {
    let Ok(entries) = std::fs::read_dir(all) else {
        return;
    };
    let dirs = entries.flatten().map(|entry| entry.path());
    let mut builds: Vec<(SystemTime, PathBuf)> = dirs
        .filter(|dir| dir.is_dir())
        .map(|dir| {
            let used = lock_of(&dir).metadata().and_then(|meta| meta.modified());
            (used.unwrap_or(SystemTime::UNIX_EPOCH), dir)
        })
        .collect();
    builds.sort();
    let too_many = builds.len().saturating_sub(KEPT);
    for (_, dir) in builds.into_iter().take(too_many) {
        let Ok(lock) = open_lock(&dir) else {
            continue;
        };
        match lock.try_lock() {
            Ok(()) => {
                let _only_room = std::fs::remove_dir_all(&dir);
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

fn lock_of(dir: &Path) -> PathBuf {
    dir.with_extension("lock")
}

fn open_lock(dir: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    options.open(lock_of(dir))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A build that was last used `age` hours ago.
    fn built(all: &Path, name: &str, age: u64) -> KeptBuild {
        let dir = all.join(name);
        let build = || Ok(std::fs::write(dir.join("server"), name)?);
        let kept = KeptBuild::acquire(&dir, "server", || {}, build).unwrap();
        let at = SystemTime::now() - Duration::from_secs(age * 3600);
        kept._shared.set_modified(at).unwrap();
        kept
    }

    #[test]
    fn what_another_comparison_uses_is_never_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let used = built(dir.path(), "oldest", 9);
        for (name, age) in [("old", 8), ("a", 4), ("b", 3), ("c", 2), ("d", 1)] {
            drop(built(dir.path(), name, age));
        }
        prune(dir.path());
        let there = |name: &str| dir.path().join(name).join("server").is_file();
        assert!(used.program.is_file(), "a comparison runs it");
        assert!(!there("old"), "nobody uses it, and four are newer");
        assert!(["a", "b", "c", "d"].into_iter().all(there));
        drop(used);
        prune(dir.path());
        assert!(!there("oldest"));
    }

    #[test]
    fn a_build_is_made_once_and_again_after_it_failed_or_was_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let build = dir.path().join("build");
        let failing = || anyhow::bail!("it does not compile");
        let error = KeptBuild::acquire(&build, "server", || {}, failing).unwrap_err();
        assert!(error.to_string().contains("does not compile"));
        drop(built(dir.path(), "build", 0));
        let found = std::cell::Cell::new(0);
        let find = || found.set(found.get() + 1);
        drop(KeptBuild::acquire(&build, "server", find, failing).unwrap());
        assert_eq!(found.get(), 1);
        std::fs::remove_dir_all(&build).unwrap();
        assert!(KeptBuild::acquire(&build, "server", find, failing).is_err());
    }
}
