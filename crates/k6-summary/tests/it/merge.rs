//! Several runners' summaries as one: held against the samples that they stand for.

use k6_summary::{
    Aggregation, LineProblem, MergeError, Outcome, Reason, RunnerSummary, ThresholdState, judge,
    merge, merge_exact,
};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::captures::{evidence, sentences};

/// The statistics that somebody asked for, as `main.js` names them.
const STATS: [&str; 7] = ["avg", "med", "max", "p(5)", "p(95)", "p(99)", "p(99.9)"];

/// k6's percentile of samples in ascending order.
fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let place = percent / 100.0 * (sorted.len() as f64 - 1.0);
    let (under, over) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
    under + (over - under) * (place - place.floor())
}

fn sorted(samples: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut samples: Vec<f64> = samples.into_iter().collect();
    samples.sort_by(f64::total_cmp);
    samples
}

/// What a runner with these samples of `http_req_duration` knows of them: every `step`th percent, and more in the tail.
fn line_json(samples: &[f64], step: usize, threshold: &str) -> Value {
    let samples = sorted(samples.iter().copied());
    let grid = (0..=100).step_by(step).map(|it| it as f64);
    let grid = sorted(grid.chain([5.0, 50.0, 95.0, 99.0, 99.5, 99.9, 100.0]));
    let mut grid = grid;
    grid.dedup();
    let count = samples.len();
    let values: Vec<f64> = match count {
        0 => Vec::new(),
        _ => grid.iter().map(|it| percentile(&samples, *it)).collect(),
    };
    let sum: f64 = samples.iter().sum();
    let duration = json!({
        "type": "trend", "contains": "time", "grid": values,
        "values": {"count": count, "avg": sum / count.max(1) as f64},
        "thresholds": {threshold: {"ok": true}},
    });
    let counter = json!({"type": "counter", "contains": "default",
        "values": {"count": count, "rate": count as f64 / 2.0}});
    let users = json!({"type": "gauge", "contains": "default",
        "values": {"value": 1, "min": 1, "max": 2}});
    json!({
        "grid": grid,
        "stats": STATS,
        "metrics": {
            "http_req_duration": duration,
            "http_reqs": counter,
            "iterations": counter,
            "vus_max": users,
            "queue": {"type": "gauge", "contains": "default",
                "values": {"value": count, "min": 0, "max": count},
                "thresholds": {"value<500": {"ok": count < 500}}},
            "http_req_failed": {"type": "rate", "contains": "default",
                "values": {"rate": 0, "passes": 0, "fails": count}},
        },
        "root_group": {"name": "", "path": "", "groups": [
            {"name": "g", "path": "::g", "groups": [], "checks": [
                {"name": "ok", "path": "::g::ok", "passes": count, "fails": 0}]}], "checks": []},
        "state": {"testRunDurationMs": 2000},
        "load_test": {"profile": "smoke", "test": "health", "time_scale": 1, "vus_scale": 1,
            "thresholds": {"http_req_duration": [threshold]},
            "own_thresholds": {"http_req_duration": [threshold]}},
    })
}

/// The line of a log that has this JSON.
fn logged(json: &Value) -> String {
    let json = json.to_string();
    let hash = Sha256::digest(&json);
    format!("load-test-summary {} {hash:x} {json}\n", json.len())
}

fn read(json: &Value) -> RunnerSummary {
    RunnerSummary::from_log(&logged(json)).expect("an intact line")
}

fn runner(samples: &[f64], step: usize, threshold: &str) -> RunnerSummary {
    read(&line_json(samples, step, threshold))
}

/// Samples of a runner: few, many of a kind, or any.
fn samples() -> impl Strategy<Value = Vec<f64>> {
    let coarse = (0_u32..6).prop_map(f64::from);
    let fine = 0.01..1000.0_f64;
    prop_oneof![
        vec(coarse.clone(), 0..4),
        vec(coarse, 0..60),
        vec(fine, 0..200),
        (0.1..9.0_f64, 1_usize..50).prop_map(|(value, count)| vec![value; count]),
    ]
}

