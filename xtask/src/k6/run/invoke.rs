//! Runs one test with k6 and ends k6 in order when it must end early.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use k6_summary::Limits;

use crate::secret::Secret;
use crate::shell::interrupt::{self, Interrupted};
use crate::shell::logs::LogFile;
use crate::shell::{self, Cmd, Ended, Process, Signal, Tail, cmd, locked};

use super::generator::{Generator, Used};
use super::log::Said;
use super::options::Options;
use super::progress::{Place, TestProgress};

/// How often the run's end is looked at.
const TICK: Duration = Duration::from_millis(25);
/// After so many looks the server and k6's limits are looked at too, which costs more.
const TICKS_A_LOOK: u64 = 4;
/// How long k6 may take to end its iterations and write its summary after an interrupt.
const WIND_UP: Duration = Duration::from_secs(15);
/// How much longer than planned k6 may take: the start, the summary and the dashboard's export of a long run.
const OVERTIME: Duration = Duration::from_secs(120);
/// How long after the end of the load the dashboard shows it to whoever looks on.
const LOOKING_ON: Duration = Duration::from_secs(2);
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
    /// Our own further arguments.
    pub outputs: &'a [String],
    /// What the user says to k6.
    pub options: &'a Options,
    /// The tags of every sample by the script's options.
    pub tags: &'a BTreeMap<String, String>,
    /// Whether what other programs took of the processor may explain late answers.
    pub excuse_others: bool,
    /// Whether to open the live dashboard in the browser.
    pub open: bool,
    /// How long load is made.
    pub load: Duration,
    /// Where the test stands in the whole run, for its progress to be shown; not where somebody else shows it.
    pub place: Option<Place>,
    /// Whether it is looked at by itself: k6 keeps its web dashboard, live and as `report.html`, and a log of any length.
    pub dashboard: bool,
    /// How long k6 may take at most by its own plan, which the user's options may have changed.
    pub at_most: Duration,
    /// How much of it `teardown` may take.
    pub teardown_limit: Duration,
}

/// What came of a run of k6.
#[derive(Debug)]
pub struct Ran {
    /// How k6 ended.
    pub ended: Ended,
    /// How long it ran.
    pub took: Duration,
    /// Why it was ended early, if so.
    pub stopped: Option<Stopped>,
    /// The end of its output.
    pub tail: Tail,
    /// What its log says.
    pub said: Said,
    /// What limited the load generator itself.
    pub limits: Limits,
    /// What it used.
    pub used: Used,
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

    /// Runs k6 to its end, or until `useless` says why going on is. `server` has the server's processes on this machine, if
    /// that is known.
    ///
    /// # Errors
    /// If k6 cannot be started or its log not be written.
    pub fn run(
        &self,
        server: Option<&[u32]>,
        mut useless: impl FnMut() -> Option<String>,
    ) -> anyhow::Result<Ran> {
        let log = LogFile::create(&self.dir.join("k6.log"), self.key)?;
        let log = if self.dashboard { log } else { log.of_many() };
        let progress = Arc::new(Mutex::new(TestProgress::new(
            self.test, self.place, self.open,
        )));
        let followed = Arc::clone(&progress);
        let (lines, key) = (log.clone(), self.key.clone());
        let config = self.options.config_file()?;
        let sh = shell::here()?;
        let command = self.command(&sh, config.path());
        let mut process = shell::spawn(command, move |_, line| {
            let line = key.scrub(line);
            let mut progress = locked(&progress);
            for line in progress.line(&line) {
                lines.write(&line);
            }
        })?;
        let mut generator = Generator::watch(process.pid(), server.filter(|_| self.excuse_others));
        let limits = Deadline {
            begun: Instant::now(),
            at_most: self.options.as_planned.then_some(self.at_most),
            teardown: self.teardown_limit,
        };
        let (ended, stopped) = attend(&mut process, || {
            let mut followed = locked(&followed);
            generator.look(followed.users);
            let overdue = limits.overdue(&mut followed);
            drop(followed);
            match useless() {
                Some(why) => Some(Stopped::Useless(why)),
                None => overdue.then_some(Stopped::Overdue),
            }
        })?;
        let mut followed = locked(&followed);
        if let Some(opening) = followed.opening.take() {
            // A panic has been shown, and the run has nothing to do with it.
            let _shown = opening.join();
        }
        let said = std::mem::take(&mut followed.said);
        let killed = stopped.is_none() && ended == Ended::Signal(Signal::KILL.as_raw());
        Ok(Ran {
            ended,
            took: limits.begun.elapsed(),
            stopped,
            tail: process.tail().clone(),
            limits: generator.limits(&said, killed),
            used: generator.used(),
            said,
            log_problem: log.problem(),
        })
    }

