//! Whether a cluster can run tests, one line for each thing that it takes.

use std::path::Path;

use anyhow::Context as _;
use semver::Version;
use serde_json::{Value, json};

use super::kubectl::{Kubectl, refuse_production};
use super::pull::pull;
use super::refused::{RefusalKind, Refused};
use super::yaml;
use crate::cli::{Images, STARTER, Which};
use crate::error::COULD_NOT_RUN;
use crate::ui::{self, BAD, DIM, GOOD};

/// The oldest operator whose runners may write their summaries before they are killed.
const OLDEST: Version = Version::new(1, 5, 0);
/// The oldest that passes on arguments with blanks in them, as our tags are.
const WITH_ARGS: Version = Version::new(1, 6, 0);
/// The rights that it takes: the API group, the resource, and the verbs.
const RIGHTS: [(&str, &str, &[&str]); 6] = [
    (
        "k6.io",
        "testruns",
        &["create", "get", "list", "watch", "delete"],
    ),
    ("", "configmaps", &["create", "get", "patch", "delete"]),
    ("batch", "jobs", &["get", "list", "watch"]),
    ("", "pods", &["get", "list", "watch"]),
    ("", "events", &["get", "list", "watch"]),
    ("", "pods/log", &["get"]),
];

/// The right that `cluster clean` takes besides.
const TO_CLEAN: (&str, &str, &[&str]) = ("", "configmaps", &["list"]);

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The thing.
    pub what: String,
    /// Whether it is as it must be; none if that cannot be known.
    pub is_good: Option<bool>,
    /// What was seen, and what to do if it is not good.
    pub said: String,
}

impl Finding {
    /// What was `said` of `what`.
    pub fn new(what: &str, is_good: impl Into<Option<bool>>, said: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            is_good: is_good.into(),
            said: said.into(),
        }
    }

    /// It, on a line for a terminal.
    pub fn line(&self) -> String {
        let (style, glyph) = match self.is_good {
            Some(true) => (GOOD, '✓'),
            Some(false) => (BAD, '✗'),
            None => (DIM, '–'),
        };
        format!("{style}{glyph}{style:#} {:<11} {}\n", self.what, self.said)
    }
}

/// What was found of a cluster.
#[derive(Debug)]
pub struct Findings {
    /// Each thing, in order; nothing is looked at behind one that all others need.
    pub findings: Vec<Finding>,
    /// The operator's version, if it could be seen.
    pub operator: Option<String>,
}

impl Findings {
    /// The first thing that is not as it must be.
    pub fn problem(&self) -> Option<&Finding> {
        let mut findings = self.findings.iter();
        findings.find(|finding| finding.is_good == Some(false))
    }
}

/// Looks at the cluster and says what was found, then has it pull these images; the exit code is 0 if nothing is missing.
///
/// # Errors
/// If kubectl is missing, or has no such context; if pods would go to production and nobody said so, or one that was
/// created cannot be deleted.
pub fn check(which: &Which, images: &Images) -> anyhow::Result<u8> {
    let kubectl = Kubectl::find(which.context.as_deref(), which.namespace.as_deref())?;
    refuse_production(&kubectl, images.yes || images.pull.is_empty())?;
    let found = look(&kubectl)?;
    let lines: String = found.findings.iter().map(Finding::line).collect();
    ui::print(&lines)?;
    let mut is_good = found.problem().is_none();
    for image in images.pull.iter().filter(|_| found.problem().is_none()) {
        let pulled = pull(&kubectl, image, images.image_pull_secret.as_deref())?;
        is_good &= pulled.is_good == Some(true);
        ui::print(&pulled.line())?;
    }
    Ok(if is_good { 0 } else { COULD_NOT_RUN })
}

/// Looks at everything.
///
/// # Errors
/// If kubectl cannot be asked.
pub fn look(kubectl: &Kubectl) -> anyhow::Result<Findings> {
    let mut found = Findings {
        findings: vec![
            Finding::new("kubectl", true, kubectl.version()?),
            Finding::new("context", true, kubectl.place()),
        ],
        operator: None,
    };
    let images = format!(
        "grafana/k6 of the version of your k6, and {STARTER}, unless others are named: nodes must be able to pull them, and --pull IMAGE tries"
    );
    // Without a server there is no namespace, without a namespace no right.
    for step in [server, namespace, crd, operator, rights] {
        step(kubectl, &mut found)?;
        if found.problem().is_some() {
            return Ok(found);
        }
    }
    found.findings.push(Finding::new("images", None, images));
    Ok(found)
}

