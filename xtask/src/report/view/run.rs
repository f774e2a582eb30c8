//! What a report says of a load test.

use std::path::Path;

use super::{Document, Link, Table, Tone, capacity, lines, outcome, scales, section, test, took};
use crate::history::Trend;
use crate::record::{Revision, RunRecord, ServerKind};
use crate::report::over_time::Usage;
use crate::report::text::Text;

/// The report of `run`, whose files are in `folder`; `trends` are those of the tests, in their order.
pub fn run(run: &RunRecord, trends: &[Trend], folder: &Path) -> Document {
    let usage = Usage::read(&folder.join("server-usage.csv"));
    let took = took(run.duration_s);
    let tests = run.tests.iter().enumerate();
    Document {
        subject: run.profile.as_str().into(),
        is_comparison: false,
        outcome: run.outcome,
        tone: Tone::of(run.outcome),
        verdict: outcome(run.outcome).into(),
        title: title(run),
        line: format!(
            "{} · load for {took} · exit code {}",
            run.started_at, run.exit_code
        )
        .into(),
        reasons: lines(&run.reasons),
        notices: notices(run),
        remarks: history_remarks(run, trends),
        overview: capacity::overview(&run.tests).unwrap_or_else(|| Table {
            title: "Tests".into(),
            heads: test::OVERVIEW,
            rows: run.tests.iter().map(test::overview).collect(),
            ..Table::default()
        }),
        sections: tests
            .map(|(nth, test)| section(test, trends.get(nth), folder, usage.as_ref()))
            .collect(),
        facts: facts(run),
        repeat: repeat(run),
        links: links(run, folder),
        dashboard: dashboard(run),
        at: run.started_at.as_str().into(),
        seconds: run.duration_s,
    }
}

/// What was run, in a few words.
pub fn title(run: &RunRecord) -> Text {
    let tests: Vec<_> = run.tests.iter().map(|test| test.name.as_str()).collect();
    let (tests, scales) = (tests.join(", "), scales(run.time_scale, run.vus_scale));
    format!("{} {tests}{scales} on {}", run.profile, run.target.base_url).into()
}

/// What may explain a result, but for what a reason says already.
fn notices(run: &RunRecord) -> Vec<Text> {
    let said = run.notices.iter().map(|notice| {
        let of_test = notice.split_once(": ");
        let of_test = of_test.filter(|(name, _)| run.tests.iter().any(|test| test.name == *name));
        of_test.map_or((None, notice.as_str()), |(name, note)| (Some(name), note))
    });
    // A whole sentence, of this test if the notice is about one: another test's may end in the same words.
    let is_new = |test: Option<&str>, note: &str| {
        let sentence = |reason: &str| match reason.split_once(": ") {
            Some((of, said)) => said == note && test.is_none_or(|test| test == of),
            None => false,
        };
        let mut reasons = run.reasons.iter();
        !reasons.any(|reason| sentence(reason) || (test.is_none() && reason == note))
    };
    once(said.filter(|(test, note)| is_new(*test, note)))
}

/// What is to be said of the history.
fn history_remarks(run: &RunRecord, trends: &[Trend]) -> Vec<Text> {
    let notes = run.tests.iter().zip(trends).flat_map(|(test, trend)| {
        let short = test.past.as_ref().filter(|past| past.have < past.need);
        let past = short.map(|past| past.note.as_str());
        let notes = past.into_iter().chain([trend.note.as_str()]);
        notes.map(|note| (Some(test.name.as_str()), note))
    });
    once(notes.filter(|(_, note)| !note.is_empty()))
}

/// Each sentence once, with the tests that it is about.
fn once<'a>(all: impl Iterator<Item = (Option<&'a str>, &'a str)>) -> Vec<Text> {
    let mut said: Vec<(&str, Vec<&str>)> = Vec::new();
    for (test, note) in all {
        match said.iter_mut().find(|(known, _)| *known == note) {
            Some((_, names)) => names.extend(test),
            None => said.push((note, test.into_iter().collect())),
        }
    }
    let text = |(note, names): (&str, Vec<&str>)| match names.is_empty() {
        true => Text::lines(note),
        false => Text::lines(&format!("{}: {note}", names.join(", "))),
    };
    said.into_iter().map(text).collect()
}

