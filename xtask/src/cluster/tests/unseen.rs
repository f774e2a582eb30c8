//! What no recording has, told to the watcher in the words of Kubernetes.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::seen::{ObjectKind, Seen, Wanted};
use super::super::watch::{Step, WatchState, Watcher};

fn wanted() -> Wanted {
    Wanted {
        name: "t".into(),
        runners: 2,
        at_most: Duration::from_secs(60),
        deadline: Duration::from_secs(300),
    }
}

fn tell(seen: &mut Seen, kind: &str, object: Value) {
    let mut change = json!({"type": kind});
    change["object"] = object;
    seen.apply(serde_json::from_value(change).unwrap());
}

/// What was seen of a TestRun at `stage`, whose initializer has ended unless there is no stage, and of its other objects.
fn seen(stage: &str, objects: &[Value]) -> Seen {
    let mut seen = Seen::default();
    let test_run = json!({"kind": "TestRun", "metadata": {"name": "t", "uid": "u"}, "status": {"stage": stage}});
    let initializer = (!stage.is_empty()).then(|| job("initializer", "u", json!({"succeeded": 1})));
    for object in [test_run]
        .into_iter()
        .chain(initializer)
        .chain(objects.iter().cloned())
    {
        tell(&mut seen, "ADDED", object);
    }
    seen
}

fn job(part: &str, owner: &str, status: Value) -> Value {
    let metadata =
        json!({"name": format!("t-{part}"), "ownerReferences": [{"name": "t", "uid": owner}]});
    let mut job = json!({"kind": "Job", "metadata": metadata});
    job["status"] = status;
    job
}

fn pod(part: &str, status: Value) -> Value {
    let owner = json!([{"name": format!("t-{part}"), "uid": "j"}]);
    let metadata = json!({"name": format!("t-{part}-x"), "ownerReferences": owner});
    let mut pod = json!({"kind": "Pod", "metadata": metadata});
    pod["status"] = status;
    pod
}

fn running(part: &str) -> Value {
    pod(
        part,
        json!({"phase": "Running", "containerStatuses": [{"name": "k6", "state": {"running": {"startedAt": "2026-11-26T07:20:09Z"}}}]}),
    )
}

fn waiting(part: &str, reason: &str) -> Value {
    let state = json!({"waiting": {"reason": reason, "message": "as it says"}});
    pod(
        part,
        json!({"phase": "Pending", "containerStatuses": [{"name": "k6", "state": state}]}),
    )
}

fn ended(part: &str, code: i32, reason: &str) -> Value {
    let state = json!({"terminated": {"exitCode": code, "reason": reason}});
    let phase = if code == 0 { "Succeeded" } else { "Failed" };
    pod(
        part,
        json!({"phase": phase, "containerStatuses": [{"name": "k6", "state": state}]}),
    )
}

fn event(about: &str, reason: &str, message: &str) -> Value {
    json!({"kind": "Event", "involvedObject": {"name": about}, "reason": reason, "message": message})
}

/// Where it ends, with which code and sentence, after how many seconds, if nothing changes any more.
fn end(seen: &Seen) -> (Step, u8, String, u64) {
    let mut watcher = Watcher::new(wanted());
    for second in 0..3600 {
        let WatchState {
            step, conclusion, ..
        } = watcher.observe(seen, Duration::from_secs(second));
        if let Some(conclusion) = conclusion {
            let (exit, sentence) = conclusion.told();
            return (step, exit, sentence, second);
        }
    }
    panic!("it never ends");
}

