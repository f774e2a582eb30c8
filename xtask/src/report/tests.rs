//! The reports are held against whole documents, and read as their readers read them: Markdown by a parser of GitHub's
//! dialect, JUnit as XML.

mod pages;

use std::path::Path;

use k6_summary::{CheckRow, ThresholdState, Unit};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use quick_xml::Reader;
use quick_xml::events::Event as Xml;

use super::{Document, Screen, comparison_view, junit, markdown, terminal, view};
use crate::history::Trend;
use crate::record::testing::{blocks, pair};
use crate::record::{
    Blocks, ClusterRecord, Comparison, Heard, Measure, Outcome, PastRecord, PastRow, PastState,
    RunRecord, RunnerRecord, StepOutcome, TestRecord,
};

const EVIL: &str = "<script>alert('1')</script>\"'><img src=x onerror=alert(2)>";

const HOSTILE: &str = "a|b` **c** <img src=x onerror=alert(1)>\r\n| d | ~~e~~ [f](javascript:g) ```\n::error::h @i #1 \u{0}\u{1b}[31m ]]> & \"'";

/// A run of one failed test with a threshold, and `checks` checks that are all named `name`.
fn run(name: &str, checks: usize) -> RunRecord {
    let mut run = record();
    run.outcome = Outcome::Failed;
    run.reasons = vec![format!("missions: {name}")];
    run.notices = vec![name.into()];
    for text in [
        &mut run.k6.origin,
        &mut run.host.fingerprint,
        &mut run.target.base_url,
    ] {
        *text = name.into();
    }
    let test = &mut run.tests[0];
    test.outcome = Outcome::Failed;
    test.reasons = vec![name.into()];
    test.thresholds
        .retain(|row| row.metric == "http_req_duration");
    let threshold = &mut test.thresholds[0];
    threshold.metric = name.into();
    (threshold.state, threshold.value) = (ThresholdState::Crossed, Some(712.4));
    let check = CheckRow {
        name: name.into(),
        passes: 1,
        fails: 1,
    };
    test.checks = vec![check; checks];
    test.growth.clear();
    (test.metrics, test.server_usage) = (None, None);
    for function in test.profile.iter_mut().flat_map(|it| &mut it.functions) {
        function.name = name.into();
    }
    run
}

#[test]
fn a_notice_is_left_out_only_if_a_reason_says_it_of_the_same_test() {
    let mut run = run("odd", 1);
    let of_specs = TestRecord::planned("specs", 1, Vec::new());
    run.tests.push(of_specs);
    run.reasons = vec!["missions: the server was slow".into()];
    run.notices = vec![
        "missions: the server was slow".into(),
        "specs: the server was slow".into(),
        "was slow".into(),
    ];
    let said = view::run(&run, &[], Path::new("/nonexistent")).notices;
    let said: Vec<String> = said.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["specs: the server was slow", "was slow"]);
}

fn seen(run: &RunRecord) -> Document {
    view::run(run, &[], Path::new("/nonexistent"))
}

/// The record of a real run of missions.
fn record() -> RunRecord {
    serde_json::from_str(include_str!("fixtures/run.json")).unwrap()
}

/// A metric against its past runs, with `text` for its name and its note.
fn past(text: &str) -> PastRecord {
    let row = PastRow {
        metric: Measure::try_from(text.to_owned()).unwrap_or_else(|_| Measure::p95(text)),
        unit: Unit::Milliseconds,
        value: 12.0,
        reference: Some(10.0),
        change: Some(0.2),
        fence: Some(0.15),
        state: PastState::Regression,
        note: text.into(),
    };
    PastRecord {
        have: 31,
        need: 30,
        note: text.into(),
        metrics: vec![row],
    }
}

