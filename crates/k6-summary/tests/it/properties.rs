//! What holds for any input at all.

use k6_summary::{
    Evidence, Expression, K6Exit, Limits, Log, MetricKind, Metrics, Outcome, Quantity, ServerState,
    Summary, SummaryProblem, ThresholdState, Unit, judge,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Numbers as JSON can hold them, the absurd ones more often than in life.
fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!(0)),
        Just(json!(-1)),
        Just(json!(f64::MAX)),
        Just(json!(f64::MIN_POSITIVE)),
        Just(json!(u64::MAX)),
        (0_u64..1000).prop_map(|it| json!(it)),
        (0.0..1.0).prop_map(|it| json!(it)),
        any::<f64>().prop_map(|it| json!(it)),
    ]
}

/// Any JSON, whatever it means.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        number(),
        any::<bool>().prop_map(Value::Bool),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Value::Array),
            btree_map(field(), inner, 0..8).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// Names of fields, most of them those that a summary has.
fn field() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "metrics",
        "root_group",
        "state",
        "testRunDurationMs",
        "values",
        "thresholds",
        "type",
        "checks",
        "groups",
        "passes",
        "fails",
        "name",
        "ok",
        "load_test",
        "count",
        "rate",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => any::<String>()]
}

/// A metric of any kind with any values.
fn metric() -> impl Strategy<Value = Value> {
    let kind = prop::sample::select(vec!["counter", "gauge", "rate", "trend", "other"]);
    let contains = prop::sample::select(vec!["default", "time", "data", "other"]);
    let value = prop::sample::select(vec![
        "count", "rate", "passes", "fails", "value", "min", "max", "med", "p(95)", "p(99)", "p(x)",
    ]);
    let threshold = prop::sample::select(vec![
        "p(95)<500",
        "rate<0.01",
        "count>0",
        "med>=1",
        "avg!=0",
        "value==1",
        "nonsense",
    ]);
    (
        kind,
        contains,
        btree_map(value, number(), 0..6),
        btree_map(threshold, any::<bool>(), 0..3),
    )
        .prop_map(|(kind, contains, values, thresholds)| {
            let thresholds: serde_json::Map<_, _> = thresholds
                .into_iter()
                .map(|(expression, ok)| (expression.to_owned(), json!({"ok": ok})))
                .collect();
            json!({"type": kind, "contains": contains, "values": values, "thresholds": thresholds})
        })
}

/// A text of the right shape with any content.
fn summary() -> impl Strategy<Value = Summary> {
    let name = prop::sample::select(vec![
        "iterations",
        "http_reqs",
        "http_req_failed",
        "http_req_duration",
        "ws_sessions",
        "checks",
        "http_req_duration{expected_response:true}",
        "vus_max",
        "iteration_exceptions",
        "http_reqs{phase:setup}",
        "dropped_iterations",
        "errors",
        "x",
    ]);
    let check = (any::<u32>(), any::<u32>())
        .prop_map(|(passes, fails)| json!({"name": "c", "passes": passes % 3, "fails": fails % 3}));
    (
        btree_map(name, metric(), 0..8),
        vec(check, 0..4),
        any::<f64>(),
    )
        .prop_map(|(metrics, checks, duration)| {
            let duration = if duration.is_finite() { duration } else { 0.0 };
            let text = json!({
                "metrics": metrics,
                "root_group": {"groups": [{"name": "g", "checks": checks}]},
                "state": {"testRunDurationMs": duration},
                "load_test": {"profile": "p", "test": "t", "time_scale": 1,
                    "thresholds": {"errors": ["rate<0.01"], "absent": ["count>0"]},
                    "own_thresholds": {"errors": ["rate<0.01"]},
                    "evidence": {"checks": ["c"], "rules": {"x": ["count >= http_reqs count"]}}},
            });
            Summary::parse(text.to_string().as_bytes()).expect("the right shape")
        })
}

fn exit() -> impl Strategy<Value = K6Exit> {
    prop_oneof![
        3 => Just(K6Exit::Code(0)),
        2 => Just(K6Exit::Code(99)),
        2 => any::<i32>().prop_map(K6Exit::Code),
        1 => any::<i32>().prop_map(K6Exit::Signal),
    ]
}

fn server() -> impl Strategy<Value = ServerState> {
    prop_oneof![
        3 => Just(ServerState::Healthy),
        1 => any::<String>().prop_map(ServerState::Dead),
        1 => any::<String>().prop_map(ServerState::Unhealthy),
    ]
}

fn share(usual: f64) -> impl Strategy<Value = f64> {
    prop_oneof![Just(usual), Just(0.0), any::<f64>()]
}

