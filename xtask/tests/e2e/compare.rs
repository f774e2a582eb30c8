//! `cargo xtask compare` with ready programs: what is slower is found and named, and what is not is left alone.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::Value;

use crate::faults::{profiling_program, program_with_faults};
use crate::support::{Done, Going, Run, read, server, wait_until, without_perf};

/// Pairs of which twelve are enough for whatever they all show, as short as they may be.
const SHORT: &str = "--pairs 16 --block 300ms --seed 7 --instructions off --profile off";

fn compare(args: &str, base: &Path, head: &Path) -> Run {
    Run::compare(args)
        .arg("--base-bin")
        .arg(base.to_str().unwrap())
        .arg("--head-bin")
        .arg(head.to_str().unwrap())
}

/// The only comparison in the results.
fn folder(results: &Path) -> PathBuf {
    let mut folders = std::fs::read_dir(results).unwrap();
    let folder = folders.next().unwrap().unwrap().path();
    assert!(folders.next().is_none());
    folder
}

fn comparison(done: &Done) -> Value {
    serde_json::from_str(&read(&folder(&done.results).join("compare.json"))).unwrap()
}

/// The pairs of an earlier comparison, judged again.
fn replayed(folder: &Path, args: &str) -> Done {
    Run::compare(args)
        .arg("--replay")
        .arg(folder.join("blocks.json").to_str().unwrap())
        .done()
}

fn changes(comparison: &Value, change: &str) -> Vec<String> {
    let metrics = comparison["tests"][0]["metrics"].as_array().unwrap();
    let those = metrics.iter().filter(|metric| metric["change"] == change);
    those
        .map(|metric| metric["metric"].as_str().unwrap().to_owned())
        .collect()
}

/// Compares with a server whose list takes more CPU time; both can sample themselves.
fn with_slower_list(dir: &Path, path: &str) -> Done {
    let sound = profiling_program(dir, "sound", "");
    // Not so slow that a block beside other programs has too few lists for a p95.
    let slow = profiling_program(dir, "slow", "GET /api/missions: cpu=5ms");
    let options = SHORT.replace("--profile off", "--profile auto");
    let compared = compare(&format!("missions {options}"), &sound, &slow);
    let done = compared.env("PATH", path).done();
    done.exits(1).says("WORSE");
    done
}

#[test]
fn where_perf_may_not_look_both_sides_sample_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let done = with_slower_list(dir.path(), &without_perf(dir.path()));
    let folder = folder(&done.results);
    names_the_function(
        &done,
        &comparison(&done)["sampled"][0],
        &folder.join("missions"),
    );
}

#[test]
fn a_slower_route_is_found_by_name_and_function_and_found_again_in_its_pairs() {
    let dir = tempfile::tempdir().unwrap();
    let done = with_slower_list(dir.path(), &std::env::var("PATH").unwrap());
    done.says("missions: mission_list_duration median is ");
    let found = comparison(&done);
    let worse = changes(&found, "regression");
    assert!(
        worse.contains(&"mission_list_duration med".into()),
        "{worse:?}"
    );
    assert!(
        !worse.iter().any(|name| name.starts_with("mission_create")),
        "{worse:?}"
    );
    assert_eq!(found["tests"][0]["pairs"], 12, "a clear case ends early");

    let folder = folder(&done.results);
    let page = read(&folder.join("report.html"));
    assert!(page.contains("WORSE") && page.contains("<svg"), "{page}");
    assert!(read(&folder.join("summary.md")).contains("mission\\_list\\_duration med"));
    assert!(
        !folder.join("blocks").exists(),
        "what went well is not kept"
    );

    names_the_function(&done, &found["sampled"][0], &folder.join("missions"));

    // The same pairs, judged again without any server: the same verdict, unless the floor lets it pass.
    let again = replayed(&folder, "");
    again.exits(1);
    assert_eq!(comparison(&again)["tests"], found["tests"]);
    let floors = "--floor median=100000% --floor p95=100000% --floor cpu=1000% --floor memory=100%";
    let passed = replayed(&folder, floors);
    passed.exits(0).says("NOTHING IS WORSE");
    let page = read(&self::folder(&passed.results).join("report.html"));
    let repeat =
        "--pairs 16 --block 300ms --vus 50 --seed 7 --floor median=100000% --floor p95=100000%";
    assert!(page.contains(repeat), "{page}");
}

