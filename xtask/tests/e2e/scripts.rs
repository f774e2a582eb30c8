//! `load-tests/main.js` and `load-tests/probe.js` as k6 runs them, without the program around them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::liar::{Liar, Lie};
use crate::support::{Server, k6, oldest_k6, root};

const KEY: &str = "test-api-key";

/// k6 with a clean environment, quiet, listening nowhere.
pub fn command(program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("K6_") || ["BASE_URL", "WS_URL"].contains(&name.as_str()) {
            command.env_remove(name);
        }
    }
    command.args(args).env("API_KEY", KEY);
    command
}

/// Runs a script of load-tests against a proxy; returns how it ended and what it wrote.
fn run(program: &Path, script: &str, env: &[(&str, &str)], liar: &Liar) -> (Output, Value) {
    let dir = tempfile::tempdir().unwrap();
    let summary = dir.path().join("summary.json");
    let out = command(program, &["run", "--quiet", "--address="])
        .arg(root().join("load-tests").join(script))
        .env("BASE_URL", liar.url())
        .env("WS_URL", liar.ws_url())
        .env("SUMMARY_PATH", &summary)
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let text = std::fs::read_to_string(&summary).unwrap_or_default();
    (out, serde_json::from_str(&text).unwrap_or_default())
}

#[test]
fn the_probe_passes_a_server_that_does_what_it_says() {
    let server = Server::start(KEY);
    for program in [k6(), oldest_k6()] {
        for (tests, passed) in [
            ("", 4),
            ("health", 1),
            ("missions", 2),
            ("websocket", 2),
            ("mine", 3),
        ] {
            let liar = Liar::new(Lie::None, &server.url, KEY);
            let (out, result) = run(program, "probe.js", &[("TEST", tests)], &liar);
            let expected = serde_json::json!({"ok": true, "passed": passed, "failures": []});
            assert_eq!(result, expected, "{tests}");
            assert_eq!(out.status.code(), Some(0), "{tests}");
        }
    }
}

#[test]
fn the_probe_sees_each_liar_and_names_request_and_answer() {
    let server = Server::start(KEY);
    for (lie, tests, failure) in [
        (
            Lie::Empty,
            "missions",
            "GET /api/missions: 401 was expected without a key, but the answer was 200 with no content",
        ),
        (
            Lie::NotStored,
            "missions",
            ": 200 was expected, but the answer was 404 {",
        ),
        (
            Lie::OthersMissions,
            "missions",
            "that was just created was expected in it, but the answer was 200 [{\"backend\":\"mock\",\"id\":\"0\"",
        ),
        (
            Lie::ListedTwice,
            "missions",
            "GET /api/missions?limit=200: each mission was expected once, not ",
        ),
        (
            Lie::ListedNothing,
            "missions",
            "GET /api/missions?limit=200: missions with an id each were expected, but the answer was 200 [",
        ),
        (
            Lie::OneId,
            "missions",
            "POST /api/missions: two missions got one id, \"",
        ),
        (
            Lie::NullId,
            "missions",
            "POST /api/missions: an id was expected, not null, but the answer was 201 {",
        ),
        (
            Lie::OtherName,
            "missions",
            "was expected, not \"another's\", but the answer was 201 {",
        ),
        (
            Lie::AnyKey,
            "missions",
            "GET /api/missions: 401 was expected without a key, but the answer was 200 [",
        ),
        (
            Lie::AnyKey,
            "specs",
            "GET /api/specs/001: 401 was expected without a key, but the answer was 200 {",
        ),
        (
            Lie::AnyKey,
            "websocket",
            ": 401 was expected for a wrong key, but the answer was 101",
        ),
        (
            Lie::SearchEmpty,
            "specs",
            "GET /api/specs/search?q=ui: something was expected to be found, here or for config, test, loop, backend, but the answer was 200 []",
        ),
        (
            Lie::SpecEmpty,
            "specs",
            ": content was expected, but the answer was 200 {",
        ),
        (
            Lie::Redirected,
            "missions",
            "GET /api/missions: 401 was expected without a key, but the answer was 307 to http://",
        ),
        (
            Lie::SocketSilent,
            "websocket",
            ": nothing for 5 s after subscribing",
        ),
        (
            Lie::SocketGarbage,
            "websocket",
            "the last message was not json",
        ),
        (
            Lie::SocketError,
            "websocket",
            ": \"error\" where \"subscribed\" to \"missions\" was expected; the last message was {\"type\":\"error\"",
        ),
        (
            Lie::SocketBinary,
            "websocket",
            ": binary data where text was expected",
        ),
        (
            Lie::SocketShort,
            "websocket",
            "closed before it told of the mission",
        ),
    ] {
        let liar = Liar::new(lie, &server.url, KEY);
        let (out, result) = run(k6(), "probe.js", &[("TEST", tests)], &liar);
        let failures = result["failures"].as_array().unwrap();
        let said: Vec<&str> = failures.iter().map(|it| it.as_str().unwrap()).collect();
        assert_eq!(result["ok"], false, "{lie:?} {tests}");
        assert!(
            said.iter().any(|it| it.contains(failure)),
            "{lie:?} {tests}: {said:#?}"
        );
        assert!(
            said.iter()
                .all(|it| !it.contains(KEY) && !it.contains('\n')),
            "{said:#?}"
        );
        assert_eq!(out.status.code(), Some(99), "{lie:?} {tests}");
    }
}

