//! Runs against a server that is all right.

use std::io::Write as _;
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::readme;
use crate::support::{Run, Server, k6, oldest_k6, processes_with, read, root};

#[test]
fn the_specifications_three_tests_pass_and_leave_nothing_running() {
    let args = match readme::is_written() {
        true => "smoke",
        false => "smoke --time-scale 0.1",
    };
    let done = Run::new(args).own_server().done();
    done.exits(0).says("✓ PASSED").says("report: ");
    readme::shows(&done);
    let run = done.run();
    let names: Vec<_> = run["tests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["name"].clone())
        .collect();
    assert_eq!(names, ["health", "missions", "specs"]);
    for test in run["tests"].as_array().unwrap() {
        assert_eq!(test["outcome"], "passed", "{test}");
        for threshold in test["thresholds"].as_array().unwrap() {
            assert_eq!(threshold["state"], "passed", "{threshold}");
        }
        let usage = &test["server_usage"];
        assert!(usage["cpu_s"].as_f64().unwrap() > 0.0, "{usage}");
        assert!(
            usage["peak_rss_bytes"].as_u64().unwrap() > 1_000_000,
            "{usage}"
        );
    }
    let folder = done.folder();
    for file in [
        "run.json",
        "summary.md",
        "server.log",
        "server-usage.csv",
        "health/report.html",
    ] {
        assert!(folder.join(file).is_file(), "{file}");
    }
    assert_eq!(read(&done.results.join("history.jsonl")).lines().count(), 3);
    assert_eq!(processes_with(&done.results), [0_u32; 0]);
    assert!(
        !done.stdout.contains('\u{1b}') && !done.stderr.contains('\u{1b}'),
        "escapes without a terminal"
    );
}

#[test]
fn stress_really_ramps_to_a_hundred_virtual_users() {
    let done = Run::new("stress missions --time-scale 0.01")
        .own_server()
        .done();
    assert_eq!(
        done.summary("missions")["metrics"]["vus"]["values"]["max"],
        100.0,
        "{}",
        done.stderr
    );
    let thresholds = &done.summary("missions")["metrics"];
    for (metric, expression) in [
        ("http_req_duration", "p(95)<500"),
        ("http_req_failed", "rate<0.01"),
        ("http_req_duration{expected_response:true}", "p(99)<1500"),
        ("mission_create_duration", "p(95)<1000"),
        ("errors", "rate<0.05"),
    ] {
        let ok = &thresholds[metric]["thresholds"][expression]["ok"];
        assert!(
            ok.is_boolean(),
            "{metric} {expression}: {}",
            thresholds[metric]
        );
    }
}

#[test]
fn every_profile_has_the_stages_of_the_specification() {
    for (profile, stages, total) in [
        ("smoke", json!(null), "30s"),
        ("load", json!([["2m0s", 10], ["5m0s", 10], ["2m0s", 0]]), ""),
        (
            "stress",
            json!([
                ["2m0s", 10],
                ["5m0s", 50],
                ["2m0s", 100],
                ["5m0s", 100],
                ["5m0s", 0]
            ]),
            "",
        ),
        (
            "soak",
            json!([["5m0s", 10], ["1h0m0s", 10], ["5m0s", 0]]),
            "",
        ),
        (
            "spike",
            json!([
                ["1m0s", 5],
                ["10s", 100],
                ["3m0s", 100],
                ["10s", 5],
                ["3m0s", 5],
                ["1m0s", 0]
            ]),
            "",
        ),
    ] {
        for program in [k6(), oldest_k6()] {
            let out = std::process::Command::new(program)
                .args([
                    "inspect",
                    "--execution-requirements",
                    "-e",
                    "TEST=health",
                    "-e",
                ])
                .arg(format!("PROFILE={profile}"))
                .arg(root().join("load-tests/main.js"))
                .output()
                .unwrap();
            let options: Value = serde_json::from_slice(&out.stdout).unwrap();
            let scenario = &options["scenarios"]["default"];
            let seen = scenario["stages"].as_array().map_or(json!(null), |stages| {
                stages
                    .iter()
                    .map(|s| json!([s["duration"], s["target"]]))
                    .collect()
            });
            assert_eq!(seen, stages, "{profile}");
            if !total.is_empty() {
                assert_eq!(
                    (&scenario["duration"], &options["maxVUs"]),
                    (&json!(total), &json!(1))
                );
            }
        }
    }
}

#[test]
fn websocket_clients_receive_the_missions_of_others() {
    let server = Server::start("test-api-key");
    let mut run = Run::new("smoke health websocket --time-scale 0.1")
        .against(&server.url)
        .start();
    run.wait_for("websocket: 1 virtual user");
    // Once a second or so, as another client would, until the test has ended.
    let mut created = 0;
    while !run.stderr().contains("✓ websocket") && !run.stderr().contains("✗ websocket") {
        create_mission(&server.url);
        created += 1;
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert!(created < 600, "the test does not end: {}", run.stderr());
    }
    let done = run.done();
    done.exits(0);
    let metrics = &done.run()["tests"][1]["metrics"];
    // The answer to the subscription, and the missions.
    assert!(
        metrics["ws_messages_received"].as_u64().unwrap() > 5,
        "{metrics}"
    );
    let checks = &done.run()["tests"][1]["checks"];
    assert!(
        checks
            .to_string()
            .contains("WebSocket connection successful"),
        "{checks}"
    );
}

fn create_mission(url: &str) {
    let address = url.trim_start_matches("http://");
    let body = r#"{"name":"another client's","prompt":"p","backend":"mock"}"#;
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /api/missions HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer test-api-key\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}

#[test]
fn a_running_server_is_used_and_stays_alive() {
    let mut server = Server::start("another-key-1");
    let pid = server.pid().to_string();
    let done = Run::new("smoke missions --time-scale 0.05 --server-pid")
        .arg(&pid)
        .against(&server.url)
        .env("API_KEY", "another-key-1")
        .done();
    done.exits(0);
    assert!(server.is_alive());
    let run = done.run();
    assert_eq!(run["server"]["kind"], "url");
    assert!(
        run["tests"][0]["server_usage"]["peak_rss_bytes"]
            .as_u64()
            .unwrap()
            > 1_000_000
    );
}

#[test]
fn the_projects_tag_is_on_every_sample() {
    let out = tempfile::tempdir().unwrap();
    let samples = out.path().join("samples.json");
    let done = Run::new("smoke health --time-scale 0.05 -- --out")
        .arg(&format!("json={}", samples.display()))
        .own_server()
        .done();
    done.exits(0).says("k6 also gets `--out");
    let text = read(&samples);
    let points: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["type"] == "Point")
        .collect();
    assert!(points.len() > 20, "{}", points.len());
    for point in points {
        let tags = &point["data"]["tags"];
        assert_eq!(
            (&tags["project"], &tags["profile"]),
            (&json!("tachikoma"), &json!("smoke")),
            "{point}"
        );
    }
}

