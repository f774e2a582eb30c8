//! Runs beside their past: what is suspect is measured once more, and the history is shown, imported and accepted.
//!
//! The past is made from the line of one real run, with noise written by the test.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::browser::{browser, look};
use crate::faults::{faulty_server, program_with_faults};
use crate::support::{Busy, Done, Run, files, read, wait_until};

/// The run whose past is made up, 3 s long, and judged whatever other tests do to the machine.
const RUN: &str = "smoke missions --time-scale 0.1 --judge-when-busy";
/// Slower than any past, and within every threshold.
const SLOW: &str = "POST /api/missions: latency=300ms";
/// Noise as a quiet machine has it, and so much that only a fault stands out on a busy one.
const QUIET: f64 = 0.05;
const LOUD: f64 = 2.0;

/// The line that one real run wrote.
fn real_line() -> &'static Value {
    static LINE: OnceLock<Value> = OnceLock::new();
    LINE.get_or_init(|| {
        let done = Run::new(RUN).own_server().done();
        done.exits(0);
        serde_json::from_str(&read(&done.results.join("history.jsonl"))).unwrap()
    })
}

/// The line of night `nth`: clean, passed, and with every number a little off by `spread`.
fn night(nth: usize, spread: f64) -> Value {
    let mut line = real_line().clone();
    let (month, day) = (1 + nth / 28, 1 + nth % 28);
    let level = 1.0 + spread * [0.0, 0.6, -0.2, 0.9, 0.3][nth % 5];
    line["run"] = format!("2020-{month:02}-{day:02}T02-00-00Z-smoke").into();
    line["at"] = format!("2020-{month:02}-{day:02}T02:00:00Z").into();
    line["commit"] = format!("{:040x}", nth + 1).into();
    line["dirty"] = false.into();
    let metrics = &mut line["metrics"];
    scale(&mut metrics["http_req_duration"], level);
    for trend in metrics["trends"].as_object_mut().unwrap().values_mut() {
        scale(trend, level);
    }
    for (of, name) in [
        ("metrics", "data_received_bytes"),
        ("server_usage", "peak_rss_bytes"),
    ] {
        let value = line[of][name].as_f64().unwrap() * level;
        line[of][name] = (value as u64).into();
    }
    let cpu = line["server_usage"]["cpu_us_per_request"].as_f64().unwrap();
    line["server_usage"]["cpu_us_per_request"] = (cpu * level).into();
    line
}

fn scale(trend: &mut Value, level: f64) {
    for name in ["min", "avg", "med", "p95", "p99", "max"] {
        if let Some(value) = trend[name].as_f64() {
            trend[name] = (value * level).into();
        }
    }
}

