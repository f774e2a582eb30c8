//! `cargo xtask`: the orchestrator of the load tests.

mod actions;
mod cli;
mod cluster;
mod compare;
mod config;
mod error;
mod github;
mod history;
mod http;
mod k6;
mod load_test;
mod measure;
mod plan;
mod profile;
mod prometheus;
mod record;
mod repo;
mod report;
mod secret;
mod server;
mod shell;
mod ui;

use std::path::Path;
use std::process::ExitCode;

use cli::{Cli, Command};
use config::Config;
use error::{COULD_NOT_RUN, USAGE, UsageError};
use shell::interrupt::{self, Interrupted};

fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == shell::GUARDIAN)
    {
        shell::guard();
        return ExitCode::SUCCESS;
    }
    if let Ok(key) = std::env::var("API_KEY") {
        secret::keep(&secret::Secret::new(key));
    }
    let root = repo::root();
    let config = Config::load(&root);
    let cli = cli::parse(config.as_ref().ok());
    let runs_load = matches!(cli.command, Command::LoadTest(_) | Command::Compare(_));
    match dispatch(cli, &root, config) {
        Ok(code) => code.into(),
        Err(error) => {
            ui::error(&format!("{error:#}"));
            if runs_load {
                github::hand_over_error(verdict(&error), &format!("{error:#}"));
            }
            exit_code(&error).into()
        }
    }
}

fn dispatch(cli: Cli, root: &Path, config: Result<Config, UsageError>) -> anyhow::Result<u8> {
    match cli.command {
        Command::LoadTest(args) => load_test::run(&args, root, &config?),
        Command::Compare(args) => compare::run(&args, root, &config?),
        Command::Manifest(args) => cluster::manifest(&args, root, &config?),
        Command::History(args) => report::history(&args, root, &config?),
        Command::Report(args) => report::report(&args, root),
        Command::K6 { action, find } => {
            interrupt::listen()?;
            k6::command(
                &action.unwrap_or(cli::K6Action::Path),
                &k6::FindOptions::new(&find, &repo::target_dir(root)),
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
