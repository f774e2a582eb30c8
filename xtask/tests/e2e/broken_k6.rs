//! k6 and its scripts going wrong: each is named, and none passes.
//!
//! A wrapper stands in for k6: it answers `version` and `inspect` with the real program and does something nasty
//! when it is to `run`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::stub::closed_port;
use crate::support::{Done, Run, Server, command_line, files, k6, read, wait_until};

/// A wrapper that does `nasty` (shell, with the real k6 in `$K6`) in place of a run.
pub fn wrapper(nasty: &str) -> (TempDir, PathBuf) {
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
    format!(
        "exec \"$K6\" run --address= --log-format json '{}'",
        file.display()
    )
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
        reasons.contains("the script ended with an exception while it was loaded"),
        "{reasons}"
    );
    assert!(reasons.contains("the script is broken"), "{reasons}");
}

#[test]
fn a_script_that_aborts() {
    let dir = tempfile::tempdir().unwrap();
    let text = "import exec from 'k6/execution';\nexport default function () { exec.test.abort('enough'); }";
    let reasons = run_with(&script(dir.path(), text)).reasons();
    assert!(
        reasons.contains("the script aborted the test: enough"),
        "{reasons}"
    );
}

#[test]
fn a_setup_that_fails() {
    let dir = tempfile::tempdir().unwrap();
    let text = "import { fail } from 'k6';\nexport function setup() { fail('quota exceeded'); }\nexport default function () {}";
    let reasons = run_with(&script(dir.path(), text)).reasons();
    assert!(reasons.contains("quota exceeded"), "{reasons}");
}

#[test]
fn requests_that_fail_are_explained() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "import http from 'k6/http';\nexport const options = {{ iterations: 3 }};\n\
         export default function () {{ http.get('http://127.0.0.1:{}/'); }}",
        closed_port()
    );
    let reasons = run_with(&script(dir.path(), &text)).reasons();
    assert!(
        reasons.contains("3 requests failed with: connect: connection refused"),
        "{reasons}"
    );
}

#[test]
fn too_few_open_files_are_the_generators_fault() {
    let server = Server::start("test-api-key");
    let (_dir, path) = wrapper("ulimit -n 40; exec \"$K6\" \"$@\"");
    let results = tempfile::tempdir().unwrap();
    let junit = results.path().join("junit.xml");
    let args = format!(
        "smoke health --junit {} -- --vus 80 --duration 3s",
        junit.display()
    );
    let run = Run::with_k6(&args, &path).results_in(results.path());
    let done = run.against(&server.url).done();
    done.exits(3)
        .says("health: could not be measured: ")
        .says("the load generator had too few open files")
        .says("raise `ulimit -n` above 80, or use 2 runners");
    let run = done.run();
    assert_eq!(run["tests"][0]["outcome"], "could_not_run");
    // Nothing in the reports accuses the server.
    let junit = read(&done.results.join("junit.xml"));
    assert!(junit.contains("failures=\"0\""), "{junit}");
    assert!(junit.contains("<error"), "{junit}");
}

#[test]
fn a_script_that_needs_its_variables_at_its_top() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("script.js");
    let text = "import http from 'k6/http';\nimport { check } from 'k6';\n\
        if (!__ENV.API_KEY) throw new Error('API_KEY is required');\n\
        const base = __ENV.BASE_URL.replace(/\\/$/, '');\n\
        export const options = { vus: 1, iterations: 2, thresholds: { checks: ['rate>0.9'] } };\n\
        export default function () { check(http.get(`${base}/api/health`), { ok: (r) => r.status === 200 }); }\n\
        export function handleSummary(data) { return { [__ENV.SUMMARY_PATH]: JSON.stringify(data) }; }";
    std::fs::write(&file, text).unwrap();
    // In the place of load-tests/main.js, with everything else as it is.
    let path = dir.path().join("k6");
    let text = format!(
        "#!/bin/sh\nfor word; do case \"$word\" in */main.js) word='{}' ;; esac; set -- \"$@\" \"$word\"; shift; done\n\
         exec '{}' \"$@\"\n",
        file.display(),
        k6().display()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let server = Server::start("test-api-key");
    let done = Run::with_k6("smoke health", &path)
        .against(&server.url)
        .done();
    assert!(
        done.code != Some(3) && done.code != Some(2),
        "{}",
        done.stderr
    );
    assert_eq!(done.run()["tests"][0]["metrics"]["iterations"], 2);
}

#[test]
fn whoever_looks_at_the_dashboard_is_let_go() {
    let run = Run::new("smoke health --time-scale 0.1")
        .own_server()
        .start();
    let mut address = None;
    wait_until("k6 says where its dashboard is", || {
        let logs = files(&run.results).into_iter();
        let text = logs
            .filter(|file| file.ends_with("health/k6.log"))
            .map(|file| read(&file));
        address = text
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .find_map(|line| Some(line.split_once("web dashboard: http://")?.1.to_owned()));
        address.is_some()
    });
    let address = address.unwrap();
    let mut onlooker = TcpStream::connect(&address).unwrap();
    write!(onlooker, "GET /events HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut begin = [0; 12];
    onlooker.read_exact(&mut begin).unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200");
    // It never hangs up by itself.
    let done = run.done();
    done.exits(0);
    assert!(done.summary("health")["metrics"].is_object());
}

#[test]
fn k6_killed() {
    let reasons = run_with("kill -9 $$").reasons();
    assert!(reasons.contains("signal 9"), "{reasons}");
    assert!(reasons.contains("no summary"), "{reasons}");
}

#[test]
fn k6_killed_from_outside_and_the_next_test_still_runs() {
    let mut run = Run::new("smoke health specs --time-scale 0.1")
        .own_server()
        .start();
    run.wait_for("health: 1 virtual user");
    let mut k6 = None;
    wait_until("k6 runs", || {
        let all = run.processes();
        // Not the one that looks at the answers.
        k6 = all.into_iter().find(|pid| {
            let line = command_line(*pid);
            line.contains(" --address= ") && line.contains("main.js")
        });
        k6.is_some()
    });
    let k6 = Pid::from_raw(i32::try_from(k6.unwrap()).unwrap()).unwrap();
    kill_process(k6, Signal::KILL).unwrap();
    let done = run.done();
    done.exits(1);
    let reasons = done.reasons();
    assert!(
        reasons.contains("health: k6 was killed by signal 9"),
        "{reasons}"
    );
    assert_eq!(done.run()["tests"][1]["outcome"], "passed", "{reasons}");
}

#[test]
fn a_script_that_asks_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let reasons = run_with(&script(dir.path(), "export default function () {}")).reasons();
    assert!(reasons.contains("no HTTP request was made"), "{reasons}");
}

#[test]
fn exit_codes_that_the_summary_does_not_bear_out() {
    let reasons = run_with("\"$K6\" \"$@\"; exit 99").reasons();
    assert!(
        reasons.contains("its summary has no crossed threshold"),
        "{reasons}"
    );
    let reasons = run_with("\"$K6\" \"$@\"; exit 110").reasons();
    assert!(reasons.contains("k6 exited with 110"), "{reasons}");
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
        reasons.contains("health_check_duration p95 is "),
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
