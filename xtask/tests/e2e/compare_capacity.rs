//! `cargo xtask compare --capacity` with servers whose capacity is known: what takes less is found and what gave way is
//! named, and what takes as much is left alone.

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Done, Going, Run, capacity_stub, load_tests, read};

/// As few pairs as can show anything, of steps as short as they may be. Requests may take so long that a machine which
/// others keep busy makes little difference.
const SHORT: &str = "ask --capacity --rate --pairs 6 --resolution 10% --step 1s --start 110 --seed 7 --judge-when-busy";
const LIMIT_MS: &str = "300";

/// The stub as a program of its own, which answers `rate` requests a second.
fn program(dir: &Path, name: &str, rate: u32) -> PathBuf {
    let path = dir.join(name);
    let script = format!(
        "#!/bin/sh\n# {name}\nSTUB_MODE=tokens:{rate} exec '{}' \"$@\"\n",
        capacity_stub().display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    path
}

fn compare(folder: &Path, base: &Path, head: &Path) -> Going {
    Run::compare(SHORT)
        .arg("--base-bin")
        .arg(base.to_str().unwrap())
        .arg("--head-bin")
        .arg(head.to_str().unwrap())
        .env(
            "LOAD_TEST_CONFIG",
            folder.join("load-test.toml").to_str().unwrap(),
        )
        .env("LIMIT_MS", LIMIT_MS)
        .env("PAUSE", "0")
        .start()
}

/// The folder of the comparison, and its record.
fn compared(done: &Done) -> (PathBuf, Value) {
    let mut folders = std::fs::read_dir(&done.results).unwrap();
    let folder = folders.next().unwrap().unwrap().path();
    let record = serde_json::from_str(&read(&folder.join("compare.json"))).unwrap();
    (folder, record)
}

/// All at once, since a step waits for most of its time.
#[test]
fn a_server_that_takes_less_is_found_and_one_that_takes_as_much_is_not() {
    let folder = load_tests("capacity");
    let dir = tempfile::tempdir().unwrap();
    let base = program(dir.path(), "base", 100);
    let less = program(dir.path(), "less", 75);
    let as_much = program(dir.path(), "as-much", 100);
    let lesser = compare(folder.path(), &base, &less);
    let alike = compare(folder.path(), &base, &as_much);
    let cut_off = compare(folder.path(), &base, &less);
    keeps_the_pairs_so_far(cut_off);

    let done = lesser.done();
    done.exits(1)
        .says("comparing ")
        .says("how many iterations a second ask can take, at most 6 pairs of searches to 10 %")
        .says("ask, pair 6 of 6: head")
        .says("ask: capacity is ")
        .says(" below the base's ")
        .says("gave way: ")
        .says("a queue of the server")
        .says("WORSE");
    let (folder_of, found) = compared(&done);
    let test = &found["tests"][0];
    let metric = &test["metrics"][0];
    assert_eq!(metric["metric"], "capacity iterations per second");
    assert_eq!(metric["change"], "regression", "{metric}");
    let note = metric["note"].as_str().unwrap();
    assert!(note.contains("a queue of the server"), "{metric}");
    let number = |name: &str| metric["evidence"][name].as_f64().unwrap();
    let (low, estimate, high) = (number("low"), number("estimate"), number("high"));
    // The edge of a short step is a stretch, so that the true change may be a little beyond the interval of few pairs.
    assert!(low <= estimate && estimate <= high, "{metric}");
    assert!((-0.35..-0.15).contains(&estimate), "{metric}");
    let pairs = test["searches"].as_array().unwrap();
    assert_eq!(pairs.len(), 6);
    let first = |nth: usize| pairs[nth][0]["side"].as_str().unwrap();
    for nth in [0, 2, 4] {
        assert_ne!(first(nth), first(nth + 1), "each side is first as often");
    }
    for name in ["report.html", "summary.md"] {
        let page = read(&folder_of.join(name));
        for text in ["WORSE", "Pairs of searches", "gave way: "] {
            assert!(page.contains(text), "{name} lacks {text}: {page}");
        }
    }
    assert!(
        !folder_of.join("blocks").exists(),
        "what went well is not kept"
    );

    let done = alike.done();
    done.exits(0).says("NOTHING IS WORSE");
    let (folder_of, found) = compared(&done);
    let metric = &found["tests"][0]["metrics"][0];
    assert_eq!(metric["change"], "unchanged", "{metric}");

    // The same pairs, judged again without any server.
    let blocks = folder_of.join("blocks.json");
    let again = Run::compare("--replay")
        .arg(blocks.to_str().unwrap())
        .done();
    again.exits(0).says("NOTHING IS WORSE");
    assert_eq!(compared(&again).1["tests"], found["tests"]);
}

/// Ctrl-C in the second pair leaves the first one, which says nothing yet.
fn keeps_the_pairs_so_far(mut going: Going) {
    going.wait_for("ask, pair 2 of 6");
    going.signal_as_a_terminal(Signal::INT);
    let done = going.done();
    done.exits(130).says("INTERRUPTED");
    let test = &compared(&done).1["tests"][0];
    assert_eq!(test["searches"].as_array().unwrap().len(), 1, "{test}");
    assert_eq!(test["metrics"][0]["change"], "not_judged", "{test}");
}

#[test]
fn too_few_pairs_to_show_anything_are_refused_with_the_arithmetic() {
    Run::compare("missions --capacity --pairs 5")
        .done()
        .exits(2)
        .says("5 pairs reach p = 1/2^5 = 3.12e-2 at best")
        .says("6 pairs are needed");
}
