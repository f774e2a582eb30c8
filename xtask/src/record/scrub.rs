//! A last look over the run folder: the key must stand in none of its files, whoever wrote them.

use std::path::Path;

use anyhow::Context as _;

use super::folder::write_whole;
use crate::secret::Secret;

/// Files beyond this size, in bytes, are our own logs, which are written without the key.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// Takes the key out of every file under `dir`, and returns a notice for each that had it.
///
/// # Errors
/// If a file cannot be read, or written without the key.
pub fn scrub(dir: &Path, secret: &Secret) -> anyhow::Result<Vec<String>> {
    let mut notices = Vec::new();
    for entry in
        std::fs::read_dir(dir).with_context(|| format!("failed to read {}", dir.display()))?
    {
        let path = entry
            .with_context(|| format!("failed to read {}", dir.display()))?
            .path();
        if path.is_dir() {
            notices.extend(scrub(&path, secret)?);
            continue;
        }
        let size = path.metadata().map_or(0, |meta| meta.len());
        if size > MAX_BYTES {
            continue;
        }
        let bytes =
            std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let text = String::from_utf8_lossy(&bytes);
        let clean = secret.scrub(&text);
        if matches!(clean, std::borrow::Cow::Owned(_)) {
            write_whole(&path, clean.as_bytes())?;
            notices.push(format!("the API key was taken out of {}", path.display()));
        }
    }
    Ok(notices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_key_out_of_every_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("health")).unwrap();
        let inner = dir.path().join("health/report.html");
        std::fs::write(&inner, "<p>token=s3cret-key-1</p>").unwrap();
        std::fs::write(dir.path().join("clean.txt"), "nothing").unwrap();
        let notices = scrub(dir.path(), &Secret::new("s3cret-key-1".into())).unwrap();
        assert_eq!(notices.len(), 1);
        assert_eq!(std::fs::read_to_string(inner).unwrap(), "<p>token=***</p>");
    }
}
