//! What is said elsewhere holds in the workflows: the specification, the pinned versions, the guide.

use serde_json::Value;

use super::{file, root};

#[test]
fn the_nightly_workflow_is_the_specifications() {
    let workflow = file(".github/workflows/load-tests.yml");
    let yaml = &workflow.yaml;
    assert_eq!(yaml["name"], "Load Tests");
    assert_eq!(yaml["on"]["schedule"][0]["cron"], "0 2 * * *");
    assert!(yaml["on"]["workflow_dispatch"].is_object());
    let job = &yaml["jobs"]["load-test"];
    assert_eq!(job["runs-on"], "ubuntu-latest");
    let upload = job["steps"].as_array().unwrap().last().unwrap();
    assert_eq!(upload["name"], "Upload results");
    assert_eq!(upload["if"], "${{ always() }}");
    assert_eq!(upload["with"]["name"], "load-test-results");
    let path = upload["with"]["path"].as_str().unwrap();
    assert_eq!(path.lines().next(), Some("load-tests/results/"));
}

#[test]
fn the_oldest_and_the_newest_pinned_k6_are_tested() {
    let pins: Value = serde_json::from_str(include_str!("../../k6-pins.json")).unwrap();
    let mut pinned: Vec<semver::Version> = ["releases", "wheels"]
        .into_iter()
        .flat_map(|kind| pins[kind].as_object().unwrap().keys())
        .map(|version| version.parse().unwrap())
        .collect();
    pinned.sort();
    let ci = file(".github/workflows/ci.yml");
    let tested: Vec<semver::Version> = ci.yaml["jobs"]["k6"]["strategy"]["matrix"]["k6"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version.as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(tested.first(), pinned.first());
    assert_eq!(tested.last(), pinned.last());
}

#[test]
fn the_oldest_rust_is_the_one_of_cargo_toml() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let named = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'))
        .unwrap();
    assert_eq!(named, env!("CARGO_PKG_RUST_VERSION"));
    let ci = file(".github/workflows/ci.yml");
    // The workflow looks for the same line.
    assert!(ci.text.contains("s/^rust-version = \"\\(.*\\)\"$/"));
    let guide = std::fs::read_to_string(root().join("load-tests/ci.md")).unwrap();
    assert!(guide.contains(&format!("image: rust:{named}\n")));
}
