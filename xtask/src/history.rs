//! `history`: what past runs say, and what of them can be compared.
//!
//! The past is the lines of `history.jsonl`, which only ever grows: what cannot be read is named and left as it is.

mod accept;
mod confirm;
mod fence;
mod import;
mod key;
mod lines;
mod page;
mod points;
mod read;
mod table;
#[cfg(test)]
mod testing;
mod trend;
mod view;
mod words;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;

use crate::cli::{History, HistoryAction, MessageFormat};
use crate::repo;
use crate::ui;

pub use accept::{Lineage, short};
pub use confirm::{Again, Settled, has_suspects, leave_open, settle, withdraw};
pub use fence::Reference;
#[cfg(test)]
pub use lines::FILE as HISTORY;
pub use lines::{Key, append, key, path as history_path};
pub use points::Point;
pub use read::{Past, read};
pub use trend::Trend;
pub use view::{Metric, Series};
pub use words::{accepted, change, name, place, runs};

/// Does what the command line says.
///
/// # Errors
/// If the history cannot be read or written to, the page cannot be written, or a revision or folder is not known.
pub fn run(args: &History, root: &Path) -> anyhow::Result<u8> {
    let results = args
        .results()
        .map_or_else(|| root.join(repo::RESULTS), PathBuf::from);
    match &args.action {
        Some(HistoryAction::Accept {
            revision,
            tests,
            why,
        }) => accept::accept(root, &results, revision, tests, why)?,
        Some(HistoryAction::Import { dirs }) => import::run(&results, dirs)?,
        None => show(args, root, &results)?,
    }
    Ok(0)
}

fn show(args: &History, root: &Path, results: &Path) -> anyhow::Result<()> {
    let path = history_path(results);
    let past = read(&path, SystemTime::now())?;
    for notice in &past.notices {
        ui::notice(notice);
    }
    let lineage = Lineage::look(root, &past.accepted);
    let all = view::series(&past, &lineage, args);
    if all.is_empty() {
        ui::notice(&format!(
            "{} has no such runs: `cargo xtask load-test` makes them, and `cargo xtask history import` takes them over",
            path.display()
        ));
    }
    let text = match args.message_format {
        MessageFormat::Human => table::table(&all, ui::width()),
        MessageFormat::Json => format!(
            "{}\n",
            serde_json::to_string_pretty(&all).context("failed to write the history as JSON")?
        ),
    };
    ui::print(&text).context("failed to write to standard output")?;
    let Some(page) = args.page(results) else {
        return Ok(());
    };
    page::write(&page, results, &all, &past)?;
    let said = format!("page: {}", page.display());
    match args.message_format {
        MessageFormat::Human => {
            ui::print(&format!("{said}\n")).context("failed to write to standard output")
        }
        // Standard output is the JSON's alone.
        MessageFormat::Json => {
            ui::info(&said);
            Ok(())
        }
    }
}
