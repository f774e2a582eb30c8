//! The stand-in's API as kubectl sees it: what is there, what is refused and in which words, what is deleted with what.

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::store::Faults;
use crate::support::wait_until;

/// A TestRun whose ConfigMap and images are not there.
fn test_run(name: &str) -> Value {
    let block = json!({"image": "grafana/none:1"});
    json!({
        "apiVersion": "k6.io/v1alpha1", "kind": "TestRun", "metadata": {"name": name, "labels": {"load-test/run": "1"}},
        "spec": {
            "args": [], "parallelism": 2, "script": {"configMap": {"file": "archive.tar", "name": name}},
            "initializer": block, "starter": block, "runner": block,
        },
    })
}

#[test]
fn kubectl_is_answered_as_by_kubernetes() {
    let faults = Faults {
        forbidden: vec!["list events", "get pods/log"],
        missing_images: vec!["grafana/none:1"],
        ..Faults::default()
    };
    let Some(cluster) = Cluster::start(faults, "the key of a test") else {
        return;
    };
    for (verb, resource, sub, may) in [
        ("create", "testruns", "", true),
        ("list", "events", "", false),
        ("get", "pods", "log", false),
        ("get", "pods", "", true),
    ] {
        let wanted =
            json!({"namespace": "load", "verb": verb, "resource": resource, "subresource": sub});
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "metadata": {},
            "spec": {"resourceAttributes": wanted},
        });
        let review = cluster.file("review.json", &review);
        let told = cluster.asked(&format!(
            "create -f {review} -o jsonpath={{.status.allowed}}"
        ));
        assert_eq!(told, may.to_string(), "{verb} {resource} {sub}");
    }
    for (args, words) in [
        (
            "get events",
            "Error from server (Forbidden): events is forbidden: User \"tester\" cannot list resource \"events\" in API group \"\" in the namespace \"load\"",
        ),
        (
            "get testrun none",
            "Error from server (NotFound): testruns.k6.io \"none\" not found",
        ),
        (
            "get namespace none",
            "Error from server (NotFound): namespaces \"none\" not found",
        ),
        (
            "get machines",
            "error: the server doesn't have a resource type \"machines\"",
        ),
    ] {
        assert_eq!(cluster.refused(args).trim(), words, "{args}");
    }
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"archive.tar": "1"}});
    let map = cluster.file("map.json", &map);
    let said = cluster.refused(&format!("create -f {map} --namespace none"));
    assert!(
        said.starts_with("Error from server (NotFound): error when creating"),
        "{said}"
    );
    cluster.asked(&format!("create -f {map}"));
    let said = cluster.refused(&format!("create -f {map}"));
    assert!(
        said.ends_with("configmaps \"a\" already exists\n"),
        "{said}"
    );
    let unknown = cluster.file(
        "unknown.json",
        &json!({
            "apiVersion": "k6.io/v1alpha1", "kind": "TestRun", "metadata": {"name": "a"},
            "spec": {"parallelism": 1, "script": {}, "parallel": 2},
        }),
    );
    let said = cluster.refused(&format!("create -f {unknown}"));
    assert!(
        said.contains("strict decoding error") && said.contains("parallel is unknown"),
        "{said}"
    );
    let image = cluster.asked("get deployments --all-namespaces -o jsonpath={.items[*].spec.template.spec.containers[*].image}");
    assert_eq!(image, "ghcr.io/grafana/k6-operator:controller-v1.6.0");

    // Without the image the initializer waits for ever, and what is deleted takes along what it owns.
    let created = cluster.asked(&format!(
        "create -o json -f {}",
        cluster.file("a.json", &test_run("a"))
    ));
    let created: Value = serde_json::from_str(&created).unwrap();
    let owner = json!({"apiVersion": "k6.io/v1alpha1", "kind": "TestRun", "name": "a", "uid": created["metadata"]["uid"]});
    let patch = json!({"metadata": {"ownerReferences": [owner]}}).to_string();
    cluster.asked(&format!("patch configmap a --type=merge -p {patch}"));
    let mut pod = String::new();
    wait_until("the pod waits for its image", || {
        pod = cluster.asked("get pods --selector=k6_cr=a -o jsonpath={.items[0].metadata.name}/{.items[0].status.containerStatuses[0].state.waiting.reason}");
        pod.ends_with("/ErrImagePull")
    });
    let said = cluster.refused(&format!("logs {}", pod.trim_end_matches("/ErrImagePull")));
    assert!(
        said.contains("User \"tester\" cannot get resource \"pods/log\""),
        "{said}"
    );
    cluster
        .inner
        .store
        .change(|state| state.faults.forbidden.clear());
    let said = cluster.refused(&format!("logs {}", pod.trim_end_matches("/ErrImagePull")));
    assert!(
        said.ends_with("is waiting to start: ErrImagePull\n"),
        "{said}"
    );
    let events =
        cluster.asked("get events --field-selector=type=Warning -o jsonpath={.items[*].reason}");
    assert_eq!(events, "Failed");
    cluster.asked("delete testrun,configmap -l load-test/run=1");
    wait_until("everything is gone", || {
        cluster
            .asked("get testruns,configmaps,jobs,pods -o name")
            .is_empty()
    });

    cluster.asked("delete customresourcedefinitions testruns.k6.io");
    // kubectl remembers what there was.
    std::fs::remove_dir_all(cluster.dir().join("cache")).unwrap();
    assert_eq!(
        cluster.refused("get testruns").trim(),
        "error: the server doesn't have a resource type \"testruns\""
    );
    let said = cluster.refused(&format!(
        "create --validate=false -f {}",
        cluster.file("a.json", &test_run("a"))
    ));
    assert!(
        said.contains("no matches for kind \"TestRun\" in version \"k6.io/v1alpha1\""),
        "{said}"
    );
}
