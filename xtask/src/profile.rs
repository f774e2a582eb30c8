//! Where a process spends its CPU time: perf samples its stacks, or, where perf is not allowed to sample, the server its own, and the
//! samples are counted by function and drawn as flame graphs.
//!
//! perf's stacks are unwound by what the compiler writes for exceptions, so that the server is the program that is shipped: on
//! it frame pointers find the whole of every second stack only, this 99 of 100. What waits is not seen, and of the kernel
//! nothing where the server samples itself.

mod flame;
mod functions;
mod names;
mod stacks;
mod tools;

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;

use crate::cli::Use;
use crate::config::ConfigTable;
use crate::error::UsageError;
use crate::secret::Secret;
use crate::server::{OwnSamples, Server};
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

/// What samples a server's stacks.
#[derive(Debug, Clone)]
pub enum Profiler {
    /// perf, at this path.
    Perf(PathBuf),
    /// The server itself, and why perf does not.
    Own(String),
}

impl Profiler {
    /// Finds one, if it is wanted, for the server of the table; with `auto` it may be that there is none, and why.
    ///
    /// # Errors
    /// A [`UsageError`] if it is wanted and not to be had; it says how to get perf.
    pub fn find(
        wanted: Use,
        option: &str,
        table: &ConfigTable,
    ) -> Result<Option<Result<Self, String>>, UsageError> {
        if wanted == Use::Off {
            return Ok(None);
        }
        match (look(), &table.profiler, wanted) {
            (Ok(perf), ..) => Ok(Some(Ok(Self::Perf(perf)))),
            (Err(why), Some(_), _) => {
                // What follows is what perf itself says of it, in several lines.
                let why = why.lines().next().unwrap_or_default();
                Ok(Some(Ok(Self::Own(why.trim_end_matches(':').to_owned()))))
            }
            (Err(why), None, Use::On) => Err(UsageError(format!("{option} needs perf: {why}"))),
            (Err(why), None, _) => Ok(Some(Err(why))),
        }
    }

    /// The feature with which the server of the table is built to be sampled.
    pub fn feature<'t>(&self, table: &'t ConfigTable) -> Option<&'t str> {
        match self {
            Self::Perf(_) => None,
            Self::Own(_) => table.profiler_feature(),
        }
    }

    /// The one that can sample `server`: perf has to know the process.
    ///
    /// # Errors
    /// Why none can.
    pub fn settle(self, server: &Server, key: &Secret) -> anyhow::Result<Self> {
        let why = match self {
            Self::Perf(_) if server.sampler().is_some() => return Ok(self),
            Self::Perf(_) => {
                "the server's process is not known here: name it with --server-pid PID".to_owned()
            }
            Self::Own(why) => why,
        };
        match server.can_sample_itself(key) {
            Ok(()) => Ok(Self::Own(why)),
            Err(error) => anyhow::bail!("perf cannot sample ({why}), and {error:#}"),
        }
    }

    /// Begins to sample `server`, whose key is `key`, for about `length`. perf's samples, which hold parts of its memory, lie
    /// in `folder` until they have been read.
    ///
    /// # Errors
    /// If perf cannot be started, or the server cannot sample itself.
    pub fn sample(
        &self,
        server: &Server,
        key: &Secret,
        length: Duration,
        folder: &Path,
    ) -> anyhow::Result<Sampling> {
        let Self::Perf(perf) = self else {
            let samples = Arc::new(server.sample_itself(key)?);
            return Ok(Sampling::Own(samples, None));
        };
        let dir = tempfile::tempdir_in(folder).context("failed to create a folder for samples")?;
        let data = dir.path().join("perf.data");
        let sh = shell::here()?;
        let seconds = length.as_secs_f64().max(1.0);
        let rate = (SAMPLES / seconds).clamp(RATES.0, RATES.1).round() as u32;
        let (pid, rate, unwind) = (
            server.pid()?.to_string(),
            rate.to_string(),
            format!("dwarf,{STACK}"),
        );
        let record = cmd!(
            sh,
            "{perf} record -e cpu-clock -m {BUFFER} -F {rate} --call-graph {unwind} --max-size {LARGEST} -o {data} -p {pid}"
        );
        Ok(Sampling::Perf {
            perf: perf.clone(),
            process: shell::spawn(record, |_, _| {})?,
            data,
            _dir: dir,
        })
    }
}

/// perf, if it is here and may sample, or why not and what to do.
fn look() -> Result<PathBuf, String> {
    let perf = which::which("perf").map_err(|_| {
        "it is not installed: `apt-get install linux-perf` (Debian), `apt-get install linux-tools-generic` (Ubuntu) or `dnf install perf` installs it".to_owned()
    })?;
    let tried = shell::here().and_then(|sh| {
        let probe = cmd!(sh, "{perf} record -q -e cpu-clock -o /dev/null -- true");
        shell::capture(probe, TRY_LIMIT)
    });
    match tried {
        Ok(tried) if tried.ended.success() => Ok(perf),
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
pub enum Sampling {
    /// By perf.
    Perf {
        /// Its path.
        perf: PathBuf,
        /// It, as it records.
        process: Process,
        /// Where its samples go.
        data: PathBuf,
        /// Where that lies.
        _dir: tempfile::TempDir,
    },
    /// By itself; once it is to end, who waits for the stacks.
    Own(Arc<OwnSamples>, Option<JoinHandle<anyhow::Result<String>>>),
}

impl Sampling {
    /// Takes no more samples; they are read at the [`end`](Self::end).
    pub fn pause(&mut self) {
        match self {
            Self::Perf { process, .. } => process.signal(Signal::INT),
            Self::Own(_, Some(_)) => {}
            Self::Own(samples, ending) => {
                let samples = Arc::clone(samples);
                *ending = Some(std::thread::spawn(move || samples.end()));
            }
        }
    }

    /// Ends the sampling, and returns the stacks that were seen.
    ///
    /// # Errors
    /// If perf failed or its samples cannot be read, or the server does not give its own; if an interruption arrives while
    /// perf's are read.
    pub fn end(self) -> anyhow::Result<Stacks> {
        match self {
            Self::Perf {
                perf,
                mut process,
                data,
                _dir,
            } => {
                let ended = process.stop(Signal::INT, END_LIMIT);
                anyhow::ensure!(
                    ended.success() || ended == Ended::Signal(Signal::INT.as_raw()),
                    "perf record failed ({ended}):{}",
                    process.tail().indented()
                );
                read(&perf, &data)
            }
            Self::Own(samples, ending) => {
                let folded = match ending.map(JoinHandle::join) {
                    Some(ended) => ended.unwrap_or_else(|panic| resume_unwind(panic)),
                    None => samples.end(),
                };
                Stacks::unfold(&folded?)
            }
        }
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
