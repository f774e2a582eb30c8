//! What is read of Kubernetes' objects.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A change that a watch tells of.
#[derive(Debug, Clone, Deserialize)]
pub struct WatchEvent {
    /// `ADDED`, `MODIFIED` or `DELETED`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The object as it is now, or was last.
    pub object: Object,
}

/// A list of objects, as `kubectl get` prints it.
#[derive(Debug, Clone, Deserialize)]
pub struct List {
    /// The objects.
    pub items: Vec<Object>,
}

/// An object, by its kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind")]
pub enum Object {
    /// What the operator is asked to run.
    TestRun(TestRun),
    /// One pod's worth of work.
    Job(Job),
    /// A pod.
    Pod(Pod),
    /// What a part of Kubernetes has to say of an object.
    Event(ObjectEvent),
    /// Anything else, such as a watch's own error.
    #[serde(other)]
    Other,
}

/// What every object has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// The name.
    pub name: String,
    /// Tells it from an earlier one of its name.
    pub uid: String,
    /// Rises with each change.
    pub resource_version: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// What it belongs to.
    pub owner_references: Vec<Owner>,
    /// When it will be gone, once it is being deleted.
    pub deletion_timestamp: Option<String>,
}

/// What an object belongs to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Owner {
    /// The name.
    pub name: String,
    /// The uid.
    pub uid: String,
}

/// A TestRun.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct TestRun {
    /// What every object has.
    pub metadata: Meta,
    /// How it is.
    pub status: TestRunStatus,
}

/// How a TestRun is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct TestRunStatus {
    /// The operator's stage, which never says why.
    pub stage: String,
}

/// A Job.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Job {
    /// What every object has.
    pub metadata: Meta,
    /// How it is.
    pub status: JobStatus,
}

/// How a Job is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct JobStatus {
    /// Pods that ended well.
    pub succeeded: u32,
    /// Pods that did not.
    pub failed: u32,
}

/// A pod.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// What every object has.
    pub metadata: Meta,
    /// Where it is.
    pub spec: PodSpec,
    /// How it is.
    pub status: PodStatus,
}

/// Where a pod is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// The node.
    pub node_name: Option<String>,
}

/// How a pod is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    pub phase: String,
    /// Why the pod as a whole is so, such as `Evicted` or `NodeLost`.
    pub reason: Option<String>,
    /// The same in a sentence.
    pub message: Option<String>,
    /// Among them whether a node was found.
    pub conditions: Vec<Condition>,
    /// Its containers.
    pub container_statuses: Vec<Container>,
}

/// Something that holds of a pod, or does not.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// What.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, in a word.
    pub reason: Option<String>,
    /// Why, in a sentence.
    pub message: Option<String>,
}

/// A container.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Container {
    /// How it is.
    pub state: ContainerState,
}

/// How a container is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ContainerState {
    /// It has yet to begin.
    pub waiting: Option<Waiting>,
    /// It runs.
    pub running: Option<serde_json::Value>,
    /// It has ended.
    pub terminated: Option<Terminated>,
}

/// Why a container has yet to begin.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Waiting {
    /// In a word.
    pub reason: String,
    /// In a sentence.
    pub message: Option<String>,
}

/// How a container ended.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Terminated {
    /// The exit code.
    pub exit_code: i32,
    /// In a word, such as `OOMKilled`.
    pub reason: Option<String>,
    /// What it wrote to its termination log.
    pub message: Option<String>,
}

/// An event.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectEvent {
    /// What it is about.
    pub involved_object: Owner,
    /// In a word.
    pub reason: String,
    /// In a sentence.
    pub message: String,
}

impl Object {
    /// What every object has.
    pub fn meta(&self) -> Option<&Meta> {
        match self {
            Self::TestRun(it) => Some(&it.metadata),
            Self::Job(it) => Some(&it.metadata),
            Self::Pod(it) => Some(&it.metadata),
            Self::Event(_) | Self::Other => None,
        }
    }
}

impl Meta {
    /// Whether this is an older state than `other`; it is not if nobody knows.
    pub fn is_before(&self, other: &Self) -> bool {
        let number = |it: &Self| it.resource_version.parse::<u64>().ok();
        number(self)
            .zip(number(other))
            .is_some_and(|(one, other)| one < other)
    }
}

impl Pod {
    /// The Job that it belongs to.
    pub fn job(&self) -> &str {
        self.metadata
            .owner_references
            .first()
            .map_or("", |owner| &owner.name)
    }

    /// That Job's uid.
    pub fn job_uid(&self) -> Option<&str> {
        let owner = self.metadata.owner_references.first()?;
        Some(&owner.uid)
    }

    /// How its container is; a pod of ours has one.
    pub fn container(&self) -> Option<&ContainerState> {
        self.status.container_statuses.first().map(|it| &it.state)
    }

    /// How its container ended, if it has.
    pub fn terminated(&self) -> Option<&Terminated> {
        self.container()?.terminated.as_ref()
    }

    /// Whether its container has begun, so that it may have a log.
    pub fn has_begun(&self) -> bool {
        self.container()
            .is_some_and(|it| it.running.is_some() || it.terminated.is_some())
    }

    /// Whether it will do no more.
    pub fn has_ended(&self) -> bool {
        self.terminated().is_some() || matches!(&*self.status.phase, "Succeeded" | "Failed")
    }
}
