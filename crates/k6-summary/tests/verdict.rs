//! The verdict on real runs, and on evidence that is missing or in disagreement.

mod common;

use common::{VERSIONS, summary, text};
use k6_summary::{
    DEFAULT_MIN_CHECKS, Evidence, K6Exit, Outcome, Reason, ServerState, Summary, SummaryProblem,
    ThresholdRow, ThresholdState, Unit, Verdict, judge,
};

/// Evidence with this summary and exit code, and nothing else wrong.
fn evidence(summary: &Summary, code: i32) -> Evidence<'_> {
    Evidence {
        summary: Ok(summary),
        exit: K6Exit::Code(code),
        min_checks: DEFAULT_MIN_CHECKS,
        server: ServerState::Healthy,
        interrupted: false,
    }
}

fn sentences(verdict: &Verdict) -> Vec<String> {
    verdict.reasons.iter().map(ToString::to_string).collect()
}

fn without_summary(problem: SummaryProblem, exit: K6Exit) -> Verdict {
    judge(&Evidence {
        summary: Err(problem),
        exit,
        min_checks: 0.95,
        server: ServerState::Healthy,
        interrupted: false,
    })
}

/// A summary of a run that went well, with these thresholds of `http_req_duration`.
fn well(thresholds: &str) -> Summary {
    let json = format!(
        r#"{{"metrics": {{
            "iterations": {{"type": "counter", "values": {{"count": 100}}}},
            "http_reqs": {{"type": "counter", "values": {{"count": 100}}}},
            "http_req_duration": {{"type": "trend", "contains": "time",
                "values": {{"p(95)": 500.04, "count": 100}}, "thresholds": {{{thresholds}}}}}
          }},
          "root_group": {{"checks": [{{"name": "a", "passes": 95, "fails": 5}}]}},
          "state": {{"testRunDurationMs": 1}},
          "load_test": {{"profile": "smoke", "test": "health", "time_scale": 1,
            "thresholds": {{"http_req_duration": ["p(95)<500"]}}}}
        }}"#
    );
    Summary::parse(json.as_bytes()).expect("a summary")
}

#[test]
fn runs_against_a_good_server_pass() {
    for version in VERSIONS {
        for case in ["passing", "passing_specs", "websocket"] {
            let summary = summary(version, case);
            let verdict = judge(&evidence(&summary, 0));
            assert_eq!(sentences(&verdict), [""; 0], "{version} {case}");
            assert_eq!(verdict.outcome, Outcome::Passed, "{version} {case}");
            assert!(verdict.metrics.is_some(), "{version} {case}");
        }
    }
}

