//! Three nights in a row: green, green, red.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::night::{Night, Nights};
use crate::snapshot;
use crate::step::{run, step};
use crate::support::read;

/// A short night of two tests on a free port.
const INPUTS: [(&str, &str); 4] = [
    ("profile", "load"),
    ("tests", "health missions"),
    ("time-scale", "0.01"),
    ("base-url", "http://127.0.0.1:0"),
];

/// The same of one test.
const HEALTH: [(&str, &str); 4] = [INPUTS[0], ("tests", "health"), INPUTS[2], INPUTS[3]];

/// One real comparison is enough.
const WITHOUT_COMPARISON: (&str, &str) = ("NIGHT_WITHOUT_COMPARISON", "1");

/// Lets the server inject faults.
const FAULTY: (&str, &str) = ("TACHIKOMA_ALLOW_FAULTS", "1");

/// The annotations of a night, in order.
fn annotations(night: &Night) -> String {
    let levels = ["::error", "::warning", "::notice"];
    let is_one = |line: &&str| levels.iter().any(|level| line.starts_with(level));
    let lines = night.log.lines().filter(is_one);
    lines.map(|line| format!("{line}\n")).collect()
}

#[track_caller]
fn holds(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is missing in: {text}");
}

#[test]
fn green_green_red() {
    let mut nights = Nights::new();
    let first = nights.run(&INPUTS, &[]);
    assert!(first.green, "{}", first.log);
    holds(&first.log, "nothing to compare with yet");
    holds(&first.summary, "no run before");
    snapshot::holds("first.md", &first.summary);
    assert_eq!(first.output("load", "verdict"), "passed");
    assert!(
        first
            .workspace
            .join("load-tests/results/junit.xml")
            .is_file()
    );
    let green = nights.last_green();

    nights.day();
    let second = nights.run(&INPUTS, &[]);
    assert!(second.green, "{}", second.log);
    assert_eq!(second.output("compare", "verdict"), "passed");
    holds(&second.summary, "NOTHING IS WORSE");
    assert!(
        !second.summary.contains("no run before"),
        "{}",
        second.summary
    );
    comparison_as_junit(Path::new(second.output("compare", "results")));
    let newer = nights.last_green();
    assert_ne!(newer, green);

    nights.day();
    let slow = ("TACHIKOMA_FAULTS", "GET /api/missions: latency=800ms");
    let third = nights.run(&INPUTS, &[FAULTY, slow, WITHOUT_COMPARISON]);
    assert!(!third.green, "{}", third.log);
    assert_eq!(third.output("load", "verdict"), "failed");
    snapshot::holds("red.md", first_summary(&third));
    snapshot::holds("red-annotations.txt", &annotations(&third));
    assert_eq!(third.uploaded, 1, "{}", third.log);
    // A red night is not what the next one is compared with.
    assert_eq!(nights.last_green(), newer);

    // Nothing of the three is lost, and nothing of the red one is taken for good.
    let history = nights.history();
    let outcomes = history
        .iter()
        .map(|line| line["run_outcome"].as_str().unwrap());
    let expected = ["passed", "passed", "passed", "passed", "failed", "failed"];
    assert!(outcomes.eq(expected), "{history:?}");

    let fourth = nights.run(&INPUTS, &[WITHOUT_COMPARISON]);
    // Two green ones and itself: the red one is no point of the curve, and nothing of the fence.
    holds(&fourth.summary, "x-axis \"run\" 1 --> 3");
    for test in fourth.run()["tests"].as_array().unwrap() {
        assert_eq!(test["past"]["have"], 2, "{test}");
    }
}

#[test]
fn a_lost_or_foreign_history_is_a_notice() {
    let mut nights = Nights::new();
    nights.run(&HEALTH, &[]);
    let history = nights.cache.join("history.jsonl");
    let fingerprint = nights.history()[0]["key"]["host"].to_string();
    let moved = read(&history).replace(&fingerprint, "\"another machine\"");
    std::fs::write(&history, moved).unwrap();
    let moved = nights.run(&HEALTH, &[]);
    assert!(moved.green, "{}", moved.log);
    let notice = "no comparable run before: the host was another machine, now it is";
    holds(&moved.summary, notice);
    holds(&moved.summary, "| ✅ | 0 % | &lt; 1 % | errors rate |");

    std::fs::remove_dir_all(&nights.cache).unwrap();
    // A slow server is found without any history.
    let slow = ("TACHIKOMA_FAULTS", "GET /api/health: latency=200ms");
    let evicted = nights.run(&HEALTH, &[FAULTY, slow]);
    holds(&evicted.summary, "no run before");
    assert!(!evicted.green);
    holds(
        &evicted.log,
        "::error title=load::health: health_check_duration p95 is ",
    );
}

/// The kept blocks of a comparison, judged again, have a case for each metric in their JUnit report.
fn comparison_as_junit(results: &Path) {
    // The pull request's comment is made of it.
    assert!(results.join("summary.md").is_file());
    let dir = tempfile::tempdir().unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["compare", "--message-format", "json", "--replay"])
        .arg(results.join("blocks.json"))
        .arg("--results")
        .arg(dir.path())
        .arg("--junit")
        .arg(dir.path().join("junit.xml"))
        .env_remove("GITHUB_ACTIONS")
        .output()
        .unwrap();
    let comparison: Value = serde_json::from_slice(&out.stdout).unwrap();
    let metrics = comparison["tests"][0]["metrics"].as_array().unwrap().len();
    let xml = read(&dir.path().join("junit.xml"));
    assert!(metrics > 5, "{comparison}");
    // And one for the whole.
    assert_eq!(xml.matches("<testcase ").count(), metrics + 1, "{xml}");
    assert!(xml.contains("<testsuite ") && xml.contains("classname=\"compare.missions\""));
}

/// The summary of the load test, without that of a comparison behind it.
fn first_summary(night: &Night) -> &str {
    let second = night.summary[2..].find("\n# ").map(|at| at + 2);
    &night.summary[..second.unwrap_or(night.summary.len())]
}

#[test]
fn an_accepted_change_starts_anew_and_nobody_runs_its_reason() {
    let mut nights = Nights::new();
    let why = "wanted\"; touch owned; echo \"$(touch owned)`touch owned`";
    let mut inputs = HEALTH.to_vec();
    inputs.extend([("accept", "HEAD"), ("why", why)]);
    let night = nights.run(&inputs, &[]);
    assert!(night.green, "{}", night.log);
    let accepted = &nights.history()[0]["accepted"];
    assert_eq!(accepted["why"], why);
    assert_eq!(accepted["commit"], nights.last_green());
    assert!(!night.workspace.join("owned").exists());
}

#[test]
fn sunday_soaks_and_other_nights_load() {
    // Only the step that decides: it is all that a schedule changes.
    let step = step("load-tests.yml", "Decide what to run");
    for (schedule, profile) in [("0 2 * * *", "load"), ("0 5 * * 0", "soak"), ("", "load")] {
        let env = [
            ("SCHEDULE", schedule),
            ("PROFILE", ""),
            ("TESTS", ""),
            ("TIME_SCALE", ""),
            ("BASE_URL", ""),
        ];
        let outputs = run(&step, Path::new("."), env).outputs;
        let outputs = outputs
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let expected = [
            &format!("profile={profile}"),
            &format!("show-past={}", profile == "load"),
            "tests=all websocket",
            "time-scale=1",
        ];
        assert!(outputs.eq(expected));
    }
}
