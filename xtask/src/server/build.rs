//! Builds the server, shows cargo's progress meanwhile, and finds the program.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;

use crate::config::{Build, ServerConfig};
use crate::shell::{self, Cmd, Process, Shell, Stream, cmd, locked};
use crate::ui;

/// The longest build that is waited for: a cold one takes minutes, not hours.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// How long a compiler may take to say which it is: rustup may have to fetch it first.
const COMPILER_LIMIT: Duration = Duration::from_secs(600);

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

/// Another revision, checked out: it is built as whoever checks it out would build it, whatever this program was started
/// with.
#[derive(Debug, Clone, Copy)]
pub struct Checkout<'a> {
    /// Where build output goes.
    pub target_dir: &'a Path,
    /// Variables that cargo has set for this program and that are not the checkout's.
    pub without: &'a [String],
}

/// Builds the server of the tree `root` as the table says, with `feature` if it is a package, and returns the path of its
/// program; `instead` is the option that takes a ready one.
///
/// # Errors
/// If the build fails: the compiler has said why. If an interruption arrives.
pub fn build(
    server: &ServerConfig,
    root: &Path,
    instead: &str,
    feature: Option<&str>,
    checkout: Option<Checkout<'_>>,
) -> anyhow::Result<PathBuf> {
    let sh = shell::at(root)?;
    match &server.build {
        Build::Package {
            package, binary, ..
        } => {
            let binary = binary.as_ref().unwrap_or(package);
            let cargo = match checkout {
                // Through rustup, which looks for the checkout's own toolchain.
                Some(_) => OsString::from("cargo"),
                None => our_cargo(),
            };
            let mut cmd = cargo_build(&sh, &cargo, package, binary).arg("--release");
            cmd = with(cmd, feature);
            if checkout.is_none() || root.join("Cargo.lock").is_file() {
                cmd = cmd.arg("--locked");
            } else {
                ui::notice("there is no Cargo.lock: the newest dependencies are used");
            }
            program(apart(cmd, checkout), &server.name, binary, Some(instead))
        }
        Build::Command { command, program } => {
            let [first, rest @ ..] = command.as_slice() else {
                anyhow::bail!("the command in [server.build] of load-test.toml is empty: name one");
            };
            let cmd = apart(cmd!(sh, "{first} {rest...}"), checkout);
            run(cmd, &server.name, Some(instead), ui::info)?;
            let path = root.join(program);
            anyhow::ensure!(
                path.is_file(),
                "`{}` left no {}",
                command.join(" "),
                path.display()
            );
            Ok(path)
        }
    }
}

/// Builds the program `package` of the orchestrator's own workspace, and returns its path.
///
/// # Errors
/// As [`build`].
pub fn build_tool(package: &str) -> anyhow::Result<PathBuf> {
    let sh = shell::at(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))?;
    let cmd = cargo_build(&sh, &our_cargo(), package, package).arg("--locked");
    program(cmd, package, package, None)
}

/// Has cargo build `binary`, and returns its path.
fn program(
    cmd: Cmd<'_>,
    name: &str,
    binary: &str,
    instead: Option<&str>,
) -> anyhow::Result<PathBuf> {
    let path = Arc::new(Mutex::new(None));
    let (found, wanted) = (Arc::clone(&path), binary.to_owned());
    run(cmd, name, instead, move |line| {
        if let Some(path) = executable(line, &wanted) {
            *locked(&found) = Some(path);
        }
    })?;
    let path = locked(&path).take();
    path.with_context(|| format!("cargo built {name} but named no executable"))
}

/// Which compiler cargo uses in `tree`, as it names itself; variables in `without` are not the tree's. None if the table
/// has another command.
pub fn compiler(server: &ServerConfig, tree: &Path, without: &[String]) -> Option<String> {
    let Build::Package { .. } = server.build else {
        return None;
    };
    let sh = shell::at(tree).ok()?;
    let mut rustc = cmd!(sh, "rustc --version");
    for name in without {
        rustc = rustc.env_remove(name);
    }
    let said = shell::capture(rustc, COMPILER_LIMIT).ok()?;
    let version = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    said.ended.success().then_some(version)
}

/// A build that was begun while something else is waited for.
pub struct BuildAhead {
    process: Process,
    /// Shows what is compiled once somebody waits for it.
    progress: Arc<Mutex<Option<ui::Progress>>>,
}

impl BuildAhead {
    /// Begins to build the server of the tree `root` with cargo, with `feature`; `None` if the table has another command or cargo cannot
    /// be started, which [`build`] will say.
    pub fn begin(server: &ServerConfig, root: &Path, feature: Option<&str>) -> Option<Self> {
        let Build::Package {
            package, binary, ..
        } = &server.build
        else {
            return None;
        };
        let sh = shell::at(root).ok()?;
        let progress = Arc::new(Mutex::new(None::<ui::Progress>));
        let shown = Arc::clone(&progress);
        let binary = binary.as_ref().unwrap_or(package);
        let cmd = cargo_build(&sh, &our_cargo(), package, binary).args(["--release", "--locked"]);
        let cmd = with(cmd, feature);
        let process = shell::spawn(cmd, move |stream, line| {
            let shown = locked(&shown);
            if let (Stream::Err, Some(progress)) = (stream, &*shown) {
                let _why_comes_later = passes(progress, line);
            }
        });
        Some(Self {
            process: process.ok()?,
            progress,
        })
    }

    /// Waits for its end. Whether it failed is left to [`build`], which does again what was not done and says why.
    ///
    /// # Errors
    /// If an interruption arrives.
    pub fn wait(mut self, server: &ServerConfig) -> anyhow::Result<()> {
        let progress = ui::Progress::of(&format!("building {}", server.name));
        *locked(&self.progress) = Some(progress);
        self.process.wait_within(LIMIT).map(drop)
    }
}

