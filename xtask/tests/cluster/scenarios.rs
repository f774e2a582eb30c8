//! `cluster run` and what can become of it.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::{Cluster, HOST, NAMESPACE};
use crate::http::ask;
use crate::node::key;
use crate::processes::{command_line, processes_with};
use crate::store::Faults;
use crate::support::{Done, Going, Run, Server, files, read, root, wait_until};

const KEY: &str = "a-key-of-the-cluster";

/// A server, and a cluster whose runners find it.
struct Stage {
    server: Server,
    cluster: Cluster,
    own: TempDir,
}

impl Stage {
    #[track_caller]
    fn new(faults: Faults) -> Option<Self> {
        let cluster = Cluster::start(faults, KEY)?;
        let server = Server::start(KEY);
        let own = own_tests();
        Some(Self {
            server,
            cluster,
            own,
        })
    }

    /// `cluster run` of `tests` with `args` (words) against that server, by so many users.
    fn run(&self, tests: &str, users: u32, runners: u32, args: &str) -> Run {
        let port = self.server.url.rsplit_once(':').unwrap().1;
        let load = format!("--vus-scale {users} --runners {runners} --api-key-secret key");
        let target = format!("--base-url http://{HOST}:{port}");
        self.cluster
            .run(&format!("run smoke {tests} {load} {target} {args}"))
    }

    /// The same of tests that ask for the server's health only, and have these names: `fine`, `crossed`, `aborts`.
    fn run_own(&self, tests: &str, args: &str) -> Run {
        self.run_own_by(2, tests, args)
    }

    /// The same with so many runners.
    fn run_own_by(&self, runners: u32, tests: &str, args: &str) -> Run {
        let config = self.own.path().join("load-test.toml");
        self.run(tests, runners, runners, args)
            .env("LOAD_TEST_CONFIG", config.to_str().unwrap())
    }

    /// A PATH whose kubectl does this (shell) before it is the real one.
    fn path_with_kubectl(&self, before: &str) -> String {
        let file = self.own.path().join("kubectl");
        let kubectl = self.cluster.program().display();
        let script = format!("#!/bin/sh\n{before}\nexec {kubectl} \"$@\"\n");
        std::fs::write(&file, script).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = std::env::var("PATH").unwrap();
        format!("{}:{path}", self.own.path().display())
    }

    /// Waits until the run has seen that all runners make load and follows them, and returns the name of the TestRun.
    fn wait_for_load(&self, run: &mut Going) -> String {
        run.wait_for(" runners make load");
        let is_followed = |what: &str, times: usize| {
            let state = self.cluster.inner.store.lock();
            state.followed.iter().filter(|it| **it == what).count() >= times
        };
        wait_until("pods and logs are followed", || {
            is_followed("pods", 1) && is_followed("pods/log", 2)
        });
        let state = self.cluster.inner.store.lock();
        let mut all = state.list("testruns", "");
        text(&all.next().unwrap()["metadata"]["name"])
    }

