//! The verdict on evidence that is missing, in disagreement, or on the edge.

use k6_summary::{
    Evidence, K6Exit, Limits, Outcome, ServerState, Summary, SummaryProblem, ThresholdRow,
    ThresholdState, Unit, Verdict, judge,
};

use crate::captures::{SILENT, evidence, sentences, summary, text};

fn without_summary(problem: SummaryProblem, exit: K6Exit) -> Verdict {
    judge(&evidence_without(problem, exit))
}

pub fn evidence_without(problem: SummaryProblem, exit: K6Exit) -> Evidence<'static> {
    Evidence {
        summary: Err(problem),
        log: &SILENT,
        exit,
        min_checks: 0.95,
        max_exceptions: 0.01,
        planned_vus: None,
        limits: Limits::default(),
        server: ServerState::Healthy,
        interrupted: false,
    }
}

/// A summary of a run that went well, with these thresholds of `http_req_duration`.
pub fn well(thresholds: &str) -> Summary {
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
            K6Exit::Signal(9),
            vec!["k6 was killed by signal 9", "k6 wrote no summary"],
        ),
        (
            half,
            K6Exit::Code(0),
            vec!["the summary is cut off at line 173, column 13"],
        ),
        (
            html,
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
        ["the server died during the test: exited with code 1",]
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
        ["95 % of checks passed (95 of 100); at least 96 % must"]
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
        ["k6 did not evaluate http_req_duration p(95)<500: were thresholds switched off?"]
    );
    assert_eq!(verdict.thresholds[0].state, ThresholdState::NotEvaluated);
}

#[test]
fn a_value_that_misses_its_bound_by_little_does_not_read_like_it() {
    let summary = well(r#""p(95)<500": {"ok": false}"#);
    assert_eq!(
        sentences(&judge(&evidence(&summary, 99))),
        ["p95 of requests is 500.04 ms; the limit is 500 ms"]
    );
}

#[test]
fn an_expression_of_unknown_form_is_judged_by_what_k6_says() {
    let summary = well(r#""p(95)<500": {"ok": true}, "slope<1": {"ok": false}"#);
    let verdict = judge(&evidence(&summary, 99));
    assert_eq!(
        sentences(&verdict),
        ["http_req_duration does not keep slope<1"]
    );
    assert_eq!(
        verdict.thresholds[1],
        ThresholdRow {
            metric: "http_req_duration".to_owned(),
            expression: "slope<1".to_owned(),
            aggregation: None,
            operator: None,
            bound: None,
            value: None,
            interval: None,
            unit: Unit::None,
            state: ThresholdState::Crossed,
            note: None,
        }
    );
}

/// A summary of 100 iterations with these metrics, thresholds of the script, and evidence.
fn of_script(metrics: &str, own: &str, evidence: &str) -> Summary {
    let json = format!(
        r#"{{"metrics": {{
            "iterations": {{"type": "counter", "values": {{"count": 100}}}},
            "http_req_failed": {{"type": "rate", "values": {{"passes": 0, "fails": 100}},
                "thresholds": {{"rate<0.01": {{"ok": true}}}}}},
            "http_reqs": {{"type": "counter", "values": {{"count": 100}}}} {metrics}
          }},
          "root_group": {{"checks": [{{"name": "a", "passes": 100, "fails": 0}}]}},
          "state": {{"testRunDurationMs": 1}},
          "load_test": {{"profile": "smoke", "test": "mine", "time_scale": 1,
            "thresholds": {{"http_req_failed": ["rate<0.01"]}},
            "own_thresholds": {{{own}}}, "evidence": {{{evidence}}}}}
        }}"#
    );
    Summary::parse(json.as_bytes()).expect("a summary")
}