/// The cargo that runs this program.
fn our_cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn apart<'a>(mut cmd: Cmd<'a>, checkout: Option<Checkout<'_>>) -> Cmd<'a> {
    if let Some(checkout) = checkout {
        for name in checkout.without {
            cmd = cmd.env_remove(name);
        }
        cmd = cmd.env("CARGO_TARGET_DIR", checkout.target_dir);
    }
    cmd
}

fn with<'a>(cmd: Cmd<'a>, feature: Option<&str>) -> Cmd<'a> {
    match feature {
        Some(feature) => cmd.args(["--features", feature]),
        None => cmd,
    }
}

fn cargo_build<'a>(sh: &'a Shell, cargo: &OsStr, package: &str, binary: &str) -> Cmd<'a> {
    let format = "--message-format=json-render-diagnostics";
    cmd!(
        sh,
        "{cargo} build --package {package} --bin {binary} {format}"
    )
    // Its bar, which it would show on a terminal only; how wide it is is of no matter here.
    .env("CARGO_TERM_PROGRESS_WHEN", "always")
    .env("CARGO_TERM_PROGRESS_WIDTH", "200")
}

/// Runs a build of `name`; `instead` is the option that takes a ready one.
fn run(
    cmd: Cmd<'_>,
    name: &str,
    instead: Option<&str>,
    mut on_output: impl FnMut(&str) + Send + 'static,
) -> anyhow::Result<()> {
    let progress = ui::Progress::of(&format!("building {name}"));
    let mut build = shell::spawn(cmd, move |stream, line| match stream {
        Stream::Out => on_output(line),
        Stream::Err => show(&progress, line),
    })
    .with_context(|| format!("failed to start the build of {name}"))?;
    let ended = build.wait_within(LIMIT)?.with_context(|| {
        let minutes = LIMIT.as_secs() / 60;
        format!("the build of {name} took longer than {minutes} minutes")
    })?;
    let instead = instead.map(|option| format!(", or give a ready one with {option}"));
    anyhow::ensure!(
        ended.success(),
        "failed to build {name} ({ended}): fix what the compiler says above{}",
        instead.unwrap_or_default()
    );
    Ok(())
}

/// Shows a line of a build's: what is being compiled is progress, everything else is printed.
fn show(progress: &ui::Progress, line: &str) {
    if !passes(progress, line) {
        ui::info(line);
    }
}

/// Whether a line of cargo's is progress, which is then shown.
fn passes(progress: &ui::Progress, line: &str) -> bool {
    let line = line.trim();
    if let Some((done, total, text)) = bar(line) {
        progress.parts(done, total, text);
        return true;
    }
    let said = [
        "Downloaded",
        "Downloading",
        "Updating",
        "Locking",
        "Blocking",
    ];
    if said.iter().any(|word| line.starts_with(word)) {
        progress.says(line);
        return true;
    }
    // The bar names what is compiled.
    line.is_empty() || line.starts_with("Compiling") || line.starts_with("Fresh")
}

/// What cargo's own bar says, as in `Building [===>   ] 34/120: serde, tokio`: how many crates are done of how many, and
/// which are being compiled.
fn bar(line: &str) -> Option<(u64, u64, &str)> {
    let (_, rest) = line.strip_prefix("Building [")?.split_once("] ")?;
    let (counts, text) = rest.split_once(": ").unwrap_or((rest, ""));
    let (done, total) = counts.split_once('/')?;
    Some((done.parse().ok()?, total.parse().ok()?, text))
}

fn executable(line: &str, binary: &str) -> Option<PathBuf> {
    let message: Message = serde_json::from_str(line).ok()?;
    (message.reason == "compiler-artifact" && message.target?.name == binary)
        .then_some(message.executable)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_bar_says_how_far_the_build_is() {
        let line = "Building [=====>               ] 34/120: serde, tokio(build)";
        assert_eq!(bar(line), Some((34, 120, "serde, tokio(build)")));
        assert_eq!(bar("Building [=====>  ] 34/120"), Some((34, 120, "")));
        assert_eq!(bar("Building nothing"), None);
        let progress = ui::Progress::of("building dufs");
        for passing in [
            "   Compiling serde v1.0.0",
            "    Building [> ] 1/3: a   ",
            "   ",
        ] {
            assert!(passes(&progress, passing), "{passing}");
        }
        assert!(!passes(&progress, "error[E0425]: cannot find value `x`"));
    }

    #[test]
    fn a_feature_is_handed_to_cargo() {
        let sh = shell::here().unwrap();
        let built = |feature| {
            let cmd = cargo_build(&sh, OsStr::new("cargo"), "server", "server");
            with(cmd, feature).to_string()
        };
        assert!(built(Some("profiler")).ends_with(" --features profiler"));
        assert!(!built(None).contains("--features"));
    }

    #[test]
    fn finds_the_executable_in_cargos_messages() {
        let line = r#"{"reason":"compiler-artifact","package_id":"path+file:///x#tachikoma-server@0.1.0","target":{"kind":["bin"],"name":"tachikoma-server"},"executable":"/x/target/release/tachikoma-server","fresh":true}"#;
        assert_eq!(
            executable(line, "tachikoma-server"),
            Some("/x/target/release/tachikoma-server".into())
        );
        assert_eq!(executable(line, "other"), None);
        assert_eq!(
            executable(r#"{"reason":"build-finished","success":true}"#, "x"),
            None
        );
        assert_eq!(executable("not json", "x"), None);
    }
}
