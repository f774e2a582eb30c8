//! Where the results of a run or comparison go, and what is printed of them.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::load_test::{given, group, path};

/// Where results go, and what is printed of them.
#[derive(Debug, Default, Args)]
pub struct Output {
    /// Where the results go [default: load-tests/results].
    #[arg(help_heading = group::RESULTS, long, value_name = "DIR", env = "TACHIKOMA_RESULTS", value_parser = path())]
    pub results: Option<PathBuf>,

    /// Also write the verdicts as JUnit XML, which most CI systems show.
    #[arg(help_heading = group::RESULTS, long, value_name = "PATH", value_parser = path())]
    pub junit: Option<PathBuf>,

    /// Print every threshold, check and figure of each test, not just what failed.
    #[arg(help_heading = group::RESULTS, long, short)]
    pub verbose: bool,

    /// What standard output carries: a report for people, or the record of the whole (run.json or compare.json) alone.
    #[arg(help_heading = group::RESULTS, long, value_name = "FORMAT", value_enum, default_value_t = MessageFormat::Human)]
    pub message_format: MessageFormat,
}

impl Output {
    /// Where the JUnit report goes, if anywhere.
    pub fn junit(&self) -> Option<&Path> {
        given(self.junit.as_ref())
    }

    /// The results folder that is given, if one is.
    pub fn results(&self) -> Option<&Path> {
        given(self.results.as_ref())
    }
}

/// What standard output carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum MessageFormat {
    /// Text for people.
    #[default]
    Human,
    /// JSON, and nothing else.
    Json,
}
