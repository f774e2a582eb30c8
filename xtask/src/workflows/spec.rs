//! What the specification says of the nightly workflow.

use super::file;

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
