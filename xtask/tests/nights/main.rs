//! Nights of the nightly workflow, run here: its own `run:` steps in order, with what GitHub's runner would set.
//!
//! What is not GitHub's own is real: the scripts, bash, the orchestrator, k6, the server. Not real: `uses:` steps of
//! others are left out (the history's cache is a folder here), and `cargo` and `rustup` are small programs that hand
//! `cargo xtask` to the built orchestrator, since building a toolchain's worth in a test would test nothing.
//! What the steps' `${{ }}` say is left to actionlint: here they are names of values, and conditions ask for no more
//! than how the job went so far.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests drive the program from outside"
)]

mod bisect;
mod night;
#[path = "../e2e/processes.rs"]
mod processes;
mod pull_request;
mod runner;
mod snapshot;
mod step;
#[expect(
    dead_code,
    unused_imports,
    reason = "shared with the e2e tests, which use all of it"
)]
#[path = "../e2e/support.rs"]
mod support;
mod three;
mod workflows;
