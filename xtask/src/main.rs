//! The orchestrator of load tests.

fn main() {}
