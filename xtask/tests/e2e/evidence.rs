//! No run is green without evidence: servers that lie, and scripts that prove nothing.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::liar::{Liar, Lie};
use crate::support::{Busy, Run, Server, root};

const KEY: &str = "test-api-key";

#[test]
fn an_exception_erases_no_evidence() {
    let server = Server::start(KEY);
    let liar = Liar::new(Lie::SixthListIsHtml, &server.url, KEY);
    let done = Run::new("smoke missions --time-scale 0.4")
        .against(&liar.url())
        .done();
    done.exits(1)
        .says(" iterations ended with SyntaxError")
        .says("(api-missions.js:61); at most 1 % may")
        .says("exceptions counted as errors");
    let metrics = &done.run()["tests"][0]["metrics"];
    assert!(
        metrics["iteration_exceptions"].as_u64() > Some(0),
        "{metrics}"
    );
}

#[test]
fn the_right_status_with_the_wrong_content_is_no_pass() {
    let server = Server::start(KEY);
    for (lie, test, what) in [
        (
            Lie::NotStored,
            "missions",
            "before the test, GET /api/missions/",
        ),
        (
            Lie::AnyKey,
            "missions",
            "after the test, GET /api/missions: 401 was expected without a key",
        ),
        (
            Lie::SearchEmpty,
            "specs",
            "before the test, GET /api/specs/search?q=ui: something was expected",
        ),
    ] {
        let liar = Liar::new(lie, &server.url, KEY);
        let done = Run::new(&format!("smoke {test} --time-scale 0.05"))
            .against(&liar.url())
            .done();
        done.exits(1);
        assert!(done.reasons().contains(what), "{lie:?}: {}", done.reasons());
    }
}

#[test]
fn a_websocket_that_does_nothing_is_no_pass() {
    let server = Server::start(KEY);
    let runs = [
        (
            Lie::SocketSilent,
            "check \"message has type\" was never made",
        ),
        (
            Lie::SocketSilent,
            "ws_messages_received count is 0; it must be at least 1",
        ),
        (
            Lie::SocketGarbage,
            "1 of 1 iterations ended with SyntaxError",
        ),
        (
            Lie::SocketError,
            "\"error\" where \"subscribed\" to \"missions\" was expected",
        ),
        (Lie::SocketShort, "ws_session_duration p5 is 1"),
    ];
    let runs = runs.map(|(lie, reason)| {
        let liar = Liar::new(lie, &server.url, KEY);
        let run = Run::new("smoke websocket --time-scale 0.02").against(&liar.url());
        (run.start(), liar, lie, reason)
    });
    for (run, _liar, lie, reason) in runs {
        let done = run.done();
        done.exits(1);
        assert!(
            done.reasons().contains(reason),
            "{lie:?}: {}",
            done.reasons()
        );
    }
}

#[test]
fn late_answers_on_a_machine_that_others_keep_busy_are_no_evidence() {
    let mine = Mine::new(
        "import http from 'k6/http'; import { check, sleep } from 'k6';
        export const options = { thresholds: { http_req_duration: ['p(95)<0.001'] } };
        export default function () {
          check(http.get(`${__ENV.BASE_URL}/api/health`), { 'status is 200': (r) => r.status === 200 }); sleep(0.1);
        }",
    );
    let _busy = Busy::start();
    let late = "mine: p95 of requests is ";
    let unmeasured = "mine: could not be measured: other programs took ";
    let runs = [
        (true, "", 3, unmeasured),
        // Its processor time is among the others'.
        (false, "", 1, late),
        (true, "--judge-when-busy", 1, late),
    ]
    .map(|(sampled, args, code, what)| {
        let server = Server::start(KEY);
        let mut run = Run::new(&format!("smoke mine --time-scale 0.1 {args}"))
            .env("LOAD_TEST_CONFIG", mine.table().to_str().unwrap())
            .against(&server.url);
        if sampled {
            run = run.arg(&format!("--server-pid={}", server.pid()));
        }
        (run.start(), server, code, what)
    });
    for (run, _server, code, what) in runs {
        let done = run.done();
        done.exits(code);
        assert!(done.reasons().contains(what), "{what}: {}", done.reasons());
    }
}

/// A copy of load-tests with one more test, `mine`, and one more profile, `rate`.
struct Mine(TempDir);

