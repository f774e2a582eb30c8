//! The lines in the panels are the thresholds of the scripts, and all of them.

use std::collections::BTreeSet;

use crate::files::{Dashboard, Panel, dashboards, list, text};
use crate::thresholds::{Threshold, of_the_scripts, threshold};

/// The lines of a panel, in seconds or as a share of one.
fn lines(panel: Panel<'_>) -> Vec<f64> {
    let config = &panel.json["fieldConfig"];
    let unit = text(&config["defaults"]["unit"]);
    let overrides = list(&config["overrides"]).iter();
    let of_fields = overrides
        .flat_map(|it| list(&it["properties"]))
        .filter(|property| property["id"] == "thresholds")
        .map(|property| &property["value"]);
    let steps = std::iter::once(&config["defaults"]["thresholds"])
        .chain(of_fields)
        .flat_map(|thresholds| list(&thresholds["steps"]));
    // The first step has no value: it is the colour below all lines.
    let values = steps.filter_map(|step| step["value"].as_f64());
    values
        .map(|value| match unit {
            "ms" => value / 1000.0,
            _ => value,
        })
        .collect()
}

/// Whether `panel` draws lines at its thresholds.
pub fn draws(panel: Panel<'_>) -> bool {
    let style = &panel.json["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"];
    !["", "off"].contains(&text(style))
}

/// What differs between `thresholds` and the lines of `dashboards`, a line for each.
fn differences(thresholds: &[Threshold], dashboards: &[Dashboard]) -> Vec<String> {
    let mut wrong = Vec::new();
    let panels: Vec<_> = dashboards
        .iter()
        .flat_map(|dashboard| {
            dashboard
                .panels()
                .into_iter()
                .map(move |panel| (dashboard, panel))
        })
        .filter(|(_, panel)| panel.has_data() && draws(*panel))
        .collect();
    for threshold in thresholds {
        let drawn = panels.iter().any(|(_, panel)| {
            threshold.is_about(*panel) && lines(*panel).contains(&threshold.bound)
        });
        if !drawn {
            wrong.push(format!("no panel has the line of {threshold:?}"));
        }
    }
    for (dashboard, panel) in panels {
        let place = format!("{}, panel {:?}", dashboard.file, panel.title());
        let about: Vec<_> = thresholds.iter().filter(|it| it.is_about(panel)).collect();
        let lines = lines(panel);
        for line in &lines {
            if !about.iter().any(|threshold| threshold.bound == *line) {
                wrong.push(format!("{place}: a line at {line} that is no threshold"));
            }
        }
        // A line of another test alone would mislead, and so would a bound that is left out.
        for threshold in about {
            if !lines.contains(&threshold.bound) {
                wrong.push(format!("{place}: without the line of {threshold:?}"));
            }
        }
    }
    wrong
}

#[test]
fn lines_are_the_thresholds_of_the_scripts() {
    let thresholds = of_the_scripts();
    let names: BTreeSet<_> = thresholds.iter().map(|it| &it.metric).collect();
    assert!(names.len() >= 9, "{thresholds:?}");
    let wrong = differences(&thresholds, &dashboards());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn made_up(unit: &str, line: f64, expr: &str) -> Dashboard {
    crate::files::made_up(serde_json::json!({"panels": [{
        "type": "timeseries",
        "title": "a",
        "targets": [{"expr": expr}],
        "fieldConfig": {"defaults": {
            "unit": unit,
            "custom": {"thresholdsStyle": {"mode": "dashed"}},
            "thresholds": {"steps": [{"color": "green", "value": null}, {"color": "red", "value": line}]},
        }},
    }]}))
}

#[test]
fn another_bound_is_seen_from_both_sides() {
    let expr = "histogram_quantile(0.99, sum(rate(k6_http_req_duration_seconds{expected_response=\"true\"}[$__rate_interval])))";
    let bound = threshold(
        None,
        "http_req_duration{expected_response:true}",
        "p(99)<1500",
    );
    let rate = threshold(None, "errors", "rate<0.01");
    for (threshold, unit, line, expr, differs) in [
        (&bound, "s", 1.5, expr, 0),
        (&bound, "ms", 1500.0, expr, 0),
        // No panel has it, a line that is none, and this panel should have it.
        (&bound, "s", 1.4, expr, 3),
        (&bound, "ms", 1.5, expr, 3),
        // Another percentile, all responses, another metric.
        (&bound, "s", 1.5, &expr.replace("0.99", "0.95"), 2),
        (
            &bound,
            "s",
            1.5,
            &expr.replace("expected_response=\"true\"", ""),
            2,
        ),
        (&bound, "s", 1.5, &expr.replace("duration", "waiting"), 2),
        (&rate, "percentunit", 0.01, "max(k6_errors_rate)", 0),
        (&rate, "percentunit", 0.05, "max(k6_errors_rate)", 3),
    ] {
        let seen = differences(
            std::slice::from_ref(threshold),
            &[made_up(unit, line, expr)],
        );
        assert_eq!(seen.len(), differs, "{unit} {line} {expr}: {seen:?}");
    }
}