#[test]
fn every_bad_run_fails_for_the_reasons_that_it_has() {
    let table: [(&str, &str, i32, &[&str]); 20] = [
        (
            "0.57.0",
            "crossing",
            99,
            &[
                "health_check_duration p(95)<100: 716.1 ms",
                "http_req_duration p(95)<500: 716.1 ms",
            ],
        ),
        (
            "1.1.0",
            "crossing",
            99,
            &[
                "health_check_duration p(95)<100: 707.1 ms",
                "http_req_duration p(95)<500: 707.1 ms",
            ],
        ),
        (
            "0.57.0",
            "dead_server",
            99,
            &[
                "100 % of requests failed (4,030 of 4,030)",
                "check \"status is 200\" never passed (0 of 4,030)",
                "check \"response has status field\" never passed (0 of 4,030)",
                "http_req_failed rate<0.01: 100 %",
                "0 % of checks passed (0 of 8,060), at least 95 % must",
            ],
        ),
        (
            "1.1.0",
            "dead_server",
            99,
            &[
                "100 % of requests failed (5,547 of 5,547)",
                "check \"status is 200\" never passed (0 of 5,547)",
                "check \"response has status field\" never passed (0 of 5,547)",
                "http_req_failed rate<0.01: 100 %",
                "0 % of checks passed (0 of 11,094), at least 95 % must",
            ],
        ),
        (
            "0.57.0",
            "dies_midway",
            99,
            &[
                "http_req_failed rate<0.01: 99.98 %",
                "0.02 % of checks passed (8 of 33,120), at least 95 % must",
            ],
        ),
        (
            "1.1.0",
            "dies_midway",
            99,
            &[
                "http_req_failed rate<0.01: 99.98 %",
                "0.02 % of checks passed (8 of 50,232), at least 95 % must",
            ],
        ),
        // k6 itself takes the next three for good: its exit code is 0.
        (
            "0.57.0",
            "html",
            0,
            &[
                "check \"response has status field\" never passed (0 of 1,419)",
                "50 % of checks passed (1,419 of 2,838), at least 95 % must",
            ],
        ),
        (
            "1.1.0",
            "html",
            0,
            &[
                "check \"response has status field\" never passed (0 of 1,338)",
                "50 % of checks passed (1,338 of 2,676), at least 95 % must",
            ],
        ),
        (
            "0.57.0",
            "hanging",
            0,
            &["no iteration and no request completed in 31.5 s"],
        ),
        (
            "1.1.0",
            "hanging",
            0,
            &["no iteration and no request completed in 31.5 s"],
        ),
        (
            "0.57.0",
            "websocket_refused",
            0,
            &[
                "check \"WebSocket connection successful\" never passed (0 of 617)",
                "0 % of checks passed (0 of 617), at least 95 % must",
            ],
        ),
        (
            "1.1.0",
            "websocket_refused",
            0,
            &[
                "check \"WebSocket connection successful\" never passed (0 of 1,419)",
                "0 % of checks passed (0 of 1,419), at least 95 % must",
            ],
        ),
        (
            "0.57.0",
            "no_samples",
            99,
            &[
                "no HTTP request was made and no WebSocket opened in 15 iterations",
                "http_reqs count>10: 0",
            ],
        ),
        (
            "1.1.0",
            "no_samples",
            99,
            &[
                "no HTTP request was made and no WebSocket opened in 15 iterations",
                "http_reqs count>10: 0",
            ],
        ),
        (
            "0.57.0",
            "script_exception",
            107,
            &[
                "k6 exited with 107: a script exception",
                "no iteration and no request completed in 1.12 ms",
            ],
        ),
        (
            "1.1.0",
            "script_exception",
            107,
            &[
                "k6 exited with 107: a script exception",
                "no iteration and no request completed in 0.92 ms",
            ],
        ),
        (
            "0.57.0",
            "test_abort",
            108,
            &["k6 exited with 108: the script aborted the test"],
        ),
        (
            "1.1.0",
            "test_abort",
            108,
            &["k6 exited with 108: the script aborted the test"],
        ),
        (
            "0.57.0",
            "interrupted",
            105,
            &["k6 exited with 105: a signal stopped the test"],
        ),
        (
            "1.1.0",
            "interrupted",
            105,
            &["k6 exited with 105: a signal stopped the test"],
        ),
    ];
    for (version, case, code, expected) in table {
        let summary = summary(version, case);
        let verdict = judge(&evidence(&summary, code));
        assert_eq!(sentences(&verdict), expected, "{version} {case}");
        assert_eq!(verdict.outcome, Outcome::Failed, "{version} {case}");
    }
}

#[test]
fn a_server_that_answers_500_fails_everything_it_can() {
    for version in VERSIONS {
        let summary = summary(version, "status_500");
        assert_eq!(
            sentences(&judge(&evidence(&summary, 99))),
            [
                "100 % of requests failed (6 of 6)",
                "check \"Mission CRUD › create status is 201\" never passed (0 of 3)",
                "check \"Mission CRUD › create returns id\" never passed (0 of 3)",
                "check \"Mission CRUD › list status is 200\" never passed (0 of 3)",
                "check \"Mission CRUD › list returns array\" never passed (0 of 3)",
                "errors rate<0.05: 100 %",
                "http_req_failed rate<0.01: 100 %",
                "0 % of checks passed (0 of 12), at least 95 % must",
            ],
            "{version}"
        );
    }
}

#[test]
fn an_asked_for_stop_is_an_interruption_with_partial_results() {
    for version in VERSIONS {
        let summary = summary(version, "interrupted");
        let verdict = judge(&Evidence {
            interrupted: true,
            ..evidence(&summary, 105)
        });
        assert_eq!(verdict.outcome, Outcome::Interrupted);
        assert_eq!(verdict.reasons, [Reason::Interrupted]);
        assert_eq!(verdict.metrics.map(|metrics| metrics.iterations), Some(3));
    }
    // Even if k6 had just come to its end by itself.
    let summary = summary("1.1.0", "passing");
    let verdict = judge(&Evidence {
        interrupted: true,
        ..evidence(&summary, 0)
    });
    assert_eq!(verdict.outcome, Outcome::Interrupted);
}

