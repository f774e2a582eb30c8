//! `cargo xtask compare` between revisions, in a small repository of its own: what is built, what is kept, what is said.
//!
//! Its `tachikoma-server` is a program that becomes the real one, so that a build takes a second.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{Run, k6, root, server};

const MANIFEST: &str =
    "[package]\nname = \"tachikoma-server\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
const WORKSPACE: &str = "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n";

struct Repository(TempDir);

impl Repository {
    /// Three commits: without a server, with one that does not build, with one that does.
    fn new() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        repository.git(&["init", "--quiet", "--initial-branch", "main"]);
        repository.git(&["config", "user.name", "Tester"]);
        repository.git(&["config", "user.email", "tester@example.org"]);
        repository.copy_load_tests();
        repository.write("xtask/.keep", "");
        repository.write(".gitignore", "/target/\n");
        repository.commit("no server");
        repository.write("Cargo.toml", WORKSPACE);
        repository.write("crates/tachikoma-server/Cargo.toml", MANIFEST);
        repository.write(
            "crates/tachikoma-server/src/main.rs",
            "fn main() { nonsense }\n",
        );
        repository.lock();
        repository.commit("broken");
        let main = format!(
            "use std::os::unix::process::CommandExt as _;\nfn main() {{ let _ = std::process::Command::new({:?}).args(std::env::args_os().skip(1)).exec(); }}\n",
            server()
        );
        repository.write("crates/tachikoma-server/src/main.rs", &main);
        repository.commit("works");
        repository
    }

    fn copy_load_tests(&self) {
        let from = root().join("load-tests");
        let files = ["load-test.toml", "main.js", "k6.config.js", "probe.js"].map(PathBuf::from);
        let tests = std::fs::read_dir(from.join("tests")).unwrap();
        let tests = tests.map(|entry| Path::new("tests").join(entry.unwrap().file_name()));
        let specs = std::fs::read_dir(from.join("fixtures/specs")).unwrap();
        let specs = specs.map(|entry| Path::new("fixtures/specs").join(entry.unwrap().file_name()));
        for file in files.into_iter().chain(tests).chain(specs) {
            let text = std::fs::read_to_string(from.join(&file)).unwrap();
            self.write(&format!("load-tests/{}", file.display()), &text);
        }
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn git(&self, args: &[&str]) {
        let status = Command::new("git")
            .args(args)
            .current_dir(self.0.path())
            .status()
            .unwrap();
        assert!(status.success(), "git {args:?}");
    }

    fn lock(&self) {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["generate-lockfile", "--offline", "--quiet"])
            .current_dir(self.0.path())
            .status()
            .unwrap();
        assert!(status.success());
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    fn compare(&self, args: &str) -> Run {
        let package = self.0.path().join("xtask");
        Run::compare(args)
            .env("CARGO_MANIFEST_DIR", package.to_str().unwrap())
            .env(
                "CARGO_TARGET_DIR",
                self.0.path().join("target").to_str().unwrap(),
            )
            .env("K6_BIN", k6().to_str().unwrap())
    }
}

#[test]
fn bad_revisions_are_told_apart() {
    let repository = Repository::new();
    let done = repository.compare("health --base v99").done();
    done.exits(2)
        .says("there is no revision `v99`")
        .says("git branch -a");
    repository
        .compare("health --base HEAD^")
        .done()
        .exits(3)
        .says("cannot find value `nonsense`")
        .says("HEAD^");
    repository
        .compare("health --base HEAD^^")
        .done()
        .exits(3)
        .says("has no crates/tachikoma-server");
}

#[test]
fn a_base_is_built_once_and_the_working_tree_is_the_head() {
    let repository = Repository::new();
    repository.write("crates/tachikoma-server/src/lib.rs", "//! Not committed.\n");
    for built in ["building the last commit", "built before"] {
        // Uncommitted changes on the main branch are compared with its last commit.
        let mut run = repository
            .compare("health --pairs 10 --block 500ms")
            .start();
        run.wait_for(built);
        run.wait_for("comparing the working tree");
        run.wait_for("with uncommitted changes");
        run.signal_as_a_terminal(Signal::INT);
        run.done().exits(130);
    }
    // The worktree is git's own, and nothing of it shows in the working tree.
    let status = Command::new("git")
        .args(["status", "--porcelain"])
        .current_dir(repository.0.path())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(status.stdout).unwrap(),
        "?? crates/tachikoma-server/src/lib.rs\n"
    );
}
