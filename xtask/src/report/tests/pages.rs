//! The pages as text: what stands in them, and that nothing in a record is taken for markup.

use std::path::Path;

use super::{EVIL, comparison, comparison_view, eventful, on_a_cluster, past, record};
use crate::history::Trend;
use crate::record::{RunRecord, RunnerRecord, SampledRecord};
use crate::report::index::index_page;
use crate::report::runs::{FoundRun, Runs};
use crate::report::{template, view};

fn page(run: &RunRecord) -> String {
    page_of(run, Path::new("/nonexistent"))
}

fn page_of(run: &RunRecord, folder: &Path) -> String {
    template::fill("report.html", view::run(run, &[], folder)).unwrap()
}

#[test]
fn the_verdict_and_its_reasons_come_first() {
    let mut run = record();
    run.reasons = vec!["missions: it was slow".into()];
    run.notices = vec!["the disk was full".into()];
    let html = page(&run);
    let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text}: {html}"));
    assert!(at("<h1>") < at("missions: it was slow"));
    assert!(at("missions: it was slow") < at("the disk was full"));
    assert!(at("the disk was full") < at("mission_create_duration"));
    for text in [
        "http_req_duration p(95)",
        "Mission CRUD › create status is 201",
        "memory growth",
        &run.host.cpu,
        &run.revision.as_ref().unwrap().commit,
        "cargo xtask load-test",
        "k6 wrote no dashboard export",
    ] {
        at(text);
    }
}

#[test]
fn runners_stand_below_all_together_with_those_that_are_lost() {
    let html = page(&on_a_cluster());
    let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text}: {html}"));
    at("Runners: 2 of 4 heard; p95 from 4 ms to 6 ms (1.5 times)");
    assert!(at("together") < at("stress-4") && at("stress-4") < at("stress-1"));
    at("OOMKilled");
    at("certainly 497–502.5 ms; undecided: --exact decides");
    at("2 of 4 runners heard, context kind-load, namespace tests, k6-operator 1.6.0");
    assert!(!page(&record()).contains("Runners:"));
}

#[test]
fn nothing_comes_from_elsewhere() {
    let html = page(&record());
    assert!(html.contains("default-src 'none'"), "no policy");
    for from in ["src=", "<link", "<script", "@import", "url("] {
        assert!(!html.contains(from), "{from}");
    }
    assert!(!html.contains("href=\"http"));
}

#[test]
fn hostile_text_is_text_wherever_it_stands() {
    let mut run = record();
    run.reasons = vec![EVIL.into()];
    run.notices = vec![EVIL.into()];
    run.command = Some(EVIL.into());
    run.k6.origin = EVIL.into();
    run.k6_args = vec![EVIL.into()];
    run.host.cpu = EVIL.into();
    run.host.fingerprint = EVIL.into();
    run.target.base_url = EVIL.into();
    let revision = run.revision.as_mut().unwrap();
    revision.branch = Some(EVIL.into());
    revision.commit = EVIL.into();
    let test = &mut run.tests[0];
    test.reasons = vec![EVIL.into()];
    test.k6_exit = Some(EVIL.into());
    test.checks[0].name = EVIL.into();
    test.thresholds[0].metric = EVIL.into();
    test.growth[0].note = EVIL.into();
    test.past = Some(past(EVIL));
    test.runners = vec![RunnerRecord {
        node: Some(EVIL.into()),
        ..RunnerRecord::silent(EVIL, EVIL, None)
    }];
    let html = page(&run);
    assert!(
        !html.contains("<script") && !html.contains("<img"),
        "{html}"
    );
    assert!(html.matches("&lt;script&gt;").count() >= 15, "{html}");
    run.profile = EVIL.into();
    run.tests[0].name = EVIL.into();
    let index = index_page(
        &Runs {
            found: vec![FoundRun {
                folder: EVIL.into(),
                record: run,
                has_page: true,
            }],
            skipped: vec![EVIL.into()],
        },
        Vec::new(),
    )
    .unwrap();
    assert!(
        !index.contains("<script") && !index.contains("<img"),
        "{index}"
    );
    assert!(index.contains("&lt;script&gt;"));
}

