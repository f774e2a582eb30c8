//! A log of a child's lines inside the run folder: bounded, without the key, and honest about write errors.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Context as _;

use super::locked;
use crate::secret::Secret;

/// The most that one log holds, in bytes: a child gone wild must not fill the disk.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// The most of one of many, as of a step of a search: its beginning tells what the rest repeats.
const MAX_BYTES_OF_MANY: usize = 1024 * 1024;

/// A log file; clones write to the same one.
#[derive(Debug, Clone)]
pub struct LogFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    secret: Secret,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    written: usize,
    most: usize,
    problem: Option<String>,
}

impl LogFile {
    /// Creates the log at `path`, which must not exist.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: &Path, secret: &Secret) -> anyhow::Result<Self> {
        let file = File::create_new(path)
            .with_context(|| format!("failed to create {}", path.display()))?;
        let state = Mutex::new(State {
            file,
            written: 0,
            most: MAX_BYTES,
            problem: None,
        });
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            secret: secret.clone(),
            state,
        })))
    }

    /// The same, as one of many logs: it is cut earlier, and that is no problem.
    #[must_use]
    pub fn of_many(self) -> Self {
        locked(&self.0.state).most = MAX_BYTES_OF_MANY;
        self
    }

    /// Writes a line. A failure is kept for [`LogFile::problem`]: it must not end the run.
    pub fn write(&self, line: &str) {
        let mut state = locked(&self.0.state);
        if state.problem.is_some() || state.written > state.most {
            return;
        }
        let line = self.0.secret.scrub(line);
        state.written += line.len() + 1;
        if state.written > state.most {
            let mib = state.most >> 20;
            let _full = writeln!(state.file, "(the log ends here: it reached {mib} MiB)");
            state.problem = (state.most == MAX_BYTES)
                .then(|| format!("{} was cut at {mib} MiB", self.0.path.display()));
        } else if let Err(error) = writeln!(state.file, "{line}") {
            state.problem = Some(format!(
                "failed to write {}: {error}",
                self.0.path.display()
            ));
        }
    }

    /// What went wrong in writing, if anything.
    pub fn problem(&self) -> Option<String> {
        locked(&self.0.state).problem.clone()
    }
}