fn log() -> impl Strategy<Value = Log> {
    let entry = prop::sample::select(vec![
        ("error", true, None),
        ("error", false, Some("script exception")),
        ("warning", false, None),
    ]);
    vec(entry, 0..3).prop_map(|entries| {
        let mut log = Log::default();
        for (level, in_iteration, hint) in entries {
            log.entry(level, "oops", in_iteration, hint);
        }
        log
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Summary::parse(&bytes);
    }

    #[test]
    fn any_json_is_read_or_refused_and_can_be_judged(value in any_json()) {
        if let Ok(summary) = Summary::parse(value.to_string().as_bytes()) {
            let _ = Metrics::of(&summary);
        }
    }

    #[test]
    fn any_summary_is_judged_by_the_rules(
        summary in summary(),
        log in log(),
        exit in exit(),
        server in server(),
        min_checks in share(0.95),
        max_exceptions in share(0.01),
        planned_vus in prop::option::of(0_u64..5),
        interrupted in any::<bool>(),
    ) {
        let evidence = Evidence {
            summary: Ok(&summary), log: &log, exit, min_checks, max_exceptions, planned_vus,
            limits: Limits::default(), server,
            interrupted,
        };
        let verdict = judge(&evidence);
        for reason in &verdict.reasons {
            prop_assert!(!reason.to_string().is_empty());
        }
        for row in &verdict.thresholds {
            prop_assert!(!row.bound_text().is_empty());
            let metric = summary.metric(&row.metric);
            let known = metric.is_some_and(|metric| {
                metric.has_samples() || metric.kind == MetricKind::Counter
            });
            prop_assert!(known || row.state != ThresholdState::Passed);
        }
        let (passes, fails) = summary.check_totals();
        let (thrown, _) = summary.iteration_exceptions();
        let crossed = verdict.thresholds.iter().any(|it| it.state == ThresholdState::Crossed);
        let evaluated =
            verdict.thresholds.iter().any(|it| it.state != ThresholdState::NotEvaluated);
        let bad = interrupted
            || summary.counter("iterations") == 0
            || summary.load_requests() == 0
            || (thrown.max(log.exceptions()) > 0 && max_exceptions == 0.0)
            || verdict.checks.iter().any(|check| check.passes == 0)
            || passes + fails == 0
            || (passes as f64) < min_checks * (passes + fails) as f64
            || crossed
            || !evaluated
            || planned_vus.zip(summary.vus_max()).is_some_and(|(planned, max)| planned != max)
            || exit != K6Exit::Code(0)
            || matches!(evidence.server, ServerState::Dead(_) | ServerState::Unhealthy(_));
        prop_assert!(!(bad && verdict.outcome == Outcome::Passed));
        prop_assert_eq!(verdict.outcome == Outcome::Interrupted, interrupted);
        prop_assert_eq!(verdict.outcome == Outcome::Passed, verdict.reasons.is_empty());
    }

    #[test]
    fn any_log_is_one_line_of_harmless_words(lines in vec("\\PC{0,60}|[ -~\n\t\\\\]{0,60}", 0..8)) {
        let mut log = Log::default();
        for line in &lines {
            log.entry("error", line, true, None);
        }
        if let Some(exception) = log.first_exception() {
            let text = exception.to_string();
            prop_assert!(!text.contains(char::is_control), "{text:?}");
            prop_assert!(text.chars().count() < 400, "{text:?}");
        }
    }

    #[test]
    fn nothing_passes_without_a_summary(
        log in log(),
        exit in exit(),
        server in server(),
        interrupted in any::<bool>(),
        problem in prop_oneof![
            Just(SummaryProblem::Missing),
            any::<String>().prop_map(SummaryProblem::Unreadable),
        ],
    ) {
        let verdict = judge(&Evidence {
            summary: Err(problem), log: &log, exit, min_checks: 0.0, max_exceptions: 1.0,
            planned_vus: None, limits: Limits::default(), server, interrupted,
        });
        prop_assert_ne!(verdict.outcome, Outcome::Passed);
        prop_assert!(!verdict.reasons.is_empty());
    }

    #[test]
    fn any_number_can_be_shown(number in any::<f64>(), bound in any::<f64>()) {
        for unit in [
            Unit::Milliseconds, Unit::Ratio, Unit::Count, Unit::PerSecond, Unit::Bytes,
            Unit::BytesPerSecond, Unit::None,
        ] {
            let shown = Quantity::new(number, unit);
            prop_assert!(shown.to_string().len() < 40, "{shown}");
            prop_assert!(!shown.distinct_from(bound).is_empty());
        }
    }

    #[test]
    fn any_expression_is_read_or_refused(text in "\\PC{0,20}", percent in 0.0..100.0,
            bound in any::<f64>().prop_filter("finite", |it| it.is_finite()),
            sign in prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="])) {
        let _ = Expression::parse(&text);
        let expression = Expression::parse(&format!("p({percent}) {sign} {bound}"))
            .expect("of the right form");
        prop_assert_eq!(expression.bound, bound);
        prop_assert_eq!(expression.operator.to_string(), sign);
        prop_assert_eq!(expression.aggregation.to_string(), format!("p({percent})"));
    }
}
