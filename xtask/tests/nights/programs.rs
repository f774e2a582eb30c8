//! The programs that a night needs.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// A server that injects faults when told to, and else is a sound one.
pub fn server() -> &'static Path {
    static SERVER: OnceLock<PathBuf> = OnceLock::new();
    SERVER.get_or_init(|| {
        let folder = root().join("target/e2e");
        std::fs::create_dir_all(&folder).unwrap();
        let lock = File::create(folder.join(".lock")).unwrap();
        lock.lock().unwrap();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let out = Command::new(cargo)
            .args(["build", "--locked", "--package", "tachikoma-server"])
            .args(["--features", "faults"])
            .arg("--message-format=json-render-diagnostics")
            .current_dir(root())
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(out.status.success(), "the server does not build");
        let text = String::from_utf8(out.stdout).unwrap();
        let built = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
            .next_back()
            .unwrap();
        let kept = folder.join("tachikoma-server-nights");
        let fresh = folder.join("tachikoma-server-nights.new");
        std::fs::copy(built, &fresh).unwrap();
        std::fs::rename(&fresh, &kept).unwrap();
        kept
    })
}

/// Writes `cargo` and `rustup` into `folder`: `cargo xtask` is the built orchestrator, all else does nothing.
///
/// A comparison gets a ready server on both sides instead of building a revision, and few short blocks of one test,
/// without faults, so that it takes a minute: what it finds is not the point here. `NIGHT_WITHOUT_COMPARISON` leaves it out.
pub fn shims(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let cargo = r#"#!/bin/sh
[ "$1" = xtask ] || exit 0
shift
[ "$1" = compare ] || exec "$NIGHT_XTASK" "$@"
[ "$2" = --base ] && git rev-parse --verify --quiet "$3^{commit}" >/dev/null || exit 2
[ -z "$NIGHT_WITHOUT_COMPARISON" ] || exit 0
unset TACHIKOMA_FAULTS
exec "$NIGHT_XTASK" compare --base-bin "$NIGHT_SERVER" --head-bin "$NIGHT_SERVER" --pairs 11 --block 500ms --confirm missions
"#;
    for (name, text) in [("cargo", cargo), ("rustup", "#!/bin/sh\n")] {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }
}

/// Runs git in `folder` and returns what it prints.
pub fn git(folder: &Path, args: &[&str]) -> String {
    let out = Command::new("git")
        .args([
            "-c",
            "user.name=night",
            "-c",
            "user.email=night@example.org",
        ])
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}
