//! Servers that are in the way, slow, or die: never a pass, and always a sentence.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::stub::{Act, Stub, closed_port, healthy};
use crate::support::{Run, Server, command_line, processes_with};

#[track_caller]
fn could_not_run(run: Run, what: &str) {
    let done = run.done();
    done.exits(3).says(what);
    assert!(
        !done.stderr.contains("health: 1 virtual user"),
        "k6 was started: {}",
        done.stderr
    );
}

#[test]
fn what_is_not_tachikoma_server_is_named() {
    let answers = |status: u16, body: &'static str| {
        Stub::new(move |_| Act::Answer(status, body.into(), Duration::ZERO))
    };
    for (stub, what) in [
        (answers(500, "oops"), "it answers 500"),
        (
            answers(200, "<html>hello</html>"),
            "not with tachikoma-server's JSON",
        ),
        (answers(404, "no such page"), "it answers 404"),
        (
            answers(200, r#"{"status":"healthy","service":"other"}"#),
            "it says it is \"other\"",
        ),
        (
            answers(503, r#"{"status":"degraded","service":"tachikoma-server"}"#),
            "is not healthy",
        ),
        (
            Stub::new(|_| Act::Hang),
            "accepts connections but does not answer",
        ),
        (Stub::new(|_| Act::Close), "the connection failed"),
    ] {
        could_not_run(Run::new("smoke health").against(&stub.url()), what);
    }
}

#[test]
fn nothing_is_started_where_that_is_not_ours_to_do() {
    let port = closed_port();
    let remote = format!("http://127.0.0.1:{port}/behind-a-prefix");
    could_not_run(
        Run::new("smoke health").against(&remote),
        "a server is started on this machine only",
    );
    let here = format!("http://127.0.0.1:{port}");
    could_not_run(
        Run::new("smoke health --no-start-server").against(&here),
        "leave --no-start-server out",
    );
}

#[test]
fn a_server_with_another_key_is_named() {
    let server = Server::start("the-other-key");
    could_not_run(
        Run::new("smoke missions").against(&server.url),
        "refuses the API key (401",
    );
}

#[test]
fn a_server_that_ends_while_starting_shows_its_last_words() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("server");
    std::fs::write(
        &program,
        "#!/bin/sh\necho 'error: the moon is in the wrong phase' >&2\nexit 7\n",
    )
    .unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, executable).unwrap();
    let done = Run::new("smoke health").server_bin(&program).done();
    done.exits(3)
        .says("it ended with exit status 7")
        .says("the moon is in the wrong phase");
    assert_eq!(done.run()["outcome"], "could_not_run");
}

#[test]
fn a_server_that_does_not_build_shows_what_the_compiler_says() {
    let dir = tempfile::tempdir().unwrap();
    let cargo = dir.path().join("cargo");
    let text = "#!/bin/sh\necho 'error[E0425]: cannot find value `moon`' >&2\nexit 101\n";
    std::fs::write(&cargo, text).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&cargo, executable).unwrap();
    let run = Run::new("smoke health")
        .against("http://127.0.0.1:0")
        .env("CARGO", cargo.to_str().unwrap());
    let done = run.done();
    done.exits(3)
        .says("cannot find value `moon`")
        .says("failed to build tachikoma-server (exit status 101)")
        .says("--server-bin");
    assert_eq!(done.run()["outcome"], "could_not_run");
}

#[test]
fn long_last_words_are_cut() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("server");
    let text = "#!/bin/sh\nhead -c 10000000 /dev/zero | tr '\\0' x >&2; printf '\\n\\377\\033[2J\\n' >&2; exit 9\n";
    std::fs::write(&program, text).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, executable).unwrap();
    let done = Run::new("smoke health").server_bin(&program).done();
    done.exits(3).says("exit status 9").says("bytes)");
    assert!(done.stderr.len() < 20_000, "{} bytes", done.stderr.len());
    assert!(!done.stderr.contains('\u{1b}'));
}

