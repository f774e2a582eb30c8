//! The stand-in, held to what a real cluster recorded: the same stages, arguments, and shapes of what Jobs and Pods show.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::store::Faults;
use crate::support::{k6, read, root, wait_until};

/// A script that passes or crosses its threshold without asking anybody.
fn script(limit: u32) -> String {
    format!(
        "import {{ sleep }} from 'k6';
        export const options = {{ vus: 4, duration: '1s', thresholds: {{ iterations: ['count<{limit}'] }} }};
        export default () => sleep(0.1);
        export const handleSummary = (data) => ({{
          [__ENV.MESSAGE || 'stdout']: JSON.stringify({{ n: data.metrics.iterations.values.count }}),
        }});"
    )
}

/// What the recorded streams of a TestRun, its Jobs and its Pods show: a line for each change, without values.
fn shapes(test_runs: &[Value], jobs: &[Value], pods: &[Value], name: &str) -> String {
    let mut shown = String::new();
    for change in test_runs {
        let status = &change["object"]["status"];
        let stage = status["stage"].as_str().unwrap_or("-");
        let _written = writeln!(
            shown,
            "TestRun {} {stage}{}",
            text(&change["type"]),
            conditions(status)
        );
    }
    for role in ["initializer", "1", "2", "starter"] {
        // Whether a short process is ever seen while it runs is chance.
        let is_short = matches!(role, "initializer" | "starter");
        let job = format!("{name}-{role}");
        let mut said = String::new();
        for change in jobs
            .iter()
            .filter(|change| change["object"]["metadata"]["name"] == *job)
        {
            let object = &change["object"];
            let container = &object["spec"]["template"]["spec"]["containers"][0];
            let command = container["command"].as_array().unwrap();
            if said.is_empty() && !is_short {
                said = format!(
                    "  runs {}\n",
                    command.iter().map(text).collect::<Vec<_>>().join(" ")
                );
            }
            let status = &object["status"];
            if is_short && status["ready"] == 1 {
                continue;
            }
            let counts = ["active", "ready", "succeeded", "failed"].iter();
            let counts: String = counts
                .filter_map(|name| Some(format!(" {name}={}", status.get(name)?)))
                .collect();
            let uncounted = keys(&status["uncountedTerminatedPods"]);
            let line = format!(
                "{} [{}]{counts} uncounted=[{uncounted}]{} labels=[{}] of {}",
                text(&change["type"]),
                keys(status),
                conditions(status),
                labels(object),
                owner(object)
            );
            let _written = writeln!(said, "  {line}");
        }
        let _written = writeln!(shown, "Job {role}\n{}", said.trim_end());
        said.clear();
        for change in pods
            .iter()
            .filter(|change| change["object"]["metadata"]["labels"]["job-name"] == *job)
        {
            let object = &change["object"];
            let (metadata, status) = (&object["metadata"], &object["status"]);
            let container = &status["containerStatuses"][0];
            let reasons = status["conditions"].as_array().into_iter().flatten();
            let is_unschedulable = reasons.clone().any(|one| one["reason"] == "Unschedulable");
            let is_chance = is_short && container["state"].get("running").is_some();
            if is_unschedulable || is_chance {
                continue;
            }
            let state = container["state"].as_object().into_iter().flatten();
            let state: String = state
                .map(|(name, state)| {
                    let reason = state["reason"].as_str().unwrap_or("-");
                    format!(" {name}:{reason}:{}[{}]", state["exitCode"], keys(state))
                })
                .collect();
            let _written = writeln!(
                said,
                "  {} {} [{}]{} container=[{}]{state} ready={} finalizers={} labels=[{}] of {}",
                text(&change["type"]),
                text(&status["phase"]),
                keys(status),
                conditions(status),
                keys(container),
                container["ready"],
                metadata.get("finalizers").is_some(),
                labels(object),
                owner(object)
            );
        }
        let _written = writeln!(shown, "Pod {role}\n{}", said.trim_end());
    }
    shown.replace(name, "NAME")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The labels but those which are there twice.
fn labels(object: &Value) -> String {
    keys(&object["metadata"]["labels"]).replace(
        "batch.kubernetes.io/controller-uid,batch.kubernetes.io/job-name,",
        "",
    )
}

fn keys(object: &Value) -> String {
    let mut keys: Vec<&str> = object
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .collect();
    keys.sort_unstable();
    keys.join(",")
}

fn owner(object: &Value) -> String {
    let owner = &object["metadata"]["ownerReferences"][0];
    let is_controller = owner["controller"] == true && owner["blockOwnerDeletion"] == true;
    format!(
        "{}{}",
        text(&owner["kind"]),
        if is_controller { "" } else { "?" }
    )
}

fn conditions(status: &Value) -> String {
    let all = status["conditions"].as_array().into_iter().flatten();
    all.map(|one| {
        let reason = one["reason"].as_str().unwrap_or("-");
        format!(" {}={}:{reason}", text(&one["type"]), text(&one["status"]))
    })
    .collect()
}

/// The changes that a file has, one in each line.
fn recorded(folder: &Path, name: &str) -> String {
    let changes = |file: &str| -> Vec<Value> {
        let text = read(&folder.join(file));
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let [test_runs, jobs, pods] =
        ["testruns.watch.json", "jobs.watch.json", "pods.watch.json"].map(changes);
    shapes(&test_runs, &jobs, &pods, name)
}

/// What the stand-in makes of the TestRun that was recorded.
fn made(cluster: &Cluster, name: &str, limit: u32) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    std::fs::write(file("script.js"), script(limit)).unwrap();
    let packed = Command::new(k6())
        .args(["archive", "script.js", "-O", "archive.tar"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(packed.status.success(), "{packed:?}");
    let block = json!({"image": "grafana/k6:1.1.0"});
    let message = json!({"name": "MESSAGE", "value": "/dev/termination-log"});
    let test_run = json!({
        "apiVersion": "k6.io/v1alpha1", "kind": "TestRun", "metadata": {"name": name},
        "spec": {
            "args": ["--tag", format!("testid={name}")], "parallelism": 2,
            "script": {"configMap": {"file": "archive.tar", "name": name}},
            "initializer": block, "starter": block, "runner": {"image": "grafana/k6:1.1.0", "env": [message]},
        },
    });
    let archive = STANDARD.encode(std::fs::read(file("archive.tar")).unwrap());
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "binaryData": {"archive.tar": archive},
    });
    for object in [map, test_run] {
        cluster.asked(&format!(
            "create -f {}",
            cluster.file("object.json", &object)
        ));
    }
    let stage = format!("get testrun {name} -o jsonpath={{.status.stage}}");
    wait_until("the test is finished", || {
        cluster.asked(&stage) == "finished"
    });
    let state = cluster.inner.store.lock();
    let changes = |plural: &str| -> Vec<Value> {
        let changes = state
            .changes
            .iter()
            .filter(|change| change.plural == plural);
        changes
            .map(|change| json!({"type": change.what, "object": change.object}))
            .collect()
    };
    let [test_runs, jobs, pods] = ["testruns", "jobs", "pods"].map(changes);
    shapes(&test_runs, &jobs, &pods, name)
}

#[track_caller]
fn same(seen: &str, expected: &str, what: &str) {
    let mut lines = seen.lines().zip(expected.lines());
    let other = lines.find(|(seen, expected)| seen != expected);
    assert!(seen == expected, "{what} differs at {other:#?}\n{seen}");
}

#[test]
fn a_test_run_looks_as_on_a_real_cluster() {
    let recordings = root().join("../shared/data/k6-operator");
    if !recordings.is_dir() {
        eprintln!(
            "not compared with the recordings themselves: {} is not there",
            recordings.display()
        );
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/recordings");
    for (name, limit) in [("ok", 1000), ("crossed", 1)] {
        let kept = folder.join(format!("{name}.txt"));
        if recordings.is_dir() && std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(&kept, recorded(&recordings.join(name), name)).unwrap();
        }
        let expected = &read(&kept);
        if recordings.is_dir() {
            same(
                &recorded(&recordings.join(name), name),
                expected,
                &format!("recording {name}"),
            );
        }
        // A cluster of its own: what it held before is no part of the picture.
        let Some(cluster) = Cluster::start(Faults::default(), "the key of a test") else {
            return;
        };
        same(&made(&cluster, name, limit), expected, name);
    }
}
