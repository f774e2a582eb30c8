//! One run at a time for each server: a second one would measure the first one's load.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::shell::interrupt;
use crate::ui;

/// The folder of the locks.
const FOLDER: &str = "load-test-locks";
/// How often a waiting run looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Who holds a lock: written into its file for others to read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Holder {
    /// The process that runs the load test.
    pub pid: u32,
    /// Since when, in UTC.
    pub since: String,
    /// The results folder of the run.
    pub results: PathBuf,
}

/// A held lock. The operating system frees it however the process ends, so that a crash blocks nobody.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Writes down where the run's results are, for whoever finds the lock taken.
    ///
    /// # Errors
    /// If the lock file cannot be written.
    pub fn say_results(&self, results: &Path) -> anyhow::Result<()> {
        let holder = Holder {
            pid: std::process::id(),
            since: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            results: results.to_owned(),
        };
        let text = serde_json::to_string(&holder).context("failed to describe this run")?;
        let mut file = &self.file;
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()))
            .with_context(|| format!("failed to write {}", self.path.display()))
    }
}

/// Takes the lock of the server called `name`: one for all checkouts of a user where there is a folder for such things,
/// else in `target_dir`.
///
/// # Errors
/// If another run holds it and `wait` is not set; the message says who. If the lock file cannot be used. If an
/// interruption arrives while waiting.
pub fn acquire(target_dir: &Path, name: &str, results: &Path, wait: bool) -> anyhow::Result<Lock> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let parent = match runtime.filter(|dir| dir.is_absolute() && dir.is_dir()) {
        Some(runtime) => runtime,
        None => target_dir.to_owned(),
    };
    acquire_in(&parent.join(FOLDER), name, results, wait)
}

fn acquire_in(folder: &Path, name: &str, results: &Path, wait: bool) -> anyhow::Result<Lock> {
    private(folder)?;
    let path = folder.join(format!("{name}.lock"));
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(&path)
        .with_context(|| format!("failed to open the lock file {}", path.display()))?;
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if wait => {
                if !std::mem::replace(&mut said, true) {
                    ui::info(&format!("waiting: {}", held(&mut file, name)));
                }
                interrupt::pause(LOOK_AGAIN)?;
            }
            Err(TryLockError::WouldBlock) => {
                anyhow::bail!(
                    "{}\n  two runs at once would measure each other: wait for it (--wait does), or use another port with --base-url",
                    held(&mut file, name)
                );
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("failed to lock {}", path.display()));
            }
        }
    }
    let lock = Lock { file, path };
    lock.say_results(results)?;
    Ok(lock)
}

/// Says who holds the lock, as far as its file tells.
fn held(file: &mut File, name: &str) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
    match read
        .ok()
        .and_then(|_| serde_json::from_str::<Holder>(&text).ok())
    {
        Some(holder) => format!(
            "another load test uses this server ({name}): process {} since {}, results in {}",
            holder.pid,
            holder.since,
            holder.results.display()
        ),
        None => format!("another load test uses this server ({name})"),
    }
}

/// Makes `folder` for our own eyes and hands alone: what others could put there would be written to.
fn private(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    let found = folder
        .symlink_metadata()
        .with_context(|| format!("failed to look at {}", folder.display()))?;
    let ours = found.is_dir()
        && found.uid() == rustix::process::getuid().as_raw()
        && found.mode() & 0o077 == 0;
    anyhow::ensure!(
        ours,
        "{} is not a folder of yours alone: remove it, or `chmod 700` it if it is yours",
        folder.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("locks");
        let first = acquire_in(&folder, "local-3000", Path::new("r/one"), false).unwrap();
        let error = acquire_in(&folder, "local-3000", Path::new("r/two"), false)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        assert!(
            error.contains("r/one") && error.contains("since 2"),
            "{error}"
        );
        acquire_in(&folder, "local-3001", Path::new("r/two"), false).unwrap();
        drop(first);
        acquire_in(&folder, "local-3000", Path::new("r/two"), false).unwrap();
    }

    #[test]
    fn a_crashed_holder_blocks_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("locks");
        private(&folder).unwrap();
        std::fs::write(
            folder.join("local-1.lock"),
            "{\"pid\":1,\"since\":\"half of a",
        )
        .unwrap();
        acquire_in(&folder, "local-1", Path::new("r"), false).unwrap();
    }

    #[test]
    fn nothing_of_others_is_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let precious = dir.path().join("precious");
        std::fs::write(&precious, "text").unwrap();
        let link = |at: &str| std::os::unix::fs::symlink(&precious, dir.path().join(at)).unwrap();
        let folder = dir.path().join("locks");
        private(&folder).unwrap();
        link("locks/local-1.lock");
        assert!(acquire_in(&folder, "local-1", Path::new("r"), false).is_err());
        acquire_in(&folder, "local-2", Path::new("r"), false).unwrap();
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "text");

        std::os::unix::fs::symlink(&folder, dir.path().join("linked")).unwrap();
        let open = dir.path().join("open");
        DirBuilder::new().mode(0o755).create(&open).unwrap();
        for folder in [dir.path().join("linked"), open] {
            let error = acquire_in(&folder, "local-2", Path::new("r"), false).unwrap_err();
            assert!(error.to_string().contains("yours alone"), "{error}");
        }
    }
}
