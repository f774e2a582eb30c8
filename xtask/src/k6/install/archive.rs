//! Taking one file out of an archive.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::shell::{self, cmd};

/// How long that may take; it takes about a second.
const LIMIT: Duration = Duration::from_secs(120);

/// Takes `member` out of `archive` into `folder` and returns where it is.
///
/// The system's `tar` does it, as it reads what the maker publishes for that system: gzip on Linux, and zip too on
/// macOS, where it is bsdtar. Only the named member is written, so that nothing else in an archive can do harm.
///
/// # Errors
/// If `tar` is missing or fails, or if the archive does not hold the member.
pub fn extract(archive: &Path, member: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    let sh = shell::here()?;
    let tar = cmd!(sh, "tar --no-same-owner -xf {archive} -C {folder} {member}");
    let failure = format!("`tar` failed to extract {member}");
    shell::output(tar, LIMIT, &failure)?;
    let program = folder.join(member);
    match std::fs::symlink_metadata(&program) {
        Ok(about) if about.is_file() => Ok(program),
        _ => anyhow::bail!("the archive has no file {member}"),
    }
}
