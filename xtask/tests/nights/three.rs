//! Three nights in a row: green, green, red.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::night::{Night, Nights};
use crate::snapshot;
use crate::step::{run, step};
use crate::support::{read, root};

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
    for tool in ["valgrind", "linux-tools-common linux-tools-"] {
        let install = format!("sudo apt-get install -y -qq --no-install-recommends {tool}");
        holds(&first.log, &install);
    }
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
    nights.tell("success");
    assert_eq!(nights.issues(), [Value::Null; 0]);

    nights.day();
    // The second night has a runner with another processor.
    let history = nights.cache.join("history.jsonl");
    let host = nights.history()[0]["key"]["host"].to_string();
    let move_to = |from: &str, to: &str| {
        std::fs::write(&history, read(&history).replace(from, to)).unwrap();
    };
    move_to(&host, "\"another machine\"");
    let second = nights.run(&INPUTS, &[]);
    move_to("\"another machine\"", &host);
    holds(
        &second.summary,
        "no comparable run before: the host was another machine, now it is",
    );
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
    let artifacts = ["load-test-history", "load-test-results"];
    assert_eq!(third.uploaded, artifacts, "{}", third.log);
    // A red night is not what the next one is compared with.
    assert_eq!(nights.last_green(), newer);
    issue_of_the_red_night(&mut nights, &third, &newer);

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
    // What was measured on a busy machine is no reference either.
    let idle = |line: &&Value| line["slowed"] != true && line["run_outcome"] == "passed";
    let history = &nights.history()[..6];
    for test in fourth.run()["tests"].as_array().unwrap() {
        let same = history
            .iter()
            .filter(|line| line["key"]["test"] == test["name"]);
        assert_eq!(test["past"]["have"], same.filter(idle).count(), "{test}");
    }
    nights.tell("success");
    let [issue] = nights.issues().try_into().unwrap();
    assert_eq!(issue["state"], "closed");
    let comment = issue["comments"][0].as_str().unwrap();
    holds(
        comment,
        "Green again: [this night](https://github.example.org/",
    );
    // Closed once and for all: the next green night finds nothing to say.
    nights.tell("success");
    assert_eq!(nights.issues(), std::slice::from_ref(&issue));
    // An older night that is started again says nothing, the newest one does.
    let said = nights.tell_again("3", "failure");
    holds(
        &said,
        "::notice::the issue is left as it is: run 4 is newer",
    );
    assert_eq!(nights.issues(), [issue]);
    nights.tell_again("4", "failure");
    assert_eq!(nights.issues().len(), 2);
}

/// The issue that the red night opens and another red one updates.
fn issue_of_the_red_night(nights: &mut Nights, red: &Night, green: &str) {
    nights.tell("failure");
    let [issue] = nights.issues().try_into().unwrap();
    let title = issue["title"].as_str().unwrap();
    holds(title, "Red night, load: missions: ");
    let body = issue["body"].as_str().unwrap();
    assert!(
        body.starts_with("<!-- tachikoma: night load -->\n[This night]("),
        "{body}"
    );
    // The sentence, the table, and whom to ask first: the day's commit changes nothing that is measured.
    holds(
        body,
        &red.run()["reasons"][0].as_str().unwrap()[..30].replace('_', "\\_"),
    );
    holds(body, "http\\_req\\_duration p");
    holds(
        body,
        "None of the commits touches what is measured: look at the machine first.",
    );
    holds(body, &format!("/compare/{green}..."));
    // What the night says is quoted, and cut where GitHub would refuse it.
    let summary = std::fs::read_dir(nights.hub.join("artifacts/3/load-test-results")).unwrap();
    let mut folders = summary.map(|entry| entry.unwrap().path());
    let summary = folders
        .find(|path| path.is_dir())
        .unwrap()
        .join("summary.md");
    let loud = format!("# @everyone `$(touch owned)`\n\nx{}", "ä".repeat(50_000));
    std::fs::write(summary, loud).unwrap();
    nights.commit(
        "crates/tachikoma-server/src/lib.rs",
        "mine `$(touch owned)`",
    );
    nights.commit("load-tests/README.md", "later");
    nights.commit("load-tests/grafana/compose.yaml", "later");
    nights.tell("failure");
    let [updated] = nights.issues().try_into().unwrap();
    assert_eq!(updated["number"], issue["number"]);
    let body = updated["body"].as_str().unwrap();
    holds(body, "# @\u{200b}everyone `$(touch owned)`");
    holds(
        body,
        "**First suspect**, the oldest of 1 that touch what is measured: [",
    );
    holds(body, " `mine '$(touch owned)'`. [All commits");
    assert!(
        body.ends_with("/load-tests/ci.md#a-red-night-in-one-minute)\n"),
        "{body}"
    );
    assert_eq!(updated["comments"], json!([]));
    // A job that was cut off has no report.
    std::fs::remove_dir_all(nights.hub.join("artifacts/3")).unwrap();
    nights.tell("cancelled");
    let [cut_off] = nights.issues().try_into().unwrap();
    assert_eq!(cut_off["title"], "Red night, load: no report says why");
    holds(cut_off["body"].as_str().unwrap(), "by itself (cancelled)");
    // Of a green night that was rewritten, nothing is known.
    nights.change(|state| state["runs"][1]["headSha"] = json!("0".repeat(40)));
    nights.tell("failure");
    let [lost] = nights.issues().try_into().unwrap();
    let body = lost["body"].as_str().unwrap();
    holds(body, "commit 000000000 is no longer in the repository");
}

