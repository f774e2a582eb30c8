//! `--prometheus` where it cannot work: the run is made all the same, and says what is missing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::stub::{Act, Stub, closed_port};
use crate::support::{Done, Run, read};

fn run(url: &str) -> Done {
    Run::new("smoke health --time-scale 0.1 --prometheus")
        .arg(url)
        .own_server()
        .done()
}

/// Whether the run is whole: its verdict, k6's files and the page.
fn loses_nothing(done: &Done) {
    done.exits(0).says("PASSED");
    assert_eq!(done.run()["outcome"], "passed");
    for file in ["health/summary.json", "report.html", "summary.md"] {
        assert!(!read(&done.folder().join(file)).is_empty(), "{file}");
    }
}

fn notices(done: &Done) -> String {
    done.run()["notices"].to_string()
}

#[test]
fn nothing_answers() {
    let done = run(&format!("http://127.0.0.1:{}", closed_port()));
    loses_nothing(&done);
    let notice = "no metrics are sent to Prometheus: nothing accepts samples at http://127.0.0.1:";
    done.says(notice);
    assert!(notices(&done).contains(notice), "{}", notices(&done));
    assert!(done.run()["dashboard"].is_null());
    // It is said before the first test, and k6 does not try.
    let said = done.stderr.find(notice).unwrap();
    assert!(said < done.stderr.find("health: 1 virtual user").unwrap());
    assert!(!read(&done.folder().join("health/k6.log")).contains("Failed to send"));
}

#[test]
fn remote_write_is_switched_off() {
    let stub = Stub::new(|_| Act::Answer(404, "404 page not found".into(), Duration::ZERO));
    let done = run(&stub.url());
    loses_nothing(&done);
    done.says("--web.enable-remote-write-receiver");
}

#[test]
fn it_is_for_others() {
    let stub = Stub::new(|_| Act::Answer(401, String::new(), Duration::ZERO));
    let done = run(&stub.url());
    loses_nothing(&done);
    done.says("set K6_PROMETHEUS_RW_USERNAME and K6_PROMETHEUS_RW_PASSWORD");
}

#[test]
fn it_breaks_while_the_test_runs() {
    let writes = AtomicUsize::new(0);
    let stub = Stub::new(move |asked| {
        let first = asked.path == "/api/v1/write" && writes.fetch_add(1, Ordering::Relaxed) == 0;
        let status = if first { 204 } else { 500 };
        Act::Answer(status, "out of order".into(), Duration::ZERO)
    });
    let done = run(&stub.url());
    loses_nothing(&done);
    done.says("of k6's pushes to Prometheus were lost; k6.log says why")
        .says("of the orchestrator's samples: 500 Internal Server Error: out of order");
    assert!(notices(&done).contains("pushes"), "{}", notices(&done));
}

#[test]
fn it_hangs_while_the_test_runs() {
    let writes = AtomicUsize::new(0);
    let stub = Stub::new(move |_| match writes.fetch_add(1, Ordering::Relaxed) {
        0 => Act::Answer(204, String::new(), Duration::ZERO),
        _ => Act::Hang,
    });
    let done = run(&stub.url());
    loses_nothing(&done);
    done.says("Prometheus did not accept");
}

#[test]
fn addresses_that_cannot_be_right() {
    let done = run("localhost:9090");
    done.exits(2).says("give one like http://localhost:9090");
    let done = run("http://somebody:secret@localhost:9090");
    done.exits(2).says("K6_PROMETHEUS_RW_PASSWORD");
    assert!(!done.stderr.contains("secret@"), "{}", done.stderr);
}
