//! Runs that feed a Prometheus.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;

use crate::check::STEP;
use crate::prometheus::{Prometheus, Window};
use crate::support::{Done, Going, Run, Server, k6, read, wait_until};

/// Their tests: all four twice, in an order in which the missions of one run are created while a WebSocket of the other
/// listens. Three runs are compared on one dashboard.
const RUNS: [&str; 3] = [
    "websocket health missions specs",
    "health missions specs websocket",
    "health",
];

/// Makes the runs against `server`, each begun a second after the one before, and returns them with their time.
///
/// Runs on one port are kept apart, and these shall meet, for WebSocket clients to receive the missions of others: so
/// each reaches the server through a port of its own.
pub fn runs(server: &Server, prometheus: &Prometheus) -> (Window, Vec<Done>) {
    let from = now();
    let mut going = Vec::new();
    for tests in RUNS {
        going.push(start(tests, server, prometheus));
        next_second();
    }
    let done: Vec<_> = going.into_iter().map(Going::done).collect();
    let names: Vec<_> = done.iter().map(name).collect();
    for (index, name) in names.iter().enumerate() {
        // A busy disk may cost a threshold: what the runs find is not the point here.
        let run = &done[index];
        assert!(matches!(run.code, Some(0 | 1)), "{}", run.stderr);
        assert!(!names[..index].contains(name), "two runs called {name}");
    }
    // The points of a query over time are counted from its begin: the last one is at the end.
    let to = now();
    let steps = ((to - from) / f64::from(STEP)).ceil();
    let from = to - steps * f64::from(STEP);
    (Window { from, to }, done)
}

/// Waits for a name that no run so far has: a run is named after the second of its begin.
fn next_second() {
    let began = now().floor();
    wait_until("the next second begins", || now() >= began + 1.0);
}

/// The name of a run, which is its `testid`.
pub fn name(run: &Done) -> String {
    let folder = run.folder();
    folder.file_name().unwrap().to_str().unwrap().to_owned()
}

/// How often k6 is told to write in a run with `args`: in place of a run, a wrapper around it writes that down.
pub fn push_interval(args: &str, server: &Server, prometheus: &Prometheus) -> String {
    let dir = tempfile::tempdir().unwrap();
    let (wrapper, told) = (dir.path().join("k6"), dir.path().join("told"));
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in run*/main.js) ;; *) exec '{}' \"$@\" ;; esac\nprintf %s \"$K6_PROMETHEUS_RW_PUSH_INTERVAL\" >'{}'\nexit 1\n",
        k6().display(),
        told.display()
    );
    std::fs::write(&wrapper, text).unwrap();
    std::fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)).unwrap();
    let run = Run::with_k6(args, &wrapper);
    feeding(run, server, prometheus).done().exits(1);
    read(&told)
}

/// Interrupts a run of the profile `load` of which Prometheus has heard: it has no verdict.
pub fn interrupt(server: &Server, prometheus: &Prometheus) {
    next_second();
    let began = now();
    let run = feeding(Run::new("load health"), server, prometheus);
    let going = run.start();
    let newer = format!("tachikoma_load_test_start_time_seconds{{profile=\"load\"}} > {began}");
    wait_until("the run has said that it begins", || {
        !prometheus.query(&newer, now()).unwrap().is_empty()
    });
    going.signal(Signal::INT);
    going.done().exits(130);
}

fn start(tests: &str, server: &Server, prometheus: &Prometheus) -> Going {
    let run = Run::new(&format!("smoke {tests} --time-scale 0.5"));
    let run = feeding(run, server, prometheus).against(&another_port(server));
    let mut going = run.start();
    going.wait_for("1 virtual user");
    going
}

/// The URL of a port that leads to the server for as long as this program runs.
fn another_port(server: &Server) -> String {
    let to = server.url.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(&to) else {
                continue;
            };
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                thread::spawn(move || {
                    let _closed = std::io::copy(&mut from, &mut to);
                    let _closed_already = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    url
}

fn feeding(run: Run, server: &Server, prometheus: &Prometheus) -> Run {
    run.arg("--server-pid")
        .arg(&server.pid().to_string())
        .arg("--prometheus")
        .arg(&prometheus.url)
        .against(&server.url)
}

/// Seconds since 1970.
pub fn now() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_secs_f64()
}
