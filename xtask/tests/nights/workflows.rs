//! The workflows against what they are about: the orchestrator's command line, the specification, the pinned versions.
//!
//! That they are well-formed, that steps, inputs and outputs which they name exist, that actions are pinned by commit
//! and that nothing of others is put into a script is held by actionlint and zizmor in `.ci/run`.

use std::path::Path;

use serde_json::{Value, json};

use crate::step::{Ran, git, object, program, run, step, steps, yaml};
use crate::support::{k6, read, root};

/// What a variable of a step may hold in a real run.
const SAMPLES: [(&str, &str); 12] = [
    ("ACCEPT", "HEAD"),
    ("API_KEY", "key"),
    ("BASE", "HEAD"),
    ("BASE_URL", "http://127.0.0.1:1"),
    ("JUNIT", "junit.xml"),
    ("K6", "1.1.0"),
    ("K6_BIN", "/no/such/k6"),
    ("PROFILE", "load"),
    ("SHOW_PAST", "true"),
    ("TESTS", "all websocket"),
    ("TIME_SCALE", "0.02"),
    ("WHY", "missions are validated now"),
];

/// Says what it is called with, and which of it is not understood. There is no k6, so that nothing runs.
const CARGO: &str = r#"#!/bin/sh
[ "$1" = xtask ] || exit 0
shift
echo "called with $*" >&2
"$NIGHT_XTASK" "$@" 2>&1 >/dev/null | grep "try '--help'" >&2 && echo "not understood: $*" >&2
echo /no/such/k6
"#;

/// Every workflow and action.
fn files() -> Vec<String> {
    let folder = root().join(".github/workflows");
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let workflows = names.map(|name| format!("workflows/{name}"));
    workflows
        .chain(["actions/load-test/action.yml".into()])
        .collect()
}

/// Runs the script of `step` in `folder` with that `cargo`; how often it was called.
fn understood(step: &Value, folder: &Path) -> usize {
    let given = object(&step["env"]).map(|(name, _)| name);
    let sample = |name: &String| {
        let sample = SAMPLES.iter().find(|(known, _)| known == name);
        *sample.unwrap_or_else(|| panic!("give {name} a sample"))
    };
    let path = program(&folder.join("bin"), "cargo", CARGO);
    let results = folder.join("results").display().to_string();
    let own = [
        ("PATH", path.as_str()),
        ("NIGHT_XTASK", env!("CARGO_BIN_EXE_xtask")),
        ("K6_BIN", "/no/such/k6"),
        ("TACHIKOMA_RESULTS", &results),
        ("GITHUB_ACTIONS", ""),
    ];
    let Ran { said, .. } = run(step, folder, own.into_iter().chain(given.map(sample)));
    assert!(!said.contains("not understood"), "{said}");
    said.matches("called with").count()
}

#[test]
fn every_line_is_a_valid_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let clone = format!("clone --quiet {} work", root().display());
    git(dir.path(), &clone);
    let mut count = 0;
    for step in files().iter().flat_map(|file| steps(file)) {
        let script = step["run"].as_str().unwrap_or_default();
        if script.contains("cargo xtask ") {
            let calls = understood(&step, &dir.path().join("work"));
            // The night's comparison needs a green night, and is held by `three`.
            assert!(calls > 0 || script.contains("last-green"), "{script}");
            count += calls;
        }
    }
    assert!(count >= 6, "only {count} lines were found");
}

#[test]
fn every_line_of_the_guide_is_a_valid_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let guide = read(&root().join("load-tests/ci.md"));
    let mut count = 0;
    for (at, _) in guide.match_indices("cargo xtask ") {
        let line = guide[at..].split(['`', '\'', '\n']).next().unwrap();
        // Not what is named in a sentence, or a pattern such as `cargo xtask …`.
        if line.split_whitespace().count() > 3 && !line.contains('…') {
            count += understood(&json!({"run": line}), dir.path());
        }
    }
    assert!(count >= 4, "only {count} lines were found");
}

#[test]
fn the_nightly_workflow_is_the_specifications() {
    let yaml = yaml("workflows/load-tests.yml");
    assert_eq!(yaml["name"], "Load Tests");
    assert_eq!(yaml["on"]["schedule"][0]["cron"], "0 2 * * *");
    assert!(yaml["on"]["workflow_dispatch"].is_object());
    assert_eq!(yaml["jobs"]["load-test"]["runs-on"], "ubuntu-latest");
    // `load-test-results`, of a soak one for each test.
    let upload = step("load-tests.yml", "Upload results");
    assert_eq!(upload["if"], "${{ always() }}");
    assert_eq!(upload["with"]["name"], "${{ matrix.results }}");
    let path = upload["with"]["path"].as_str().unwrap();
    assert!(path.starts_with("load-tests/results/\n"), "{path}");
}

#[test]
fn the_folder_of_k6_is_cached() {
    let text = |file: &String| read(&root().join(".github").join(file));
    let caches = files().iter().map(text).collect::<String>();
    assert_eq!(caches.matches("path: target/k6\n").count(), 2);
    assert_eq!(caches.matches("uses: actions/cache@").count(), 2);
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or("target".into());
    assert!(k6().starts_with(root().join(target).join("k6")));
}

