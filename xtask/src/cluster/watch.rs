//! How a test on a cluster goes, from nothing but the statuses of its objects and the time: no process, no clock.
//!
//! The operator's stage never says why, and `started` means only that a Job was created. So the Jobs' and Pods' own
//! statuses decide, and where one stands still, the sentence names what they and the events say.

use std::time::Duration;

use super::seen::{Runner, RunnerEnd, Seen, Wanted};
use super::trouble::{MOMENT, Trouble, ended_early, refused, stuck};
use crate::error::COULD_NOT_RUN;
use crate::k6::short;

/// How long runners of a TestRun that is gone may take to end: their grace is half a minute.
const LAST_WORDS: Duration = Duration::from_secs(60);
/// How far a test has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The operator has yet to take it up.
    Accepted,
    /// k6 looks at it once.
    Initializing,
    /// The runners' pods are made.
    Creating,
    /// All runners wait for each other.
    Starting,
    /// Load is made.
    Running,
    /// All runners have ended.
    Ended,
}

/// How it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchState {
    /// How far it has come.
    pub step: Step,
    /// What goes on, and what is in its way, in words.
    pub progress: String,
    /// What it came to, if it will come no further.
    pub conclusion: Option<Conclusion>,
    /// The pod whose log would explain it.
    pub wants_log: Option<String>,
}

/// What a test came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Conclusion {
    /// Load was made, and all runners have ended, or all that will.
    Ran {
        /// How each of them did.
        ends: Vec<RunnerEnd>,
        /// What ended all of them, if it was not their plan.
        cause: Option<String>,
    },
    /// It came to no load, or to no end.
    Fault {
        /// The exit code.
        exit: u8,
        /// The truth, in a sentence.
        sentence: String,
    },
}

#[cfg(test)]
impl Conclusion {
    /// The exit code, as far as it is known without the runners' summaries, and the first reason for it.
    pub fn told(&self) -> (u8, String) {
        match self {
            Self::Fault { exit, sentence } => (*exit, sentence.clone()),
            Self::Ran { ends, cause } => {
                let odd = ends.iter().find(|end| end.exit != Some(0));
                let sentence = cause
                    .clone()
                    .or_else(|| odd.map(|end| format!("runner {}: {}", end.runner, end.words)));
                (u8::from(sentence.is_some()), sentence.unwrap_or_default())
            }
        }
    }
}

/// Follows a test.
#[derive(Debug)]
pub struct Watcher {
    wanted: Wanted,
    step: Step,
    /// How many runners ran when the step last went on.
    running: usize,
    /// When it last went on.
    since: Duration,
    /// What is in the way, and since when.
    trouble: Option<(String, Duration)>,
    /// When the TestRun was first seen to be gone.
    gone: Option<Duration>,
}

