//! The guide's script for `git bisect run` gives git the exit codes that it understands.

use std::process::Command;

use crate::step::program;
use crate::support::{read, root};

#[test]
fn our_exit_codes_become_those_of_git_bisect() {
    let guide = read(&root().join("load-tests/ci.md"));
    let (_, script) = guide.split_once("<<'END'\n").unwrap();
    let (script, _) = script.split_once("END\n").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = program(dir.path(), "cargo", "#!/bin/sh\nexit \"$OURS\"\n");
    for (ours, git) in [(0, 0), (1, 1), (2, 255), (3, 125), (130, 255), (143, 255)] {
        let mut judge = Command::new("bash");
        judge
            .args(["-c", script])
            .env("PATH", &path)
            .env("OURS", ours.to_string());
        assert_eq!(judge.status().unwrap().code(), Some(git), "for {ours}");
    }
}