#[test]
fn every_job_has_a_time_limit_and_three_may_write_one_thing_each() {
    let writers = [
        ("comment", "pull-requests"),
        ("issue", "issues"),
        ("keep", "contents"),
    ];
    for file in files().iter().filter(|file| file.starts_with("workflows/")) {
        for (name, job) in object(&yaml(file)["jobs"]) {
            assert!(job["timeout-minutes"].is_u64(), "{file}: {name}");
            let may_write = object(&job["permissions"]).filter(|(_, right)| **right == "write");
            let may_write: Vec<&str> = may_write.map(|(what, _)| what.as_str()).collect();
            let expected = writers.iter().filter(|(writer, _)| writer == name);
            let expected: Vec<&str> = expected.map(|(_, what)| *what).collect();
            assert_eq!(may_write, expected, "{file}: {name}");
            // None of these runs what it has checked out.
            let steps = job["steps"].to_string();
            let runs = ["cargo xtask", "cargo build", "uses\":\"./"];
            let runs = runs.iter().any(|it| steps.contains(it));
            assert!(expected.is_empty() || !runs, "{file}: {name}");
        }
    }
}

#[test]
fn only_scheduled_nights_make_issues_and_the_branch_is_off_unless_wanted() {
    let jobs = &yaml("workflows/load-tests.yml")["jobs"];
    let condition = |job: &str| jobs[job]["if"].as_str().unwrap().to_owned();
    assert!(condition("issue").contains("&& github.event_name == 'schedule'"));
    assert!(condition("keep").contains("&& vars.LOAD_TEST_HISTORY_BRANCH == 'true' &&"));
}

#[test]
fn every_pin_says_its_version_and_every_input_is_used() {
    for file in files() {
        let text = read(&root().join(".github").join(&file));
        for line in text.lines().filter(|line| line.contains("uses: ")) {
            let version = line.split_once(" # v").unwrap_or_default().1;
            let named = version.split('.').count() == 3 || line.contains("uses: ./");
            assert!(named, "{file}: {line}");
        }
        let yaml = yaml(&file);
        let dispatched = object(&yaml["on"]["workflow_dispatch"]["inputs"]);
        for (name, _) in object(&yaml["inputs"]).chain(dispatched) {
            let used = text.contains(&format!("{{{{ inputs.{name} }}}}"));
            assert!(used, "{file}: the input {name} is used nowhere");
        }
    }
}

#[test]
fn the_oldest_and_the_newest_pinned_k6_are_tested() {
    let pins: Value = serde_json::from_str(&read(&root().join("xtask/k6-pins.json"))).unwrap();
    let kinds = ["releases", "wheels"].into_iter();
    let pinned = kinds.flat_map(|kind| object(&pins[kind]));
    let pinned: Vec<semver::Version> = pinned.map(|(it, _)| it.parse().unwrap()).collect();
    let ends = [pinned.iter().min(), pinned.iter().max()];
    let ci = yaml("workflows/ci.yml");
    let tested = &ci["jobs"]["k6"]["strategy"]["matrix"]["k6"];
    assert_eq!(*tested, json!(ends.map(|it| it.unwrap().to_string())));
}

#[test]
fn the_oldest_rust_and_the_one_that_measures_is_the_one_of_cargo_toml() {
    let named = env!("CARGO_PKG_RUST_VERSION");
    let dir = tempfile::tempdir().unwrap();
    let path = program(dir.path(), "rustup", "#!/bin/sh\necho \"$*\"\n");
    for (workflow, name) in [
        ("ci.yml", "Install the Rust that Cargo.toml names"),
        ("load-tests.yml", "Install Rust"),
        ("compare.yml", "Install Rust"),
    ] {
        let said = run(&step(workflow, name), &root(), [("PATH", &path)]).said;
        assert!(said.ends_with(&format!("\ndefault {named}\n")), "{said}");
    }
    let guide = read(&root().join("load-tests/ci.md"));
    assert!(guide.contains(&format!("image: rust:{named}\n")));
}

/// How long the load of `profile` takes by the specification's table, in minutes.
fn minutes(profile: &str) -> u64 {
    let config = read(&root().join("load-tests/k6.config.js"));
    let (_, stages) = config.split_once(&format!("  {profile}: {{")).unwrap();
    let (stages, _) = stages.split_once("]").unwrap();
    let durations = stages.split("duration: '").skip(1);
    durations
        .map(|rest| rest.split_once("m'").unwrap().0.parse::<u64>().unwrap())
        .sum()
}

#[test]
fn the_time_limit_is_enough_and_the_guide_tells_the_minutes_of_a_month() {
    let (night, soak) = (4 * minutes("load"), minutes("soak"));
    let job = &yaml("workflows/load-tests.yml")["jobs"]["load-test"];
    let limit = job["timeout-minutes"].as_u64().unwrap();
    // A suspect is measured once more; building, and whatever k6 waits for beyond the load, takes less than half an hour.
    assert!(2 * soak + 30 <= limit, "a soak takes 2 * {soak} minutes");
    assert!(limit < 4 * 2 * soak, "four in one job would do");
    let comparison =
        &step("load-tests.yml", "Compare with the last green night")["timeout-minutes"];
    assert!(
        night + comparison.as_u64().unwrap() + 30 <= limit,
        "{night}"
    );
    // The guide's sum: 30.4 nights and 4.35 Sundays a month; ten minutes of pairs and five of counting instructions, five for
    // all else of a job, and three searches of at most ten.
    let nights = (30.4 * (night + 10 + 5 + 5) as f64).round();
    let soaks = (4.35 * (4 * (soak + 5) + 3 * 10 + 5) as f64).round();
    let guide = read(&root().join("load-tests/ci.md"));
    for number in [nights, soaks, nights + soaks] {
        let digits = number.to_string();
        let text = format!(
            "{},{}",
            &digits[..digits.len() - 3],
            &digits[digits.len() - 3..]
        );
        assert!(guide.contains(&text), "the guide lacks {text}");
    }
}