#[test]
fn a_test_passes_on_positive_evidence_only() {
    const SILENT_ERRORS: &str = r#", "ws_errors": {"type": "rate", "values":
        {"rate": 0, "passes": 0, "fails": 0}, "thresholds": {"rate<0.01": {"ok": true}}}"#;
    const OWN_ERRORS: &str = r#""ws_errors": ["rate<0.01"]"#;
    const SILENT_COUNTER: &str = r#", "lost": {"type": "counter", "values": {"count": 0},
        "thresholds": {"count==0": {"ok": true}}}"#;
    const OWN_COUNTER: &str = r#""lost": ["count==0"]"#;
    let nothing = "no threshold of the script was evaluated, and no rule of evidence stands for it";
    let kept = r#""rules": {"http_reqs": ["count >= iterations count"]}"#;
    let broken = r#""rules": {"http_reqs": ["count > iterations count", "rate > 1"]}"#;
    let unmade = r#""checks": ["a", "b"]"#;
    let table: [(&str, &str, &str, &[&str]); 7] = [
        ("", "", "", &[]),
        (SILENT_ERRORS, OWN_ERRORS, "", &[nothing]),
        (SILENT_ERRORS, OWN_ERRORS, kept, &[]),
        (
            SILENT_ERRORS,
            OWN_ERRORS,
            broken,
            &[
                "http_reqs count is 100; it must be more than 100",
                "evidence is missing: http_reqs has no samples",
            ],
        ),
        // A counter that stays at zero proves nothing, but nothing against the test either.
        (SILENT_COUNTER, OWN_COUNTER, "", &[]),
        ("", "", unmade, &["check \"b\" was never made"]),
        (
            SILENT_ERRORS,
            OWN_ERRORS,
            unmade,
            &["check \"b\" was never made", nothing],
        ),
    ];
    for (metrics, own, rules, expected) in table {
        let summary = of_script(metrics, own, rules);
        let seen = sentences(&judge(&evidence(&summary, 0)));
        assert_eq!(seen, expected, "{own} {rules}");
    }
}

#[test]
fn exceptions_count_as_errors_in_the_script_s_own_rates() {
    let rate = |name: &str, passes, fails, expression: &str| {
        let metric = format!(
            r#", "{name}": {{"type": "rate", "values": {{"passes": {passes}, "fails": {fails}}},
            "thresholds": {{"{expression}": {{"ok": true}}}}}}, "iteration_exceptions":
            {{"type": "rate", "values": {{"passes": 1, "fails": 99}}}}"#
        );
        let own = format!(r#""{name}": ["{expression}"]"#);
        sentences(&judge(&evidence(&of_script(&metric, &own, ""), 0)))
    };
    let counted = "with 1 exception counted as an error";
    assert_eq!(rate("errors", 0, 99, "rate<0.05"), [""; 0]);
    assert_eq!(
        rate("errors", 4, 95, "rate<0.05"),
        [format!(
            "errors rate is 5 % ({counted}); it must be less than 5 %"
        )]
    );
    assert_eq!(
        rate("served", 95, 4, "rate>=0.951"),
        [format!(
            "served rate is 95 % ({counted}); it must be at least 95.1 %"
        )]
    );
    // Only ever given errors: the share says nothing, so one exception must not make it 100 %.
    let unsampled =
        "no threshold of the script was evaluated, and no rule of evidence stands for it";
    assert_eq!(rate("errors", 0, 0, "rate<0.05"), [unsampled]);
}

#[test]
fn of_many_checks_that_never_passed_some_are_named() {
    let checks: Vec<String> = (0..30)
        .map(|n| format!(r#"{{"name": "mission\n{n} is there", "passes": 0, "fails": 1}}"#))
        .collect();
    let json = format!(
        r#"{{"metrics": {{
            "iterations": {{"type": "counter", "values": {{"count": 1}}}},
            "http_reqs": {{"type": "counter", "values": {{"count": 1}}}}}},
          "root_group": {{"checks": [{}]}}, "state": {{"testRunDurationMs": 1}}}}"#,
        checks.join(", ")
    );
    let summary = Summary::parse(json.as_bytes()).expect("a summary");
    let seen = sentences(&judge(&evidence(&summary, 0)));
    assert_eq!(
        seen[0],
        "check \"mission 0 is there\" never passed (0 of 1), nor did 29 others"
    );
    assert_eq!(seen.len(), 2, "{seen:#?}");
}

#[test]
fn a_rate_of_nothing_but_errors_is_told_by_session() {
    let json = r#"{"metrics": {
        "iterations": {"type": "counter", "values": {"count": 400}},
        "ws_sessions": {"type": "counter", "values": {"count": 400}},
        "ws_errors": {"type": "rate", "values": {"rate": 1, "passes": 3, "fails": 0},
            "thresholds": {"rate<0.01": {"ok": false}}}
      },
      "root_group": {"checks": [{"name": "a", "passes": 400, "fails": 0}]},
      "state": {"testRunDurationMs": 1000}}"#;
    let summary = Summary::parse(json.as_bytes()).expect("a summary");
    let verdict = judge(&evidence(&summary, 99));
    let said = "ws_errors rate is 100 % (3 in 400 sessions, 0.75 %); the limit is 1 %";
    assert_eq!(sentences(&verdict), [said]);
}
