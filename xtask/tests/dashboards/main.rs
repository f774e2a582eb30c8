//! The Grafana dashboards, held against what they are about: their own rules, the thresholds of the scripts as k6 reads
//! them, the folder that starts Grafana, and a real Prometheus that real runs have filled.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests drive the programs from outside"
)]

mod alerts;
mod check;
mod files;
mod lines;
mod live;
mod load;
mod names;
#[path = "../e2e/processes.rs"]
mod processes;
mod prometheus;
mod promql;
mod rules;
mod setup;
#[expect(
    dead_code,
    unused_imports,
    reason = "shared with the e2e tests, which use all of it"
)]
#[path = "../e2e/support.rs"]
mod support;
mod thresholds;
mod values;
mod variables;