/// A run in which each kind of row stands: a test whose durations say nothing, one that is worse than its past, and one
/// that was not run.
fn eventful() -> RunRecord {
    let mut run = record();
    run.outcome = Outcome::Failed;
    run.exit_code = 1;
    run.notices = vec!["the server injects faults".into()];
    let good = run.tests[0].clone();
    let mut hollow = good.clone();
    hollow.outcome = Outcome::Failed;
    hollow.reasons = vec!["99.6 % of requests failed; the limit is 1 %".into()];
    for row in &mut hollow.thresholds {
        if row.metric == "http_req_failed" {
            (row.state, row.value) = (ThresholdState::Crossed, Some(0.996));
        }
    }
    hollow.metrics.as_mut().unwrap().http_failed_ratio = Some(0.996);
    let mut worse = good;
    worse.name = "specs".into();
    worse.outcome = Outcome::Failed;
    worse.reasons = vec![
        "median of requests is 12 ms, 20 % above the usual 10 ms (15 % is noise)\nlog:\n  its end"
            .into(),
    ];
    worse.past = Some(past("http_req_duration med"));
    worse.checks[0].fails = 1;
    let mut skipped = TestRecord::planned("health", 1, Vec::new());
    skipped.max_vus = 10;
    let reasons = |test: &TestRecord| format!("{}: {}", test.name, test.reasons[0]);
    run.reasons = vec![reasons(&hollow), reasons(&worse)];
    run.tests = vec![hollow, worse, skipped];
    run
}

/// A run that searched for the capacity of a server, of 100 requests a second for users who pause for 0.1 s.
fn searched() -> RunRecord {
    let mut run = record();
    run.profile = "capacity".into();
    let capacity = serde_json::from_str(include_str!("fixtures/capacity.json")).unwrap();
    run.tests[0].capacity = Some(capacity);
    run
}

/// A run of four runners: two did their part, of one there is only the short form, and of one nothing. A threshold could
/// not be decided.
fn on_a_cluster() -> RunRecord {
    let mut run = record();
    (run.outcome, run.exit_code) = (Outcome::Failed, 1);
    run.cluster = Some(ClusterRecord {
        context: "kind-load".into(),
        namespace: "tests".into(),
        operator: Some("1.6.0".into()),
        image: "grafana/k6:1.1.0".into(),
        runners: 4,
        heard: 2,
    });
    let runner = |nth: u32, p95_ms| RunnerRecord {
        heard: Heard::InFull,
        node: Some(format!("node-{nth}")),
        duration_s: Some(30.0),
        requests: Some(1500),
        requests_per_second: Some(50.0 + f64::from(nth)),
        failed: Some(0),
        med_ms: Some(0.8),
        p95_ms: Some(p95_ms),
        p99_ms: Some(9.0),
        iterations: Some(500),
        ..RunnerRecord::silent(&format!("stress-{nth}"), "", Some(0))
    };
    let test = &mut run.tests[0];
    test.outcome = Outcome::Failed;
    test.runners = vec![
        runner(1, 4.0),
        runner(2, 6.0),
        RunnerRecord {
            heard: Heard::ShortForm,
            outcome: "its log was not kept".into(),
            ..runner(3, 5.0)
        },
        RunnerRecord::silent(
            "stress-4",
            "was killed for want of memory (OOMKilled)",
            Some(137),
        ),
    ];
    let mut rows = test.thresholds.iter_mut();
    let row = rows.find(|row| row.metric == "http_req_duration").unwrap();
    (row.state, row.value, row.interval) = (
        ThresholdState::Undecided,
        row.bound.map(|bound| bound - 1.3),
        row.bound.map(|bound| (bound - 3.0, bound + 2.5)),
    );
    test.reasons = vec!["only 2 of 4 runners were heard".into()];
    run.reasons = vec!["missions: only 2 of 4 runners were heard".into()];
    run
}

/// A comparison with a metric for each thing that can be made of one.
fn comparison() -> (Comparison, Blocks) {
    let pairs = (0..6).map(|nth| {
        let median = 4.0 + f64::from(nth) / 10.0;
        pair(median, median * 1.2)
    });
    let comparison = serde_json::from_str(include_str!("fixtures/compare.json")).unwrap();
    (comparison, blocks(pairs.collect()))
}

/// What a terminal of this width shows.
fn shown_on(width: Option<usize>, is_verbose: bool, document: &Document) -> String {
    let screen = Screen {
        width,
        is_verbose,
        takes_links: false,
    };
    let text = terminal(document, Path::new("/nonexistent"), screen);
    anstream::adapter::strip_str(&text).to_string()
}

/// Compares `text` with the file `name` beside the tests; `UPDATE_SNAPSHOTS=1` writes it.
#[track_caller]
fn holds(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/report/fixtures")
        .join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some_and(|value| value == "1") {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text, kept,
        "{name} differs: look, and write it anew with UPDATE_SNAPSHOTS=1"
    );
}

