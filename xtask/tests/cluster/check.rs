//! `cluster check`: what it finds, what it creates for that, and what it leaves.

use crate::cluster::Cluster;
use crate::store::Faults;

#[test]
fn each_thing_that_a_cluster_lacks_is_named() {
    let faults = Faults {
        missing_images: vec!["grafana/none:1"],
        ..Faults::default()
    };
    let Some(cluster) = Cluster::start(faults, "the key of a test") else {
        return;
    };
    let check = |args: &str| cluster.run(&format!("check {args}")).done();
    let forbid = |rights| {
        let store = &cluster.inner.store;
        store.change(|state| state.faults.forbidden = rights);
    };
    check("--pull grafana/k6:1.1.0 --image-pull-secret key")
        .exits(0)
        .says("controller-v1.6.0")
        .says("grafana/k6:1.1.0 is pulled and runs: k6");
    check("--pull grafana/k6:1.1.0 --context eu-production")
        .exits(2)
        .says("`eu-production` looks like production: say --yes");
    check("--pull grafana/none:1")
        .exits(3)
        .says("grafana/none:1: a pod of it cannot start: ErrImagePull: Failed to pull image");
    cluster.is_empty();
    // No run needs it.
    forbid(vec!["list configmaps"]);
    check("").exits(0).says("only `cluster clean` lists them");
    forbid(vec!["create pods"]);
    check("--pull grafana/k6:1.1.0")
        .exits(3)
        .says("cannot create resource \"pods\"");
    forbid(vec!["create testruns", "get pods/log"]);
    check("")
        .exits(3)
        .says("testruns: you may not create")
        .says("pods/log: you may not get");
    cluster.inner.store.change(|state| {
        state.faults.forbidden.clear();
        state.remove(&crate::api::crd());
    });
    check("")
        .exits(3)
        .says("the cluster knows no TestRuns: install k6-operator");
}