/// The answer, or kubectl's refusal.
pub fn asked<T>(answer: anyhow::Result<T>) -> anyhow::Result<Result<T, Refused>> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(error) => error.downcast::<Refused>().map(Err),
    }
}

fn server(kubectl: &Kubectl, found: &mut Findings) -> anyhow::Result<()> {
    let version = asked(kubectl.ask(&["get", "--raw", "/version"]))?;
    found.findings.push(match version {
        Ok(text) => {
            let version: Value = serde_json::from_str(&text).unwrap_or_default();
            let version = version["gitVersion"].as_str().unwrap_or("unknown version");
            Finding::new("server", true, format!("{}, {version}", kubectl.server))
        }
        Err(refused) => Finding::new(
            "server",
            refused.kind == RefusalKind::Rights,
            refused.to_string(),
        ),
    });
    Ok(())
}

fn namespace(kubectl: &Kubectl, found: &mut Findings) -> anyhow::Result<()> {
    let name = &kubectl.namespace;
    let seen = asked(kubectl.get::<Value>(&["get", "namespace", name]))?;
    found.findings.push(match seen {
        Ok(_) => Finding::new("namespace", true, name.as_str()),
        // Namespaces are a cluster's, and many users may not look at them.
        Err(refused) if refused.kind == RefusalKind::Rights => Finding::new(
            "namespace",
            None,
            format!("{name} (you may not see whether it is there)"),
        ),
        Err(refused) => Finding::new("namespace", false, refused.to_string()),
    });
    Ok(())
}

fn crd(kubectl: &Kubectl, found: &mut Findings) -> anyhow::Result<()> {
    let kinds = asked(kubectl.ask(&["get", "--raw", "/apis/k6.io/v1alpha1"]))?;
    found.findings.push(match kinds {
        Ok(text) => {
            let kinds: Value = serde_json::from_str(&text).unwrap_or_default();
            let mut kinds = kinds["resources"].as_array().into_iter().flatten();
            match kinds.any(|kind| kind["name"] == "testruns") {
                true => Finding::new("TestRuns", true, "the cluster knows them (k6.io/v1alpha1)"),
                false => Finding::new(
                    "TestRuns",
                    false,
                    "the cluster has an operator so old that it knows no TestRuns: install k6-operator 1.6.0",
                ),
            }
        }
        Err(refused) => Finding::new("TestRuns", false, refused.to_string()),
    });
    Ok(())
}

fn operator(kubectl: &Kubectl, found: &mut Findings) -> anyhow::Result<()> {
    let seen = asked(kubectl.ask_all(&["get", "deployments", "--all-namespaces", "-o", "json"]))?;
    let image = seen.ok().and_then(|text| operators_image(&text));
    let version = image.as_deref().and_then(version_of);
    let (is_good, said) = match (&image, &version) {
        (None, _) => (
            None,
            "not found among the deployments that you can list: it must be 1.5.0 or newer, and manifests are written for 1.6.0".to_owned(),
        ),
        (Some(image), None) => (
            None,
            format!("{image}, whose version does not show: it must be 1.5.0 or newer"),
        ),
        (Some(image), Some(version)) if *version < OLDEST => (
            Some(false),
            format!(
                "{image}: update it to 1.6.0, since before 1.5.0 runners are killed without their summaries"
            ),
        ),
        (Some(image), Some(version)) if *version < WITH_ARGS => (
            None,
            format!(
                "{image}: before 1.6.0 a TestRun has no `args`, and the cluster may refuse ours"
            ),
        ),
        (Some(image), Some(_)) => (Some(true), image.clone()),
    };
    found.operator = version.map(|version| version.to_string());
    found.findings.push(Finding::new("operator", is_good, said));
    Ok(())
}

/// The image of the operator among all deployments.
fn operators_image(deployments: &str) -> Option<String> {
    let deployments: Value = serde_json::from_str(deployments).ok()?;
    let containers = deployments["items"].as_array()?.iter().filter_map(|it| {
        it.pointer("/spec/template/spec/containers")
            .and_then(Value::as_array)
    });
    let mut images = containers.flatten().filter_map(|it| it["image"].as_str());
    images
        .find(|image| image.contains("k6-operator"))
        .map(str::to_owned)
}

