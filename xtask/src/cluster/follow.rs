//! Follows a test on the cluster until it comes to an end: watches its objects, asks for events and logs, and reads what the
//! runners write.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::kubectl::Kubectl;
use super::logs::{AllSaid, RunnerLog};
use super::objects::{List, WatchEvent};
use super::refused::{RefusalKind, Refused};
use super::seen::{ObjectKind, Runner, Seen, Wanted};
use super::watch::{Conclusion, Step, WatchState, Watcher};
use crate::secret::Secret;
use crate::shell::Process;
use crate::shell::interrupt::{self, Interrupted};
use crate::ui;

/// How long the next change is waited for before all else is looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long to wait before a watch that broke is begun again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often everything is listed: a watch may be dead and not know it.
const LISTED: Duration = Duration::from_secs(30);
/// How often everything is listed while a watch is behind.
const BEHIND: Duration = Duration::from_secs(2);
/// How often events are asked for while nothing goes on, at most.
const EVENTS: Duration = Duration::from_secs(3);

/// The cluster no longer answers, and the test may go on.
#[derive(Debug, thiserror::Error)]
#[error(
    "the cluster has not answered for {seconds} s, and this was seen last: {progress}; once it does, go on with `cargo xtask cluster attach {name}`"
)]
pub struct Silent {
    seconds: u64,
    progress: String,
    name: String,
}

/// The watches of a test's objects.
struct Watches<'a> {
    kubectl: &'a Kubectl,
    wanted: [(ObjectKind, [String; 3]); 3],
    running: [Option<Process>; 3],
    again: Instant,
    listed: Instant,
    /// When the cluster last answered.
    answered: Instant,
    sender: Sender<WatchEvent>,
    changes: Receiver<WatchEvent>,
}

impl<'a> Watches<'a> {
    fn new(kubectl: &'a Kubectl, name: &str) -> Self {
        let (sender, changes) = channel();
        let get = |what: &str, which: String| ["get".to_owned(), what.to_owned(), which];
        let now = Instant::now();
        Self {
            kubectl,
            wanted: [
                (
                    ObjectKind::TestRuns,
                    get(
                        "testruns.k6.io",
                        format!("--field-selector=metadata.name={name}"),
                    ),
                ),
                (
                    ObjectKind::Jobs,
                    get("jobs", format!("--selector=k6_cr={name}")),
                ),
                (
                    ObjectKind::Pods,
                    get("pods", format!("--selector=k6_cr={name}")),
                ),
            ],
            running: [None, None, None],
            again: now,
            listed: now,
            answered: now,
            sender,
            changes,
        }
    }

    /// Takes what has changed into `seen`, and mends what is broken.
    fn take(&mut self, seen: &mut Seen, wanted: &Wanted) -> anyhow::Result<()> {
        let mut next = self.changes.recv_timeout(TICK).ok();
        while let Some(change) = next {
            self.answered = Instant::now();
            seen.apply(change);
            next = self.changes.try_recv().ok();
        }
        let mut is_broken = false;
        for process in &mut self.running {
            if let Some(running) = process
                && running.try_wait()?.is_some()
            {
                *process = None;
                self.again = Instant::now() + AGAIN;
            }
            is_broken |= process.is_none();
        }
        let is_due = is_broken && Instant::now() >= self.again;
        let listed = if seen.is_behind(wanted) {
            BEHIND
        } else {
            LISTED
        };
        if is_due || self.listed.elapsed() >= listed {
            self.again = Instant::now() + AGAIN;
            self.list(seen)?;
        }
        if is_due {
            for (process, (_, args)) in self.running.iter_mut().zip(&self.wanted) {
                if process.is_none() {
                    let args: Vec<&str> = args.iter().map(String::as_str).collect();
                    *process = Some(self.kubectl.watch(&args, self.sender.clone())?);
                }
            }
        }
        Ok(())
    }

    fn list(&mut self, seen: &mut Seen) -> anyhow::Result<()> {
        self.listed = Instant::now();
        for (kind, args) in &self.wanted {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            match self.kubectl.get::<List>(&args) {
                Ok(list) => {
                    self.answered = Instant::now();
                    seen.reconcile(*kind, list);
                }
                // The network may come back; a right or a namespace does not.
                Err(error) => match error.downcast_ref::<Refused>() {
                    Some(refused) if refused.kind == RefusalKind::Rights => return Err(error),
                    None if error.is::<Interrupted>() => return Err(error),
                    _ => return Ok(()),
                },
            }
        }
        Ok(())
    }
}

/// A test that is followed.
pub struct Following<'a> {
    kubectl: &'a Kubectl,
    wanted: Wanted,
    watches: Watches<'a>,
    /// What was seen of its objects.
    pub seen: Seen,
    /// What the runners wrote.
    pub logs: BTreeMap<u32, RunnerLog>,
    /// What their logs say.
    pub said: AllSaid,
    /// How far it came.
    pub step: Step,
}

impl<'a> Following<'a> {
    /// Begins to follow a test; the logs go to the folder `dir`, and are read for samples too if it is an `exact` one.
    ///
    /// # Errors
    /// If a file cannot be made.
    pub fn begin(
        kubectl: &'a Kubectl,
        wanted: Wanted,
        dir: &Path,
        key: &Secret,
        exact: bool,
    ) -> anyhow::Result<Self> {
        let said = AllSaid::default();
        let logs = (1..=wanted.runners)
            .map(|number| {
                let log = RunnerLog::create(dir, number, key, &said, exact)?;
                Ok((number, log))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            kubectl,
            watches: Watches::new(kubectl, &wanted.name),
            wanted,
            seen: Seen::default(),
            logs,
            said,
            step: Step::Accepted,
        })
    }

