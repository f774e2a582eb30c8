//! What a real cluster did, told to the watcher once more: k6-operator 1.6.0 on Kubernetes 1.36.2.
//!
//! Each file of `fixtures/recorded` has the changes of one TestRun's objects as their watches told of them, in the order of
//! their resource versions, with what is read of them; then the warnings among its events, and the log that explains the
//! end, if one does. The time is that of the objects' own timestamps, in seconds.

use std::time::Duration;

use serde::Deserialize;

use super::super::objects::{Object, WatchEvent};
use super::super::seen::{Seen, Wanted};
use super::super::watch::{Conclusion, Step, Watcher};

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Log { log: String },
    Change(Box<At>),
}

#[derive(Deserialize)]
struct At {
    at: f64,
    #[serde(flatten)]
    change: WatchEvent,
}

macro_rules! recorded {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../fixtures/recorded/", $name, ".jsonl")))),*]
    };
}

const RECORDED: [(&str, &str); 17] = recorded![
    "aborts",
    "cleanup-post",
    "crossed",
    "deleted",
    "init-throws-in-runner",
    "no-configmap",
    "no-initializer-image",
    "no-runner-image",
    "no-secret",
    "no-starter-image",
    "ok",
    "oom",
    "out-in-one-word",
    "podgone",
    "restricted",
    "separate",
    "too-parallel",
];

fn wanted(name: &str, runners: u32) -> Wanted {
    Wanted {
        name: name.to_owned(),
        runners,
        at_most: Duration::from_secs(60),
        deadline: Duration::from_secs(300),
    }
}

/// The step at which a test ended, what it came to, and when.
fn replay(name: &str, text: &str) -> (Step, Conclusion, Duration) {
    let lines: Vec<Line> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let log = lines.iter().find_map(|line| match line {
        Line::Log { log } => Some(log.clone()),
        Line::Change(_) => None,
    });
    let runners = match name {
        "restricted" => 1,
        "too-parallel" => 7,
        _ => 2,
    };
    let mut watcher = Watcher::new(wanted(name, runners));
    let mut seen = Seen::default();
    let mut now = Duration::ZERO;
    let mut observe = |seen: &mut Seen, now| {
        let mut state = watcher.observe(seen, now);
        if let Some(pod) = state.wants_log.take() {
            seen.log(&pod, log.clone().unwrap_or_default());
            state = watcher.observe(seen, now);
        }
        Some((state.step, state.conclusion?, now))
    };
    let (events, changes): (Vec<At>, Vec<At>) = lines
        .into_iter()
        .filter_map(|line| match line {
            Line::Change(at) => Some(*at),
            Line::Log { .. } => None,
        })
        .partition(|it| matches!(it.change.object, Object::Event(_)));
    for event in events {
        seen.apply(event.change);
    }
    for it in changes {
        now = now.max(Duration::from_secs_f64(it.at));
        seen.apply(it.change);
        if let Some(end) = observe(&mut seen, now) {
            return end;
        }
    }
    for second in 1..3600 {
        if let Some(end) = observe(&mut seen, now + Duration::from_secs(second)) {
            return end;
        }
    }
    panic!("{name} never ends");
}

#[test]
fn every_recording_ends_at_its_stage_with_its_code_and_its_sentence() {
    let pull = r#"Container image "localhost/none:1" is not present with pull policy of Never"#;
    let table: [(&str, Step, u8, &str); 17] = [
        ("ok", Step::Ended, 0, ""),
        ("cleanup-post", Step::Ended, 0, ""),
        (
            "crossed",
            Step::Ended,
            1,
            "runner 1: k6 exited with 99: thresholds were crossed",
        ),
        (
            "aborts",
            Step::Ended,
            1,
            "runner 1: k6 exited with 108: the script aborted the test",
        ),
        (
            "oom",
            Step::Ended,
            1,
            "runner 1: killed for want of memory (OOMKilled): give more with --memory, or take more runners",
        ),
        (
            "podgone",
            Step::Ended,
            1,
            "runner 1: the pod was deleted or evicted while k6 ran (exit code 105)",
        ),
        (
            "deleted",
            Step::Ended,
            1,
            "the TestRun was deleted while the load ran",
        ),
        (
            "init-throws-in-runner",
            Step::Creating,
            3,
            "runner 1 ended before the load began, so the others wait for ever: k6 exited with 107: a script exception: Error: boom in init, only where IS_RUNNER is set",
        ),
        (
            "no-runner-image",
            Step::Creating,
            3,
            &format!(
                "runner 1 cannot start: ErrImageNeverPull: {pull}, which keeps all others waiting"
            ),
        ),
        (
            "no-initializer-image",
            Step::Initializing,
            3,
            &format!("the initializer cannot start: ErrImageNeverPull: {pull}"),
        ),
        (
            "no-configmap",
            Step::Initializing,
            3,
            "the initializer cannot start: FailedMount: MountVolume.SetUp failed for volume \"k6-test-volume\" : configmap \"no-configmap\" not found",
        ),
        (
            "no-starter-image",
            Step::Starting,
            3,
            &format!(
                "the starter, which has the runners begin, cannot start: ErrImageNeverPull: {pull}"
            ),
        ),
        (
            "no-secret",
            Step::Creating,
            3,
            "runner 1 cannot start: CreateContainerConfigError: secret \"absent\" not found, which keeps all others waiting",
        ),
        (
            "separate",
            Step::Creating,
            3,
            "runner 2 finds no node: Unschedulable: 0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod., which keeps all others waiting (waited for 5 min)",
        ),
        (
            "restricted",
            Step::Initializing,
            3,
            "the initializer gets no pod: Error creating: pods",
        ),
        (
            "out-in-one-word",
            Step::Initializing,
            3,
            "the initializer failed with exit code 1: unknown flag: --out",
        ),
        (
            "too-parallel",
            Step::Creating,
            2,
            "the test has 4 virtual users, too few for 7 runners: take fewer, or more users with --vus-scale",
        ),
    ];
    let guide = include_str!("../../../../load-tests/cluster.md");
    let mut seen = 0;
    for (name, text) in RECORDED {
        let (_, step, exit, sentence) = table.iter().find(|row| row.0 == name).unwrap();
        let (at, conclusion, _) = replay(name, text);
        let (code, told) = conclusion.told();
        assert_eq!((at, code), (*step, *exit), "{name}: {told}");
        let row = guide
            .lines()
            .find(|line| line.starts_with('|') && line.contains(&format!("`{name}`")));
        let row = row.unwrap_or_else(|| panic!("{name} has no row in the guide"));
        assert!(row.ends_with(&format!("| {exit} |")), "{name}: {row}");
        match name {
            "restricted" => assert!(
                told.starts_with(sentence)
                    && told.contains("violates PodSecurity \"restricted:latest\""),
                "{told}"
            ),
            _ => assert_eq!(told, *sentence, "{name}"),
        }
        seen += 1;
    }
    assert_eq!(seen, table.len());
}
