//! `cluster run` and what can become of it.

use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::cluster::{Cluster, HOST};
use crate::processes::command_line;
use crate::store::Faults;
use crate::support::{Done, Run, Server, files, read, root, wait_until};

const KEY: &str = "a-key-of-the-cluster";

/// A server, and a cluster whose runners find it.
struct Stage {
    server: Server,
    cluster: Cluster,
}

impl Stage {
    #[track_caller]
    fn new(faults: Faults) -> Option<Self> {
        let cluster = Cluster::start(faults, KEY)?;
        let server = Server::start(KEY);
        Some(Self { server, cluster })
    }

    /// `cluster run` with `args` (words) against that server.
    fn run(&self, args: &str) -> Run {
        let port = self.server.url.rsplit_once(':').unwrap().1;
        let target = format!("--base-url http://{HOST}:{port} --api-key-secret key");
        self.cluster.run(&format!("run {args} --vus-scale 2 --runners 2 --time-scale 0.1 {target}"))
    }

    /// Nothing of a run is left in the cluster.
    #[track_caller]
    fn is_empty(&self) {
        wait_until("everything is deleted", || {
            self.cluster.asked("get testruns,configmaps,jobs,pods -o name").is_empty()
        });
    }

    /// A runner's pod.
    fn pod(&self, runner: u32) -> String {
        let pods = self.cluster.asked("get pods --selector=runner=true -o name");
        let pod = pods.lines().find(|pod| pod.contains(&format!("-{runner}-")));
        pod.unwrap().to_owned()
    }
}

/// A folder with the tests `crossed` and `aborts` beside the scripts of this repository.
fn own_tests() -> tempfile::TempDir {
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
        ("crossed", script("thresholds: { http_req_duration: ['p(95)<0.001'] }", "")),
        ("aborts", script("", "exec.test.abort('enough is known');")),
    ];
    for (name, text) in tests {
        std::fs::write(dir.path().join(format!("tests/{name}.js")), text).unwrap();
    }
    dir
}

fn with_own_tests(run: Run, dir: &Path) -> Run {
    run.env("LOAD_TEST_CONFIG", dir.join("load-test.toml").to_str().unwrap())
}

/// The processes of this machine that have the key in their arguments.
fn with_key_in_arguments() -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.map(command_line).filter(|line| line.contains(KEY)).collect()
}

/// The key is in no file of a run, in nothing it said, and in no object but the Secret.
fn no_key(stage: &Stage, done: &Done) {
    for file in files(&done.results).iter().chain(&files(stage.cluster.dir())) {
        assert!(!read(file).contains(KEY), "{} has the key", file.display());
    }
    assert!(!format!("{}{}", done.stdout, done.stderr).contains(KEY));
    let state = stage.cluster.inner.store.lock();
    for change in state.changes.iter().filter(|change| change.plural != "secrets") {
        assert!(!change.object.to_string().contains(KEY), "{}", change.object);
    }
}
