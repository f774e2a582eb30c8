//! `capacity` against servers whose edge is known beforehand.

use std::path::Path;

use rustix::process::Signal;

use crate::broken_k6::wrapper;
use crate::support::{Done, Run, capacity_stub, k6, load_tests, read};

/// Answers at once up to 16 connections, and after 1.5 s beyond: so far from the limit of 1 s that a machine which others
/// keep busy makes no difference.
const JUMP: &str = "jump:16:2ms:1500ms";
const LIMIT_MS: &str = "1000";
/// 100 answers a second.
const TOKENS: &str = "tokens:100";

fn capacity(args: &str) -> (Run, tempfile::TempDir) {
    capacity_with(k6(), args)
}

fn capacity_with(k6: &Path, args: &str) -> (Run, tempfile::TempDir) {
    let folder = load_tests("capacity");
    let table = folder.path().join("load-test.toml");
    let run = Run::command("capacity", &format!("--judge-when-busy {args}"), k6)
        .server_bin(capacity_stub())
        .env("LOAD_TEST_CONFIG", table.to_str().unwrap())
        .env("STUB_MODE", JUMP)
        .env("LIMIT_MS", LIMIT_MS);
    (run, folder)
}

fn interval(done: &Done) -> (f64, Option<f64>) {
    let found = &done.run()["tests"][0]["capacity"];
    let interval = &found["interval"];
    (
        interval["at_least"].as_f64().unwrap(),
        interval["below"].as_f64(),
    )
}

#[test]
fn the_edge_of_a_server_is_found_and_kept() {
    let (run, _folder) = capacity("--start 10 --step 1s --confirm 2s --resolution 30%");
    let done = run.done();
    done.exits(0)
        .says("ask, step 1: 10 users for 1 s, to find the edge")
        .says("ask holds ")
        .says("first crossed: ");
    let (at_least, below) = interval(&done);
    let below = below.unwrap();
    assert!(at_least <= 16.0 && below > 16.0, "{at_least} {below}");
    assert!(below <= at_least * 1.3 + 1.0, "{at_least} {below}");
    let run = done.run();
    let found = &run["tests"][0]["capacity"];
    assert_eq!(found["ended"], "resolution_reached", "{found}");
    assert_eq!(found["confirmed"]["below"], true, "{found}");
    assert_eq!(found["confirmed"]["above"], true, "{found}");
    let steps = found["steps"].as_array().unwrap();
    assert_eq!(
        (&steps[0]["load"], &steps[0]["outcome"]),
        (&10.into(), &"held".into())
    );
    assert_eq!(
        (&steps[1]["load"], &steps[1]["outcome"]),
        (&20.into(), &"failed".into())
    );
    let reason = steps[1]["reasons"][0].as_str().unwrap();
    assert!(reason.contains("p95 of requests"), "{reason}");
    let cause = found["cause"]["sentence"].as_str().unwrap();
    assert!(cause.contains("p95 of requests"), "{cause}");
    done.says(cause.split_once(':').unwrap().0);
    assert_eq!(run["profile"], "capacity");
    let line = read(&done.results.join("history.jsonl"));
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let middle = (at_least * below).sqrt();
    assert!(
        (line["capacity"]["value"].as_f64().unwrap() - middle).abs() < 1e-9,
        "{line}"
    );
    assert_eq!(line["metrics"], serde_json::Value::Null, "{line}");
}

#[test]
fn an_interrupted_search_keeps_what_it_knows() {
    let (run, _folder) = capacity("--rate --start 5 --step 2s");
    let mut run = run.start();
    run.wait_for("ask, step 2: 10 iterations a second");
    run.signal_as_a_terminal(Signal::INT);
    let done = run.done();
    done.exits(130)
        .says("ask: holds at least 5 iterations a second, when it was interrupted");
    assert_eq!(interval(&done), (5.0, None));
    let run = done.run();
    let test = &run["tests"][0];
    assert_eq!(
        (&run["outcome"], &test["outcome"]),
        (&"interrupted".into(), &"interrupted".into())
    );
    assert_eq!(test["capacity"]["ended"], "interrupted");
    let first = &test["capacity"]["steps"][0];
    assert_eq!(
        (&first["load"], &first["outcome"]),
        (&5.into(), &"held".into())
    );
    let rate = first["iterations_per_second"].as_f64().unwrap();
    assert!((3.0..=6.0).contains(&rate), "{first}");
}

#[test]
fn a_generator_out_of_memory_leaves_what_held() {
    let nasty = "[ \"$STEP_LOAD\" = 5 ] && exec \"$K6\" \"$@\"
        yes 'this machine swaps' | head -c 3000000
        echo 'fatal error: runtime: out of memory'; exit 2";
    let (_dir, k6) = wrapper(nasty);
    let (run, _folder) = capacity_with(&k6, "--start 5 --step 1s --budget 90s");
    let done = run.env("LIMIT_MS", "none").done();
    done.exits(0)
        .says("to 5 %, within 1 min 30 s, with k6")
        .says("1 min 30 s is little time: to find and confirm an edge of 40 users takes")
        .says("ask: no threshold says what is too slow, so the search goes on until")
        .says("not measured: the load generator ran out of memory")
        .says("ask holds at least 5 users; this machine cannot ask for more");
    assert_eq!(interval(&done), (5.0, None));
    let steps = done.run()["tests"][0]["capacity"]["steps"].clone();
    assert_eq!(steps.as_array().unwrap().len(), 2, "{steps}");
    // What a step's log repeats is cut.
    let log = read(&done.folder().join("ask/02-10/k6.log"));
    assert!((1_000_000..1_100_000).contains(&log.len()), "{}", log.len());
}

#[test]
fn an_iteration_that_outlasts_its_step_is_no_edge() {
    let (run, _folder) = capacity("--start 1 --step 1s --confirm 1s");
    let done = run.env("PAUSE", "20").done();
    done.exits(3)
        .says("ask could not run: no iteration completed in ")
        .says("give a --step longer than one takes, or `gracefulStop` beside the script");
    assert_eq!(interval(&done), (0.0, None));
}

#[test]
fn the_plain_ramp_ends_where_it_breaks() {
    let folder = load_tests("capacity");
    let table = folder.path().join("load-test.toml");
    let done = Run::new("breakpoint --time-scale 0.01 --judge-when-busy")
        .server_bin(capacity_stub())
        .env("LOAD_TEST_CONFIG", table.to_str().unwrap())
        .env("STUB_MODE", TOKENS)
        .done();
    done.exits(1)
        .says("p95 of requests is ")
        .says("the first threshold that was crossed ended the load at ")
        .says(" of 500 virtual users, after ");
    // Of the 12 s of the whole ramp.
    let took = done.run()["tests"][0]["duration_s"].as_f64().unwrap();
    assert!(took < 10.0, "{took}");
}
