//! A node, and what looks after Jobs: each pod is a process of this machine, whose folder stands for the container's files.
//!
//! A pod has an address of loopback of its own, so that k6 listens on the operator's port in each of them.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use crate::api::event;
use crate::cluster::Inner;
use crate::container::Container;
use crate::http::ask;
use crate::store::{Key, State, now};

/// How much a termination message holds, in bytes; what comes first is cut off.
const MESSAGE: usize = 4096;

/// What a pod does.
pub enum Work {
    /// Runs its command.
    Process,
    /// Has the k6 at these addresses begin, as the starter's curl does.
    Unpause(Vec<String>),
}

/// Creates a Job with its pod, and runs this; `None` if the name is taken.
pub fn start(inner: &Arc<Inner>, namespace: &str, job: Value, work: Work) -> Option<()> {
    let pod = inner.store.change(|state| {
        let job = state.create("jobs", namespace, job).ok()?;
        let template = &job["spec"]["template"];
        let name = job["metadata"]["name"].as_str().unwrap();
        let mut pod = json!({
            "metadata": {
                "generateName": format!("{name}-"),
                "labels": template["metadata"]["labels"],
                "finalizers": ["batch.kubernetes.io/job-tracking"],
                "ownerReferences": [owner(&job)],
            },
            "spec": template["spec"],
            "status": {"phase": "Pending", "qosClass": "Burstable"},
        });
        if let Some(annotations) = template["metadata"].get("annotations") {
            pod["metadata"]["annotations"] = annotations.clone();
        }
        let pod = state.create("pods", namespace, pod).unwrap();
        let created = format!("Created pod: {}", pod["metadata"]["name"].as_str().unwrap());
        event(state, &job, "Normal", "SuccessfulCreate", &created);
        let status = json!({
            "active": 1, "ready": 0, "startTime": now(), "terminating": 0, "uncountedTerminatedPods": {},
        });
        state.update(&key("jobs", &job), |job| job["status"] = status);
        Some((job, pod))
    });
    let (job, pod) = pod?;
    begin(inner, key("jobs", &job), pod, work);
    Some(())
}

/// Runs a pod that is there without a Job.
pub fn start_alone(inner: &Arc<Inner>, pod: Value) {
    begin(inner, key("jobs", &pod), pod, Work::Process);
}

fn begin(inner: &Arc<Inner>, job: Key, pod: Value, work: Work) {
    inner.beside(move |inner| {
        let mut life = Life {
            inner,
            job,
            pod: key("pods", &pod),
            begun: now(),
            address: String::new(),
        };
        let _ended = life.live(&pod, work);
    });
}

/// Where an object is.
pub fn key(plural: &'static str, object: &Value) -> Key {
    let text = |name: &str| object["metadata"][name].as_str().unwrap().to_owned();
    (plural, text("namespace"), text("name"))
}

/// How an object is named by what it owns.
pub fn owner(object: &Value) -> Value {
    json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"], "name": object["metadata"]["name"],
        "uid": object["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    })
}

/// The life of a pod.
struct Life<'a> {
    inner: &'a Arc<Inner>,
    job: Key,
    pod: Key,
    begun: String,
    address: String,
}

