//! What was seen of a test's objects on a cluster, whose streams come in no order, and what that says of its runners.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k6_summary::{K6Exit, THRESHOLDS_CROSSED, one_line};

use super::objects::{Job, List, Meta, Object, ObjectEvent, Pod, TestRun, WatchEvent};

/// The longest message of Kubernetes' that is quoted, in characters.
pub const LONGEST: usize = 300;

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

impl Wanted {
    /// The name of the Job that the operator creates for a part of the test: `initializer`, `starter`, or a runner's
    /// number.
    pub fn job(&self, part: impl std::fmt::Display) -> String {
        format!("{}-{part}", self.name)
    }
}

/// What was seen of the objects, those that are gone as they were last.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    test_run: Option<TestRun>,
    /// Whether the TestRun is gone.
    pub(super) is_deleted: bool,
    jobs: BTreeMap<String, Job>,
    pods: BTreeMap<String, Pod>,
    gone: BTreeSet<String>,
    events: Vec<ObjectEvent>,
    /// Logs that were asked for, by pod.
    logs: BTreeMap<String, String>,
}

/// Which kind of objects a list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// The TestRun.
    TestRuns,
    /// Its Jobs.
    Jobs,
    /// Their pods.
    Pods,
}

impl Seen {
    /// Takes note of a change.
    pub fn apply(&mut self, change: WatchEvent) {
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
    pub fn reconcile(&mut self, kind: ObjectKind, list: List) {
        match kind {
            ObjectKind::TestRuns => {
                self.is_deleted = self.test_run.is_some() && list.items.is_empty();
            }
            ObjectKind::Jobs => {}
            ObjectKind::Pods => self.gone.extend(self.pods.keys().cloned()),
        }
        for object in list.items {
            if let Object::Pod(pod) = &object {
                self.gone.remove(&pod.metadata.name);
            }
            self.apply(WatchEvent {
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

    /// The runners, as far as they are there.
    pub fn runners(&self, wanted: &Wanted) -> Vec<Runner<'_>> {
        let runners = (1..=wanted.runners).map(|number| {
            let job = wanted.job(number);
            Runner {
                number,
                pod: self.pod_of(&job),
                job: self.job(&job),
            }
        });
        runners.collect()
    }

    /// How each runner ended, as far as it has.
    pub fn ends(&self, wanted: &Wanted) -> Vec<RunnerEnd> {
        let runners = self.runners(wanted).into_iter();
        runners.map(|it| it.end(self)).collect()
    }

    /// The node on which a runner was.
    pub fn node(&self, end: &RunnerEnd) -> Option<String> {
        self.pods.get(end.pod.as_ref()?)?.spec.node_name.clone()
    }

    /// Whether a Job has ended whose pod, as far as it was seen, has not: its watch may be late, or the pod be gone before
    /// its watch began.
    pub fn is_behind(&self, wanted: &Wanted) -> bool {
        let is_behind =
            |it: &Runner<'_>| it.job_has_ended() && it.pod.is_some() && !it.has_ended(self);
        self.runners(wanted).iter().any(is_behind)
    }

    /// The log of a pod, if it was asked for.
    pub(super) fn log_of(&self, pod: &str) -> Option<&String> {
        self.logs.get(pod)
    }

    /// Whether there is a Job of this name, whoever's it is.
    pub(super) fn has_job(&self, name: &str) -> bool {
        self.jobs.contains_key(name)
    }

    /// The uid of the TestRun.
    pub fn uid(&self) -> Option<&str> {
        self.test_run.as_ref().map(|it| &*it.metadata.uid)
    }

    pub(super) fn stage(&self) -> &str {
        self.test_run.as_ref().map_or("", |it| &it.status.stage)
    }

    /// The pod of the Job of this name: none of an earlier Job, or of somebody else's, that has the name too.
    pub(super) fn pod_of(&self, job: &str) -> Option<&Pod> {
        let known = self.jobs.contains_key(job);
        let own = self.job(job).map(|it| &*it.metadata.uid);
        let is_own = |pod: &&Pod| own == Some("") || own == pod.job_uid();
        let mut pods = self.pods.values().filter(|pod| pod.job() == job);
        pods.find(|pod| !known || is_own(pod))
    }

    /// The Job of this name, if it belongs to the TestRun.
    pub(super) fn job(&self, name: &str) -> Option<&Job> {
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
    pub(super) fn warning(&self, name: &str, reasons: &[&str]) -> Option<&ObjectEvent> {
        let mut of_it = self.events.iter().rev();
        of_it.find(|event| event.involved_object.name == name && reasons.contains(&&*event.reason))
    }
}

/// A runner, as far as it is there.
#[derive(Debug)]
pub struct Runner<'a> {
    /// Which one it is, from 1.
    pub number: u32,
    /// Its pod.
    pub pod: Option<&'a Pod>,
    /// Its Job.
    pub job: Option<&'a Job>,
}

impl Runner<'_> {
    /// Whether its k6 runs.
    pub fn is_running(&self, seen: &Seen) -> bool {
        self.pod.is_some_and(|pod| {
            pod.status.phase == "Running" && !pod.has_ended() && !seen.is_gone(pod)
        })
    }

    /// Whether nothing more is to be heard of it.
    pub fn has_ended(&self, seen: &Seen) -> bool {
        match self.pod {
            // Its Job may be heard of first, and does not tell how it ended.
            Some(pod) => pod.has_ended() || seen.is_gone(pod),
            None => self.job_has_ended(),
        }
    }

    /// Since when its container runs, as Kubernetes writes it.
    pub fn since(&self) -> Option<&str> {
        let running = self.pod?.container()?.running.as_ref()?;
        running["startedAt"].as_str()
    }

    fn job_has_ended(&self) -> bool {
        self.job
            .is_some_and(|job| job.status.failed + job.status.succeeded > 0)
    }

    /// How it ended, as far as it has.
    pub fn end(&self, seen: &Seen) -> RunnerEnd {
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
        matches!(self.exit, Some(0 | THRESHOLDS_CROSSED))
    }
}
