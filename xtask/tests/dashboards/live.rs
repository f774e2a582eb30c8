//! The proof: a real Prometheus, a real server, real runs, and every query of every dashboard has data.

use crate::check::{STEP, check};
use crate::files::{Dashboard, dashboards, list};
use crate::load;
use crate::names::Inventory;
use crate::prometheus::{Prometheus, program};
use crate::support::Server;

#[test]
fn every_query_has_data_after_real_runs() {
    let Some(program) = program() else {
        let must = cfg!(target_os = "linux") && std::env::var_os("CI").is_some();
        assert!(!must, "there is no prometheus on the PATH");
        eprintln!("skipped: there is no prometheus on the PATH");
        return;
    };
    let server = Server::start("test-api-key");
    let prometheus = Prometheus::start(&program, &[&server.url]);
    let load = load::run(&server, &prometheus);
    let inventory = prometheus.inventory();

    let mut wrong = Vec::new();
    for dashboard in dashboards() {
        wrong.extend(check(&dashboard, &prometheus, &inventory, load.window));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // The check itself: it must see each name that is changed, and a query without data.
    for dashboard in dashboards() {
        renamed_metrics_are_seen(&dashboard, &inventory);
    }
    let empty = dashboards()
        .iter()
        .map(|dashboard| rename(dashboard, "k6_vus", "k6_users"))
        .find(|renamed| renamed.json.to_string().contains("k6_users"))
        .unwrap();
    let seen = check(&empty, &prometheus, &inventory, load.window).join("\n");
    assert!(seen.contains("there is no metric k6_users"), "{seen}");
    assert!(seen.contains("no data for"), "{seen}");
    let other = dashboards()
        .iter()
        .map(|dashboard| rename(dashboard, "testid=", "run="))
        .find(|renamed| renamed.json.to_string().contains("run="))
        .unwrap();
    let seen = check(&other, &prometheus, &inventory, load.window).join("\n");
    assert!(seen.contains("has no label run"), "{seen}");

    for run in &load.runs {
        writes_are_as_far_apart_as_the_data_source_says(&prometheus, run, load.window.to);
    }
}

/// Renames each metric of each query in turn.
fn renamed_metrics_are_seen(dashboard: &Dashboard, inventory: &Inventory) {
    for query in dashboard.queries() {
        let read = crate::expression::read(&query.expr).unwrap();
        for selector in read.selectors {
            let other = format!("{}_renamed", selector.metric);
            let expr = query.expr.replacen(&selector.metric, &other, 1);
            let unknown = inventory.unknown(&expr).join("\n");
            assert!(unknown.contains(&other), "{}: {expr}", query.place);
        }
    }
}

/// A copy of `dashboard` with `from` renamed wherever it stands.
fn rename(dashboard: &Dashboard, from: &str, to: &str) -> Dashboard {
    let text = dashboard.json.to_string().replace(from, to);
    Dashboard {
        file: dashboard.file.clone(),
        json: serde_json::from_str(&text).unwrap(),
    }
}

/// `$__rate_interval` is made of the data source's interval: with another one it would be too short or too coarse.
fn writes_are_as_far_apart_as_the_data_source_says(prometheus: &Prometheus, run: &str, at: f64) {
    let expr = format!("k6_vus{{testid=\"{run}\",test=\"websocket\"}}[10m]");
    let series = prometheus.query(&expr, at).unwrap();
    let times: Vec<f64> = list(&series[0]["values"])
        .iter()
        .map(|point| point[0].as_f64().unwrap())
        .collect();
    let mut apart: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    apart.sort_by(f64::total_cmp);
    let middle = apart[apart.len() / 2];
    assert!((middle - f64::from(STEP)).abs() < 1.0, "{apart:?}");
}
