//! k6 and its scripts going wrong: each is named, and none passes.
//!
//! A wrapper stands in for k6: it answers `version` and `inspect` with the real program and does something nasty
//! when it is to `run`.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::{Done, Run, Server, k6};

/// A wrapper that does `nasty` (shell, with the real k6 in `$K6`) in place of a run.
fn wrapper(nasty: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k6");
    let text = format!(
        "#!/bin/sh\nK6='{}'\ncase \"$1\" in run) ;; *) exec \"$K6\" \"$@\" ;; esac\n{nasty}\n",
        k6().display()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    (dir, path)
}

fn run_with(nasty: &str) -> Done {
    let server = Server::start("test-api-key");
    let (_dir, path) = wrapper(nasty);
    let done = Run::with_k6("smoke health --time-scale 0.1", &path)
        .against(&server.url)
        .done();
    done.exits(1);
    done
}

/// Runs `script` in the place of ours, with a summary like ours.
fn script(dir: &Path, text: &str) -> String {
    let file = dir.join("script.js");
    let text = format!(
        "{text}\nexport function handleSummary(data) {{\n\
         return {{ [__ENV.SUMMARY_PATH]: JSON.stringify(data) }};\n}}\n"
    );
    std::fs::write(&file, text).unwrap();
    format!("exec \"$K6\" run --address= '{}'", file.display())
}

#[test]
fn a_script_that_throws() {
    let dir = tempfile::tempdir().unwrap();
    let done = run_with(&script(
        dir.path(),
        "throw new Error('the script is broken');\nexport default function () {}",
    ));
    let reasons = done.reasons();
    assert!(
        reasons.contains("107") && reasons.contains("script exception"),
        "{reasons}"
    );
    assert!(reasons.contains("the script is broken"), "{reasons}");
}

#[test]
fn a_script_that_aborts() {
    let dir = tempfile::tempdir().unwrap();
    let text = "import exec from 'k6/execution';\nexport default function () { exec.test.abort('enough'); }";
    let reasons = run_with(&script(dir.path(), text)).reasons();
    assert!(reasons.contains("108"), "{reasons}");
}

#[test]
fn k6_killed() {
    let reasons = run_with("kill -9 $$").reasons();
    assert!(reasons.contains("signal 9"), "{reasons}");
    assert!(reasons.contains("no summary"), "{reasons}");
}

#[test]
fn no_summary_at_all() {
    let reasons = run_with("\"$K6\" \"$@\"; rm \"$SUMMARY_PATH\"").reasons();
    assert!(reasons.contains("no summary"), "{reasons}");
}

#[test]
fn a_summary_cut_in_half() {
    let reasons = run_with("\"$K6\" \"$@\"; truncate -s 700 \"$SUMMARY_PATH\"").reasons();
    assert!(
        reasons.contains("summary") && reasons.contains("line"),
        "{reasons}"
    );
}

#[test]
fn an_exit_code_that_hides_a_crossed_threshold() {
    let nasty = "\"$K6\" \"$@\"; sed -i 's/\"ok\": true/\"ok\": false/' \"$SUMMARY_PATH\"; exit 0";
    let reasons = run_with(nasty).reasons();
    assert!(
        reasons.contains("p(95)<100") || reasons.contains("health_check_duration"),
        "{reasons}"
    );
}

#[test]
fn wild_output_neither_breaks_nor_floods() {
    // Ten megabytes in one line, bytes that are no text, and escape sequences that would clear a screen.
    let nasty = "head -c 10000000 /dev/zero | tr '\\0' x >&2; echo >&2; \
                 printf '\\377\\376 level=error msg=\"\\033[2J bad \\377 bytes\"\\n' >&2; exec \"$K6\" \"$@\"";
    let server = Server::start("test-api-key");
    let (_dir, path) = wrapper(nasty);
    let done = Run::with_k6("smoke health --time-scale 0.05", &path)
        .against(&server.url)
        .done();
    done.exits(0);
    assert!(
        done.stderr.len() + done.stdout.len() < 20_000,
        "{} bytes",
        done.stderr.len()
    );
    assert!(!done.stderr.contains('\u{1b}'));
    let log = std::fs::read(done.folder().join("health/k6.log")).unwrap();
    assert!(
        log.len() < 100_000 && std::str::from_utf8(&log).is_ok(),
        "{} bytes",
        log.len()
    );
}

#[test]
fn wild_output_of_the_server_neither_breaks_nor_floods() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server");
    let text = format!(
        "#!/bin/sh\nhead -c 10000000 /dev/zero | tr '\\0' x >&2; echo >&2; printf '\\377\\033[2J\\n' >&2\nexec '{}' \"$@\"\n",
        crate::support::server().display()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let done = Run::new("smoke health --time-scale 0.05")
        .server_bin(&path)
        .done();
    done.exits(0);
    let log = std::fs::read(done.folder().join("server.log")).unwrap();
    assert!(
        log.len() < 100_000 && std::str::from_utf8(&log).is_ok(),
        "{} bytes",
        log.len()
    );
    assert!(done.stderr.len() < 20_000);
}
