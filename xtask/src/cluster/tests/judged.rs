//! What a test on a cluster comes to, of what was collected of it.

use std::time::SystemTime;

use k6_summary::{Merged, Summary};

use super::super::collect::Collected;
use super::super::judge::judge_runners;
use super::super::planned::Planned;
use super::super::watch::Conclusion;
use crate::k6::{LogEntry, Said};
use crate::record::{Outcome, TestRecord};

/// Of four runners whose requests all failed, in k6's words: an error, or an answer.
fn judged(line: &str) -> TestRecord {
    let planned: Planned = serde_json::from_str(
        r#"{"name": "t", "test": "health", "profile": "smoke", "time_scale": 1.0, "vus_scale": 1.0, "load": "", "max_vus": 4,
        "stages": [], "at_most_s": 60.0, "runners": 4, "exact": false, "image": "", "base_url": "", "ws_url": ""}"#,
    )
    .unwrap();
    let dead =
        include_bytes!("../../../../crates/k6-summary/tests/fixtures/1.1.0/dead_server.json");
    let summary = Summary::parse(dead).unwrap();
    let mut said = Said::default();
    for _ in 0..summary.failed_http_requests() {
        said.take(&LogEntry::of(line).unwrap());
    }
    let collected = Collected {
        runners: Vec::new(),
        problems: Vec::new(),
        cut_short: None,
        merged: Ok(Merged { summary }),
        notice: None,
        said,
    };
    let ran = Conclusion::Ran {
        ends: Vec::new(),
        cause: None,
    };
    judge_runners(&planned, Some(&ran), collected, SystemTime::now()).0
}

#[test]
fn runners_that_lacked_open_files_say_nothing_of_the_server() {
    let dialled = |words: &str| {
        judged(&format!(
            r#"{{"level":"warning","msg":"Request Failed","error":"Get \"http://10.0.0.1:3000/\": dial tcp 10.0.0.1:3000: {words}"}}"#
        ))
    };
    let refused = dialled("connect: connection refused");
    assert_eq!(refused.outcome, Outcome::Failed);
    let test = dialled("socket: too many open files");
    assert_eq!(test.outcome, Outcome::CouldNotRun, "{:?}", test.reasons);
    let said = "too few open files for ";
    assert!(test.reasons[0].contains(said), "{:?}", test.reasons);
    let more = "take more than 4 runners";
    assert!(test.reasons[0].ends_with(more), "{:?}", test.reasons);
}

#[test]
fn a_server_that_limits_the_rate_is_not_called_slow() {
    let test = judged(
        r#"{"level":"info","msg":"Failed answer: {\"method\":\"GET\",\"path\":\"/a\",\"status\":429,\"retry_after\":\"30\",\"at\":1,\"count\":1}"}"#,
    );
    assert_eq!(test.outcome, Outcome::Failed);
    let said = "with 429 (Retry-After: 30): rate limiting, not slowness";
    let mut reasons = test.reasons.iter();
    assert!(reasons.any(|it| it.ends_with(said)), "{:?}", test.reasons);
}
