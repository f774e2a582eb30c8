//! `report.html`: one run on one page.

use std::path::Path;
use std::time::Duration;

use minijinja::Value;
use serde::Serialize;

use super::words::{Badge, badge};
use super::{page, test};
use crate::k6::short;
use crate::record::RunRecord;
use crate::report::rows;
use crate::report::usage::Usage;

#[derive(Serialize)]
struct Page<'a> {
    #[serde(flatten)]
    verdict: Badge,
    title: String,
    took: String,
    run: &'a RunRecord,
    tests: Vec<test::Part>,
    facts: Vec<(&'static str, String)>,
    repeat: Vec<String>,
    links: Vec<Link>,
}

/// A link to a file beside the page.
#[derive(Debug, Serialize)]
pub struct Link {
    /// Where to, relative to the page.
    pub href: String,
    /// What it says.
    pub text: &'static str,
}

/// Writes the page for `run`, whose files are in `folder`.
///
/// # Errors
/// If the template does not fit, which is a mistake of ours. Files that are missing or cannot be read are not: the page
/// says so, or leaves them out.
pub fn run_page(run: &RunRecord, folder: &Path) -> anyhow::Result<String> {
    let usage = Usage::read(&folder.join("server-usage.csv"));
    let tests = run
        .tests
        .iter()
        .map(|it| test::part(it, folder, usage.as_ref()))
        .collect();
    page(
        "run.html",
        Page {
            verdict: badge(run.outcome),
            title: rows::title(run),
            took: short(Duration::try_from_secs_f64(run.duration_s).unwrap_or_default()),
            run,
            tests,
            facts: facts(run),
            repeat: repeat(run),
            links: all_links(run, folder),
        },
    )
}

/// Links to the run's files, and to its dashboard if there is one.
fn all_links(run: &RunRecord, folder: &Path) -> Vec<Link> {
    let files = [
        ("run.json", "run.json"),
        ("summary.md", "summary.md"),
        ("server.log", "server.log"),
        ("server-usage.csv", "server-usage.csv"),
    ];
    let mut all = links(folder, "", &files);
    // A run.json may come from anywhere: nothing that runs code is linked.
    let web = |link: &&String| link.starts_with("http://") || link.starts_with("https://");
    all.extend(run.dashboard.as_ref().filter(web).map(|link| Link {
        href: link.clone(),
        text: "Grafana",
    }));
    all
}

/// Links to those of `files` that exist.
pub fn links(folder: &Path, below: &str, files: &[(&str, &'static str)]) -> Vec<Link> {
    let there = files
        .iter()
        .filter(|(name, _)| folder.join(below).join(name).is_file());
    let href = |name: &str| {
        if below.is_empty() {
            name.to_owned()
        } else {
            format!("{below}/{name}")
        }
    };
    there
        .map(|(name, text)| Link {
            href: href(name),
            text,
        })
        .collect()
}

/// What a number needs beside it to mean anything.
fn facts(run: &RunRecord) -> Vec<(&'static str, String)> {
    let host = &run.host;
    let gib = host.memory_bytes as f64 / f64::from(1 << 30);
    let mut out = vec![("run", run.run.clone())];
    if let Some(revision) = &run.revision {
        let branch = revision
            .branch
            .as_ref()
            .map(|branch| format!(" on {branch}"))
            .unwrap_or_default();
        let dirty = if revision.dirty {
            ", with uncommitted changes"
        } else {
            ""
        };
        out.push(("revision", format!("{}{branch}{dirty}", revision.commit)));
    }
    out.push(("target", run.target.base_url.clone()));
    if let Some(server) = &run.server {
        let kind = serde_json::to_value(server.kind).ok();
        let kind = kind
            .as_ref()
            .and_then(|kind| kind.as_str())
            .unwrap_or_default()
            .replace('_', " ");
        let faults = if server.faults {
            ", injecting faults"
        } else {
            ""
        };
        out.push(("server", format!("{} ({kind}{faults})", server.version)));
    }
    out.push(("k6", format!("{}, {}", run.k6.version, run.k6.origin)));
    out.push((
        "host",
        format!(
            "{}, {} cores, {gib:.1} GiB, {}",
            host.cpu, host.cores, host.os
        ),
    ));
    out.push((
        "ended",
        format!("server and watch after {:.1} s", run.teardown_s),
    ));
    out
}

/// The commands that make such a run once more.
fn repeat(run: &RunRecord) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(revision) = &run.revision {
        let note = if revision.dirty {
            "  # and its uncommitted changes, which are not kept"
        } else {
            ""
        };
        out.push(format!("git switch --detach {}{note}", revision.commit));
    }
    out.push(run.command.clone().unwrap_or_else(|| {
        let tests: Vec<_> = run.tests.iter().map(|test| test.name.as_str()).collect();
        let scale = if run.time_scale == 1.0 {
            String::new()
        } else {
            format!(" --time-scale {}", run.time_scale)
        };
        let args = if run.k6_args.is_empty() {
            String::new()
        } else {
            format!(" -- {}", run.k6_args.join(" "))
        };
        format!(
            "cargo xtask load-test {} {}{scale}{args}",
            run.profile,
            tests.join(" ")
        )
    }));
    out
}

/// No markup.
pub fn nothing() -> Value {
    super::safe(String::new())
}
