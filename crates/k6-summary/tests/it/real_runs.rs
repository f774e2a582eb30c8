//! The verdict on real runs of both k6 versions.

use k6_summary::{Evidence, Outcome, Reason, ThresholdState, judge};

use crate::captures::{VERSIONS, evidence, sentences, summary};

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
