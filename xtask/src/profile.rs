//! Where a process spends its CPU time: perf samples its stacks, and the samples are counted by function and drawn as
//! flame graphs.
//!
//! The stacks are unwound by what the compiler writes for exceptions, so that the server is the program that is shipped: on
//! it frame pointers find the whole of every second stack only, this 99 of 100. What waits is not seen.

mod flame;
mod functions;
mod names;
mod stacks;
mod tools;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;

use crate::cli::Use;
use crate::error::UsageError;
use crate::shell::{self, Ended, Process, Signal, Stream, cmd, locked};

pub use flame::{draw, draw_difference};
pub use functions::{Cost, functions, grown, shares};
pub use names::readable;
pub use stacks::Stacks;
pub use tools::same;

/// How much of each thread's stack is copied with a sample, in bytes: with 8 KiB every fifth stack of a server in Rust is
/// cut off, with this one in a hundred.
const STACK: u32 = 16 << 10;
/// Samples that a process is worth that keeps one processor busy all the time: what they need in memory, a quarter of a
/// GiB, is the same for each length.
const SAMPLES: f64 = 16_384.0;
/// The bounds of samples for a second of CPU time: on a virtual machine of two cores the least cost a server nothing to be
/// seen, the most a fifth of its CPU time.
const RATES: (f64, f64) = (49.0, 999.0);
/// Pages of the buffer that perf shares with the kernel: two at once fit into what an ordinary user may lock.
const BUFFER: &str = "32";
/// The most that is written of a process that keeps many processors busy; its first samples count then.
const LARGEST: &str = "512M";
/// How long perf may take to try, to write its last samples, and to read and unwind them.
const TRY_LIMIT: Duration = Duration::from_secs(20);
const END_LIMIT: Duration = Duration::from_secs(30);
const READ_LIMIT: Duration = Duration::from_secs(180);
/// How many functions are named.
pub const NAMED: usize = 5;

/// The sampler that is installed.
#[derive(Debug, Clone)]
pub struct Perf(PathBuf);

impl Perf {
    /// Finds it, if it is wanted; with `auto` it may be that it is not to be had, and why.
    ///
    /// # Errors
    /// A [`UsageError`] if it is wanted and not to be had; it says how to get it.
    pub fn find(wanted: Use, option: &str) -> Result<Option<Result<Self, String>>, UsageError> {
        match wanted {
            Use::Off => Ok(None),
            Use::Auto => Ok(Some(look())),
            Use::On => match look() {
                Ok(perf) => Ok(Some(Ok(perf))),
                Err(why) => Err(UsageError(format!("{option} needs perf: {why}"))),
            },
        }
    }

    /// Begins to sample the process `pid` for about `length`. The samples, which hold parts of its memory, lie in `folder`
    /// until they have been read.
    ///
    /// # Errors
    /// If perf cannot be started.
    pub fn sample(&self, pid: u32, length: Duration, folder: &Path) -> anyhow::Result<Sampling> {
        let dir = tempfile::tempdir_in(folder).context("failed to create a folder for samples")?;
        let data = dir.path().join("perf.data");
        let (sh, perf) = (shell::here()?, &self.0);
        let seconds = length.as_secs_f64().max(1.0);
        let rate = (SAMPLES / seconds).clamp(RATES.0, RATES.1).round() as u32;
        let (pid, rate, unwind) = (pid.to_string(), rate.to_string(), format!("dwarf,{STACK}"));
        let record = cmd!(
            sh,
            "{perf} record -e cpu-clock -m {BUFFER} -F {rate} --call-graph {unwind} --max-size {LARGEST} -o {data} -p {pid}"
        );
        Ok(Sampling {
            perf: self.0.clone(),
            process: shell::spawn(record, |_, _| {})?,
            data,
            _dir: dir,
        })
    }
}

/// perf, if it is here and may sample, or why not and what to do.
fn look() -> Result<Perf, String> {
    let perf = which::which("perf").map_err(|_| {
        "it is not installed: `apt-get install linux-perf` (Debian), `apt-get install linux-tools-generic` (Ubuntu) or `dnf install perf` installs it".to_owned()
    })?;
    let tried = shell::here().and_then(|sh| {
        let probe = cmd!(sh, "{perf} record -q -e cpu-clock -o /dev/null -- true");
        shell::capture(probe, TRY_LIMIT)
    });
    match tried {
        Ok(tried) if tried.ended.success() => Ok(Perf(perf)),
        Ok(tried) => Err(format!(
            "it is not allowed to sample here ({}; `sysctl kernel.perf_event_paranoid=2` or the capability CAP_PERFMON allows it):{}",
            tried.ended,
            tried.stderr.indented()
        )),
        Err(error) => Err(format!("it cannot be tried: {error:#}")),
    }
}

/// A process that is being sampled, until dropped.
#[derive(Debug)]
pub struct Sampling {
    perf: PathBuf,
    process: Process,
    data: PathBuf,
    _dir: tempfile::TempDir,
}

impl Sampling {
    /// Takes no more samples; they are read at the [`end`](Self::end).
    pub fn pause(&self) {
        self.process.signal(Signal::INT);
    }

    /// Ends the sampling, and returns the stacks that were seen.
    ///
    /// # Errors
    /// If perf failed or its samples cannot be read; if an interruption arrives.
    pub fn end(mut self) -> anyhow::Result<Stacks> {
        let ended = self.process.stop(Signal::INT, END_LIMIT);
        anyhow::ensure!(
            ended.success() || ended == Ended::Signal(Signal::INT.as_raw()),
            "perf record failed ({ended}):{}",
            self.process.tail().indented()
        );
        read(&self.perf, &self.data)
    }
}

/// What perf wrote, unwound.
fn read(perf: &Path, data: &Path) -> anyhow::Result<Stacks> {
    let sh = shell::here()?;
    // It would fetch symbols from afar, and inlined functions take minutes.
    let script = cmd!(
        sh,
        "{perf} script -i {data} -F pid,ip,sym,dso --no-inline --demangle"
    )
    .env_remove("DEBUGINFOD_URLS");
    let stacks = Arc::new(Mutex::new(Stacks::default()));
    let into = Arc::clone(&stacks);
    let mut process = shell::spawn(script, move |stream, line| {
        if stream == Stream::Out {
            locked(&into).read_line(line);
        }
    })?;
    let ended = process
        .wait_within(READ_LIMIT)?
        .with_context(|| format!("perf script did not end within {} s", READ_LIMIT.as_secs()))?;
    anyhow::ensure!(
        ended.success(),
        "perf script failed ({ended}):{}",
        process.tail().indented()
    );
    drop(process);
    let mut stacks = std::mem::take(&mut *locked(&stacks));
    stacks.end();
    Ok(stacks)
}
