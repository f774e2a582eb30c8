//! The end of a run: everything is written that can be. A file that cannot be written is said, and never outranks the
//! verdict; only a run without its `run.json` has not been kept.

use std::path::Path;

use anyhow::Context as _;

use super::{Run, begin};
use crate::cli::MessageFormat;
use crate::record::{self, Outcome};
use crate::shell::interrupt::{self, Interrupted};
use crate::{github, history, report, secret, ui};

impl Run<'_> {
    /// Settles the outcome, writes the results and prints the report; returns the exit code.
    ///
    /// # Errors
    /// The error that ended the run, if one did; that `run.json` cannot be written.
    pub(super) fn conclude(mut self, measured: anyhow::Result<()>) -> anyhow::Result<u8> {
        let error = measured.err().filter(|error| !error.is::<Interrupted>());
        begin::settle(&mut self.record, error.as_ref(), interrupt::pending());
        self.close_prometheus();
        match record::scrub(&self.folder.path, &self.plan.key) {
            Ok(notices) => self.record.notices.extend(notices),
            Err(problem) => self.say(format!("{problem:#}")),
        }
        let (document, kept) = self.keep();
        let printed = match self.args.message_format {
            MessageFormat::Json => self.json().and_then(|json| Ok(ui::print_data(&json)?)),
            MessageFormat::Human if error.is_none() => {
                let screen = report::Screen::of_stdout(self.args.verbose);
                let report = report::terminal(&document, &self.folder.path, screen);
                Ok(ui::print(&report)?)
            }
            MessageFormat::Human => Ok(()),
        };
        if let Err(problem) = printed.context("failed to write the report to standard output") {
            ui::notice(&format!("{problem:#}"));
        }
        match error {
            Some(error) => Err(error),
            None => kept.map(|()| self.record.exit_code),
        }
    }

    /// Writes everything that is kept of the run, and returns its report.
    ///
    /// # Errors
    /// If `run.json` cannot be written; all else is tried even so.
    fn keep(&mut self) -> (report::Document, anyhow::Result<()>) {
        match history::append(&self.plan.results, &self.record) {
            Ok(None) => {}
            Ok(Some(notice)) => self.say(notice),
            Err(problem) => self.say(format!("{problem:#}: the run is missing from the history")),
        }
        let document = report::run_view(&self.record, &self.trends(), &self.folder.path);
        for problem in report::write_pages(&document, &self.folder.path, self.args.junit()) {
            self.say(problem);
        }
        if let Err(problem) = self.folder.point_latest() {
            self.say(format!("{problem:#}"));
        }
        // Last of all but the index, so that it has every notice.
        let kept = self
            .json()
            .and_then(|json| self.folder.write("run.json", json.as_bytes()));
        if kept.is_err() {
            self.record.outcome = Outcome::CouldNotRun;
            self.record.exit_code = crate::error::COULD_NOT_RUN;
        }
        for problem in report::write_index(&self.plan.results) {
            ui::notice(&problem);
        }
        github::hand_over(&document, &self.folder.path);
        (document, kept)
    }

    /// Says a notice, and keeps it with the run.
    pub(super) fn say(&mut self, notice: String) {
        ui::notice(&notice);
        self.record.notices.push(notice);
    }

    fn json(&self) -> anyhow::Result<String> {
        let text =
            serde_json::to_string_pretty(&self.record).context("failed to write run.json")?;
        Ok(secret::hide_in(Path::new("run.json"), &format!("{text}\n")).into_owned())
    }
}
