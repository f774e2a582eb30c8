//! What stands in the environment: secrets stay there, and strays do no harm.

use crate::liar::Liar;
use crate::support::{Run, Server, command_line, files, read};

#[test]
fn stray_variables_have_no_effect_and_are_said() {
    let done = Run::new("smoke health --time-scale 0.1")
        .env("K6_ITERATIONS", "1")
        .env("K6_NO_THRESHOLDS", "false")
        .env("K6_VUS", "7")
        .own_server()
        .done();
    done.exits(0).says(": K6_ITERATIONS, K6_VUS");
    let run = done.run();
    assert!(run["tests"][0]["metrics"]["iterations"].as_u64().unwrap() > 1);
    assert_eq!(run["tests"][0]["thresholds"].as_array().unwrap().len(), 7);
    assert!(
        run["notices"][0]
            .as_str()
            .unwrap()
            .contains("K6_ITERATIONS")
    );
}

#[test]
fn arguments_that_are_ours_or_cannot_be_had_are_refused() {
    for (args, part) in [
        ("--paused", "nobody could resume it"),
        ("--linger", "nobody could resume it"),
        ("-e TEST=specs", "the words after the profile"),
        ("-e BASE_URL=http://127.0.0.1:1", "--base-url"),
        ("--no-thresholds", "proves nothing"),
        ("--log-output none", "k6.log"),
    ] {
        let done = Run::new(&format!("smoke health -- {args}"))
            .own_server()
            .done();
        done.exits(2).says(part);
        assert!(!done.results.exists(), "{args}");
    }
    let done = Run::new("smoke health")
        .env("K6_NO_THRESHOLDS", "true")
        .own_server()
        .done();
    done.exits(2)
        .says("K6_NO_THRESHOLDS")
        .says("proves nothing");
    assert!(!done.results.exists());
}

#[test]
fn values_of_variables_behind_the_dashes_are_written_nowhere() {
    let value = "another-secret-key-991";
    let done = Run::new("smoke health --time-scale 0.05 -- --http-debug")
        .arg("-e")
        .arg(&format!("TOKEN={value}"))
        .arg("-eMODE=tiny")
        .own_server()
        .done();
    done.exits(0).says("TOKEN=***");
    for file in files(&done.results) {
        assert!(!read(&file).contains(value), "{}", file.display());
    }
    assert!(!done.stdout.contains(value) && !done.stderr.contains(value));
    let run = done.run();
    assert_eq!(run["k6_args"][1], "TOKEN=***");
    let command = run["command"].as_str().unwrap();
    assert!(
        command.contains("MODE=***") && !command.contains("tiny"),
        "{command}"
    );
}

#[test]
fn proxies_have_no_part_in_the_way_to_this_machine() {
    let mut run = Run::new("smoke health --time-scale 0.05").own_server();
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        run = run.env(name, "http://127.0.0.1:1");
    }
    run.done().exits(0);
}

#[test]
fn certificates_of_a_private_authority_are_taken_when_it_is_named() {
    let server = Server::start("test-api-key");
    let liar = Liar::with_private_certificate(&server.url, "test-api-key");
    let url = liar.url().replace("http://127.0.0.1", "https://localhost");
    let authority = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/authority.pem");
    let run =
        |args: &str| Run::new(&format!("smoke health --time-scale 0.034 {args}")).against(&url);
    let named = run("--ca-cert").arg(authority).done();
    named.exits(0);
    let unchecked = run("").env("K6_INSECURE_SKIP_TLS_VERIFY", "true").done();
    unchecked.exits(0);
    let asked = liar.asked();
    let refused = run("").done();
    refused
        .exits(3)
        .says("this machine does not trust its certificate")
        .says("--ca-cert");
    assert_eq!(liar.asked(), asked);
}

