//! A test as k6-operator takes it: a ConfigMap with what k6 packed, and a TestRun.
//!
//! Source: <https://grafana.com/docs/k6/latest/set-up/set-up-distributed-k6/>; what stands here against a default of the
//! operator's says why.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::cli::{Runners, Spread};

/// What a ConfigMap holds at most, in bytes.
///
/// Source: <https://kubernetes.io/docs/concepts/configuration/configmap/>.
pub const MOST_BYTES: usize = 1024 * 1024;
/// The longest name whose Jobs, called NAME-initializer among others, are still labelled with it.
const MAX_NAME: usize = 51;
/// The label of all objects that were written at once.
pub const RUN_LABEL: &str = "load-test/run";
/// The file of the ConfigMap.
const FILE: &str = "archive.tar";
/// The user of k6's image.
const USER: u32 = 12345;

/// One test of a manifest.
#[derive(Debug)]
pub struct Packed<'a> {
    /// The name of its objects.
    pub name: &'a str,
    /// Where they go, if not where kubectl is.
    pub namespace: Option<&'a str>,
    /// What k6 packed.
    pub tar: &'a [u8],
    /// The tags that its samples have by the script's options.
    pub tags: &'a BTreeMap<String, String>,
    /// Whether every sample is written to the runners' logs.
    pub exact: bool,
    /// Its load and where it goes, for people.
    pub about: BTreeMap<&'static str, String>,
}

/// A name that is a label of DNS, as short as it must be, begins with a letter and ends in `suffix`.
pub fn name(profile: &str, test: &str, suffix: &str) -> String {
    let words = format!("{profile}-{test}").to_ascii_lowercase();
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let words: String = words.chars().map(safe).collect();
    let words = words.trim_matches('-');
    let begin = match words.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => "",
        false => "t-",
    };
    let room = MAX_NAME - suffix.len() - 1 - begin.len();
    let words = &words[..words.len().min(room)];
    format!("{begin}{}-{suffix}", words.trim_end_matches('-'))
}

/// The two objects of `test`; those of one `run` share a label.
pub fn objects(args: &Runners, image: &str, run: &str, test: &Packed<'_>) -> [Value; 2] {
    let metadata = |name: &str| {
        without_nulls(json!({
            "name": name,
            "namespace": test.namespace,
            "labels": {RUN_LABEL: run},
            "annotations": test.about,
        }))
    };
    let config_map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(test.name),
        "binaryData": {FILE: STANDARD.encode(test.tar)},
    });
    let test_run = json!({
        "apiVersion": "k6.io/v1alpha1",
        "kind": "TestRun",
        "metadata": metadata(test.name),
        "spec": {
            "parallelism": args.runners,
            "script": {"configMap": {"name": test.name, "file": FILE}},
            "args": arguments(test.tags),
            // One that is left out is a copy of the runner, whose variables then stand in its arguments: the key too.
            "initializer": initializer(args, image),
            "starter": pod(args, &args.starter_image),
            "runner": runner(args, image, test),
        },
    });
    [config_map, test_run]
}

/// The operator adds tags of its own as arguments, which replace those of the script: so they are said once more.
fn arguments(tags: &BTreeMap<String, String>) -> Vec<String> {
    let tags = tags.iter().map(|(name, value)| format!("{name}={value}"));
    tags.flat_map(|tag| ["--tag".to_owned(), escaped(&tag)])
        .collect()
}

/// Kubernetes puts variables in the place of `$(NAME)`, and one dollar in that of two.
fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

/// What all pods have: no more rights than the strictest namespace grants, and no sidecar, beside which a Job never ends.
fn pod(args: &Runners, image: &str) -> Map<String, Value> {
    let pull = args.image_pull_secret.as_ref();
    let (whole, container) = restricted();
    without_nulls(json!({
        "image": image,
        "imagePullSecrets": pull.map(|name| [json!({"name": name})]),
        "metadata": without_sidecars(),
        "securityContext": whole,
        "containerSecurityContext": container,
    }))
}

/// The labels and annotations of a pod beside which no mesh puts another container.
pub fn without_sidecars() -> Value {
    json!({
        "labels": {"sidecar.istio.io/inject": "false"},
        "annotations": {"sidecar.istio.io/inject": "false", "linkerd.io/inject": "disabled"},
    })
}

/// What a pod and its container must say of themselves where no rights are granted.
///
/// Source: <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>.
pub fn restricted() -> (Value, Value) {
    (
        json!({
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        }),
        json!({
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
        }),
    )
}

/// Runs k6 once, before there are runners.
fn initializer(args: &Runners, image: &str) -> Map<String, Value> {
    let mut block = pod(args, image);
    block.insert("resources".into(), resources(args));
    block
}

fn runner(args: &Runners, image: &str, test: &Packed<'_>) -> Map<String, Value> {
    let mut env = vec![
        json!({"name": "K6_NO_USAGE_REPORT", "value": "true"}),
        // As that of a local run, for the same reader.
        json!({"name": "K6_LOG_FORMAT", "value": "json"}),
        json!({"name": "TERMINATION_LOG", "value": "/dev/termination-log"}),
    ];
    if test.exact {
        // As an argument it would be the initializer's too.
        env.push(json!({"name": "K6_OUT", "value": "csv=-"}));
    }
    if let Some(secret) = &args.api_key_secret {
        let entry = json!({"name": secret.name, "key": secret.key});
        env.push(json!({"name": "API_KEY", "valueFrom": {"secretKeyRef": entry}}));
    }
    let unsatisfiable = match args.spread {
        Spread::Prefer => "ScheduleAnyway",
        Spread::Require => "DoNotSchedule",
    };
    let mut block = initializer(args, image);
    block.insert("env".into(), env.into());
    // k6 stops to listen before it sums up, and by default half a minute later would be killed for that.
    block.insert(
        "livenessProbe".into(),
        json!({
            "httpGet": {"path": "/v1/status", "port": 6565, "scheme": "HTTP"},
            "periodSeconds": 60,
            "timeoutSeconds": 30,
            "failureThreshold": 60,
        }),
    );
    block.insert(
        "topologySpreadConstraints".into(),
        json!([{
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": unsatisfiable,
            "labelSelector": {"matchLabels": {"k6_cr": test.name, "runner": "true"}},
        }]),
    );
    block
}

/// Without a bound on processors, since a generator that is slowed down measures itself.
fn resources(args: &Runners) -> Value {
    json!({
        "requests": {"cpu": args.cpu, "memory": args.memory},
        "limits": {"memory": args.memory},
    })
}

fn without_nulls(object: Value) -> Map<String, Value> {
    let Value::Object(entries) = object else {
        return Map::new();
    };
    entries
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .collect()
}
