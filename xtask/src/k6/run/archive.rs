//! Packs a test for another machine.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::shape::{Shape, inspect_with};
use crate::shell::{self, Cmd, cmd};

/// `k6 archive` runs only the script's top level, as `k6 inspect` does.
const LIMIT: Duration = Duration::from_secs(30);
/// An archive has the paths of its scripts in it: this one is the same everywhere.
const NEUTRAL: &str = "/tmp";

/// A test that k6 has packed.
#[derive(Debug)]
pub struct Archive {
    /// The tar file.
    pub tar: Vec<u8>,
    /// The load that it makes, as a k6 tells that has nothing but the file.
    pub shape: Shape,
}

/// Packs `main_js` with all that it needs and the variables `env`; nothing else of this machine gets into it: no key, no
/// variable, no configuration of k6's, no path.
///
/// # Errors
/// If k6 finds fault with the script, or what the script reads lies outside of the folder of `main_js`.
pub fn archive(
    k6: &Path,
    main_js: &Path,
    env: &[(&'static str, String)],
) -> anyhow::Result<Archive> {
    let neutral = tempfile::Builder::new()
        .prefix("load-test-")
        .tempdir_in(NEUTRAL)
        .with_context(|| format!("failed to make a folder in {NEUTRAL}"))?;
    let neutral = neutral.path();
    let entry = main_js.parent().zip(main_js.file_name());
    let (folder, name) = entry.with_context(|| format!("{} is no file", main_js.display()))?;
    let scripts = neutral.join("scripts");
    // k6 goes by the path that it is given, and asks for no other.
    std::os::unix::fs::symlink(folder.canonicalize()?, &scripts)?;
    let (config, tar, main) = (
        neutral.join("config.json"),
        neutral.join("archive.tar"),
        scripts.join(name),
    );
    std::fs::write(&config, "{}")?;
    let env = env.iter();
    let env = env.flat_map(|(name, value)| ["-e".to_owned(), format!("{name}={value}")]);
    let sh = shell::here()?;
    let command = cmd!(
        sh,
        "{k6} archive --include-system-env-vars=false --config {config} {env...} -O {tar} {main}"
    );
    let failure = format!("k6 cannot pack {}", main_js.display());
    shell::output(bare(command), LIMIT, &failure)?;
    refuse_strangers(&tar, &scripts, folder)?;
    let inspect = cmd!(
        sh,
        "{k6} inspect --execution-requirements --include-system-env-vars=false --config {config} {tar}"
    );
    Ok(Archive {
        shape: inspect_with(bare(inspect), main_js)?,
        tar: std::fs::read(&tar)?,
    })
}

/// A command without what k6 takes from its environment, and without the key.
fn bare(mut command: Cmd<'_>) -> Cmd<'_> {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("K6_") {
            command = command.env_remove(name);
        }
    }
    command.env_remove("API_KEY")
}

/// Looks for files that lie outside of `scripts`, which stands for `folder`.
fn refuse_strangers(tar: &Path, scripts: &Path, folder: &Path) -> anyhow::Result<()> {
    let sh = shell::here()?;
    let failure = "`tar` failed to list the archive";
    let listed = shell::output(cmd!(sh, "tar -tf {tar}"), LIMIT, failure)?;
    let ours = Path::new("file").join(scripts.strip_prefix("/")?);
    // Folders are listed too, without a mark.
    let stranger = listed.lines().map(Path::new).filter(|path| {
        path.starts_with("file") && !path.starts_with(&ours) && !ours.starts_with(path)
    });
    let stranger = stranger.max_by_key(|path| path.components().count());
    match stranger {
        None => Ok(()),
        Some(name) => anyhow::bail!(
            "the scripts read /{}, which lies outside of {}: nothing else can be packed",
            name.strip_prefix("file")?.display(),
            folder.display()
        ),
    }
}
