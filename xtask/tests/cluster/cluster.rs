//! A cluster of the test's own: an API server, k6-operator, and a node whose containers are processes of this machine.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::SystemTime;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api;
use crate::http::Listening;
use crate::schema;
use crate::store::{Faults, Store};
use crate::support::{Run, k6, root, wait_until};

/// The namespace that the user's context names.
pub const NAMESPACE: &str = "load";

/// The name that this machine has in containers.
pub const HOST: &str = "tachikoma.test";

/// A cluster; dropping it ends its processes.
pub struct Cluster {
    /// What its threads share.
    pub inner: Arc<Inner>,
    /// kubectl.
    kubectl: PathBuf,
    dir: TempDir,
    listening: Listening,
}

/// What the threads of a cluster share.
pub struct Inner {
    /// The objects.
    pub store: Store,
    /// The folder with everything.
    pub dir: PathBuf,
    logs: Mutex<BTreeMap<String, Arc<Log>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What a container writes, in the pieces that a node keeps.
#[derive(Default)]
pub struct Log {
    pieces: Mutex<Vec<(String, Vec<u8>)>>,
    ended: AtomicBool,
}

/// The most that a node keeps in one piece, in bytes; else each line is one.
const PIECE: u64 = 16 * 1024;

impl Log {
    /// Keeps what is read from there, until its end.
    pub fn keep(&self, from: impl Read) {
        let mut from = BufReader::new(from);
        loop {
            let mut piece = Vec::new();
            // What a killed process has begun to write is kept too.
            let _broken = from.by_ref().take(PIECE).read_until(b'\n', &mut piece);
            if piece.is_empty() {
                return;
            }
            let at = humantime::format_rfc3339_nanos(SystemTime::now()).to_string();
            self.pieces.lock().unwrap().push((at, piece));
        }
    }

    /// Says that nothing is written to it any more.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Whether nothing is written to it any more.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// The pieces from the one `from` on. Times stand before each of them, as nodes before 1.27 tell them.
    pub fn pieces(&self, from: usize, with_times: bool) -> Vec<Vec<u8>> {
        let piece = |(at, piece): &(String, Vec<u8>)| match with_times {
            true => [at.as_bytes(), b" ", piece].concat(),
            false => piece.clone(),
        };
        self.pieces
            .lock()
            .unwrap()
            .iter()
            .skip(from)
            .map(piece)
            .collect()
    }
}

impl Inner {
    /// The log of a pod that has begun.
    pub fn log(&self, pod: &Value) -> Option<Arc<Log>> {
        let uid = pod["metadata"]["uid"].as_str().unwrap();
        self.logs.lock().unwrap().get(uid).cloned()
    }

    /// Has a pod begin with a log.
    pub fn new_log(&self, pod: &Value) -> Arc<Log> {
        let uid = pod["metadata"]["uid"].as_str().unwrap().to_owned();
        Arc::clone(self.logs.lock().unwrap().entry(uid).or_default())
    }

    /// Does something beside, until the cluster ends.
    pub fn beside(self: &Arc<Self>, work: impl FnOnce(&Arc<Self>) + Send + 'static) {
        let inner = Arc::clone(self);
        let thread = std::thread::spawn(move || work(&inner));
        self.threads.lock().unwrap().push(thread);
    }
}

/// kubectl as CI installs it, or a developer has it.
pub fn kubectl() -> Option<PathBuf> {
    let installed = root().join("target/tools/kubectl/bin");
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(installed)
        .chain(std::env::split_paths(&folders))
        .map(|folder| folder.join("kubectl"))
        .find(|path| path.is_file())
}

impl Cluster {
    /// A cluster with k6-operator, what goes wrong in it, and a Secret `key` with `API_KEY`; `None` if there is no kubectl
    /// to drive it with.
    ///
    /// # Panics
    /// In CI, which installs kubectl.
    #[track_caller]
    pub fn start(faults: Faults, key: &str) -> Option<Self> {
        let Some(kubectl) = kubectl() else {
            let lacking =
                "there is no kubectl in target/tools/kubectl or on the PATH; `.ci/run` installs it";
            assert!(std::env::var_os("CI").is_none(), "{lacking}");
            eprintln!("skipped: {lacking}");
            return None;
        };
        // Installed before anybody waits for it.
        let _installed = k6();
        let dir = tempfile::tempdir().unwrap();
        let inner = Arc::new(Inner {
            store: Store::default(),
            dir: dir.path().to_owned(),
            logs: Mutex::default(),
            threads: Mutex::default(),
        });
        let answering = Arc::clone(&inner);
        let listening = Listening::start(move |asked| api::answer(&answering, asked));
        inner.store.change(|state| {
            state.faults = faults;
            for name in [NAMESPACE, "k6-operator-system"] {
                state.create("namespaces", "", json!({"metadata": {"name": name}})).unwrap();
            }
            state.create(api::crd().0, "", definition()).unwrap();
            state.create("deployments", "k6-operator-system", deployment("1.6.0")).unwrap();
            let secret = json!({"metadata": {"name": "key"}, "data": {"API_KEY": crate::container::encoded(key)}});
            state.create("secrets", NAMESPACE, secret).unwrap();
        });
        let cluster = Self {
            inner,
            kubectl,
            dir,
            listening,
        };
        cluster.write_config();
        Some(cluster)
    }

