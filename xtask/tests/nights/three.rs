//! Three nights in a row: green, green, red.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::night::{Night, Nights};
use crate::snapshot;

/// A short night of two tests on a free port.
const INPUTS: [(&str, &str); 4] = [
    ("profile", "load"),
    ("tests", "health missions"),
    ("time-scale", "0.01"),
    ("base-url", "http://127.0.0.1:0"),
];

/// The annotations of a night, in order.
fn annotations(night: &Night) -> String {
    let levels = ["::error", "::warning", "::notice"];
    let lines = night
        .log
        .lines()
        .filter(|line| levels.iter().any(|level| line.starts_with(level)));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn green_green_red() {
    let mut nights = Nights::new();
    let first = nights.run(&INPUTS, &[]);
    assert!(first.green, "{}", first.log);
    assert!(first.ran.contains(&"Remember a green night".into()));
    assert!(
        !first
            .ran
            .contains(&"Compare with the last green night".into())
    );
    assert!(
        first.log.contains("nothing to compare with yet"),
        "{}",
        first.log
    );
    assert!(first.summary.contains("no run before"), "{}", first.summary);
    snapshot::holds("first.md", &first.summary);
    let output = |night: &Night, name: &str| {
        night.context.values[&format!("steps.load.outputs.{name}")].clone()
    };
    assert_eq!(output(&first, "verdict"), "passed");
    assert!(
        first
            .workspace
            .join("load-tests/results/junit.xml")
            .is_file()
    );
    let green = last_green(&nights);

    nights.day();
    let second = nights.run(&INPUTS, &[]);
    assert!(second.green, "{}", second.log);
    assert!(
        second
            .ran
            .contains(&"Compare with the last green night".into())
    );
    assert_eq!(
        second.context.values["steps.compare.outputs.verdict"],
        "passed"
    );
    assert!(
        second.summary.contains("NOTHING IS WORSE"),
        "{}",
        second.summary
    );
    assert!(
        !second.summary.contains("no run before"),
        "{}",
        second.summary
    );
    comparison_as_junit(Path::new(
        &second.context.values["steps.compare.outputs.results"],
    ));
    let newer = last_green(&nights);
    assert_ne!(newer, green);

    nights.day();
    // One real comparison is enough.
    let without = ("NIGHT_WITHOUT_COMPARISON", "1");
    let faults = [
        ("TACHIKOMA_ALLOW_FAULTS", "1"),
        ("TACHIKOMA_FAULTS", "GET /api/missions: latency=800ms"),
        without,
    ];
    let third = nights.run(&INPUTS, &faults);
    assert!(!third.green, "{}", third.log);
    assert_eq!(output(&third, "verdict"), "failed");
    snapshot::holds("red.md", first_summary(&third));
    snapshot::holds("red-annotations.txt", &annotations(&third));
    for step in ["Save the history", "Upload results"] {
        assert!(third.ran.contains(&step.into()), "{:?}", third.ran);
    }
    assert!(!third.ran.contains(&"Remember a green night".into()));
    let kept = last_green(&nights);
    assert_eq!(
        kept, newer,
        "a red night is not what the next one is compared with"
    );

    // Nothing of the three is lost, and nothing of the red one is taken for good.
    let history = nights.history();
    assert_eq!(history.len(), 6);
    let outcomes: Vec<&str> = history
        .iter()
        .map(|line| line["run_outcome"].as_str().unwrap())
        .collect();
    assert_eq!(
        outcomes,
        ["passed", "passed", "passed", "passed", "failed", "failed"]
    );

    let fourth = nights.run(&INPUTS, &[without]);
    // Two green ones and itself: the red one is no point of the curve, and nothing of the fence.
    assert!(
        fourth.summary.contains("x-axis \"run\" 1 --> 3"),
        "{}",
        fourth.summary
    );
    for test in fourth.run()["tests"].as_array().unwrap() {
        assert_eq!(test["past"]["have"], 2, "{test}");
    }
}

#[test]
fn a_lost_or_foreign_history_is_a_notice() {
    let inputs = [INPUTS[0], ("tests", "health"), INPUTS[2], INPUTS[3]];
    let mut nights = Nights::new();
    nights.run(&inputs, &[]);
    let history = nights.cache().join("history.jsonl");
    let lines = std::fs::read_to_string(&history).unwrap();
    let fingerprint = nights.history()[0]["key"]["host"].to_string();
    std::fs::write(&history, lines.replace(&fingerprint, "\"another machine\"")).unwrap();
    let moved = nights.run(&inputs, &[]);
    assert!(moved.green, "{}", moved.log);
    let notice = "no comparable run before: the host was another machine, now it is";
    assert!(moved.summary.contains(notice), "{}", moved.summary);
    assert!(
        moved
            .summary
            .contains("| ✅ | 0 % | &lt; 1 % | errors rate |")
    );

    std::fs::remove_dir_all(nights.cache()).unwrap();
    // A slow server is found without any history.
    let faults = [
        ("TACHIKOMA_ALLOW_FAULTS", "1"),
        ("TACHIKOMA_FAULTS", "GET /api/health: latency=200ms"),
    ];
    let evicted = nights.run(&inputs, &faults);
    assert!(
        evicted.summary.contains("no run before"),
        "{}",
        evicted.summary
    );
    assert!(!evicted.green);
    assert!(
        evicted
            .log
            .contains("::error title=load health::health_check_duration p(95)<100")
    );
}

/// The kept blocks of a comparison, judged again, have a case for each metric in their JUnit report.
fn comparison_as_junit(results: &Path) {
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
    let xml = std::fs::read_to_string(dir.path().join("junit.xml")).unwrap();
    assert!(metrics > 5, "{comparison}");
    // And one for the whole.
    assert_eq!(xml.matches("<testcase ").count(), metrics + 1, "{xml}");
    assert!(xml.contains("<testsuite ") && xml.contains("classname=\"compare.missions\""));
}

/// The revision that the next night is compared with.
fn last_green(nights: &Nights) -> String {
    std::fs::read_to_string(nights.cache().join("last-green")).unwrap()
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
    let mut inputs = vec![INPUTS[0], ("tests", "health"), INPUTS[2], INPUTS[3]];
    inputs.extend([("accept", "HEAD"), ("why", why)]);
    let night = nights.run(&inputs, &[]);
    assert!(night.green, "{}", night.log);
    let history = nights.history();
    assert_eq!(history[0]["accepted"]["why"], why);
    assert_eq!(history[0]["accepted"]["commit"], last_green(&nights).trim());
    assert!(!night.workspace.join("owned").exists());
}

#[test]
fn sunday_soaks_and_other_nights_load() {
    // Only the step that decides: it is all that a schedule changes.
    for (schedule, profile) in [("0 2 * * *", "load"), ("0 5 * * 0", "soak"), ("", "load")] {
        let outputs = crate::night::decide(schedule);
        assert_eq!(
            outputs,
            [
                ("profile".to_owned(), profile.to_owned()),
                ("tests".into(), "all websocket".into()),
                ("time-scale".into(), "1".into())
            ]
        );
    }
}
