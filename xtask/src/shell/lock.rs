//! A file that one process at a time holds.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::interrupt;
use crate::ui;

/// How often a lock that another process holds is tried again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Takes the lock of the file `path`, which is made if need be, and says so while `holder` has it. The
/// operating system frees it however this program ends.
///
/// # Errors
/// If the file cannot be opened or locked; if an interruption arrives.
pub fn wait(path: &Path, holder: &str) -> anyhow::Result<File> {
    let unusable = || format!("failed to lock {}", path.display());
    let file = File::create(path).with_context(unusable)?;
    wait_for(|| match file.try_lock() {
        Ok(()) => Ok(Ok(())),
        Err(TryLockError::WouldBlock) => Ok(Err(format!("waiting for {holder} to end"))),
        Err(TryLockError::Error(error)) => Err(error).with_context(unusable),
    })?;
    Ok(file)
}

/// Tries to `take` what somebody else may hold, who is then named in words, until it is free; says so once.
///
/// # Errors
/// As `take`; if an interruption arrives.
pub fn wait_for<T>(
    mut take: impl FnMut() -> anyhow::Result<Result<T, String>>,
) -> anyhow::Result<T> {
    let mut said = false;
    loop {
        match take()? {
            Ok(taken) => return Ok(taken),
            Err(_) if std::mem::replace(&mut said, true) => {}
            Err(waiting) => ui::info(&waiting),
        }
        interrupt::pause(LOOK_AGAIN)?;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn the_second_waits_until_the_first_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = wait(&path, "nobody").unwrap();
        let (begin, begun) = mpsc::channel();
        let second = std::thread::spawn({
            let path = path.clone();
            move || {
                begin.send(()).unwrap();
                wait(&path, "the first").unwrap()
            }
        });
        begun.recv().unwrap();
        assert!(matches!(
            File::open(&path).unwrap().try_lock(),
            Err(TryLockError::WouldBlock)
        ));
        assert!(!second.is_finished());
        drop(first);
        let second = second.join().unwrap();
        assert!(File::open(&path).unwrap().try_lock().is_err());
        drop(second);
        let missing = dir.path().join("missing/lock");
        let error = format!("{:#}", wait(&missing, "nobody").unwrap_err());
        assert!(error.contains("missing/lock"), "{error}");
    }
}