#[test]
fn thresholds_without_samples_are_never_ticked() {
    for version in VERSIONS {
        let summary = summary(version, "no_samples");
        let verdict = judge(&evidence(&summary, 99));
        let state = |metric: &str, expression: &str| {
            let mut rows = verdict.thresholds.iter();
            let found = rows.find(|row| row.metric == metric && row.expression == expression);
            found.map(|row| (row.state, row.value))
        };
        for (metric, expression) in [
            ("checks", "rate>0.9"),
            ("http_req_duration", "p(95)<500"),
            ("http_req_duration{expected_response:true}", "p(99)<1500"),
            ("http_req_failed", "rate<0.01"),
            ("silent_counter", "count<5"),
            ("silent_counter", "rate<1"),
            ("silent_gauge", "value<5"),
            ("silent_rate", "rate<0.01"),
            ("silent_trend", "avg<5"),
            ("silent_trend", "max<9"),
            ("silent_trend", "p(95)<100"),
            ("silent_trend{kind:a}", "med<3"),
        ] {
            let expected = Some((ThresholdState::NotEvaluated, None));
            assert_eq!(state(metric, expression), expected, "{metric} {expression}");
        }
        // k6 holds the zero of no samples against this one, and finds it crossed.
        let crossed = Some((ThresholdState::Crossed, Some(0.0)));
        assert_eq!(state("http_reqs", "count>10"), crossed);
        let passed = Some((ThresholdState::Passed, Some(15.0)));
        assert_eq!(state("iterations", "count>0"), passed);
        assert_eq!(verdict.thresholds.len(), 16);
    }
    // The specification's false green: thresholds on nothing but requests that never arrived.
    let summary = summary("1.1.0", "dead_server");
    let verdict = judge(&evidence(&summary, 99));
    let ticked = verdict.thresholds.iter();
    assert_eq!(
        ticked
            .filter(|row| row.state == ThresholdState::Passed)
            .count(),
        0
    );
}

