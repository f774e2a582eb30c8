//! What keeps a test on a cluster from going on, in words: the operator's stage never says why, so the statuses of Jobs and
//! pods, and the warnings about them, do.

use std::time::Duration;

use k6_summary::one_line;

use super::objects::Pod;
use super::seen::{LONGEST, Runner, Seen, Wanted};
use crate::error::{COULD_NOT_RUN, USAGE};
use crate::record::plural;

/// How long something that does not mend itself is looked at before it is believed.
const GRACE: Duration = Duration::from_secs(30);
/// The same for what the next watch may explain: streams of different kinds come in no order.
pub const MOMENT: Duration = Duration::from_secs(10);
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

/// Something that is in the way.
#[derive(Debug)]
pub struct Trouble {
    /// The object that it is about.
    pub about: String,
    /// What it is.
    pub sentence: String,
    /// The exit code if it stays.
    pub exit: u8,
    /// How long it must last to be believed; none if it may mend itself.
    pub grace: Option<Duration>,
    /// The pod whose log would explain it.
    pub wants_log: Option<String>,
}

impl Trouble {
    /// One that keeps the test from running.
    pub fn new(about: &str, grace: Option<Duration>, sentence: String) -> Self {
        Self {
            about: about.to_owned(),
            sentence,
            exit: COULD_NOT_RUN,
            grace,
            wants_log: None,
        }
    }
}

/// The initializer, or the operator by what it said, refuses the test.
pub fn refused(wanted: &Wanted, seen: &Seen) -> Trouble {
    let job = wanted.job("initializer");
    let mut trouble = Trouble::new(&job, Some(Duration::ZERO), String::new());
    let Some(pod) = seen.pod_of(&job) else {
        trouble.sentence =
            "the operator gave the test up, and its initializer is gone: its log says why".into();
        return trouble;
    };
    let Some(log) = seen.log_of(&pod.metadata.name) else {
        trouble.wants_log = Some(pod.metadata.name.clone());
        trouble.sentence = "the initializer failed, and its log cannot be read".into();
        return trouble;
    };
    let users = serde_json::from_str::<serde_json::Value>(log.trim())
        .ok()
        .and_then(|requirements| requirements["maxVUs"].as_u64());
    match (users, pod.terminated().map_or(1, |it| it.exit_code)) {
        (Some(users), 0) if users < u64::from(wanted.runners) => {
            trouble.exit = USAGE;
            trouble.sentence = format!(
                "the test has {}, too few for {} runners: take fewer, or more users with --vus-scale",
                plural(users, "virtual user"),
                wanted.runners
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

/// Why a Job or its pod does not come to run, if something shows it.
pub fn stuck(seen: &Seen, job: &str, pod: Option<&Pod>, who: &str) -> Option<Trouble> {
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
pub fn ended_early(seen: &Seen, runner: &Runner<'_>) -> Trouble {
    let end = runner.end(seen);
    let mut sentence = format!(
        "runner {} ended before the load began, so the others wait for ever: {}",
        end.runner, end.words
    );
    let about = format!("runner {}", end.runner);
    let log = end.pod.as_deref().map(|pod| (pod, seen.log_of(pod)));
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