/// The function is named that burns CPU time.
fn names_the_function(done: &Done, sampled: &Value, folder: &Path) {
    let first = sampled["functions"][0]["name"].as_str();
    assert!(
        first.is_some_and(|name| name.ends_with("under faults::inject::burn")),
        "{sampled}"
    );
    done.says("CPU per request when sampled, of which +")
        .says("under faults::inject::burn");
    for side in ["base", "head", "diff"] {
        let flames = read(&folder.join(format!("flame-{side}.svg")));
        assert_eq!(flames.contains("faults::inject::burn"), side != "base");
    }
}

/// A folder with a valgrind and a vgdb that run the server as it is, and count 100,000 instructions of a route in the
/// base and 150,000 in the head.
fn counters(dir: &Path) -> PathBuf {
    const VALGRIND: &str = r#"#!/bin/sh
for option; do case $option in --callgrind-out-file=*) echo "${option#*=}" > "$(dirname "$0")/$$"; esac; done
while [ "${1#--}" != "$1" ]; do shift; done
exec "$@"
"#;
    const VGDB: &str = r#"#!/bin/sh
[ "$3" = dump ] || exit 0
pid="${1#--pid=}"
server="$(dirname "$0")/$pid"
read -r counts < "$server"
echo >> "$server.parts"
case $counts in *head*) count=150000;; *) count=100000;; esac
printf 'fn=sort::h0123456789abcdef\n0 %s\n' $count > "${counts%??}$pid.$(wc -l < "$server.parts" | tr -d ' ')"
"#;
    let folder = dir.join("counters");
    std::fs::create_dir(&folder).unwrap();
    for (name, script) in [("valgrind", VALGRIND), ("vgdb", VGDB)] {
        let path = folder.join(name);
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

#[test]
fn failing_checks_need_no_pairs_and_instructions_are_counted_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let failing = program_with_faults(dir.path(), "failing", "GET /api/missions: error=50%");
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", counters(dir.path()).display());
    let short = SHORT.replace("--instructions off", "--instructions on");
    let done = compare(&format!("missions {short}"), server(), &failing)
        .env("PATH", &path)
        .done();
    done.exits(1)
        .says("list status is 200\" failed ")
        .says("missions: mission_create_duration instruction count is ")
        .says(", 50 % above the base's ")
        .says("+50.0 %  sort")
        .says(
            "mission_list_duration instructions could not be judged: 12 of 12 pairs lack it: of ",
        );
    let test = &comparison(&done)["tests"][0];
    assert_eq!(test["pairs"], 0);
    let worse = test["worse_failures"].as_array().unwrap();
    assert_eq!(worse.len(), 3, "the requests and both checks: {test}");
}

#[test]
fn a_program_that_is_no_server_is_told_from_a_slow_one() {
    let no_server = Path::new("/bin/false");
    let said = "did not become ready";
    // As the base it makes a comparison impossible, and so it does as the head: nothing was compared.
    compare(&format!("health {SHORT}"), no_server, server())
        .done()
        .exits(3)
        .says("the server of base")
        .says(said);
    compare(&format!("health {SHORT}"), server(), no_server)
        .done()
        .exits(3)
        .says("the server of head")
        .says(said);
}

#[test]
fn a_head_that_dies_under_load_is_worse() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dies");
    // Long enough to become ready, not long enough for 200 iterations.
    let script = format!(
        "#!/bin/sh\nexec timeout --foreground --signal=KILL 1.5 '{}' \"$@\"\n",
        server().display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let done = compare(&format!("health {SHORT}"), server(), &path).done();
    done.exits(1).says("the head did not withstand the load");
    replayed(&folder(&done.results), "")
        .exits(1)
        .says("the head did not withstand the load");
}

