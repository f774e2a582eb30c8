//! One run at a time for each server.

use crate::support::{Run, Server};
use rustix::process::Signal;

#[test]
fn the_second_run_is_told_or_waits() {
    let server = Server::start("test-api-key");
    let shared = tempfile::tempdir().unwrap();
    let run = |args: &str| {
        Run::new(args)
            .against(&server.url)
            .env("XDG_RUNTIME_DIR", shared.path().to_str().unwrap())
    };
    let mut first = run("smoke health --time-scale 0.4").start();
    first.wait_for("health: 1 virtual user");
    let second = run("smoke health --time-scale 0.05").done();
    second
        .exits(3)
        .says(&format!("process {}", first.pid()))
        .says(first.results.to_str().unwrap())
        .says("since 2");
    // Another user shares no folder with the first, only the port.
    if cfg!(target_os = "linux") {
        let other = Run::new("smoke health --time-scale 0.05").against(&server.url);
        let first = format!("process {}", first.pid());
        other.done().exits(3).says(&first);
    }
    let mut third = run("smoke health --time-scale 0.05 --wait").start();
    third.wait_for("waiting: another load test");
    let mut fourth = run("smoke health --time-scale 0.05 --wait").start();
    fourth.wait_for("waiting: another load test");
    fourth.signal(Signal::INT);
    fourth.done().exits(130);
    first.done().exits(0);
    third.done().exits(0);
}

#[test]
fn a_killed_run_blocks_nobody_and_other_ports_run_side_by_side() {
    let (one, two) = (Server::start("test-api-key"), Server::start("test-api-key"));
    let shared = tempfile::tempdir().unwrap();
    let run = |args: &str, server: &Server| {
        Run::new(args)
            .against(&server.url)
            .env("XDG_RUNTIME_DIR", shared.path().to_str().unwrap())
    };
    let mut killed = run("smoke health", &one).start();
    let mut beside = run("smoke health --time-scale 0.3", &two).start();
    killed.wait_for("health: 1 virtual user");
    beside.wait_for("health: 1 virtual user");
    killed.signal(Signal::KILL);
    drop(killed);
    run("smoke health --time-scale 0.05", &one).done().exits(0);
    beside.done().exits(0);
}
