//! What k6-operator 1.6.0 does with a TestRun, as it was seen to: its stages, its Jobs, and their arguments.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::cluster::Inner;
use crate::node::{self, Work, key, owner};
use crate::store::{Key, State, now};

/// What the initializer runs. As with the operator's own, there is nothing but JSON in its log if all goes well, and
/// what k6 says of its mistake else.
const SCRIPT: &str = r#"archive=$1; shift
said=/tmp/said
if ! "$@" 2> "$said" >&2; then cat "$said"; exit 1; fi
if ! k6 inspect --execution-requirements "$archive" 2> "$said"; then cat "$said"; exit 1; fi"#;

/// Takes care of a TestRun until it is gone.
pub fn take_care(inner: &Arc<Inner>, test_run: &Value) {
    let test_run = test_run.clone();
    inner.beside(move |inner| {
        let care = Care {
            inner,
            key: key("testruns", &test_run),
            test_run: &test_run,
        };
        let _over = care.take();
    });
}

/// A TestRun that is taken care of.
struct Care<'a> {
    inner: &'a Arc<Inner>,
    key: Key,
    test_run: &'a Value,
}

impl Care<'_> {
    /// `None` once the TestRun is gone, or nothing will come of it.
    fn take(&self) -> Option<()> {
        let runners = usize::try_from(self.test_run["spec"]["parallelism"].as_u64()?).unwrap();
        let preparing = ("TestRunPreparation", "Unknown");
        self.show("", false, preparing)?;
        self.show("initialization", false, preparing)?;
        self.start_initializer()?;
        let (has_run, log) = self.until(|state| {
            let pod = self.pods(state, "initializer").next()?;
            let phase = pod["status"]["phase"].as_str()?;
            let has_run = phase == "Succeeded";
            (has_run || phase == "Failed").then(|| (has_run, self.inner.log(pod)))
        })?;
        let plan: Option<Value> = serde_json::from_slice(&log?.pieces(0, false).concat()).ok();
        let users = plan
            .and_then(|plan| plan["maxVUs"].as_u64())
            .filter(|_| has_run);
        if users.is_none_or(|users| users < runners as u64) {
            self.show("error", false, preparing)?;
            return None;
        }
        self.show("initialization", true, preparing)?;
        self.show("initialized", true, preparing)?;
        for runner in 1..=runners {
            self.start_runner(runner, runners)?;
        }
        self.show("created", true, preparing)?;
        let addresses = self.until(|state| {
            let running = self
                .pods(state, "runner")
                .filter(|pod| pod["status"]["phase"] == "Running");
            let ready =
                running.filter(|pod| pod["status"]["containerStatuses"][0]["ready"] == true);
            let mut addresses: Vec<_> = ready
                .map(|pod| pod["status"]["podIP"].as_str().unwrap().to_owned())
                .collect();
            let all = addresses.len() == runners;
            addresses.truncate(runners - usize::from(state.faults.unreached));
            all.then_some(addresses)
        })?;
        self.start_starter(addresses)?;
        self.show("started", true, ("TestRunRunningTrue", "True"))?;
        self.until(|state| {
            let jobs = state
                .list("jobs", &self.key.1)
                .filter(|job| self.is_own(job, "runner"));
            let going = jobs
                .filter(|job| job["status"].get("active").is_some())
                .count();
            (going == 0).then_some(())
        })?;
        self.show("stopped", true, ("TestRunRunningFalse", "False"))?;
        self.show("finished", true, ("TestRunRunningFalse", "False"))
    }

    /// Waits for something as long as the TestRun is there.
    fn until<T>(&self, mut seen: impl FnMut(&State) -> Option<T>) -> Option<T> {
        let seen = |state: &State| match state.get(&self.key) {
            None => Some(None),
            Some(_) => seen(state).map(Some),
        };
        self.inner.store.wait_for(seen).flatten()
    }

    /// Shows a stage.
    fn show(
        &self,
        stage: &str,
        is_initialized: bool,
        (reason, running): (&str, &str),
    ) -> Option<()> {
        let cloud = match is_initialized {
            true => ("CloudTestRunFalse", "False"),
            false => ("TestRunTypeUnknown", "Unknown"),
        };
        let conditions = [
            ("CloudTestRun", cloud),
            ("TestRunRunning", (reason, running)),
            ("TeardownExecuted", ("TeardownExecutedFalse", "False")),
            ("CloudTestRunAborted", ("CloudTestRunAbortedFalse", "False")),
            ("CloudPLZTestRun", ("CloudPLZTestRunFalse", "False")),
        ];
        let conditions: Vec<_> = conditions.iter().map(|(kind, (reason, status))| {
            json!({"type": kind, "reason": reason, "status": status, "message": "", "lastTransitionTime": now()})
        }).collect();
        let shown = self.inner.store.change(|state| {
            state.update(&self.key, |test_run| {
                test_run["status"]["conditions"] = conditions.into();
                if !stage.is_empty() {
                    test_run["status"]["stage"] = stage.into();
                }
            })
        });
        shown.map(drop)
    }

    fn is_own(&self, object: &Value, role: &str) -> bool {
        let metadata = &object["metadata"];
        let is_named = |end: &str| {
            let name = metadata["labels"]
                .get("job-name")
                .unwrap_or(&metadata["name"]);
            *name == json!(format!("{}-{end}", self.key.2))
        };
        let labels = &metadata["labels"];
        labels["k6_cr"] == json!(self.key.2)
            && if role == "runner" {
                labels["runner"] == "true"
            } else {
                is_named(role)
            }
    }

    fn pods<'s>(&'s self, state: &'s State, role: &'s str) -> impl Iterator<Item = &'s Value> {
        state
            .list("pods", &self.key.1)
            .filter(move |pod| self.is_own(pod, role))
    }

    fn start_initializer(&self) -> Option<()> {
        let spec = &self.test_run["spec"];
        // One that is left out is a copy of the runner.
        let block = spec.get("initializer").unwrap_or(&spec["runner"]);
        let file = self.file();
        let archive = format!("/tmp/{file}.archived.tar");
        let mut command: Vec<String> = ["sh", "-c", SCRIPT, "sh", &archive, "k6", "archive"]
            .map(Into::into)
            .into();
        command.push(format!("/test/{file}"));
        for variable in block["env"].as_array().into_iter().flatten() {
            let name = variable["name"].as_str().unwrap();
            command.extend(["-e".into(), format!("{name}=$({name})")]);
        }
        command.extend(["-O".into(), archive]);
        // `--out` in a word of its own is not for `k6 archive`.
        let mut arguments = self.arguments();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--out" => drop(arguments.next()),
                _ => command.push(argument),
            }
        }
        self.start(
            "initializer",
            block,
            json!({"name": "k6", "command": command}),
            Work::Process,
        )
    }

    fn start_runner(&self, runner: usize, runners: usize) -> Option<()> {
        let mut command: Vec<String> = ["k6", "run", "--quiet"].map(Into::into).into();
        if runners > 1 {
            let end = |at: usize| match at {
                0 => "0".to_owned(),
                at if at == runners => "1".to_owned(),
                at => format!("{at}/{runners}"),
            };
            let ends: Vec<_> = (0..=runners).map(end).collect();
            command.push(format!(
                "--execution-segment={}:{}",
                ends[runner - 1],
                ends[runner]
            ));
            command.push(format!("--execution-segment-sequence={}", ends.join(",")));
        }
        command.extend(self.arguments());
        command.extend([
            format!("/test/{}", self.file()),
            "--address=0.0.0.0:6565".into(),
            "--paused".into(),
        ]);
        for tag in [
            format!("instance_id={runner}"),
            format!("testrun_name={}", self.key.2),
        ] {
            command.extend(["--tag".into(), tag]);
        }
        let block = &self.test_run["spec"]["runner"];
        let probe = json!({"httpGet": {"path": "/v1/status", "port": 6565, "scheme": "HTTP"}});
        let container = json!({"name": "k6", "command": command, "readinessProbe": probe});
        self.start(&runner.to_string(), block, container, Work::Process)
    }

    fn start_starter(&self, addresses: Vec<String>) -> Option<()> {
        let command = addresses
            .iter()
            .map(|address| format!("curl -X PATCH http://{address}:6565/v1/status"));
        let command = ["sh", "-c", &command.collect::<Vec<_>>().join(";")].map(str::to_owned);
        let container = json!({"name": "k6-curl", "command": command});
        self.start(
            "starter",
            &self.test_run["spec"]["starter"],
            container,
            Work::Unpause(addresses),
        )
    }

    /// Creates the Job `end`, whose container has what `block` of the TestRun asks for.
    fn start(&self, end: &str, block: &Value, mut container: Value, work: Work) -> Option<()> {
        let name = format!("{}-{end}", self.key.2);
        let mut labels = json!({"app": "k6", "k6_cr": self.key.2});
        let is_runner = container.get("readinessProbe").is_some();
        if is_runner {
            labels["runner"] = "true".into();
        }
        for (ours, theirs) in [
            ("image", "image"),
            ("env", "env"),
            ("resources", "resources"),
            ("livenessProbe", "livenessProbe"),
            ("securityContext", "containerSecurityContext"),
            ("imagePullPolicy", "imagePullPolicy"),
        ] {
            if let Some(value) = block.get(theirs) {
                container[ours] = value.clone();
            }
        }
        let mut pod = json!({"containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 30});
        for same in [
            "securityContext",
            "imagePullSecrets",
            "topologySpreadConstraints",
        ] {
            if let Some(value) = block.get(same) {
                pod[same] = value.clone();
            }
        }
        if end != "starter" {
            let map = &self.test_run["spec"]["script"]["configMap"]["name"];
            pod["volumes"] = json!([{"name": "k6-test-volume", "configMap": {"name": map}}]);
        }
        if is_runner {
            pod["hostname"] = name.clone().into();
        }
        for (label, value) in block["metadata"]["labels"]
            .as_object()
            .into_iter()
            .flatten()
        {
            labels[label] = value.clone();
        }
        let mut metadata = json!({"labels": labels});
        if let Some(annotations) = block["metadata"].get("annotations") {
            metadata["annotations"] = annotations.clone();
        }
        let job = json!({
            "metadata": {"name": name, "labels": labels, "ownerReferences": [owner(self.test_run)]},
            "spec": {
                "backoffLimit": 0, "completions": 1, "parallelism": 1, "suspend": false,
                "template": {"metadata": metadata, "spec": pod},
            },
            "status": {},
        });
        node::start(self.inner, &self.key.1, job, work)
    }

    fn file(&self) -> &str {
        self.test_run["spec"]["script"]["configMap"]["file"]
            .as_str()
            .unwrap()
    }

    fn arguments(&self) -> impl Iterator<Item = String> {
        let arguments = self.test_run["spec"]["args"]
            .as_array()
            .into_iter()
            .flatten();
        arguments.map(|word| word.as_str().unwrap().to_owned())
    }
}
