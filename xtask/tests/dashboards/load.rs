//! Two runs of all four tests that feed a Prometheus.

use std::time::{Duration, SystemTime};

use crate::check::STEP;
use crate::prometheus::{Prometheus, Window};
use crate::support::{Going, Run, Server, wait_until};

/// What the runs have left in Prometheus.
pub struct Load {
    /// From their begin to their end.
    pub window: Window,
    /// Their names, which are the values of `testid`.
    pub runs: [String; 2],
}

/// Runs all four tests twice against `server`, the one begun a second after the other.
///
/// The lock that keeps runs on one server apart lies in the temporary folder, of which each of these has its own: they
/// shall meet, for WebSocket clients to receive the missions of others.
pub fn run(server: &Server, prometheus: &Prometheus) -> Load {
    let from = now();
    let first = start("websocket health missions specs", server, prometheus);
    // A run is named after the second of its begin.
    let began = now().floor();
    wait_until("the next second begins", || now() >= began + 1.0);
    let second = start("health missions specs websocket", server, prometheus);
    let runs = [first, second].map(|going| {
        let done = going.done();
        done.exits(0);
        let folder = done.folder();
        folder.file_name().unwrap().to_str().unwrap().to_owned()
    });
    assert_ne!(
        runs[0], runs[1],
        "two runs of one name cannot be told apart"
    );
    // The points of a query over time are counted from its begin: the last one is at the end.
    let to = now();
    let steps = ((to - from) / f64::from(STEP)).ceil();
    let from = to - steps * f64::from(STEP);
    Load {
        window: Window { from, to },
        runs,
    }
}

fn start(tests: &str, server: &Server, prometheus: &Prometheus) -> Going {
    let mut going = Run::new(&format!("smoke {tests} --time-scale 0.5"))
        .arg("--server-pid")
        .arg(&server.pid().to_string())
        .arg("--prometheus")
        .arg(&prometheus.url)
        .against(&server.url)
        .start();
    going.wait_for("1 virtual user");
    going
}

/// Seconds since 1970.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_secs_f64()
}