#[test]
fn both_ends_of_the_supported_versions_agree() {
    for program in [k6(), oldest_k6()] {
        let done = Run::with_k6("smoke health missions --time-scale 0.05", program)
            .own_server()
            .done();
        done.exits(0);
        let run = done.run();
        for test in run["tests"].as_array().unwrap() {
            let crossed = test["thresholds"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|t| t["state"] != "passed");
            assert_eq!(crossed.count(), 0, "{test}");
        }
    }
}

#[test]
fn json_alone_on_standard_output_and_three_times_the_users() {
    let done = Run::new("smoke health --time-scale 0.05 --vus-scale 3")
        .own_server()
        .json()
        .done();
    done.exits(0)
        .says("smoke health at time scale 0.05 with 3 times the users on http://");
    let run: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(run, done.run());
    assert_eq!(run["schema_version"], 1);
    assert_eq!(
        (&run["vus_scale"], &run["tests"][0]["max_vus"]),
        (&json!(3.0), &json!(3))
    );
    let summary = done.summary("health");
    assert_eq!(summary["metrics"]["vus"]["values"]["max"], 3);
    assert_eq!(summary["load_test"]["vus_scale"], 3);
    let history = read(&done.results.join("history.jsonl"));
    let line: Value = serde_json::from_str(history.trim()).unwrap();
    assert_eq!(line["key"]["vus_scale"], 3.0);
}
