//! The end of a run: everything is written that can be. A file that cannot be written is said, and never outranks the
//! verdict; only a run without its `run.json` has not been kept.

use std::path::Path;

use anyhow::Context as _;

use super::{Run, begin};
use crate::cli::MessageFormat;
use crate::history::{Past, Trend};
use crate::record::{self, Outcome, RunFolder, RunRecord};
use crate::secret::Secret;
use crate::shell::interrupt::{self, Interrupted};
use crate::{github, history, report, secret, ui};

/// Where the results of a run go, and what of them is shown.
pub struct Keeping<'a> {
    /// The run's folder.
    pub folder: &'a RunFolder,
    /// The folder of all results.
    pub results: &'a Path,
    /// What must stand in none of them.
    pub key: &'a Secret,
    /// What past runs say, if that was read.
    pub before: Option<&'a Past>,
    /// Where the JUnit report goes, if anywhere.
    pub junit: Option<&'a Path>,
    /// What standard output carries.
    pub format: MessageFormat,
    /// Whether everything is shown.
    pub verbose: bool,
}

impl Run<'_> {
    /// Settles the outcome, writes the results and prints the report; returns the exit code.
    ///
    /// # Errors
    /// The error that ended the run, if one did; that `run.json` cannot be written.
    pub(super) fn conclude(mut self, measured: anyhow::Result<()>) -> anyhow::Result<u8> {
        let error = measured.err().filter(|error| !error.is::<Interrupted>());
        begin::settle(&mut self.record, error.as_ref(), interrupt::pending());
        self.close_prometheus();
        let keeping = Keeping {
            folder: &self.folder,
            results: &self.plan.results,
            key: &self.plan.key,
            before: self.before.as_ref(),
            junit: self.args.output.junit(),
            format: self.args.output.message_format,
            verbose: self.args.output.verbose,
        };
        conclude(self.record, &keeping, error)
    }

    /// Says a notice, and keeps it with the run.
    pub(super) fn say(&mut self, notice: String) {
        say(&mut self.record, notice);
    }
}

/// Writes the results of a run that is settled and prints the report; returns the exit code.
///
/// # Errors
/// The `error` that ended the run, if one did; that `run.json` cannot be written.
pub fn conclude(
    mut record: RunRecord,
    keeping: &Keeping<'_>,
    error: Option<anyhow::Error>,
) -> anyhow::Result<u8> {
    match record::scrub(&keeping.folder.path, keeping.key) {
        Ok(notices) => record.notices.extend(notices),
        Err(problem) => say(&mut record, format!("{problem:#}")),
    }
    let (document, kept) = keep(&mut record, keeping);
    let printed = match keeping.format {
        MessageFormat::Json => json(&record).and_then(|json| Ok(ui::print_data(&json)?)),
        MessageFormat::Human if error.is_none() => {
            let screen = report::Screen::of_stdout(keeping.verbose);
            let report = report::terminal(&document, &keeping.folder.path, screen);
            Ok(ui::print(&report)?)
        }
        MessageFormat::Human => Ok(()),
    };
    if let Err(problem) = printed.context("failed to write the report to standard output") {
        ui::notice(&format!("{problem:#}"));
    }
    match error {
        Some(error) => Err(error),
        None => kept.map(|()| record.exit_code),
    }
}

/// Writes everything that is kept of the run, and returns its report.
///
/// # Errors
/// If `run.json` cannot be written; all else is tried even so.
fn keep(record: &mut RunRecord, keeping: &Keeping<'_>) -> (report::Document, anyhow::Result<()>) {
    let folder = keeping.folder;
    match history::append(keeping.results, record) {
        Ok(None) => {}
        Ok(Some(notice)) => say(record, notice),
        Err(problem) => say(
            record,
            format!("{problem:#}: the run is missing from the history"),
        ),
    }
    let none = Past::default();
    let trends = Trend::of_run(keeping.before.unwrap_or(&none), record);
    let document = report::run_view(record, &trends, &folder.path);
    for problem in report::write_pages(&document, &folder.path, keeping.junit) {
        say(record, problem);
    }
    if let Err(problem) = folder.point_latest() {
        say(record, format!("{problem:#}"));
    }
    // Last of all but the index, so that it has every notice.
    let kept = json(record).and_then(|json| folder.write("run.json", json.as_bytes()));
    if kept.is_err() {
        record.outcome = Outcome::CouldNotRun;
        record.exit_code = crate::error::COULD_NOT_RUN;
    }
    for problem in report::write_index(keeping.results) {
        ui::notice(&problem);
    }
    github::hand_over(&document, &folder.path);
    (document, kept)
}

/// Says a notice, and keeps it with the run.
fn say(record: &mut RunRecord, notice: String) {
    ui::notice(&notice);
    record.notices.push(notice);
}

fn json(record: &RunRecord) -> anyhow::Result<String> {
    let text = serde_json::to_string_pretty(record).context("failed to write run.json")?;
    Ok(secret::hide_in(Path::new("run.json"), &format!("{text}\n")).into_owned())
}