/// What k6 writes with `--out csv`, with what else a log may have.
fn csv(samples: &[f64]) -> String {
    let head = "metric_name,timestamp,metric_value,check,error,expected_response,group,extra_tags,metadata\n";
    let rows = samples.iter().enumerate().map(|(nth, value)| {
        let expected = nth % 2 == 0;
        format!(
            "http_reqs,1700000000,1.000000,,,{expected},,,\n\
             time=\"2026-01-01T00:00:00Z\" level=info msg=\"a,b,1\"\n\
             http_req_duration,1700000000,{value:.6},,\"a \"\"b\"\",\nc\",{expected},::g,x=1&y=2,\n"
        )
    });
    std::iter::once(head.to_owned()).chain(rows).collect()
}

proptest! {
    #[test]
    fn an_interval_has_the_exact_percentile_and_the_estimate(
        parts in vec(samples(), 1..5),
        step in 1_usize..40,
    ) {
        let runners: Vec<(&str, RunnerSummary)> =
            parts.iter().map(|it| ("r", runner(it, step, "p(95)<3"))).collect();
        let summary = merge(&runners).unwrap().summary;
        let all = sorted(parts.concat());
        let metric = summary.metric("http_req_duration").unwrap();
        prop_assert_eq!(summary.counter("http_reqs"), all.len() as u64);
        prop_assert_eq!(summary.check_totals(), (all.len() as u64, 0));
        prop_assert_eq!(summary.vus_max(), Some(2 * parts.len() as u64));
        prop_assert_eq!(metric.count(), Some(all.len() as f64));
        if all.is_empty() {
            prop_assert!(!metric.has_samples());
            return Ok(());
        }
        prop_assert_eq!(metric.value("min"), all.first().copied());
        prop_assert_eq!(metric.value("max"), all.last().copied());
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        prop_assert!((metric.value("avg").unwrap() - mean).abs() <= 1e-9 * mean);
        for (stat, percent) in [("med", 50.0), ("p(5)", 5.0), ("p(95)", 95.0), ("p(99.9)", 99.9)] {
            let exact = percentile(&all, percent);
            let value = metric.value(stat).unwrap();
            let (low, high) = metric.intervals.get(stat).copied().unwrap_or((value, value));
            let ulps = 1e-12 * exact.abs();
            prop_assert!(low <= value && value <= high, "{stat}: {low} {value} {high}");
            prop_assert!(low - ulps <= exact && exact <= high + ulps, "{stat}: {low} {exact} {high}");
        }
    }

    #[test]
    fn what_is_decided_is_decided_as_by_the_samples(
        parts in vec(samples(), 1..4),
        bound in prop_oneof![(0_u32..6).prop_map(f64::from), 0.01..1000.0_f64],
        operator in prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]),
    ) {
        let expression = format!("p(95){operator}{bound}");
        let runners: Vec<(&str, RunnerSummary)> =
            parts.iter().map(|it| ("r", runner(it, 10, &expression))).collect();
        let all = sorted(parts.concat());
        prop_assume!(!all.is_empty() && all.last() != Some(&0.0));
        let exact = percentile(&all, 95.0);
        let holds = match operator {
            "<" => exact < bound,
            "<=" => exact <= bound,
            ">" => exact > bound,
            ">=" => exact >= bound,
            "==" => exact == bound,
            _ => exact != bound,
        };
        let of = |merged: k6_summary::Merged| {
            merged.summary.metric("http_req_duration").unwrap().thresholds[&expression]
        };
        let estimated = of(merge(&runners).unwrap());
        // A bound that is a sample, but for the last digit, is a matter of how that is computed.
        let close = exact != bound && (exact - bound).abs() < 1e-12 * bound;
        prop_assert!(estimated.undecided || close || estimated.ok == holds, "{exact}");
        prop_assert!(!(estimated.undecided && estimated.ok));
        let streams = parts.iter().map(|it| std::io::Cursor::new(csv(it)));
        let exactly = of(merge_exact(&runners, streams).unwrap());
        prop_assert!(!exactly.undecided);
        prop_assert!((exact - bound).abs() < 1e-5 || exactly.ok == holds, "{exact}");
    }

    #[test]
    fn the_order_of_runners_does_not_matter(parts in vec(samples(), 1..5)) {
        let mut runners: Vec<(&str, RunnerSummary)> =
            parts.iter().map(|it| ("r", runner(it, 7, "p(95)<3"))).collect();
        let forth = merge(&runners).unwrap().summary;
        runners.reverse();
        prop_assert_eq!(forth, merge(&runners).unwrap().summary);
    }

    #[test]
    fn one_runner_stays_what_it_is(part in samples()) {
        let only = runner(&part, 9, "p(95)<1e9");
        let merged = merge(&[("r", only.clone())]).unwrap().summary;
        prop_assert_eq!(merged, only.summary);
    }

    #[test]
    fn a_log_has_its_summary_whole_or_not_at_all(
        part in samples(),
        at in any::<prop::sample::Index>(),
        changed in any::<prop::sample::Index>(),
    ) {
        let json = line_json(&part, 20, "p(95)<3");
        let line = logged(&json);
        let log = format!("time=\"1\" level=info msg=\"load-test-summary of\"\n{line}");
        let whole = Ok(read(&json));
        prop_assert_eq!(&RunnerSummary::from_log(&log), &whole);
        let cut = &log[..at.index(log.len() - 1)];
        let problem = RunnerSummary::from_log(cut).unwrap_err();
        let is_cut = matches!(problem, LineProblem::CutShort { .. } | LineProblem::Missing);
        prop_assert!(is_cut, "{problem}");
        // Whatever is behind an older summary that is intact.
        prop_assert_eq!(&RunnerSummary::from_log(&format!("{line}{cut}")), &whole);
        // What k6 logs beside it may come between its pieces.
        let from = line.find('{').unwrap();
        let between = from + at.index(line.len() - from);
        for entries in [
            "time=\"2\" level=error msg=crossed\ntime=\"3\" level=info msg=end\n",
            "{\"level\":\"error\",\"msg\":\"{\\\"a\\\":1} crossed\",\"time\":\"2\"}\n",
        ] {
            let mut torn = line.clone();
            torn.insert_str(between, entries);
            prop_assert_eq!(&RunnerSummary::from_log(&torn), &whole);
        }
        let digit = from + changed.index(line.len() - from - 1);
        let mut other = line.into_bytes();
        other[digit] = if other[digit] == b'7' { b'8' } else { b'7' };
        let other = String::from_utf8(other).unwrap();
        prop_assert_eq!(RunnerSummary::from_log(&other), Err(LineProblem::Altered));
    }
}

