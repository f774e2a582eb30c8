//! What a run hands to GitHub's runner when something is in the way.

use std::process::{Command, Output};

use tempfile::TempDir;

use crate::programs::{root, server};

/// `load-test` as in a step, with its results in `dir`.
fn step(dir: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .arg("load-test")
        .args(args)
        .arg("--results")
        .arg(dir.path().join("results"))
        .current_dir(root())
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_OUTPUT", dir.path().join("output"))
        .env("GITHUB_STEP_SUMMARY", dir.path().join("summary.md"))
        .env_remove("API_KEY")
        .env_remove("BASE_URL");
    command
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

fn read(dir: &TempDir, name: &str) -> String {
    std::fs::read_to_string(dir.path().join(name)).unwrap_or_default()
}

const SHORT: [&str; 6] = [
    "smoke",
    "health",
    "--time-scale",
    "0.05",
    "--base-url",
    "http://127.0.0.1:0",
];

#[test]
fn missing_variables_and_unwritable_files_are_notices() {
    let dir = tempfile::tempdir().unwrap();
    let out = step(&dir, &SHORT)
        .arg("--server-bin")
        .arg(server())
        .env_remove("GITHUB_OUTPUT")
        .env("GITHUB_STEP_SUMMARY", dir.path().join("no/such/folder"))
        .output()
        .unwrap();
    let said = said(&out);
    assert_eq!(out.status.code(), Some(0), "{said}");
    assert!(
        said.contains("output verdict is not handed over: GITHUB_OUTPUT is not set"),
        "{said}"
    );
    assert!(
        said.contains("the job's summary is not handed over: GITHUB_STEP_SUMMARY="),
        "{said}"
    );
}

#[test]
fn json_stays_alone_on_standard_output() {
    let dir = tempfile::tempdir().unwrap();
    let out = step(&dir, &SHORT)
        .arg("--server-bin")
        .arg(server())
        .args(["--message-format", "json"])
        .output()
        .unwrap();
    serde_json::from_slice::<serde_json::Value>(&out.stdout).unwrap();
    assert!(
        said(&out).contains("::group::smoke health\n"),
        "{}",
        said(&out)
    );
    assert_eq!(
        said(&out).matches("::group::").count(),
        said(&out).matches("::endgroup::").count()
    );
}

#[test]
fn a_run_that_cannot_begin_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let out = step(&dir, &SHORT)
        .args(["--k6", "/no/such/k6"])
        .env("API_KEY", "/no/such/k6")
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(3), "{}", said(&out));
    let error = said(&out)
        .lines()
        .find(|line| line.starts_with("::error"))
        .unwrap()
        .to_owned();
    assert!(
        error.starts_with("::error title=could not run::"),
        "{error}"
    );
    assert!(!error.contains("/no/such/k6"), "the key is shown: {error}");
    assert!(read(&dir, "output").contains("could_not_run"));
    assert!(read(&dir, "summary.md").starts_with("# ❌ could not run"));
}

#[test]
fn a_run_without_a_server_says_so_once() {
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://127.0.0.1:{port}");
    let out = step(
        &dir,
        &["smoke", "health", "--no-start-server", "--base-url", &url],
    )
    .output()
    .unwrap();
    assert_eq!(out.status.code(), Some(3), "{}", said(&out));
    assert_eq!(said(&out).matches("::error").count(), 1, "{}", said(&out));
    assert!(read(&dir, "output").contains("could_not_run"));
    assert_eq!(read(&dir, "summary.md").matches("# ❌").count(), 1);
    assert!(
        read(&dir, "summary.md").contains("nothing answers"),
        "{}",
        read(&dir, "summary.md")
    );
}

#[test]
fn outside_of_github_nothing_is_handed_over() {
    let dir = tempfile::tempdir().unwrap();
    let out = step(&dir, &["smoke", "health", "--k6", "/no/such/k6"])
        .env_remove("GITHUB_ACTIONS")
        .output()
        .unwrap();
    assert!(!said(&out).contains("::"), "{}", said(&out));
    assert_eq!(read(&dir, "output"), "");
}
