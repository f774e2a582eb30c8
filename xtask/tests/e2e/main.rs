//! `cargo xtask load-test` from outside: the real program, real k6, real servers, real signals.
//!
//! Each test has a server or stub on a port of its own and a results folder of its own. Time is saved by
//! `--time-scale`, never by pretending.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests drive the program from outside"
)]

mod broken_k6;
mod broken_servers;
mod browser;
mod capacity;
mod compare;
mod compare_capacity;
mod compare_revisions;
mod environment;
mod evidence;
mod faults;
mod foreign;
mod good_runs;
mod history;
mod interrupts;
mod liar;
mod locks;
mod manifest;
mod pages;
mod processes;
mod prometheus;
mod readme;
mod results;
mod runners;
mod scripts;
mod stub;
mod support;
mod transcripts;
mod usage;
