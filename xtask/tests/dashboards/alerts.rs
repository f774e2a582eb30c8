//! The alert rules: what Grafana would make of them, and whether they fire when they are to.

use serde_json::Value;

use crate::check::Filled;
use crate::files::{dashboards, list, text};
use crate::load::{name, now};
use crate::promql::{Values, fill};
use crate::setup::yaml;
use crate::support::Done;

/// An hour in seconds.
const HOUR: f64 = 3600.0;

/// The groups of rules.
fn groups() -> Vec<Value> {
    list(&yaml("provisioning/alerting/tachikoma.yaml")["groups"]).to_vec()
}

/// What is wrong with the rules after real runs, a line for each: `last` was the last of its profile, and that of another
/// profile failed.
pub fn wrong(filled: &Filled<'_>, last: &Done) -> Vec<String> {
    let now = now();
    let mut wrong = Vec::new();
    let mut fires = |title: &str, at: f64| -> Vec<String> {
        let groups = groups();
        let mut rules = groups.iter().flat_map(|group| list(&group["rules"]));
        let rule = rules.find(|rule| rule["title"] == title).unwrap();
        let expr = text(&rule["data"][0]["model"]["expr"]);
        // No variable is known to an alert.
        let expr = fill(expr, &Values::new()).unwrap();
        wrong.extend(filled.inventory.unknown(&expr));
        let result = filled.prometheus.query(&expr, at).unwrap();
        let firing = result
            .iter()
            .filter(|it| text(&it["value"][1]).parse::<f64>().unwrap() > 0.0);
        firing
            .map(|it| text(&it["metric"]["testid"]).to_owned())
            .collect()
    };
    let missing = [0.0, 25.9, 26.1].map(|hours| fires("no run for 26 h", now + hours * HOUR).len());
    let failed = fires("last run failed", now);
    let ago = fires("last run failed", now + 9.0 * 24.0 * HOUR);
    if missing != [0, 0, 1] {
        wrong.push(format!(
            "no run for 26 h fires at 0, 25.9, 26.1 h: {missing:?}"
        ));
    }
    // A busy machine may have failed the last smoke run as well: then it is to be told of, else not.
    let is_told = failed.contains(&name(last));
    if is_told != (last.code != Some(0)) || failed.len() != 1 + usize::from(is_told) {
        wrong.push(format!(
            "last run failed: {failed:?}, the smoke run ended with {:?}",
            last.code
        ));
    }
    if !ago.is_empty() {
        wrong.push(format!("runs of last week are told of: {ago:?}"));
    }
    wrong
}

#[test]
fn rules_fit_the_data_source_the_folder_and_the_dashboards() {
    let groups = groups();
    let folder = &yaml("provisioning/dashboards/tachikoma.yaml")["providers"][0]["folder"];
    let source = &yaml("provisioning/datasources/prometheus.yaml")["datasources"][0]["uid"];
    let mut uids = Vec::new();
    for rule in groups.iter().flat_map(|group| {
        assert_eq!(group["folder"], *folder);
        list(&group["rules"])
    }) {
        uids.push(text(&rule["uid"]));
        let [asked, judged] = list(&rule["data"]) else {
            panic!("{rule}");
        };
        assert_eq!(asked["datasourceUid"], *source);
        assert_eq!(judged["datasourceUid"], "__expr__");
        assert_eq!(judged["model"]["expression"], asked["refId"]);
        assert_eq!(rule["condition"], judged["refId"]);
        // `$labels` in a label would be taken for a variable of Grafana's environment; in an annotation it is not.
        assert!(!rule["labels"].to_string().contains('$'), "{rule}");
        let link = text(&rule["annotations"]["description"]);
        let (_, link) = link.split_once("/d/").unwrap();
        let uid = link.split('?').next().unwrap();
        assert!(dashboards().iter().any(|it| it.json["uid"] == uid), "{uid}");
        assert!(uid.len() <= 40 && text(&rule["uid"]).len() <= 40, "{rule}");
    }
    assert_eq!(uids, ["tachikoma-no-run", "tachikoma-last-run-failed"]);
}
