//! Runs one test with k6 and ends k6 in order when it must end early.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::secret::Secret;
use crate::shell::interrupt::{self, Interrupted};
use crate::shell::logs::LogFile;
use crate::shell::{self, Cmd, Ended, Process, Signal, Tail, cmd};

use super::progress::Progress;

/// How often the run's end and the server are looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long k6 may take to end its iterations and write its summary after an interrupt.
const WIND_UP: Duration = Duration::from_secs(15);
/// How much longer than planned k6 may take: the start, the summary and the dashboard's export of a long run.
const OVERTIME: Duration = Duration::from_secs(120);
/// The bounds of the dashboard's period: k6's default above, and below what still shows a curve in a short run.
const PERIOD_MS: std::ops::RangeInclusive<u128> = 200..=10_000;
/// How many points the dashboard's curves should have at least.
const DASHBOARD_POINTS: u128 = 30;

/// One run of k6.
pub struct Invocation<'a> {
    /// The program.
    pub k6: &'a Path,
    /// The entry point, `load-tests/main.js`.
    pub main_js: &'a Path,
    /// The test's name, for people.
    pub test: &'a str,
    /// The folder of the test.
    pub dir: &'a Path,
    /// Variables for the script, none of them secret.
    pub env: &'a [(&'static str, String)],
    /// The key, handed over in the environment.
    pub key: &'a Secret,
    /// Variables to take out of the environment.
    pub remove: &'a [String],
    /// Our own further arguments.
    pub outputs: &'a [String],
    /// Arguments of the user's.
    pub args: &'a [String],
    /// Whether to open the live dashboard in the browser.
    pub open: bool,
    /// How long load is made, and how long k6 may take at most by its own plan.
    pub load: Duration,
    /// Whether k6 keeps its web dashboard, live and as `report.html`.
    pub dashboard: bool,
    /// The end of k6's own plan; `None` if the user's arguments may have changed it.
    pub at_most: Option<Duration>,
}

/// What came of a run of k6.
#[derive(Debug)]
pub struct Ran {
    /// How k6 ended.
    pub ended: Ended,
    /// Why it was ended early, if so.
    pub stopped: Option<Stopped>,
    /// The end of its output.
    pub tail: Tail,
    /// What went wrong in writing its log.
    pub log_problem: Option<String>,
}

/// Why k6 was ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// The user interrupted the run.
    Interrupted(Interrupted),
    /// Nothing more could be measured.
    Useless(String),
    /// It took much longer than planned.
    Overdue,
}

impl Invocation<'_> {
    /// Where k6 writes its summary.
    pub fn summary_path(&self) -> PathBuf {
        self.dir.join("summary.json")
    }

    /// Runs k6 to its end, or until `useless` says why going on is.
    ///
    /// # Errors
    /// If k6 cannot be started or its log not be written.
    pub fn run(&self, mut useless: impl FnMut() -> Option<String>) -> anyhow::Result<Ran> {
        let log = LogFile::create(&self.dir.join("k6.log"), self.key)?;
        let progress = Arc::new(Mutex::new(Progress::new(self.test, self.load, self.open)));
        let followed = Arc::clone(&progress);
        let (lines, key) = (log.clone(), self.key.clone());
        let sh = shell::here()?;
        let mut process = shell::spawn(self.command(&sh), move |_, line| {
            let line = key.scrub(line);
            if progress
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .line(&line)
            {
                lines.write(&line);
            }
        })?;
        let deadline = self
            .at_most
            .map(|planned| Instant::now() + planned + OVERTIME);
        let (ended, stopped) = attend(&mut process, deadline, &mut useless)?;
        let opening = followed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .opening();
        if let Some(opening) = opening {
            // A panic has been shown, and the run has nothing to do with it.
            let _shown = opening.join();
        }
        Ok(Ran {
            ended,
            stopped,
            tail: process.tail().clone(),
            log_problem: log.problem(),
        })
    }

    fn command<'sh>(&self, sh: &'sh xshell::Shell) -> Cmd<'sh> {
        let (k6, main_js) = (self.k6, self.main_js);
        let (outputs, args) = (self.outputs, self.args);
        let mut command = cmd!(sh, "{k6} run --address= {outputs...} {args...} {main_js}");
        for name in self.remove {
            command = command.env_remove(name);
        }
        for (name, value) in self.env {
            command = command.env(name, value);
        }
        command = command
            .env("API_KEY", self.key.expose())
            .env("SUMMARY_PATH", self.summary_path())
            .env("K6_NO_USAGE_REPORT", "true");
        if self.dashboard {
            let period = (self.load.as_millis() / DASHBOARD_POINTS)
                .clamp(*PERIOD_MS.start(), *PERIOD_MS.end());
            command = command
                .env("K6_WEB_DASHBOARD", "true")
                .env("K6_WEB_DASHBOARD_HOST", "127.0.0.1")
                .env("K6_WEB_DASHBOARD_PORT", "0")
                .env("K6_WEB_DASHBOARD_PERIOD", format!("{period}ms"))
                .env("K6_WEB_DASHBOARD_EXPORT", self.dir.join("report.html"));
        }
        command
    }
}

/// Waits for k6, and ends it when the user, the server or the clock says so.
fn attend(
    process: &mut Process,
    deadline: Option<Instant>,
    useless: &mut impl FnMut() -> Option<String>,
) -> anyhow::Result<(Ended, Option<Stopped>)> {
    loop {
        let waited = interrupt::pause(TICK).map_err(anyhow::Error::from);
        let why = match waited.and_then(|()| process.try_wait()) {
            Ok(Some(ended)) => return Ok((ended, None)),
            Ok(None) => match useless() {
                Some(why) => Stopped::Useless(why),
                None if deadline.is_some_and(|deadline| Instant::now() > deadline) => {
                    Stopped::Overdue
                }
                None => continue,
            },
            Err(error) => Stopped::Interrupted(error.downcast::<Interrupted>()?),
        };
        // The first interrupt lets k6 end its iterations and write its summary.
        let ended = process.stop(Signal::INT, WIND_UP);
        return Ok((ended, Some(why)));
    }
}
