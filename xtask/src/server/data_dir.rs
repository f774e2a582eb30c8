//! The data folder of a server that we start: fresh for each run, on the disk where builds go, gone afterwards.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::process::{Pid, test_kill_process};

const PREFIX: &str = "data-";

/// A fresh folder, removed when dropped.
#[derive(Debug)]
pub struct DataDir(tempfile::TempDir);

impl DataDir {
    /// Makes one under `target_dir`, and removes those whose run was killed before it could.
    ///
    /// # Errors
    /// If it cannot be made; the message names the folder.
    pub fn create(target_dir: &Path) -> anyhow::Result<Self> {
        let parent = target_dir.join("load-test");
        std::fs::create_dir_all(&parent)
            .with_context(|| format!("failed to create {}", parent.display()))?;
        for left in left_behind(&parent) {
            let _somebody_else_was_faster = std::fs::remove_dir_all(left);
        }
        tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", std::process::id()))
            .tempdir_in(&parent)
            .map(Self)
            .with_context(|| format!("failed to create a data folder in {}", parent.display()))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// The data folders whose process, named in their name, is no more.
fn left_behind(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return Vec::new();
    };
    let dead = |path: &PathBuf| {
        let name = path
            .file_name()?
            .to_str()?
            .strip_prefix(PREFIX)?
            .split('-')
            .next()?;
        let pid = Pid::from_raw(name.parse().ok()?)?;
        (test_kill_process(pid) == Err(rustix::io::Errno::SRCH)).then_some(())
    };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| dead(path).is_some())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_what_a_killed_run_left() {
        let dir = tempfile::tempdir().unwrap();
        let old = dir.path().join("load-test/data-2147483646-abc");
        std::fs::create_dir_all(&old).unwrap();
        let first = DataDir::create(dir.path()).unwrap();
        let second = DataDir::create(dir.path()).unwrap();
        assert!(!old.exists() && first.path().exists() && second.path().exists());
        let path = first.path().to_owned();
        drop(first);
        assert!(!path.exists());
    }
}
