//! The verdict on evidence that is missing, in disagreement, or on the edge.

use k6_summary::{
    Evidence, K6Exit, Outcome, ServerState, Summary, SummaryProblem, ThresholdRow, ThresholdState,
    Unit, Verdict, judge,
};

use crate::captures::{evidence, sentences, summary, text};

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
