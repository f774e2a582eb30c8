//! Builds the server, with cargo's own progress in sight, and finds the binary.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;

use crate::shell::{self, Process, Stream, cmd};
use crate::ui;

/// The longest build that is waited for: a cold one takes minutes, not hours.
const LIMIT: Duration = Duration::from_secs(30 * 60);
const PACKAGE: &str = "tachikoma-server";

/// What cargo says of each artifact, as far as we read it.
///
/// Source: <https://doc.rust-lang.org/cargo/reference/external-tools.html#json-messages>.
#[derive(Deserialize)]
struct Message {
    reason: String,
    executable: Option<PathBuf>,
    target: Option<TargetName>,
}

#[derive(Deserialize)]
struct TargetName {
    name: String,
}

/// Builds the server of the tree `root` in release mode, in `target_dir` if one is given, and returns the path of its
/// binary.
///
/// # Errors
/// If the build fails: the compiler has said why. If an interruption arrives.
pub fn release_binary(root: &Path, target_dir: Option<&Path>) -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let messages = Arc::new(Mutex::new(None));
    let found = Arc::clone(&messages);
    let sh = shell::at(root)?;
    let format = "--message-format=json-render-diagnostics";
    let mut command = cmd!(
        sh,
        "{cargo} build --release --locked --package {PACKAGE} --bin {PACKAGE} {format}"
    );
    if let Some(dir) = target_dir {
        command = command.env("CARGO_TARGET_DIR", dir);
    }
    let progress = ui::Progress::open_ended("building the server");
    let mut build = shell::spawn(command, move |stream, line| match stream {
        Stream::Out => {
            if let Some(path) = executable(line) {
                *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(path);
            }
        }
        Stream::Err => show(&progress, line),
    })
    .context("failed to start cargo to build the server")?;
    wait(&mut build)?;
    let path = messages
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    path.with_context(|| format!("cargo built {PACKAGE} but named no executable"))
}

fn wait(build: &mut Process) -> anyhow::Result<()> {
    let ended = build.wait_within(LIMIT)?.with_context(|| {
        format!(
            "the build of {PACKAGE} took longer than {} minutes",
            LIMIT.as_secs() / 60
        )
    })?;
    anyhow::ensure!(
        ended.success(),
        "failed to build {PACKAGE} ({ended}): mend what the compiler says above, or give a ready one with --server-bin"
    );
    Ok(())
}

/// Shows a line of cargo's: what is being compiled is progress, the rest stays in sight.
fn show(progress: &ui::Progress, line: &str) {
    let passing = [
        "Compiling",
        "Downloaded",
        "Downloading",
        "Updating",
        "Locking",
        "Blocking",
        "Fresh",
    ];
    let trimmed = line.trim_start();
    if passing.iter().any(|word| trimmed.starts_with(word)) {
        progress.says(trimmed);
    } else {
        ui::info(line);
    }
}

fn executable(line: &str) -> Option<PathBuf> {
    let message: Message = serde_json::from_str(line).ok()?;
    (message.reason == "compiler-artifact" && message.target?.name == PACKAGE)
        .then_some(message.executable)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_executable_in_cargos_messages() {
        let line = r#"{"reason":"compiler-artifact","package_id":"path+file:///x#tachikoma-server@0.1.0","target":{"kind":["bin"],"name":"tachikoma-server"},"executable":"/x/target/release/tachikoma-server","fresh":true}"#;
        assert_eq!(
            executable(line),
            Some("/x/target/release/tachikoma-server".into())
        );
        assert_eq!(
            executable(&line.replace("\"tachikoma-server\"}", "\"other\"}")),
            None
        );
        assert_eq!(
            executable(r#"{"reason":"build-finished","success":true}"#),
            None
        );
        assert_eq!(executable("not json"), None);
    }
}
