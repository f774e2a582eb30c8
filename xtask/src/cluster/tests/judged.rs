//! What a test on a cluster comes to, of what was collected of it.

use std::time::SystemTime;

use k6_summary::{Merged, Summary};

use super::super::collect::Collected;
use super::super::judge::judge;
use super::super::planned::Planned;
use super::super::watch::Conclusion;
use crate::k6::{Entry, Said};
use crate::record::{Outcome, TestRecord};

/// Of four runners whose requests all failed, for want of open files if that is what they say.
fn judged(lacking: bool) -> TestRecord {
    let planned: Planned = serde_json::from_str(
        r#"{"name": "t", "test": "health", "profile": "smoke", "time_scale": 1.0, "vus_scale": 1.0, "load": "", "max_vus": 4,
        "stages": [], "at_most_s": 60.0, "runners": 4, "exact": false, "image": "", "base_url": "", "ws_url": ""}"#,
    )
    .unwrap();
    let dead =
        include_bytes!("../../../../crates/k6-summary/tests/fixtures/1.1.0/dead_server.json");
    let summary = Summary::parse(dead).unwrap();
    let words = match lacking {
        true => "dial tcp 10.0.0.1:3000: socket: too many open files",
        false => "dial tcp 10.0.0.1:3000: connect: connection refused",
    };
    let mut said = Said::default();
    let line = format!(
        r#"{{"level":"warning","msg":"Request Failed","error":"Get \"http://10.0.0.1:3000/\": {words}"}}"#
    );
    for _ in 0..summary.failed_http_requests() {
        said.take(&Entry::of(&line).unwrap());
    }
    let collected = Collected {
        runners: Vec::new(),
        problems: Vec::new(),
        cut_short: None,
        merged: Ok(Merged { summary }),
        said,
    };
    let ran = Conclusion::Ran {
        ends: Vec::new(),
        cause: None,
    };
    judge(&planned, Some(&ran), collected, SystemTime::now()).0
}

#[test]
fn runners_that_lacked_open_files_say_nothing_of_the_server() {
    assert_eq!(judged(false).outcome, Outcome::Failed);
    let test = judged(true);
    assert_eq!(test.outcome, Outcome::CouldNotRun, "{:?}", test.reasons);
    let said = "too few open files for ";
    assert!(test.reasons[0].contains(said), "{:?}", test.reasons);
    let more = "take more than 4 runners";
    assert!(test.reasons[0].ends_with(more), "{:?}", test.reasons);
}
