//! `cluster check --pull`: whether a node gets an image and runs it, by a pod that does nothing else and is deleted again.

use std::time::{Duration, Instant};

use k6_summary::one_line;
use serde_json::json;

use super::check::{Finding, asked};
use super::kubectl::Kubectl;
use super::manifest::{RUN_LABEL, restricted, without_sidecars};
use super::objects::Pod;
use super::seen::{LONGEST, Seen};
use super::trouble::stuck;
use super::yaml;
use crate::k6::short;
use crate::shell::interrupt;

/// How long a node may take to be found, and a large image to be pulled.
const LIMIT: Duration = Duration::from_secs(300);
/// How often the pod is looked at.
const TICK: Duration = Duration::from_millis(300);
/// Asks for a version by the shell, which the operator needs in both of its images.
const COMMAND: [&str; 3] = ["sh", "-c", "k6 version 2>/dev/null || curl --version"];

/// Has a pod run `image`, which is pulled with a `secret` if it takes one.
///
/// # Errors
/// If kubectl cannot be asked, the pod cannot be deleted, or an interruption arrives.
pub fn pull(kubectl: &Kubectl, image: &str, secret: Option<&str>) -> anyhow::Result<Finding> {
    let name = format!("pull-{}", super::suffix());
    let (pod, container) = restricted();
    let mut metadata = without_sidecars();
    metadata["name"] = name.as_str().into();
    metadata["labels"][RUN_LABEL] = "pull".into();
    let object = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": LIMIT.as_secs(),
            "automountServiceAccountToken": false,
            "securityContext": pod,
            "imagePullSecrets": secret.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
            "containers": [{
                "name": "k6",
                "image": image,
                "command": COMMAND,
                "securityContext": container,
                "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}},
            }],
        },
    });
    let file = tempfile::Builder::new().suffix(".yaml").tempfile()?;
    std::fs::write(file.path(), yaml::stream(&[object]))?;
    let own = [format!("pods/{name}")];
    interrupt::leaves(Some(format!(
        "delete what was created: `{}`",
        kubectl.delete_line(&own)
    )));
    let created = kubectl.create(file.path());
    let ran = asked(created.and_then(|_| watch(kubectl, &name)));
    let deleted = kubectl.delete(&own);
    interrupt::leaves(None);
    let (is_good, said) = match ran? {
        Ok(Ok(version)) => (true, format!("{image} is pulled and runs: {version}")),
        Ok(Err(problem)) => (false, format!("{image}: {problem}")),
        // Whoever may not create a pod may not delete one either.
        Err(refused) => return Ok(Finding::new("images", false, format!("{image}: {refused}"))),
    };
    deleted?;
    Ok(Finding::new("images", is_good, said))
}

/// The version that the pod prints, or why it prints none.
fn watch(kubectl: &Kubectl, name: &str) -> anyhow::Result<Result<String, String>> {
    let began = Instant::now();
    loop {
        let pod: Pod = kubectl.get(&["get", "pod", name])?;
        if let Some(ended) = pod.terminated() {
            let log = asked(kubectl.ask(&["logs", name]))?.unwrap_or_default();
            let words = one_line(log.lines().next().unwrap_or_default(), LONGEST);
            return Ok(match ended.exit_code {
                0 => Ok(words),
                code => Err(format!(
                    "`{}` ended with exit code {code} in it: {words}",
                    COMMAND.join(" ")
                )),
            });
        }
        let is_over = began.elapsed() >= LIMIT;
        match stuck(&Seen::default(), name, Some(&pod), "a pod of it") {
            Some(trouble) if trouble.grace.is_some() || is_over => {
                return Ok(Err(trouble.sentence));
            }
            None if is_over => {
                return Ok(Err(format!(
                    "a pod of it does not run within {}",
                    short(LIMIT)
                )));
            }
            _ => interrupt::pause(TICK)?,
        }
    }
}
