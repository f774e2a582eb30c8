//! The reports are read as their readers read them: Markdown by a parser of GitHub's dialect, JUnit as XML.

use k6_summary::{CheckRow, ThresholdRow, ThresholdState, Unit};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use quick_xml::Reader;
use quick_xml::events::Event as Xml;

use super::{junit, markdown};
use crate::history::Trend;
use crate::record::{Host, K6Record, Outcome, RunRecord, SCHEMA_VERSION, TargetRecord, TestRecord};

const HOSTILE: &str = "a|b` **c** <img src=x onerror=alert(1)>\r\n| d | ~~e~~ [f](javascript:g) ```\n::error::h @i #1 \u{0}\u{1b}[31m ]]> & \"'";

/// A run of one failed test with a threshold, and `checks` checks that are all named `name`.
fn run(name: &str, checks: usize) -> RunRecord {
    let mut test = TestRecord::planned("health", 1, Vec::new());
    test.outcome = Outcome::Failed;
    test.reasons = vec![name.into()];
    test.duration_s = Some(30.0);
    test.thresholds = vec![ThresholdRow {
        metric: name.into(),
        expression: "p(95)<500".into(),
        aggregation: Some("p(95)".into()),
        operator: Some("<".into()),
        bound: Some(500.0),
        value: Some(712.4),
        unit: Unit::Milliseconds,
        state: ThresholdState::Crossed,
        note: None,
    }];
    let check = CheckRow {
        name: name.into(),
        passes: 1,
        fails: 1,
    };
    test.checks = vec![check; checks];
    RunRecord {
        schema_version: SCHEMA_VERSION,
        run: "2026-11-23T02-00-00Z-smoke".into(),
        outcome: Outcome::Failed,
        command: None,
        exit_code: 1,
        reasons: vec![format!("health: {name}")],
        notices: vec![name.into()],
        started_at: "2026-11-23T02:00:00Z".into(),
        duration_s: 31.0,
        teardown_s: 0.1,
        profile: "smoke".into(),
        time_scale: 1.0,
        k6_args: Vec::new(),
        target: TargetRecord {
            base_url: "http://localhost:3000".into(),
            ws_url: "ws://localhost:3000/ws".into(),
        },
        k6: K6Record {
            version: "1.1.0".into(),
            origin: name.into(),
        },
        dashboard: None,
        server: None,
        revision: None,
        host: Host {
            cpu: name.into(),
            cores: 2,
            memory_bytes: 0,
            os: name.into(),
            fingerprint: name.into(),
        },
        tests: vec![test],
    }
}

#[test]
fn hostile_names_break_no_table() {
    let text = markdown(&run(HOSTILE, 3), &[Trend::default()]);
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
    assert_eq!(tables, 2, "overview, and what was judged: {text}");
    assert_eq!(rows.len(), 1 + 4);
    // A column further if a name had ended its cell; the parser itself cuts rows to the table's width.
    assert_eq!(&rows[1][1..3], ["712.4 ms", "< 500 ms"]);
    assert!(rows[1][3].ends_with("p(95)"), "{:?}", rows[1]);
    for check in &rows[2..] {
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
        let text = markdown(&run(name, 3000), &[Trend::default()]);
        assert!(text.len() < 64 * 1024, "{}", text.len());
        assert!(text.contains("run.json has all of it"));
        assert!(text.contains("❌ smoke: failed"));
    }
}

#[test]
fn junit_counts_what_it_holds() {
    let text = junit(&run(HOSTILE, 2)).unwrap();
    let mut reader = Reader::from_str(&text);
    let (mut cases, mut failures, mut said) = (0, 0, String::new());
    let mut declared = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Xml::Eof => break,
            Xml::Start(tag) | Xml::Empty(tag) => {
                let attributes: Vec<(String, String)> = tag
                    .attributes()
                    .map(|attribute| {
                        let attribute = attribute.unwrap();
                        let name = attribute.key.as_ref().to_owned();
                        let value = attribute.value.into_owned();
                        (name, value)
                    })
                    .collect();
                match tag.name().as_ref() {
                    "testcase" => cases += 1,
                    "failure" => failures += 1,
                    _ => declared.extend(attributes),
                }
            }
            Xml::Text(text) => said.push_str(&text),
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