#[test]
fn a_repository_without_issues_is_told_so() {
    let nights = Nights::new();
    nights.change(|state| state["has_issues"] = json!(false));
    let said = nights.tell("success");
    holds(&said, "::error::the issues cannot be read");
}

#[test]
fn a_lost_history_is_looked_for_and_a_foreign_one_is_a_notice() {
    let mut nights = Nights::new();
    let first = nights.run(&HEALTH, &[]);
    assert!(
        first
            .workspace
            .join("load-tests/results/history.html")
            .is_file()
    );
    let fingerprint = nights.history()[0]["key"]["host"].to_string();
    std::fs::remove_dir_all(&nights.cache).unwrap();
    let kept = nights
        .hub
        .join("artifacts/1/load-test-history/history.jsonl");
    let moved = read(&kept).replace(&fingerprint, "\"another machine\"");
    std::fs::write(&kept, moved).unwrap();
    let moved = nights.run(&HEALTH, &[]);
    assert!(moved.green, "{}", moved.log);
    holds(&moved.log, "it is taken from the artifact of run 1");
    let notice = "no comparable run before: the host was another machine, now it is";
    holds(&moved.summary, notice);
    holds(&moved.summary, "| ✅ | 0 % | &lt; 1 % | errors rate |");
    // What the artifact had and what the night has added.
    assert_eq!(nights.history().len(), 2);

    // Kept on a branch, twice, it outlives the artifacts too.
    nights.keep();
    nights.keep();
    assert_eq!(nights.origin("rev-list --count load-test-history"), "2");
    let files = nights.origin("ls-tree --name-only load-test-history");
    assert_eq!(files, "history.jsonl\nlast-green");
    let newest = nights.hub.join("artifacts/2/load-test-history");
    std::fs::write(newest.join("history.jsonl"), "newer").unwrap();
    assert_eq!(nights.lost_history(), "newer");
    std::fs::remove_dir_all(nights.hub.join("artifacts")).unwrap();
    let history = read(&nights.cache.join("history.jsonl"));
    assert_eq!(nights.lost_history(), history);

    nights.origin("branch --quiet -D load-test-history");
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
fn the_last_green_night_is_a_whole_one_and_never_an_older_one() {
    let plan = step("load-tests.yml", "Decide what to run");
    for (index, other) in ["soak", "health", "0.5", "http://192.0.2.1", ""]
        .into_iter()
        .enumerate()
    {
        let mut env = [
            ("PROFILE", "load"),
            ("TESTS", "all websocket"),
            ("TIME_SCALE", "1"),
            ("BASE_URL", ""),
            ("SCHEDULE", ""),
        ];
        env[index].1 = other;
        let remember = &run(&plan, &root(), env).outputs["remember"];
        assert_eq!(remember, &other.is_empty().to_string(), "{env:?}");
    }

    let nights = Nights::new();
    let old = nights.origin("rev-parse HEAD");
    nights.day();
    let new = nights.origin("rev-parse HEAD");
    let lost = "0".repeat(40);
    for (last, head, remember, then) in [
        (&old, &new, "true", &new),
        (&old, &new, "false", &old),
        (&new, &old, "true", &new),
        (&lost, &old, "true", &old),
    ] {
        assert_eq!(&nights.remembered(last, head, remember), then);
    }
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
        let outputs = run(&step, &root(), env).outputs;
        assert_eq!(outputs["profile"], profile);
        assert_eq!(outputs["show-past"], (profile == "load").to_string());
        assert_eq!(outputs["time-scale"], "1");
        let jobs: Value = serde_json::from_str(&outputs["jobs"]).unwrap();
        let soak = ["health", "missions", "specs", "websocket"];
        let expected = match profile {
            "soak" => {
                let jobs = soak.iter().map(|test| (*test, *test, "soak"));
                let jobs = jobs.chain([("all", "capacity", "capacity")]);
                let job = |(tests, name, profile)| json!({"tests": tests, "results": format!("load-test-results-{name}"), "profile": profile});
                jobs.map(job).collect()
            }
            _ => {
                json!([{"tests": "all websocket", "results": "load-test-results", "profile": "load"}])
            }
        };
        assert_eq!(jobs, expected);
    }
}
