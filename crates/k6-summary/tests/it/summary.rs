//! Reading summaries: those of real runs, and texts that are none.

use std::time::Duration;

use k6_summary::{
    Aggregation, CheckRow, Contains, MetricKind, Metrics, Summary, SummaryProblem, Unit,
};

use crate::captures::{VERSIONS, summary, text};

#[test]
fn totals_of_real_runs_are_read() {
    // version, case, milliseconds, iterations, requests, failed, sessions, VUs, checks
    let table = [
        ("0.57.0", "passing", 6195, 48, 96, 0, 0, Some(10), (192, 0)),
        ("1.1.0", "passing", 6209, 48, 96, 0, 0, Some(10), (192, 0)),
        ("0.57.0", "crossing", 6035, 5, 5, 0, 0, Some(1), (10, 0)),
        ("1.1.0", "crossing", 6038, 5, 5, 0, 0, Some(1), (10, 0)),
        ("0.57.0", "websocket", 30_034, 1, 0, 0, 1, Some(1), (8, 0)),
        ("1.1.0", "websocket", 30_013, 1, 0, 0, 1, Some(1), (8, 0)),
        ("0.57.0", "status_500", 3012, 3, 6, 6, 0, Some(1), (0, 12)),
        ("1.1.0", "status_500", 3017, 3, 6, 6, 0, Some(1), (0, 12)),
        ("0.57.0", "interrupted", 3432, 3, 8, 0, 0, Some(1), (16, 0)),
        ("1.1.0", "interrupted", 3451, 3, 8, 0, 0, Some(1), (16, 0)),
        // k6 looks at the number of virtual users once a second.
        ("0.57.0", "test_abort", 411, 4, 4, 0, 0, None, (4, 0)),
        ("1.1.0", "test_abort", 430, 4, 4, 0, 0, None, (4, 0)),
        ("0.57.0", "hanging", 31_501, 0, 0, 0, 0, Some(1), (0, 0)),
        ("1.1.0", "hanging", 31_500, 0, 0, 0, 0, Some(1), (0, 0)),
        ("0.57.0", "dead_server", 3013, 3, 3, 3, 0, Some(1), (0, 6)),
        ("1.1.0", "dead_server", 3071, 3, 3, 3, 0, Some(1), (0, 6)),
    ];
    for (version, case, ms, iterations, requests, failed, sessions, vus, checks) in table {
        let summary = summary(version, case);
        let seen = (
            summary.duration().as_millis(),
            summary.counter("iterations"),
            summary.counter("http_reqs"),
            summary.failed_http_requests(),
            summary.counter("ws_sessions"),
            summary.vus_max(),
            summary.check_totals(),
        );
        let expected = (ms, iterations, requests, failed, sessions, vus, checks);
        assert_eq!(seen, expected, "{version} {case}");
    }
}

#[test]
fn values_are_found_by_their_name_and_submetrics_by_their_tags() {
    let summary = summary("1.1.0", "crossing");
    let duration = |aggregation| summary.value("http_req_duration", aggregation);
    assert_eq!(duration("med"), Some(701.745375));
    assert_eq!(duration("p(50)"), Some(701.745375));
    assert_eq!(duration("p(95)"), Some(712.8930968000001));
    assert_eq!(duration("p(99.0)"), Some(714.94272576));
    assert_eq!(duration("count"), Some(5.0));
    assert_eq!(duration("p(42)"), None);
    assert_eq!(duration("nonsense"), None);
    assert_eq!(summary.value("no_such_metric", "avg"), None);
    let submetric = summary
        .metric("http_req_duration{expected_response:true}")
        .expect("k6 keeps submetrics with thresholds");
    assert_eq!(submetric.kind, MetricKind::Trend);
    assert_eq!(submetric.contains, Contains::Time);
    assert_eq!(submetric.unit(Aggregation::Med), Unit::Milliseconds);
    assert_eq!(submetric.unit(Aggregation::Count), Unit::Count);
}

#[test]
fn a_metric_without_samples_has_no_values() {
    for version in VERSIONS {
        let summary = summary(version, "no_samples");
        for (name, aggregation) in [
            ("silent_trend", "p(95)"),
            ("silent_trend{kind:a}", "med"),
            ("silent_rate", "rate"),
            ("silent_counter", "count"),
            ("silent_gauge", "value"),
            ("checks", "rate"),
        ] {
            let metric = summary.metric(name).expect(name);
            assert!(!metric.has_samples(), "{version} {name}");
            assert_eq!(summary.value(name, aggregation), None, "{version} {name}");
        }
        assert_eq!(summary.value("iterations", "count"), Some(15.0));
    }
}