#[test]
fn warming_up_asks_each_route_and_judges_nothing() {
    let server = Server::start(KEY);
    let liar = Liar::new(Lie::Empty, &server.url, KEY);
    let (out, result) = run(k6(), "probe.js", &[("WARM_UP", "3")], &liar);
    assert_eq!((out.status.code(), result), (Some(0), Value::Null));
    assert_eq!(liar.asked(), 15);
}

#[test]
fn a_sick_server_gets_at_most_twice_the_planned_requests() {
    let server = Server::start(KEY);
    // Test, lie, iterations in 3 s as the script means them, and requests of each.
    let runs = [
        ("health", Lie::Empty, 6, 1),
        ("missions", Lie::Empty, 3, 2),
        ("specs", Lie::Empty, 6, 2),
        ("websocket", Lie::SocketGarbage, 1, 1),
        ("websocket", Lie::Empty, 1, 1),
    ];
    let runs = runs.map(|(test, lie, iterations, requests)| {
        let liar = Liar::new(lie, &server.url, KEY);
        std::thread::spawn(move || {
            let env = [("TEST", test), ("TIME_SCALE", "0.1")];
            let (out, result) = run(k6(), "main.js", &env, &liar);
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            (
                test,
                lie,
                2 * iterations * requests,
                liar.asked(),
                result,
                said,
            )
        })
    });
    for running in runs {
        let (test, lie, at_most, asked, summary, said) = running.join().unwrap();
        assert!(
            (1..=at_most).contains(&asked),
            "{test} {lie:?}: {asked} requests\n{said}"
        );
        assert!(
            summary["metrics"]["iterations"]["values"]["count"].as_u64() > Some(0),
            "{test} {lie:?}"
        );
    }
}

/// A copy of load-tests with more scripts.
struct Scripts(TempDir);

impl Scripts {
    fn with(scripts: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("tests")).unwrap();
        for file in ["main.js", "k6.config.js", "tests/api-health.js"] {
            std::fs::copy(root().join("load-tests").join(file), dir.path().join(file)).unwrap();
        }
        for (name, text) in scripts {
            std::fs::write(dir.path().join("tests").join(name), text).unwrap();
        }
        Self(dir)
    }

    fn main_js(&self) -> PathBuf {
        self.0.path().join("main.js")
    }

    /// What `k6 inspect` says of a test, by each k6.
    fn inspect(&self, test: &str) -> [(bool, String); 2] {
        [k6(), oldest_k6()].map(|program| {
            let out = command(program, &["inspect", "-e"])
                .arg(format!("TEST={test}"))
                .args(["-e", "SUMMARY_PATH=x"])
                .arg(self.main_js())
                .output()
                .unwrap();
            let said = [out.stdout, out.stderr].concat();
            (out.status.success(), String::from_utf8(said).unwrap())
        })
    }
}

