//! Asking a program whether it is k6, and which.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use semver::Version;

use crate::shell::{self, Ended, cmd, locked};

/// The oldest k6 that runs our scripts.
pub const MINIMUM: Version = Version::new(0, 57, 0);
/// How long `k6 version` may take; it takes a tenth of a second.
const LIMIT: Duration = Duration::from_secs(10);
/// How many lines of the answer are kept: a program that is not k6 may never stop writing.
const LINES: usize = 20;

/// Runs `program version` and reads the answer.
///
/// # Errors
/// Why the program is of no use, in words that fit behind "it" or after the path and a colon; if an interruption arrives.
pub fn probe(program: &Path) -> anyhow::Result<Version> {
    probe_within(program, LIMIT)
}

/// As [`probe`], with another limit.
pub fn probe_within(program: &Path, limit: Duration) -> anyhow::Result<Version> {
    look_at(program)?;
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    let output = move |_, line: &str| {
        let mut lines = locked(&kept);
        if lines.len() < LINES {
            lines.push(line.to_owned());
        }
    };
    let started = shell::here().and_then(|sh| shell::spawn(cmd!(sh, "{program} version"), output));
    let mut process =
        started.map_err(|error| anyhow!("it cannot be started: {}", error.root_cause()))?;
    let ended = process.wait_within(limit)?.with_context(|| {
        let seconds = limit.as_secs_f64();
        format!("`k6 version` did not answer within {seconds} s")
    })?;
    let lines = locked(&lines);
    if !ended.success() {
        // A file in a format that the kernel refuses is handed to the shell, which fails on it.
        ensure!(
            !matches!(ended, Ended::Code(126 | 127)) || is_script(program),
            "it cannot be started: the system does not recognise it as a program; was it built for another kind of machine?"
        );
        let said = lines.last().map(|line| format!(": {line}"));
        bail!(
            "`k6 version` ended with {ended}{}",
            said.unwrap_or_default()
        );
    }
    let version = lines.iter().find_map(|line| parse(line));
    let version = version.with_context(|| {
        let said = match lines.first() {
            Some(line) => format!("says \"{}\"", line.chars().take(120).collect::<String>()),
            None => "says nothing".to_owned(),
        };
        format!("it is not k6: asked for its version, it {said}")
    })?;
    ensure!(
        version >= MINIMUM,
        "it is k6 {version}, and at least {MINIMUM} is needed"
    );
    Ok(version)
}

/// What can be said of a file without running it.
///
/// # Errors
/// Why it is no program that anybody could run.
pub fn look_at(program: &Path) -> anyhow::Result<()> {
    let about = match std::fs::metadata(program) {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!("there is no such file"),
        found => found.map_err(|error| anyhow!("it cannot be read: {error}"))?,
    };
    ensure!(!about.is_dir(), "it is a folder, not a program");
    ensure!(
        about.is_file() && about.permissions().mode() & 0o111 != 0,
        "it is not executable; `chmod +x` makes it so"
    );
    Ok(())
}

/// Whether the file begins as scripts do.
fn is_script(program: &Path) -> bool {
    let mut begin = [0; 2];
    File::open(program)
        .and_then(|mut file| file.read_exact(&mut begin))
        .is_ok()
        && begin == *b"#!"
}

/// The version in a line such as `k6 v1.1.0 (commit/1a2b3c4d5e, go1.24.4, linux/amd64)`.
///
/// A build of one's own may put another program name first, so the brackets decide: Go's version and platform.
fn parse(line: &str) -> Option<Version> {
    let (_program, rest) = line.trim().split_once(' ')?;
    let (version, build) = rest.split_once(' ')?;
    let build = build.strip_prefix('(')?.strip_suffix(')')?;
    let go = build.split(", ").any(|part| {
        part.strip_prefix("go")
            .is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit()))
    });
    let platform = build
        .split(", ")
        .any(|part| part.contains('/') && !part.starts_with("commit/"));
    (go && platform).then(|| Version::parse(version.strip_prefix('v')?).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_k6_says_of_itself() {
        for (line, version) in [
            (
                "k6 v1.1.0 (commit/c4dbd96b8a, go1.24.4, linux/amd64)",
                "1.1.0",
            ),
            (
                "k6 v2.2.0 (commit/00a9a1b7f5, go1.26.5, linux/amd64)",
                "2.2.0",
            ),
            (
                "k6-of-ours v2.2.0 (commit/00a9a1b7f5, go1.26.5, darwin/amd64)",
                "2.2.0",
            ),
            ("k6-with-sql v0.57.0 (go1.23.6, darwin/arm64)", "0.57.0"),
            (
                "k6 v1.0.0-rc1 (commit/4eb6ee9d40, go1.23.8, linux/arm64)",
                "1.0.0-rc1",
            ),
        ] {
            assert_eq!(parse(line), Some(version.parse().unwrap()), "{line}");
        }
    }

    #[test]
    fn takes_no_other_program_for_k6() {
        for line in [
            "",
            "k6",
            "v1.1.0",
            "go version go1.24.4 linux/amd64",
            "kubectl v1.30.0 (linux)",
            "pyenv: k6: command not found",
            "k6 v1.1 (commit/c4dbd96b8a, go1.24.4, linux/amd64)",
            "k6 v1.1.0 (commit/c4dbd96b8a, gopher, linux/amd64)",
            "git version 2.39.5 (Apple Git-154)",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_candidate_of_the_oldest_version_is_older() {
        assert!(parse("k6 v0.57.0-rc1 (go1.23.6, linux/amd64)").unwrap() < MINIMUM);
        assert!(parse("k6 v0.57.0 (go1.23.6, linux/amd64)").unwrap() >= MINIMUM);
    }
}
