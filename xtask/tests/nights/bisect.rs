//! The guide's script for `git bisect run` gives git the exit codes that it understands.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::programs::root;

#[test]
fn our_exit_codes_become_those_of_git_bisect() {
    let guide = std::fs::read_to_string(root().join("load-tests/ci.md")).unwrap();
    let (_, script) = guide.split_once("<<'END'\n").unwrap();
    let (script, _) = script.split_once("END\n").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let cargo = dir.path().join("cargo");
    std::fs::write(&cargo, "#!/bin/sh\nexit \"$OURS\"\n").unwrap();
    std::fs::set_permissions(&cargo, PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        dir.path().display(),
        std::env::var("PATH").unwrap()
    );
    for (ours, git) in [(0, 0), (1, 1), (2, 255), (3, 125), (130, 255), (143, 255)] {
        let status = Command::new("bash")
            .args(["-c", script])
            .env("PATH", &path)
            .env("OURS", ours.to_string())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(git), "for {ours}");
    }
}
