//! Every command-line type, and nothing else: the doc comments are the help.

mod compare;
mod history;
mod load_test;
mod manifest;
mod names;
mod report;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use semver::Version;

use crate::config::Config;

pub use compare::{Compare, Use};
pub use history::{History, HistoryAction};
pub use load_test::{DEFAULT_GRAFANA_URL, FindK6, Load, LoadTest, MessageFormat};
pub use manifest::{Manifest, Spread};
pub use report::Report;

/// Reads this process's command line; help, and what is wrong with it, end the process as clap does.
///
/// Without `config` any name passes for a profile or a test.
pub fn parse(config: Option<&Config>) -> Cli {
    parse_from(config, std::env::args_os()).unwrap_or_else(|error| error.exit())
}

fn parse_from<W: Into<std::ffi::OsString> + Clone>(
    config: Option<&Config>,
    words: impl IntoIterator<Item = W>,
) -> Result<Cli, clap::Error> {
    let mut command = command(config);
    let matches = command.try_get_matches_from_mut(words)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// The command line with the profiles and tests of `config`.
fn command(config: Option<&Config>) -> clap::Command {
    let command = Cli::command();
    let Some(config) = config else {
        return command;
    };
    let profile = || names::profiles(config);
    let test = || names::tests(config);
    command
        .mut_subcommand("load-test", |command| {
            command
                .mut_arg("profile", |arg| arg.value_parser(profile().or(test())))
                .mut_arg("tests", |arg| arg.value_parser(test()))
                .mut_arg("base_url", |arg| {
                    arg.default_value(config.table.server.base_url.clone())
                })
                // An argument that is changed goes to the end, and this one is to stay behind those.
                .mut_arg("k6_args", |arg| arg)
        })
        .mut_subcommand("manifest", |command| {
            command
                .mut_arg("profile", |arg| arg.value_parser(profile().or(test())))
                .mut_arg("tests", |arg| arg.value_parser(test()))
                .mut_arg("base_url", |arg| {
                    arg.help("Where the runners find the server")
                })
        })
        .mut_subcommand("compare", |command| {
            command.mut_arg("tests", |arg| arg.value_parser(test()))
        })
        .mut_subcommand("history", |command| {
            command
                .mut_arg("profile", |arg| arg.value_parser(profile()))
                .mut_arg("test", |arg| arg.value_parser(test()))
                .mut_subcommand("accept", |command| {
                    command.mut_arg("tests", |arg| arg.value_parser(test()))
                })
        })
}

/// Load tests of a server, run by k6 and judged so that the result can be trusted.
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
    /// Run load tests against the server of load-test.toml, starting it if nothing healthy answers.
    LoadTest(Box<LoadTest>),
    /// Compare this working tree with another revision, on this machine, now.
    Compare(Box<Compare>),
    /// Write the tests for k6-operator on Kubernetes, for `kubectl create -f -`.
    Manifest(Box<Manifest>),
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
