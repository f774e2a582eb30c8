//! The folder that starts Grafana and Prometheus: its files fit each other and the load tests.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::check::STEP;
use crate::files::{FOLDER, dashboards, list, text};
use crate::support::{read, root};

pub fn yaml(path: &str) -> Value {
    let text = read(&root().join(FOLDER).join(path));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The services of `compose.yaml` by name.
fn services(compose: &Value) -> impl Iterator<Item = (&String, &Value)> {
    compose["services"].as_object().unwrap().iter()
}

/// The files and folders of the repository within a service's container: source and target.
fn mounts(service: &Value) -> Vec<(&str, &str)> {
    let volumes = list(&service["volumes"]).iter();
    let mounts = volumes.map(|volume| match text(volume).split_once(':') {
        Some((source, target)) => (source, target.trim_end_matches(":ro")),
        None => (text(&volume["source"]), text(&volume["target"])),
    });
    // The others are volumes of Docker's own.
    mounts
        .filter(|(source, _)| source.starts_with(['.', '/']))
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
        for (source, _) in mounts(service) {
            if !folder.join(source).exists() {
                wrong.push(format!("{name}: there is no {source}"));
            }
        }
        for port in list(&service["ports"]) {
            if !text(port).starts_with("127.0.0.1:") && port["host_ip"] != "127.0.0.1" {
                wrong.push(format!("{name}: {port} is open to the network"));
            }
        }
    }
    wrong
}

#[test]
fn compose_mounts_what_there_is_and_listens_on_loopback_only() {
    let compose = yaml("compose.yaml");
    assert_eq!(broken(&compose, &root().join(FOLDER)), [""; 0]);
    let count =
        |key: &str| -> usize { services(&compose).map(|(_, it)| list(&it[key]).len()).sum() };
    assert!(count("ports") >= 2 && count("volumes") >= 3);
}

#[test]
fn each_file_says_what_it_must() {
    // k6 writes every five seconds, which the live test measures; Grafana needs one data source and one provider.
    let table = r#"
compose.yaml /services/prometheus/command --web.enable-remote-write-receiver
prometheus.yml /scrape_configs "job_name":"tachikoma-server"
provisioning/datasources/prometheus.yaml /apiVersion 1
provisioning/datasources/prometheus.yaml /datasources/0/type prometheus
provisioning/datasources/prometheus.yaml /datasources/0/isDefault true
provisioning/datasources/prometheus.yaml /datasources/0/access proxy
provisioning/datasources/prometheus.yaml /datasources/0/jsonData/timeInterval "STEPs"
provisioning/datasources/prometheus.yaml /datasources/1 null
provisioning/dashboards/tachikoma.yaml /apiVersion 1
provisioning/dashboards/tachikoma.yaml /providers/0/type file
provisioning/dashboards/tachikoma.yaml /providers/1 null"#;
    let table = table.replace("STEP", &STEP.to_string());
    for line in table.trim().lines() {
        let [file, pointer, expected] = *line.split(' ').collect::<Vec<_>>() else {
            panic!("{line}");
        };
        let yaml = yaml(file);
        let seen = yaml.pointer(pointer).unwrap_or(&Value::Null).to_string();
        assert!(seen.contains(expected), "{line}: {seen}");
    }
}

#[test]
fn grafana_finds_its_data_source() {
    let provisioned = yaml("provisioning/datasources/prometheus.yaml");
    let source = &provisioned["datasources"][0];
    let uid = text(&source["uid"]);
    assert!(!uid.is_empty());
    for dashboard in dashboards() {
        let mut variables = dashboard.variables().iter();
        let variable = variables.find(|it| it["type"] == "datasource").unwrap();
        let current = &variable["current"]["value"];
        let ours = current.is_null() || current == uid || current == "default";
        assert!(ours, "{}: {current}", dashboard.file);
    }
    let host = text(&source["url"]).trim_start_matches("http://");
    let (host, port) = host.split_once(':').unwrap();
    let ports = yaml("compose.yaml")["services"][host]["ports"].to_string();
    assert!(ports.contains(&format!(":{port}")), "{host}: {ports}");
}

#[test]
fn grafana_finds_its_dashboards() {
    let compose = yaml("compose.yaml");
    let all: Vec<_> = services(&compose).flat_map(|(_, it)| mounts(it)).collect();
    let target = |wanted: &str| {
        let mut found = all.iter().filter(|(source, _)| *source == wanted);
        found.next().map(|(_, target)| *target)
    };
    let (grafana, prometheus) = (
        "/etc/grafana/provisioning",
        "/etc/prometheus/prometheus.yml",
    );
    assert_eq!(target("./provisioning"), Some(grafana));
    assert_eq!(target("./prometheus.yml"), Some(prometheus));
    let provisioned = yaml("provisioning/dashboards/tachikoma.yaml");
    let path = text(&provisioned["providers"][0]["options"]["path"]).trim_end_matches('/');
    assert_eq!(target("./dashboards"), Some(path));
    let environment = &compose["services"]["grafana"]["environment"];
    let home = text(&environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]);
    let (folder, file) = home.rsplit_once('/').unwrap();
    assert_eq!(folder, path);
    assert!(dashboards().iter().any(|it| it.file == file), "{home}");
}

/// Runs a command in the folder, which must succeed; `false` if there is no such program.
fn succeeds(command: &[&str]) -> bool {
    let folder = root().join(FOLDER);
    let out = Command::new(command[0])
        .args(&command[1..])
        .current_dir(folder)
        .output();
    let Ok(out) = out else {
        return false;
    };
    let said = [out.stdout, out.stderr].concat();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&said));
    true
}

/// Prometheus' own reader, where it is.
#[test]
fn prometheus_reads_its_configuration() {
    if !succeeds(&["promtool", "check", "config", "prometheus.yml"]) {
        eprintln!("skipped: there is no promtool on the PATH");
    }
}

#[test]
fn the_dashboards_are_what_their_program_makes() {
    let check = ["python3", "dashboards.py", "--check"];
    assert!(succeeds(&check), "there is no python3");
}
