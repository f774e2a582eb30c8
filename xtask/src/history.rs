//! `history`: what past runs say, and what of them can be compared.

use std::path::Path;

use crate::cli::{History, HistoryAction};

/// Does what the command line says.
///
/// # Errors
/// Always, for now.
pub fn run(args: &History, _root: &Path) -> anyhow::Result<u8> {
    let results = args.results();
    let _shown = args.shows("health");
    if let Some(HistoryAction::Import { dirs }) = &args.action {
        anyhow::bail!("{dirs:?} cannot be imported yet");
    }
    if let Some(HistoryAction::Accept {
        revision,
        tests,
        why,
    }) = &args.action
    {
        anyhow::bail!("{revision} ({why}) cannot be accepted for {tests:?} yet");
    }
    anyhow::bail!("the history in {results:?} cannot be shown yet")
}
