//! Command lines and programs that cannot work: one helpful message each.

use crate::stub::closed_port;
use crate::support::{Run, k6};

#[test]
fn wrong_command_lines_exit_with_2() {
    for (args, hint) in [
        ("strss", "'stress'"),
        ("misions", "'missions'"),
        ("missions smoke", "'smoke' for '[TEST]...'"),
        ("smoke mission", "missions"),
        ("smoke --time-scale 0", "0.001 to 10"),
        ("smoke --vus-scale 0", "0.01 to 10000"),
        ("smoke --base-url nonsense", "not a URL"),
        ("smoke --base-url ftp://localhost", "http:// or https://"),
        ("smoke --base-url http://10.0.0.1:0", "port 0"),
        ("smoke --ws-url http://localhost", "ws:// or wss://"),
        (
            "smoke --server-bin /nowhere/server",
            "/nowhere/server is no file",
        ),
        ("smoke --no-such-option", "--no-such-option"),
    ] {
        Run::new(args).done().exits(2).says(hint);
    }
    Run::new("smoke")
        .env("API_KEY", "short")
        .done()
        .exits(2)
        .says("5 characters");
    Run::new("smoke websocket")
        .env("API_KEY", "with#a#hash")
        .done()
        .exits(2)
        .says("holds `#`");
}

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
fn help_names_every_exit_code_and_variable() {
    let done = Run::new("--help").done();
    done.exits(0);
    for word in [
        "130 143",
        "API_KEY",
        "BASE_URL",
        "K6_BIN",
        "--time-scale",
        "stress",
        "websocket",
    ] {
        assert!(done.stdout.contains(word), "{word}");
    }
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