impl Watcher {
    /// Of a test that begins now.
    pub fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            step: Step::Accepted,
            running: 0,
            since: Duration::ZERO,
            trouble: None,
            gone: None,
        }
    }

    /// How it stands by what was `seen`, so long after it began.
    pub fn observe(&mut self, seen: &Seen, now: Duration) -> WatchState {
        let all = seen.runners(&self.wanted);
        let running = all.iter().filter(|it| it.is_running(seen)).count();
        let step = self.step_of(seen, &all).max(self.step.min(Step::Running));
        if step > self.step || running > self.running {
            (self.step, self.running, self.since) = (step, running, now);
        }
        let waited = now.saturating_sub(self.since);
        let trouble = self.trouble_of(seen, &all);
        let lasted = self.lasted(trouble.as_ref(), now);
        let mut state = WatchState {
            step,
            progress: self.progress(step, &all, running, trouble.as_ref()),
            conclusion: None,
            wants_log: None,
        };
        if seen.is_deleted && step != Step::Ended {
            let gone = *self.gone.get_or_insert(now);
            state.conclusion = self.deleted(step, seen, now.saturating_sub(gone));
            return state;
        }
        if step == Step::Ended {
            let ends = seen.ends(&self.wanted);
            let by_deletion = seen.is_deleted && ends.iter().any(|end| !end.is_whole());
            let cause = by_deletion.then(|| DELETED.to_owned());
            state.conclusion = Some(Conclusion::Ran { ends, cause });
            return state;
        }
        if let Some(trouble) = &trouble {
            let grace = trouble.grace.map(|grace| grace.min(self.wanted.deadline));
            state.wants_log = trouble.wants_log.clone();
            if grace.is_some_and(|grace| lasted >= grace) && state.wants_log.is_none() {
                state.conclusion = Some(Conclusion::Fault {
                    exit: trouble.exit,
                    sentence: trouble.sentence.clone(),
                });
                return state;
            }
        }
        if waited >= self.limit(step) {
            if step == Step::Running && all.iter().any(|it| it.has_ended(seen)) {
                state.conclusion = Some(self.without_those_that_hang(seen, &all, waited));
                return state;
            }
            let sentence = match trouble {
                Some(trouble) => trouble.sentence,
                None => self.overdue(step, seen, &all),
            };
            state.conclusion = Some(Conclusion::Fault {
                exit: COULD_NOT_RUN,
                sentence: format!("{sentence} (waited for {})", short(self.limit(step))),
            });
        }
        state
    }

    fn step_of(&self, seen: &Seen, all: &[Runner<'_>]) -> Step {
        let succeeded = |part: &str| {
            let job = seen
                .job(&self.wanted.job(part))
                .is_some_and(|job| job.status.succeeded > 0);
            let pod = seen.pod_of(&self.wanted.job(part));
            job || pod.is_some_and(|pod| pod.status.phase == "Succeeded")
        };
        let has_begun = self.step >= Step::Running
            || succeeded("starter")
            || matches!(seen.stage(), "stopped" | "finished");
        let ended = all.iter().all(|it| it.has_ended(seen));
        match () {
            () if has_begun && ended => Step::Ended,
            () if has_begun => Step::Running,
            () if all.iter().all(|it| it.is_running(seen)) => Step::Starting,
            () if succeeded("initializer") || all.iter().any(|it| it.job.is_some()) => {
                Step::Creating
            }
            () if seen.job(&self.wanted.job("initializer")).is_some() => Step::Initializing,
            () => Step::Accepted,
        }
    }

    /// How long the trouble has lasted.
    fn lasted(&mut self, trouble: Option<&Trouble>, now: Duration) -> Duration {
        let Some(trouble) = trouble else {
            self.trouble = None;
            return Duration::ZERO;
        };
        match &self.trouble {
            Some((about, since)) if *about == trouble.about => now.saturating_sub(*since),
            _ => {
                self.trouble = Some((trouble.about.clone(), now));
                Duration::ZERO
            }
        }
    }

    fn limit(&self, step: Step) -> Duration {
        match step {
            Step::Running => self.wanted.at_most + self.wanted.deadline,
            _ => self.wanted.deadline,
        }
    }

    /// What is in the way of the present step.
    fn trouble_of(&self, seen: &Seen, all: &[Runner<'_>]) -> Option<Trouble> {
        match self.step {
            Step::Accepted | Step::Initializing | Step::Creating | Step::Starting
                if seen.stage() == "error" =>
            {
                Some(refused(&self.wanted, seen))
            }
            Step::Initializing => {
                let job = self.wanted.job("initializer");
                let pod = seen.pod_of(&job);
                if pod.is_some_and(|pod| pod.status.phase == "Failed") {
                    return Some(refused(&self.wanted, seen));
                }
                stuck(seen, &job, pod, "the initializer")
            }
            Step::Creating | Step::Starting => {
                let ended = all.iter().find(|it| it.has_ended(seen));
                if let Some(runner) = ended {
                    return Some(ended_early(seen, runner));
                }
                let others = match self.wanted.runners {
                    1 => "",
                    _ => ", which keeps all others waiting",
                };
                let runner = all.iter().find_map(|it| {
                    let job = self.wanted.job(it.number);
                    let mut stuck = stuck(seen, &job, it.pod, &format!("runner {}", it.number))?;
                    stuck.sentence.push_str(others);
                    Some(stuck)
                });
                let job = self.wanted.job("starter");
                let pod = seen.pod_of(&job);
                runner.or_else(|| match pod.filter(|pod| pod.status.phase == "Failed") {
                    Some(pod) => {
                        let code = pod.terminated().map_or(1, |it| it.exit_code);
                        let words = format!("the starter failed with exit code {code}: it could not reach port 6565 of the runners: check the network policies");
                        Some(Trouble::new(&job, Some(MOMENT), words))
                    }
                    None => stuck(seen, &job, pod, "the starter, which has the runners begin,"),
                })
            }
            Step::Accepted | Step::Running | Step::Ended => None,
        }
    }

    /// What the others did counts, though some do not come to their end.
    fn without_those_that_hang(
        &self,
        seen: &Seen,
        all: &[Runner<'_>],
        waited: Duration,
    ) -> Conclusion {
        let beyond = short(waited.saturating_sub(self.wanted.at_most));
        let mut ends = seen.ends(&self.wanted);
        for (end, runner) in ends.iter_mut().zip(all) {
            if !runner.has_ended(seen) {
                let since = runner.since().unwrap_or("an unknown time");
                end.words = format!(
                    "did not end: it has been running since {since}, {beyond} beyond its plan"
                );
            }
        }
        Conclusion::Ran { ends, cause: None }
    }

    /// The TestRun is gone, and not by us.
    fn deleted(&self, step: Step, seen: &Seen, since: Duration) -> Option<Conclusion> {
        if step < Step::Running {
            return Some(Conclusion::Fault {
                exit: COULD_NOT_RUN,
                sentence: "the TestRun was deleted before the load began".into(),
            });
        }
        (since >= LAST_WORDS).then(|| Conclusion::Ran {
            ends: seen.ends(&self.wanted),
            cause: Some(DELETED.into()),
        })
    }

    /// What is to be said of a step that takes too long though nothing shows why.
    fn overdue(&self, step: Step, seen: &Seen, all: &[Runner<'_>]) -> String {
        match step {
            Step::Accepted => "the operator has not taken up the TestRun: is it running, and does it watch this namespace?".into(),
            Step::Initializing => "the initializer has not ended".into(),
            Step::Creating => match all.iter().find(|it| it.job.is_none()) {
                Some(runner) => {
                    let job = self.wanted.job(runner.number);
                    let whose = match seen.has_job(&job) {
                        true => "one of that name belongs to somebody else",
                        false => "one of that name may be there already",
                    };
                    format!("the operator has not created Job {job} (stage {}): {whose}", seen.stage())
                }
                None => {
                    let late = all.iter().find(|it| !it.is_running(seen));
                    let number = late.map_or(1, |it| it.number);
                    format!("runner {number} does not run, and nothing shows why")
                }
            },
            Step::Starting => match seen.job(&self.wanted.job("starter")) {
                Some(_) => "the starter has not ended, so the runners have yet to begin".into(),
                None => "the operator does not start the runners, though all run: it may be unable to reach their port 6565: check the network policies".into(),
            },
            Step::Running | Step::Ended => {
                let late = all.iter().filter(|it| !it.has_ended(seen));
                let late: Vec<String> = late.map(|it| it.number.to_string()).collect();
                let these = if late.len() == 1 { "runner" } else { "runners" };
                format!("{these} {} did not end: the starter may have told none to begin", late.join(", "))
            }
        }
    }

    fn progress(
        &self,
        step: Step,
        all: &[Runner<'_>],
        running: usize,
        trouble: Option<&Trouble>,
    ) -> String {
        if let Some(trouble) = trouble {
            return trouble.sentence.clone();
        }
        let n = all.len();
        match step {
            Step::Accepted => "waiting for the operator".into(),
            Step::Initializing => "the initializer looks at the test".into(),
            Step::Creating => format!("{running} of {n} runners are ready"),
            Step::Starting => format!("{n} of {n} runners are ready to begin"),
            Step::Running => format!("{running} of {n} runners make load"),
            Step::Ended => format!("{n} of {n} runners have ended"),
        }
    }
}

const DELETED: &str = "the TestRun was deleted while the load ran";
