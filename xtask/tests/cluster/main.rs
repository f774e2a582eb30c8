//! `cargo xtask cluster` from outside, and without a cluster: the real kubectl and real k6 against a stand-in for
//! Kubernetes' API, k6-operator and a node, which is held to what these were seen to do.

// Each pod has an address of loopback of its own, which only Linux has.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests drive the programs from outside"
)]

mod api;
mod check;
mod cluster;
mod container;
mod http;
mod kubectl;
mod node;
mod operator;
#[path = "../e2e/processes.rs"]
mod processes;
mod recordings;
mod scenarios;
#[path = "../../src/cluster/tests/schema.rs"]
mod schema;
mod store;
#[expect(
    dead_code,
    unused_imports,
    reason = "shared with the e2e tests, which use all of it"
)]
#[path = "../e2e/support.rs"]
mod support;
