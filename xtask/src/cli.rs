//! Every command-line type, and nothing else: the doc comments are the help.

mod capacity;
mod cluster;
mod compare;
mod completions;
mod history;
mod load_test;
mod manifest;
mod names;
mod output;
mod report;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use semver::Version;

use crate::config::Config;

pub use capacity::{Capacity, Search};
pub use cluster::{Cluster, ClusterAction, ClusterRun, Follow, Images, Which};
pub use compare::{Compare, DEFAULT_PAIRS, Use};
pub use completions::{Shell, completions};
pub use history::{History, HistoryAction};
pub use load_test::{DEFAULT_GRAFANA_URL, Extra, FindK6, Load, LoadTest, Running, To};
pub use manifest::{Manifest, Runners, STARTER, Spread};
pub use output::MessageFormat;
pub use report::Report;

/// Reads this process's command line; help is one of the errors.
///
/// Without `config` any name passes for a profile or a test.
///
/// # Errors
/// If there is something wrong with it: it can be printed, and has its exit code.
pub fn parse(config: Option<&Config>) -> Result<Cli, clap::Error> {
    parse_from(config, std::env::args_os())
}

/// The option that nobody here knows, as typed but for its value, if that is what is wrong.
pub fn unknown_option(error: &clap::Error) -> Option<&str> {
    match (error.kind(), error.get(ContextKind::InvalidArg)?) {
        (ErrorKind::UnknownArgument, ContextValue::String(name)) => Some(name),
        _ => None,
    }
}

pub fn parse_from<W: Into<std::ffi::OsString> + Clone>(
    config: Option<&Config>,
    words: impl IntoIterator<Item = W>,
) -> Result<Cli, clap::Error> {
    let mut command = command(config);
    let matches = command
        .try_get_matches_from_mut(words)
        .map_err(|mut error| {
            // That a value may begin with a dash is true and nobody's question.
            if error.kind() == ErrorKind::UnknownArgument {
                error.remove(ContextKind::Suggested);
            }
            error
        })?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// The command line with the profiles and tests of `config`.
fn command(config: Option<&Config>) -> clap::Command {
    // A value in the environment is nobody's business in a help that is shown to others.
    let command = Cli::command().mut_subcommands(hide_values);
    let Some(config) = config else {
        return command;
    };
    let profile = || names::profiles(config);
    let test = || names::tests(config);
    let elsewhere = |command: clap::Command| {
        command
            .mut_arg("profile", |arg| arg.value_parser(profile().or(test())))
            .mut_arg("tests", |arg| arg.value_parser(test()))
            .mut_arg("base_url", |arg| {
                arg.help("Where the runners find the server")
            })
    };
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
        .mut_subcommand("manifest", elsewhere)
        .mut_subcommand("cluster", |command| {
            command.mut_subcommand("run", elsewhere)
        })
        .mut_subcommand("capacity", |command| {
            command
                .mut_arg("tests", |arg| arg.value_parser(test()))
                .mut_arg("base_url", |arg| {
                    arg.default_value(config.table.server.base_url.clone())
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

fn version(text: &str) -> Result<Version, String> {
    let wrong = "a version has three numbers, as in 2.2.0";
    text.parse().map_err(|_| wrong.to_owned())
}

fn hide_values(command: clap::Command) -> clap::Command {
    command
        .mut_args(|arg| arg.hide_env_values(true))
        .mut_subcommands(hide_values)
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask load-test missions  is the server fast and correct under load?
  cargo xtask compare missions    is it slower than before my change?
  cargo xtask history load        how has it been night by night?

`cargo xtask COMMAND --help` tells all of a command. The guide is
load-tests/README.md.";

/// Load tests of a server, run by k6 and judged so that the result can be trusted.
#[derive(Debug, Parser)]
#[command(
    name = "xtask",
    bin_name = "cargo xtask",
    version,
    max_term_width = 80,
    after_help = EXAMPLES,
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
    /// Run load tests against the server of load-test.toml, starting it if nothing answers.
    LoadTest(Box<LoadTest>),
    /// Search for the highest load at which every threshold, check and rule of a test holds.
    Capacity(Box<Capacity>),
    /// Compare this working tree with another revision, on this machine, now.
    Compare(Box<Compare>),
    /// Write the tests for k6-operator on Kubernetes, for `kubectl create -f -`.
    Manifest(Box<Manifest>),
    /// Run the tests on Kubernetes, by k6-operator, and judge them.
    Cluster(Box<Cluster>),
    /// Show the history of the load tests, import runs from elsewhere, or accept a change.
    History(History),
    /// Write the HTML pages of a run, and the index of all runs, once more.
    Report(Report),
    /// Print what a shell needs to complete this command line, tests and profiles included.
    Completions {
        /// The shell.
        shell: Shell,
    },
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
        #[arg(value_parser = version)]
        version: Option<Version>,
    },
    /// Print the path of the k6 that a run would use; nothing is installed.
    Path,
    /// Print its version; nothing is installed.
    Version,
}
