//! From what was measured to a test's record: its numbers, its outcome and the reasons for it.

use std::time::{Duration, UNIX_EPOCH};

use k6_summary::{
    Evidence, K6Exit, Metrics, Quantity, Reason, ServerState, THRESHOLDS_CROSSED, ThresholdRow,
    Unit, Verdict, brief,
};

use crate::cli::Running;
use crate::k6::{Ran, Shape, Stopped, short};
use crate::measure::{Measured, growth};
use crate::record::{
    EndpointRecord, FailingStatuses, Outcome, RATE_LIMITED, SampledRecord, StageRecord, TestRecord,
    plural,
};
use crate::shell::Ended;

/// How many endpoints a test's reasons name: its table has all of them.
const MOST_ENDPOINTS: usize = 3;
/// By how much k6 may end before its plan without anything being amiss.
const ROUNDING: Duration = Duration::from_secs(1);

/// The record of a test that is still to be run.
pub fn planned(test: &str, shape: &Shape) -> TestRecord {
    TestRecord::planned(
        test,
        shape.max_vus,
        shape.stages.iter().map(StageRecord::from).collect(),
    )
}

/// Judges what was measured of `test`.
///
/// `as_planned` says whether k6 made the load of its plan, and no argument of the user's another; `probed` what is wrong
/// with the server's answers, looked at one by one. The notice is what is to be known though it fails nothing.
pub fn judge_test(
    test: &str,
    shape: &Shape,
    args: &Running,
    as_planned: bool,
    measured: &Measured,
    probed: Vec<String>,
) -> (TestRecord, Option<String>) {
    let Measured {
        ran,
        summary,
        samples,
        ..
    } = measured;
    let verdict = k6_summary::judge(&Evidence {
        summary: summary.as_ref().map_err(Clone::clone),
        log: &ran.said.log,
        exit: exit(ran.ended),
        min_checks: args.min_checks,
        max_exceptions: args.max_exceptions,
        // A plan of rates has no stages, and k6 takes as many virtual users as it needs.
        planned_vus: (as_planned && !shape.stages.is_empty()).then_some(shape.max_vus),
        limits: ran.limits.clone(),
        server: measured.server.clone(),
        interrupted: matches!(ran.stopped, Some(Stopped::Interrupted(_))),
    });
    let mut record = planned(test, shape);
    let began = measured.started_at;
    record.started_at = Some(humantime::format_rfc3339_seconds(began).to_string());
    record.k6_exit = Some(exit(ran.ended).to_string());
    record.sampled = samples.first().zip(samples.last()).map(|(first, last)| {
        let since = began.duration_since(UNIX_EPOCH).unwrap_or_default();
        SampledRecord {
            from_s: first.elapsed_s,
            to_s: last.elapsed_s,
            from_unix_ms: since.as_secs_f64() * 1000.0,
        }
    });
    record.server_usage = measured.usage();
    record.slowed = ran.limits.slow;
    record.growth = growth::rows(shape, args.max_memory_growth.0, !as_planned, ran, samples);
    record.duration_s = summary
        .as_ref()
        .ok()
        .map(|summary| summary.duration().as_secs_f64());
    let notice = verdict.notice.clone();
    record.reasons = probed;
    settle(&mut record, verdict, measured);
    if let Some(ended) = broke_off(shape, measured) {
        let behind_the_first = record.reasons.len().min(1);
        record.reasons.insert(behind_the_first, ended);
    }
    (record, notice)
}

/// At which load a threshold that was crossed ended the load before its plan did, in a sentence, if one did.
fn broke_off(shape: &Shape, measured: &Measured) -> Option<String> {
    let summary = measured.summary.as_ref().ok()?;
    let crossed = measured.ran.ended == Ended::Code(THRESHOLDS_CROSSED);
    let is_early = summary.duration() + ROUNDING < shape.duration();
    let is_ramp = measured.ran.stopped.is_none() && !shape.stages.is_empty();
    let users = summary.value("vus", "max")?;
    (crossed && is_early && is_ramp).then(|| {
        format!(
            "the first threshold that was crossed ended the load at {users:.0} of {} virtual users, after {}",
            shape.max_vus,
            short(summary.duration())
        )
    })
}

