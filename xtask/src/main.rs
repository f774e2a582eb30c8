//! `cargo xtask`: the orchestrator of the load tests.

mod actions;
mod capacity;
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
    let cli = match cli::parse(config.as_ref().ok()) {
        Ok(cli) => cli,
        Err(error) => return wrong(&error),
    };
    let runs_load = matches!(
        cli.command,
        Command::LoadTest(_) | Command::Capacity(_) | Command::Cluster(_) | Command::Compare(_)
    );
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

/// Says what is wrong with the command line; an option that is k6's is told where it belongs.
fn wrong(error: &clap::Error) -> ExitCode {
    let words: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let k6s = cli::unknown_option(error).filter(|_| words[0] == "load-test");
    match k6s.and_then(|name| k6::belongs_after(&words, name)) {
        Some(said) => {
            ui::error(&said);
            USAGE.into()
        }
        None => error.exit(),
    }
}

fn dispatch(cli: Cli, root: &Path, config: Result<Config, UsageError>) -> anyhow::Result<u8> {
    match cli.command {
        Command::LoadTest(args) => load_test::run(&args, root, &config?),
        Command::Capacity(args) => load_test::capacity(&args, root, &config?),
        Command::Compare(args) => compare::run(&args, root, &config?),
        Command::Manifest(args) => cluster::manifest(&args, root, &config?),
        Command::Cluster(args) => cluster::cluster(&args, root, &config?),
        Command::History(args) => report::history(&args, root, &config?),
        Command::Report(args) => report::report(&args, root),
        Command::Completions { shell } => {
            ui::print_data(&cli::completions(shell, &config?))?;
            Ok(0)
        }
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
