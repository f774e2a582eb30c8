//! Folders that cannot take the results: said with the path and the reason, and never a pass.

use std::process::Command;

use crate::support::{Run, Server, processes_with, read};

#[test]
fn a_file_in_place_of_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, "precious").unwrap();
    let done = Run::new("smoke health --results")
        .arg(path.to_str().unwrap())
        .own_server()
        .done();
    done.exits(3).says("file cannot be used").says("--results");
    assert_eq!(read(&path), "precious");
}

#[test]
fn a_folder_that_cannot_be_written_to() {
    // /proc takes no folders, whoever asks; permissions would not stop root.
    let done = Run::new("smoke health --results /proc/results")
        .own_server()
        .done();
    done.exits(3).says("/proc/results cannot be used");
}

#[test]
fn a_full_disk() {
    let server = Server::start("test-api-key");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs", path])
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!(
            "no tmpfs can be mounted here: a limit on the size of files stands in for the full disk"
        );
        return full_by_limit();
    }
    // Full from the start, and filled up by somebody else in mid-run.
    let filler = dir.path().join("filler");
    let _until_full = std::fs::write(&filler, vec![0; 2 << 20]);
    let early = Run::new("smoke health --results")
        .arg(path)
        .own_server()
        .done();
    std::fs::remove_file(&filler).unwrap();
    let mut late = Run::new("smoke health --time-scale 0.2 --results")
        .arg(path)
        .against(&server.url)
        .start();
    late.wait_for("health: 1 virtual user");
    let _until_full = std::fs::write(&filler, vec![0; 2 << 20]);
    let left = late.results.clone();
    let late = late.done();
    assert!(Command::new("umount").arg(path).status().unwrap().success());
    early.exits(3).says(path).says("No space left");
    late.exits(3).says(path).says("No space left");
    assert_eq!(processes_with(&left), [0_u32; 0]);
}

#[test]
fn a_limit_on_the_size_of_files() {
    full_by_limit();
}

/// What the shell's limit of 64 blocks does to a run; its signal, which would end the run, is ignored.
fn full_by_limit() {
    let done = Run::new("smoke health --time-scale 0.05")
        .own_server()
        .limited("trap '' XFSZ; ulimit -f 64")
        .done();
    done.exits(3)
        .says(done.results.to_str().unwrap())
        .says("File too large");
}

#[test]
fn a_history_cut_in_half_by_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let history = dir.path().join("history.jsonl");
    std::fs::write(&history, "{\"half").unwrap();
    let done = Run::new("smoke health --time-scale 0.05 --results")
        .arg(dir.path().to_str().unwrap())
        .own_server()
        .done();
    done.exits(0).says("cut in half");
    let text = read(&history);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "{\"half"), "{text}");
    assert!(
        serde_json::from_str::<serde_json::Value>(lines[1]).is_ok(),
        "{text}"
    );
}

#[test]
fn a_history_that_cannot_be_written_does_not_outrank_the_verdict() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("history.jsonl")).unwrap();
    let done = Run::new("smoke health --time-scale 0.05 --results")
        .arg(dir.path().to_str().unwrap())
        .own_server()
        .done();
    done.exits(0)
        .says("nothing is compared with past runs")
        .says("the run is missing from the history")
        .says("✓ PASSED");
    let folder = dir.path().join("latest");
    for file in ["run.json", "summary.md", "report.html"] {
        assert!(folder.join(file).is_file(), "{file}");
    }
    let run: serde_json::Value = serde_json::from_str(&read(&folder.join("run.json"))).unwrap();
    assert!(
        run["notices"].to_string().contains("history.jsonl"),
        "{run}"
    );
    assert_eq!(run["outcome"], "passed");
}

#[test]
fn a_junit_report_that_cannot_be_written_is_known_before_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("missing/junit.xml");
    let done = Run::new("smoke health --time-scale 0.05 --junit")
        .arg(path.to_str().unwrap())
        .own_server()
        .done();
    done.exits(2).says("--junit").says(path.to_str().unwrap());
    assert!(
        !done.stderr.contains("health: 1 virtual user"),
        "{}",
        done.stderr
    );
}

#[test]
fn a_junit_report_that_fails_later_does_not_outrank_the_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let reports = dir.path().join("reports");
    std::fs::create_dir(&reports).unwrap();
    let mut run = Run::new("smoke health --time-scale 0.2 --junit")
        .arg(reports.join("junit.xml").to_str().unwrap())
        .own_server()
        .start();
    run.wait_for("health: 1 virtual user");
    std::fs::remove_dir(&reports).unwrap();
    let done = run.done();
    done.exits(0).says("the JUnit report").says("✓ PASSED");
    assert!(done.folder().join("report.html").is_file());
}

#[test]
fn two_runs_in_one_second_keep_a_folder_each() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let start = || {
        Run::new("smoke health --time-scale 0.05 --results")
            .arg(path)
            .own_server()
            .start()
    };
    let (one, two) = (start(), start());
    one.done().exits(0);
    two.done().exits(0);
    let runs = std::fs::read_dir(path)
        .unwrap()
        .flatten()
        .filter(|e| e.file_type().unwrap().is_dir())
        .count();
    assert_eq!(runs, 2);
    let history = read(&dir.path().join("history.jsonl"));
    assert_eq!(
        history
            .lines()
            .filter(|l| serde_json::from_str::<serde_json::Value>(l).is_ok())
            .count(),
        2
    );
}
