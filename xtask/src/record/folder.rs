//! The folder of one run: created exclusively; each file is written under another name and renamed.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;

use crate::error::UsageError;

use crate::secret;

/// What a run needs at the very least: a folder that cannot take this much is full.
const PROBE_BYTES: usize = 256 * 1024;
/// How many runs of one second are told apart.
const MAX_SAME_NAME: u32 = 1000;

/// The folder of one run.
#[derive(Debug, Clone)]
pub struct RunFolder {
    /// Its path.
    pub path: PathBuf,
    /// Its name: the UTC time and the profile, so that names sort by time.
    pub name: String,
}

impl RunFolder {
    /// Makes the folder for a run of `profile` that begins at `now`, never an existing one.
    ///
    /// # Errors
    /// If the folder cannot be made or written to, or its disk is full; the message names it.
    pub fn create(results: &Path, profile: &str, now: SystemTime) -> anyhow::Result<Self> {
        std::fs::create_dir_all(results).with_context(|| unusable(results))?;
        let time = humantime::format_rfc3339_seconds(now)
            .to_string()
            .replace(':', "-");
        let stem = format!("{time}-{profile}");
        let others = (2..=MAX_SAME_NAME).map(|number| format!("{stem}-{number}"));
        for name in std::iter::once(stem.clone()).chain(others) {
            let path = results.join(&name);
            match std::fs::create_dir(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                made => made.with_context(|| unusable(results))?,
            }
            let folder = Self { path, name };
            folder.probe()?;
            return Ok(folder);
        }
        anyhow::bail!(
            "{} already has {MAX_SAME_NAME} runs named {stem}",
            results.display()
        )
    }

    /// Fails now rather than after the run if nothing can be written.
    fn probe(&self) -> anyhow::Result<()> {
        let probed = write_whole(&self.path.join("probe"), &vec![b'x'; PROBE_BYTES]);
        let _as_good_as_it_gets = std::fs::remove_file(self.path.join("probe"));
        if probed.is_err() {
            let _not_ours_to_keep = std::fs::remove_dir(&self.path);
        }
        probed.with_context(|| unusable(&self.path))
    }

    /// Writes `bytes` as file `name`, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written; the message names the file.
    pub fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        write_whole(&self.path.join(name), bytes)
    }

    /// Makes the folder of test `name` and returns its path.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn test_dir(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::create_dir(&path)
            .with_context(|| format!("failed to create {}", path.display()))?;
        Ok(path)
    }

    /// Points `latest` in the results folder at this run.
    ///
    /// # Errors
    /// If the link cannot be made, for instance because something else has that name.
    pub fn point_latest(&self) -> anyhow::Result<()> {
        let Some(results) = self.path.parent() else {
            return Ok(());
        };
        let link = results.join("latest");
        let fresh = results.join(format!(".latest-{}", std::process::id()));
        let _left_by_a_crash = std::fs::remove_file(&fresh);
        std::os::unix::fs::symlink(&self.name, &fresh)
            .and_then(|()| std::fs::rename(&fresh, &link))
            .inspect_err(|_| drop(std::fs::remove_file(&fresh)))
            .with_context(|| format!("failed to point {} at this run", link.display()))
    }
}

fn unusable(path: &Path) -> String {
    format!(
        "the results folder {} cannot be used: make room or give another with --results",
        path.display()
    )
}

/// Writes a file under another name, makes it durable and renames it, so that nobody ever sees half of it.
///
/// # Errors
/// If any of that fails; the message names the file.
pub fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let clean = std::str::from_utf8(bytes).map(|text| secret::hide_in(path, text));
    let bytes = clean.as_ref().map_or(bytes, |text| text.as_bytes());
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".")
            .suffix(".tmp")
            .tempfile_in(dir)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        // Temporary files are for their owner alone; results are for everybody who may read the folder.
        file.as_file()
            .set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("failed to write {}", path.display()))
}

/// Tries whether a file can be written at `path`, so that it is known before the run.
///
/// # Errors
/// A [`UsageError`] if it cannot.
pub fn try_output(option: &str, path: &Path) -> Result<(), UsageError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let why = if path.is_dir() {
        "it is a folder".to_owned()
    } else {
        match tempfile::tempfile_in(folder) {
            Ok(_) => return Ok(()),
            Err(error) => error.to_string(),
        }
    };
    Err(UsageError(format!(
        "{option} {} cannot be written: {why}; name a file in a folder that is there",
        path.display()
    )))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn runs_of_one_second_and_a_backward_clock_overwrite_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let names: Vec<_> = (0..3)
            .map(|_| RunFolder::create(dir.path(), "smoke", now).unwrap().name)
            .collect();
        assert_eq!(names[0], "2027-01-15T08-00-00Z-smoke");
        assert_eq!(names[2], "2027-01-15T08-00-00Z-smoke-3");
        let earlier =
            RunFolder::create(dir.path(), "smoke", now - Duration::from_secs(60)).unwrap();
        assert!(earlier.name < names[0]);
    }

    #[test]
    fn latest_follows_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        for _ in 0..2 {
            let run = RunFolder::create(dir.path(), "load", now).unwrap();
            run.write("run.json", b"{}").unwrap();
            run.point_latest().unwrap();
            assert_eq!(
                std::fs::read_link(dir.path().join("latest")).unwrap(),
                Path::new(&run.name)
            );
        }
        assert_eq!(
            std::fs::read(dir.path().join("latest/run.json")).unwrap(),
            b"{}"
        );
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results");
        std::fs::write(&path, "a file").unwrap();
        let error = format!(
            "{:#}",
            RunFolder::create(&path, "smoke", SystemTime::now()).unwrap_err()
        );
        assert!(
            error.contains("results cannot be used") && error.contains("--results"),
            "{error}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"a file");
    }

    #[test]
    fn outputs_that_cannot_be_written_are_known_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("there.xml"), "old").unwrap();
        assert!(try_output("--junit", &path("new.xml")).is_ok());
        assert!(try_output("--junit", &path("there.xml")).is_ok());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        for (wrong, why) in [("missing/x.xml", "No such file"), ("", "is a folder")] {
            let error = try_output("--junit", &path(wrong)).unwrap_err().to_string();
            assert!(error.contains("--junit") && error.contains(why), "{error}");
        }
    }
}