#[test]
fn durations_of_nothing_but_zero_were_never_timed() {
    for version in VERSIONS {
        let summary = summary(version, "dead_server");
        let duration = summary.metric("http_req_duration").expect("present");
        assert_eq!(duration.value("p(95)"), Some(0.0), "as k6 has it");
        assert_eq!(summary.value("http_req_duration", "p(95)"), None);
        assert_eq!(Metrics::of(&summary).http_req_duration, None);
        let digest = Metrics::of(&crate::captures::summary(version, "dies_midway"));
        let duration = digest.http_req_duration.expect("some were answered");
        assert_eq!(
            (duration.min, duration.med),
            (None, None),
            "requests that never arrived"
        );
        assert!(duration.max.is_some_and(|max| max > 0.0));
    }
}

#[test]
fn checks_carry_the_groups_around_them() {
    for version in VERSIONS {
        let row = |name: &str, passes| CheckRow {
            name: name.to_owned(),
            passes,
            fails: 0,
        };
        assert_eq!(
            summary(version, "passing").checks(),
            [
                row("Mission CRUD › create status is 201", 48),
                row("Mission CRUD › create returns id", 48),
                row("Mission CRUD › list status is 200", 48),
                row("Mission CRUD › list returns array", 48),
            ]
        );
        assert_eq!(
            summary(version, "websocket").checks(),
            [
                row("message has type", 7),
                row("WebSocket connection successful", 1),
            ]
        );
    }
}

#[test]
fn the_digest_has_totals_and_every_trend() {
    let digest = Metrics::of(&summary("1.1.0", "passing"));
    assert_eq!(digest.iterations, 48);
    assert_eq!(digest.http_requests, 96);
    assert_eq!(digest.http_requests_per_second, 15.460122180334242);
    assert_eq!(digest.http_failed_ratio, Some(0.0));
    assert_eq!(digest.checks_ratio, Some(1.0));
    assert_eq!(digest.data_received_bytes, 601_990);
    assert_eq!(digest.data_sent_bytes, 20_160);
    assert_eq!(digest.dropped_iterations, 0);
    let duration = digest.http_req_duration.expect("requests were made");
    assert_eq!(duration.count, Some(96));
    assert_eq!(duration.med, Some(1.782222));
    assert_eq!(duration.p95, Some(12.235617999999999));
    assert_eq!(duration.p99, Some(16.91469369999999));
    let create = &digest.trends["mission_create_duration"];
    assert_eq!(create.unit, Unit::Milliseconds);
    assert_eq!(create.p95, Some(13.86602185));

    let digest = Metrics::of(&summary("0.57.0", "websocket"));
    assert_eq!((digest.ws_sessions, digest.ws_messages_received), (1, 7));
    assert_eq!((digest.ws_messages_sent, digest.http_requests), (1, 0));
    assert_eq!(digest.http_failed_ratio, None);
    assert_eq!(digest.http_req_duration, None);
}

#[test]
fn what_was_asked_for_stands_beside_what_was_measured() {
    let run = summary("1.1.0", "passing")
        .load_test
        .expect("written by main.js");
    assert_eq!(
        (run.profile.as_str(), run.test.as_str()),
        ("load", "missions")
    );
    assert_eq!(run.time_scale, 0.01);
    assert_eq!(run.thresholds["mission_list_duration"], ["p(95)<500"]);
    assert_eq!(run.thresholds["http_req_failed"], ["rate<0.01"]);
    let own: Vec<&String> = run.own_thresholds.keys().collect();
    assert_eq!(
        own,
        ["errors", "mission_create_duration", "mission_list_duration"]
    );
    let run = summary("1.1.0", "websocket")
        .load_test
        .expect("written by main.js");
    assert_eq!(
        run.evidence.checks,
        ["WebSocket connection successful", "message has type"]
    );
    assert_eq!(run.evidence.rules["ws_messages_received"].len(), 1);
}

#[test]
fn requests_of_setup_and_teardown_are_not_the_load_s() {
    for version in VERSIONS {
        let summary = summary(version, "setup_only");
        assert_eq!(
            (summary.counter("http_reqs"), summary.load_requests()),
            (3, 0)
        );
        assert_eq!(summary.iteration_exceptions(), (0, 15));
        let summary = super::captures::summary(version, "passing");
        assert_eq!(
            (summary.counter("http_reqs"), summary.load_requests()),
            (96, 96)
        );
    }
}