    /// Follows the test to its conclusion; there is none if an interruption arrives.
    ///
    /// # Errors
    /// If the cluster no longer answers, or a right is missing.
    pub fn conclude(&mut self) -> anyhow::Result<Option<Conclusion>> {
        match self.follow() {
            Err(error) if error.is::<Interrupted>() => Ok(None),
            other => other,
        }
    }

    fn follow(&mut self) -> anyhow::Result<Option<Conclusion>> {
        let began = Instant::now();
        let mut watcher = Watcher::new(self.wanted.clone());
        let progress = ui::Progress::of(&self.wanted.name);
        let mut said = String::new();
        let events = EVENTS.min(self.wanted.deadline / 3);
        let mut asked: Option<Instant> = None;
        loop {
            interrupt::check()?;
            self.watches.take(&mut self.seen, &self.wanted)?;
            self.read_logs(false)?;
            let state = watcher.observe(&self.seen, began.elapsed());
            self.step = state.step;
            if state.wants_log.is_none() && state.progress != said {
                said.clone_from(&state.progress);
                progress.says(&said);
                if !ui::is_terminal() {
                    ui::info(&format!("{}: {said}", self.wanted.name));
                }
            }
            if let Some(pod) = &state.wants_log {
                self.look_into(pod)?;
                continue;
            }
            if state.conclusion.is_some() {
                // What explains the end of a pod stands in the events.
                self.look_at_events()?;
                let state = watcher.observe(&self.seen, began.elapsed());
                return Ok(state.conclusion);
            }
            let is_due = asked.is_none_or(|asked| asked.elapsed() >= events);
            if state.step < Step::Running && is_due {
                asked = Some(Instant::now());
                self.look_at_events()?;
            }
            self.is_in_contact(&state)?;
        }
    }

    /// Fails if the cluster has not answered for too long.
    fn is_in_contact(&self, state: &WatchState) -> anyhow::Result<()> {
        let silent = self.watches.answered.elapsed();
        if silent >= self.wanted.deadline + LISTED {
            return Err(Silent {
                seconds: silent.as_secs(),
                progress: state.progress.clone(),
                name: self.wanted.name.clone(),
            }
            .into());
        }
        Ok(())
    }

    /// Reads on until the logs were read to their ends, or nothing has come of them for so long, after an interruption too:
    /// those of all runners, or of those that have `ended` or are gone.
    ///
    /// # Errors
    /// If kubectl cannot be started.
    pub fn read_to_the_end(&mut self, limit: Duration, ended: bool) -> anyhow::Result<()> {
        let mut patience = Patience::new(limit, Instant::now());
        while let Some(read) = self.read_logs(ended)?
            && !patience.is_over(read, Instant::now())
        {
            // An interruption is known by now, and a list may fail for it.
            match self.watches.take(&mut self.seen, &self.wanted) {
                Err(error) if !error.is::<Interrupted>() => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads what logs there are. Returns how many bytes have come of those that have yet to be read to their ends, of all or of
    /// those that have `ended`; none if there are none.
    fn read_logs(&mut self, ended: bool) -> anyhow::Result<Option<usize>> {
        let mut unread = None;
        for Runner { number, pod, .. } in self.seen.runners(&self.wanted) {
            let Some(log) = self.logs.get_mut(&number) else {
                continue;
            };
            let is_gone = pod.is_some_and(|pod| self.seen.is_gone(pod));
            let is_read = log.tick(self.kubectl, pod, is_gone)?;
            let is_going = pod.is_some_and(|pod| !pod.has_ended() && !is_gone);
            if !(is_read || ended && is_going) {
                *unread.get_or_insert(0) += log.read();
            }
        }
        Ok(unread)
    }

    fn look_at_events(&mut self) -> anyhow::Result<()> {
        let args = ["get", "events", "--field-selector=type=Warning"];
        if let Some(list) = unless_interrupted(self.kubectl.get::<List>(&args))? {
            self.seen.events(list);
        }
        Ok(())
    }

    fn look_into(&mut self, pod: &str) -> anyhow::Result<()> {
        let log = self.kubectl.ask(&["logs", pod, "-c", "k6", "--tail=200"]);
        let log = unless_interrupted(log)?.unwrap_or_default();
        self.seen.log(pod, log);
        Ok(())
    }
}

/// How long to wait for what may be much and slow, or never come.
#[derive(Debug)]
struct Patience {
    limit: Duration,
    /// How much there was, and since when.
    last: (usize, Instant),
}

impl Patience {
    fn new(limit: Duration, now: Instant) -> Self {
        Self {
            limit,
            last: (0, now),
        }
    }

    /// Whether nothing has come for as long as that, if there is so much now.
    fn is_over(&mut self, much: usize, now: Instant) -> bool {
        if much != self.last.0 {
            self.last = (much, now);
        }
        now.duration_since(self.last.1) >= self.limit
    }
}

/// The answer, if there is one: what only explains is no reason to end.
fn unless_interrupted<T>(answer: anyhow::Result<T>) -> anyhow::Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is::<Interrupted>() => Err(error),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_slowly_is_waited_for_and_what_stands_still_is_not() {
        let began = Instant::now();
        let mut patience = Patience::new(Duration::from_secs(60), began);
        let mut is_over =
            |seconds, much| patience.is_over(much, began + Duration::from_secs(seconds));
        for minute in 1..=10 {
            assert!(!is_over(59 * minute, minute as usize), "{minute}");
        }
        assert!(!is_over(590 + 59, 10));
        assert!(is_over(590 + 60, 10));
    }
}