#[test]
fn what_says_nothing_is_not_measured() {
    let done = compare("missions --pairs 6", server(), server()).done();
    done.exits(2)
        .says("6 pairs reach p = 1/2^6 = 1.56e-2 at best")
        .says("10 pairs are needed");
    assert!(!done.results.exists(), "nothing was begun");
    let done = compare("missions --instructions on", server(), server())
        .env("PATH", "/nowhere")
        .done();
    done.exits(2)
        .says("needs valgrind")
        .says("apt-get install valgrind");
    let done = compare("missions --instructions auto", server(), server())
        .env("PATH", "/nowhere")
        .done();
    done.says("instructions are not counted: valgrind is not installed");
    done.exits(0).says("THE SAME PROGRAM, NOTHING WAS MEASURED");
    let done = compare("missions", server(), server())
        .env("CARGO_TARGET_DIR", OsStr::from_bytes(b"/no/t\xe9xt"))
        .done();
    done.exits(2)
        .says("the path of the target directory, /no/t\u{fffd}xt, is not valid UTF-8")
        .says("set CARGO_TARGET_DIR to a folder whose path is");
}

/// Waits until a measurement whose folder's name begins with `name` is under way, and interrupts it.
fn interrupted_at(run: &Going, name: &str) {
    measured_at(run, name);
    run.signal_as_a_terminal(Signal::INT);
}

/// Waits until a measurement whose folder's name begins with `name` is under way.
fn measured_at(run: &Going, name: &str) {
    wait_until(&format!("{name} begins"), || {
        let folders = std::fs::read_dir(&run.results)
            .into_iter()
            .flatten()
            .flatten();
        folders.map(|folder| folder.path()).any(|folder| {
            let blocks = std::fs::read_dir(folder.join("blocks"));
            let mut blocks = blocks.into_iter().flatten().flatten();
            blocks.any(|block| block.file_name().to_string_lossy().starts_with(name))
        })
    });
}

#[test]
fn pairs_that_cannot_be_kept_do_not_outrank_how_the_comparison_ended() {
    let dir = tempfile::tempdir().unwrap();
    let other = program_with_faults(dir.path(), "other", "");
    let run = compare(&format!("health {SHORT}"), server(), &other).start();
    measured_at(&run, "health-001");
    std::fs::create_dir(folder(&run.results).join("blocks.json")).unwrap();
    run.signal_as_a_terminal(Signal::INT);
    let done = run.done();
    done.exits(130).says("INTERRUPTED").says("blocks.json");
    assert_eq!(comparison(&done)["outcome"], "interrupted");
}

#[test]
fn what_looks_worse_is_counted_once_more_and_an_interrupt_keeps_the_pairs_so_far() {
    let dir = tempfile::tempdir().unwrap();
    // Five of 200: too few to be called worse, too many to be passed over.
    let other = program_with_faults(dir.path(), "other", "GET /api/missions: error=2.5%");
    let run = compare(&format!("missions {SHORT}"), server(), &other).start();
    interrupted_at(&run, "missions-002");
    let done = run.done();
    done.exits(130).says("INTERRUPTED");
    assert_eq!(comparison(&done)["outcome"], "interrupted");
    let blocks = read(&folder(&done.results).join("blocks.json"));
    let blocks: Value = serde_json::from_str(&blocks).unwrap();
    assert!(!blocks["pairs"].as_array().unwrap().is_empty());
    let counts = blocks["checks"].as_array().unwrap();
    let list = counts
        .iter()
        .find(|count| count["what"]["check"] == "Mission CRUD › list status is 200");
    let list = list.unwrap_or_else(|| panic!("{counts:?}"));
    let tries = |side: &str| list[side][1].as_u64().unwrap();
    assert!(tries("base") > 220 && tries("head") > 220, "{list}");
    assert!(counts.iter().any(|count| count["what"] == "iterations"));
    // Judged again, they are too few to say anything, and not green.
    replayed(&folder(&done.results), "")
        .exits(3)
        .says("COULD NOT COMPARE")
        .says("there are not enough pairs to judge missions");
}

#[test]
fn what_opens_websockets_is_left_to_k6() {
    let dir = tempfile::tempdir().unwrap();
    let other = program_with_faults(dir.path(), "other", "");
    let run = compare(&format!("websocket {SHORT}"), server(), &other).start();
    // A duet would have both sides there.
    interrupted_at(&run, "websocket-001");
    run.done().exits(130).says("INTERRUPTED");
}

#[test]
fn head_against_itself_says_how_noisy_the_machine_is() {
    let done = Run::compare("health --calibrate --pairs 10 --block 200ms --seed 7")
        .arg("--head-bin")
        .arg(server().to_str().unwrap())
        .done();
    done.says("head against itself");
    let calibration = &comparison(&done)["calibration"];
    assert_eq!(calibration["draws"], 2000, "{calibration}");
}