    fn command<'sh>(&self, sh: &'sh xshell::Shell, config: &Path) -> Cmd<'sh> {
        let (k6, main_js) = (self.k6, self.main_js);
        let (outputs, args) = (self.outputs(), &self.options.args);
        let tags = self.tag_arguments();
        let ours = ["--address=", "--log-format", "json", "--config"];
        let mut command = cmd!(
            sh,
            "{k6} run {ours...} {config} {tags...} {outputs...} {args...} {main_js}"
        );
        command = self.options.environment(command);
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
                // Beside k6's own: our report shows errors over time by status.
                .env("K6_WEB_DASHBOARD_TAGS", "group,status")
                .env("K6_WEB_DASHBOARD_EXPORT", self.dir.join("report.html"));
        }
        command
    }

    /// Our outputs, and with them those of the user's variable, which arguments would replace.
    fn outputs(&self) -> Vec<String> {
        let mut outputs = self.outputs.to_vec();
        if !outputs.is_empty()
            && let Ok(others) = std::env::var("K6_OUT")
        {
            let others = others.split(',').filter(|other| !other.is_empty());
            outputs.extend(others.flat_map(|other| ["--out".to_owned(), other.to_owned()]));
        }
        outputs
    }

    /// The user's tags and with them ours: tags that are arguments replace those of the script's options.
    fn tag_arguments(&self) -> Vec<String> {
        if self.options.tags.is_empty() {
            return Vec::new();
        }
        let of_the_run = [("TESTID", "testid"), ("REVISION", "revision")];
        let of_the_run = of_the_run.iter().filter_map(|(variable, tag)| {
            let (_, value) = self.env.iter().find(|(name, _)| name == variable)?;
            Some(format!("{tag}={value}"))
        });
        let tags = self.options.tags.iter().cloned();
        let tags = tags.chain(
            self.tags
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        let tags = tags.chain(of_the_run);
        tags.flat_map(|tag| ["--tag".to_owned(), tag]).collect()
    }
}

/// How long k6 may go on.
struct Deadline {
    begun: Instant,
    /// The end of k6's own plan; `None` if the user's options may have changed it.
    at_most: Option<Duration>,
    /// How long `teardown` may take.
    teardown: Duration,
}

impl Deadline {
    /// Whether k6 takes longer than it may. Whoever looks at the dashboard is let go before, since k6 waits for them.
    fn overdue(&self, progress: &mut TestProgress) -> bool {
        let since_end = progress.ended.map(|ended| ended.elapsed());
        let planned = self.at_most.unwrap_or(Duration::MAX);
        let taken = self.begun.elapsed();
        if since_end.is_some_and(|since| since >= LOOKING_ON) || taken >= planned {
            progress.close_dashboard();
        }
        taken > planned.saturating_add(OVERTIME)
            || since_end.is_some_and(|since| since > self.teardown + OVERTIME)
    }
}

/// Waits for k6, and ends it when the user says so or `stop` does.
fn attend(
    process: &mut Process,
    mut stop: impl FnMut() -> Option<Stopped>,
) -> anyhow::Result<(Ended, Option<Stopped>)> {
    let mut ticks = 0_u64;
    loop {
        ticks += 1;
        let waited = interrupt::pause(TICK).map_err(anyhow::Error::from);
        let why = match waited.and_then(|()| process.try_wait()) {
            Ok(Some(ended)) => return Ok((ended, None)),
            Ok(None) if !ticks.is_multiple_of(TICKS_A_LOOK) => continue,
            Ok(None) => match stop() {
                Some(why) => why,
                None => continue,
            },
            Err(error) => Stopped::Interrupted(error.downcast::<Interrupted>()?),
        };
        // The first interrupt lets k6 end its iterations and write its summary.
        let ended = process.stop(Signal::INT, WIND_UP);
        return Ok((ended, Some(why)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k6_may_take_two_minutes_more_than_its_plan() {
        let overdue = |taken_s: u64, at_most_s: Option<u64>| {
            let deadline = Deadline {
                begun: Instant::now()
                    .checked_sub(Duration::from_secs(taken_s))
                    .unwrap(),
                at_most: at_most_s.map(Duration::from_secs),
                teardown: Duration::from_secs(60),
            };
            deadline.overdue(&mut TestProgress::new("health", None, false))
        };
        // As long a plan as one with a `setup` of minutes.
        assert!(!overdue(300 + 119, Some(300)));
        assert!(overdue(300 + 121, Some(300)));
        assert!(!overdue(100_000, None));
    }
}