/// Joins what was judged here and there into the test's outcome.
fn settle(record: &mut TestRecord, verdict: Verdict, measured: &Measured) {
    let ran = &measured.ran;
    let unmeasured = verdict.outcome == k6_summary::Outcome::Unmeasured;
    let probed = std::mem::take(&mut record.reasons);
    let is_sound = probed.is_empty();
    record.endpoints = measured.endpoints.clone();
    let (sentences, is_told) = sentences(&record.endpoints, &verdict, probed);
    record.reasons = sentences;
    if ran.stopped == Some(Stopped::Overdue) {
        record
            .reasons
            .insert(0, "k6 took much longer than planned and was stopped".into());
    }
    let told = |reason: &Reason| matches!(reason, Reason::ScriptEnded(_));
    if !unmeasured && !verdict.reasons.iter().any(told) {
        let words = last_words(ran, measured.summary.is_ok());
        record.reasons.extend(words);
    }
    let elsewhere = measured.elsewhere();
    let only_the_generator = is_sound && elsewhere.is_none() && ran.stopped.is_none();
    record.reasons.extend(elsewhere);
    let grown = record.growth.iter().filter(|row| row.ok == Some(false));
    let grown: Vec<String> = grown.map(growth::reason).collect();
    record.outcome = match verdict.outcome {
        k6_summary::Outcome::Interrupted => Outcome::Interrupted,
        k6_summary::Outcome::Passed if record.reasons.is_empty() && grown.is_empty() => {
            Outcome::Passed
        }
        k6_summary::Outcome::Unmeasured if only_the_generator && grown.is_empty() => {
            Outcome::CouldNotRun
        }
        _ => Outcome::Failed,
    };
    record.reasons.extend(grown);
    if record.outcome == Outcome::Failed
        && !is_told
        && let Some((error, count)) = ran.said.commonest()
    {
        record
            .reasons
            .push(format!("{} failed with: {error}", plural(count, "request")));
    }
    record.thresholds = verdict.thresholds;
    record.thresholds.extend(verdict.shares);
    record.checks = verdict.checks;
    record.metrics = verdict.metrics;
}

/// The reasons of `verdict` in sentences, with what failed at which of the `endpoints` and what was found `besides`; and
/// whether it is said what failed where.
pub fn sentences(
    endpoints: &[EndpointRecord],
    verdict: &Verdict,
    besides: Vec<String>,
) -> (Vec<String>, bool) {
    let (failed_here, reasons) = match verdict.outcome {
        k6_summary::Outcome::Unmeasured => (Vec::new(), verdict.reasons.clone()),
        _ => by_endpoint(endpoints, &verdict.reasons, verdict.metrics.as_ref()),
    };
    let is_told = !failed_here.is_empty();
    // Causes come before what follows from them, and what failed where before all that it crossed.
    let causes = reasons
        .iter()
        .take_while(|reason| reason.is_cause())
        .count();
    let mut sentences: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    sentences.splice(causes..causes, failed_here.into_iter().chain(besides));
    (sentences, is_told)
}

/// What failed where, the most first, in the place of those of `reasons` that say no more than that requests failed.
fn by_endpoint(
    endpoints: &[EndpointRecord],
    reasons: &[Reason],
    metrics: Option<&Metrics>,
) -> (Vec<String>, Vec<Reason>) {
    let statuses = FailingStatuses::of(endpoints, metrics);
    let mut failing: Vec<(u64, &EndpointRecord)> = endpoints
        .iter()
        .map(|it| (statuses.at(it), it))
        .filter(|(failed, _)| *failed > 0)
        .collect();
    failing.sort_by_key(|(failed, _)| std::cmp::Reverse(*failed));
    failing.truncate(MOST_ENDPOINTS);
    if failing.is_empty() || !reasons.iter().any(Reason::is_of_failed_requests) {
        return (Vec::new(), reasons.to_vec());
    }
    let always = failing
        .iter()
        .any(|(failed, it)| it.all().is_some_and(|all| *failed >= all));
    // A rate that is much greater than the share of failed requests has more than these for its reason.
    let share = metrics.and_then(|it| it.http_failed_ratio);
    let is_other = |row: &ThresholdRow| {
        let is_of_k6 = row.is_of("http_req_failed") || row.is_of("checks");
        let explained = share.zip(row.value);
        !is_of_k6 && explained.is_some_and(|(share, value)| value > 2.0 * share)
    };
    let others = reasons.iter().filter(|reason| match reason {
        // An exception and a check that never passed may have another cause.
        Reason::Exceptions { .. } | Reason::AllRequestsFailed(_) => true,
        Reason::ChecksNeverPassed { .. } => !always,
        Reason::ThresholdCrossed(row) if is_other(row) => true,
        other => !other.is_of_failed_requests(),
    });
    let limit = reasons.iter().find_map(|reason| match reason {
        Reason::ThresholdCrossed(row) if row.metric == "http_req_failed" => row.bound,
        _ => None,
    });
    let sentences = failing
        .iter()
        .map(|(failed, it)| endpoint_failed(it, *failed, limit))
        .collect();
    (sentences, others.cloned().collect())
}