#[test]
fn a_threshold_row_shows_bound_and_value_with_their_unit() {
    let summary = summary("1.1.0", "crossing");
    let verdict = judge(&evidence(&summary, 99));
    let shown: Vec<_> = verdict
        .thresholds
        .iter()
        .map(|row| {
            let value = row.value_text().unwrap_or_default();
            format!(
                "{:?} {} {} {value}",
                row.state,
                row.metric,
                row.bound_text()
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "Passed errors < 1 % 0 %",
            "Crossed health_check_duration < 100 ms 707.1 ms",
            "Crossed http_req_duration < 500 ms 707.1 ms",
            "Passed http_req_duration{expected_response:true} < 1.5 s 707.8 ms",
            "Passed http_req_failed < 1 % 0 %",
        ]
    );
}

#[test]
fn without_a_summary_nothing_passes_whatever_the_exit_code() {
    let half = Summary::parse(&text("1.1.0", "passing")[..4000]).expect_err("half a file");
    let html = Summary::parse(b"<html>").expect_err("no JSON");
    for (problem, exit, expected) in [
        (
            SummaryProblem::Missing,
            K6Exit::Code(0),
            vec!["k6 wrote no summary"],
        ),
        (
            SummaryProblem::Missing,
            K6Exit::Code(99),
            vec![
                "k6 exited with 99: thresholds were crossed",
                "k6 wrote no summary",
            ],
        ),
        (
            SummaryProblem::Missing,
            K6Exit::from_parts(None, Some(9)),
            vec!["k6 was killed by signal 9", "k6 wrote no summary"],
        ),
        (
            SummaryProblem::Missing,
            K6Exit::from_parts(None, None),
            vec![
                "k6 ended in a way that the system did not report",
                "k6 wrote no summary",
            ],
        ),
        (
            half.into(),
            K6Exit::from_parts(Some(0), None),
            vec!["the summary is cut off at line 180, column 6"],
        ),
        (
            html.into(),
            K6Exit::Code(255),
            vec![
                "k6 exited with 255: an error that k6 has no code for; see its log",
                "the summary is not valid JSON: expected value at line 1 column 1",
            ],
        ),
    ] {
        let verdict = without_summary(problem, exit);
        assert_eq!(sentences(&verdict), expected);
        assert_eq!(verdict.outcome, Outcome::Failed);
        assert_eq!(verdict.metrics, None);
    }
}

#[test]
fn exit_code_and_summary_must_agree() {
    let (good, bad) = (summary("1.1.0", "passing"), summary("1.1.0", "crossing"));
    assert_eq!(
        sentences(&judge(&evidence(&good, 99))),
        ["k6 exited with 99 (thresholds were crossed), but its summary has no crossed threshold"]
    );
    assert_eq!(
        sentences(&judge(&evidence(&bad, 0)))
            .last()
            .map(String::as_str),
        Some(
            "k6 exited with 0 (the test ended as planned), but its summary has 2 crossed thresholds"
        )
    );
    assert_eq!(
        sentences(&judge(&evidence(&good, 42))),
        ["k6 exited with 42: a code that k6 does not define"]
    );
}

#[test]
fn the_server_must_live_and_be_well() {
    let summary = summary("1.1.0", "passing");
    let with = |server| {
        judge(&Evidence {
            server,
            ..evidence(&summary, 0)
        })
    };
    assert_eq!(with(ServerState::NotOurs).outcome, Outcome::Passed);
    let dead = with(ServerState::Dead("was killed by signal 9".to_owned()));
    assert_eq!(dead.outcome, Outcome::Failed);
    assert_eq!(
        sentences(&dead),
        ["the server died during the test: was killed by signal 9"]
    );
    let ill = with(ServerState::Unhealthy("answered 503".to_owned()));
    assert_eq!(ill.outcome, Outcome::Failed);
    assert_eq!(
        sentences(&ill),
        ["the server is not healthy after the test: answered 503"]
    );
}

#[test]
fn a_dead_server_comes_before_what_follows_from_it() {
    let summary = summary("1.1.0", "dies_midway");
    let verdict = judge(&Evidence {
        server: ServerState::Dead("exited with code 1".to_owned()),
        ..evidence(&summary, 99)
    });
    assert_eq!(
        sentences(&verdict),
        [
            "the server died during the test: exited with code 1",
            "http_req_failed rate<0.01: 99.98 %",
            "0.02 % of checks passed (8 of 50,232), at least 95 % must",
        ]
    );
}

#[test]
fn enough_of_the_checks_must_pass() {
    let summary = well(r#""p(95)<500": {"ok": true}"#);
    let with = |min_checks| {
        judge(&Evidence {
            min_checks,
            ..evidence(&summary, 0)
        })
    };
    assert_eq!(with(0.95).outcome, Outcome::Passed, "exactly enough");
    assert_eq!(with(0.0).outcome, Outcome::Passed);
    assert_eq!(
        sentences(&with(0.96)),
        ["95 % of checks passed (95 of 100), at least 96 % must"]
    );
    assert_eq!(with(1.5).outcome, Outcome::Failed);
    assert_eq!(with(f64::NAN).outcome, Outcome::Failed);
}

#[test]
fn a_threshold_that_k6_was_told_to_skip_is_no_pass() {
    let summary = well("");
    let verdict = judge(&evidence(&summary, 0));
    assert_eq!(
        sentences(&verdict),
        ["http_req_duration p(95)<500: k6 did not evaluate it (were thresholds switched off?)"]
    );
    assert_eq!(verdict.thresholds[0].state, ThresholdState::NotEvaluated);
}

#[test]
fn a_value_that_misses_its_bound_by_little_does_not_read_like_it() {
    let summary = well(r#""p(95)<500": {"ok": false}"#);
    assert_eq!(
        sentences(&judge(&evidence(&summary, 99))),
        ["http_req_duration p(95)<500: 500.04 ms"]
    );
}

#[test]
fn an_expression_of_unknown_form_is_judged_by_what_k6_says() {
    let summary = well(r#""p(95)<500": {"ok": true}, "slope<1": {"ok": false}"#);
    let verdict = judge(&evidence(&summary, 99));
    assert_eq!(sentences(&verdict), ["http_req_duration slope<1: crossed"]);
    assert_eq!(
        verdict.thresholds[1],
        ThresholdRow {
            metric: "http_req_duration".to_owned(),
            expression: "slope<1".to_owned(),
            aggregation: None,
            operator: None,
            bound: None,
            value: None,
            unit: Unit::None,
            state: ThresholdState::Crossed,
        }
    );
}

#[test]
fn a_verdict_in_json_has_kinds_parts_and_sentences_and_is_read_again() {
    let summary = summary("1.1.0", "crossing");
    let verdict = judge(&Evidence {
        server: ServerState::Unhealthy("answered 503".to_owned()),
        ..evidence(&summary, 108)
    });
    let json = serde_json::to_value(&verdict).expect("serializes");
    assert_eq!(json["outcome"], "failed");
    assert_eq!(
        json["reasons"],
        serde_json::json!([
            {
                "kind": "server_unhealthy",
                "description": "answered 503",
                "message": "the server is not healthy after the test: answered 503"
            },
            {
                "kind": "k6_exit",
                "exit": {"code": 108},
                "message": "k6 exited with 108: the script aborted the test"
            },
            {
                "kind": "threshold_crossed",
                "metric": "health_check_duration",
                "expression": "p(95)<100",
                "aggregation": "p(95)",
                "operator": "<",
                "bound": 100.0,
                "value": 707.0778632,
                "unit": "milliseconds",
                "state": "crossed",
                "message": "health_check_duration p(95)<100: 707.1 ms"
            },
            {
                "kind": "threshold_crossed",
                "metric": "http_req_duration",
                "expression": "p(95)<500",
                "aggregation": "p(95)",
                "operator": "<",
                "bound": 500.0,
                "value": 707.0778632,
                "unit": "milliseconds",
                "state": "crossed",
                "message": "http_req_duration p(95)<500: 707.1 ms"
            }
        ])
    );
    let again: Verdict = serde_json::from_value(json).expect("deserializes");
    assert_eq!(again, verdict);
}