#[test]
fn a_step_that_was_cut_off_does_not_break_littles_law() {
    let mut run = searched();
    let law = |run: &RunRecord| {
        markdown(&seen(run))
            .unwrap()
            .matches("Little's law, at ")
            .count()
    };
    assert_eq!(law(&run), 1);
    let capacity = run.tests[0].capacity.as_mut().unwrap();
    for step in &mut capacity.steps {
        step.outcome = StepOutcome::Interrupted;
    }
    assert_eq!(law(&run), 0);
}

#[test]
fn only_what_is_a_curve_is_drawn() {
    let mut run = searched();
    let drawn = |run: &RunRecord| {
        let charts = &seen(run).sections[0].charts;
        charts
            .iter()
            .map(|it| it.title.to_string())
            .collect::<Vec<_>>()
    };
    // No request failed.
    let titles = drawn(&run).join(", ");
    assert!(
        titles.contains("Throughput") && !titles.contains("Failed"),
        "{titles}"
    );
    run.tests[0].capacity.as_mut().unwrap().steps.truncate(1);
    assert_eq!(drawn(&run), Vec::<String>::new());
}

#[test]
fn whole_documents_are_as_they_were() {
    let trends = ["", "no run before", ""].map(|note| Trend {
        values: vec![1.0, 2.0, 1.5],
        note: note.into(),
        before: None,
    });
    let folder = Path::new("/nonexistent");
    let passed = view::run(&record(), &[], folder);
    let failed = view::run(&eventful(), &trends, folder);
    let (comparison, blocks) = comparison();
    let compared = comparison_view(&comparison, &blocks, Path::new("none"));
    let mut interrupted = record();
    interrupted.outcome = Outcome::Interrupted;
    interrupted.exit_code = 130;
    interrupted.reasons = vec!["interrupted by SIGINT (Ctrl-C)".into()];
    interrupted.tests[0].outcome = Outcome::Interrupted;
    interrupted.tests[0].reasons = vec!["the run was interrupted before its end".into()];
    interrupted
        .tests
        .push(TestRecord::planned("specs", 1, Vec::new()));
    let mut unmeasured = record();
    unmeasured.outcome = Outcome::CouldNotRun;
    unmeasured.exit_code = 3;
    unmeasured.tests[0].outcome = Outcome::CouldNotRun;
    let reason = "could not be measured: other programs took 96 % of this machine's CPU time: repeat when it is idle";
    unmeasured.tests[0].reasons = vec![reason.into()];
    unmeasured.reasons = vec![format!("missions: {reason}")];
    let fault = seen(&serde_json::from_str(include_str!("fixtures/fault.json")).unwrap());
    let searched = seen(&searched());

    let cluster = seen(&on_a_cluster());
    let interrupted = seen(&interrupted);
    let unmeasured = seen(&unmeasured);
    for (name, document) in [
        ("passed", &passed),
        ("failed", &failed),
        ("fault", &fault),
        ("cluster", &cluster),
        ("compared", &compared),
        ("capacity", &searched),
        ("interrupted", &interrupted),
        ("could-not-run", &unmeasured),
    ] {
        for width in [40, 80, 120] {
            let shown = shown_on(Some(width), false, document);
            holds(&format!("{name}-{width}.txt"), &shown);
            for line in shown.lines().filter(|line| line.chars().count() > width) {
                // A word that is longer than the line stays whole.
                assert_eq!(line.split_whitespace().count(), 1, "{width}: {line}");
            }
        }
    }
    for (name, document) in [
        ("passed", passed),
        ("failed", failed),
        ("fault", fault),
        ("cluster", cluster),
        ("compared", compared),
        ("capacity", searched),
    ] {
        holds(&format!("{name}.txt"), &shown_on(None, true, &document));
        holds(&format!("{name}.md"), &markdown(&document).unwrap());
        holds(&format!("{name}.xml"), &junit(&document).unwrap());
    }
}

#[test]
fn no_row_is_red_where_the_run_is_green() {
    let mut run = record();
    let checks = &mut run.tests[0].checks;
    checks[0].fails = checks[0].passes;
    let document = seen(&run);
    let xml = junit(&document).unwrap();
    assert!(
        !xml.contains("<failure") && xml.contains("<skipped"),
        "{xml}"
    );
    run.outcome = Outcome::CouldNotRun;
    run.reasons = vec!["nothing answers".into()];
    run.tests = vec![TestRecord::planned("health", 1, Vec::new())];
    let xml = junit(&seen(&run)).unwrap();
    for part in [
        "failures=\"0\" errors=\"1\" skipped=\"1\"",
        "<error message=\"nothing answers\"",
    ] {
        assert!(xml.contains(part), "{part}: {xml}");
    }
}

