//! Nights of the nightly workflow, run here: its own `run:` steps in order, with what GitHub's runner would set.
//!
//! What is not GitHub's own is real: the scripts, bash, the orchestrator, k6, the server. Not real: `uses:` steps of
//! others are left out (the history's cache is a folder here), and `cargo` and `rustup` are small programs that hand
//! `cargo xtask` to the built orchestrator, since building a toolchain's worth in a test would test nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests drive the program from outside"
)]

mod bisect;
mod expression;
mod night;
mod programs;
mod pull_request;
mod runner;
mod snapshot;
mod three;
