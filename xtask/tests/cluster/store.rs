//! What the API server holds: objects with versions, and every change of them for those who watch.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

/// A kind of objects.
#[derive(Debug)]
pub struct Kind {
    /// Its group, empty for the core.
    pub group: &'static str,
    /// The version of its group.
    pub version: &'static str,
    /// Its name in paths.
    pub plural: &'static str,
    /// Its name in objects.
    pub kind: &'static str,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

/// Every kind.
pub const KINDS: &[Kind] = &[
    kind("", "v1", "namespaces", "Namespace", false),
    kind("", "v1", "configmaps", "ConfigMap", true),
    kind("", "v1", "secrets", "Secret", true),
    kind("", "v1", "pods", "Pod", true),
    kind("", "v1", "events", "Event", true),
    kind("batch", "v1", "jobs", "Job", true),
    kind("apps", "v1", "deployments", "Deployment", true),
    kind("k6.io", "v1alpha1", "testruns", "TestRun", true),
    kind(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        false,
    ),
    kind(
        "authorization.k8s.io",
        "v1",
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        false,
    ),
];

const fn kind(
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
) -> Kind {
    Kind {
        group,
        version,
        plural,
        kind,
        namespaced,
    }
}

/// The kind of this plural.
pub fn kind_of(plural: &str) -> &'static Kind {
    KINDS.iter().find(|kind| kind.plural == plural).unwrap()
}

impl Kind {
    /// Group and version as objects have them.
    pub fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// Its name in messages.
    pub fn qualified(&self) -> String {
        match self.group {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }
}

/// Where an object is: its kind's plural, its namespace, its name.
pub type Key = (&'static str, String, String);

/// What happened to an object.
#[derive(Debug, Clone)]
pub struct Change {
    /// The version of the whole that this change made.
    pub version: u64,
    /// The plural of the object's kind.
    pub plural: &'static str,
    /// ADDED, MODIFIED or DELETED.
    pub what: &'static str,
    /// The object after it.
    pub object: Value,
}

/// A refusal in the API server's words.
#[derive(Debug)]
pub struct Refusal {
    /// The status of HTTP.
    pub code: u16,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, in a sentence.
    pub message: String,
}

impl Refusal {
    /// Nothing is there.
    pub fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} {name:?} not found", kind.qualified());
        Self {
            code: 404,
            reason: "NotFound",
            message,
        }
    }
}

/// What goes wrong on purpose.
#[derive(Debug, Default)]
pub struct Faults {
    /// Verbs with resources, such as `get pods/log`, that the user has no right to.
    pub forbidden: Vec<&'static str>,
    /// Images that cannot be pulled.
    pub missing_images: Vec<&'static str>,
    /// Whether the starter's curl does not reach the last runner, which fails nothing.
    pub unreached: bool,
    /// After how many bytes the next log that is followed is cut.
    pub cut_log: Option<usize>,
    /// How many of the next watches end after their first event.
    pub cut_watches: usize,
}

/// Everything that is held.
#[derive(Default)]
pub struct State {
    version: u64,
    objects: BTreeMap<Key, Value>,
    /// All changes so far.
    pub changes: Vec<Change>,
    /// Each watch, by its plural, and each log that was begun to be followed.
    pub followed: Vec<&'static str>,
    /// What goes wrong on purpose.
    pub faults: Faults,
    /// Whether the end has come.
    pub stopped: bool,
}

