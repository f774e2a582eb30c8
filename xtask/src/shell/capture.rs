//! A short command, run to its end for its output.

use std::io::Read as _;
use std::process::Stdio;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::command::{Cmd, Stream, read, start};
use super::interrupt;
use super::{Ended, Process, Tail};

/// The most output that a short command may have, in bytes.
const MAX_OUTPUT: u64 = 16 * 1024 * 1024;

/// What a short command left behind.
#[derive(Debug)]
pub struct Captured {
    /// How it ended.
    pub ended: Ended,
    /// Its whole standard output.
    pub stdout: Vec<u8>,
    /// The end of its standard error.
    pub stderr: Tail,
}

/// Runs the command to its end and keeps its output; ends it after `limit` or when the run is interrupted.
///
/// # Errors
/// If it cannot be started, does not end within `limit`, or an interruption arrives; if its output is longer than
/// 16 MiB, or something that it started keeps the output open beyond `limit`. A failing exit code is not an error
/// here: see [`Captured::ended`].
pub fn capture(cmd: Cmd<'_>, limit: Duration) -> anyhow::Result<Captured> {
    capture_by(cmd, limit, Process::wait_within)
}

/// As [`capture`], for a command that must succeed: what it writes to standard output. If it does not, the error begins with
/// `failure`.
///
/// # Errors
/// As [`capture`], and if its exit code is not 0, with the end of its standard error.
pub fn output(cmd: Cmd<'_>, limit: Duration, failure: &str) -> anyhow::Result<String> {
    let captured = capture(cmd, limit)?;
    anyhow::ensure!(
        captured.ended.success(),
        "{failure} ({}):{}",
        captured.ended,
        captured.stderr.indented()
    );
    Ok(String::from_utf8_lossy(&captured.stdout).into_owned())
}

/// As [`capture`], for what is to be done after an interruption too.
///
/// # Errors
/// As [`capture`], but for interruptions.
pub fn capture_anyway(cmd: Cmd<'_>, limit: Duration) -> anyhow::Result<Captured> {
    capture_by(cmd, limit, Process::wait_anyway)
}

fn capture_by(
    cmd: Cmd<'_>,
    limit: Duration,
    wait: impl Fn(&mut Process, Duration) -> anyhow::Result<Option<Ended>>,
) -> anyhow::Result<Captured> {
    let shown = cmd.to_string();
    let until = Instant::now() + limit;
    let (mut child, group) = start(cmd, Stdio::null())?;
    let tail = Tail::default();
    let (sender, output) = sync_channel(1);
    if let Some(out) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = out.take(MAX_OUTPUT + 1).read_to_end(&mut bytes);
            let _nobody_waits_any_more = sender.send(read.map(|_| bytes));
        });
    }
    let mut readers = Vec::new();
    if let Some(err) = child.stderr.take() {
        let ignore = Arc::new(Mutex::new(|_, _: &str| {}));
        readers.push(read(Stream::Err, err, ignore, tail.clone()));
    }
    let mut process = Process::new(child, group, tail.clone(), readers);
    let seconds = limit.as_secs_f64();
    let ended = wait(&mut process, limit)?
        .with_context(|| format!("`{shown}` did not end within {seconds} s"))?;
    drop(process);
    let stdout = interrupt::receive(&output, until)?
        .with_context(|| {
            format!("`{shown}` ended, but something that it started kept its output open for {seconds} s")
        })?
        .with_context(|| format!("failed to read what `{shown}` says"))?;
    anyhow::ensure!(
        stdout.len() as u64 <= MAX_OUTPUT,
        "`{shown}` printed more than {} MiB",
        MAX_OUTPUT >> 20
    );
    Ok(Captured {
        ended,
        stdout,
        stderr: tail,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::{cmd, here};

    /// Job control gives the job behind a group of its own, which the end of the command's group does not reach.
    fn with_a_job_that_stays(job: &str) -> String {
        format!("set -m; {{ {job}; }} & echo early")
    }

    #[test]
    fn output_that_comes_late_is_waited_for() {
        let sh = here().unwrap();
        let script = with_a_job_that_stays("sleep 0.8; echo late");
        let captured = capture(cmd!(sh, "bash -c {script}"), Duration::from_secs(60)).unwrap();
        assert!(captured.ended.success());
        assert_eq!(captured.stdout, b"early\nlate\n");
    }

    #[test]
    fn output_that_never_ends_is_an_error() {
        let sh = here().unwrap();
        let script = with_a_job_that_stays("sleep 8");
        let error = capture(cmd!(sh, "bash -c {script}"), Duration::from_secs(2)).unwrap_err();
        assert!(
            error.to_string().contains("kept its output open"),
            "{error}"
        );
    }

    #[test]
    fn too_much_output_is_an_error() {
        let sh = here().unwrap();
        let error = capture(
            cmd!(sh, "head -c 20000000 /dev/zero"),
            Duration::from_secs(60),
        )
        .unwrap_err();
        assert!(error.to_string().contains("more than 16 MiB"), "{error}");
    }

    #[test]
    fn the_words_of_a_failure_are_kept() {
        let sh = here().unwrap();
        let script = "echo out; echo err >&2; exit 3";
        let captured = capture(cmd!(sh, "bash -c {script}"), Duration::from_secs(60)).unwrap();
        assert_eq!(captured.ended, Ended::Code(3));
        assert_eq!(captured.stdout, b"out\n");
        assert_eq!(captured.stderr.lines(), ["err"]);
    }
}
