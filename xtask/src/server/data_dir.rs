//! The data folder of a server that we start: fresh for each run, on the disk where builds go, gone afterwards.
//!
//! Each has a lock beside it, which is held as long as it is in use. The operating system frees it with the process, in
//! whatever container that ran, so that a later run can tell what a killed one left.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

const PREFIX: &str = "data-";
const LOCK: &str = "lock";

/// A fresh folder, removed when dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    // Dropped in this order: the folder first, then its lock.
    _dir: TempDir,
    _lock: File,
}

impl DataDir {
    /// Makes one under `target_dir`, and removes those whose run was killed before it could.
    ///
    /// # Errors
    /// If it cannot be made; the message names the folder.
    pub fn create(target_dir: &Path) -> anyhow::Result<Self> {
        let parent = target_dir.join("load-test");
        let create = || -> std::io::Result<Self> {
            std::fs::create_dir_all(&parent)?;
            // Whoever makes one or takes some away does it alone: a folder without a held lock is nobody's.
            let turn = File::create(parent.join(LOCK))?;
            turn.lock()?;
            for left in left_behind(&parent) {
                let _only_room = std::fs::remove_dir_all(left);
            }
            let dir = tempfile::Builder::new()
                .prefix(PREFIX)
                .tempdir_in(&parent)?;
            let lock = File::create(dir.path().join(LOCK))?;
            lock.lock()?;
            let path = dir.path().join("data");
            std::fs::create_dir(&path)?;
            Ok(Self {
                path,
                _dir: dir,
                _lock: lock,
            })
        };
        create().with_context(|| format!("failed to create a data folder in {}", parent.display()))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The data folders that nobody holds.
fn left_behind(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return Vec::new();
    };
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(PREFIX)
    };
    let held =
        |path: &PathBuf| File::open(path.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_err());
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| named(path) && !held(path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_what_a_killed_run_left_and_nothing_that_is_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let old = dir.path().join("load-test/data-abc");
        std::fs::create_dir_all(old.join("data")).unwrap();
        std::fs::write(old.join(LOCK), "").unwrap();
        let first = DataDir::create(dir.path()).unwrap();
        let second = DataDir::create(dir.path()).unwrap();
        assert!(!old.exists() && first.path().exists() && second.path().exists());
        let path = first.path().to_owned();
        drop(first);
        assert!(!path.exists() && !path.parent().unwrap().exists());
        assert!(second.path().exists());
    }
}
