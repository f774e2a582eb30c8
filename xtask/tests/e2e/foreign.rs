//! A server that nobody here wrote, with a table, a script and profiles of its own: the whole pipeline, and not a line of
//! Rust for it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::support::{self, Run, read, root};

fn load_tests() -> TempDir {
    support::load_tests("foreign")
}

fn against(run: Run, load_tests: &TempDir) -> Run {
    let table = load_tests.path().join("load-test.toml");
    run.env("LOAD_TEST_CONFIG", table.to_str().unwrap())
}

/// The program, built as the table says by the first run that needs it.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let load_tests = load_tests();
        let done = against(Run::new("smoke --time-scale 0.2"), &load_tests)
            .against("http://127.0.0.1:0")
            .done();
        done.exits(0)
            .says("building dufs")
            .says("✓ files passed ")
            .says("✓ PASSED");
        let run = done.run();
        assert_eq!(run["tests"].as_array().unwrap().len(), 1, "{run}");
        assert_eq!(run["server"]["kind"], "started_here");
        assert!(run["tests"][0]["server_usage"]["cpu_s"].as_f64().unwrap() > 0.0);
        root().join("target/foreign/bin/dufs")
    })
}

/// A program that is the server, but over and over works and stands still for so many seconds.
fn slow(dir: &Path, works: &str, stands_still: &str) -> PathBuf {
    let path = dir.join("slow");
    let script = format!(
        "#!/bin/sh\n'{}' &\nserver=$!\ntrap 'kill -CONT $server; kill -INT $server; wait $server; exit 0' INT\n\
         while sleep {works}; kill -STOP $server; do sleep {stands_still}; kill -CONT $server; done\n",
        program().display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn it_passes_and_fails_when_it_is_slow() {
    let (dir, load_tests) = (tempfile::tempdir().unwrap(), load_tests());
    let slow = slow(dir.path(), "0.1", "0.9");
    let done = against(
        Run::new("files --time-scale 0.4 --judge-when-busy"),
        &load_tests,
    )
    .server_bin(&slow)
    .done();
    done.exits(1).says("files: p95 of requests is ");
    let checks = done.run()["tests"][0]["checks"].clone();
    assert!(
        checks
            .as_array()
            .unwrap()
            .iter()
            .all(|check| check["fails"] == 0),
        "it answered slowly, but wrongly too: {checks}"
    );
}

#[test]
fn it_is_compared_with_a_slow_one() {
    let (dir, load_tests) = (tempfile::tempdir().unwrap(), load_tests());
    // So short that one request in a few meets it, which only the slow end shows.
    let slow = slow(dir.path(), "0.001", "0.02");
    against(
        Run::compare("files --pairs 12 --block 500ms --seed 7 --instructions off --profile off"),
        &load_tests,
    )
    .arg("--base-bin")
    .arg(program().to_str().unwrap())
    .arg("--head-bin")
    .arg(slow.to_str().unwrap())
    .done()
    .exits(1)
    .says("WORSE")
    // Its requests have tags `name`, for which k6 writes no URL.
    .says("GET / median is ");
}

#[test]
fn its_names_are_those_of_its_own_files() {
    let load_tests = load_tests();
    let run = |args: &str| against(Run::new(args), &load_tests).done();
    let help = run("--help");
    help.exits(0)
        .says("- morning: ")
        .says("As on any morning")
        .says("Stores a file, reads it, finds it and deletes it");
    assert!(!help.stdout.contains("missions:"), "{}", help.stdout);
    run("mornin").exits(2).says("'morning'");
    std::fs::copy(
        load_tests.path().join("tests/files.js"),
        load_tests.path().join("tests/api-files.js"),
    )
    .unwrap();
    run("smoke")
        .exits(2)
        .says("api-files.js and")
        .says("/files.js are both the test `files`");
    let table = load_tests.path().join("load-test.toml");
    std::fs::write(&table, format!("{}\nnonsense = 1\n", read(&table))).unwrap();
    run("smoke")
        .exits(2)
        .says("nonsense")
        .says("load-test.toml");
}
