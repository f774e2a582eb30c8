//! `cargo xtask`: the orchestrator of Tachikoma's load tests.

mod cli;
mod compare;
mod git;
mod github;
mod history;
mod http;
mod interrupt;
mod k6;
mod load_test;
mod lock;
mod log_file;
mod plan;
mod process;
mod prometheus;
mod report;
mod results;
mod secret;
mod server;
mod target;
mod ui;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};
use interrupt::Interrupted;

/// The command line is wrong in a way that clap cannot see.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

const USAGE: u8 = 2;
const COULD_NOT_RUN: u8 = 3;

fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == process::GUARDIAN)
    {
        process::guard();
        return ExitCode::SUCCESS;
    }
    let cli = Cli::parse();
    let runs_load = matches!(cli.command, Command::LoadTest(_) | Command::Compare(_));
    match dispatch(cli) {
        Ok(code) => code.into(),
        Err(error) => {
            ui::error(&format!("{error:#}"));
            if runs_load {
                github::gave_up(verdict(&error), &format!("{error:#}"));
            }
            exit_code(&error).into()
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<u8> {
    let root = root();
    match cli.command {
        Command::LoadTest(args) => load_test::run(&args, &root),
        Command::Compare(args) => compare::run(&args, &root),
        Command::History(args) => history::run(&args, &root),
        Command::Report(args) => report::report(&args, &root),
        Command::K6 { action, find } => {
            interrupt::listen()?;
            k6::command(
                &action.unwrap_or(k6::Action::Path),
                &find.wanted(&target_dir(&root)),
                &mut ui::tell,
            )
            .map(|()| 0)
        }
    }
}

/// The exit code for a run that ended with an error, as `--help` documents it.
fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
        return interrupted.exit_code();
    }
    if error.is::<UsageError>() {
        USAGE
    } else {
        COULD_NOT_RUN
    }
}

/// The word for other steps, for a run that ended with an error.
fn verdict(error: &anyhow::Error) -> &'static str {
    if error.is::<Interrupted>() {
        "interrupted"
    } else {
        "could_not_run"
    }
}

/// The repository: where cargo says that this package is, else where it was built.
fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package = package.filter(|dir| dir.join("../load-tests/main.js").is_file());
    let package = package.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    package.parent().map_or(package.clone(), Path::to_owned)
}

/// Where build output and our own k6 go.
fn target_dir(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir))
}
