//! Several k6 that make a part of one load each, as k6-operator runs them, and their summaries merged.

use std::path::Path;
use std::process::Output;

use k6_summary::{
    Evidence, K6Exit, Limits, Log, Merged, Outcome, RunnerSummary, ServerState, ThresholdState,
    Verdict, judge, merge, merge_exact,
};

use crate::scripts::command;
use crate::support::{Server, k6, root};

const KEY: &str = "test-api-key";
/// 100 iterations a second by the clock, whoever makes them, for 2 s.
const PACED: [(&str, &str); 2] = [("PROFILE", "record"), ("TEST", "health")];

/// Has `count` k6 make a load of which each has its part; in `dir` each leaves samples and the short form.
fn run(count: usize, env: &[(&str, &str)], server: &Server, key: &str, dir: &Path) -> Vec<Output> {
    let end = |nth: usize| match nth {
        0 => "0".to_owned(),
        nth if nth == count => "1".to_owned(),
        nth => format!("{nth}/{count}"),
    };
    let ends: Vec<String> = (0..=count).map(end).collect();
    let runner = |nth: usize| {
        let mut k6 = command(k6(), &["run", "--quiet"]);
        if count > 1 {
            k6.arg(format!(
                "--execution-segment={}:{}",
                ends[nth],
                ends[nth + 1]
            ));
            k6.arg(format!("--execution-segment-sequence={}", ends.join(",")));
        }
        k6.arg(root().join("load-tests/main.js"))
            .args(["--address=", "--tag", &format!("instance_id={}", nth + 1)])
            .arg("--out")
            .arg(format!("csv={}", csv(count, nth, dir).display()))
            .env("RUNNER_SUMMARY", "1")
            .env("TERMINATION_LOG", short_form(count, nth, dir))
            .env("BASE_URL", &server.url)
            .env("API_KEY", key)
            .envs(env.iter().copied());
        k6
    };
    std::thread::scope(|scope| {
        let going: Vec<_> = (0..count)
            .map(|nth| scope.spawn(move || runner(nth).output().unwrap()))
            .collect();
        going.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

fn csv(count: usize, nth: usize, dir: &Path) -> std::path::PathBuf {
    dir.join(format!("{nth}-of-{count}.csv"))
}

fn short_form(count: usize, nth: usize, dir: &Path) -> std::path::PathBuf {
    dir.join(format!("{nth}-of-{count}.json"))
}

/// The summaries in what k6 wrote, which is nothing else.
fn read(outputs: &[Output]) -> Vec<(&'static str, RunnerSummary)> {
    let one = |out: &Output| {
        let log = std::str::from_utf8(&out.stdout).unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(
            log.starts_with("load-test-summary ") && log.lines().count() == 1,
            "{log}{said}"
        );
        assert!(log.len() < 200_000, "{}", log.len());
        ("runner", RunnerSummary::from_log(log).unwrap())
    };
    outputs.iter().map(one).collect()
}

fn judged(merged: &Merged) -> Verdict {
    judge(&Evidence {
        summary: Ok(&merged.summary),
        log: &Log::default(),
        exit: merged.exit(),
        min_checks: 0.95,
        max_exceptions: 0.01,
        planned_vus: None,
        limits: Limits::default(),
        server: ServerState::Healthy,
        interrupted: false,
    })
}

/// Thresholds that were evaluated, with what became of them.
fn states(verdict: &Verdict) -> Vec<(&str, &str, ThresholdState)> {
    let rows = verdict.thresholds.iter();
    rows.map(|row| (&*row.metric, &*row.expression, row.state))
        .collect()
}

#[test]
fn one_two_and_four_runners_make_the_same_load_and_are_merged_to_the_truth() {
    let server = Server::start(KEY);
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let all = std::thread::scope(|scope| {
        let server = &server;
        let run = |count| scope.spawn(move || run(count, &PACED, server, KEY, dir));
        [1, 2, 4].map(run).map(|going| going.join().unwrap())
    });
    for outputs in all {
        let count = outputs.len();
        // On a machine that is busy answers may be too late.
        assert!(
            outputs
                .iter()
                .all(|out| matches!(out.status.code(), Some(0 | 99))),
            "{outputs:?}"
        );
        let runners = read(&outputs);
        let merged = merge(&runners).unwrap();
        let summary = &merged.summary;
        // Each may miss the last of its own, whose time is the end's.
        let made = summary.counter("iterations") + summary.counter("dropped_iterations");
        assert!(made.abs_diff(200) <= count as u64, "{count}: {made}");
        assert_eq!(summary.counter("http_reqs"), summary.counter("iterations"));
        assert_eq!(
            summary.check_totals(),
            (2 * summary.counter("iterations"), 0)
        );

        let text = |nth| std::fs::read_to_string(csv(count, nth, dir)).unwrap();
        let texts: Vec<String> = (0..count).map(text).collect();
        let exact = merge_exact(&runners, texts.iter().map(String::as_bytes)).unwrap();
        let (estimated, exactly) = (judged(&merged), judged(&exact));
        for (by_grid, by_samples) in states(&estimated).iter().zip(states(&exactly)) {
            assert!(
                *by_grid == by_samples || by_grid.2 == ThresholdState::Undecided,
                "{by_grid:?}"
            );
        }
        for (name, metric) in exact
            .summary
            .metrics
            .iter()
            .filter(|(_, it)| it.value("med").is_some())
        {
            for stat in ["med", "p(95)", "p(99)", "p(99.9)", "min", "max"] {
                let estimated = summary.metric(name).unwrap();
                let (value, exact) = (estimated.value(stat).unwrap(), metric.value(stat).unwrap());
                let (low, high) = estimated
                    .intervals
                    .get(stat)
                    .copied()
                    .unwrap_or((value, value));
                assert!(
                    low <= value && value <= high,
                    "{name} {stat}: {low} {value} {high}"
                );
                // Half of the last digit that k6 writes.
                let is_within = low - 5e-7 <= exact && exact <= high + 5e-7;
                assert!(
                    is_within,
                    "{count} {name} {stat}: {exact} not in {low}..{high}"
                );
            }
        }
        let lines = texts.iter().flat_map(|text| text.lines());
        let of_requests = lines.filter_map(|line| line.strip_prefix("http_req_duration,"));
        let durations = of_requests.map(|rest| rest.split(',').nth(1).unwrap().parse().unwrap());
        let mut durations: Vec<f64> = durations.collect();
        durations.sort_by(f64::total_cmp);
        let place = 0.95 * (durations.len() as f64 - 1.0);
        let (under, over) = (
            durations[place.floor() as usize],
            durations[place.ceil() as usize],
        );
        let p95 = under + (over - under) * place.fract();
        assert_eq!(
            exact.summary.value("http_req_duration", "p(95)"),
            Some(p95),
            "{count}"
        );

        for (nth, (_, runner)) in runners.iter().enumerate() {
            let short = std::fs::read_to_string(short_form(count, nth, dir)).unwrap();
            assert!(short.len() <= 4000, "{short}");
            let short = RunnerSummary::from_termination_message(&short).unwrap();
            let requests = short.counters["http_reqs"] as u64;
            assert_eq!(requests, runner.summary.counter("http_reqs"));
            let own = runner.summary.metrics["http_req_duration"].thresholds["p(95)<500"];
            assert_eq!(short.thresholds["http_req_duration p(95)<500"], own.ok);
            assert_eq!(
                (short.checks, short.left_out),
                (runner.summary.check_totals(), 0)
            );
        }
    }
}

#[test]
fn the_verdict_of_several_runners_is_that_of_one_and_no_file_costs_the_line() {
    let server = Server::start(KEY);
    let dir = tempfile::tempdir().unwrap();
    // For a second, in which each of four users makes one iteration.
    let env = [
        ("PROFILE", "smoke"),
        ("TEST", "missions"),
        ("TIME_SCALE", "0.01"),
        ("VUS_SCALE", "4"),
    ];
    for (key, outcome, exit) in [(KEY, Outcome::Passed, 0), ("wrong", Outcome::Failed, 99)] {
        let merged = [1, 2, 4].map(|count| {
            let outputs = run(count, &env, &server, key, dir.path());
            assert!(
                outputs.iter().all(|out| out.status.code() == Some(exit)),
                "{outputs:?}"
            );
            merge(&read(&outputs)).unwrap()
        });
        let verdicts = merged.each_ref().map(judged);
        for (merged, verdict) in merged.iter().zip(&verdicts) {
            assert_eq!(verdict.outcome, outcome, "{:?}", verdict.reasons);
            assert_eq!(merged.exit(), K6Exit::Code(exit));
            assert_eq!(states(verdict), states(&verdicts[0]));
            assert_eq!(verdict.checks, verdicts[0].checks);
            assert_eq!(merged.summary.counter("iterations"), 4);
        }
    }
    // Samples in the log, and a short form that cannot be written.
    let out = command(k6(), &["run", "--quiet", "--address=", "--out", "csv=-"])
        .arg(root().join("load-tests/main.js"))
        .envs(env)
        .env("BASE_URL", &server.url)
        .env("RUNNER_SUMMARY", "1")
        .env("TERMINATION_LOG", dir.path().join("none/such"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("none/such"), "{said}");
    let log = String::from_utf8(out.stdout).unwrap();
    let runner = RunnerSummary::from_log(&log).unwrap();
    assert_eq!(runner.summary.counter("iterations"), 4);
    let p95 = runner.summary.value("http_req_duration", "p(95)").unwrap();
    let exact = merge_exact(&[("runner", runner)], [log.as_bytes()]).unwrap();
    let exact = exact.summary.value("http_req_duration", "p(95)").unwrap();
    assert!((p95 - exact).abs() < 1e-6, "{p95} {exact}");
}
