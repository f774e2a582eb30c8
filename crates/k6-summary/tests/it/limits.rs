//! The verdict on runs whose load generator, or the machine beside it, was at its limit.

use k6_summary::{
    Evidence, K6Exit, Limits, Outcome, ServerState, Summary, SummaryProblem, Verdict, judge,
};

use crate::captures::{evidence, sentences};
use crate::verdict::{evidence_without, well};

/// A run of 1,000 requests with one check, one error rate and one bound on times; what is left of
/// it once the generator's `limits` are known.
fn limited(limits: Limits, passed: u64, failed: u64, p95: f64) -> Verdict {
    let requests = passed + failed;
    let rate = failed as f64 / requests as f64;
    let ok = |ok: bool| format!(r#"{{"ok": {ok}}}"#);
    let crossed = i32::from(rate >= 0.05) + i32::from(p95 >= 500.0);
    let json = format!(
        r#"{{"metrics": {{
            "iterations": {{"type": "counter", "values": {{"count": {requests}}}}},
            "http_reqs": {{"type": "counter", "values": {{"count": {requests}}}}},
            "http_req_failed": {{"type": "rate", "values": {{"rate": {rate}, "passes": {failed}, "fails": {passed}}},
                "thresholds": {{"rate<0.05": {failed_ok}}}}},
            "http_req_duration": {{"type": "trend", "contains": "time",
                "values": {{"p(95)": {p95}, "count": {requests}}}, "thresholds": {{"p(95)<500": {slow_ok}}}}}
          }},
          "root_group": {{"checks": [{{"name": "a", "passes": {passed}, "fails": {failed}}}]}},
          "state": {{"testRunDurationMs": 1000}}
        }}"#,
        failed_ok = ok(rate < 0.05),
        slow_ok = ok(p95 < 500.0),
    );
    let summary = Summary::parse(json.as_bytes()).expect("a summary");
    judge(&Evidence {
        limits,
        ..evidence(&summary, if crossed > 0 { 99 } else { 0 })
    })
}

#[test]
fn what_the_generator_failed_itself_is_not_the_servers_fault() {
    let own = |requests| Limits {
        requests,
        sentences: vec!["too few open files".to_owned()],
        ..Limits::default()
    };
    let slow = || Limits {
        slow: true,
        sentences: vec!["95 % of the CPU".to_owned()],
        ..Limits::default()
    };
    let unmeasured = ["could not be measured: "];
    for (limits, passed, failed, p95, said) in [
        // All but a few requests, or each of them, were never sent.
        (own(990), 10, 990, 1.0, &unmeasured[..]),
        (own(1000), 0, 1000, 0.0, &unmeasured),
        // Of those that were sent, half or all failed too.
        (
            own(900),
            50,
            950,
            1.0,
            &["50 % of checks", "of requests failed"],
        ),
        (own(900), 0, 1000, 0.0, &["100 % of requests failed"]),
        // What was never sent does not make answers late, and a slow generator does not make them wrong.
        (
            own(500),
            500,
            500,
            600.0,
            &["p95 of requests is 600 ms; the limit is 500 ms"],
        ),
        (slow(), 1000, 0, 600.0, &unmeasured),
        (
            slow(),
            800,
            200,
            600.0,
            &["80 % of checks", "of requests failed"],
        ),
        // Few enough to pass even so.
        (own(10), 990, 10, 1.0, &[]),
    ] {
        let verdict = limited(limits.clone(), passed, failed, p95);
        let sentences = sentences(&verdict);
        let outcome = match said {
            [] => Outcome::Passed,
            [one] if *one == unmeasured[0] => Outcome::Unmeasured,
            _ => Outcome::Failed,
        };
        assert_eq!(
            verdict.outcome, outcome,
            "{limits:?} {passed}: {sentences:?}"
        );
        for part in said {
            assert!(
                sentences.iter().any(|it| it.contains(part)),
                "{limits:?} {passed}: {sentences:?}"
            );
        }
        let late = sentences.iter().any(|it| it.contains("p95 of requests"));
        assert_eq!(late, p95 > 500.0 && !limits.slow, "{sentences:?}");
    }
    let died = judge(&Evidence {
        limits: own(1),
        server: ServerState::Dead("was killed by signal 9".to_owned()),
        ..evidence(&well(""), 0)
    });
    assert_eq!(died.outcome, Outcome::Failed);
}

#[test]
fn a_generator_that_ran_out_of_memory_is_named() {
    let crashed = |crashed| {
        judge(&Evidence {
            limits: Limits {
                crashed,
                sentences: vec!["no memory".to_owned()],
                ..Limits::default()
            },
            ..evidence_without(SummaryProblem::Missing, K6Exit::Signal(9))
        })
    };
    assert_eq!(crashed(true).outcome, Outcome::Unmeasured);
    let torn = judge(&Evidence {
        limits: Limits {
            requests: 141,
            sentences: vec!["no files".to_owned()],
            ..Limits::default()
        },
        ..evidence_without(SummaryProblem::Missing, K6Exit::Code(99))
    });
    assert_eq!(torn.outcome, Outcome::Unmeasured);
    assert_eq!(crashed(false).outcome, Outcome::Failed);
    assert_eq!(sentences(&crashed(false))[0], "k6 was killed by signal 9");
}