    /// How many requests the server has counted.
    fn requests(&self) -> f64 {
        let address = self.server.url.trim_start_matches("http://");
        let metrics = ask(address, "GET", "/metrics", "").unwrap();
        let counts = metrics
            .lines()
            .filter(|line| line.starts_with("tachikoma_http_request_duration_seconds_count"));
        counts
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
            .sum()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A folder with the tests `fine`, `crossed` and `aborts` beside the scripts of this repository.
fn own_tests() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("tests")).unwrap();
    for file in ["main.js", "k6.config.js", "load-test.toml"] {
        let text = read(&root().join("load-tests").join(file));
        let text = text.replace(r#"default_tests = ["health", "missions", "specs"]"#, "");
        std::fs::write(dir.path().join(file), text).unwrap();
    }
    let script = |options: &str, then: &str| {
        format!(
            "import http from 'k6/http';
            import {{ check, sleep }} from 'k6';
            import exec from 'k6/execution';
            export const options = {{ {options} }};
            export default function () {{
              check(http.get(`${{__ENV.BASE_URL}}/api/health`), {{ 'is 200': (r) => r.status === 200 }});
              {then}
              sleep(0.2);
            }}"
        )
    };
    let tests = [
        (
            "crossed",
            script("thresholds: { http_req_duration: ['p(95)<0.001'] }", ""),
        ),
        ("fine", script("", "")),
        ("aborts", script("", "exec.test.abort('enough is known');")),
    ];
    for (name, text) in tests {
        std::fs::write(dir.path().join(format!("tests/{name}.js")), text).unwrap();
    }
    dir
}

/// Waits for the end of a run, and returns the command lines of all that ran for it and in the cluster.
fn command_lines(stage: &Stage, run: &Going) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    wait_until("the run ends", || {
        let ours = processes_with(stage.cluster.dir());
        lines.extend(ours.into_iter().map(command_line));
        run.processes().is_empty()
    });
    lines
}

/// No log was read in part.
#[track_caller]
fn nothing_is_missing(run: &Value) {
    let notices = run["notices"].to_string();
    assert!(
        !notices.contains("its log") && !notices.contains("estimates"),
        "{notices}"
    );
}

/// The key is in no file of a run, in nothing it said, and in no object but the Secret.
fn no_key(stage: &Stage, done: &Done) {
    for file in files(&done.results)
        .iter()
        .chain(&files(stage.cluster.dir()))
    {
        assert!(!read(file).contains(KEY), "{} has the key", file.display());
    }
    assert!(!format!("{}{}", done.stdout, done.stderr).contains(KEY));
    let state = stage.cluster.inner.store.lock();
    for change in state
        .changes
        .iter()
        .filter(|change| change.plural != "secrets")
    {
        assert!(
            !change.object.to_string().contains(KEY),
            "{}",
            change.object
        );
    }
}

#[test]
fn a_test_passes_though_streams_break() {
    // The log in the middle of a summary.
    let faults = Faults {
        cut_log: Some(40_000),
        cut_watches: 3,
        ..Faults::default()
    };
    let Some(stage) = Stage::new(faults) else {
        return;
    };
    let run = stage.run("missions", 2, 2, "--time-scale 0.1").start();
    let lines = command_lines(&stage, &run);
    let done = run.done();
    for (part, least) in [("k6 run --quiet", 2), ("kubectl", 3), ("cluster run", 1)] {
        let of_it = lines.iter().filter(|line| line.contains(part)).count();
        assert!(of_it >= least, "{part}: {lines:#?}");
    }
    assert!(!lines.iter().any(|line| line.contains(KEY)), "{lines:#?}");
    done.exits(0)
        .says("context stand-in")
        .says("deleted testruns.k6.io/smoke-missions-");
    let state = stage.cluster.inner.store.lock();
    assert_eq!(
        (state.faults.cut_log, state.faults.cut_watches),
        (None, 0),
        "nothing was cut"
    );
    drop(state);
    let run = done.run();
    assert_eq!(
        (&run["cluster"]["runners"], &run["cluster"]["heard"]),
        (&2.into(), &2.into())
    );
    assert_eq!(run["cluster"]["operator"], "1.6.0");
    nothing_is_missing(&run);
    let test = &run["tests"][0];
    // What both did together is what the server counted.
    let runners = test["runners"].as_array().unwrap().iter();
    let together: f64 = runners
        .map(|runner| runner["requests"].as_f64().unwrap())
        .sum();
    assert_eq!(test["metrics"]["http_requests"].as_f64(), Some(together));
    assert_eq!(stage.requests(), together);
    let history = read(&done.results.join("history.jsonl"));
    assert_eq!(history.lines().count(), 1, "{history}");
    stage.cluster.is_empty();
    no_key(&stage, &done);
}

