//! How a test on a cluster goes, from nothing but the statuses of its objects and the time: no process, no clock.
//!
//! The operator's stage never says why, and `started` means only that a Job was created. So the Jobs' and Pods' own
//! statuses decide, and where one stands still, the sentence names what they and the events say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k6_summary::{K6Exit, one_line};

use super::objects::{Change, Event, Job, List, Meta, Object, Pod, TestRun};
use crate::error::{COULD_NOT_RUN, USAGE};
use crate::k6::short;
use crate::record::plural;

/// How long something that does not mend itself is looked at before it is believed.
const GRACE: Duration = Duration::from_secs(30);
/// The same for what the next watch may explain: streams of different kinds come in no order.
const MOMENT: Duration = Duration::from_secs(10);
/// How long runners of a TestRun that is gone may take to end: their grace is half a minute.
const LAST_WORDS: Duration = Duration::from_secs(60);
/// The longest message of Kubernetes' that is quoted, in characters.
const LONGEST: usize = 300;
/// Reasons of a waiting container which somebody has to mend.
const HOPELESS: [&str; 8] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
];

/// What is waited for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The name of the TestRun.
    pub name: String,
    /// Its runners.
    pub runners: u32,
    /// The longest that the load may take by its plan.
    pub at_most: Duration,
    /// The longest that each stage before the load may take, and the load beyond its plan.
    pub deadline: Duration,
}

/// What was seen of the objects, those that are gone as they were last.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    test_run: Option<TestRun>,
    is_deleted: bool,
    jobs: BTreeMap<String, Job>,
    pods: BTreeMap<String, Pod>,
    gone: BTreeSet<String>,
    events: Vec<Event>,
    /// Logs that were asked for, by pod.
    logs: BTreeMap<String, String>,
}

/// Which kind of objects a list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The TestRun.
    TestRuns,
    /// Its Jobs.
    Jobs,
    /// Their pods.
    Pods,
}

impl Seen {
    /// Takes note of a change.
    pub fn apply(&mut self, change: Change) {
        let is_gone = change.kind == "DELETED";
        if let Some(new) = change.object.meta()
            && self
                .meta(&change.object)
                .is_some_and(|known| new.is_before(known))
        {
            return;
        }
        match change.object {
            Object::TestRun(test_run) => {
                self.is_deleted = is_gone;
                self.test_run = Some(test_run);
            }
            Object::Job(job) => {
                self.jobs.insert(job.metadata.name.clone(), job);
            }
            Object::Pod(pod) => {
                let name = pod.metadata.name.clone();
                match is_gone {
                    true => self.gone.insert(name.clone()),
                    false => self.gone.remove(&name),
                };
                self.pods.insert(name, pod);
            }
            Object::Event(event) => self.events.push(event),
            Object::Other => {}
        }
    }

    /// What is known of the same object.
    fn meta(&self, object: &Object) -> Option<&Meta> {
        let name = &object.meta()?.name;
        match object {
            Object::TestRun(_) => self.test_run.as_ref().map(|it| &it.metadata),
            Object::Job(_) => self.jobs.get(name).map(|it| &it.metadata),
            Object::Pod(_) => self.pods.get(name).map(|it| &it.metadata),
            Object::Event(_) | Object::Other => None,
        }
    }

    /// Takes note of all objects of a kind: what is not among them is gone.
    pub fn reconcile(&mut self, kind: Kind, list: List) {
        match kind {
            Kind::TestRuns => self.is_deleted = self.test_run.is_some() && list.items.is_empty(),
            Kind::Jobs => {}
            Kind::Pods => self.gone.extend(self.pods.keys().cloned()),
        }
        for object in list.items {
            if let Object::Pod(pod) = &object {
                self.gone.remove(&pod.metadata.name);
            }
            self.apply(Change {
                kind: "MODIFIED".into(),
                object,
            });
        }
    }

    /// Takes note of all warnings that there are.
    pub fn events(&mut self, list: List) {
        let events = list.items.into_iter().filter_map(|object| match object {
            Object::Event(event) => Some(event),
            _ => None,
        });
        self.events = events.collect();
    }

    /// Takes note of the log of a pod that was asked for.
    pub fn log(&mut self, pod: &str, text: String) {
        self.logs.insert(pod.to_owned(), text);
    }

