//! What a run hands to GitHub's runner when something is in the way.

use crate::night::server;
use crate::support::{Done, Run, read};

const SHORT: &str = "smoke health --time-scale 0.05";

/// `load-test` as in a step.
fn step(args: &str) -> Run {
    let run = Run::new(args);
    let file = |name: &str| run.dir.path().join(name).display().to_string();
    let (output, summary) = (file("output"), file("summary.md"));
    run.env("GITHUB_ACTIONS", "true")
        .env("GITHUB_OUTPUT", &output)
        .env("GITHUB_STEP_SUMMARY", &summary)
}

/// What it wrote for the runner into the file `name`.
fn handed_over(run: &Done, name: &str) -> String {
    read(&run.results.with_file_name(name))
}

#[test]
fn missing_variables_and_unwritable_files_are_notices() {
    let run = step(SHORT).server_bin(server());
    let run = run
        .env("GITHUB_OUTPUT", "")
        .env("GITHUB_STEP_SUMMARY", "/no/such/folder");
    run.done()
        .exits(0)
        .says("output verdict is not written: GITHUB_OUTPUT is not set")
        .says("the job's summary is not written: GITHUB_STEP_SUMMARY=");
}

#[test]
fn json_stays_alone_on_standard_output() {
    let run = step(SHORT).server_bin(server()).json().done();
    serde_json::from_str::<serde_json::Value>(&run.stdout).unwrap();
    run.says("::group::smoke health\n");
    let count = |command: &str| run.stderr.matches(command).count();
    assert_eq!(count("::group::"), count("::endgroup::"));
}

#[test]
fn a_run_that_cannot_begin_says_so() {
    let run = step(SHORT).arg("--k6").arg("/no/such/k6");
    let run = run.env("API_KEY", "/no/such/k6").done();
    run.exits(3).says("::error title=could not run::");
    let mut lines = run.stderr.lines();
    let error = lines.find(|line| line.starts_with("::error")).unwrap();
    assert!(!error.contains("/no/such/k6"), "the key is shown: {error}");
    assert!(handed_over(&run, "output").contains("could_not_run"));
    assert!(handed_over(&run, "summary.md").starts_with("# ❌ could not run"));
}

#[test]
fn a_run_without_a_server_says_so_once() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let run = step("smoke health --no-start-server").against(&url).done();
    run.exits(3);
    assert_eq!(run.stderr.matches("::error").count(), 1, "{}", run.stderr);
    assert!(handed_over(&run, "output").contains("could_not_run"));
    let summary = handed_over(&run, "summary.md");
    assert_eq!(summary.matches("# ❌").count(), 1, "{summary}");
    assert!(summary.contains("nothing answers"), "{summary}");
}

#[test]
fn outside_of_github_nothing_is_handed_over() {
    let run = step(SHORT)
        .env("GITHUB_ACTIONS", "")
        .arg("--k6")
        .arg("/no/such/k6")
        .done();
    assert!(!run.stderr.contains("::"), "{}", run.stderr);
    assert_eq!(handed_over(&run, "output"), "");
}
