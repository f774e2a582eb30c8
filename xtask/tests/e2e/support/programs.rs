//! The programs that tests need: k6, servers, and such as keep the machine busy.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;

use super::{PATIENCE, read, root, wait_until};

/// The pinned k6, installed by the project's own means.
pub fn k6() -> &'static Path {
    static K6: OnceLock<PathBuf> = OnceLock::new();
    K6.get_or_init(|| install(&[]))
}

/// The oldest k6 that is supported.
pub fn oldest_k6() -> &'static Path {
    static K6: OnceLock<PathBuf> = OnceLock::new();
    K6.get_or_init(|| install(&["0.57.0"]))
}

fn install(version: &[&str]) -> PathBuf {
    let out = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["k6", "install"])
        .args(version)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap().trim().into()
}

/// The server as it is, built once for all tests.
pub fn server() -> &'static Path {
    static SERVER: OnceLock<PathBuf> = OnceLock::new();
    SERVER.get_or_init(|| build("tachikoma-server", &[]))
}

/// A server whose capacity is known, as crates/capacity-stub says.
pub fn capacity_stub() -> &'static Path {
    static STUB: OnceLock<PathBuf> = OnceLock::new();
    STUB.get_or_init(|| build_package("capacity-stub", "capacity-stub", &[]))
}

/// Builds the server and keeps the binary under a name of its own, for other builds to overwrite the usual one.
pub fn build(name: &str, args: &[&str]) -> PathBuf {
    build_package("tachikoma-server", name, args)
}

fn build_package(package: &str, name: &str, args: &[&str]) -> PathBuf {
    let folder = root().join("target/e2e");
    std::fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join(".lock")).unwrap();
    lock.lock().unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let out = Command::new(cargo)
        .args(["build", "--locked", "--package", package])
        .args(["--message-format=json-render-diagnostics"])
        .args(args)
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(out.status.success(), "the server does not build");
    let text = String::from_utf8(out.stdout).unwrap();
    let messages = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let built = messages
        .filter_map(|m| m["executable"].as_str().map(PathBuf::from))
        .next_back()
        .unwrap();
    let kept = folder.join(name);
    let fresh = folder.join(format!("{name}.new"));
    std::fs::copy(built, &fresh).unwrap();
    std::fs::rename(&fresh, &kept).unwrap();
    kept
}

/// Programs that leave this machine no idle time, and everybody else the right of way; dropping it ends them.
pub struct Busy(Vec<Child>);

impl Busy {
    /// Keeps every processor busy, one of them twice.
    pub fn start() -> Self {
        let cores = std::thread::available_parallelism().unwrap().get();
        let burner = |_| {
            let limit = PATIENCE.as_secs().to_string();
            Command::new("nice")
                .args(["-n", "19", "timeout", &limit])
                .args(["sh", "-c", "while :; do :; done"])
                .stdin(Stdio::null())
                .spawn()
                .unwrap()
        };
        Self((0..=cores).map(burner).collect())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for burner in &mut self.0 {
            // What it limits ends with it, which a kill would prevent.
            let _ended = rustix::process::kill_process(Pid::from_child(burner), Signal::TERM);
            let _ended = burner.wait();
        }
    }
}

/// A tachikoma-server that a test starts itself; dropping it ends it.
pub struct Server {
    child: Child,
    /// Its base URL.
    pub url: String,
    dir: TempDir,
}

impl Server {
    /// Starts one with `key` on a free port.
    pub fn start(key: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let said = File::create(dir.path().join("said")).unwrap();
        let child = Command::new(server())
            .args(["--addr", "127.0.0.1:0", "--data-dir"])
            .arg(dir.path().join("data"))
            .arg("--specs-dir")
            .arg(root().join("load-tests/fixtures/specs"))
            .env("TACHIKOMA_API_KEY", key)
            .stdin(Stdio::null())
            .stdout(said)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self {
            child,
            url: String::new(),
            dir,
        };
        wait_until("the server listens", || {
            let said = read(&server.dir.path().join("said"));
            let url = said
                .strip_prefix("listening on ")
                .map(|url| url.trim().to_owned());
            server.url = url.unwrap_or_default();
            !server.url.is_empty()
        });
        server
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// The `PATH` with a perf in `dir` before all else that may not look at anything.
pub fn without_perf(dir: &Path) -> String {
    let folder = dir.join("no-perf");
    std::fs::create_dir_all(&folder).unwrap();
    let perf = folder.join("perf");
    let script = "#!/bin/sh\necho 'access to performance monitoring is limited' >&2\nexit 255\n";
    std::fs::write(&perf, script).unwrap();
    std::fs::set_permissions(&perf, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}