    /// The pods of runners, by runner.
    pub fn runners(&self, wanted: &Wanted) -> Vec<(u32, Option<&Pod>)> {
        (1..=wanted.runners)
            .map(|runner| (runner, self.pod_of(&format!("{}-{runner}", wanted.name))))
            .collect()
    }

    /// How each runner ended, as far as it has.
    pub fn ends(&self, wanted: &Wanted) -> Vec<RunnerEnd> {
        let pods = self.runners(wanted).into_iter();
        pods.map(|(number, pod)| {
            let job = self.job(&format!("{}-{number}", wanted.name));
            Runner { number, pod, job }.end(self)
        })
        .collect()
    }

    /// The node on which a runner was.
    pub fn node(&self, end: &RunnerEnd) -> Option<String> {
        self.pods.get(end.pod.as_ref()?)?.spec.node_name.clone()
    }

    /// Whether a Job has ended whose pod, as far as it was seen, has not: its watch may be late, or the pod be gone before
    /// its watch began.
    pub fn is_behind(&self, wanted: &Wanted) -> bool {
        self.runners(wanted).into_iter().any(|(number, pod)| {
            let job = self.job(&format!("{}-{number}", wanted.name));
            let ended = job.is_some_and(|job| job.status.failed + job.status.succeeded > 0);
            ended && pod.is_some_and(|pod| !pod.has_ended() && !self.is_gone(pod))
        })
    }

    /// The uid of the TestRun.
    pub fn uid(&self) -> Option<&str> {
        self.test_run.as_ref().map(|it| &*it.metadata.uid)
    }

    fn stage(&self) -> &str {
        self.test_run.as_ref().map_or("", |it| &it.status.stage)
    }

    /// The pod of the Job of this name: none of an earlier Job, or of somebody else's, that has the name too.
    fn pod_of(&self, job: &str) -> Option<&Pod> {
        let known = self.jobs.contains_key(job);
        let own = self.job(job).map(|it| &*it.metadata.uid);
        let is_own = |pod: &&Pod| own == Some("") || own == pod.job_uid();
        let mut pods = self.pods.values().filter(|pod| pod.job() == job);
        pods.find(|pod| !known || is_own(pod))
    }

    /// The Job of this name, if it belongs to the TestRun.
    fn job(&self, name: &str) -> Option<&Job> {
        let job = self.jobs.get(name)?;
        let mut owners = job.metadata.owner_references.iter();
        owners
            .any(|owner| Some(&*owner.uid) == self.uid())
            .then_some(job)
    }

    /// Whether a pod that was seen is no longer there.
    pub fn is_gone(&self, pod: &Pod) -> bool {
        self.gone.contains(&pod.metadata.name)
    }

    /// Whether a pod's liveness probe failed.
    fn failed_liveness(&self, pod: &str) -> bool {
        self.events.iter().any(|event| {
            event.involved_object.name == pod
                && event.reason == "Unhealthy"
                && event.message.starts_with("Liveness")
        })
    }

    /// The latest warning with one of these reasons about an object.
    fn warning(&self, name: &str, reasons: &[&str]) -> Option<&Event> {
        let mut of_it = self.events.iter().rev();
        of_it.find(|event| event.involved_object.name == name && reasons.contains(&&*event.reason))
    }
}

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
pub struct State {
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
    /// Load was made, and all runners have ended.
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

/// How a runner ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunnerEnd {
    /// Which one it is, from 1.
    pub runner: u32,
    /// Its pod.
    pub pod: Option<String>,
    /// k6's exit code, if it is known.
    pub exit: Option<i32>,
    /// How it ended, in words.
    pub words: String,
    /// What it wrote to its termination log.
    pub message: Option<String>,
}

