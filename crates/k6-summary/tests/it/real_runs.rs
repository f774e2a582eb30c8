//! The verdict on real runs of both k6 versions.

use k6_summary::{Evidence, Outcome, Reason, ThresholdState, Verdict, judge};

use crate::captures::{VERSIONS, evidence, log, sentences, summary};

/// The verdict on a capture with what k6 logged.
fn verdict(version: &str, case: &str, code: i32) -> Verdict {
    let (summary, log) = (summary(version, case), log(version, case));
    judge(&Evidence {
        log: &log,
        ..evidence(&summary, code)
    })
}

/// Whether a text is as expected; `*` stands for a number that is another in each run.
fn reads_like(text: &str, expected: &str) -> bool {
    let number = |part: &str| {
        part.chars()
            .all(|char| char.is_ascii_digit() || ",.".contains(char))
    };
    let mut parts = expected.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    for part in parts {
        let end = rest.find(|char: char| !char.is_ascii_digit() && !",.".contains(char));
        let (digits, after) = rest.split_at(end.unwrap_or(rest.len()));
        let Some(after) = after.strip_prefix(part) else {
            return false;
        };
        if digits.is_empty() || !number(digits) {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}

#[test]
fn runs_against_a_good_server_pass() {
    for version in VERSIONS {
        for case in ["passing", "passing_specs", "websocket", "counters"] {
            let verdict = verdict(version, case, 0);
            assert_eq!(sentences(&verdict), [""; 0], "{version} {case}");
            assert_eq!(verdict.outcome, Outcome::Passed, "{version} {case}");
            assert_eq!(verdict.notice, None, "{version} {case}");
            assert!(verdict.metrics.is_some(), "{version} {case}");
        }
    }
}

/// Each bad run with k6's exit code and the reasons.
const BAD_RUNS: [(&str, i32, &[&str]); 22] = [
    (
        "crossing",
        99,
        &[
            "health_check_duration p95 is * ms; the limit is 100 ms",
            "p95 of requests is * ms; the limit is 500 ms",
        ],
    ),
    ("dead_server", 99, &["100 % of requests failed (3 of 3)"]),
    (
        "dies_midway",
        99,
        &[
            "8 of 12 iterations ended with TypeError: Cannot read property 'status' of undefined (api-health.js:25); at most 1 % may",
            "errors rate is 66.67 % (with 8 exceptions counted as errors); the limit is 1 %",
            "66.67 % of requests failed; the limit is 1 %",
            "33.33 % of checks passed (8 of 24); at least 95 % must",
        ],
    ),
    ("status_500", 99, &["100 % of requests failed (6 of 6)"]),
    // k6 itself takes most of what follows for good: its exit code is 0.
    (
        "html",
        0,
        &[
            "3 of 3 iterations ended with SyntaxError: invalid character '<' looking for beginning… (api-health.js:25); at most 1 % may",
            "check \"response has status field\" never passed (0 of 3)",
        ],
    ),
    (
        "empty",
        0,
        &[
            "3 of 3 iterations ended with SyntaxError: Unexpected end of JSON input (EOF) (api-missions.js:46); at most 1 % may",
            "check \"Mission CRUD › create status is 201\" never passed (0 of 3), nor did 1 other",
        ],
    ),
    (
        "one_in_six",
        0,
        &[
            "15 of 90 iterations ended with SyntaxError: invalid character '<' looking for beginning… (api-missions.js:61); at most 1 % may",
            "errors rate is 8.33 % (with 15 exceptions counted as errors); the limit is 5 %",
        ],
    ),
    (
        "one_in_twelve",
        0,
        &[
            "* of * iterations ended with SyntaxError: invalid character '<' looking for beginning… (one-in-twelve.js:11); at most 1 % may",
            "errors rate is * % (with * exceptions counted as errors); the limit is 1 %",
        ],
    ),
    (
        "late",
        0,
        &[
            "* of * iterations ended with TypeError: Cannot read property 'x' of undefined (late.js:5); at most 1 % may",
        ],
    ),
    (
        "hanging",
        0,
        &["no iteration and no request completed in 31.5 s"],
    ),
    (
        "websocket_refused",
        0,
        &[
            "check \"message has type\" was never made",
            "check \"WebSocket connection successful\" never passed (0 of 1)",
            "ws_messages_received count is 0; it must be at least 1",
            "ws_session_duration p5 is * ms; it must be at least 29,000 ms",
        ],
    ),
    (
        "websocket_silent",
        0,
        &[
            "check \"message has type\" was never made",
            "ws_messages_received count is 0; it must be at least 1",
        ],
    ),
    (
        "websocket_binary",
        0,
        &[
            "check \"message has type\" was never made",
            "ws_messages_received count is 0; it must be at least 1",
        ],
    ),
    (
        "websocket_garbage",
        0,
        &[
            "1 of 1 iterations ended with SyntaxError: invalid character 'o' in literal null… (websocket.js:35); at most 1 % may",
            "check \"WebSocket connection successful\" was never made",
            "check \"message has type\" was never made",
            "no check was made: nothing shows that answers were right",
            "ws_session_duration p5 is * ms; it must be at least 29,000 ms",
        ],
    ),
    (
        "websocket_short",
        0,
        &["ws_session_duration p5 is * ms; it must be at least 29,000 ms"],
    ),
    (
        "setup_only",
        0,
        &["setup and teardown made all requests (3); 15 iterations made none"],
    ),
    (
        "dropped",
        0,
        &[
            "260 of 300 planned iterations did not begin: no virtual user was free",
            "no check was made: nothing shows that answers were right",
        ],
    ),
    (
        "no_samples",
        99,
        &[
            "no HTTP request was made and no WebSocket opened in 15 iterations",
            "http_reqs count is 0; it must be more than 10",
        ],
    ),
    (
        "percentiles",
        99,
        &[
            "p99.9 of requests is * ms; the limit is 0.01 ms",
            "p50 of requests is * ms; the limit is 0.01 ms",
        ],
    ),
    (
        "script_exception",
        107,
        &[
            "setup() ended with an exception: no test user could be made: quota exceeded, at setup_throws.js:6",
        ],
    ),
    (
        "teardown_exception",
        107,
        &[
            "teardown() ended with an exception: Error: could not delete the test users, at teardown_throws.js:7",
        ],
    ),
    (
        "test_abort",
        108,
        &["the script aborted the test: the login service is down"],
    ),
];

#[test]
fn every_bad_run_fails_for_the_reasons_that_it_has() {
    for version in VERSIONS {
        for (case, code, expected) in BAD_RUNS {
            let verdict = verdict(version, case, code);
            let seen = sentences(&verdict);
            let alike = seen.len() == expected.len()
                && seen
                    .iter()
                    .zip(expected)
                    .all(|(seen, expected)| reads_like(seen, expected));
            assert!(alike, "{version} {case}: {seen:#?}");
            assert_eq!(verdict.outcome, Outcome::Failed, "{version} {case}");
        }
    }
}

#[test]
fn a_number_stands_for_any_number_and_nothing_else() {
    assert!(reads_like("p95 is 712.9 ms", "p95 is * ms"));
    assert!(reads_like("8 of 1,012", "* of *"));
    assert!(!reads_like("p95 is ms", "p95 is * ms"));
    assert!(!reads_like("8 of many", "* of *"));
    assert!(!reads_like("8 of 9 or so", "* of *"));
}

#[test]
fn few_exceptions_are_told_and_fail_nothing() {
    for version in VERSIONS {
        let verdict = verdict(version, "rarely", 0);
        assert_eq!(verdict.outcome, Outcome::Passed, "{version}");
        let notice = verdict.notice.as_deref().unwrap_or_default();
        let expected = "1 of * iterations ended with Error: no session for user 7 (rarely.js:9)";
        assert!(reads_like(notice, expected), "{version}: {notice}");
        let iterations = summary(version, "rarely").counter("iterations");
        let errors = &verdict.thresholds[0];
        assert_eq!(errors.value, Some(1.0 / iterations as f64), "{version}");
        assert_eq!(
            errors.note.as_deref(),
            Some("with 1 exception counted as an error")
        );
        let (summary, log) = (summary(version, "rarely"), log(version, "rarely"));
        let strict = judge(&Evidence {
            log: &log,
            max_exceptions: 0.0,
            ..evidence(&summary, 0)
        });
        assert_eq!(strict.outcome, Outcome::Failed, "{version}");
    }
}

#[test]
fn an_asked_for_stop_is_an_interruption_with_partial_results() {
    for version in VERSIONS {
        let summary = summary(version, "interrupted");
        let interrupted = Evidence {
            interrupted: true,
            planned_vus: Some(10),
            ..evidence(&summary, 105)
        };
        let verdict = judge(&interrupted);
        assert_eq!(verdict.outcome, Outcome::Interrupted);
        assert_eq!(verdict.reasons, [Reason::Interrupted]);
        assert_eq!(verdict.metrics.map(|metrics| metrics.iterations), Some(3));
        // By nobody who is known.
        let verdict = judge(&evidence(&summary, 105));
        assert_eq!(verdict.outcome, Outcome::Failed);
        assert_eq!(
            sentences(&verdict),
            ["k6 exited with 105: a signal stopped the test"]
        );
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
fn another_number_of_virtual_users_is_another_load() {
    let summary = summary("1.1.0", "passing");
    let with = |planned_vus| {
        judge(&Evidence {
            planned_vus: Some(planned_vus),
            ..evidence(&summary, 0)
        })
    };
    assert_eq!(with(10).outcome, Outcome::Passed);
    assert_eq!(
        sentences(&with(50)),
        ["k6 had 10 virtual users and the profile plans 50: another load was made"]
    );
    assert_eq!(with(5).outcome, Outcome::Failed);
}

/// State and value of a threshold.
fn row(verdict: &Verdict, metric: &str, expression: &str) -> Option<(ThresholdState, Option<f64>)> {
    let mut rows = verdict.thresholds.iter();
    let found = rows.find(|row| row.metric == metric && row.expression == expression);
    found.map(|row| (row.state, row.value))
}

#[test]
fn thresholds_without_samples_are_never_ticked_but_a_counter_is_zero() {
    for version in VERSIONS {
        let verdict = verdict(version, "no_samples", 99);
        for (metric, expression) in [
            ("checks", "rate>0.9"),
            ("http_req_duration", "p(95)<500"),
            ("http_req_duration{expected_response:true}", "p(99)<1500"),
            ("http_req_failed", "rate<0.01"),
            ("silent_gauge", "value<5"),
            ("silent_rate", "rate<0.01"),
            ("silent_trend", "avg<5"),
            ("silent_trend", "max<9"),
            ("silent_trend", "p(95)<100"),
            ("silent_trend{kind:a}", "med<3"),
        ] {
            let expected = Some((ThresholdState::NotEvaluated, None));
            let seen = row(&verdict, metric, expression);
            assert_eq!(seen, expected, "{metric} {expression}");
        }
        let passed = |value| Some((ThresholdState::Passed, Some(value)));
        assert_eq!(row(&verdict, "silent_counter", "count<5"), passed(0.0));
        assert_eq!(row(&verdict, "silent_counter", "rate<1"), passed(0.0));
        assert_eq!(row(&verdict, "http_reqs", "count>=0"), passed(0.0));
        assert_eq!(row(&verdict, "iterations", "count>0"), passed(15.0));
        let crossed = Some((ThresholdState::Crossed, Some(0.0)));
        assert_eq!(row(&verdict, "http_reqs", "count>10"), crossed);
        assert_eq!(verdict.thresholds.len(), 15);
    }
}

#[test]
fn a_counter_that_nobody_raised_keeps_to_zero() {
    for version in VERSIONS {
        let verdict = verdict(version, "counters", 0);
        for (metric, expression) in [
            ("bad_answers", "count==0"),
            ("retries", "count<1"),
            ("dropped_iterations", "count==0"),
        ] {
            let kept = Some((ThresholdState::Passed, Some(0.0)));
            let seen = row(&verdict, metric, expression);
            assert_eq!(seen, kept, "{version} {metric}");
        }
    }
}

#[test]
fn times_of_requests_that_failed_earn_no_tick() {
    for version in VERSIONS {
        for case in ["dead_server", "dies_midway", "status_500"] {
            let verdict = verdict(version, case, 99);
            let ticked: Vec<&str> = verdict
                .thresholds
                .iter()
                .filter(|row| row.state == ThresholdState::Passed)
                .map(|row| row.metric.as_str())
                .collect();
            // What was answered before the server died, and nothing else.
            let expected: &[&str] = match case {
                "dies_midway" => &["http_req_duration{expected_response:true}"],
                _ => &[],
            };
            assert_eq!(ticked, expected, "{version} {case}");
        }
        let verdict = verdict(version, "dies_midway", 99);
        let duration = verdict.thresholds.iter();
        let notes: Vec<_> = duration
            .filter(|row| row.metric == "http_req_duration")
            .map(|row| row.note.as_deref())
            .collect();
        assert_eq!(notes, [Some("says nothing: 66.67 % of requests failed")]);
    }
}

#[test]
fn a_threshold_row_shows_bound_and_value_with_their_unit() {
    let verdict = verdict("1.1.0", "crossing", 99);
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
            "Crossed health_check_duration < 100 ms 712.9 ms",
            "Crossed http_req_duration < 500 ms 712.9 ms",
            "Passed http_req_duration{expected_response:true} < 1,500 ms 714.9 ms",
            "Passed http_req_failed < 1 % 0 %",
        ]
    );
}