/// Samples whose logarithm is spread as a bell around `middle`, by a generator that is always the same.
fn skewed(middle: f64, count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut share = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..count)
        .map(|_| {
            middle
                * (0..12)
                    .map(|_| share())
                    .sum::<f64>()
                    .mul_add(0.5, -3.0)
                    .exp()
        })
        .collect()
}

#[test]
fn four_uneven_runners_are_merged_to_the_percentiles_of_all() {
    let parts: Vec<Vec<f64>> = [(2.0, 20_000), (3.0, 5000), (4.0, 5000), (40.0, 2000)]
        .iter()
        .zip(1..)
        .map(|(&(middle, count), seed)| skewed(middle, count, seed))
        .collect();
    let runners: Vec<(&str, RunnerSummary)> = parts
        .iter()
        .map(|it| ("r", runner(it, 1, "p(95)<3")))
        .collect();
    let summary = merge(&runners).unwrap().summary;
    let all = sorted(parts.concat());
    for (stat, percent) in [("med", 50.0), ("p(95)", 95.0), ("p(99)", 99.0)] {
        let exact = percentile(&all, percent);
        let value = summary.value("http_req_duration", stat).unwrap();
        assert!(
            (value / exact - 1.0).abs() < 0.01,
            "{stat}: {value} for {exact}"
        );
    }
    let mean = runners
        .iter()
        .map(|(_, it)| it.summary.value("http_req_duration", "p(99)").unwrap());
    let mean = mean.sum::<f64>() / 4.0;
    let exact = percentile(&all, 99.0);
    assert!(
        (mean / exact - 1.0).abs() > 0.2,
        "the mean {mean} would do for {exact}"
    );
}