impl RunnerEnd {
    /// Whether k6 came to its end by itself, whatever it thinks of the test.
    pub fn is_whole(&self) -> bool {
        matches!(self.exit, Some(0 | 99))
    }
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

/// Something that is in the way.
#[derive(Debug)]
struct Trouble {
    /// The object that it is about.
    about: String,
    sentence: String,
    exit: u8,
    /// How long it must last to be believed; none if it may mend itself.
    grace: Option<Duration>,
    wants_log: Option<String>,
}

impl Trouble {
    fn new(about: &str, grace: Option<Duration>, sentence: String) -> Self {
        Self {
            about: about.to_owned(),
            sentence,
            exit: COULD_NOT_RUN,
            grace,
            wants_log: None,
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
    pub fn observe(&mut self, seen: &Seen, now: Duration) -> State {
        let all = self.runners(seen);
        let running = all.iter().filter(|it| it.is_running(seen)).count();
        let step = self.step_of(seen, &all).max(self.step.min(Step::Running));
        if step > self.step || running > self.running {
            (self.step, self.running, self.since) = (step, running, now);
        }
        let waited = now.saturating_sub(self.since);
        let trouble = self.trouble_of(seen, &all);
        let lasted = self.lasted(trouble.as_ref(), now);
        let mut state = State {
            step,
            progress: self.progress(step, &all, running, trouble.as_ref()),
            conclusion: None,
            wants_log: None,
        };
        if seen.is_deleted && step != Step::Ended {
            let gone = *self.gone.get_or_insert(now);
            state.conclusion = self.deleted(step, seen, &all, now.saturating_sub(gone));
            return state;
        }
        if step == Step::Ended {
            let ends: Vec<RunnerEnd> = all.iter().map(|it| it.end(seen)).collect();
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

    fn runners<'a>(&self, seen: &'a Seen) -> Vec<Runner<'a>> {
        let pods = seen.runners(&self.wanted).into_iter();
        pods.map(|(number, pod)| Runner {
            number,
            pod,
            job: seen.job(&format!("{}-{number}", self.wanted.name)),
        })
        .collect()
    }

    fn step_of(&self, seen: &Seen, all: &[Runner<'_>]) -> Step {
        let of = |part: &str| format!("{}-{part}", self.wanted.name);
        let succeeded = |part: &str| {
            let job = seen
                .job(&of(part))
                .is_some_and(|job| job.status.succeeded > 0);
            let pod = seen.pod_of(&of(part));
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
            () if seen.job(&of("initializer")).is_some() => Step::Initializing,
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
        let name = &self.wanted.name;
        match self.step {
            Step::Accepted | Step::Initializing | Step::Creating | Step::Starting
                if seen.stage() == "error" =>
            {
                Some(self.refused(seen))
            }
            Step::Initializing => {
                let job = format!("{name}-initializer");
                let pod = seen.pod_of(&job);
                if pod.is_some_and(|pod| pod.status.phase == "Failed") {
                    return Some(self.refused(seen));
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
                    let job = format!("{name}-{}", it.number);
                    let mut stuck = stuck(seen, &job, it.pod, &format!("runner {}", it.number))?;
                    stuck.sentence.push_str(others);
                    Some(stuck)
                });
                let job = format!("{name}-starter");
                let pod = seen.pod_of(&job);
                runner.or_else(|| match pod.filter(|pod| pod.status.phase == "Failed") {
                    Some(pod) => {
                        let code = pod.terminated().map_or(1, |it| it.exit_code);
                        let words = format!("the starter failed with exit code {code}: it reaches no runner's port 6565, as network policies may have it");
                        Some(Trouble::new(&job, Some(MOMENT), words))
                    }
                    None => stuck(seen, &job, pod, "the starter, which has the runners begin,"),
                })
            }
            Step::Accepted | Step::Running | Step::Ended => None,
        }
    }

    /// The initializer, or the operator by what it said, refuses the test.
    fn refused(&self, seen: &Seen) -> Trouble {
        let job = format!("{}-initializer", self.wanted.name);
        let mut trouble = Trouble::new(&job, Some(Duration::ZERO), String::new());
        let Some(pod) = seen.pod_of(&job) else {
            trouble.sentence =
                "the operator gave the test up, and its initializer is gone: its log says why"
                    .into();
            return trouble;
        };
        let Some(log) = seen.logs.get(&pod.metadata.name) else {
            trouble.wants_log = Some(pod.metadata.name.clone());
            trouble.sentence = "the initializer failed, and its log cannot be read".into();
            return trouble;
        };
        let users = serde_json::from_str::<serde_json::Value>(log.trim())
            .ok()
            .and_then(|requirements| requirements["maxVUs"].as_u64());
        match (users, pod.terminated().map_or(1, |it| it.exit_code)) {
            (Some(users), 0) if users < u64::from(self.wanted.runners) => {
                trouble.exit = USAGE;
                trouble.sentence = format!(
                    "the test has {}, too few for {} runners: take fewer, or more users with --vus-scale",
                    plural(users, "virtual user"),
                    self.wanted.runners
                );
            }
            (_, 0) => {
                trouble.sentence = format!(
                    "the operator cannot use what the initializer said: {}",
                    last_words(log)
                );
            }
            (_, code) => {
                trouble.sentence = format!(
                    "the initializer failed with exit code {code}: {}",
                    last_words(log)
                );
            }
        }
        trouble
    }

    /// The TestRun is gone, and not by us.
    fn deleted(
        &self,
        step: Step,
        seen: &Seen,
        all: &[Runner<'_>],
        since: Duration,
    ) -> Option<Conclusion> {
        if step < Step::Running {
            return Some(Conclusion::Fault {
                exit: COULD_NOT_RUN,
                sentence: "the TestRun was deleted before the load began".into(),
            });
        }
        (since >= LAST_WORDS).then(|| Conclusion::Ran {
            ends: all.iter().map(|it| it.end(seen)).collect(),
            cause: Some(DELETED.into()),
        })
    }

    /// What is to be said of a step that takes too long though nothing shows why.
    fn overdue(&self, step: Step, seen: &Seen, all: &[Runner<'_>]) -> String {
        let name = &self.wanted.name;
        match step {
            Step::Accepted => "the operator has not taken up the TestRun: is it running, and does it watch this namespace?".into(),
            Step::Initializing => "the initializer has not ended".into(),
            Step::Creating => match all.iter().find(|it| it.job.is_none()) {
                Some(runner) => {
                    let job = format!("{name}-{}", runner.number);
                    let whose = match seen.jobs.contains_key(&job) {
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
            Step::Starting => match seen.job(&format!("{name}-starter")) {
                Some(_) => "the starter has not ended, so the runners have yet to begin".into(),
                None => "the operator does not start the runners, though all run: it may not reach their port 6565, as network policies may have it".into(),
            },
            Step::Running | Step::Ended => {
                let late = all.iter().filter(|it| !it.has_ended(seen));
                let late: Vec<String> = late.map(|it| it.number.to_string()).collect();
                format!("runner {} did not end: it may never have been told to begin", late.join(", "))
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

/// A runner, as far as it is there.
struct Runner<'a> {
    number: u32,
    pod: Option<&'a Pod>,
    job: Option<&'a Job>,
}

impl Runner<'_> {
    fn is_running(&self, seen: &Seen) -> bool {
        self.pod.is_some_and(|pod| {
            pod.status.phase == "Running" && !pod.has_ended() && !seen.is_gone(pod)
        })
    }

    fn has_ended(&self, seen: &Seen) -> bool {
        let by_job = self
            .job
            .is_some_and(|job| job.status.failed + job.status.succeeded > 0);
        match self.pod {
            // Its Job may be heard of first, and does not tell how it ended.
            Some(pod) => pod.has_ended() || seen.is_gone(pod),
            None => by_job,
        }
    }

    fn end(&self, seen: &Seen) -> RunnerEnd {
        let ended = self.pod.and_then(Pod::terminated);
        RunnerEnd {
            runner: self.number,
            pod: self.pod.map(|pod| pod.metadata.name.clone()),
            exit: ended.map(|it| it.exit_code),
            words: self.words(seen),
            message: ended.and_then(|it| it.message.clone()),
        }
    }

    /// How it ended.
    fn words(&self, seen: &Seen) -> String {
        let Some(pod) = self.pod else {
            return "no pod of it was ever seen".into();
        };
        let whole = pod.status.reason.as_deref().map(|reason| {
            let message = pod.status.message.as_deref().unwrap_or_default();
            format!("{reason}: {}", one_line(message, LONGEST))
        });
        let Some(ended) = pod.terminated() else {
            return match whole {
                Some(reason) => format!("the pod ended by {reason}"),
                None if !seen.is_gone(pod) => "it was still there".into(),
                None => "the pod is gone: deleted or evicted, or its node was lost".into(),
            };
        };
        let exit = match ended.exit_code {
            code @ 129..160 => K6Exit::Signal(code - 128),
            code => K6Exit::Code(code),
        };
        let name = &pod.metadata.name;
        match (ended.exit_code, ended.reason.as_deref()) {
            (_, Some("OOMKilled")) => {
                "killed for want of memory (OOMKilled): give more with --memory, or take more runners".into()
            }
            (0 | 99, _) => exit.to_string(),
            (code, _) if let Some(whole) = whole => format!("the pod ended by {whole} (exit code {code})"),
            (code, _) if pod.metadata.deletion_timestamp.is_some() => {
                format!("the pod was deleted or evicted while k6 ran (exit code {code})")
            }
            (code @ (2 | 137 | 143), _) if seen.failed_liveness(name) => {
                format!("killed for not answering the liveness probe (exit code {code})")
            }
            _ => exit.to_string(),
        }
    }
}

/// Why a Job or its pod does not come to run, if something shows it.
fn stuck(seen: &Seen, job: &str, pod: Option<&Pod>, who: &str) -> Option<Trouble> {
    let Some(pod) = pod else {
        let refused = seen.warning(job, &["FailedCreate"])?;
        let why = one_line(&refused.message, LONGEST);
        return Some(Trouble::new(
            job,
            Some(GRACE),
            format!("{who} gets no pod: {why}"),
        ));
    };
    if pod.status.phase != "Pending" {
        return None;
    }
    let name = &pod.metadata.name;
    let waiting = pod.container().and_then(|it| it.waiting.as_ref());
    if let Some(waiting) = waiting.filter(|it| HOPELESS.contains(&&*it.reason)) {
        let why = one_line(waiting.message.as_deref().unwrap_or_default(), LONGEST);
        let words = format!("{who} cannot start: {}: {why}", waiting.reason);
        return Some(Trouble::new(name, Some(GRACE), words));
    }
    let unscheduled = pod.status.conditions.iter();
    let unscheduled = unscheduled
        .filter(|it| it.kind == "PodScheduled" && it.status == "False")
        .find_map(|it| it.reason.as_deref().zip(it.message.as_deref()));
    if let Some((reason, why)) = unscheduled {
        // A node may be on its way.
        let words = format!("{who} finds no node: {reason}: {}", one_line(why, LONGEST));
        return Some(Trouble::new(name, None, words));
    }
    let event = seen.warning(
        name,
        &[
            "FailedMount",
            "FailedAttachVolume",
            "FailedCreatePodSandBox",
        ],
    )?;
    let why = one_line(&event.message, LONGEST);
    let words = format!("{who} cannot start: {}: {why}", event.reason);
    Some(Trouble::new(name, Some(GRACE), words))
}

/// A runner that ended while the others wait for it: the operator goes on only once all run.
fn ended_early(seen: &Seen, runner: &Runner<'_>) -> Trouble {
    let end = runner.end(seen);
    let mut sentence = format!(
        "runner {} ended before the load began, so the others wait for ever: {}",
        end.runner, end.words
    );
    let about = format!("runner {}", end.runner);
    let log = end.pod.as_deref().map(|pod| (pod, seen.logs.get(pod)));
    let mut wants_log = None;
    match log {
        Some((_, Some(log))) if !log.trim().is_empty() => {
            sentence.push_str(&format!(": {}", last_words(log)));
        }
        Some((pod, None)) => wants_log = Some(pod.to_owned()),
        _ => {}
    }
    Trouble {
        wants_log,
        ..Trouble::new(&about, Some(MOMENT), sentence)
    }
}

/// The last words of a log: of k6's the message, in either of its formats.
fn last_words(log: &str) -> String {
    let line = log.lines().rev().find(|line| !line.trim().is_empty());
    let line = line.unwrap_or("its log is empty");
    let text = serde_json::from_str::<serde_json::Value>(line)
        .ok()
        .and_then(|entry| entry["msg"].as_str().map(str::to_owned))
        .or_else(|| {
            let quoted = line.split_once(" msg=")?.1;
            let mut first = serde_json::Deserializer::from_str(quoted).into_iter::<String>();
            first.next()?.ok()
        });
    let text = text.as_deref().unwrap_or(line);
    one_line(text.split("\n\tat ").next().unwrap_or(text), LONGEST)
}
