//! The proof: a real Prometheus, a real server, real runs, and every query of every dashboard has data.

use crate::alerts;
use crate::check::{Filled, STEP};
use crate::files::{Dashboard, dashboards};
use crate::load;
use crate::prometheus::{Prometheus, program};
use crate::promql::{parse, selectors};
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
    let prometheus = Prometheus::start(&program, &server.url);
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
    // `$__rate_interval` is made of the data source's interval, which `setup` holds against this: with another one it
    // would be too short or too coarse.
    let interval = load::push_interval("load health", &server, &prometheus);
    assert_eq!(interval, format!("{}ms", STEP * 1000));

    // That was no run that could pass, and it has a profile of its own. One that comes to no verdict hides it from nobody.
    load::interrupt(&server, &prometheus);
    let wrong = alerts::wrong(&filled, runs.last().unwrap());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The check itself: whatever is renamed, it says so.
fn renamed_names_are_seen(filled: &Filled<'_>, dashboards: &[Dashboard]) {
    let mut renamed = 0;
    for query in dashboards.iter().flat_map(Dashboard::queries) {
        for selector in selectors(&parse(&query.expr).unwrap()) {
            let name = selector.name.as_ref().unwrap();
            let other = format!("{name}_renamed");
            let expr = query.expr.replacen(name, &other, 1);
            let unknown = filled.inventory.unknown(&expr).join("\n");
            assert!(unknown.contains(&other), "{}: {expr}", query.place);
            renamed += 1;
        }
    }
    assert!(renamed > 50, "only {renamed} metrics in all dashboards");
    let (requests, others) = ("k6_http_reqs_total", "k6_requests_total");
    for (from, to, seen) in [
        (requests, others, "there is no metric k6_requests_total"),
        (requests, others, "no data for sum(rate(k6_requests_total"),
        ("testid=", "run=", "k6_vus has no label run"),
        ("by (test)", "by (kind)", "has a label kind"),
        // All names are there, and there is nothing.
        ("$__rate_interval", "1ms", "no data for"),
    ] {
        let wrong = dashboards.iter().flat_map(|dashboard| {
            let json = dashboard.json.to_string().replace(from, to);
            filled.check(&Dashboard {
                file: dashboard.file.clone(),
                json: serde_json::from_str(&json).unwrap(),
            })
        });
        let wrong = wrong.collect::<Vec<_>>().join("\n");
        assert!(wrong.contains(seen), "{from} as {to}: {wrong}");
    }
}
