//! `cargo xtask k6`.

use std::io::Write as _;

use anyhow::Context as _;

use super::K6;
use super::find::{FindOptions, ensure};
use super::own_copy::install;
use super::sources::Sources;
use crate::cli::K6Action as Action;

/// Does `action` and prints the answer alone on standard output.
///
/// # Errors
/// If there is no k6 to be had; if an interruption arrives; if standard output is closed.
pub fn command(action: &Action, wanted: &FindOptions<'_>) -> anyhow::Result<()> {
    let line = answer(action, wanted)?;
    writeln!(std::io::stdout(), "{line}").context("failed to write to standard output")
}

fn answer(action: &Action, wanted: &FindOptions<'_>) -> anyhow::Result<String> {
    let path = |k6: K6| k6.path.display().to_string();
    let without_installing = FindOptions {
        may_install: false,
        ..*wanted
    };
    match action {
        Action::Install { version: None } => ensure(wanted).map(path),
        Action::Install { version } => install(
            version.as_ref(),
            &wanted.folder(),
            &Sources::of_this_machine()?,
            Vec::new(),
        )
        .map(path),
        Action::Path => ensure(&without_installing).map(path),
        Action::Version => ensure(&without_installing).map(|k6| k6.version.to_string()),
    }
}