/// What failed of an endpoint, in a sentence; `limit` is the share of all requests that may, if more did.
fn endpoint_failed(it: &EndpointRecord, failed: u64, limit: Option<f64>) -> String {
    let share = |share| Quantity::new(share, Unit::Ratio);
    let failed = match it.all() {
        Some(all) if all >= failed => {
            let part = share(failed as f64 / all as f64);
            format!("{part} of {}", plural(all, "request"))
        }
        _ => plural(failed, "request"),
    };
    let what = brief(it.commonest.as_deref().unwrap_or("errors"), 4);
    let limit = limit.map(|limit| format!("; the limit for all is {}", share(limit)));
    let limit = limit.filter(|_| what.split(' ').count() == 1);
    // Whoever says when to come again could answer, and does not want to so often (RFC 6585, 4; RFC 9110, 10.2.3).
    let rate = what.starts_with("429") || what.contains("Retry-After");
    let limit = rate.then(|| RATE_LIMITED.into()).or(limit);
    format!(
        "{} failed in {failed} with {what}{}",
        brief(&it.name(), 3),
        limit.unwrap_or_default()
    )
}

/// Why `measured` is no measurement, if so: k6 or the server came to its end.
pub fn broken(measured: &Measured) -> Option<String> {
    let Measured { ran, summary, .. } = measured;
    match (&ran.stopped, &measured.server) {
        (Some(Stopped::Interrupted(_)), _) => None,
        (Some(Stopped::Overdue), _) => Some("k6 took much longer than planned".into()),
        (_, ServerState::Dead(why)) => Some(why.clone()),
        _ if summary.is_err() || !matches!(ran.ended, Ended::Code(0 | THRESHOLDS_CROSSED)) => {
            let words = last_words(ran, false).unwrap_or_default();
            Some(format!("k6 ended with {}; {words}", ran.ended))
        }
        _ => None,
    }
}

fn exit(ended: Ended) -> K6Exit {
    match ended {
        Ended::Code(code) => K6Exit::Code(code),
        Ended::Signal(signal) => K6Exit::Signal(signal),
    }
}

