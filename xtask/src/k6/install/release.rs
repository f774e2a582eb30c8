//! The maker's release: download, check, extract.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use semver::Version;

use super::archive;
use super::download::download;
use super::error::Failure;
use super::pins::Release;
use super::sources::Sources;
use super::tell::{Tell, Told};

/// How often the status line is renewed.
const REDRAW: Duration = Duration::from_millis(100);
/// Bytes in a megabyte, as download sizes are given.
const MEGABYTE: f64 = 1e6;

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
    tell: &mut Tell<'_>,
) -> Result<PathBuf, Failure> {
    let archive = folder.join(&release.archive);
    let url = url(sources, version, release);
    tell(Told::Info(&format!("downloading k6 {version} from {url}")));
    let started = Instant::now();
    let mut drawn: Option<Instant> = None;
    let sha256 = download(
        &url,
        &archive,
        &sources.limits,
        &mut |received, expected| {
            if drawn.is_none_or(|at| at.elapsed() >= REDRAW) {
                drawn = Some(Instant::now());
                tell(Told::Status(&bar(
                    version,
                    received,
                    expected,
                    started.elapsed(),
                )));
            }
        },
    )?;
    if sha256 != release.sha256 {
        return Err(Failure::because(format!(
            "{} is not what was pinned: its SHA-256 is {sha256}, and {} was expected",
            release.archive, release.sha256
        )));
    }
    archive::extract(&archive, &release.member(), folder)
}

/// The progress of a download on one line of at most 79 columns.
fn bar(version: &Version, received: u64, expected: Option<u64>, elapsed: Duration) -> String {
    const CELLS: u64 = 24;
    let megabytes = received as f64 / MEGABYTE;
    let speed = megabytes / elapsed.as_secs_f64().max(0.001);
    match expected.filter(|expected| *expected > 0) {
        Some(expected) => {
            let done = (received.min(expected) * CELLS / expected) as usize;
            format!(
                "k6 {version} [{}{}] {:3} % of {:.1} MB, {speed:.1} MB/s",
                "#".repeat(done),
                " ".repeat(CELLS as usize - done),
                received.min(expected) * 100 / expected,
                expected as f64 / MEGABYTE,
            )
        }
        None => format!("k6 {version}: {megabytes:.1} MB, {speed:.1} MB/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_shows_share_and_speed() {
        let version = Version::new(2, 2, 0);
        let second = Duration::from_secs(2);
        assert_eq!(
            bar(&version, 15_000_000, Some(30_000_000), second),
            "k6 2.2.0 [############            ]  50 % of 30.0 MB, 7.5 MB/s"
        );
        assert_eq!(
            bar(&version, 15_000_000, None, second),
            "k6 2.2.0: 15.0 MB, 7.5 MB/s"
        );
        assert!(bar(&version, 9, Some(3), second).contains("100 %"));
        assert!(bar(&version, 9, Some(0), Duration::ZERO).starts_with("k6 2.2.0: 0.0 MB"));
    }
}