#[test]
fn a_bound_within_the_interval_is_undecided_and_does_not_pass() {
    let parts = [10, 11].map(|from| (from..from + 200).map(f64::from).collect::<Vec<_>>());
    let (bound, expression) = (200.2, "p(95)<200.2");
    assert!((percentile(&sorted(parts.concat()), 95.0) - 200.0).abs() < 1e-9);
    let runners = parts.iter().map(|it| ("r", runner(it, 10, expression)));
    let runners: Vec<(&str, RunnerSummary)> = runners.collect();
    let merged = merge(&runners).unwrap();
    let summary = &merged.summary;
    let judged = k6_summary::Evidence {
        exit: merged.exit(),
        ..evidence(summary, 0)
    };
    let verdict = judge(&judged);
    assert_eq!(verdict.outcome, Outcome::Failed);
    let row = &verdict.thresholds[0];
    assert_eq!(row.state, ThresholdState::Undecided);
    let (low, high) = row.interval.unwrap();
    assert!(low < bound && bound < high, "{low} {bound} {high}");
    let said = sentences(&verdict);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(matches!(verdict.reasons[0], Reason::ThresholdUndecided(_)));
    assert_eq!(
        said[0],
        "p95 of requests is about 199.8 ms (190.5–200.4 ms), limit 200.2 ms: --exact decides"
    );
    let streams = parts.iter().map(|it| std::io::Cursor::new(csv(it)));
    let exact = merge_exact(&runners, streams).unwrap();
    let verdict = judge(&k6_summary::Evidence {
        exit: exact.exit(),
        ..evidence(&exact.summary, 0)
    });
    assert_eq!(
        verdict.outcome,
        Outcome::Passed,
        "{:?}",
        sentences(&verdict)
    );
    assert_eq!(verdict.thresholds[0].interval, None);
}

#[test]
fn parts_of_a_trend_are_taken_from_the_samples_with_their_tags() {
    let all: Vec<f64> = (1..=9).map(f64::from).collect();
    let part = "http_req_duration{expected_response:true,\"y\": 2}";
    let json = |samples: &[f64]| {
        let mut json = line_json(samples, 50, "p(95)<3");
        let odd: Vec<f64> = samples.iter().copied().step_by(2).collect();
        let of_part = line_json(&odd, 50, "p(95)<3")["metrics"]["http_req_duration"].take();
        json["metrics"][part] = of_part;
        json
    };
    let runners = [("a", read(&json(&all))), ("b", read(&json(&all[..4])))];
    let merged = merge_exact(
        &runners,
        [&all[..], &all[..4]].map(|it| std::io::Cursor::new(csv(it))),
    )
    .unwrap();
    let expected = percentile(&sorted([1.0, 3.0, 5.0, 7.0, 9.0, 1.0, 3.0]), 95.0);
    let value = merged
        .summary
        .metric(part)
        .unwrap()
        .aggregate(Aggregation::Percentile(95.0));
    assert_eq!(value, Some(expected));
    let error = merge_exact(
        &runners,
        [csv(&all), csv(&all[..3])].map(std::io::Cursor::new),
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the CSV of runner b has 3 samples of http_req_duration, and its summary 4: was it read to its end?"
    );
    let error = merge_exact(&runners, [csv(&all)].map(std::io::Cursor::new)).unwrap_err();
    assert_eq!(error.to_string(), "the CSV of runner b is missing");
}