#[test]
fn the_past_is_shown_with_its_fence() {
    let mut run = record();
    run.tests[0].past = Some(past("http_req_duration"));
    let html = page(&run);
    for text in [
        "+20.0 %",
        "±15.0 %",
        "31 comparable runs",
        "worse, and worse again when measured once more",
    ] {
        assert!(html.contains(text), "{text}");
    }
}

#[test]
fn what_failed_comes_first_and_what_passed_is_folded() {
    let mut run = eventful();
    let mut good = record().tests.remove(0);
    good.name = "sound".into();
    run.tests.insert(0, good);
    let html = page(&run);
    let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text}: {html}"));
    assert!(at("id=\"test-2\"") < at("id=\"test-1\""));
    assert!(at("href=\"#test-2\"") < at("href=\"#test-1\""));
    assert!(html.contains("<details>\n  <summary><h2>sound"), "{html}");
    // The only test there is stays open, and what is wrong with it is said once.
    let mut only = record();
    assert!(page(&only).contains("<details open>"));
    only.tests[0].reasons = vec!["it broke".into()];
    only.reasons = vec!["missions: it broke".into()];
    assert_eq!(page(&only).matches("it broke").count(), 1);
}

#[test]
fn tables_have_captions_and_scopes_and_no_dashes_for_what_is_not_known() {
    let (compared, blocks) = comparison();
    let compared = comparison_view(&compared, &blocks, Path::new("none"));
    let compared = template::fill("report.html", compared).unwrap();
    for html in [page(&eventful()), compared] {
        assert_eq!(
            html.matches("<th ").count(),
            html.matches("<th scope=").count()
        );
        assert!(!html.contains("<th>"), "{html}");
        let tables = html.matches("<table class=\"cards").count();
        assert!(
            tables > 1 && html.matches("<caption").count() == tables,
            "{html}"
        );
        assert!(!html.contains(">–</td>"), "{html}");
    }
}

#[test]
fn a_comparison_has_the_interval_of_each_metric_on_one_line_with_the_worst_first() {
    let (compared, blocks) = comparison();
    let judged = compared.tests[0]
        .metrics
        .iter()
        .filter(|it| it.evidence.is_some())
        .count();
    let html = comparison_view(&compared, &blocks, Path::new("none"));
    let html = template::fill("report.html", html).unwrap();
    let forests: Vec<&str> = html.split("<svg class=\"forest\"").skip(1).collect();
    assert_eq!(forests.len(), judged);
    assert!(
        forests[0].contains("changed by +20.0 %, between +15.0 % and +25.4 %"),
        "{}",
        forests[0]
    );
    let marks: Vec<&str> = html.split("<td class=\"mark ").skip(1).collect();
    let tones: Vec<&str> = marks[..4]
        .iter()
        .map(|it| it.split('-').next().unwrap())
        .collect();
    assert_eq!(tones, ["bad", "none", "none", "good"]);
}

#[test]
fn the_curves_of_the_run_before_lie_behind_and_errors_have_their_status() {
    let dir = tempfile::tempdir().unwrap();
    let run = record();
    for name in ["before", "now"] {
        let test = dir.path().join(name).join(&run.tests[0].name);
        std::fs::create_dir_all(&test).unwrap();
        std::fs::write(test.join("report.html"), dashboard()).unwrap();
    }
    let trend = Trend {
        before: Some("before".into()),
        ..Trend::default()
    };
    let with = |trends: &[Trend]| {
        let view = view::run(&run, trends, &dir.path().join("now"));
        template::fill("report.html", view).unwrap()
    };
    let html = with(&[trend]);
    assert_eq!(
        html.matches("class=\"before\"").count(),
        2,
        "latency and requests"
    );
    let errors = html.split("<b>Errors by status</b>").nth(1).unwrap();
    let errors = errors.split("</figure>").next().unwrap();
    assert!(
        errors.contains("</svg>500</li>") && !errors.contains("</svg>200</li>"),
        "{errors}"
    );
    for title in ["WebSocket sessions", "Opening a WebSocket"] {
        assert!(html.contains(&format!("<b>{title}</b>")), "{title}");
    }
    assert!(!with(&[]).contains("class=\"before\""));
}

