//! The proof: a real Prometheus, a real server, real runs, and every query of every dashboard has data.

use crate::check::{Filled, STEP};
use crate::expression::read;
use crate::files::{Dashboard, dashboards};
use crate::load;
use crate::prometheus::{Prometheus, program};
use crate::support::Server;
use crate::values;

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
    let (window, runs) = load::runs(&server, &prometheus);
    let filled = Filled {
        prometheus: &prometheus,
        inventory: prometheus.inventory(),
        window,
    };
    let dashboards = dashboards();
    let mut wrong: Vec<_> = dashboards.iter().flat_map(|it| filled.check(it)).collect();
    wrong.extend(values::differences(&filled, &dashboards, &runs[..2]));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    renamed_names_are_seen(&filled, &dashboards);
    a_long_test_is_written_at_the_data_sources_interval(&server, &prometheus);
}

/// The check itself: whatever is renamed, it says so.
fn renamed_names_are_seen(filled: &Filled<'_>, dashboards: &[Dashboard]) {
    let queries = dashboards.iter().flat_map(Dashboard::queries);
    let mut renamed = 0;
    for query in queries {
        for selector in read(&query.expr).unwrap().selectors {
            let other = format!("{}_renamed", selector.metric);
            let expr = query.expr.replacen(&selector.metric, &other, 1);
            let unknown = filled.inventory.unknown(&expr).join("\n");
            assert!(unknown.contains(&other), "{}: {expr}", query.place);
            renamed += 1;
        }
    }
    assert!(renamed > 50, "only {renamed} metrics in all dashboards");
    for (from, to, seen) in [
        (
            "k6_http_reqs_total",
            "k6_requests_total",
            "there is no metric k6_requests_total",
        ),
        (
            "k6_http_reqs_total",
            "k6_requests_total",
            "no data for sum(rate(k6_requests_total",
        ),
        ("testid=", "run=", "k6_vus has no label run"),
        ("by (test)", "by (kind)", "has a label kind"),
        // All names are there, and there is nothing.
        ("$__rate_interval", "1ms", "no data for"),
    ] {
        let wrong: Vec<_> = dashboards
            .iter()
            .map(|dashboard| rename(dashboard, from, to))
            .flat_map(|renamed| filled.check(&renamed))
            .collect();
        let wrong = wrong.join("\n");
        assert!(wrong.contains(seen), "{from} as {to}: {wrong}");
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

/// `$__rate_interval` is made of the data source's interval, which `setup` holds against this: with another one it would
/// be too short or too coarse.
fn a_long_test_is_written_at_the_data_sources_interval(server: &Server, prometheus: &Prometheus) {
    let interval = load::push_interval("load health", server, prometheus);
    assert_eq!(interval, format!("{}ms", STEP * 1000));
}
