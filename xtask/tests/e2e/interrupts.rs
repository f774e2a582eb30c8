//! Ctrl-C, SIGTERM and SIGKILL at any moment: nothing is left running, and nothing is half-written.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::stub::{Act, Stub};
use crate::support::{Run, files, processes_with, read, wait_until};

/// How many kills there are unless `TACHIKOMA_KILLS` says otherwise.
const KILLS: u32 = 9;

#[test]
fn an_interrupt_keeps_what_was_measured() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut run = Run::new("smoke health missions").own_server().start();
        run.wait_for("health: 1 virtual user");
        // k6's log of the begin says that it runs, not only that it was started.
        let results = run.results.clone();
        wait_until("k6 makes requests", || {
            let usage = read(&results.join("latest/server-usage.csv"));
            let newest = newest_folder(&results)
                .map(|f| read(&f.join("server-usage.csv")))
                .unwrap_or(usage);
            newest.lines().count() > 4
        });
        run.signal(signal);
        let done = run.done();
        done.exits(code).says("ending the run in order");
        let record = done.run();
        assert_eq!(
            (&record["outcome"], &record["exit_code"]),
            (&"interrupted".into(), &code.into())
        );
        assert_eq!(record["tests"][0]["outcome"], "interrupted");
        assert_eq!(record["tests"][1]["outcome"], "not_run");
        assert!(
            record["tests"][0]["metrics"]["http_requests"]
                .as_u64()
                .unwrap()
                > 0,
            "{record}"
        );
        assert!(done.folder().join("health/summary.json").is_file());
        assert_eq!(processes_with(&done.results), [0_u32; 0]);
    }
}

fn newest_folder(results: &Path) -> Option<std::path::PathBuf> {
    let folders = std::fs::read_dir(results)
        .ok()?
        .flatten()
        .map(|entry| entry.path());
    folders.filter(|path| path.is_dir()).max()
}

#[test]
fn a_second_interrupt_ends_at_once() {
    // A wrapper that ignores the first signals, as a k6 does that waits for its iterations.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k6");
    let text = format!(
        "#!/bin/sh\ncase \"$1\" in run) ;; *) exec '{}' \"$@\" ;; esac\ntrap '' INT TERM\necho stubborn\n\
         while :; do sleep 1; done\n",
        crate::support::k6().display()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut run = Run::with_k6("smoke health", &path).own_server().start();
    run.wait_for("health: 1 virtual user");
    let log = |run: &crate::support::Going| {
        newest_folder(&run.results).map(|f| read(&f.join("health/k6.log")))
    };
    wait_until("the stubborn k6 runs", || {
        log(&run).is_some_and(|text| text.contains("stubborn"))
    });
    run.signal(Signal::INT);
    run.wait_for("once more ends everything at once");
    let again = Instant::now();
    run.signal(Signal::INT);
    let results = run.results.clone();
    let done = run.done();
    done.exits(130);
    assert!(
        again.elapsed() < Duration::from_secs(5),
        "{:?}",
        again.elapsed()
    );
    nothing_left(&results, Duration::from_secs(2));
}

#[test]
fn an_interrupt_while_waiting_for_a_server() {
    // It says that it listens but never answers health.
    let stub = Stub::new(|_| Act::Hang);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server");
    let text = format!(
        "#!/bin/sh\necho 'listening on {}'\ncat >/dev/null\n",
        stub.url()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let run = Run::new("smoke health").server_bin(&path).start();
    wait_until("the stub is asked", || stub.asked() > 0);
    run.signal(Signal::INT);
    let results = run.results.clone();
    let done = run.done();
    done.exits(130);
    assert_eq!(done.run()["outcome"], "interrupted");
    nothing_left(&results, Duration::from_secs(2));
}

#[test]
fn kills_at_random_moments_leave_nothing_behind() {
    let kills = std::env::var("TACHIKOMA_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let signals = [
        (Signal::INT, Some(130)),
        (Signal::TERM, Some(143)),
        (Signal::KILL, None),
    ];
    // The same moments each time: a linear congruential generator, as in Numerical Recipes.
    let mut state = 20_260_101_u32;
    for round in 0..kills {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let moment = Duration::from_millis(u64::from(state >> 16) * 3500 / 65_536);
        let (signal, code) = signals[(round % 3) as usize];
        let run = Run::new("smoke health missions --time-scale 0.05")
            .own_server()
            .start();
        let results = run.results.clone();
        std::thread::sleep(moment);
        run.signal(signal);
        let done = run.done();
        let told = Instant::now();
        match code {
            // A run that had ended before, or that was in its last breath, passed.
            Some(code) => assert!(
                done.code == Some(code) || done.code == Some(0) || done.code.is_none(),
                "round {round}, {moment:?}: {:?} {}",
                done.code,
                done.stderr
            ),
            None => assert!(done.code.is_none() || done.code == Some(0)),
        }
        let patience = Duration::from_secs(if code.is_none() { 2 } else { 5 });
        nothing_left(&results, patience.saturating_sub(told.elapsed()));
        everything_parses(&results);
    }
}

/// Asserts that within `patience` no process of the run is left, and with them no listener of theirs.
#[track_caller]
fn nothing_left(results: &Path, patience: Duration) {
    let until = Instant::now() + patience;
    loop {
        let left = processes_with(results);
        if left.is_empty() {
            return;
        }
        let lines: Vec<_> = left
            .iter()
            .map(|pid| crate::support::command_line(*pid))
            .collect();
        assert!(Instant::now() < until, "left behind: {lines:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asserts that no JSON file of ours is half-written; k6's own summary may be, if k6 was killed while it wrote.
fn everything_parses(results: &Path) {
    for file in files(results) {
        let text = read(&file);
        match file.file_name().unwrap().to_str().unwrap() {
            "run.json" => drop(serde_json::from_str::<Value>(&text).unwrap()),
            "history.jsonl" => {
                for line in text.lines() {
                    serde_json::from_str::<Value>(line).unwrap();
                }
            }
            _ => {}
        }
    }
}