/// Lines as text.
fn text(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn nights(count: usize, spread: f64) -> String {
    let lines: Vec<Value> = (0..count).map(|nth| night(nth, spread)).collect();
    text(&lines)
}

/// Writes a history into the results folder of `run`.
fn with_past(run: Run, history: &str) -> Run {
    std::fs::create_dir_all(&run.results).unwrap();
    std::fs::write(run.results.join("history.jsonl"), history).unwrap();
    run
}

/// Asserts that the history only grew, and returns the lines that are new.
#[track_caller]
fn fresh(results: &Path, before: &str) -> Vec<Value> {
    let all = read(&results.join("history.jsonl"));
    let new = all.strip_prefix(before);
    let new = new.unwrap_or_else(|| panic!("the history was rewritten: {all}"));
    new.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn row(done: &Done, metric: &str) -> Value {
    let run = done.run();
    let rows = run["tests"][0]["past"]["metrics"].as_array().unwrap();
    let row = rows.iter().find(|row| row["metric"] == metric);
    row.unwrap_or_else(|| panic!("no {metric}: {run}")).clone()
}

/// What is said of the past of the first test; a terminal's table breaks it into lines.
fn note(done: &Done) -> String {
    let run = done.run();
    run["tests"][0]["past"]["note"].as_str().unwrap().to_owned()
}

fn tests_folders(done: &Done) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(done.folder())
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn slow(args: &str) -> Run {
    Run::new(args)
        .server_bin(faulty_server())
        .env("TACHIKOMA_FAULTS", SLOW)
        .env("TACHIKOMA_ALLOW_FAULTS", "1")
}

#[test]
fn a_slow_route_is_measured_once_more_and_fails_by_metric_bound_and_value() {
    let before = nights(40, QUIET);
    let done = with_past(slow(RUN), &before).done();
    done.exits(1).says("missions is worse than past runs");
    assert_eq!(done.stderr.matches("missions: once more").count(), 1);
    assert_eq!(tests_folders(&done), ["missions", "missions-confirm"]);
    let row = row(&done, "mission_create_duration med");
    assert_eq!(row["state"], "regression", "{row}");
    assert!(row["value"].as_f64().unwrap() >= 300.0, "{row}");
    let reasons = done.reasons();
    let reason = reasons
        .lines()
        .find(|reason| reason.contains("mission_create_duration median is 3"))
        .unwrap_or_else(|| panic!("{reasons}"));
    for part in [" times the usual ", " is noise)"] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    done.says(reason).says("measured once more: 3");
    let page = read(&done.folder().join("report.html"));
    assert!(page.contains("worse, and worse again when measured once more"));
    let summary = read(&done.folder().join("summary.md"));
    assert!(
        summary.contains("measured once more: 3") && summary.contains("duration median is 3"),
        "{summary}"
    );
    let new = fresh(&done.results, &before);
    assert_eq!(new.len(), 1, "the second measurement is no line of its own");
    assert_eq!(
        (&new[0]["outcome"], &new[0]["faults"]),
        (&json!("failed"), &json!(true))
    );
    // The red night is no reference for the next one.
    let next = Run::new(RUN).own_server().results_in(&done.results).done();
    assert_eq!(note(&next), "left out: 1 failed");
    assert_eq!(next.run()["tests"][0]["past"]["have"], 40);
}

#[test]
fn without_confirmation_one_measurement_is_enough() {
    let run = slow(&format!("{RUN} --no-confirm"));
    let done = with_past(run, &nights(40, QUIET)).done();
    done.exits(1)
        .says("mission_create_duration median is 3")
        .says("not measured once more, as asked");
    assert_eq!(tests_folders(&done), ["missions"]);
    // Where a comparison decides, the past is only shown.
    let run = slow(&format!("{RUN} --show-past"));
    let done = with_past(run, &nights(40, QUIET)).done();
    done.exits(0);
    let row = row(&done, "mission_create_duration med");
    assert_eq!(row["state"], "shown", "{row}");
    assert!(row["note"].as_str().unwrap().contains("as asked"), "{row}");
}

#[test]
fn a_busy_machine_makes_no_suspect() {
    let run = slow("smoke missions --time-scale 0.1");
    let run = with_past(run, &nights(40, QUIET));
    let _busy = Busy::start();
    let done = run.done();
    done.exits(0).says("missions: other programs took ");
    let row = row(&done, "mission_create_duration med");
    assert_eq!(row["state"], "shown", "{row}");
    assert!(row["note"].as_str().unwrap().contains("too busy"), "{row}");
    assert_eq!(tests_folders(&done), ["missions"]);
}

/// A program that is a server with one set of faults at its first start, and with another at every later one.
fn once(dir: &Path, first: &str, later: &str) -> PathBuf {
    let been = dir.join("been");
    let first = program_with_faults(dir, "first", first);
    let later = program_with_faults(dir, "later", later);
    let program = dir.join("once");
    let script = format!(
        "#!/bin/sh\nif [ -e '{been}' ]; then exec '{later}' \"$@\"; fi\n: >'{been}'\nexec '{first}' \"$@\"\n",
        been = been.display(),
        later = later.display(),
        first = first.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(
        &program,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    program
}

#[test]
fn what_is_not_seen_again_is_a_notice() {
    let dir = tempfile::tempdir().unwrap();
    let program = once(dir.path(), SLOW, "POST /api/missions: latency=0ms");
    let run = Run::new(RUN).server_bin(&program);
    let done = with_past(run, &nights(40, LOUD)).done();
    done.exits(0)
        .says("not confirmed: mission_create_duration median is 3");
    assert_eq!(
        row(&done, "mission_create_duration med")["state"],
        "not_confirmed"
    );
    assert_eq!(tests_folders(&done), ["missions", "missions-confirm"]);
}

#[test]
fn a_second_measurement_on_a_fresh_server_is_not_judged_by_runs_on_a_used_one() {
    let dir = tempfile::tempdir().unwrap();
    let program = once(dir.path(), SLOW, "POST /api/missions: latency=50ms");
    let nights = (0..40).map(|nth| {
        let mut line = night(nth, LOUD);
        line["key"]["after"] = json!(["health"]);
        // Slower than the second measurement, which thus looks as good as these runs.
        line["metrics"]["trends"]["mission_create_duration"]["med"] = 150.0.into();
        line
    });
    let before = text(&nights.collect::<Vec<Value>>());
    let run =
        Run::new("smoke health missions --time-scale 0.1 --judge-when-busy").server_bin(&program);
    let done = with_past(run, &before).done();
    done.exits(1)
        .says("mission_create_duration median is 3")
        .says("0 of 30 runs that it is comparable with: the suspicion stands");
}

#[test]
fn a_short_history_is_said_and_what_is_unfit_does_not_count() {
    let mut lines: Vec<Value> = (0..15).map(|nth| night(nth, QUIET)).collect();
    lines[3]["dirty"] = true.into();
    lines[7]["outcome"] = "interrupted".into();
    lines[7]["run_outcome"] = "interrupted".into();
    lines[9]["faults"] = true.into();
    let before = text(&lines);
    let done = with_past(slow(RUN), &before).done();
    done.exits(0).says("history too short: 12 of 30");
    assert_eq!(
        note(&done),
        "history too short: 12 of 30; left out: 1 with uncommitted changes, 1 interrupted, 1 with injected faults"
    );
    assert_eq!(tests_folders(&done), ["missions"]);
    let row = row(&done, "mission_create_duration med");
    assert_eq!(row["state"], "shown", "{row}");
    assert!(row["fence"].is_number(), "{row}");
    assert_eq!(fresh(&done.results, &before).len(), 1);
}

#[test]
fn lines_that_cannot_be_read_are_named_and_left() {
    let mut foreign = night(20, QUIET);
    foreign["schema_version"] = 2.into();
    let before = format!(
        "{}{{\"half\":\n{foreign}\n{}",
        nights(5, QUIET),
        text(&[night(30, QUIET)])
    );
    let done = with_past(Run::new(RUN).own_server(), &before).done();
    done.exits(0)
        .says("history.jsonl line 6 is corrupted")
        .says("line 7 has format version 2, and this program reads 1: left out, and left as it is")
        .says("history too short: 6 of 30");
    let notices = done.run()["notices"].to_string();
    assert!(notices.contains("line 6 is corrupted"), "{notices}");
    assert_eq!(fresh(&done.results, &before).len(), 1);
}

#[test]
fn an_interrupted_run_is_kept_and_is_no_reference() {
    let mut run = Run::new("smoke missions").own_server().start();
    let results = run.results.clone();
    run.wait_for("missions: 1 virtual user");
    wait_until("k6 makes requests", || {
        let found = files(&results);
        let usage = found.iter().find(|file| file.ends_with("server-usage.csv"));
        usage.is_some_and(|file| read(file).lines().count() > 4)
    });
    run.signal(Signal::INT);
    let done = run.done();
    done.exits(130);
    let shown = Run::history("--message-format json")
        .results_in(&done.results)
        .done();
    shown.exits(0);
    let series: Value = serde_json::from_str(&shown.stdout).unwrap();
    let point = &series[0]["metrics"][0]["points"][0];
    assert_eq!(point["outcome"], "interrupted", "{series}");
    assert_eq!(point["unfit"], "interrupted", "{series}");
}

#[test]
fn the_past_is_shown_as_a_table_as_json_and_as_a_page() {
    let mut lines: Vec<Value> = (0..40).map(|nth| night(nth, QUIET)).collect();
    for line in &mut lines[30..] {
        scale(&mut line["metrics"]["http_req_duration"], 2.0);
    }
    lines[12]["dirty"] = true.into();
    lines[13]["commit"] = "<script>document.body.innerHTML='gone'</script>".into();
    lines[13]["run"] = "<b>\"x\" & 'y'</b>".into();
    let why = "<i>wanted</i> & \"so\"";
    lines.push(json!({"schema_version": 1, "accepted": {
        "commit": "0123456789abcdef0123456789abcdef01234567", "committed_at": "2020-01-20T12:00:00Z",
        "tests": [], "why": why, "accepted_at": "2020-01-21T12:00:00Z"}}));
    let before = text(&lines);
    let run = with_past(Run::history("smoke missions --html"), &before);
    let done = run.done();
    let page = done.results.join("history.html");
    done.exits(0)
        .says("smoke missions at time scale 0.1")
        .says("40 runs")
        .says("accepted 012345678, from run 21 of 40")
        .says("changed: http_req_duration med +")
        .says(&format!("page: {}", page.display()));
    assert_eq!(fresh(&done.results, &before).len(), 0);
    let html = read(&page);
    assert!(html.contains("default-src 'none'") && !html.contains("src=\"http"));
    let elsewhere = done.results.join("elsewhere.html");
    let json = Run::history("--message-format json --html")
        .arg(elsewhere.to_str().unwrap())
        .results_in(&done.results)
        .done();
    let series: Value = serde_json::from_str(&json.exits(0).stdout).unwrap();
    assert_eq!(series[0]["metrics"][0]["points"][12]["dirty"], true);
    assert!(json.stderr.contains("elsewhere.html"), "{}", json.stderr);
    assert_eq!(read(&elsewhere), html);
    let Some(browser) = browser() else { return };
    for width in [1200, 390] {
        let seen = look(&browser, &page, width);
        seen.is_quiet();
        seen.says("accepted 012345678, from run 21 of 40: <i>wanted</i> & \"so\"");
        seen.says("▼ http_req_duration med +");
        seen.shows("charts", 8, 300.0, 120.0);
    }
}

#[test]
fn what_cannot_be_shown_is_said() {
    let done = Run::history("--html").done();
    done.exits(0).says("has no such runs");
    assert!(read(&done.results.join("history.html")).contains("There are no such runs"));
    Run::history("--html missions")
        .done()
        .exits(2)
        .says("ends in .html");
    Run::history("lod").done().exits(2).says("load");
    Run::history("--html /nowhere/at/all.html")
        .done()
        .exits(3)
        .says("/nowhere/at/all.html");
    let folder = Run::history("");
    std::fs::create_dir_all(folder.results.join("history.jsonl")).unwrap();
    folder.done().exits(3).says("failed to read");
}

#[test]
fn runs_of_elsewhere_are_imported_once() {
    let elsewhere = tempfile::tempdir().unwrap();
    let artifact = elsewhere.path().join("artifact/load-test-results");
    std::fs::create_dir_all(&artifact).unwrap();
    let lines = format!("{}{{\"half\n", nights(3, QUIET));
    std::fs::write(artifact.join("history.jsonl"), lines).unwrap();
    let before = text(&[night(2, QUIET), night(9, QUIET)]);
    let dir = elsewhere.path().to_str().unwrap();
    let import = |results: &Path| {
        let run = Run::history("import").arg(dir).results_in(results);
        run.done()
    };
    let first = with_past(Run::history("import").arg(dir), &before).done();
    first
        .exits(0)
        .says("imported tests: 2; accepted changes: 0; files read: 1; tests already known: 1")
        .says("line 4 is corrupted");
    let new = fresh(&first.results, &before);
    assert_eq!(new.len(), 2);
    assert!(new.iter().all(|line| line["imported"] == true), "{new:?}");
    let after = read(&first.results.join("history.jsonl"));
    let second = import(&first.results);
    second.exits(0).says("imported tests: 0;");
    assert_eq!(fresh(&first.results, &after).len(), 0);

    let empty = tempfile::tempdir().unwrap();
    Run::history("import")
        .arg(empty.path().to_str().unwrap())
        .done()
        .exits(2)
        .says("holds neither history.jsonl nor run.json");
    Run::history("import /nowhere")
        .done()
        .exits(2)
        .says("/nowhere is no folder");
    Run::history("import").done().exits(2).says("<DIR>");
}

#[test]
fn a_change_is_accepted_with_its_reason() {
    let before = nights(40, QUIET);
    let run = Run::history("accept HEAD missions --why").arg("  missions are validated now ");
    let done = with_past(run, &before).done();
    done.exits(0)
        .says("for missions: a new level begins with the next run");
    let new = fresh(&done.results, &before);
    assert_eq!(new.len(), 1, "{new:?}");
    let accepted = &new[0]["accepted"];
    assert_eq!(accepted["why"], "missions are validated now");
    assert_eq!(accepted["tests"], json!(["missions"]));
    assert_eq!(accepted["commit"].as_str().unwrap().len(), 40);
    assert_eq!(done.stdout.trim(), accepted["commit"]);
    // From here on nothing is known of the level, and so there is no verdict.
    let next = slow(RUN).results_in(&done.results).done();
    next.exits(0).says("the level is new: 0 of 3");
    let note = note(&next);
    assert!(
        note.contains("accepted: missions are validated now (40 runs before it tell the noise)"),
        "{note}"
    );

    let before = read(&done.results.join("history.jsonl"));
    let refused = |args: &[&str]| {
        let run = Run::history("accept").results_in(&done.results);
        let run = args.iter().fold(run, |run, arg| run.arg(arg));
        run.done()
    };
    refused(&["no-such-revision", "--why", "x"])
        .exits(2)
        .says("no-such-revision is not a commit");
    refused(&["--why", "x", "--", "--output=/tmp/x"])
        .exits(2)
        .says("is not a commit");
    refused(&["HEAD", "--why", " "])
        .exits(2)
        .says("a few words");
    refused(&["HEAD"]).exits(2).says("--why");
    refused(&["HEAD", "mission", "--why", "x"])
        .exits(2)
        .says("missions");
    assert_eq!(fresh(&done.results, &before).len(), 0);
}