/// What k6's log has to explain a failure that the summary does not explain: its last words of an error.
fn last_words(ran: &Ran, has_summary: bool) -> Option<String> {
    // What was stopped by us says no more than that.
    if ran.stopped.is_some()
        || has_summary && matches!(ran.ended, Ended::Code(0 | THRESHOLDS_CROSSED))
    {
        return None;
    }
    let words = ran.said.last_error.clone();
    let words = words.or_else(|| ran.tail.lines().last().map(|line| line.trim().to_owned()))?;
    Some(format!("the end of k6's output: {words}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_where_is_told_in_few_words() {
        let failed = |name: &str, requests, commonest: &str| EndpointRecord {
            method: "POST".into(),
            route: name.into(),
            requests,
            server_errors: 49,
            commonest: Some(commonest.into()),
            ..EndpointRecord::default()
        };
        let missions = failed("/api/missions", Some(540), "500");
        assert_eq!(
            endpoint_failed(&missions, missions.failed(), Some(0.01)),
            "POST /api/missions failed in 9.07 % of 540 requests with 500; the limit for all is 1 %"
        );
        let uncounted = failed("/a", None, "connect: connection refused");
        assert_eq!(
            endpoint_failed(&uncounted, uncounted.failed(), None),
            "POST /a failed in 49 requests with connect: connection refused"
        );
        for (what, limited) in [
            ("429", true),
            ("503 (Retry-After: 1)", true),
            ("503", false),
        ] {
            let it = failed("/a", None, what);
            let said = endpoint_failed(&it, it.failed(), Some(0.01));
            let ending = format!("with {what}: rate limiting, not slowness");
            assert_eq!(said.ends_with(&ending), limited, "{said}");
        }
        let long = "one two three four five six";
        for it in [
            failed(long, Some(29_144), "500"),
            failed(long, Some(29_144), long),
            failed(long, Some(29_144), "429 (Retry-After: 30)"),
        ] {
            let text = format!(
                "missions: {}",
                endpoint_failed(&it, it.failed(), Some(0.012_5))
            );
            assert!(text.split_whitespace().count() <= 20, "{text}");
        }
    }

    #[test]
    fn an_endpoint_stands_for_what_says_no_more_than_that_requests_failed() {
        let failing = EndpointRecord {
            requests: Some(540),
            server_errors: 49,
            ..EndpointRecord::default()
        };
        let checks = Reason::ChecksBelowMinimum {
            passes: 9,
            total: 10,
            minimum: 0.95,
        };
        let never = Reason::ChecksNeverPassed {
            check: "a".into(),
            total: 10,
            more: 0,
        };
        let told = |endpoints: &[EndpointRecord], reasons: &[Reason]| {
            let (sentences, left) = by_endpoint(endpoints, reasons, None);
            (sentences.len(), left)
        };
        let both = [never.clone(), checks];
        assert_eq!(
            told(std::slice::from_ref(&failing), &both),
            (1, vec![never])
        );
        // A rate of another kind has its own reasons.
        for other in ["cache_hits", "checksum_ok"] {
            let rate = r#"{"metric":"M","expression":"rate>0.9","aggregation":"rate","operator":">","bound":0.9,"value":0.5,
                "unit":"ratio","state":"crossed"}"#;
            let rate = serde_json::from_str(&rate.replace('M', other)).unwrap();
            let rate = Reason::ThresholdCrossed(rate);
            let with_rate = [both[1].clone(), rate.clone()];
            assert_eq!(
                told(std::slice::from_ref(&failing), &with_rate),
                (1, vec![rate])
            );
        }
        // What failed of the requests is not why the test did.
        let slow = [Reason::NoChecks];
        assert_eq!(
            told(std::slice::from_ref(&failing), &slow),
            (0, slow.to_vec())
        );
        assert_eq!(told(&[], &both), (0, both.to_vec()));
        // Nobody knows whether all of them failed where none were counted.
        let uncounted = EndpointRecord {
            requests: None,
            ..failing.clone()
        };
        assert_eq!(told(&[uncounted], &both[..1]), (1, both[..1].to_vec()));
    }

    #[test]
    fn statuses_that_a_script_expects_are_no_failures() {
        let endpoint = |route: &str, client_errors, server_errors| EndpointRecord {
            method: "GET".into(),
            route: route.into(),
            requests: Some(10_000),
            client_errors,
            server_errors,
            ..EndpointRecord::default()
        };
        let all = [
            endpoint("/missing", 10_000, 0),
            endpoint("/items", 0, 49),
            endpoint("/favicon.ico", 3, 0),
        ];
        let checks = [Reason::ChecksBelowMinimum {
            passes: 9,
            total: 10,
            minimum: 0.95,
        }];
        let told = |failed| {
            let summary = r#"{"duration_ms":1.0,"iterations":1,"dropped_iterations":0,"vus_max":1,"http_requests":20000,
                "http_requests_per_second":1.0,"http_requests_failed":0,"http_failed_ratio":0.0,"checks_passed":9,
                "checks_failed":1,"checks_ratio":0.9,"data_received_bytes":1,"data_sent_bytes":1,"ws_sessions":0,
                "ws_messages_received":0,"ws_messages_sent":0,"http_req_duration":null,"trends":{}}"#;
            let metrics = Metrics {
                http_requests_failed: failed,
                ..serde_json::from_str(summary).unwrap()
            };
            by_endpoint(&all, &checks, Some(&metrics)).0
        };
        assert_eq!(told(0), Vec::<String>::new());
        assert_eq!(
            told(49),
            ["GET /items failed in 0.49 % of 10,000 requests with errors"]
        );
        assert_eq!(told(10_049).len(), 3);
    }
}
