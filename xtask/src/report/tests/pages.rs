//! The pages as text: what stands in them, and that nothing in a record is taken for markup.

use std::path::Path;

use super::{EVIL, past, record};
use crate::record::{RunRecord, SampledRecord};
use crate::report::index::index_page;
use crate::report::runs::{Found, Runs};
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
    let html = page(&run);
    assert!(
        !html.contains("<script") && !html.contains("<img"),
        "{html}"
    );
    assert!(html.matches("&lt;script&gt;").count() >= 12, "{html}");
    run.profile = EVIL.into();
    run.tests[0].name = EVIL.into();
    let index = index_page(
        &Runs {
            found: vec![Found {
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
        "worse, and so when measured once more",
    ] {
        assert!(html.contains(text), "{text}");
    }
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
        "{\"event\":\"param\",\"data\":{\"aggregates\":{\"counter\":[\"count\",\"rate\"],\"gauge\":[\"value\"],\"rate\":[\"rate\"],\"trend\":[\"avg\",\"max\",\"med\",\"min\",\"p(90)\",\"p(95)\",\"p(99)\"]}}}\n{\"event\":\"start\",\"data\":[[0]]}\n{\"event\":\"metric\",\"data\":{\"http_req_duration\":{\"type\":\"trend\"},\"http_req_failed\":{\"type\":\"rate\"},\"http_reqs\":{\"type\":\"counter\"},\"time\":{\"type\":\"gauge\"},\"vus\":{\"type\":\"gauge\"}}}\n",
    );
    for period in 1..=420_u32 {
        let ms = 1.0 + f64::from(period * 7919 % 100) / 50.0;
        events += &format!(
            "{{\"event\":\"snapshot\",\"data\":[[{ms},{},{ms},{ms},{ms},{},{}],[0],[{},9],[{}],[10]]}}\n",
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