/// The version that the tag of an image ends in, such as `controller-v1.6.0`.
pub(super) fn version_of(image: &str) -> Option<Version> {
    let name = image.split('@').next()?;
    let (_, tag) = name.rsplit('/').next()?.split_once(':')?;
    let begins = tag.find(|c: char| c.is_ascii_digit())?;
    tag[begins..].parse().ok()
}

fn rights(kubectl: &Kubectl, found: &mut Findings) -> anyhow::Result<()> {
    let mut asked_for = Vec::new();
    for (group, resource, verbs) in RIGHTS.into_iter().chain([TO_CLEAN]) {
        for verb in verbs {
            asked_for.push((group, resource, *verb));
        }
    }
    let reviews: Vec<Value> = asked_for
        .iter()
        .map(|(group, resource, verb)| {
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            json!({
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": {
                    "namespace": kubectl.namespace, "verb": verb, "group": group,
                    "resource": resource, "subresource": subresource,
                }},
            })
        })
        .collect();
    let file = tempfile::Builder::new().suffix(".yaml").tempfile()?;
    std::fs::write(file.path(), yaml::stream(&reviews))?;
    let answers = match asked(review(kubectl, file.path()))? {
        Ok(answers) => answers,
        Err(refused) => {
            let said = format!("your rights could not be checked: {refused}");
            found.findings.push(Finding::new("rights", None, said));
            return Ok(());
        }
    };
    for (group, resource, verbs) in RIGHTS {
        let of_it = asked_for.iter().zip(&answers);
        let of_it =
            of_it.filter(|((g, r, verb), _)| (*g, *r) == (group, resource) && verbs.contains(verb));
        let missing: Vec<&str> = of_it
            .filter(|(_, answer)| answer["status"]["allowed"] != true)
            .map(|((_, _, verb), _)| *verb)
            .collect();
        found.findings.push(match missing.is_empty() {
            true => Finding::new("rights", true, format!("{resource}: {}", verbs.join(", "))),
            false => Finding::new(
                "rights",
                false,
                format!(
                    "{resource}: you may not {} them in {}; who runs the cluster can give you a Role that may",
                    missing.join(", "),
                    kubectl.namespace
                ),
            ),
        });
    }
    let may_clean = answers.last().map(|answer| &answer["status"]["allowed"]);
    if may_clean != Some(&Value::Bool(true)) {
        let said = "configmaps: you may not list them, and only `cluster clean` lists them";
        found.findings.push(Finding::new("rights", None, said));
    }
    Ok(())
}

/// Each review with its answer, in the same order.
fn review(kubectl: &Kubectl, file: &Path) -> anyhow::Result<Vec<Value>> {
    let file = file.to_string_lossy();
    let text = kubectl.ask(&["create", "--validate=false", "-o", "json", "-f", &file])?;
    let answers: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(&text)
        .into_iter::<Value>()
        .collect();
    let answers = answers.context("failed to understand kubectl's answer")?;
    // Some versions join what they print.
    Ok(match answers.as_slice() {
        [one] if one["kind"] == "List" => one["items"].as_array().cloned().unwrap_or_default(),
        _ => answers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_version_is_that_of_its_image() {
        for (image, version) in [
            (
                "ghcr.io/grafana/k6-operator:controller-v1.6.0",
                Some("1.6.0"),
            ),
            ("localhost:5000/k6-operator:v1.4.1@sha256:0f", Some("1.4.1")),
            ("mirror/k6-operator:1.5.0", Some("1.5.0")),
            ("ghcr.io/grafana/k6-operator:latest", None),
            ("localhost:5000/k6-operator@sha256:0f", None),
        ] {
            let seen = version_of(image).map(|version| version.to_string());
            assert_eq!(seen.as_deref(), version, "{image}");
            let deployments = json!({"items": [
                {"spec": {"template": {"spec": {"containers": [{"image": "other:1"}]}}}},
                {"spec": {"template": {"spec": {"containers": [{"image": image}]}}}},
            ]});
            assert_eq!(
                operators_image(&deployments.to_string()).as_deref(),
                Some(image)
            );
        }
    }
}
