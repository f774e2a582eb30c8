//! The program as the xtask runs it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::Command;

use object::{Object as _, ObjectSection as _};

#[expect(
    clippy::disallowed_methods,
    reason = "the program ends by itself and starts none"
)]
fn run(args: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_perf-tools"))
        .args(args)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn boxes_have_names_and_say_how_they_changed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stacks");
    let draw = |stacks: &str, unit| {
        std::fs::write(&path, stacks).unwrap();
        run(&["flame-graph", path.to_str().unwrap(), "the title", unit])
    };
    let one = draw("a;b 50\na;c 50\n", "samples");
    assert!(
        one.contains("<title>b (50 samples, 50.00%)</title>") && one.contains("the title"),
        "{one}"
    );
    let both = draw("a;b 500 500\na;c 500 1000\n", "ns of a request");
    assert!(
        both.contains("<title>c (1,000 ns of a request, 66.67%; +"),
        "{both}"
    );
}

#[test]
fn programs_with_the_same_code_are_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ours = std::fs::read(Path::new(env!("CARGO_BIN_EXE_perf-tools"))).unwrap();
    let mut stamped = ours.clone();
    stamped.push(0);
    let path = write("ours", &ours);
    let compared = |other: &str| run(&["same-code", &path, other]);
    assert_eq!(compared(&write("stamped", &stamped)), "same\n");
    let file = object::File::parse(ours.as_slice()).unwrap();
    for name in [
        ".text",
        ".rodata",
        ".data.rel.ro",
        ".data",
        ".rela.dyn",
        ".init_array",
    ] {
        let (at, _) = file.section_by_name(name).unwrap().file_range().unwrap();
        let mut changed = ours.clone();
        changed[usize::try_from(at).unwrap()] ^= 1;
        assert_eq!(
            compared(&write("changed", &changed)),
            "different\n",
            "{name}"
        );
    }
    let script = write("script", b"#!/bin/sh\n");
    assert_eq!(run(&["same-code", &script, &script]), "different\n");
}
