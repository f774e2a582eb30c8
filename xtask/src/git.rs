//! Questions to git.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use crate::process::Cmd;

/// A question is answered within this time; checking out a tree may take longer.
const LIMIT: Duration = Duration::from_secs(120);

/// What `git ARGS` prints in `root`, trimmed.
///
/// # Errors
/// If git is not there, takes too long or fails; its words are in the message.
pub fn ask(root: &Path, args: &[&str]) -> anyhow::Result<String> {
    let captured = Cmd::new("git")
        .args(args)
        .current_dir(root)
        .capture(LIMIT)
        .context("git is needed")?;
    anyhow::ensure!(
        captured.ended.success(),
        "`git {}` failed ({}):{}",
        args.join(" "),
        captured.ended,
        captured.stderr.indented()
    );
    Ok(String::from_utf8_lossy(&captured.stdout).trim().to_owned())
}

/// The commit that `revision` names, in full; `None` if it names none.
pub fn commit(root: &Path, revision: &str) -> Option<String> {
    let spec = format!("{revision}^{{commit}}");
    ask(
        root,
        &[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &spec,
        ],
    )
    .ok()
}