impl Mine {
    fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let from = root().join("load-tests");
        for file in ["k6.config.js", "probe.js", "load-test.toml"] {
            std::fs::copy(from.join(file), dir.path().join(file)).unwrap();
        }
        std::fs::create_dir(dir.path().join("tests")).unwrap();
        for entry in std::fs::read_dir(from.join("tests")).unwrap().flatten() {
            let to = dir.path().join("tests").join(entry.file_name());
            std::fs::copy(entry.path(), to).unwrap();
        }
        let main = std::fs::read_to_string(from.join("main.js")).unwrap();
        let profiles = "  ...config.profiles,\n";
        let rate = "  rate: { scenarios: { api: { executor: 'constant-arrival-rate', rate: 50, duration: '2s', preAllocatedVUs: 1, maxVUs: 2 } } },\n";
        let main = main.replacen(profiles, &format!("{profiles}{rate}"), 1);
        assert!(main.contains(rate));
        std::fs::write(dir.path().join("main.js"), main).unwrap();
        std::fs::write(dir.path().join("tests/mine.js"), script).unwrap();
        Self(dir)
    }

    fn table(&self) -> PathBuf {
        self.0.path().join("load-test.toml")
    }
}

#[test]
fn a_script_that_proves_nothing_is_no_pass_and_one_that_does_is() {
    const GET: &str = "import http from 'k6/http'; import { check, sleep } from 'k6'; import { Counter, Rate } from 'k6/metrics';
        const get = () => check(http.get(`${__ENV.BASE_URL}/api/health`), { 'status is 200': (r) => r.status === 200 });\n";
    let server = Server::start(KEY);
    for (script, args, code, what) in [
        ("export default function () { get(); sleep(0.1); }", "smoke", 0, "passed"),
        (
            "export function setup() { get(); } export default function () { check(1, { one: true }); sleep(0.1); }",
            "smoke",
            1,
            "setup and teardown made all requests (1); ",
        ),
        (
            "const errors = new Rate('mishaps'); export const options = { thresholds: { mishaps: ['rate<0.01'] } };
             export default function () { get() || errors.add(1); sleep(0.1); }",
            "smoke",
            1,
            "no threshold of the script was evaluated, and no rule of evidence stands for it",
        ),
        (
            "const lost = new Counter('lost'); export const options = { thresholds: { lost: ['count==0'] } };
             export default function () { get() || lost.add(1); sleep(0.1); }",
            "smoke",
            0,
            "passed",
        ),
        (
            "export default function () { http.get(`${__ENV.BASE_URL}/api/health`); sleep(0.1); }",
            "smoke",
            1,
            "no check was made",
        ),
        (
            "export default function () { get(); sleep(0.1); undefined.id; }",
            "smoke",
            1,
            "ended with TypeError: Cannot read property 'id' of undefined (mine.js:3); at most 1 % may",
        ),
        (
            "export default async function () { get(); sleep(0.1); await new Promise(() => {}); undefined.id; }",
            "smoke",
            1,
            "ended with a promise that is never settled; at most 1 % may",
        ),
        (
            "export default function () { get(); sleep(0.1); undefined.id; }",
            "smoke --max-exceptions 1",
            0,
            "ended with TypeError: Cannot read property 'id' of undefined (mine.js:3)",
        ),
        // What is told of answers that failed ends neither an iteration nor the teardown.
        (
            "export default function () { get(); check(http.get('http://['), { 'no answer': (r) => r.status === 0 }); sleep(0.1); }
             export function teardown() {
               const gone = { responseCallback: http.expectedStatuses(404) };
               http.get(`${__ENV.BASE_URL}/gone`, gone);
             }",
            "smoke",
            0,
            "passed",
        ),
        (
            "export default function () { get(); sleep(0.3); }",
            "rate",
            1,
            "planned iterations did not begin: no virtual user was free",
        ),
        (
            "export function setup() { get(); throw new Error('quota exceeded'); } export default function () { get(); }",
            "smoke",
            1,
            "setup() ended with an exception: Error: quota exceeded, at mine.js:3",
        ),
        (
            "export const options = { scenarios: { browse: { executor: 'constant-vus', vus: 1, duration: '1s' } } };
             export default function () { get(); sleep(0.1); }",
            "smoke",
            0,
            "mine: the script's options.scenarios has no effect: the profile makes the load",
        ),
    ] {
        let mine = Mine::new(&format!("{GET}{script}"));
        let (profile, options) = args.split_once(' ').unwrap_or((args, ""));
        let done = Run::new(&format!("{profile} mine --time-scale 0.05 {options}"))
            .env("LOAD_TEST_CONFIG", mine.table().to_str().unwrap())
            .against(&server.url)
            .done();
        done.exits(code).says(what);
    }
}