impl Life<'_> {
    /// `None` once the cluster ends, or the pod is gone before it has begun.
    fn live(&mut self, pod: &Value, work: Work) -> Option<()> {
        let store = &self.inner.store;
        self.show(|status| {
            status["conditions"] = json!([{"type": "PodScheduled", "status": "True"}]);
        });
        if let Some((reason, message)) = store.change(|state| lacking(state, pod)) {
            self.show_container(
                "Pending",
                json!({"waiting": {"reason": reason, "message": message}}),
            );
            store.wait_for(|state| is_doomed(state, &self.pod).then_some(()))?;
            store.change(|state| state.remove(&self.pod));
            return None;
        }
        self.show_container(
            "Pending",
            json!({"waiting": {"reason": "ContainerCreating"}}),
        );
        let dir = self.inner.dir.join("pods").join(&self.pod.2);
        std::fs::create_dir_all(dir.join("tmp")).unwrap();
        let log = self.inner.new_log(pod);
        self.address = address();
        self.begun = now();
        let exit = match work {
            Work::Process => {
                let container = Container {
                    dir: &dir,
                    pod,
                    address: &self.address,
                };
                let mut child = container.spawn(&store.lock());
                let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
                let (log_of_out, log_of_err) = (Arc::clone(&log), Arc::clone(&log));
                let readers = [
                    std::thread::spawn(move || log_of_out.keep(out)),
                    std::thread::spawn(move || log_of_err.keep(err)),
                ];
                self.show_container("Running", json!({"running": {"startedAt": self.begun}}));
                let exit = self.run(pod, child);
                readers
                    .into_iter()
                    .for_each(|reader| reader.join().unwrap());
                exit
            }
            Work::Unpause(addresses) => {
                let answers: String = addresses.iter().map(|address| unpause(address)).collect();
                log.keep(answers.as_bytes());
                0
            }
        };
        log.end();
        self.end(exit, &dir.join("termination-log"));
        Some(())
    }

    /// Waits for the process's end, and brings it about if the pod is taken away; returns how it ended.
    fn run(&self, pod: &Value, mut child: Child) -> i32 {
        let is_probed = pod["spec"]["containers"][0].get("readinessProbe").is_some();
        let at = format!("{}:6565", self.address);
        let (mut ready, mut doomed) = (!is_probed, None);
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                // A signal is told as a shell does.
                return status
                    .code()
                    .or(status.signal().map(|it| 128 + it))
                    .unwrap();
            }
            let store = &self.inner.store;
            let found = store
                .wait_for(|state| Some(state.get(&self.pod).cloned()))
                .flatten();
            let grace = match &found {
                // The cluster ends, or the pod was taken away by force.
                None => Some(0),
                Some(pod) => pod["metadata"]["deletionGracePeriodSeconds"].as_u64(),
            };
            if let Some(grace) = grace {
                let since = *doomed.get_or_insert_with(|| {
                    if let Some(pod) = &found {
                        store.change(|state| {
                            event(state, pod, "Normal", "Killing", "Stopping container k6");
                        });
                    }
                    let _gone =
                        rustix::process::kill_process(Pid::from_child(&child), Signal::TERM);
                    Instant::now()
                });
                if since.elapsed() >= Duration::from_secs(grace) {
                    child.kill().unwrap();
                }
            }
            if !ready && ask(&at, "GET", "/v1/status", "").is_some() {
                ready = true;
                self.show_container(
                    "Running",
                    json!({"running": {"startedAt": self.begun}, "ready": true}),
                );
                store.change(|state| {
                    state.update(&self.job, |job| job["status"]["ready"] = 1.into())
                });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn end(&self, exit: i32, message: &Path) {
        let good = exit == 0;
        let mut state = json!({
            "exitCode": exit, "reason": if good { "Completed" } else { "Error" },
            "startedAt": self.begun, "finishedAt": now(),
        });
        let message = std::fs::read(message).unwrap_or_default();
        if !message.is_empty() {
            let end = &message[message.len().saturating_sub(MESSAGE)..];
            state["message"] = String::from_utf8_lossy(end).into();
        }
        let uid = self.show_container(
            if good { "Succeeded" } else { "Failed" },
            json!({"terminated": state}),
        );
        let (counted, [met, ended], reason, message) = match good {
            true => (
                "succeeded",
                ["SuccessCriteriaMet", "Complete"],
                "CompletionsReached",
                "Reached expected number of succeeded pods",
            ),
            false => (
                "failed",
                ["FailureTarget", "Failed"],
                "BackoffLimitExceeded",
                "Job has reached the specified backoff limit",
            ),
        };
        let condition = |kind: &str| {
            json!({
                "type": kind, "status": "True", "reason": reason, "message": message,
                "lastProbeTime": now(), "lastTransitionTime": now(),
            })
        };
        self.inner.store.change(|state| {
            state.update(&self.job, |job| {
                let status = job["status"].as_object_mut().unwrap();
                status.remove("active");
                status.insert("ready".into(), 0.into());
                status.insert("conditions".into(), json!([condition(met)]));
                status.insert("uncountedTerminatedPods".into(), json!({counted: [uid]}));
            });
            state.update(&self.pod, |pod| {
                let metadata = pod["metadata"].as_object_mut().unwrap();
                metadata.remove("finalizers");
            });
            let job = state.update(&self.job, |job| {
                let status = &mut job["status"];
                status["conditions"] = json!([condition(met), condition(ended)]);
                status["uncountedTerminatedPods"] = json!({});
                status[counted] = 1.into();
                if good {
                    status["completionTime"] = now().into();
                }
            });
            if let Some(job) = job {
                match good {
                    true => event(state, &job, "Normal", "Completed", "Job completed"),
                    false => event(state, &job, "Warning", reason, message),
                }
            }
            if is_doomed(state, &self.pod) {
                state.remove(&self.pod);
            }
        });
    }

    fn show(&self, change: impl FnOnce(&mut Value)) -> Value {
        let pod = self
            .inner
            .store
            .change(|state| state.update(&self.pod, |pod| change(&mut pod["status"])));
        pod.map(|pod| pod["metadata"]["uid"].clone())
            .unwrap_or_default()
    }

    /// Shows what the container does, and returns the pod's uid. `state.ready` says whether it is ready.
    fn show_container(&self, phase: &str, mut state: Value) -> Value {
        let ready = state.as_object_mut().unwrap().remove("ready").is_some();
        let has_ended = state.get("terminated").is_some();
        let is_completed = phase == "Succeeded";
        let name = self
            .inner
            .store
            .lock()
            .get(&self.pod)
            .map(container_of)
            .unwrap_or_default();
        let condition = |kind: &str, good: bool| {
            let mut condition =
                json!({"type": kind, "status": if good { "True" } else { "False" }});
            if is_completed && kind != "PodScheduled" {
                condition["reason"] = "PodCompleted".into();
            } else if !good {
                condition["reason"] = "ContainersNotReady".into();
                condition["message"] =
                    format!("containers with unready status: [{}]", name.0).into();
            }
            condition
        };
        let has_begun = state.get("waiting").is_none();
        let mut container = json!({
            "image": name.1, "imageID": "", "lastState": {}, "name": name.0, "ready": ready, "restartCount": 0,
            "started": state.get("running").is_some(), "state": state,
        });
        let conditions = json!([
            condition("Initialized", true),
            condition("Ready", ready),
            condition("ContainersReady", ready),
            condition("PodScheduled", true),
        ]);
        self.show(|status| {
            status["phase"] = phase.into();
            status["conditions"] = conditions;
            status["hostIP"] = "127.0.0.1".into();
            status["startTime"] = self.begun.clone().into();
            if has_begun {
                let id = format!("containerd://{}", self.pod.2);
                if has_ended {
                    container["state"]["terminated"]["containerID"] = id.clone().into();
                }
                container["containerID"] = id.into();
                container["imageID"] = "sha256:0".into();
                status["podIP"] = self.address.clone().into();
                status["podIPs"] = json!([{"ip": self.address}]);
            }
            status["containerStatuses"] = json!([container]);
        })
    }
}

