//! `cargo xtask history`: shows the past as a table, as JSON or as a page, and has it changed.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;

use super::text::Text;
use super::{template, terminal, view};
use crate::cli::{History, HistoryAction, MessageFormat};
use crate::config::Config;
use crate::history;
use crate::record::write_whole;
use crate::ui;

/// Does what the command line says.
///
/// # Errors
/// If the history cannot be read or written to, the page cannot be written, or a revision or folder is not known.
pub fn history(args: &History, root: &Path, config: &Config) -> anyhow::Result<u8> {
    let results = args
        .results()
        .map_or_else(|| config.results(), PathBuf::from);
    match &args.action {
        Some(HistoryAction::Accept {
            revision,
            tests,
            why,
        }) => {
            // None at all stands for every test, whatever there will be.
            let tests = match tests.as_slice() {
                [] => Vec::new(),
                named => config.chosen(named),
            };
            history::accept(root, &results, revision, tests, why)?;
        }
        Some(HistoryAction::Import { dirs }) => history::import(&results, dirs)?,
        None => show(args, &results)?,
    }
    Ok(0)
}

fn show(args: &History, results: &Path) -> anyhow::Result<()> {
    let path = history::history_path(results);
    let past = history::read(&path, SystemTime::now())?;
    for notice in &past.notices {
        ui::notice(&Text::lines(notice));
    }
    let all = history::runs_of(&past, args);
    let mut builds = past.builds();
    builds.retain(|it| args.profile.is_none() && args.shows(&it.test));
    if all.is_empty() && builds.is_empty() {
        ui::notice(&format!(
            "{} has no such runs: `cargo xtask load-test` makes them, and `cargo xtask history import` imports them",
            path.display()
        ));
    }
    let document = view::history(&all, &builds, &past.notices, &path);
    let text = match args.message_format {
        MessageFormat::Human => terminal::history(&document),
        MessageFormat::Json => format!(
            "{}\n",
            serde_json::to_string_pretty(&all).context("failed to write the history as JSON")?
        ),
    };
    ui::print(&text).context("failed to write to standard output")?;
    let Some(page) = args.page(results) else {
        return Ok(());
    };
    let html = template::fill("history.html", &document)?;
    if page.parent() == Some(results) {
        std::fs::create_dir_all(results)
            .with_context(|| format!("failed to create {}", results.display()))?;
    }
    write_whole(&page, html.as_bytes())?;
    let said = format!("page: {}", page.display());
    match args.message_format {
        MessageFormat::Human => ui::print(&(said + "\n"))?,
        // Standard output is the JSON's alone.
        MessageFormat::Json => ui::info(&said),
    }
    Ok(())
}