#[test]
fn every_request_failing_is_no_pass() {
    // Healthy for those who ask before and after, but every other answer breaks off: what the specification's
    // own runner takes for a success.
    let stub = Stub::new(|asked| match asked.path {
        "/api/health" => healthy(),
        path if path.starts_with("/api/missions?limit=1") => {
            Act::Answer(200, "[]".into(), Duration::ZERO)
        }
        _ => Act::Close,
    });
    let done = Run::new("smoke missions --time-scale 0.05")
        .against(&stub.url())
        .done();
    done.exits(1);
    let reasons = done.reasons();
    assert!(reasons.contains("100 % of requests failed"), "{reasons}");
    assert!(!reasons.contains("never passed"), "said twice: {reasons}");
    done.says("never passed");
}

#[test]
fn wrong_answers_under_load_are_no_pass() {
    // Sound until k6 creates its first mission.
    let only_looks_sound = |status: u16, body: &'static str| {
        Stub::new(move |asked| match asked.path {
            "/api/health" => healthy(),
            "/api/missions?limit=1" => Act::Answer(200, "[]".into(), Duration::ZERO),
            _ => Act::Answer(status, body.into(), Duration::ZERO),
        })
    };
    for (stub, reason) in [
        (only_looks_sound(429, "{}"), "100 % of requests failed"),
        (
            only_looks_sound(200, "<html>hello</html>"),
            "create status is 201\" never passed",
        ),
        (
            only_looks_sound(200, "{}"),
            "never passed (0 of 2), nor did 2 others",
        ),
    ] {
        let done = Run::new("smoke missions --time-scale 0.05")
            .against(&stub.url())
            .done();
        done.exits(1);
        assert!(done.reasons().contains(reason), "{}", done.reasons());
        // Without metrics of the server it is k6 that knows what failed.
        let endpoints = done.run()["tests"][0]["endpoints"].clone();
        if reason.starts_with("100 %") {
            assert_eq!(
                endpoints[0]["requests"],
                serde_json::Value::Null,
                "{endpoints}"
            );
            assert_eq!(endpoints[0]["client_errors"], 2, "{endpoints}");
            let said = "missions: GET /api/missions failed in 2 requests with 429 (Retry-After: 3): rate limiting";
            assert!(done.reasons().contains(said), "{}", done.reasons());
            let page = crate::support::read(&done.folder().join("summary.md"));
            assert!(page.contains("{}"), "{page}");
        } else {
            assert_eq!(endpoints.as_array().unwrap().len(), 0, "{endpoints}");
        }
    }
}

