//! Ctrl-C, SIGTERM and SIGKILL at any moment: nothing is left running, and nothing is half-written.

use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::stub::{Act, Stub, closed_port};
use crate::support::{Done, Going, Run, files, read, wait_until};

/// How many kills there are unless `TACHIKOMA_KILLS` says otherwise.
const KILLS: u32 = 9;
/// Makes standard error a pipe that nobody reads any more.
const DEAF: &str =
    r#"mkfifo "$TMPDIR/deaf" && { : <"$TMPDIR/deaf" & exec 2>"$TMPDIR/deaf"; wait; }"#;

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
        // A terminal tells its whole foreground group, and the server must outlive k6 all the same.
        run.signal_as_a_terminal(signal);
        let done = run.done();
        done.exits(code).says("stopping the run and keeping");
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
        assert_eq!(
            record["tests"][0]["metrics"]["http_requests_failed"], 0,
            "{record}"
        );
        assert!(done.summary("health")["metrics"]["http_reqs"].is_object());
    }
}

fn newest_folder(results: &Path) -> Option<std::path::PathBuf> {
    let folders = std::fs::read_dir(results)
        .ok()?
        .flatten()
        .map(|entry| entry.path());
    folders.filter(|path| path.is_dir()).max()
}

/// A run under way, with `limit` of the shell's, and a k6 that notes each signal that asks it to end and goes on, as
/// one does that waits for its iterations.
fn run_with_a_stubborn_k6(limit: &str) -> Going {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k6");
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in run*/main.js) ;; *) exec '{}' \"$@\" ;; esac\ntrap 'echo asked' INT TERM\necho stubborn\n\
         while :; do sleep 300; done\n",
        crate::support::k6().display()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let run = Run::with_k6("smoke health", &path)
        .own_server()
        .limited(limit)
        .start();
    wait_until("the stubborn k6 runs", || has_logged(&run, "stubborn"));
    run
}

fn has_logged(run: &Going, text: &str) -> bool {
    newest_folder(&run.results)
        .is_some_and(|folder| read(&folder.join("health/k6.log")).contains(text))
}

#[test]
fn a_killed_run_takes_even_a_stubborn_k6_along() {
    let run = run_with_a_stubborn_k6(":");
    run.signal(Signal::KILL);
    // Which asserts that after 2 s no process is left.
    let done = run.done();
    assert_eq!(done.code, None);
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let mut run = run_with_a_stubborn_k6(":");
    run.signal(Signal::INT);
    run.wait_for("press Ctrl-C again to stop at once");
    run.signal(Signal::INT);
    let done = run.done();
    done.exits(130).says("nothing more was kept");
    assert!(!kept(&done), "it ended in order: {}", done.stderr);
}

#[test]
fn a_second_interrupt_ends_at_once_though_nobody_reads_standard_error() {
    let run = run_with_a_stubborn_k6(DEAF);
    run.signal(Signal::HUP);
    wait_until("k6 is told to end", || has_logged(&run, "asked"));
    run.signal(Signal::HUP);
    let done = run.done();
    done.exits(129);
    assert!(!kept(&done), "it ended in order");
}

/// Whether the run ended in order, which would have taken its k6 more than ten seconds.
fn kept(done: &Done) -> bool {
    newest_folder(&done.results).is_some_and(|folder| folder.join("run.json").exists())
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
    let done = run.done();
    done.exits(130);
    assert_eq!(done.run()["outcome"], "interrupted");
}

#[test]
fn an_interrupt_while_the_server_is_built() {
    let dir = tempfile::tempdir().unwrap();
    let (cargo, building) = (dir.path().join("cargo"), dir.path().join("building"));
    let text = format!("#!/bin/sh\ntouch '{}'\nsleep 300\n", building.display());
    std::fs::write(&cargo, text).unwrap();
    std::fs::set_permissions(&cargo, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let run = Run::new("smoke health")
        .against("http://127.0.0.1:0")
        .env("CARGO", cargo.to_str().unwrap())
        .start();
    wait_until("the build has begun", || building.exists());
    run.signal(Signal::INT);
    let done = run.done();
    done.exits(130).says("building tachikoma-server");
    assert_eq!(done.run()["outcome"], "interrupted");
}

#[test]
fn an_interrupt_while_k6_is_asked_for_its_version() {
    let dir = tempfile::tempdir().unwrap();
    let (path, asked) = (dir.path().join("k6"), dir.path().join("asked"));
    let text = format!("#!/bin/sh\ntouch '{}'\nsleep 300\n", asked.display());
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let run = Run::with_k6("smoke health", &path).own_server().start();
    wait_until("k6 is asked", || asked.exists());
    run.signal(Signal::TERM);
    let done = run.done();
    done.exits(143);
    assert!(!done.results.exists(), "{}", done.stderr);
}

#[test]
fn kills_at_random_moments_leave_nothing_behind() {
    let kills = std::env::var("TACHIKOMA_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let signals = [
        (Signal::INT, Some(130)),
        (Signal::TERM, Some(143)),
        (Signal::KILL, None),
    ];
    // One port, lock folder and target folder for all: what one run leaves is in the next one's way.
    let (locks, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let port = closed_port();
    let run = || {
        Run::new("smoke health missions --time-scale 0.05")
            .own_server()
            .against(&format!("http://127.0.0.1:{port}"))
            .env("XDG_RUNTIME_DIR", locks.path().to_str().unwrap())
            .env("CARGO_TARGET_DIR", target.path().to_str().unwrap())
    };
    // The same moments each time: a linear congruential generator, as in Numerical Recipes.
    let mut state = 20_260_101_u32;
    for round in 0..kills {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let moment = Duration::from_millis(u64::from(state >> 16) * 3500 / 65_536);
        let (signal, code) = signals[(round % 3) as usize];
        let run = run().start();
        std::thread::sleep(moment);
        run.signal(signal);
        // Which asserts that after 2 s no process is left.
        let done = run.done();
        let about = format!(
            "round {round}, {signal:?} after {moment:?}: {}",
            done.stderr
        );
        if let Some(code) = code {
            // A run that had ended before, or that was in its last breath, passed.
            let codes = [Some(code), Some(0), None];
            assert!(codes.contains(&done.code), "{:?}, {about}", done.code);
        }
        for way in ["another load test", "not tachikoma-server", "already runs"] {
            assert!(!done.stderr.contains(way), "{about}");
        }
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "{about}");
        everything_parses(&done.results);
    }
    run().done().exits(0);
    // The databases of the servers that could not clean up are gone too.
    let mut left = files(target.path());
    // Lock files stay: whoever took one away would take it from under its next holder.
    left.retain(|path| !path.to_string_lossy().ends_with("lock"));
    assert!(left.is_empty(), "{left:?}");
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
