//! The page of the history as text: what stands in it, and that nothing in a line is taken for markup.

use std::collections::BTreeMap;
use std::path::Path;

use clap::Parser as _;
use load_stats::drift::Link;

use crate::cli::{Cli, Command};
use crate::history::{Line, Past, Ratio, runs_of, testing};
use crate::record::{Measure, Outcome};
use crate::report::{template, view};

const EVIL: &str = "<script>alert('1')</script>\"'><img src=x onerror=alert(2)>";

fn page(past: &Past) -> String {
    let Command::History(args) = Cli::try_parse_from(["xtask", "history"]).unwrap().command else {
        panic!("not a history")
    };
    let all = runs_of(past, &args);
    let document = view::history(
        &all,
        &past.builds(),
        &past.notices,
        Path::new("history.jsonl"),
    );
    template::fill("history.html", &document).unwrap()
}

/// 60 nights: a step of 20 % from the 41st on, and an odd one of each kind.
fn eventful() -> Past {
    let mut lines: Vec<Line> = (0..60)
        .map(|night| testing::scaled(night, if night < 40 { 1.0 } else { 1.2 }))
        .collect();
    lines[15].dirty = Some(true);
    lines[16].run_outcome = Outcome::Interrupted;
    lines[16].outcome = Outcome::Interrupted;
    lines[17].run_outcome = Outcome::Failed;
    lines[50].outcome = Outcome::Failed;
    lines[50].run_outcome = Outcome::Failed;
    let mut past = testing::of(lines);
    let mut accepted = testing::accepted("validated now");
    accepted.committed_at = "2026-01-02T12:00:00Z".into();
    past.accepted = vec![accepted];
    past
}

#[test]
fn every_metric_has_a_chart_that_names_each_run() {
    let html = page(&eventful());
    assert_eq!(html.matches("<svg class=\"chart\"").count(), 8);
    let commit = &testing::commit(15)[..9];
    for text in [
        &format!(
            "2026-01-16 02:00:00 · 4.08 ms · passed, but with uncommitted changes: no reference · {commit}+ · k6 1.1.0, server 0.1.0"
        ),
        "· interrupted ·",
        "· passed in a run that was: failed ·",
        "· failed ·",
        "its fence: 3.8",
        "beyond its fence of 3.8",
        "its fence, without a verdict",
        "<title>change of level: http_req_duration med +20",
        "<title>accepted ccccccccc, from run 3 of 60: validated now</title>",
        "▼ http_req_duration med +20",
        "<li>accepted ccccccccc, from run 3 of 60: validated now</li>",
        "<title>fence</title>",
    ] {
        assert!(html.contains(text), "{text:?} is missing");
    }
}

#[test]
fn what_differs_differs_without_colour() {
    let html = page(&eventful());
    let first = html.split("<svg class=\"chart\"").nth(1).unwrap();
    let chart = first.split("</svg>").next().unwrap();
    // One cross, three rings, and dots for the rest.
    assert_eq!(chart.matches("m-4.5 -4.5l9 9").count(), 1, "{chart}");
    assert_eq!(
        chart.matches("fill=\"var(--chart-back").count(),
        3,
        "{chart}"
    );
    assert_eq!(chart.matches("class=\"dot\"").count(), 60, "{chart}");
    assert_eq!(chart.matches("h13v9h-13z").count(), 1, "{chart}");
    assert_eq!(chart.matches("l-6 -9h12z").count(), 1, "{chart}");
}

#[test]
fn hostile_text_is_text_and_nothing_comes_from_elsewhere() {
    let mut past = eventful();
    past.accepted[0].why = EVIL.into();
    past.notices = vec![EVIL.into()];
    for entry in &mut past.entries {
        let line = &mut entry.line;
        line.commit = Some(EVIL.into());
        line.run = EVIL.into();
        line.k6_version = Some(EVIL.into());
        line.server_version = Some(EVIL.into());
        line.key.host = EVIL.into();
        line.key.profile = EVIL.into();
        line.key.url = Some(EVIL.into());
        line.key.after = vec![EVIL.into()];
    }
    let html = page(&past);
    assert!(html.contains("default-src 'none'"), "no policy");
    // As text it stands there many times; what follows is never text.
    let markup = html.replace("&lt;img src=x", "");
    for from in [
        "<script",
        "<img",
        "src=",
        "<link",
        "@import",
        "url(",
        "href=\"http",
    ] {
        assert!(!markup.contains(from), "{from}");
    }
    assert!(
        html.matches("&lt;script&gt;").count() > 60,
        "it is not shown"
    );
}

#[test]
fn no_runs_and_one_run_have_a_page() {
    let none = page(&Past::default());
    assert!(none.contains("There are no such runs"), "{none}");
    let one = page(&testing::past(1));
    assert!(
        one.contains("1 run, the newest compared with 0 references"),
        "{one}"
    );
    assert!(
        !one.contains("NaN") && one.contains("<svg class=\"chart\""),
        "{one}"
    );
}

#[test]
fn long_histories_are_cut_and_say_so() {
    let mut past = testing::past(60);
    let entries = past.entries.clone();
    for year in 0..9_u32 {
        past.entries.extend(entries.iter().map(|entry| {
            let mut entry = entry.clone();
            entry.line.run = format!("{year}-{}", entry.line.run);
            entry
        }));
    }
    let html = page(&past);
    assert!(html.contains("600 runs") && html.contains("the newest 400 are shown"));
    assert!(html.len() < 4_000_000, "{} bytes", html.len());
}

#[test]
fn builds_that_were_compared_in_a_row_are_drawn_as_one_line() {
    let link = |estimate: f64| Link {
        estimate,
        low: estimate - 0.006,
        high: estimate + 0.006,
    };
    let night = |nth: usize| Ratio {
        run: format!("{nth}-compare"),
        at: testing::line(nth).at,
        outcome: Outcome::Passed,
        base: testing::commit(nth - 1),
        head: testing::commit(nth),
        is_same: false,
        tests: BTreeMap::from([(
            "missions".to_owned(),
            BTreeMap::from([(Measure::CpuPerRequest, link(0.02))]),
        )]),
    };
    let past = Past {
        ratios: (1..=4).map(night).collect(),
        ..Past::default()
    };
    let html = page(&past);
    for text in [
        "missions from build to build",
        "+8.3 %",
        "over 4 builds, since 000000000; a drift of +8.3 % in the last 4 builds",
        "since the first · +2.0 % in ",
        "<title>95 % interval</title>",
    ] {
        assert!(html.contains(text), "{text:?} is missing: {html}");
    }
    assert_eq!(html.matches("<svg class=\"chart\"").count(), 1);
}
