//! Writing the pages: `report.html` of a run, `index.html` of all, and the command that does it again.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;

use super::html::{index_page, run_page};
use super::past_runs::{self, PastRuns};
use super::{markdown, open};
use crate::cli::Report;
use crate::error::UsageError;
use crate::history::{self, Past, Trend};
use crate::record::{RunRecord, write_whole};
use crate::ui;

/// Writes `report.html` into the run's folder.
///
/// # Errors
/// If it cannot be written; the message names it.
pub fn write_run_page(folder: &Path, run: &RunRecord) -> anyhow::Result<()> {
    write_whole(
        &folder.join("report.html"),
        run_page(run, folder)?.as_bytes(),
    )
}

/// Writes `index.html` into the results folder, and returns what had to be left out of it.
///
/// # Errors
/// If it cannot be written; the message names it.
pub fn write_index(results: &Path) -> anyhow::Result<Vec<String>> {
    let past = PastRuns::read(results);
    write_whole(&results.join("index.html"), index_page(&past)?.as_bytes())?;
    Ok(past.skipped)
}

/// `cargo xtask report`: writes the pages again and says where they are.
///
/// # Errors
/// If there is no such run, or a page cannot be written. With `--all`, runs that cannot be read are only named.
pub fn report(args: &Report, root: &Path) -> anyhow::Result<u8> {
    let results = args
        .results()
        .map_or_else(|| root.join("load-tests/results"), Path::to_owned);
    let shown = if args.all {
        let past = past(&results)?;
        for name in PastRuns::read(&results)
            .runs
            .iter()
            .map(|found| &found.folder)
        {
            if let Err(error) = rebuild(&results.join(name), &past) {
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
    for skipped in write_index(&results)? {
        ui::notice(&format!("left out of index.html: {skipped}"));
    }
    ui::print(&format!("{}\n", shown.display())).context("failed to write to standard output")?;
    if args.open {
        open(&shown.display().to_string());
    }
    Ok(0)
}

/// The history beside the runs in `results`.
fn past(results: &Path) -> anyhow::Result<Past> {
    history::read(&history::history_path(results), SystemTime::now())
}

fn rebuild(folder: &Path, past: &Past) -> anyhow::Result<()> {
    let run =
        past_runs::read(folder).map_err(|why| anyhow::anyhow!("{}: {why}", folder.display()))?;
    write_run_page(folder, &run)?;
    let trends = Trend::of_run(past, &run);
    write_whole(
        &folder.join("summary.md"),
        markdown(&run, &trends).as_bytes(),
    )
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