#[test]
fn a_soak_of_seventy_minutes_stays_small() {
    let dir = tempfile::tempdir().unwrap();
    let run = soak(dir.path());
    let html = page_of(&run, dir.path());
    assert!(html.len() < 2_000_000, "{} bytes", html.len());
    assert!(
        html.matches("<svg class=\"chart\"").count() >= 6,
        "charts are missing"
    );
    assert!(html.contains("Server memory"));
}

/// A soak of four tests of 70 minutes each with a sample a second, and k6's values each 10 s.
fn soak(dir: &Path) -> RunRecord {
    use std::fmt::Write as _;
    let mut run = record();
    run.profile = "soak".into();
    let mut csv = String::from("elapsed_s,rss_bytes,cpu_s,threads,open_files\n");
    for second in 0..4 * 4200 {
        let rss = 12_000_000 + second * 311 + second % 13 * 40_960;
        let _ = writeln!(
            csv,
            "{second}.003,{rss},{:.6},6,24",
            f64::from(second) * 0.0123
        );
    }
    std::fs::write(dir.join("server-usage.csv"), csv).unwrap();
    let test = run.tests.pop().unwrap();
    run.tests = (0..4_u32)
        .map(|nth| {
            let mut test = test.clone();
            test.name = format!("test{nth}");
            test.duration_s = Some(4200.0);
            test.sampled = Some(SampledRecord {
                from_s: f64::from(nth) * 4200.0,
                to_s: f64::from(nth + 1) * 4200.0,
                from_unix_ms: 0.0,
            });
            std::fs::create_dir(dir.join(&test.name)).unwrap();
            std::fs::write(dir.join(&test.name).join("report.html"), dashboard()).unwrap();
            test
        })
        .collect();
    run
}

/// A dashboard's export as k6 writes it, with 420 periods.
fn dashboard() -> String {
    use base64::Engine as _;
    use std::io::Write as _;
    let mut events = String::from(
        "{\"event\":\"param\",\"data\":{\"aggregates\":{\"counter\":[\"count\",\"rate\"],\"gauge\":[\"value\"],\"rate\":[\"rate\"],\"trend\":[\"avg\",\"max\",\"med\",\"min\",\"p(90)\",\"p(95)\",\"p(99)\"]}}}\n{\"event\":\"start\",\"data\":[[0]]}\n{\"event\":\"metric\",\"data\":{\"http_req_duration\":{\"type\":\"trend\"},\"http_req_failed\":{\"type\":\"rate\"},\"http_reqs\":{\"type\":\"counter\"},\"http_reqs{status:200}\":{\"type\":\"counter\"},\"http_reqs{status:500}\":{\"type\":\"counter\"},\"time\":{\"type\":\"gauge\"},\"vus\":{\"type\":\"gauge\"},\"ws_connecting\":{\"type\":\"trend\"},\"ws_sessions\":{\"type\":\"counter\"}}}\n",
    );
    for period in 1..=420_u32 {
        let ms = 1.0 + f64::from(period * 7919 % 100) / 50.0;
        events += &format!(
            "{{\"event\":\"snapshot\",\"data\":[[{ms},{},{ms},{ms},{ms},{},{}],[0],[{},9],[80,8],[10,1],[{}],[10],[1,2,1,1,1,1,2],[5,1]]}}\n",
            ms * 9.0,
            ms * 2.0,
            ms * 3.0,
            90 + period % 7,
            period * 10_000
        );
    }
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(events.as_bytes()).unwrap();
    let packed = base64::prelude::BASE64_STANDARD.encode(packer.finish().unwrap());
    format!("<script id=\"data\" type=\"application/json\">{packed}</script>")
}