#[test]
fn sockets_that_the_generator_could_not_open_are_not_the_servers_fault() {
    let json = r#"{"metrics": {
        "iterations": {"type": "counter", "values": {"count": 60}},
        "ws_sessions": {"type": "counter", "values": {"count": 60}},
        "ws_messages_received": {"type": "counter", "values": {"count": 33}},
        "ws_session_duration": {"type": "trend", "contains": "time",
            "values": {"p(5)": 0.08, "max": 30000, "count": 60}}
      },
      "root_group": {"checks": [{"name": "connected", "passes": 33, "fails": 27}]},
      "state": {"testRunDurationMs": 30000},
      "load_test": {"profile": "smoke", "test": "websocket", "time_scale": 1, "thresholds": {},
        "evidence": {"rules": {"ws_messages_received": ["count >= ws_sessions count"],
            "ws_session_duration": ["p(5) >= 29000"]}}}}"#;
    let summary = Summary::parse(json.as_bytes()).expect("a summary");
    let outcome = |sessions| {
        let limits = Limits {
            sessions,
            ..Limits::default()
        };
        judge(&Evidence {
            limits,
            ..evidence(&summary, 0)
        })
        .outcome
    };
    assert_eq!(outcome(27), Outcome::Unmeasured);
    assert_eq!(outcome(20), Outcome::Failed);
    assert_eq!(outcome(0), Outcome::Failed);
}

/// What is left of a run with these metrics and checks that crossed thresholds.
fn left(limits: Limits, metrics: &str, checks: &str) -> Verdict {
    let json = format!(
        r#"{{"metrics": {{"iterations": {{"type": "counter", "values": {{"count": 919}}}}, {metrics}}},
            "root_group": {{"checks": [{checks}]}}, "state": {{"testRunDurationMs": 1000}}}}"#
    );
    let summary = Summary::parse(json.as_bytes()).expect("a summary");
    judge(&Evidence {
        limits,
        ..evidence(&summary, 99)
    })
}

/// As the specification's scripts end an iteration whose request was never sent.
#[test]
fn exceptions_of_requests_that_were_never_sent_do_not_come_back_as_unsettled() {
    let limits = Limits {
        requests: 41,
        sentences: vec!["too few open files".to_owned()],
        ..Limits::default()
    };
    let metrics = r#"
        "http_reqs": {"type": "counter", "values": {"count": 919}},
        "http_req_failed": {"type": "rate", "values": {"rate": 0.0446, "passes": 41, "fails": 878},
            "thresholds": {"rate<0.01": {"ok": false}}},
        "iteration_exceptions": {"type": "rate", "values": {"rate": 0.0446, "passes": 41, "fails": 878}}"#;
    let verdict = left(
        limits,
        metrics,
        r#"{"name": "a", "passes": 878, "fails": 41}"#,
    );
    assert_eq!(
        verdict.outcome,
        Outcome::Unmeasured,
        "{:?}",
        sentences(&verdict)
    );
}

#[test]
fn a_slow_machine_makes_nothing_shorter_and_nothing_missing() {
    let slow = || Limits {
        slow: true,
        sentences: vec!["95 % of the CPU".to_owned()],
        ..Limits::default()
    };
    let reqs = r#""http_reqs": {"type": "counter", "values": {"count": 919}}"#;
    for (metric, outcome) in [
        // Sessions that the server ended early, and a success that never came.
        (
            r#""ws_session_duration": {"type": "trend", "contains": "time", "values": {"min": 90, "count": 5},
                "thresholds": {"min>29000": {"ok": false}}}"#,
            Outcome::Failed,
        ),
        (
            r#""bought": {"type": "counter", "values": {"count": 0}, "thresholds": {"count>=1": {"ok": false}}}"#,
            Outcome::Failed,
        ),
        // There were fewer than there would have been.
        (
            r#""bought": {"type": "counter", "values": {"count": 40}, "thresholds": {"count>=50": {"ok": false}}}"#,
            Outcome::Unmeasured,
        ),
    ] {
        let metrics = format!("{reqs}, {metric}");
        let verdict = left(
            slow(),
            &metrics,
            r#"{"name": "a", "passes": 919, "fails": 0}"#,
        );
        assert_eq!(
            verdict.outcome,
            outcome,
            "{metric}: {:?}",
            sentences(&verdict)
        );
    }
}

#[test]
fn a_check_that_no_answer_passed_is_the_servers() {
    let limits = Limits {
        requests: 700,
        sentences: vec!["too few open files".to_owned()],
        ..Limits::default()
    };
    // 219 requests were answered, and not one as it should be.
    let metrics = r#"
        "http_reqs": {"type": "counter", "values": {"count": 919}},
        "http_req_failed": {"type": "rate", "values": {"rate": 0.762, "passes": 700, "fails": 219},
            "thresholds": {"rate<0.01": {"ok": false}}}"#;
    let check = r#"{"name": "has an id", "passes": 0, "fails": 219}"#;
    let verdict = left(limits, metrics, check);
    assert_eq!(
        verdict.outcome,
        Outcome::Failed,
        "{:?}",
        sentences(&verdict)
    );
}