/// The name and the image of a pod's container.
fn container_of(pod: &Value) -> (String, String) {
    let text = |name: &str| {
        pod["spec"]["containers"][0][name]
            .as_str()
            .unwrap()
            .to_owned()
    };
    (text("name"), text("image"))
}

/// Whether a pod is being taken away, or has been.
pub fn is_doomed(state: &State, pod: &Key) -> bool {
    state
        .get(pod)
        .is_none_or(|pod| pod["metadata"].get("deletionTimestamp").is_some())
}

/// An address of loopback that no other pod has, nor one of another process.
fn address() -> String {
    static NEXT: AtomicU8 = AtomicU8::new(2);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    format!(
        "127.{high}.{low}.{}",
        NEXT.fetch_add(1, Ordering::Relaxed).max(1)
    )
}

/// Why a pod's container cannot begin, which an event tells too.
fn lacking(state: &mut State, pod: &Value) -> Option<(&'static str, String)> {
    let (_, image) = container_of(pod);
    let namespace = &pod["metadata"]["namespace"].as_str().unwrap().to_owned();
    let is_there = |plural: &'static str, name: &Value| {
        let name = name.as_str().unwrap().to_owned();
        state.get(&(plural, namespace.clone(), name)).is_some()
    };
    let secret = secret_of(pod).filter(|secret| !is_there("secrets", &secret["name"]));
    let volume = pod["spec"]["volumes"][0]
        .get("configMap")
        .filter(|map| !is_there("configmaps", &map["name"]));
    let (reason, happened, message) = if let Some(map) = volume {
        (
            "ContainerCreating",
            "FailedMount",
            format!(
                "MountVolume.SetUp failed for volume \"k6-test-volume\" : configmap {} not found",
                map["name"]
            ),
        )
    } else if state.faults.missing_images.contains(&image.as_str()) {
        (
            "ErrImagePull",
            "Failed",
            format!("Failed to pull image {image:?}: not found"),
        )
    } else if let Some(secret) = secret {
        (
            "CreateContainerConfigError",
            "Failed",
            format!("Error: secret {} not found", secret["name"]),
        )
    } else {
        return None;
    };
    event(state, pod, "Warning", happened, &message);
    Some((reason, message))
}

fn secret_of(pod: &Value) -> Option<&Value> {
    let mut env = pod["spec"]["containers"][0]["env"].as_array()?.iter();
    env.find_map(|variable| variable["valueFrom"].get("secretKeyRef"))
}

/// What the starter's curl does and prints, which does not fail whatever is answered.
fn unpause(address: &str) -> String {
    let body = r#"{"data":{"attributes":{"paused":false,"stopped":false},"id":"default","type":"status"}}"#;
    let answer = ask(&format!("{address}:6565"), "PATCH", "/v1/status", body);
    let code = if answer.is_some() { 200 } else { 0 };
    let url = format!("http://{address}:6565/v1/status");
    format!(
        "{}\n{}",
        answer.unwrap_or_default(),
        json!({"http_code": code, "url": url})
    )
}
