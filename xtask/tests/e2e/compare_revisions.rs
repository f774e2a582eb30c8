//! `cargo xtask compare` between revisions, in a small repository of its own: what is built, what is kept, what is said.
//!
//! Its `tachikoma-server` is a program that becomes the real one, so that a build takes a second.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::faults::program_with_faults;
use crate::support::{Run, k6, root, server};

const MANIFEST: &str =
    "[package]\nname = \"tachikoma-server\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
const WORKSPACE: &str = "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n";

struct Repository(TempDir);

impl Repository {
    /// Three commits: without a server, with one that does not build, with one that does.
    fn new() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(repository.tree()).unwrap();
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

    /// The working tree; beside it is the folder of caches.
    fn tree(&self) -> PathBuf {
        self.0.path().join("work")
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
        let path = self.tree().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn git(&self, args: &[&str]) {
        let status = Command::new("git")
            .args(args)
            .current_dir(self.tree())
            .status()
            .unwrap();
        assert!(status.success(), "git {args:?}");
    }

    fn lock(&self) {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["generate-lockfile", "--offline", "--quiet"])
            .current_dir(self.tree())
            .status()
            .unwrap();
        assert!(status.success());
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    fn compare(&self, args: &str) -> Run {
        let package = self.tree().join("xtask");
        Run::compare(args)
            .env("CARGO_MANIFEST_DIR", package.to_str().unwrap())
            .env(
                "CARGO_TARGET_DIR",
                self.tree().join("target").to_str().unwrap(),
            )
            .env(
                "XDG_CACHE_HOME",
                self.0.path().join("caches").to_str().unwrap(),
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
        .says("or give a ready one with --base-bin")
        .says("HEAD^");
    repository
        .compare("health --base HEAD^^")
        .done()
        .exits(3)
        .says("has no crates/tachikoma-server");
}

#[test]
fn what_does_not_change_the_code_is_not_measured() {
    let repository = Repository::new();
    repository.write("crates/tachikoma-server/src/lib.rs", "//! Not committed.\n");
    // Uncommitted changes on the main branch are compared with its last commit.
    let done = repository.compare("health").done();
    done.exits(0)
        .says("building the last commit")
        .says("the working tree")
        .says("with uncommitted changes")
        .says("THE SAME PROGRAM, NOTHING WAS MEASURED");
    // Nothing of the checkout shows in the working tree.
    let status = Command::new("git")
        .args(["status", "--porcelain"])
        .current_dir(repository.tree())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(status.stdout).unwrap(),
        "?? crates/tachikoma-server/src/lib.rs\n"
    );
    let history = done.results.join("history.jsonl");
    assert!(
        !history.exists(),
        "uncommitted changes are no link of a chain"
    );
    repository.commit("no change of the program");
    let done = repository
        .compare("health --base HEAD^")
        .results_in(&done.results);
    done.done().exits(0);
    let line: Value = serde_json::from_str(&std::fs::read_to_string(history).unwrap()).unwrap();
    let ratio = &line["ratio"];
    assert_eq!(ratio["is_same"], true, "{line}");
    assert_eq!(ratio["base"].as_str().map(str::len), Some(40), "{line}");
    assert_ne!(ratio["base"], ratio["head"], "{line}");
}

/// A base with a submodule and without a Cargo.lock, which would not compile with the flags or variables of the working
/// tree, compared out of a hook in a repository with hooks of its own, while another comparison measures.
#[test]
fn a_base_is_built_as_whoever_checks_it_out_would_build_it() {
    let repository = Repository::new();
    let word = repository.0.path().join("word");
    std::fs::create_dir(&word).unwrap();
    let git = |args: &[&str]| {
        let identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"];
        let status = Command::new("git")
            .args(identity)
            .args(args)
            .current_dir(&word)
            .status();
        assert!(status.unwrap().success(), "git {args:?}");
    };
    git(&["init", "--quiet"]);
    std::fs::write(word.join("word.txt"), "word").unwrap();
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "word"]);
    let word = word.to_str().unwrap();
    repository.git(&[
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        word,
        "word",
    ]);
    repository.git(&["rm", "--quiet", "Cargo.lock"]);
    let path = "crates/tachikoma-server/src/main.rs";
    let main = std::fs::read_to_string(repository.tree().join(path)).unwrap();
    let checks = "#[cfg(leaked)]\ncompile_error!(\"the flags of the working tree\");\nconst _: () = assert!(option_env!(\"LEAKED\").is_none());\nconst _: &str = include_str!(\"../../../word/word.txt\");\n";
    repository.write(path, &format!("{main}{checks}"));
    repository.commit("a plain base");

    let config = "[env]\nLEAKED = \"1\"\n[build]\nrustflags = [\"--cfg\", \"leaked\"]\n";
    repository.write(".cargo/config.toml", config);
    repository.write(".git/hooks/post-checkout", "#!/bin/sh\nexit 1\n");
    let hook = repository.tree().join(".git/hooks/post-checkout");
    std::fs::set_permissions(hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let head = program_with_faults(repository.0.path(), "head", "");
    let others = repository.0.path().join("caches/load-test-compare");
    std::fs::create_dir_all(&others).unwrap();
    let measures = std::fs::File::create(others.join("measuring")).unwrap();
    measures.lock().unwrap();
    let mut run = repository
        .compare("health")
        .arg("--head-bin")
        .arg(head.to_str().unwrap())
        .env("LEAKED", "1")
        .env("RUSTUP_TOOLCHAIN", "of-the-working-tree")
        .env("GIT_DIR", "/nowhere")
        .env("GIT_INDEX_FILE", "/nowhere/index")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "protocol.file.allow")
        .env("GIT_CONFIG_VALUE_0", "always")
        .start();
    run.wait_for("there is no Cargo.lock");
    run.wait_for("comparing");
    run.signal_as_a_terminal(Signal::INT);
    run.done()
        .exits(130)
        .says("another comparison ran on this machine meanwhile");
}

#[test]
fn a_shallow_clone_says_how_deep_to_fetch() {
    let repository = Repository::new();
    let tree = repository.0.path().join("shallow");
    let url = format!("file://{}", repository.tree().display());
    let status = Command::new("git")
        .args(["clone", "--quiet", "--depth", "1", &url])
        .arg(&tree)
        .status()
        .unwrap();
    assert!(status.success());
    let package = tree.join("xtask");
    let compare = |args: &str| {
        repository
            .compare(args)
            .env("CARGO_MANIFEST_DIR", package.to_str().unwrap())
            .done()
    };
    compare("health").exits(2).says("git fetch --deepen=1000");
    compare("health --base v1")
        .exits(2)
        .says("git fetch --deepen=1000");
}