#[test]
fn many_checks_are_told_by_those_that_failed() {
    let mut run = record();
    run.tests[0].checks = (0..4521)
        .map(|nth| CheckRow {
            name: format!("mission {nth} is there"),
            passes: 1,
            fails: u64::from(nth == 4000),
        })
        .collect();
    let document = seen(&run);
    for text in [
        shown_on(Some(80), true, &document),
        markdown(&document).unwrap(),
        junit(&document).unwrap(),
    ] {
        assert!(text.lines().count() < 150, "{}", text.lines().count());
        assert!(text.contains("mission 4000 is there"), "{text}");
        assert!(text.contains("and 4471 more that passed"), "{text}");
    }
}

#[test]
fn hostile_names_break_no_table() {
    let text = markdown(&seen(&run(HOSTILE, 3))).unwrap();
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let (mut rows, mut tables) = (Vec::<Vec<String>>::new(), 0);
    let mut shown = String::new();
    for event in Parser::new_ext(&text, options) {
        match event {
            Event::Start(Tag::Table(_)) => tables += 1,
            Event::Start(Tag::TableRow) => rows.push(Vec::new()),
            Event::Start(Tag::TableCell) => shown.clear(),
            Event::End(TagEnd::TableCell) => {
                if let Some(row) = rows.last_mut() {
                    row.push(shown.clone());
                }
            }
            Event::Html(html) | Event::InlineHtml(html) => assert_eq!(&*html, "<br>"),
            Event::Start(
                tag @ (Tag::Link { .. }
                | Tag::Image { .. }
                | Tag::Strikethrough
                | Tag::CodeBlock(_)),
            ) => panic!("{tag:?}"),
            Event::Text(text) => shown.push_str(&text),
            _ => {}
        }
    }
    assert_eq!(tables, 3, "overview, what was judged and measured: {text}");
    assert_eq!(rows.len(), 1 + 4 + 2);
    for function in &rows[5..] {
        assert!(
            function[3].contains("<img src=x onerror=alert(1)>"),
            "{function:?}"
        );
    }
    // A column further if a name had ended its cell; the parser itself cuts rows to the table's width.
    assert_eq!(&rows[1][1..3], ["712.4 ms", "< 500 ms"]);
    assert!(rows[1][3].ends_with("p(95)"), "{:?}", rows[1]);
    for check in &rows[2..5] {
        assert_eq!(&check[1..3], ["1 of 2", ""]);
        assert!(
            check[3].contains("<img src=x onerror=alert(1)>") && check[3].ends_with("]]> & \"'"),
            "{check:?}"
        );
    }
}

#[test]
fn a_summary_is_never_longer_than_a_comment_may_be() {
    for name in [HOSTILE, &"x".repeat(5000)] {
        let text = markdown(&seen(&run(name, 3000))).unwrap();
        assert!(text.len() < 64 * 1024, "{}", text.len());
        assert!(text.contains("run.json has all of it"));
        assert!(text.contains("❌ smoke failed: missions"));
    }
}

#[test]
fn junit_counts_what_it_holds() {
    let text = junit(&seen(&run(HOSTILE, 2))).unwrap();
    let mut reader = Reader::from_str(&text);
    let (mut cases, mut failures, mut said) = (0, 0, String::new());
    let mut declared = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Xml::Eof => break,
            Xml::Start(tag) | Xml::Empty(tag) => {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let attributes: Vec<(String, String)> = tag
                    .attributes()
                    .map(|attribute| {
                        let attribute = attribute.unwrap();
                        (text(attribute.key.as_ref()), text(&attribute.value))
                    })
                    .collect();
                match tag.name().as_ref() {
                    b"testcase" => cases += 1,
                    b"failure" => failures += 1,
                    _ => declared.extend(attributes),
                }
            }
            Xml::Text(text) => said.push_str(&text.decode().unwrap()),
            _ => {}
        }
    }
    // The verdict, a threshold, two checks, twice: for all suites and for the one.
    assert_eq!((cases, failures), (4, 4));
    for name in ["tests", "failures"] {
        let counts = declared.iter().filter(|(known, _)| known == name);
        assert!(counts.clone().count() == 2 && counts.clone().all(|(_, count)| count == "4"));
    }
    assert!(!text.contains(['\u{0}', '\u{1b}']));
    assert!(said.contains("::error::h @i"), "{said}");
}