#[test]
fn percentiles_that_thresholds_name_are_there() {
    for version in VERSIONS {
        let summary = summary(version, "percentiles");
        for percentile in ["p(99.9)", "p(50)", "p(10)"] {
            let value = summary.value("http_req_duration", percentile);
            assert!(
                value.is_some_and(|value| value > 0.0),
                "{version} {percentile}"
            );
        }
    }
}

#[test]
fn every_beginning_of_a_summary_is_cut_off_and_nothing_else() {
    let whole = text("1.1.0", "hanging");
    let end = whole.trim_ascii_end().len();
    for length in 0..end {
        match Summary::parse(&whole[..length]) {
            Err(SummaryProblem::Unreadable(why)) if why.contains("cut off") || length == 0 => {}
            other => panic!("{length} of {end} bytes: {other:?}"),
        }
    }
    assert_eq!(
        Summary::parse(&whole[..end / 2]),
        Err(SummaryProblem::Unreadable(
            "the summary is cut off at line 89, column 3".to_owned()
        ))
    );
}

#[test]
fn texts_of_another_shape_are_named() {
    let not_a_summary = |message: &str| {
        SummaryProblem::Unreadable(format!(
            "the file is JSON, but not what k6 gives to handleSummary: {message}; \
             was it written by load-tests/main.js?"
        ))
    };
    let not_json = |message: &str| {
        SummaryProblem::Unreadable(format!("the summary is not valid JSON: {message}"))
    };
    let empty = "the summary is empty: k6 ended before it wrote any of it";
    let empty = SummaryProblem::Unreadable(empty.to_owned());
    // As `--summary-export` writes a threshold.
    let exported = r#"{"metrics": {"a": {"type": "rate", "thresholds": {"rate<1": false}}}}"#;
    for (text, problem) in [
        ("", empty.clone()),
        (" \n", empty),
        (
            "{}",
            not_a_summary("missing field `metrics` at line 1 column 2"),
        ),
        (
            "[1]",
            not_a_summary("invalid type: integer `1`, expected a map at line 1 column 2"),
        ),
        (
            exported,
            not_a_summary(
                "invalid type: boolean `false`, expected struct ThresholdResult \
                 at line 1 column 65",
            ),
        ),
        ("<html>", not_json("expected value at line 1 column 1")),
        (
            "{\"metrics\": 1e999}",
            not_json("number out of range at line 1 column 17"),
        ),
    ] {
        assert_eq!(Summary::parse(text.as_bytes()), Err(problem), "{text}");
    }
    let problem = Summary::parse(b"{\"metrics\": {\"\xff\": 1}}").expect_err("no UTF-8");
    assert!(
        format!("{problem:?}").contains("not valid JSON"),
        "{problem:?}"
    );
}

#[test]
fn what_is_new_or_not_a_number_is_passed_over() {
    let summary = Summary::parse(
        br#"{
          "news": 1,
          "metrics": {
            "x": {"type": "histogram", "contains": "light", "values": {"a": null, "b": {}, "c": 2}}
          },
          "root_group": {"checks": [{"name": "c", "passes": 1e300, "fails": -5}]},
          "state": {"testRunDurationMs": -1e300}
        }"#,
    )
    .expect("a summary");
    let metric = summary.metric("x").expect("present");
    assert_eq!(metric.kind, MetricKind::Unknown);
    assert_eq!(metric.contains, Contains::Unknown);
    assert_eq!((metric.value("a"), metric.value("c")), (None, Some(2.0)));
    assert_eq!(summary.check_totals(), (u64::MAX, 0));
    assert_eq!(summary.duration(), Duration::ZERO);
}

#[test]
fn nested_groups_are_walked_to_the_end() {
    let summary = Summary::parse(
        br#"{
          "metrics": {}, "state": {"testRunDurationMs": 1},
          "root_group": {"name": "", "checks": [{"name": "a", "passes": 1, "fails": 0}], "groups": [
            {"name": "outer", "groups": [
              {"name": "inner", "checks": [{"name": "b", "passes": 2, "fails": 3}]}
            ]}
          ]}
        }"#,
    )
    .expect("a summary");
    let rows = summary.checks();
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["a", "outer › inner › b"]);
    assert_eq!(rows[1].share(), Some(0.4));
    assert_eq!(summary.check_totals(), (3, 3));
}