#[test]
fn a_test_is_found_by_its_file_and_what_is_wrong_with_it_is_named() {
    const GOOD: &str = "export default function () {}";
    let scripts = Scripts::with(&[
        ("mine.js", GOOD),
        ("twice.js", GOOD),
        ("api-twice.js", GOOD),
        (
            "late.js",
            "const login = await Promise.resolve(1);\nexport const options = { thresholds: { late: ['rate<1'] } };\nexport default function () { return login; }",
        ),
        (
            "refused.js",
            "await Promise.reject(new Error('no login'));\nexport default function () {}",
        ),
        ("named.js", "export function browse() {}"),
        ("odd.js", GOOD),
        ("odd.json", r#"{"evidence": {"check": []}}"#),
        ("rules.js", GOOD),
        (
            "rules.json",
            r#"{"evidence": {"rules": {"ws_sessions": ["count > lots"]}}}"#,
        ),
        ("set.js", GOOD),
        (
            "set.json",
            r#"{"gracefulStop": "7s", "options": {"userAgent": "us"}, "evidence": {"rules": {"http_reqs": ["rate >= 1.5", "p(5) > iterations count"]}}}"#,
        ),
        (
            "high.js",
            "export const options = { summaryTrendStats: ['p(12)'], thresholds: { http_req_duration: ['p(99.9)<5'] } };\nexport default function () {}",
        ),
    ]);
    for (test, good, text) in [
        ("health", true, "health_check_duration"),
        ("mine", true, "\"tags\""),
        ("late", true, "\"late\""),
        ("set", true, "\"us\""),
        ("set", true, "\"gracefulStop\": \"7s\""),
        ("set", true, "p(5)"),
        ("high", true, "p(99.9)"),
        ("high", true, "p(12)"),
        ("high", true, "p(95)"),
        (
            "",
            false,
            "TEST is not set: a test is a file in load-tests/tests",
        ),
        (
            "other",
            false,
            "there is no tests/other.js and no tests/api-other.js",
        ),
        ("../main", false, "names are made of letters"),
        (
            "twice",
            false,
            "two scripts, ./tests/api-twice.js and ./tests/twice.js",
        ),
        ("refused", false, "Error: no login"),
        (
            "named",
            false,
            "./tests/named.js exports no default function",
        ),
        (
            "odd",
            false,
            "./tests/odd.json: unknown key \\\"check\\\" in evidence: it has checks, rules",
        ),
        (
            "rules",
            false,
            "./tests/rules.json: evidence.rules.ws_sessions must be a list of rules",
        ),
    ] {
        for (succeeded, said) in scripts.inspect(test) {
            assert_eq!(succeeded, good, "{test}: {said}");
            assert!(said.contains(text), "{test}: {text:?} is missing in {said}");
        }
    }
}

#[test]
fn virtual_users_and_rates_are_scaled_and_nothing_else() {
    const FORMS: &str = r"
  ...config.profiles,
  bare: { duration: '5s' },
  shared: { vus: 2, iterations: 8 },
  forms: { scenarios: {
    steady: { executor: 'constant-vus', duration: '5s' },
    ramp: { executor: 'ramping-vus', startVUs: 2, stages: [{ duration: '5s', target: 0 }] },
    each: { executor: 'per-vu-iterations', vus: 2, iterations: 8 },
    rate: { executor: 'constant-arrival-rate', rate: 4, duration: '5s', preAllocatedVUs: 3, maxVUs: 5 },
    rates: { executor: 'ramping-arrival-rate', startRate: 0, preAllocatedVUs: 1, stages: [{ duration: '5s', target: 4 }] },
  } },";
    let scripts = Scripts::with(&[]);
    let main_js = std::fs::read_to_string(scripts.main_js()).unwrap();
    let with_forms = main_js.replace("\n  ...config.profiles,", FORMS);
    assert_ne!(with_forms, main_js);
    std::fs::write(scripts.main_js(), with_forms).unwrap();
    let inspect = |profile: &str, scale: &str| {
        let env = [
            ("TEST", "health"),
            ("PROFILE", profile),
            ("VUS_SCALE", scale),
        ];
        let env = env
            .iter()
            .flat_map(|(name, value)| ["-e".to_owned(), format!("{name}={value}")]);
        let out = command(k6(), &["inspect", "--execution-requirements"])
            .args(env)
            .arg(scripts.main_js())
            .output()
            .unwrap();
        let value: Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
        (value, String::from_utf8(out.stderr).unwrap())
    };
    for (profile, scale, numbers) in [
        (
            "stress",
            "25.5",
            &[
                ("/stages/3/target", 2550),
                ("/stages/4/target", 0),
                ("/maxVUs", 2550),
            ][..],
        ),
        ("smoke", "0.01", &[("/maxVUs", 1)]),
        // Whoever starts a comparison may have the variable set.
        ("block", "7", &[("/maxVUs", 10)]),
        ("spike", "0.01", &[("/stages/1/target", 1)]),
        ("bare", "7", &[("/vus", 7)]),
        ("shared", "10", &[("/vus", 20), ("/iterations", 80)]),
        (
            "forms",
            "10",
            &[
                ("/scenarios/steady/vus", 10),
                ("/scenarios/ramp/startVUs", 20),
                ("/scenarios/ramp/stages/0/target", 0),
                ("/scenarios/each/vus", 20),
                ("/scenarios/each/iterations", 8),
                ("/scenarios/rate/rate", 40),
                ("/scenarios/rate/preAllocatedVUs", 30),
                ("/scenarios/rate/maxVUs", 50),
                ("/scenarios/rates/startRate", 0),
                ("/scenarios/rates/stages/0/target", 40),
            ],
        ),
    ] {
        let (plan, said) = inspect(profile, scale);
        for (path, expected) in numbers {
            let found = plan.pointer(path);
            assert_eq!(
                found,
                Some(&Value::from(*expected)),
                "{profile} {path}: {said}"
            );
        }
    }
    let (scaled, _) = inspect("stress", "10");
    let (plain, _) = inspect("stress", "");
    for (stage, as_ever) in ["/stages/0/duration", "/totalDuration", "/tags"]
        .map(|at| (scaled.pointer(at), plain.pointer(at)))
    {
        assert!(stage.is_some());
        assert_eq!(stage, as_ever);
    }
    for wrong in ["0", "0.001", "10001", "ten"] {
        let (_, said) = inspect("smoke", wrong);
        assert!(
            said.contains(&format!(
                "VUS_SCALE is \\\"{wrong}\\\": give a number from 0.01 to 10000"
            )),
            "{said}"
        );
    }
}

#[test]
fn an_archive_holds_all_that_a_test_needs() {
    let dir = tempfile::tempdir().unwrap();
    for program in [k6(), oldest_k6()] {
        for test in ["health", "websocket"] {
            let archive = dir.path().join("archive.tar");
            let made = command(program, &["archive", "-e"])
                .arg(format!("TEST={test}"))
                .arg("-O")
                .arg(&archive)
                .arg(root().join("load-tests/main.js"))
                .output()
                .unwrap();
            assert!(
                made.status.success(),
                "{}",
                String::from_utf8_lossy(&made.stderr)
            );
            let out = command(program, &["inspect"])
                .arg(&archive)
                .output()
                .unwrap();
            let options: Value = serde_json::from_slice(&out.stdout).unwrap();
            let websocket = options["minIterationDuration"] == "30s";
            assert_eq!(websocket, test == "websocket", "{test}");
        }
    }
}