    /// Two contexts for the same cluster, one of them named like production.
    fn write_config(&self) {
        let server = format!("http://{}", self.listening.address);
        let context = |name: &str| {
            let context = json!({"cluster": "stand-in", "user": "tester", "namespace": NAMESPACE});
            json!({"name": name, "context": context})
        };
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "stand-in",
            "clusters": [{"name": "stand-in", "cluster": {"server": server}}],
            "users": [{"name": "tester", "user": {}}],
            "contexts": [context("stand-in"), context("eu-production")],
        });
        std::fs::write(self.dir().join("config"), config.to_string()).unwrap();
    }

    /// The folder with everything of this cluster.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The surroundings in which kubectl finds this cluster.
    fn surroundings(&self) -> [(&'static str, String); 3] {
        let mut folders = vec![self.kubectl.parent().unwrap().to_owned()];
        folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        let path = std::env::join_paths(folders).unwrap();
        let file = |name: &str| self.dir().join(name).to_str().unwrap().to_owned();
        [
            ("PATH", path.into_string().unwrap()),
            ("KUBECONFIG", file("config")),
            ("KUBECACHEDIR", file("cache")),
        ]
    }

    /// `cargo xtask cluster` with `args` (words).
    pub fn run(&self, args: &str) -> Run {
        let run = Run::command("cluster", args, k6());
        self.surroundings()
            .iter()
            .fold(run, |run, (name, value)| run.env(name, value))
    }

    /// Where kubectl is.
    pub fn program(&self) -> &Path {
        &self.kubectl
    }

    /// kubectl with `args` (words).
    pub fn kubectl(&self, args: &str) -> Command {
        let mut command = Command::new(&self.kubectl);
        command
            .args(args.split_whitespace())
            .envs(self.surroundings());
        command
    }

    /// Keeps an object as a file, and returns its path.
    pub fn file(&self, name: &str, object: &Value) -> String {
        let path = self.dir().join(name);
        std::fs::write(&path, object.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// What kubectl prints.
    #[track_caller]
    pub fn asked(&self, args: &str) -> String {
        let out = self.kubectl(args).output().unwrap();
        assert!(
            out.status.success(),
            "{args}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8(out.stdout).unwrap()
    }

    /// Nothing of any run or check is left.
    #[track_caller]
    pub fn is_empty(&self) {
        wait_until("nothing is left on the cluster", || {
            let state = self.inner.store.lock();
            let kinds = ["testruns", "configmaps", "jobs", "pods"];
            kinds
                .iter()
                .all(|plural| state.list(plural, "").next().is_none())
        });
    }

    /// What kubectl says when it fails.
    #[track_caller]
    pub fn refused(&self, args: &str) -> String {
        let out = self.kubectl(args).output().unwrap();
        assert!(
            !out.status.success(),
            "{args}: {}",
            String::from_utf8_lossy(&out.stdout)
        );
        String::from_utf8(out.stderr).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.inner.store.change(|state| state.stopped = true);
        // A thread that has begun may begin another one.
        while let Some(thread) = self.inner.threads.lock().unwrap().pop() {
            let _failed = thread.join();
        }
    }
}

/// The definition of TestRuns.
fn definition() -> Value {
    json!({
        "metadata": {"name": api::crd().2},
        "spec": {
            "group": "k6.io",
            "names": {"kind": "TestRun", "listKind": "TestRunList", "plural": "testruns", "singular": "testrun"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1alpha1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": *schema::SCHEMA}, "subresources": {"status": {}},
            }],
        },
        "status": {"conditions": [{"type": "Established", "status": "True"}]},
    })
}

/// What runs the operator.
pub fn deployment(version: &str) -> Value {
    let labels = json!({
        "app.kubernetes.io/name": "k6-operator",
        "app.kubernetes.io/version": version,
        "control-plane": "controller-manager",
    });
    let image = format!("ghcr.io/grafana/k6-operator:controller-v{version}");
    json!({
        "metadata": {"name": "k6-operator-controller-manager", "labels": labels},
        "spec": {
            "replicas": 1,
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "manager", "image": image}]}},
        },
        "status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1},
    })
}