/// Links to the run's files, and to its dashboard if there is one.
fn links(run: &RunRecord, folder: &Path) -> Vec<Link> {
    let names = ["run.json", "summary.md", "server.log", "server-usage.csv"];
    let files = files(folder, "", &names.map(|name| (name, name)));
    let dashboard = dashboard(run).map(|link| (link, "Grafana".into()));
    files.into_iter().chain(dashboard).collect()
}

/// The dashboard of a run. A run.json may come from anywhere: nothing that runs code is linked.
fn dashboard(run: &RunRecord) -> Option<Text> {
    let link = run.dashboard.as_ref()?;
    let is_web = link.starts_with("http://") || link.starts_with("https://");
    is_web.then(|| link.into())
}

/// Links to those of `names` that exist in `below`, a folder of `folder`.
pub fn files(folder: &Path, below: &str, names: &[(&str, &str)]) -> Vec<Link> {
    let there = names
        .iter()
        .filter(|(name, _)| folder.join(below).join(name).is_file());
    let link = |(name, text): &(&str, &str)| {
        let path = Path::new(below).join(name);
        (path.to_string_lossy().as_ref().into(), (*text).into())
    };
    there.map(link).collect()
}

fn dirty(revision: &Revision, words: &'static str) -> &'static str {
    if revision.dirty { words } else { "" }
}

/// What the numbers need beside them to mean anything.
fn facts(run: &RunRecord) -> Vec<(&'static str, Text)> {
    let host = &run.host;
    let gib = host.memory_bytes as f64 / f64::from(1 << 30);
    let revision = run.revision.as_ref().map(|revision| {
        let branch = revision.branch.as_ref();
        let branch = branch.map_or_else(String::new, |branch| format!(" on {branch}"));
        let dirty = dirty(revision, ", with uncommitted changes");
        format!("{}{branch}{dirty}", revision.commit)
    });
    let server = run.server.as_ref().map(|server| {
        let kind = match server.kind {
            ServerKind::StartedHere => "started here",
            ServerKind::Url => "was already running",
        };
        let faults = if server.faults {
            ", injecting faults"
        } else {
            ""
        };
        format!("{} ({kind}{faults})", server.version)
    });
    let cluster = run.cluster.as_ref().map(|it| {
        let operator = it.operator.as_ref();
        let operator = operator.map_or_else(String::new, |version| format!(" {version}"));
        let text = format!(
            "{} of {} runners heard, context {}, namespace {}, k6-operator{operator}, {}",
            it.heard, it.runners, it.context, it.namespace, it.image
        );
        ("cluster", text.into())
    });
    let or_unknown = |known: Option<String>| known.unwrap_or_else(|| "unknown".into());
    let facts = [
        ("started", run.started_at.clone()),
        ("run", run.run.clone()),
        ("revision", or_unknown(revision)),
        ("target", run.target.base_url.clone()),
        ("server", or_unknown(server)),
        ("k6", format!("{}, {}", run.k6.version, run.k6.origin)),
        (
            "host",
            format!(
                "{}, {} cores, {gib:.1} GiB, {}",
                host.cpu, host.cores, host.os
            ),
        ),
        (
            "ended",
            format!("server and watch after {:.1} s", run.teardown_s),
        ),
    ];
    let facts = facts.map(|(name, fact)| (name, fact.into()));
    facts.into_iter().chain(cluster).collect()
}

/// The commands that make such a run once more.
fn repeat(run: &RunRecord) -> Vec<Text> {
    let switch = run.revision.as_ref().map(|revision| {
        let note = dirty(
            revision,
            "  # and its uncommitted changes, which are not kept",
        );
        format!("git switch --detach {}{note}", revision.commit).into()
    });
    let command = run.command.clone().unwrap_or_else(|| {
        let tests: Vec<_> = run.tests.iter().map(|test| test.name.as_str()).collect();
        let mut line = format!("cargo xtask load-test {} {}", run.profile, tests.join(" "));
        if run.time_scale != 1.0 {
            line += &format!(" --time-scale {}", run.time_scale);
        }
        if run.vus_scale != 1.0 {
            line += &format!(" --vus-scale {}", run.vus_scale);
        }
        if !run.k6_args.is_empty() {
            line += &format!(" -- {}", run.k6_args.join(" "));
        }
        line
    });
    switch.into_iter().chain([Text::lines(&command)]).collect()
}
