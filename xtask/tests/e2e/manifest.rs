//! What `manifest` writes: that it fits the operator, holds nothing of this machine, and tests what a local run tests.

#[path = "../../src/cluster/tests/schema.rs"]
mod schema;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::{Done, Run, Server, k6, read, root};

const KEY: &str = "a-key-of-this-machine";
const SERVER: &str = "--base-url http://tachikoma.test:3000";

/// The objects of a manifest, each held against its schema.
fn objects(done: &Done) -> Vec<Value> {
    done.exits(0);
    let objects: Vec<Value> = serde_saphyr::from_multiple(&done.stdout).unwrap();
    let problems: Vec<String> = objects.iter().flat_map(schema::problems).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    objects
}

/// Takes the archive out of a ConfigMap.
fn archive(config_map: &Value, dir: &Path) -> PathBuf {
    let text = config_map["binaryData"]["archive.tar"].as_str().unwrap();
    let path = dir.join("archive.tar");
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

fn tar(args: &[&str], archive: &Path) -> String {
    let out = Command::new("tar")
        .args(args)
        .arg(archive)
        .args((args[0] == "-xOf").then_some("metadata.json"))
        .output()
        .unwrap();
    assert!(out.status.success(), "{out:?}");
    String::from_utf8(out.stdout).unwrap()
}

/// Every text of a list.
fn texts(list: &Value) -> Vec<&str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect()
}

/// The paths of all checks of a group, each of which passed and never failed.
fn checks(group: &Value) -> BTreeSet<String> {
    let own = group["checks"].as_array().unwrap().iter().map(|check| {
        assert!(
            check["passes"].as_u64() > Some(0) && check["fails"] == 0,
            "{check}"
        );
        check["path"].as_str().unwrap().to_owned()
    });
    let inner = group["groups"].as_array().unwrap().iter().flat_map(checks);
    own.chain(inner).collect()
}

#[test]
fn manifests_fit_the_operator_and_hold_nothing_of_this_machine() {
    let dir = tempfile::tempdir().unwrap();
    let mut names = BTreeSet::new();
    for (profile, runners) in [
        ("smoke", 1),
        ("load", 2),
        ("stress", 7),
        ("soak", 100),
        ("spike", 2),
    ] {
        let line = format!(
            "{profile} all websocket --runners {runners} --vus-scale 100 --api-key-secret load {SERVER}"
        );
        let done = Run::manifest(&line)
            .env("API_KEY", KEY)
            .env("K6_INCLUDE_SYSTEM_ENV_VARS", "true")
            .env("K6_USER_AGENT", "of-this-machine")
            .env("EDITOR", "of-this-machine")
            .done();
        done.says("starts all 4 tests at once").says(
            "virtual users against http://tachikoma.test:3000, a public address: create it only",
        );
        assert!(!format!("{}{}", done.stdout, done.stderr).contains(KEY));
        let objects = objects(&done);
        assert_eq!(objects.len(), 8);
        let run = &objects[0]["metadata"]["labels"]["load-test/run"];
        done.says(&format!(
            "delete testruns,configmaps -l load-test/run={}",
            run.as_str().unwrap()
        ));
        for (pair, test) in objects
            .chunks(2)
            .zip(["health", "missions", "specs", "websocket"])
        {
            let [config_map, test_run] = pair else {
                unreachable!()
            };
            let name = test_run["metadata"]["name"].as_str().unwrap();
            assert!(name.starts_with(&format!("{profile}-{test}-")), "{name}");
            assert_eq!(config_map["metadata"], test_run["metadata"]);
            assert_eq!(&config_map["metadata"]["labels"]["load-test/run"], run);
            assert!(names.insert(name.to_owned()), "{name} stands twice");
            let spec = &test_run["spec"];
            assert_eq!(
                spec["script"]["configMap"],
                json!({"name": name, "file": "archive.tar"})
            );
            assert_eq!(spec["runner"]["image"], "grafana/k6:1.1.0");
            for tag in [
                format!("profile={profile}"),
                format!("test={test}"),
                format!("testid={name}"),
                "project=tachikoma".into(),
            ] {
                let arguments = texts(&spec["args"]);
                assert!(
                    arguments.windows(2).any(|two| two == ["--tag", &tag]),
                    "{tag}: {arguments:?}"
                );
            }
            let archive = archive(config_map, dir.path());
            let listed = tar(&["-tf"], &archive);
            assert!(listed.contains("/scripts/tests/"), "{listed}");
            for file in listed.lines() {
                let mut parts = file.trim_end_matches('/').split('/');
                let parts = [(); 4].map(|()| parts.next().unwrap_or_default());
                let neutral = match parts {
                    ["metadata.json" | "data", "", ..] | ["file", "" | "tmp", "", ""] => true,
                    ["file", "tmp", folder, "" | "scripts"] => folder.starts_with("load-test-"),
                    _ => false,
                };
                assert!(neutral, "{file}");
            }
            let bytes = std::fs::read(&archive).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            for ours in [
                KEY,
                "of-this-machine",
                root().to_str().unwrap(),
                dir.path().to_str().unwrap(),
            ] {
                assert!(!text.contains(ours), "{ours}");
            }
            let metadata: Value = serde_json::from_str(&tar(&["-xOf"], &archive)).unwrap();
            let env = json!({
                "PROFILE": profile, "TEST": test, "TIME_SCALE": "1", "VUS_SCALE": "100", "TESTID": name, "RUNNER_SUMMARY": "1",
                "BASE_URL": "http://tachikoma.test:3000", "WS_URL": "ws://tachikoma.test:3000/ws",
            });
            assert_eq!(metadata["env"], env);
        }
    }
}

