//! Writing the reports: a run's and a comparison's files, `index.html` of all runs, and the command that does it again.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;

use super::index::index_page;
use super::runs::{self, Runs};
use super::view::Document;
use super::{junit, open, template, view};
use crate::cli::Report;
use crate::error::UsageError;
use crate::history::{self, Past, Trend};
use crate::record::write_whole;
use crate::{config, ui};

/// The most that `summary.md` has, in bytes: what a comment on GitHub holds, with room for what others add.
const MAX_SUMMARY: usize = 60 * 1024;

/// The report as Markdown, no longer than GitHub takes.
///
/// # Errors
/// If the template does not fit, which is a mistake of ours.
pub fn markdown(document: &Document) -> anyhow::Result<String> {
    let mut out = template::fill("summary.md", document)?;
    if out.len() <= MAX_SUMMARY {
        return Ok(out);
    }
    let end = out.as_bytes()[..MAX_SUMMARY]
        .iter()
        .rposition(|byte| *byte == b'\n');
    out.truncate(end.map_or(0, |at| at + 1));
    if out.matches("```").count() % 2 == 1 {
        out.push_str("```\n");
    }
    if out.matches("<details>").count() > out.matches("</details>").count() {
        out.push_str("\n</details>\n");
    }
    out.push_str("\nCut here, since it is too long for GitHub: run.json has all of it.\n");
    Ok(out)
}

/// Writes `summary.md` and `report.html` into `folder`, and the JUnit report if one is wanted. Whatever can be written
/// is; returns a sentence for each that could not.
pub fn write_pages(document: &Document, folder: &Path, wanted: Option<&Path>) -> Vec<String> {
    let write = |path: &Path, text: anyhow::Result<String>| {
        let text = text.with_context(|| format!("{} is not written", path.display()))?;
        write_whole(path, text.as_bytes())
    };
    let page = template::fill("report.html", document);
    let mut written = vec![
        write(&folder.join("summary.md"), markdown(document)),
        write(&folder.join("report.html"), page),
    ];
    written.extend(wanted.map(|path| write(path, junit(document)).context("the JUnit report")));
    let problems = written.into_iter().filter_map(Result::err);
    problems.map(|error| format!("{error:#}")).collect()
}

/// Writes `index.html` into the results folder; returns what had to be left out of it, and whether it could be written.
pub fn write_index(results: &Path) -> Vec<String> {
    let runs = Runs::read(results);
    // Without a history there is nothing that was accepted.
    let past = history::read(&history::history_path(results), SystemTime::now());
    let accepted = past.map(|past| past.accepted).unwrap_or_default();
    let written = index_page(&runs, accepted)
        .and_then(|page| write_whole(&results.join("index.html"), page.as_bytes()));
    let skipped = runs.skipped.iter();
    let skipped = skipped.map(|skipped| format!("left out of index.html: {skipped}"));
    skipped
        .chain(written.err().map(|error| format!("{error:#}")))
        .collect()
}

/// `cargo xtask report`: writes the pages again and says where they are.
///
/// # Errors
/// If there is no such run, or its page cannot be written. With `--all`, runs that cannot be read are only named.
pub fn report(args: &Report, root: &Path) -> anyhow::Result<u8> {
    let results = args
        .results()
        .map_or_else(|| config::results(root), Path::to_owned);
    let past = |results: &Path| history::read(&history::history_path(results), SystemTime::now());
    let shown = if args.all {
        let past = past(&results)?;
        for found in Runs::read(&results).found {
            if let Err(error) = rebuild(&results.join(found.folder), &past) {
                ui::notice(&format!("{error:#}"));
            }
        }
        results.join("index.html")
    } else {
        let folder = folder(&results, args.run.as_deref().unwrap_or(Path::new("latest")))?;
        rebuild(&folder, &past(folder.parent().unwrap_or(&folder))?)?;
        folder.join("report.html")
    };
    if !results.is_dir() {
        return Err(UsageError(format!(
            "there are no results in {}: `cargo xtask load-test` makes some",
            results.display()
        ))
        .into());
    }
    for problem in write_index(&results) {
        ui::notice(&problem);
    }
    ui::print(&format!("{}\n", shown.display())).context("failed to write to standard output")?;
    if args.open {
        open(&shown.display().to_string());
    }
    Ok(0)
}

fn rebuild(folder: &Path, past: &Past) -> anyhow::Result<()> {
    let run = runs::read(folder).map_err(|why| anyhow::anyhow!("{}: {why}", folder.display()))?;
    let document = view::run(&run, &Trend::of_run(past, &run), folder);
    let problems = write_pages(&document, folder, None);
    anyhow::ensure!(problems.is_empty(), "{}", problems.join("; "));
    Ok(())
}

/// The folder of the run that is meant: a path, or a name in the results folder.
fn folder(results: &Path, run: &Path) -> Result<PathBuf, UsageError> {
    let named = results.join(run);
    let found = [named.as_path(), run]
        .into_iter()
        .find(|path| path.join("run.json").is_file());
    let found = found.map(|path| path.canonicalize().unwrap_or_else(|_| path.to_owned()));
    found.ok_or_else(|| {
        UsageError(format!(
            "there is no run {}: neither {} nor {} has a run.json; `ls {}` shows the runs",
            run.display(),
            named.display(),
            run.display(),
            results.display()
        ))
    })
}