#[test]
fn runners_of_different_tests_are_not_merged() {
    let (one, mut other) = (
        line_json(&[1.0], 50, "p(95)<3"),
        line_json(&[1.0], 50, "p(95)<3"),
    );
    other["load_test"]["vus_scale"] = json!(2);
    let error = merge(&[("a", read(&one)), ("b", read(&other))]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "runners a and b did not run the same test: load_test.vus_scale is 1 on the one and 2 on the other"
    );
    let mut other = one.clone();
    other["metrics"]["queue"]["type"] = json!("rate");
    let error = merge(&[("a", read(&one)), ("b", read(&other))]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the type of queue is gauge on the one and rate on the other"),
        "{error}"
    );
    assert_eq!(merge(&[]), Err(MergeError::Nothing));
}

#[test]
fn a_gauge_holds_if_it_does_on_each_runner_and_percentiles_need_all() {
    let few = line_json(&[1.0; 10], 50, "p(95)<3");
    let many = line_json(&[1.0; 900], 50, "p(95)<3");
    let summary = merge(&[("a", read(&few)), ("b", read(&many))])
        .unwrap()
        .summary;
    let queue = summary.metric("queue").unwrap();
    assert_eq!(queue.value("value"), Some(900.0));
    assert_eq!(queue.intervals["value"], (10.0, 900.0));
    assert!(!queue.thresholds["value<500"].ok && !queue.thresholds["value<500"].undecided);
    let mut without = many;
    without["metrics"]["http_req_duration"]["grid"] = json!([]);
    without["metrics"]["http_req_duration"]["thresholds"]["p(95)<3"]["ok"] = json!(false);
    let summary = merge(&[("a", read(&few)), ("b", read(&without))])
        .unwrap()
        .summary;
    let duration = summary.metric("http_req_duration").unwrap();
    assert_eq!(duration.value("p(95)"), None);
    assert!(
        !duration.thresholds["p(95)<3"].ok,
        "as the runner said that knows"
    );
}

#[test]
fn a_runner_that_made_no_load_of_its_own_is_told() {
    let mut json = line_json(&[1.0, 2.0], 5, "p(95)<500");
    assert_eq!(read(&json).idle(), None);
    json["metrics"]["http_req_failed"]["values"] = json!({"rate": 1, "passes": 2, "fails": 0});
    assert_eq!(read(&json).idle(), Some("all of its requests failed"));
    let none = runner(&[], 5, "p(95)<500");
    assert_eq!(none.idle(), Some("none of its iterations completed"));
}

#[test]
fn a_merged_summary_is_written_as_it_is_read() {
    let parts = [[1.0, 2.0, 9.0], [4.0, 5.0, 6.0]];
    let runners = parts.map(|it| ("r", runner(&it, 25, "p(95)<3")));
    let summary = merge(&runners).unwrap().summary;
    let text = serde_json::to_vec(&summary).unwrap();
    assert_eq!(k6_summary::Summary::parse(&text), Ok(summary));
}

#[test]
fn the_short_form_is_whole_or_refused() {
    let short = r#"{"profile":"smoke","test":"health","duration_ms":10023.5,"checks":[40,2],
        "thresholds":{"http_req_duration p(95)<500":false},"trends":{"http_req_duration":[20,0.1,0.4,2,9.5,null]},
        "counters":{"http_reqs":20},"rates":{"http_req_failed":[1,19]},"left_out":3}"#;
    let read = RunnerSummary::from_termination_message(short).unwrap();
    assert_eq!(read.trends["http_req_duration"][3], Some(2.0));
    assert_eq!((read.checks, read.left_out), ((40, 2), 3));
    let cut = RunnerSummary::from_termination_message(&short[..90]).unwrap_err();
    assert!(cut.to_string().contains("EOF"), "{cut}");
    assert_eq!(
        RunnerSummary::from_termination_message("\n"),
        Err(LineProblem::Missing)
    );
}
