//! The folder that starts Grafana and Prometheus: its files fit each other and the load tests.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::check::STEP;
use crate::files::{FOLDER, dashboards, list, text};
use crate::support::root;

/// A file or folder of the repository within a container.
#[derive(Debug)]
struct Mount {
    source: String,
    target: String,
}

fn yaml(path: &str) -> Value {
    let text = std::fs::read_to_string(root().join(FOLDER).join(path)).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The services of `compose.yaml` by name.
fn services(compose: &Value) -> Vec<(&str, &Value)> {
    let services = compose["services"].as_object().unwrap();
    services
        .iter()
        .map(|(name, it)| (name.as_str(), it))
        .collect()
}

/// The mounts of a service that are not volumes of Docker's own.
fn mounts(service: &Value) -> Vec<Mount> {
    let mounts = list(&service["volumes"]).iter().map(|volume| {
        let (source, target) = match volume.as_str() {
            Some(short) => {
                let mut parts = short.split(':');
                (parts.next().unwrap(), parts.next().unwrap())
            }
            None => (text(&volume["source"]), text(&volume["target"])),
        };
        Mount {
            source: source.to_owned(),
            target: target.trim_end_matches('/').to_owned(),
        }
    });
    mounts
        .filter(|it| it.source.starts_with(['.', '/']))
        .collect()
}

/// What is wrong with `compose`, a line for each; paths in it are below `folder`.
fn broken(compose: &Value, folder: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, service) in services(compose) {
        let image = text(&service["image"]);
        let tag = image.rsplit('/').next().unwrap().split_once(':');
        if tag.is_none_or(|(_, tag)| tag.is_empty() || tag.starts_with("latest")) {
            wrong.push(format!("{name}: the image {image:?} is not pinned"));
        }
        for mount in mounts(service) {
            if !folder.join(&mount.source).exists() {
                wrong.push(format!("{name}: there is no {}", mount.source));
            }
        }
        for port in list(&service["ports"]) {
            let loopback = match port.as_str() {
                Some(short) => short.starts_with("127.0.0.1:"),
                None => port["host_ip"] == "127.0.0.1",
            };
            if !loopback {
                wrong.push(format!("{name}: {port} is open to the network"));
            }
        }
    }
    wrong
}

#[test]
fn compose_mounts_what_there_is_and_listens_on_loopback_only() {
    let compose = yaml("compose.yaml");
    let wrong = broken(&compose, &root().join(FOLDER));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let count = |key: &str| {
        let all = services(&compose);
        all.iter()
            .map(|(_, it)| list(&it[key]).len())
            .sum::<usize>()
    };
    assert!(count("ports") >= 2 && count("volumes") >= 3);
}

#[test]
fn prometheus_takes_what_k6_writes_and_scrapes_the_server() {
    let compose = yaml("compose.yaml");
    let command = compose["services"]["prometheus"]["command"].to_string();
    assert!(
        command.contains("--web.enable-remote-write-receiver"),
        "{command}"
    );
    let config = yaml("prometheus.yml");
    let jobs = list(&config["scrape_configs"]).iter();
    let jobs: Vec<_> = jobs.map(|job| text(&job["job_name"])).collect();
    assert!(jobs.contains(&"tachikoma-server"), "{jobs:?}");
}

