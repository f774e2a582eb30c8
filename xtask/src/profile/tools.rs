//! What draws and looks into programs: a program of its own, since a load test needs none of it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context as _;

use crate::server;
use crate::shell::{self, cmd};

/// The program's package.
const PACKAGE: &str = "perf-tools";
/// How long it may take.
const LIMIT: Duration = Duration::from_secs(120);

/// What it says to `args`; it is built before.
///
/// # Errors
/// If it cannot be built, or fails; if an interruption arrives.
pub fn run(args: &[&str]) -> anyhow::Result<Vec<u8>> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let program = match BUILT.get() {
        Some(program) => program,
        None => {
            let built = server::build_tool(PACKAGE)?;
            BUILT.get_or_init(|| built)
        }
    };
    let sh = shell::here()?;
    let said = shell::capture(cmd!(sh, "{program} {args...}"), LIMIT)?;
    let ended = &said.ended;
    anyhow::ensure!(
        ended.success(),
        "{PACKAGE} failed ({ended}):{}",
        said.stderr.indented()
    );
    Ok(said.stdout)
}

/// Whether two programs are the same: to the byte, or in their code.
///
/// # Errors
/// If one cannot be read, or as [`run`].
pub fn same(base: &Path, head: &Path) -> anyhow::Result<bool> {
    let read = |path: &Path| {
        std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))
    };
    if read(base)? == read(head)? {
        return Ok(true);
    }
    let [base, head] = [base, head].map(Path::to_string_lossy);
    Ok(run(&["same-code", &base, &head])? == b"same\n")
}