#[test]
fn what_is_packed_checks_what_a_local_run_checks() {
    const LOAD: &str = "smoke missions --time-scale 0.1 --vus-scale 2";
    let server = Server::start(KEY);
    let dir = tempfile::tempdir().unwrap();
    let done = Run::manifest(&format!(
        "{LOAD} --runners 1 --api-key-secret load {SERVER}"
    ))
    .done();
    let objects = objects(&done);
    let archive = archive(&objects[0], dir.path());
    let spec = &objects[1]["spec"];
    // Nothing but what a container has. The operator's words follow, but for those by which it has a runner wait.
    let bare = |words: &[&str]| {
        let mut command = Command::new(k6());
        command
            .env_clear()
            .current_dir(dir.path())
            .env("HOME", dir.path())
            .args(words);
        command
    };
    let arguments = texts(&spec["args"]);
    let archived = bare(&["archive", "archive.tar", "-O", "again.tar"])
        .args(&arguments)
        .output()
        .unwrap();
    assert!(archived.status.success(), "{archived:?}");
    let inspected = bare(&["inspect", "--execution-requirements", "again.tar"])
        .output()
        .unwrap();
    let plan: Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(
        (&plan["maxVUs"], &plan["totalDuration"]),
        (&json!(2), &json!("33s"))
    );
    let there = bare(&["run", "--quiet"])
        .args(&arguments)
        .arg(&archive)
        .args([
            "--address=",
            "--tag",
            "instance_id=1",
            "--tag",
            "testrun_name=here",
        ])
        .args(["--out", "json=samples.json"])
        // The name of the manifest's server has a meaning on its cluster only.
        .env("BASE_URL", &server.url)
        .env("API_KEY", KEY)
        .env("SUMMARY_PATH", dir.path().join("summary.json"))
        .output()
        .unwrap();
    assert!(
        there.status.success(),
        "{}",
        String::from_utf8_lossy(&there.stderr)
    );
    let here = Run::new(LOAD)
        .against(&server.url)
        .env("API_KEY", KEY)
        .done();
    here.exits(0);
    let here = here.summary("missions");
    let there: Value = serde_json::from_str(&read(&dir.path().join("summary.json"))).unwrap();
    let (own, packed) = (checks(&here["root_group"]), checks(&there["root_group"]));
    assert_eq!(own, packed);
    assert_eq!(own.len(), 4, "{own:?}");
    assert_eq!(here["load_test"], there["load_test"]);
    assert_eq!(
        here["metrics"]["vus"]["values"]["max"],
        there["metrics"]["vus"]["values"]["max"]
    );
    let samples = read(&dir.path().join("samples.json"));
    let sample = samples
        .lines()
        .find(|line| line.contains("\"Point\""))
        .unwrap();
    for tag in [
        "\"profile\":\"smoke\"",
        "\"project\":\"tachikoma\"",
        "\"instance_id\":\"1\"",
    ] {
        assert!(sample.contains(tag), "{tag}: {sample}");
    }
}

#[test]
fn manifests_that_could_not_run_are_refused() {
    let done = Run::manifest(&format!("smoke health --runners 2 {SERVER}")).done();
    done.exits(2).says("1 virtual user, too few for 2 runners");
    assert_eq!(done.stdout, "");
    Run::manifest(&format!("smoke missions --runners 1 {SERVER}"))
        .env("API_KEY", KEY)
        .done()
        .exits(2)
        .says("put it into a Secret for missions");
    // Another image may have k6 in it and a version of its own.
    for (image, code) in [
        ("mirror:5000/k6:0.49.0", 2),
        ("mirror/k6-more:0.3.0", 0),
        ("grafana/k6:0.57.0-with-browser", 0),
    ] {
        let line = format!("smoke health --runners 1 --image {image} {SERVER}");
        let done = Run::manifest(&line).done();
        done.exits(code);
        assert_eq!(
            code == 2,
            done.stderr
                .contains("is k6 0.49.0, and at least 0.57.0 runs the scripts")
        );
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("tests")).unwrap();
    for file in ["main.js", "k6.config.js", "load-test.toml"] {
        let text = read(&root().join("load-tests").join(file));
        let text = text.replace(r#"default_tests = ["health", "missions", "specs"]"#, "");
        std::fs::write(dir.path().join(file), text).unwrap();
    }
    let stranger =
        "const name = open('/etc/hostname');\nexport default function () { return name; }";
    std::fs::write(dir.path().join("tests/mine.js"), stranger).unwrap();
    Run::manifest(&format!("smoke mine --runners 1 {SERVER}"))
        .env(
            "LOAD_TEST_CONFIG",
            dir.path().join("load-test.toml").to_str().unwrap(),
        )
        .done()
        .exits(3)
        .says("the scripts read /etc/hostname, which lies outside of");
}