#[test]
fn what_stands_still_is_named() {
    let jobs = || [job("1", "u", json!({})), job("2", "u", json!({}))];
    let with = |more: &[Value]| [&jobs(), more].concat();
    let two = || [running("1"), running("2")];
    let begun = |more: &[Value]| [&jobs()[..], &[ended("starter", 0, "Completed")], more].concat();
    let lost = |reason: &str| {
        let status = json!({"phase": "Failed", "reason": reason, "message": "the node is no more"});
        begun(&[pod("1", status), ended("2", 0, "Completed")])
    };
    let quota = "exceeded quota: small";
    let liveness = [
        event("t-1-x", "Unhealthy", "Liveness probe failed"),
        ended("1", 2, "Error"),
        ended("2", 0, "Completed"),
    ];
    use Step::{Accepted, Creating, Ended, Running, Starting};
    for (seen, step, exit, said, seconds) in [
        (
            seen("", &[]),
            Accepted,
            3,
            "the operator has not taken up the TestRun",
            300,
        ),
        (
            seen("initialized", &[]),
            Creating,
            3,
            "the operator has not created Job t-1 (stage initialized): one of that name may be there already",
            300,
        ),
        (
            seen("initialized", &[job("1", "another", json!({"active": 1}))]),
            Creating,
            3,
            "one of that name belongs to somebody else",
            300,
        ),
        // Whoever ended belongs to an older run.
        (
            seen(
                "initialized",
                &["1", "2", "starter"]
                    .map(|part| {
                        [
                            job(part, "another", json!({"succeeded": 1})),
                            ended(part, 0, "Completed"),
                        ]
                    })
                    .concat(),
            ),
            Creating,
            3,
            "one of that name belongs to somebody else",
            300,
        ),
        (
            seen(
                "created",
                &with(&[running("1"), waiting("2", "ImagePullBackOff")]),
            ),
            Creating,
            3,
            "runner 2 cannot start: ImagePullBackOff: as it says, which keeps all others waiting",
            30,
        ),
        (
            seen("created", &with(&[waiting("1", "CreateContainerError")])),
            Creating,
            3,
            "runner 1 cannot start: CreateContainerError: as it says",
            30,
        ),
        (
            seen(
                "created",
                &with(&[running("1"), event("t-2", "FailedCreate", quota)]),
            ),
            Creating,
            3,
            "runner 2 gets no pod: exceeded quota: small",
            30,
        ),
        (
            seen(
                "created",
                &with(&[running("1"), waiting("2", "ContainerCreating")]),
            ),
            Creating,
            3,
            "runner 2 does not run, and nothing shows why (waited for 5 min)",
            300,
        ),
        (
            seen("created", &with(&two())),
            Starting,
            3,
            "does not start the runners, though all run",
            300,
        ),
        (
            seen(
                "started",
                &with(
                    &[
                        &two()[..],
                        &[
                            job("starter", "u", json!({"failed": 1})),
                            ended("starter", 7, "Error"),
                        ],
                    ]
                    .concat(),
                ),
            ),
            Starting,
            3,
            "the starter failed with exit code 7",
            10,
        ),
        (
            seen(
                "started",
                &begun(&[ended("1", 0, "Completed"), running("2")]),
            ),
            Running,
            1,
            "runner 2: did not end: it has been running since 2026-11-26T07:20:09Z, 5 min beyond its plan",
            360,
        ),
        (
            seen("started", &begun(&two())),
            Running,
            3,
            "runners 1, 2 did not end: the starter may have told none to begin",
            360,
        ),
        (
            seen("finished", &lost("NodeLost")),
            Ended,
            1,
            "runner 1: the pod ended by NodeLost: the node is no more",
            0,
        ),
        (
            seen("finished", &lost("Evicted")),
            Ended,
            1,
            "runner 1: the pod ended by Evicted: the node is no more",
            0,
        ),
        (
            seen("finished", &begun(&liveness)),
            Ended,
            1,
            "runner 1: killed for not answering the liveness probe (exit code 2)",
            0,
        ),
        (
            seen(
                "finished",
                &[
                    job("1", "u", json!({"failed": 1})),
                    job("2", "u", json!({"succeeded": 1})),
                ],
            ),
            Ended,
            1,
            "runner 1: no pod of it was ever seen",
            0,
        ),
    ] {
        let (at, code, sentence, after) = end(&seen);
        assert!(sentence.contains(said), "{sentence}");
        assert_eq!((at, code, after), (step, exit, seconds), "{sentence}");
    }
}

#[test]
fn what_mends_itself_is_no_fault() {
    let mut watcher = Watcher::new(wanted());
    let jobs = [job("1", "u", json!({})), job("2", "u", json!({}))];
    let mut seen = seen(
        "created",
        &[&jobs[..], &[running("1"), waiting("2", "ErrImagePull")]].concat(),
    );
    let at = |seconds| Duration::from_secs(seconds);
    let mut observe = |seen: &Seen, seconds| watcher.observe(seen, at(seconds));
    let state = observe(&seen, 0);
    assert!(
        state.progress.contains("ErrImagePull"),
        "{}",
        state.progress
    );
    assert_eq!(observe(&seen, 29).conclusion, None);
    tell(&mut seen, "MODIFIED", waiting("2", "ContainerCreating"));
    let state = observe(&seen, 35);
    assert_eq!(
        (state.conclusion, &*state.progress),
        (None, "1 of 2 runners are ready")
    );
    // The same again is looked at from the beginning.
    tell(&mut seen, "MODIFIED", waiting("2", "ErrImagePull"));
    assert_eq!(observe(&seen, 40).conclusion, None);
    assert_eq!(observe(&seen, 69).conclusion, None);
    // Each runner that comes gives the others their time anew.
    tell(&mut seen, "MODIFIED", running("2"));
    assert_eq!(observe(&seen, 290).step, Step::Starting);
    assert_eq!(observe(&seen, 589).conclusion, None);
    assert!(observe(&seen, 590).conclusion.is_some());
}

#[test]
fn a_runner_may_end_before_its_starter_is_seen_to() {
    let mut watcher = Watcher::new(wanted());
    let jobs = [
        job("1", "u", json!({})),
        job("2", "u", json!({})),
        job("starter", "u", json!({})),
    ];
    let mut seen = seen(
        "started",
        &[&jobs[..], &[ended("1", 0, "Completed"), running("2")]].concat(),
    );
    let state = watcher.observe(&seen, Duration::ZERO);
    assert_eq!((state.step, state.conclusion), (Step::Creating, None));
    tell(&mut seen, "ADDED", ended("starter", 0, "Completed"));
    let state = watcher.observe(&seen, Duration::from_secs(9));
    assert_eq!((state.step, state.conclusion), (Step::Running, None));
}

#[test]
fn a_list_tells_what_is_gone_and_an_old_change_nothing() {
    let of = |version: &str, pod: Value| {
        let mut pod = pod;
        pod["metadata"]["resourceVersion"] = version.into();
        pod
    };
    let jobs = [
        job("1", "u", json!({})),
        job("2", "u", json!({})),
        ended("starter", 0, "Completed"),
    ];
    let mut seen = seen("started", &jobs);
    tell(&mut seen, "ADDED", of("8", running("1")));
    tell(&mut seen, "ADDED", of("9", ended("2", 0, "Completed")));
    tell(&mut seen, "MODIFIED", of("7", running("2")));
    let list = json!({"items": [of("9", ended("2", 0, "Completed"))]});
    seen.reconcile(ObjectKind::Pods, serde_json::from_value(list).unwrap());
    let (step, exit, sentence, _) = end(&seen);
    assert_eq!((step, exit), (Step::Ended, 1));
    assert_eq!(
        sentence,
        "runner 1: the pod is gone: deleted or evicted, or its node was lost"
    );
}