impl State {
    /// The version of the whole.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The object.
    pub fn get(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key)
    }

    /// The objects of a kind, of all namespaces if `namespace` is empty.
    pub fn list<'a>(
        &'a self,
        plural: &'a str,
        namespace: &'a str,
    ) -> impl Iterator<Item = &'a Value> {
        let is_wanted = move |(found, place, _): &Key| {
            *found == plural && (namespace.is_empty() || place == namespace)
        };
        self.objects
            .iter()
            .filter(move |(key, _)| is_wanted(key))
            .map(|(_, object)| object)
    }

    /// Adds an object, with what every object gets from the server.
    ///
    /// # Errors
    /// If the namespace is missing, or the name is taken.
    pub fn create(
        &mut self,
        plural: &'static str,
        namespace: &str,
        mut object: Value,
    ) -> Result<Value, Refusal> {
        let kind = kind_of(plural);
        let home = ("namespaces", String::new(), namespace.to_owned());
        if kind.namespaced && !self.objects.contains_key(&home) {
            return Err(Refusal::not_found(kind_of("namespaces"), namespace));
        }
        self.version += 1;
        let version = self.version;
        object["apiVersion"] = kind.api_version().into();
        object["kind"] = kind.kind.into();
        let metadata = object["metadata"].as_object_mut().unwrap();
        if let Some(begin) = metadata.get("generateName").and_then(Value::as_str) {
            let name = format!("{begin}{version:05x}");
            metadata.insert("name".into(), name.into());
        }
        let name = metadata["name"].as_str().unwrap().to_owned();
        let uid = format!("00000000-0000-4000-8000-{version:012x}");
        metadata.insert("uid".into(), uid.clone().into());
        metadata.insert("creationTimestamp".into(), now().into());
        metadata.insert("generation".into(), 1.into());
        if kind.namespaced {
            metadata.insert("namespace".into(), namespace.into());
        }
        let key = (plural, namespace.to_owned(), name);
        if plural == "jobs" {
            select_pods(&mut object, &key.2, &uid);
        }
        if self.objects.contains_key(&key) {
            let message = format!("{} {:?} already exists", kind.qualified(), key.2);
            return Err(Refusal {
                code: 409,
                reason: "AlreadyExists",
                message,
            });
        }
        Ok(self.changed(key, "ADDED", object))
    }

    /// Changes an object, and returns it; `None` if it is not there.
    pub fn update(&mut self, key: &Key, change: impl FnOnce(&mut Value)) -> Option<Value> {
        let mut object = self.objects.get(key)?.clone();
        change(&mut object);
        self.version += 1;
        Some(self.changed(key.clone(), "MODIFIED", object))
    }

    /// Takes an object away.
    pub fn remove(&mut self, key: &Key) -> Option<Value> {
        let object = self.objects.get(key)?.clone();
        self.version += 1;
        let object = self.changed(key.clone(), "DELETED", object);
        self.objects.remove(key);
        Some(object)
    }

    fn changed(&mut self, key: Key, what: &'static str, mut object: Value) -> Value {
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let (version, plural) = (self.version, key.0);
        self.changes.push(Change {
            version,
            plural,
            what,
            object: object.clone(),
        });
        self.objects.insert(key, object.clone());
        object
    }

    /// Deletes an object as its kind is deleted, and what it owns.
    pub fn delete(&mut self, key: &Key, grace: Option<u64>) -> Option<Value> {
        let object = self.objects.get(key)?.clone();
        let has_ended = matches!(
            object["status"]["phase"].as_str(),
            Some("Succeeded" | "Failed")
        );
        if key.0 == "pods" && !has_ended && grace != Some(0) {
            // Its node takes it away once its process has ended.
            return self.update(key, |pod| {
                pod["metadata"]["deletionTimestamp"] = now().into();
                pod["metadata"]["deletionGracePeriodSeconds"] = grace.unwrap_or(30).into();
            });
        }
        self.remove(key);
        let uid = &object["metadata"]["uid"];
        let owned = |object: &Value| {
            let owners = object["metadata"]["ownerReferences"].as_array();
            owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == *uid))
        };
        let orphans: Vec<Key> = self
            .objects
            .iter()
            .filter(|(_, object)| owned(object))
            .map(|(key, _)| key.clone())
            .collect();
        for orphan in orphans {
            self.delete(&orphan, None);
        }
        Some(object)
    }
}

/// Gives a Job the labels that its pod is found by.
fn select_pods(job: &mut Value, name: &str, uid: &str) {
    job["spec"]["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"] = uid.into();
    let labels = &mut job["spec"]["template"]["metadata"]["labels"];
    for prefix in ["", "batch.kubernetes.io/"] {
        labels[format!("{prefix}controller-uid")] = uid.into();
        labels[format!("{prefix}job-name")] = name.into();
    }
}

/// The state, for all threads.
#[derive(Default)]
pub struct Store {
    state: Mutex<State>,
    changed: Condvar,
}

impl Store {
    /// The state, to be read or changed.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Changes the state, and wakes whoever waits.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Waits until `seen` has something; `None` at the end of everything. It is asked again from time to time even if
    /// nothing has changed here.
    pub fn wait_for<T>(&self, mut seen: impl FnMut(&State) -> Option<T>) -> Option<T> {
        let mut state = self.lock();
        while !state.stopped {
            if let Some(found) = seen(&state) {
                return Some(found);
            }
            let moment = Duration::from_millis(20);
            state = self.changed.wait_timeout(state, moment).unwrap().0;
        }
        None
    }
}

/// The time as objects have it.
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// `patch` put upon `object`, where null takes away.
///
/// Source: RFC 7396.
pub fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    for (name, change) in changes {
        match change {
            Value::Null => drop(object.as_object_mut().unwrap().remove(name)),
            change => merge(&mut object[name], change),
        }
    }
}

/// Whether an object has the labels, or fields, that a selector asks for.
pub fn is_selected(object: &Value, labels: &str, fields: &str) -> bool {
    let label = |name: &str| object["metadata"]["labels"].get(name).cloned();
    let field = |path: &str| {
        object
            .pointer(&format!("/{}", path.replace('.', "/")))
            .cloned()
    };
    fits(labels, label) && fits(fields, field)
}

/// Of <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors> what is asked for here:
/// a name that is there, or that has a value.
fn fits(selector: &str, value: impl Fn(&str) -> Option<Value>) -> bool {
    let mut parts = selector.split(',').filter(|part| !part.is_empty());
    parts.all(|part| match part.split_once('=') {
        Some((name, wanted)) => value(name).is_some_and(|value| value == *wanted),
        None => value(part).is_some(),
    })
}
