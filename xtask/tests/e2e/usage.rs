//! Programs that cannot work, and variables that say nothing.

use crate::stub::closed_port;
use crate::support::{Run, k6};

#[test]
fn programs_that_are_no_k6_exit_with_3() {
    let dir = tempfile::tempdir().unwrap();
    let program = |name: &str, text: &str, mode: u32| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&path, permissions).unwrap();
        path
    };
    let old = program(
        "old",
        "#!/bin/sh\necho 'k6 v0.40.0 (commit/x, go1.18, linux/amd64)'\n",
        0o755,
    );
    let other = program("other", "#!/bin/sh\necho 'hello'\n", 0o755);
    let plain = program("plain", "not a program", 0o644);
    for (path, hint) in [
        (&old, "0.57"),
        (&other, "not k6"),
        (&plain, "not executable"),
    ] {
        let done = Run::with_k6("smoke health", path).done();
        done.exits(3)
            .says(hint)
            .says(path.file_name().unwrap().to_str().unwrap());
    }
    Run::with_k6("smoke health", &dir.path().join("missing"))
        .done()
        .exits(3)
        .says("no such file");
}

#[test]
fn empty_variables_count_as_not_set() {
    let done = Run::with_k6("smoke health --no-start-server", k6())
        .env("WS_URL", "")
        .env("TACHIKOMA_SERVER_BIN", "")
        .against(&format!("http://127.0.0.1:{}", closed_port()))
        .done();
    done.exits(3).says("leave --no-start-server out");
}

#[test]
fn much_load_for_a_public_address_is_asked_about() {
    // An address of documentation, which belongs to nobody: nothing must be sent there.
    let done = Run::with_k6("stress health", k6())
        .against("http://192.0.2.1:3000")
        .done();
    done.exits(2)
        .says("up to 100 virtual users against http://192.0.2.1:3000, a public address")
        .says("--yes");
    // A search begins with few, and goes on to as many as can be made.
    let done = Run::capacity("health")
        .against("http://192.0.2.1:3000")
        .done();
    done.exits(2)
        .says("up to 50,000 virtual users against http://192.0.2.1:3000, a public address");
}
