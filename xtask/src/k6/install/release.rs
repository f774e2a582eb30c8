//! The maker's release: download, check, extract.

use std::path::{Path, PathBuf};

use semver::Version;

use super::archive;
use super::download::download;
use super::pins::Release;
use super::sources::Sources;
use crate::http;
use crate::ui::{self, Progress};

/// The address of a release's archive.
pub fn url(sources: &Sources, version: &Version, release: &Release) -> String {
    format!("{}/v{version}/{}", sources.releases, release.archive)
}

/// Fetches the program into `folder`; the archive has the pinned SHA-256, or this fails.
///
/// # Errors
/// If the download fails, the archive is another one than was pinned, or it cannot be unpacked.
pub fn fetch(
    version: &Version,
    release: &Release,
    folder: &Path,
    sources: &Sources,
) -> anyhow::Result<PathBuf> {
    let archive = folder.join(&release.archive);
    let url = url(sources, version, release);
    let shown = http::without_credentials(&url);
    ui::info(&format!("downloading k6 {version} from {shown}"));
    let mut progress = None;
    let sha256 = download(
        &url,
        &archive,
        &sources.limits,
        &mut |received, expected| {
            progress
                .get_or_insert_with(|| Progress::of(&format!("k6 {version}")))
                .bytes(received, expected);
        },
    )?;
    drop(progress);
    anyhow::ensure!(
        sha256 == release.sha256,
        "{} is not what was pinned: its SHA-256 is {sha256}, and {} was expected",
        release.archive,
        release.sha256
    );
    archive::extract(&archive, &release.member(), folder)
}
