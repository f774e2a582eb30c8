//! Every command-line type, and nothing else: the doc comments are the help.

mod compare;
mod history;
mod load_test;
mod report;

use clap::{Parser, Subcommand};

use semver::Version;

pub use compare::Compare;
pub use history::{History, HistoryAction};
pub use load_test::{
    DEFAULT_BASE_URL, DEFAULT_GRAFANA_URL, FindK6, LoadTest, MessageFormat, Profile, TestArg,
};
pub use report::Report;

/// Load tests for Tachikoma's API server, run by k6 and judged so that the result can be trusted.
#[derive(Debug, Parser)]
#[command(
    name = "xtask",
    bin_name = "cargo xtask",
    version,
    max_term_width = 100,
    subcommand_required = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run load tests against tachikoma-server, starting it if nothing healthy answers.
    LoadTest(Box<LoadTest>),
    /// Compare this working tree with another revision, on this machine, now.
    Compare(Box<Compare>),
    /// Show the past of the load tests, take over runs from elsewhere, or accept a change.
    History(History),
    /// Write the HTML pages of a run, and the index of all runs, once more.
    Report(Report),
    /// Find or install the load generator, k6.
    K6 {
        /// What to do with it; `path` if left out.
        #[command(subcommand)]
        action: Option<K6Action>,
        /// Options for finding it.
        #[command(flatten)]
        find: FindK6,
    },
}

/// What `cargo xtask k6` does.
#[derive(Debug, Clone, Subcommand)]
pub enum K6Action {
    /// Install the pinned k6 under target/ unless a usable one is found, and print its path.
    Install {
        /// Install our own copy of this pinned version, whatever else is found.
        version: Option<Version>,
    },
    /// Print the path of the k6 that a run would use; nothing is installed.
    Path,
    /// Print its version; nothing is installed.
    Version,
}
