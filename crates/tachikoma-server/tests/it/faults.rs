//! Faults do what they say, to the route that they name and to no other.
use std::time::{Duration, Instant};

use crate::common::{self, Server, ServerBuilder, request, tempdir};

fn start(faults: &str) -> (tempfile::TempDir, Server) {
    let data = tempdir();
    let server = ServerBuilder::new(data.path())
        .env("TACHIKOMA_FAULTS", faults)
        .env("TACHIKOMA_ALLOW_FAULTS", "1")
        .start();
    (data, server)
}

fn status(server: &Server, path: &str) -> u16 {
    common::status(server.addr, "GET", path, None)
}

#[test]
fn faults_are_refused_unless_they_are_meant() {
    let data = tempdir();
    for (allow, faults, words) in [
        (
            "",
            "GET /api/health: latency=1ms",
            "TACHIKOMA_ALLOW_FAULTS is not 1",
        ),
        (
            "yes",
            "GET /api/health: latency=1ms",
            "TACHIKOMA_ALLOW_FAULTS is not 1",
        ),
        ("1", "GET /api/health: slowness=1ms", "slowness"),
    ] {
        let output = ServerBuilder::new(data.path())
            .env("TACHIKOMA_FAULTS", faults)
            .env("TACHIKOMA_ALLOW_FAULTS", allow)
            .output();
        assert_eq!(output.status.code(), Some(2));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn nobody_takes_it_for_a_sound_server() {
    let (_data, server) = start("GET /api/specs/{id}: latency=1ms");
    let health = request(server.addr, "GET", "/api/health", None)
        .expect("answered")
        .json();
    assert_eq!(health["faults"], true);
    assert!(server.log().contains("FAULTS ARE INJECTED"));
    let data = tempdir();
    let sound = Server::start(data.path());
    let health = request(sound.addr, "GET", "/api/health", None)
        .expect("answered")
        .json();
    assert_eq!(health.get("faults"), None);
}

#[test]
fn latency_is_added_to_the_route_alone() {
    let (_data, server) = start("GET /api/specs/{id}: latency=300ms");
    let begun = Instant::now();
    assert_eq!(status(&server, "/api/specs/001"), 200);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    let metrics = request(server.addr, "GET", "/metrics", None).expect("answered");
    let text = String::from_utf8(metrics.body).expect("text");
    assert!(
        text.contains(r#"le="0.25",method="GET",route="/api/specs/{id}",status="200"} 0"#),
        "{text}"
    );
}

#[test]
fn errors_and_drops_have_their_share() {
    let (_data, server) = start("GET /api/specs/{id}: error=10%; GET /api/missions: drop=20%");
    let failed = (0..50)
        .filter(|_| status(&server, "/api/specs/001") == 500)
        .count();
    assert_eq!(failed, 5);
    let get = || request(server.addr, "GET", "/api/missions", None);
    let dropped = (0..50).filter(|_| get().is_err()).count();
    assert_eq!(dropped, 10);
    assert_eq!(status(&server, "/api/health"), 200);
}

#[test]
fn leaks_stay_in_memory() {
    let (_data, server) = start("GET /api/specs/{id}: leak=256KiB; GET /api/missions: once=50MiB");
    status(&server, "/api/health");
    let before = server.resident();
    for _ in 0..40 {
        status(&server, "/api/specs/001");
    }
    let leaked = server.resident() - before;
    assert!(
        (9 << 20..16 << 20).contains(&leaked),
        "{leaked} bytes instead of 10 MiB"
    );
    let before = server.resident();
    for _ in 0..10 {
        status(&server, "/api/missions");
    }
    let once = server.resident() - before;
    assert!(
        (49 << 20..56 << 20).contains(&once),
        "{once} bytes instead of 50 MiB"
    );
}

#[test]
fn cpu_is_burnt() {
    let (_data, server) = start("GET /api/specs/{id}: cpu=20ms");
    let used = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).expect("alive");
        let fields: Vec<&str> = stat
            .rsplit(") ")
            .next()
            .expect("fields")
            .split(' ')
            .collect();
        // Fields 14 and 15 of proc(5) in ticks of 10 ms; the split has dropped the first two.
        let ticks: u64 = fields[11].parse::<u64>().expect("a number")
            + fields[12].parse::<u64>().expect("a number");
        ticks * 10
    };
    let before = used();
    for _ in 0..25 {
        status(&server, "/api/specs/001");
    }
    let burnt = used() - before;
    assert!((480..1_000).contains(&burnt), "{burnt} ms instead of 500");
}

/// rustix asks for the time through the vDSO, which valgrind hides: there the server would crash at its first request.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "it ends by itself, and the test waits for it"
)]
fn the_server_has_nothing_that_valgrind_crashes() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let args = "tree --package tachikoma-server --features faults --edges normal --prefix none --locked --offline";
    let output = std::process::Command::new(cargo)
        .args(args.split(' '))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let tree = String::from_utf8_lossy(&output.stdout);
    assert!(tree.contains("\ncpu-time v"), "{output:?}");
    assert!(!tree.contains("\nrustix v"), "{tree}");
}