#[test]
fn grafana_finds_its_data_source() {
    let provisioned = yaml("provisioning/datasources/prometheus.yaml");
    assert_eq!(provisioned["apiVersion"], 1);
    let [source] = list(&provisioned["datasources"]) else {
        panic!("one data source is expected: {provisioned}");
    };
    assert_eq!(source["type"], "prometheus");
    assert_eq!(source["isDefault"], true);
    assert_eq!(source["access"], "proxy");
    // k6 writes every five seconds, which the live test measures.
    assert_eq!(source["jsonData"]["timeInterval"], format!("{STEP}s"));
    let uid = text(&source["uid"]);
    assert!(!uid.is_empty());
    for dashboard in dashboards() {
        let variables = dashboard.variables();
        let variable = variables.iter().find(|it| it["type"] == "datasource");
        let current = &variable.unwrap()["current"]["value"];
        assert!(
            current.is_null() || current == uid || current == "default",
            "{}: {current}",
            dashboard.file
        );
    }
    let compose = yaml("compose.yaml");
    let names: Vec<_> = services(&compose).iter().map(|(name, _)| *name).collect();
    let host = text(&source["url"]).trim_start_matches("http://");
    let (host, port) = host.split_once(':').unwrap();
    assert!(names.contains(&host), "{host} is none of {names:?}");
    let ports = compose["services"][host].to_string();
    assert!(ports.contains(&format!(":{port}")), "{ports}");
}

#[test]
fn grafana_finds_its_dashboards() {
    let compose = yaml("compose.yaml");
    let all: Vec<_> = services(&compose)
        .iter()
        .flat_map(|(_, service)| mounts(service))
        .collect();
    let target = |source: &str| {
        let found = all
            .iter()
            .find(|it| it.source.trim_start_matches("./").trim_end_matches('/') == source);
        found
            .unwrap_or_else(|| panic!("{source} is not mounted: {all:?}"))
            .target
            .as_str()
    };
    assert_eq!(target("provisioning"), "/etc/grafana/provisioning");
    assert_eq!(target("prometheus.yml"), "/etc/prometheus/prometheus.yml");
    let provisioned = yaml("provisioning/dashboards/tachikoma.yaml");
    assert_eq!(provisioned["apiVersion"], 1);
    let [provider] = list(&provisioned["providers"]) else {
        panic!("one provider is expected: {provisioned}");
    };
    assert_eq!(provider["type"], "file");
    let path = text(&provider["options"]["path"]).trim_end_matches('/');
    assert_eq!(path, target("dashboards"));
    let environment = &compose["services"]["grafana"]["environment"];
    let home = text(&environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]);
    let (folder, file) = home.rsplit_once('/').unwrap();
    assert_eq!(folder, path);
    assert!(dashboards().iter().any(|it| it.file == file), "{home}");
}

/// Prometheus' own reader, where it is.
#[test]
fn prometheus_reads_its_configuration() {
    let config = root().join(FOLDER).join("prometheus.yml");
    let Ok(out) = Command::new("promtool")
        .args(["check", "config"])
        .arg(config)
        .output()
    else {
        eprintln!("skipped: there is no promtool on the PATH");
        return;
    };
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}");
}

#[test]
fn the_dashboards_are_what_their_program_makes() {
    let program = root().join(FOLDER).join("dashboards.py");
    let out = Command::new("python3")
        .arg(program)
        .arg("--check")
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
}

#[test]
fn what_is_broken_is_seen() {
    let sound = serde_json::json!({"services": {"a": {
        "image": "grafana/grafana:13.0.1",
        "ports": ["127.0.0.1:3001:3000", {"host_ip": "127.0.0.1", "target": 1}],
        "volumes": ["./there:/x:ro", "data:/y", {"type": "bind", "source": "./there", "target": "/z"}],
    }}});
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("there"), "").unwrap();
    assert_eq!(broken(&sound, folder.path()), [""; 0]);
    for (pointer, value, what) in [
        ("/image", "grafana/grafana", "not pinned"),
        ("/image", "host:5000/grafana", "not pinned"),
        ("/image", "grafana/grafana:latest", "not pinned"),
        ("/ports/0", "3001:3000", "open to the network"),
        ("/ports/0", "0.0.0.0:3001:3000", "open to the network"),
        ("/volumes/0", "./other:/x", "there is no ./other"),
    ] {
        let mut changed = sound.clone();
        let pointer = format!("/services/a{pointer}");
        *changed.pointer_mut(&pointer).unwrap() = value.into();
        let seen = broken(&changed, folder.path()).join("\n");
        assert!(seen.contains(what), "{value}: {seen}");
    }
}