#[test]
fn what_fails_is_told_as_of_a_local_run() {
    let Some(stage) = Stage::new(Faults::default()) else {
        return;
    };
    let done = stage.run_own("crossed aborts", "--time-scale 0.04").done();
    done.exits(1);
    let run = done.run();
    for (at, name, reason) in [
        (0, "crossed", "the limit is 0.001 ms"),
        (1, "aborts", "the script aborted the test: enough is known"),
    ] {
        let test = &run["tests"][at];
        let reasons = test["reasons"].to_string();
        assert_eq!(
            (&test["name"], &test["outcome"]),
            (&name.into(), &"failed".into())
        );
        assert!(reasons.contains(reason), "{reasons}");
        assert!(!reasons.contains("the pod is gone"), "{reasons}");
    }
    stage.cluster.is_empty();
}

#[test]
fn runners_that_are_lost_or_hang_are_named_and_the_others_counted() {
    let faults = Faults {
        unreached: true,
        ..Faults::default()
    };
    let Some(stage) = Stage::new(faults) else {
        return;
    };
    // Of half a minute for iterations that have begun nobody would wait for the end.
    let settings = stage.own.path().join("tests/fine.json");
    std::fs::write(settings, r#"{"gracefulStop": "1s"}"#).unwrap();
    let args = "--time-scale 0.15 --deadline 5s";
    let mut run = stage.run_own_by(3, "fine", args).start();
    let name = stage.wait_for_load(&mut run);
    // As of a node that is lost: no time is left to say anything.
    stage.cluster.inner.store.change(|state| {
        let is_second = |pod: &&Value| pod["metadata"]["labels"]["job-name"] == format!("{name}-2");
        let lost = key(
            "pods",
            state.list("pods", NAMESPACE).find(is_second).unwrap(),
        );
        state.delete(&lost, Some(0)).unwrap();
    });
    let done = run.done();
    done.exits(1);
    let reasons = done.reasons();
    for said in [
        "fine: runner 2: the pod is gone",
        "fine: runner 3: did not end: it has been running since 20",
    ] {
        assert!(reasons.contains(said), "{said}: {reasons}");
    }
    let run = done.run();
    assert_eq!(run["cluster"]["heard"], 1);
    let test = &run["tests"][0];
    let requests = test["runners"][0]["requests"].as_f64();
    assert!(requests > Some(0.0), "{test:#}");
    assert_eq!(test["metrics"]["http_requests"].as_f64(), requests);
    stage.cluster.is_empty();
}

#[test]
fn ctrl_c_keeps_what_is_known_and_deletes_what_was_created() {
    let Some(stage) = Stage::new(Faults::default()) else {
        return;
    };
    let mut run = stage.run_own("fine", "").start();
    stage.wait_for_load(&mut run);
    run.signal_as_a_terminal(Signal::INT);
    let done = run.done();
    done.exits(130);
    let run = done.run();
    let test = &run["tests"][0];
    assert_eq!(test["outcome"], "interrupted");
    assert_eq!(run["cluster"]["heard"], 2, "{:#}", test["runners"]);
    assert_eq!(test["runners"][0]["exit_code"], 105);
    stage.cluster.is_empty();
}

#[test]
fn a_run_whose_terminal_is_gone_is_gone_on_with() {
    let Some(stage) = Stage::new(Faults::default()) else {
        return;
    };
    let mut run = stage.run_own("fine", "--time-scale 0.1 --exact").start();
    let name = stage.wait_for_load(&mut run);
    run.signal(Signal::KILL);
    assert_eq!(run.done().code, None);
    let done = stage.cluster.run(&format!("attach {name} --keep")).done();
    done.exits(0).says("left as it is; `kubectl ");
    // Every sample was read, from the beginning on, and that of each request the server counted.
    let run = done.run();
    nothing_is_missing(&run);
    assert_eq!(run["cluster"]["heard"], 2);
    let durations = &run["tests"][0]["metrics"]["http_req_duration"];
    assert_eq!(durations["count"].as_f64(), Some(stage.requests()));
    // What has ended is read again, though the cluster answers badly for a while.
    let path = stage.path_with_kubectl(&format!(
        "case \" $* \" in *' logs '*) for n in 1 2 3 4 5 6 7 8; do mkdir {}/$n 2>/dev/null && exit 1; done;; esac",
        stage.own.path().display()
    ));
    let again = stage.cluster.run(&format!("attach {name} --keep"));
    again.env("PATH", &path).done().exits(0);
    let clean = stage.cluster.run("clean").done();
    clean.exits(2).says(&name).says("say --yes");
    stage
        .cluster
        .run("clean --yes")
        .done()
        .exits(0)
        .says("deleted 2 objects");
    stage.cluster.is_empty();
}

#[test]
fn a_hang_up_leaves_the_test_and_a_second_ctrl_c_says_what_to_delete() {
    let Some(stage) = Stage::new(Faults::default()) else {
        return;
    };
    let mut run = stage.run_own("fine", "").start();
    let name = stage.wait_for_load(&mut run);
    run.signal(Signal::HUP);
    run.done()
        .exits(129)
        .says(&format!("cluster attach {name}"));
    // A kubectl that takes its time to delete, for the second one to come before, and once says half of what it should.
    let half = stage.own.path().join("half");
    let path = stage.path_with_kubectl(&format!(
        "case \" $* \" in *' delete '*) sleep 60;; *' --watch '*) ;; *' get jobs '*) mkdir {0} 2>/dev/null && exec echo '{{';; esac",
        half.display()
    ));
    let mut going = stage
        .cluster
        .run(&format!("attach {name}"))
        .env("PATH", &path)
        .start();
    going.wait_for("2 of 2 runners make load");
    going.signal(Signal::INT);
    going.wait_for("press Ctrl-C again");
    going.signal(Signal::INT);
    let done = going.done();
    done.exits(130)
        .says(&format!("delete testruns.k6.io/{name} configmaps/{name}"));
    assert!(half.exists());
    stage.cluster.run("clean --yes").done().exits(0);
    stage.cluster.is_empty();
}

#[test]
fn what_may_have_been_created_is_named() {
    let Some(stage) = Stage::new(Faults::default()) else {
        return;
    };
    let kubectl = stage.cluster.program().display();
    let lost = "Unable to connect to the server: net/http: TLS handshake timeout";
    let path = stage.path_with_kubectl(&format!(
        "case \" $* \" in *testrun.yaml*) {kubectl} \"$@\" >/dev/null; echo '{lost}' >&2; exit 1;; esac"
    ));
    let done = stage.run_own("fine", "").env("PATH", &path).done();
    done.exits(3).says("cluster attach smoke-fine-");
    stage.cluster.run("clean --yes").done().exits(0);
    stage.cluster.is_empty();
}

#[test]
fn what_cannot_run_is_told_apart() {
    let faults = Faults {
        missing_images: vec!["grafana/none:1"],
        ..Faults::default()
    };
    let Some(stage) = Stage::new(faults) else {
        return;
    };
    let image = "--yes --image grafana/none:1 --deadline 2s";
    let refused = |users, runners, args| stage.run("health", users, runners, args).done();
    refused(11, 2, image)
        .exits(3)
        .says("the initializer cannot start: ErrImagePull");
    stage.cluster.is_empty();
    refused(11, 2, "")
        .exits(2)
        .says(&format!("up to 11 virtual users against http://{HOST}"))
        .says("say so with --yes");
    refused(2, 2, "--context eu-production")
        .exits(2)
        .says("say --yes");
    refused(2, 3, "")
        .exits(2)
        .says("2 virtual users, too few for 3 runners");
    let store = &stage.cluster.inner.store;
    store.change(|state| state.faults.forbidden = vec!["create testruns"]);
    refused(2, 2, "")
        .exits(3)
        .says("testruns: you may not create");
    stage.cluster.is_empty();
}
