//! The lines in the panels are the thresholds of the scripts, and all of them.

use serde_json::Value;

use crate::files::{Dashboard, dashboards, list, text};
use crate::thresholds::{Threshold, of_the_scripts};

/// The lines of a panel, in seconds or as a share of one.
fn lines(panel: &Value) -> Vec<f64> {
    let config = &panel["fieldConfig"];
    let scale = if config["defaults"]["unit"] == "ms" {
        1000.0
    } else {
        1.0
    };
    let overrides = list(&config["overrides"]).iter();
    let of_fields = overrides
        .flat_map(|it| list(&it["properties"]))
        .filter(|property| property["id"] == "thresholds")
        .map(|property| &property["value"]);
    let all = std::iter::once(&config["defaults"]["thresholds"]).chain(of_fields);
    // The first step has no value: it is the colour below all lines.
    all.flat_map(|thresholds| list(&thresholds["steps"]))
        .filter_map(|step| step["value"].as_f64())
        .map(|value| value / scale)
        .collect()
}

/// Whether `panel` draws lines at its thresholds.
pub fn draws(panel: &Value) -> bool {
    let style = &panel["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"];
    !["", "off"].contains(&text(style))
}

/// What differs between `thresholds` and the lines of `dashboards`, a line for each.
fn differences(thresholds: &[Threshold], dashboards: &[Dashboard]) -> Vec<String> {
    let mut wrong = Vec::new();
    let panels = dashboards.iter().flat_map(Dashboard::panels);
    let panels: Vec<_> = panels.filter(|panel| draws(panel)).collect();
    for threshold in thresholds {
        let draws = |panel: &&Value| lines(panel).contains(&threshold.bound);
        if !panels
            .iter()
            .any(|panel| threshold.is_about(panel) && draws(panel))
        {
            wrong.push(format!("no panel has the line of {threshold:?}"));
        }
    }
    for panel in panels {
        let about = thresholds.iter().filter(|it| it.is_about(panel));
        let bounds: Vec<_> = about.map(|threshold| threshold.bound).collect();
        let lines = lines(panel);
        // A line of another test alone would mislead, and so would a bound that is left out.
        for line in lines.iter().filter(|line| !bounds.contains(line)) {
            wrong.push(format!(
                "{}: the line at {line} is no threshold",
                panel["title"]
            ));
        }
        for bound in bounds.iter().filter(|bound| !lines.contains(bound)) {
            wrong.push(format!("{}: without a line at {bound}", panel["title"]));
        }
    }
    wrong
}

#[test]
fn lines_are_the_thresholds_of_the_scripts() {
    let thresholds = of_the_scripts();
    assert!(thresholds.len() >= 12, "{thresholds:?}");
    let wrong = differences(&thresholds, &dashboards());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