#[test]
fn a_slow_server_crosses_a_threshold_and_the_next_test_still_runs() {
    let stub = Stub::new(|asked| match asked.path {
        // Those who only ask for health before, during and after the tests are not what is measured.
        "/api/health" => healthy(),
        "/api/missions" if asked.method == "POST" => {
            Act::Answer(201, r#"{"id":"1"}"#.into(), Duration::from_millis(700))
        }
        _ => Act::Answer(200, "[]".into(), Duration::from_millis(700)),
    });
    let done = Run::new("smoke missions health --time-scale 0.1")
        .against(&stub.url())
        .done();
    done.exits(1);
    let run = done.run();
    let threshold = |metric: &str| {
        let all = run["tests"][0]["thresholds"].as_array().unwrap();
        all.iter().find(|t| t["metric"] == metric).unwrap().clone()
    };
    assert_eq!(threshold("http_req_duration")["state"], "crossed");
    let value = threshold("http_req_duration")["value"].as_f64().unwrap();
    assert!((700.0..900.0).contains(&value), "{value}");
    assert_eq!(threshold("mission_create_duration")["state"], "passed");
    assert!(
        done.reasons().contains("p95 of requests is 7"),
        "{}",
        done.reasons()
    );
    assert_eq!(run["tests"][1]["outcome"], "passed");
}

/// The process of the server that the run has started.
fn server_of(results: &std::path::Path) -> Pid {
    let server = processes_with(results)
        .into_iter()
        .find(|pid| command_line(*pid).contains("--exit-with-parent"));
    Pid::from_raw(i32::try_from(server.unwrap()).unwrap()).unwrap()
}

#[test]
fn a_server_that_is_killed_ends_the_run() {
    let mut run = Run::new("smoke health missions").own_server().start();
    run.wait_for("health: 1 virtual user");
    let server = server_of(&run.results);
    kill_process(server, Signal::KILL).unwrap();
    run.wait_for("✗ health");
    let done = run.done();
    done.exits(1);
    let reasons = done.reasons();
    assert!(reasons.contains("signal 9 (SIGKILL"), "{reasons}");
    assert!(
        reasons.contains("missions: not run, since the server is gone"),
        "{reasons}"
    );
}

#[test]
fn a_server_elsewhere_that_goes_away_ends_the_test() {
    let server = Server::start("test-api-key");
    let mut run = Run::new("smoke health").against(&server.url).start();
    run.wait_for("health: 1 virtual user");
    drop(server);
    let done = run.done();
    done.exits(1).says("the server stopped answering");
}

#[test]
fn a_stopped_server_fails_the_run_and_is_torn_down() {
    let mut run = Run::new("smoke health --time-scale 0.2")
        .own_server()
        .start();
    run.wait_for("health: 1 virtual user");
    kill_process(server_of(&run.results), Signal::STOP).unwrap();
    run.wait_for("does not answer");
    run.done().exits(1);
}

#[test]
fn a_server_that_goes_into_the_background_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("server");
    std::fs::write(&program, "#!/bin/sh\nexit 0\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, executable).unwrap();
    could_not_run(
        Run::new("smoke health").server_bin(&program),
        "keep it in the foreground",
    );
}

#[test]
fn a_server_that_is_started_anew_in_mid_run_fails_the_test() {
    let asked = AtomicU64::new(0);
    let stub = Stub::new(move |_| {
        // Long enough for the test to begin; then it is another process that answers.
        let uptime = match asked.fetch_add(1, Ordering::Relaxed) {
            0..=4 => 100,
            later => later,
        };
        let body = format!(
            r#"{{"status":"healthy","service":"tachikoma-server","version":"0.0.0","uptime_seconds":{uptime}}}"#
        );
        Act::Answer(200, body, Duration::ZERO)
    });
    let done = Run::new("smoke health --time-scale 0.2")
        .against(&stub.url())
        .done();
    done.exits(1).says("restarted in mid-run");
}

#[test]
fn a_server_without_a_count_or_with_others_requests_is_said() {
    for (answer, said) in [
        (None, "the server does not report how many requests it got"),
        (Some(1_000), "others use it too"),
    ] {
        let counted = AtomicU64::new(0);
        let stub = Stub::new(move |asked| match (asked.path, answer) {
            ("/metrics", Some(more)) => {
                let count = counted.fetch_add(more, Ordering::Relaxed);
                let text = format!(
                    "tachikoma_http_request_duration_seconds_count{{route=\"/x\"}} {count}\n"
                );
                Act::Answer(200, text, Duration::ZERO)
            }
            ("/metrics", None) => Act::Answer(403, "not for you".into(), Duration::ZERO),
            _ => healthy(),
        });
        let run = Run::new("smoke health --time-scale 0.034").against(&stub.url());
        let done = run.done();
        done.exits(0);
        let notices = done.run()["notices"].to_string();
        assert!(notices.contains(said), "{notices}");
    }
}

#[test]
fn a_server_that_counts_fewer_requests_than_were_answered_fails_the_test() {
    let stub = Stub::new(|asked| match asked.path {
        "/metrics" => Act::Answer(
            200,
            "tachikoma_http_request_duration_seconds_count{route=\"/api/health\"} 7\n".into(),
            Duration::ZERO,
        ),
        _ => healthy(),
    });
    let done = Run::new("smoke health --time-scale 0.1")
        .against(&stub.url())
        .done();
    done.exits(1).says("the load went elsewhere");
}
