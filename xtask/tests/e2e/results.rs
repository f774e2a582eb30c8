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
        eprintln!("skipped: mounting a small tmpfs needs root; `.ci/run` as root runs this test");
        return;
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
