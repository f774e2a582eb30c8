//! One run at a time for each server: a second one would measure the first one's load.
//!
//! A user's own runs meet at a file. Those of other users, who share no folder, meet at a socket of Linux's abstract
//! names, which everybody has who can reach the port: its holder says who it is. Elsewhere they do not know of each other.

#[cfg(target_os = "linux")]
mod others;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::shell::{self, lock};

/// The folder of the locks.
const FOLDER: &str = "load-test-locks";

/// Who holds a lock: written into its file for others to read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Holder {
    /// The process that runs the load test.
    pub pid: u32,
    /// Its user.
    #[serde(default)]
    pub uid: u32,
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
    #[cfg(target_os = "linux")]
    told: Option<others::Told>,
}

impl Holder {
    /// This process.
    fn now(results: &Path) -> Self {
        Self {
            pid: std::process::id(),
            uid: rustix::process::getuid().as_raw(),
            since: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            results: results.to_owned(),
        }
    }
}

impl Lock {
    /// Writes down where the run's results are, for whoever finds the lock taken.
    ///
    /// # Errors
    /// If the lock file cannot be written.
    pub fn say_results(&self, results: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string(&Holder::now(results));
        let text = text.context("failed to describe this run")?;
        #[cfg(target_os = "linux")]
        if let Some(told) = &self.told {
            told.say(&text);
        }
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
    wait_for(name, wait, || match file.try_lock() {
        Ok(()) => Ok(Ok(())),
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _nobody_then = file.rewind().and_then(|()| file.read_to_string(&mut text));
            Ok(Err(text))
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("failed to lock {}", path.display()))
        }
    })?;
    #[cfg(target_os = "linux")]
    let mut known = None;
    let lock = Lock {
        #[cfg(target_os = "linux")]
        told: wait_for(name, wait, || Ok(others::tell(name, &mut known)))?,
        file,
        path,
    };
    lock.say_results(results)?;
    Ok(lock)
}

/// Tries to `take` what another run may hold, which then says who it is, once or until it is free.
fn wait_for<T>(
    name: &str,
    wait: bool,
    mut take: impl FnMut() -> anyhow::Result<Result<T, String>>,
) -> anyhow::Result<T> {
    lock::wait_for(|| match take()? {
        Ok(taken) => Ok(Ok(taken)),
        Err(holder) => {
            let held = held(&holder, name);
            anyhow::ensure!(
                wait,
                "{held}\n  two runs at once would measure each other: wait for it (--wait does), or use another port with --base-url"
            );
            Ok(Err(format!("waiting: {held}")))
        }
    })
}

/// Says who holds the lock, as far as it tells.
fn held(holder: &str, name: &str) -> String {
    match serde_json::from_str::<Holder>(holder) {
        Ok(holder) => {
            let user = match holder.uid == rustix::process::getuid().as_raw() {
                true => String::new(),
                false => format!(" of user {}", holder.uid),
            };
            format!(
                "another load test uses this server ({name}): process {}{user} since {}, results in {}",
                holder.pid,
                shell::clean(&holder.since),
                shell::clean(&holder.results.to_string_lossy())
            )
        }
        Err(_) => format!("another load test uses this server ({name})"),
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
        "{} is not private to you: remove it, or `chmod 700` it if it is yours",
        folder.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server's name that no other process uses.
    fn named(number: u32) -> String {
        format!("test-{}-{number}", std::process::id())
    }

    #[test]
    fn the_second_is_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("locks");
        let first = acquire_in(&folder, &named(3000), Path::new("r/one"), false).unwrap();
        let error = acquire_in(&folder, &named(3000), Path::new("r/two"), false)
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
        acquire_in(&folder, &named(3001), Path::new("r/two"), false).unwrap();
        drop(first);
        acquire_in(&folder, &named(3000), Path::new("r/two"), false).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn users_without_a_common_folder_know_of_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let take = |user: &str, results| {
            acquire_in(&dir.path().join(user), &named(5), Path::new(results), false)
        };
        let first = take("one", "r/one").unwrap();
        first.say_results(Path::new("r/later")).unwrap();
        let error = take("two", "r/two").unwrap_err().to_string();
        assert!(
            error.contains(&format!("process {} since 2", std::process::id())),
            "{error}"
        );
        assert!(error.contains("results in r/later"), "{error}");
        drop(first);
        take("two", "r/two").unwrap();
    }

    #[test]
    fn a_crashed_holder_blocks_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("locks");
        private(&folder).unwrap();
        std::fs::write(
            folder.join(format!("{}.lock", named(1))),
            "{\"pid\":1,\"since\":\"half of a",
        )
        .unwrap();
        acquire_in(&folder, &named(1), Path::new("r"), false).unwrap();
    }

    #[test]
    fn nothing_of_others_is_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let precious = dir.path().join("precious");
        std::fs::write(&precious, "text").unwrap();
        let link = |at: &str| std::os::unix::fs::symlink(&precious, dir.path().join(at)).unwrap();
        let folder = dir.path().join("locks");
        private(&folder).unwrap();
        link(&format!("locks/{}.lock", named(1)));
        assert!(acquire_in(&folder, &named(1), Path::new("r"), false).is_err());
        acquire_in(&folder, &named(2), Path::new("r"), false).unwrap();
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "text");

        std::os::unix::fs::symlink(&folder, dir.path().join("linked")).unwrap();
        let open = dir.path().join("open");
        DirBuilder::new().mode(0o755).create(&open).unwrap();
        for folder in [dir.path().join("linked"), open] {
            let error = acquire_in(&folder, &named(2), Path::new("r"), false).unwrap_err();
            assert!(error.to_string().contains("not private to you"), "{error}");
        }
    }
}
