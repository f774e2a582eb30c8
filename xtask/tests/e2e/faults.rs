//! Known faults of the server are found, with their numbers, and their absence is not blamed.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::{Done, Going, Run, build, read, without_perf};

/// The server built with its faults, once for all tests.
pub fn faulty_server() -> &'static PathBuf {
    static SERVER: OnceLock<PathBuf> = OnceLock::new();
    SERVER.get_or_init(|| build("tachikoma-server-faults", &["--features", "faults"]))
}

/// The same with a profiler of its own, which takes memory.
fn profiling_server() -> &'static PathBuf {
    static SERVER: OnceLock<PathBuf> = OnceLock::new();
    const FEATURES: [&str; 2] = ["--features", "faults,profiler"];
    SERVER.get_or_init(|| build("tachikoma-server-profiler", &FEATURES))
}

/// A program that is the server with `faults`; an empty text is none.
pub fn program_with_faults(dir: &Path, name: &str, faults: &str) -> PathBuf {
    program(dir, name, faults, faulty_server())
}

/// The same of a server that can sample itself.
pub fn profiling_program(dir: &Path, name: &str, faults: &str) -> PathBuf {
    program(dir, name, faults, profiling_server())
}

fn program(dir: &Path, name: &str, faults: &str, server: &Path) -> PathBuf {
    let path = dir.join(name);
    let script = format!(
        "#!/bin/sh\nexport TACHIKOMA_ALLOW_FAULTS=1 TACHIKOMA_FAULTS='{faults}'\nexec '{}' \"$@\"\n",
        server.display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    path
}

fn with_faults(args: &str, faults: &str) -> Done {
    start_with_faults(args, faults).done()
}

fn start_with_faults(args: &str, faults: &str) -> Going {
    Run::new(args)
        .server_bin(faulty_server())
        .env("TACHIKOMA_FAULTS", faults)
        .env("TACHIKOMA_ALLOW_FAULTS", "1")
        .start()
}

fn first_test(done: &Done) -> Value {
    done.run()["tests"][0].clone()
}

fn threshold(test: &Value, metric: &str) -> Value {
    let all = test["thresholds"].as_array().unwrap();
    all.iter().find(|t| t["metric"] == metric).unwrap().clone()
}

fn growth(test: &Value, resource: &str) -> Value {
    let all = test["growth"].as_array().unwrap();
    all.iter()
        .find(|row| row["resource"] == resource)
        .unwrap()
        .clone()
}

#[test]
fn latency_reads_as_it_was_injected() {
    let done = with_faults(
        "smoke missions --time-scale 0.25",
        "POST /api/missions: latency=300ms",
    );
    done.exits(0).says("the server injects faults");
    let median = first_test(&done)["metrics"]["trends"]["mission_create_duration"]["med"]
        .as_f64()
        .unwrap();
    assert!((300.0..=330.0).contains(&median), "{median}");
    let other = first_test(&done)["metrics"]["trends"]["mission_list_duration"]["med"]
        .as_f64()
        .unwrap();
    assert!(other < 100.0, "{other}");
}

#[test]
fn too_much_latency_crosses_the_right_threshold() {
    let done = with_faults(
        "smoke missions --time-scale 0.2 --judge-when-busy",
        "GET /api/missions: latency=800ms",
    );
    done.exits(1);
    let test = first_test(&done);
    let crossed = threshold(&test, "mission_list_duration");
    assert_eq!(crossed["state"], "crossed");
    let value = crossed["value"].as_f64().unwrap();
    assert!((800.0..900.0).contains(&value), "{value}");
    assert_eq!(
        threshold(&test, "mission_create_duration")["state"],
        "passed"
    );
    assert!(
        done.reasons().contains("mission_list_duration p95 is 8"),
        "{}",
        done.reasons()
    );
}

/// The first line of every output is what somebody reads who is called at night.
#[test]
fn the_first_line_of_every_output_names_the_route_that_fails() {
    let dir = tempfile::tempdir().unwrap();
    let junit = dir.path().join("junit.xml");
    let args = format!(
        "load missions --time-scale 0.02 --junit {}",
        junit.display()
    );
    let done = Run::new(&args)
        .server_bin(faulty_server())
        .env("TACHIKOMA_FAULTS", "POST /api/missions: error=9%")
        .env("TACHIKOMA_ALLOW_FAULTS", "1")
        .env("GITHUB_ACTIONS", "true")
        .done();
    done.exits(1);
    let test = first_test(&done);
    let rate = threshold(&test, "http_req_failed");
    assert_eq!(rate["state"], "crossed");
    // Of one of two requests.
    let value = rate["value"].as_f64().unwrap();
    assert!((0.03..=0.06).contains(&value), "{value}");
    let endpoint = &test["endpoints"][0];
    let number = |name: &str| endpoint[name].as_f64().unwrap();
    let share = number("server_errors") / number("requests");
    assert!((0.07..=0.11).contains(&share), "{endpoint}");
    assert!(number("med_ms") <= number("p99_ms"), "{endpoint}");
    assert!(number("first_failure_s") < 11.0, "{endpoint}");
    let example = endpoint["example"].as_str().unwrap();
    assert!(example.starts_with("500 {"), "{example}");
    assert_eq!(test["endpoints"].as_array().unwrap().len(), 2, "{test}");

    let sentence = test["reasons"][0].as_str().unwrap();
    assert!(
        sentence.starts_with("POST /api/missions failed in "),
        "{sentence}"
    );
    assert!(
        sentence.ends_with(" requests with 500; the limit for all is 1 %"),
        "{sentence}"
    );
    let verdict = done.stdout.lines().find(|line| line.contains("FAILED"));
    let verdict = verdict.unwrap();
    assert!(
        verdict.ends_with(&format!("missions: {sentence}")),
        "{verdict}"
    );
    let summary = read(&done.folder().join("summary.md"));
    let first = summary.lines().next().unwrap();
    assert!(
        first.ends_with(&format!("load failed: missions: {sentence}")),
        "{first}"
    );
    done.says(&format!(
        "::error title=load::missions: {}",
        sentence.replace('%', "%25")
    ));
    let junit = read(&junit);
    let failure = junit.split("<failure message=\"").nth(1).unwrap();
    assert!(
        failure.replace("&#x2f;", "/").starts_with(sentence),
        "{failure}"
    );
}

#[test]
fn dropped_connections_fail_requests() {
    let done = with_faults(
        "smoke specs --time-scale 0.2",
        "GET /api/specs/{id}: drop=100%",
    );
    done.exits(1);
    let test = first_test(&done);
    assert_eq!(threshold(&test, "http_req_failed")["state"], "crossed");
    assert!(
        done.reasons()
            .contains("specs: GET /api/specs/{id} failed in "),
        "{}",
        done.reasons()
    );
    done.says("get status is 200 or 404: 0 of ");
}

#[test]
fn burnt_cpu_shows_in_the_cost_of_a_request() {
    // Whether a busy machine answers in time besides is another test's question.
    let cost = |done: &Done| {
        let test = first_test(done);
        assert_eq!(test["metrics"]["checks_failed"], 0, "{test}");
        test["server_usage"]["cpu_us_per_request"].as_f64().unwrap()
    };
    let clean = cost(
        &Run::new("smoke health --time-scale 0.2")
            .own_server()
            .done(),
    );
    let burning = cost(&with_faults(
        "smoke health --time-scale 0.2",
        "GET /api/health: cpu=20ms",
    ));
    // The watch asks for health too, about as often as the script does.
    assert!(
        (19_000.0..80_000.0).contains(&(burning - clean)),
        "{clean} and {burning}"
    );
}

/// Both at once, since each takes the two minutes that such a verdict needs.
#[test]
fn a_leak_is_found_in_two_minutes_and_memory_taken_once_is_none() {
    let held = "smoke missions --time-scale 4";
    let leaking = start_with_faults(held, "POST /api/missions: leak=64KiB");
    let once = start_with_faults(held, "POST /api/missions: once=50MiB");
    let (leaking, once) = (leaking.done(), once.done());

    leaking.exits(1);
    let row = growth(&first_test(&leaking), "memory");
    assert_eq!(row["ok"], false, "{row}");
    // One request a second or so.
    let value = row["per_hour"].as_f64().unwrap();
    assert!((150.0..=350.0).contains(&value), "{row}");
    assert!(
        leaking.reasons().contains("memory grew by "),
        "{}",
        leaking.reasons()
    );
    assert_eq!(growth(&first_test(&leaking), "open files")["ok"], true);

    once.exits(0);
    let row = growth(&first_test(&once), "memory");
    assert_eq!(row["ok"], true, "{row}");
    let peak = first_test(&once)["server_usage"]["peak_rss_bytes"]
        .as_u64()
        .unwrap();
    assert!(peak > 50 << 20, "the fault did nothing: {peak}");
}

/// Where perf is not allowed to sample, which a stand-in makes sure of, the server samples itself.
#[test]
fn where_the_cpu_time_went_is_named_and_such_a_run_is_no_reference() {
    let dir = tempfile::tempdir().unwrap();
    let sampled = |path: &str| {
        let program = profiling_program(dir.path(), "burns", "POST /api/missions: cpu=30ms");
        let done = Run::new("smoke missions --time-scale 0.1 --profile --judge-when-busy")
            .server_bin(&program)
            .env("PATH", path)
            .done();
        done.exits(0).says("the server is sampled");
        names_where_the_cpu_time_went(&done);
        done
    };
    sampled(&std::env::var("PATH").unwrap());
    sampled(&without_perf(dir.path())).says("by itself, since perf cannot (it is not allowed");
}

fn names_where_the_cpu_time_went(done: &Done) {
    let test = first_test(done);
    let first = &test["profile"]["functions"][0];
    let name = first["name"].as_str().unwrap();
    assert!(name.ends_with("under faults::inject::burn"), "{first}");
    let number = |name: &str| first[name].as_f64().unwrap();
    assert!(number("share") > 0.5, "{first}");
    // Every second request creates a mission.
    assert!(number("cpu_us_per_request") > 7_500.0, "{first}");
    let flames = read(&done.folder().join("missions/flame.svg"));
    assert!(flames.contains("faults::inject::burn"), "{flames}");
    let page = read(&done.folder().join("report.html"));
    assert!(page.contains("flame.svg"), "{page}");
    assert!(read(&done.results.join("history.jsonl")).contains(r#""profiled":true"#));
}

#[test]
fn faults_are_refused_unless_built_in_and_allowed() {
    let faults = "GET /api/health: latency=1ms";
    let sound = Run::new("smoke health")
        .own_server()
        .env("TACHIKOMA_FAULTS", faults)
        .env("TACHIKOMA_ALLOW_FAULTS", "1")
        .done();
    sound.exits(3).says("this build cannot inject faults");
    let not_allowed = Run::new("smoke health")
        .server_bin(faulty_server())
        .env("TACHIKOMA_FAULTS", faults)
        .done();
    not_allowed.exits(3).says("TACHIKOMA_ALLOW_FAULTS is not 1");
}

#[test]
fn without_faults_ten_runs_in_a_row_pass() {
    for round in 0..10 {
        let done = Run::new("smoke missions --time-scale 0.04")
            .own_server()
            .done();
        assert_eq!(done.code, Some(0), "round {round}: {}", done.stdout);
    }
}
