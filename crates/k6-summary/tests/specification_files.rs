//! The k6 files of the specification stay byte for byte as it writes them: whatever has to be
//! different is made so around them.

use std::fmt::Write;
use std::path::Path;

use sha2::{Digest, Sha256};

/// The specification's files under `load-tests/` and their SHA-256.
const FILES: [(&str, &str); 5] = [
    (
        "k6.config.js",
        "a3e2035a520a48f8692ba8f371e81e6cfdee93f41872618749a359e6a9da5f2e",
    ),
    (
        "tests/api-health.js",
        "75c17178cebf4efb0f0db0e802f79c6c52121edbaabd270bf8bc1f564371d8f5",
    ),
    (
        "tests/api-missions.js",
        "38321cdec202e967af006bf5c5d364a1305cfb03e1e6cd213ad293ad1710824a",
    ),
    (
        "tests/api-specs.js",
        "2f7bd55b8596a944e4c604069eb9289a39a0b30ea693364ef2cb8aadcd40d2ba",
    ),
    (
        "tests/websocket.js",
        "a1580f1af42af51a2bac5511de3b4d10050e3075df643ee60f719e511b849fa6",
    ),
];

/// What is wrong with a file, and how to mend it; none if it is as specified.
fn complaint(file: &str, specified: &str, content: &[u8]) -> Option<String> {
    let mut found = String::new();
    for byte in Sha256::digest(content) {
        write!(found, "{byte:02x}").expect("writing to a string");
    }
    (found != specified).then(|| {
        format!(
            "load-tests/{file} differs from the specification: its SHA-256 is {found}, not \
             {specified}. Restore it from the commit that brought it: git checkout \
             \"$(git log --diff-filter=A --format=%H -- load-tests/{file} | tail -1)\" \
             -- load-tests/{file}; and make your change in load-tests/main.js, or in a test or \
             profile of its own"
        )
    })
}

#[test]
fn the_specifications_files_are_unchanged() {
    let load_tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../load-tests");
    let complaints: Vec<String> = FILES
        .iter()
        .filter_map(
            |(file, specified)| match std::fs::read(load_tests.join(file)) {
                Ok(content) => complaint(file, specified, &content),
                Err(error) => Some(format!("load-tests/{file} cannot be read: {error}")),
            },
        )
        .collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn a_changed_file_is_named_with_both_hashes_and_the_remedy() {
    let (file, specified) = FILES[0];
    let complaint = complaint(file, specified, b"").expect("an empty file is no specification");
    for part in [
        "load-tests/k6.config.js differs from the specification",
        // SHA-256 of nothing.
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        specified,
        "git checkout",
    ] {
        assert!(complaint.contains(part), "{complaint}");
    }
}