#[test]
fn the_build_of_the_server_is_not_given_the_key() {
    let (dir, key) = (tempfile::tempdir().unwrap(), "s3cret-0123456789");
    let (cargo, seen) = (dir.path().join("cargo"), dir.path().join("seen"));
    let text = format!("#!/bin/sh\nenv >'{}'\nexit 1\n", seen.display());
    std::fs::write(&cargo, text).unwrap();
    std::fs::set_permissions(&cargo, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let done = Run::new("smoke health")
        .against("http://127.0.0.1:0")
        .env("API_KEY", key)
        .env("CARGO", cargo.to_str().unwrap())
        .done();
    done.exits(3);
    let seen = read(&seen);
    assert!(
        seen.contains("TACHIKOMA_RESULTS=") && !seen.contains(key),
        "{seen}"
    );
}

#[test]
fn the_users_configuration_file_changes_no_test() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("k6")).unwrap();
    let config = home.path().join("k6/config.json");
    std::fs::write(
        &config,
        r#"{"iterations": 1, "hosts": {"127.0.0.1": "192.0.2.1"}}"#,
    )
    .unwrap();
    let done = Run::new("smoke health --time-scale 0.1")
        .env("XDG_CONFIG_HOME", home.path().to_str().unwrap())
        .own_server()
        .done();
    done.exits(0)
        .says("would change the test: hosts, iterations");
    assert!(
        done.run()["tests"][0]["metrics"]["iterations"]
            .as_u64()
            .unwrap()
            > 1
    );
}

#[test]
fn tags_of_the_users_are_added_to_ours() {
    let dir = tempfile::tempdir().unwrap();
    let samples = dir.path().join("samples.json");
    let out = format!("json={}", samples.display());
    let done = Run::new("smoke health --time-scale 0.05 -- --tag a=b --out")
        .arg(&out)
        .own_server()
        .done();
    done.exits(0);
    let text = read(&samples);
    let point = text
        .lines()
        .find(|line| line.contains("http_req_duration") && line.contains("Point"));
    let point: serde_json::Value = serde_json::from_str(point.unwrap()).unwrap();
    let tags = &point["data"]["tags"];
    assert_eq!((&tags["a"], &tags["test"]), (&"b".into(), &"health".into()));
    assert_eq!(tags["testid"], done.run()["run"], "{tags}");
    assert!(done.run()["k6_args"].as_array().unwrap().is_empty());
}

#[test]
fn the_key_is_in_no_command_line_file_or_output() {
    let key = "s3cret-0123456789";
    let mut run = Run::new("smoke missions websocket --time-scale 0.1 -- --http-debug=full")
        .env("API_KEY", key)
        .own_server()
        .start();
    run.wait_for("missions: 1 virtual user");
    for pid in run.processes() {
        assert!(!command_line(pid).contains(key), "{}", command_line(pid));
    }
    run.wait_for("websocket: 1 virtual user");
    for pid in run.processes() {
        assert!(!command_line(pid).contains(key), "{}", command_line(pid));
    }
    let done = run.done();
    done.exits(0);
    let written = files(&done.results);
    assert!(written.len() > 8, "{written:?}");
    for file in written {
        let bytes = std::fs::read(&file).unwrap();
        assert!(
            !bytes.windows(key.len()).any(|w| w == key.as_bytes()),
            "the key is in {}",
            file.display()
        );
    }
    assert!(!done.stdout.contains(key) && !done.stderr.contains(key));
}

#[test]
fn a_terminal_gets_colours_unless_no_color_is_set() {
    if std::process::Command::new("script")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("skipped: there is no `script` (of util-linux) to give the run a terminal");
        return;
    }
    let on_a_terminal = || {
        Run::new("smoke health --time-scale 0.05")
            .own_server()
            .on_a_terminal()
            .env("TERM", "xterm-256color")
    };
    let colours = on_a_terminal().done();
    colours.exits(0);
    assert!(has_colours(&colours.stdout), "{}", colours.stdout);
    assert!(
        colours.stdout.contains("live: http://127.0.0.1:"),
        "{}",
        colours.stdout
    );
    // k6's progress, in one line that is written over and over.
    let lines = colours.stdout.split("\r\u{1b}[2K");
    let lines = lines.map(|line| line.lines().next().unwrap_or_default());
    let progress: Vec<&str> = lines.filter(|line| line.contains("health, ")).collect();
    // The figures are k6's own, from its dashboard.
    let told =
        |line: &&&str| line.contains(", 0 % failed, p95 ") && line.trim_end().ends_with(" left");
    assert!(
        progress.iter().any(|line| told(&line)),
        "{}",
        colours.stdout
    );
    for line in progress {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let plain = on_a_terminal().env("NO_COLOR", "1").done();
    plain.exits(0).says("✓ PASSED");
    assert!(!has_colours(&plain.stdout), "{}", plain.stdout);
}

/// Whether the text has an escape sequence that changes how letters look, as in `ESC [ 1 m`.
fn has_colours(text: &str) -> bool {
    text.split("\u{1b}[").skip(1).any(|rest| {
        rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';')
            .starts_with('m')
    })
}
