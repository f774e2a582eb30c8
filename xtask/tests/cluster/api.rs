//! The Kubernetes API, as much of it as kubectl needs here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cluster::Inner;
use crate::http::{Answer, Asked, Stream};
use crate::node;
use crate::operator;
use crate::schema;
use crate::store::{Change, KINDS, Kind, Refusal, State, is_selected, kind_of, merge, now};

/// Who asks, in refusals.
const USER: &str = "tester";

/// A path below the API, taken apart.
struct Path {
    kind: &'static Kind,
    namespace: String,
    name: Option<String>,
    sub: Option<String>,
}

/// Answers `asked`.
pub fn answer(inner: &Arc<Inner>, asked: &Asked) -> Answer {
    let refused = |refusal: Refusal| {
        let Refusal {
            code,
            reason,
            message,
        } = refusal;
        Answer::Object(
            code,
            json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {},
                "status": "Failure", "message": message, "reason": reason, "code": code,
            }),
        )
    };
    let path = asked.url.path().trim_matches('/').to_owned();
    let has_operator_api = inner.store.lock().get(&crd()).is_some();
    if let Some(found) = discovered(&path, has_operator_api) {
        return Answer::Object(200, found);
    }
    let Some(path) =
        parsed(&path).filter(|path| has_operator_api || path.kind.plural != "testruns")
    else {
        let message = "the server could not find the requested resource".into();
        return refused(Refusal {
            code: 404,
            reason: "NotFound",
            message,
        });
    };
    let may = allowed(&inner.store.lock(), &path, asked);
    may.and_then(|()| done(inner, path, asked))
        .unwrap_or_else(refused)
}

/// Where the definition of TestRuns is.
pub fn crd() -> (&'static str, String, String) {
    (
        "customresourcedefinitions",
        String::new(),
        "testruns.k6.io".into(),
    )
}

/// What there is, as kubectl asks for before anything else.
fn discovered(path: &str, has_operator_api: bool) -> Option<Value> {
    let kinds = || {
        KINDS
            .iter()
            .filter(|kind| has_operator_api || kind.group != "k6.io")
    };
    let openapi = |kind: &Kind| match kind.group {
        "" => format!("openapi/v3/api/{}", kind.version),
        _ => format!("openapi/v3/apis/{}", kind.api_version()),
    };
    match path {
        "version" => Some(json!({"major": "1", "minor": "36", "gitVersion": "v1.36.2"})),
        "api" => Some(json!({"kind": "APIVersions", "versions": ["v1"]})),
        "apis" => {
            let mut groups: Vec<_> = kinds().filter(|kind| !kind.group.is_empty()).collect();
            groups.dedup_by_key(|kind| kind.group);
            let group = |kind: &&Kind| {
                let version = json!({"groupVersion": kind.api_version(), "version": kind.version});
                json!({"name": kind.group, "versions": [version], "preferredVersion": version})
            };
            let groups: Vec<_> = groups.iter().map(group).collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        "openapi/v3" => {
            let paths = kinds().map(|kind| {
                let path = openapi(kind);
                let name = path.trim_start_matches("openapi/v3/").to_owned();
                (name, json!({"serverRelativeURL": format!("/{path}")}))
            });
            Some(json!({"paths": paths.collect::<serde_json::Map<_, _>>()}))
        }
        path if path.starts_with("openapi/v3/") => {
            // kubectl looks whether the server itself finds unknown fields.
            let paths = kinds().filter(|kind| openapi(kind) == path).map(|kind| {
                let named = json!({"group": kind.group, "version": kind.version, "kind": kind.kind});
                let patch = json!({
                    "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}],
                    "responses": {},
                    "x-kubernetes-group-version-kind": named,
                });
                (format!("/{}/{{name}}", kind.plural), json!({"patch": patch}))
            });
            let paths: serde_json::Map<_, _> = paths.collect();
            let info = json!({"title": "stand-in", "version": "1"});
            (!paths.is_empty()).then(|| json!({"openapi": "3.0.0", "info": info, "paths": paths}))
        }
        path => {
            let version = path
                .strip_prefix("apis/")
                .or_else(|| path.strip_prefix("api/"))?;
            let resource = |kind: &Kind| {
                json!({
                    "name": kind.plural, "singularName": kind.kind.to_lowercase(), "kind": kind.kind,
                    "namespaced": kind.namespaced,
                    "verbs": ["create", "delete", "get", "list", "patch", "watch"],
                })
            };
            let of_version = |kind: &&Kind| kind.api_version() == version;
            let resources: Vec<_> = kinds().filter(of_version).map(resource).collect();
            (!resources.is_empty()).then(|| {
                json!({"kind": "APIResourceList", "groupVersion": version, "resources": resources})
            })
        }
    }
}

fn parsed(path: &str) -> Option<Path> {
    let mut parts = path.split('/').peekable();
    let group = match parts.next()? {
        "api" => "",
        "apis" => parts.next()?,
        _ => return None,
    };
    let _version = parts.next()?;
    let mut rest: Vec<&str> = parts.collect();
    let mut namespace = "";
    if rest.len() > 2 && rest[0] == "namespaces" {
        namespace = rest[1];
        rest.drain(..2);
    }
    let kind = KINDS
        .iter()
        .find(|kind| kind.group == group && Some(&kind.plural) == rest.first())?;
    let rest = |at: usize| rest.get(at).map(|&part| part.to_owned());
    Some(Path {
        kind,
        namespace: namespace.into(),
        name: rest(1),
        sub: rest(2),
    })
}

/// # Errors
/// If the user has no right to that.
fn allowed(state: &State, path: &Path, asked: &Asked) -> Result<(), Refusal> {
    let verb = match (asked.method.as_str(), &path.name) {
        ("POST", _) => "create",
        ("PATCH", _) => "patch",
        ("DELETE", Some(_)) => "delete",
        ("DELETE", None) => "deletecollection",
        (_, Some(_)) => "get",
        (_, None) if asked.query("watch") == "true" => "watch",
        (_, None) => "list",
    };
    let sub = path
        .sub
        .as_ref()
        .map(|sub| format!("/{sub}"))
        .unwrap_or_default();
    let Path {
        kind,
        namespace,
        name,
        ..
    } = path;
    if has_right(state, verb, &format!("{}{sub}", kind.plural)) {
        return Ok(());
    }
    let named = name
        .as_ref()
        .map(|name| format!(" {name:?}"))
        .unwrap_or_default();
    let place = match namespace.as_str() {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace {namespace:?}"),
    };
    let (thing, resource, group) = (kind.qualified(), kind.plural, kind.group);
    let message = format!(
        "{thing}{named} is forbidden: User {USER:?} cannot {verb} resource \"{resource}{sub}\" in API group {group:?} {place}"
    );
    Err(Refusal {
        code: 403,
        reason: "Forbidden",
        message,
    })
}

fn has_right(state: &State, verb: &str, resource: &str) -> bool {
    let wanted = format!("{verb} {resource}");
    !state.faults.forbidden.contains(&wanted.as_str())
}

/// # Errors
/// What the API server would not do.
fn done(inner: &Arc<Inner>, path: Path, asked: &Asked) -> Result<Answer, Refusal> {
    let Path {
        kind,
        namespace,
        name,
        sub,
    } = path;
    let plural = kind.plural;
    let key = name.map(|name| (plural, namespace.clone(), name));
    let missing = || Refusal::not_found(kind, key.as_ref().map_or("", |key| &key.2));
    let (labels, fields) = (asked.query("labelSelector"), asked.query("fieldSelector"));
    if asked.body.is_null() && matches!(asked.method.as_str(), "POST" | "PATCH") {
        let message = format!("the stand-in cannot read {:?}", asked.content_type);
        return Err(Refusal {
            code: 415,
            reason: "UnsupportedMediaType",
            message,
        });
    }
    let found = match (asked.method.as_str(), &key) {
        ("GET", Some(key)) if sub.as_deref() == Some("log") => return log(inner, key, asked),
        ("GET", Some(key)) => inner.store.lock().get(key).cloned().ok_or_else(missing)?,
        ("GET", None) if asked.query("watch") == "true" => {
            let inner = Arc::clone(inner);
            let from = asked.query("resourceVersion").parse().unwrap_or_default();
            let seconds = asked.query("timeoutSeconds").parse().unwrap_or(600);
            let until = Instant::now() + Duration::from_secs(seconds);
            let is_wanted = move |change: &Change| {
                let object = &change.object;
                let is_here = namespace.is_empty() || object["metadata"]["namespace"] == *namespace;
                change.plural == plural && is_here && is_selected(object, &labels, &fields)
            };
            return Ok(Answer::Stream(Box::new(move |stream| {
                inner.store.change(|state| state.followed.push(plural));
                watch(&inner, stream, from, until, &is_wanted);
            })));
        }
        ("GET", None) => {
            let state = inner.store.lock();
            let is_wanted = |object: &&Value| is_selected(object, &labels, &fields);
            let items: Vec<_> = state.list(plural, &namespace).filter(is_wanted).collect();
            json!({
                "kind": format!("{}List", kind.kind),
                "apiVersion": kind.api_version(),
                "metadata": {"resourceVersion": state.version().to_string()},
                "items": items,
            })
        }
        ("POST", _) if plural == "selfsubjectaccessreviews" => {
            let mut review = asked.body.clone();
            let wanted = &review["spec"]["resourceAttributes"];
            let text = |name: &str| wanted[name].as_str().unwrap_or_default();
            let sub = Some(text("subresource")).filter(|sub| !sub.is_empty());
            let sub = sub.map(|sub| format!("/{sub}")).unwrap_or_default();
            let resource = format!("{}{sub}", text("resource"));
            let may = has_right(&inner.store.lock(), text("verb"), &resource);
            review["status"] = json!({"allowed": may});
            review
        }
        ("POST", _) => {
            let object = asked.body.clone();
            held_to_schema(&object)?;
            let created = inner
                .store
                .change(|state| state.create(plural, &namespace, object))?;
            match plural {
                "testruns" => operator::take_care(inner, &created),
                "pods" => node::start_alone(inner, created.clone()),
                _ => {}
            }
            return Ok(Answer::Object(201, created));
        }
        ("PATCH", Some(key)) if asked.content_type.contains("merge-patch+json") => {
            let change = |object: &mut Value| merge(object, &asked.body);
            inner
                .store
                .change(|state| state.update(key, change))
                .ok_or_else(missing)?
        }
        ("DELETE", Some(key)) => {
            let grace = asked.body["gracePeriodSeconds"].as_u64();
            inner
                .store
                .change(|state| state.delete(key, grace))
                .ok_or_else(missing)?
        }
        (method, _) => {
            let message = format!(
                "the stand-in knows no {method} of {} as {:?}",
                kind.qualified(),
                asked.content_type
            );
            return Err(Refusal {
                code: 415,
                reason: "UnsupportedMediaType",
                message,
            });
        }
    };
    Ok(Answer::Object(200, found))
}

/// # Errors
/// If a TestRun has a field that the operator's version does not know, as kubectl asks for.
fn held_to_schema(object: &Value) -> Result<(), Refusal> {
    let problems = match object["kind"] == "TestRun" {
        true => schema::problems(object),
        false => Vec::new(),
    };
    if problems.is_empty() {
        return Ok(());
    }
    let message = format!(
        "TestRun in version \"v1alpha1\" cannot be handled as a TestRun: strict decoding error: {}",
        problems.join(", ")
    );
    Err(Refusal {
        code: 400,
        reason: "BadRequest",
        message,
    })
}

/// Tells of every change of the wanted objects since a version, as it comes.
fn watch(
    inner: &Inner,
    stream: &mut Stream,
    from: u64,
    until: Instant,
    is_wanted: &dyn Fn(&Change) -> bool,
) {
    let (mut seen, is_cut) = inner.store.change(|state| {
        let is_cut = state.faults.cut_watches > 0;
        state.faults.cut_watches -= usize::from(is_cut);
        let seen = state.changes.partition_point(|it| it.version <= from);
        (seen, is_cut)
    });
    loop {
        let news = inner.store.wait_for(|state| {
            let news = state.changes[seen..].to_vec();
            (!news.is_empty() || stream.is_closed() || Instant::now() > until).then_some(news)
        });
        let Some(news) = news.filter(|news| !news.is_empty()) else {
            return;
        };
        seen += news.len();
        for change in news.iter().filter(|change| is_wanted(change)) {
            let line = json!({"type": change.what, "object": change.object});
            if !stream.send(format!("{line}\n").as_bytes()) || is_cut {
                return;
            }
        }
    }
}

/// # Errors
/// If there is no such pod, or it has not begun yet.
fn log(
    inner: &Arc<Inner>,
    key: &(&'static str, String, String),
    asked: &Asked,
) -> Result<Answer, Refusal> {
    let pod = inner.store.lock().get(key).cloned();
    let pod = pod.ok_or_else(|| Refusal::not_found(kind_of("pods"), &key.2))?;
    let Some(log) = inner.log(&pod) else {
        let status = &pod["status"]["containerStatuses"][0];
        let container = pod["spec"]["containers"][0]["name"].as_str().unwrap();
        let reason = status["state"]["waiting"]["reason"]
            .as_str()
            .unwrap_or("ContainerCreating");
        let name = &key.2;
        let message =
            format!("container {container:?} in pod {name:?} is waiting to start: {reason}");
        return Err(Refusal {
            code: 400,
            reason: "BadRequest",
            message,
        });
    };
    let (inner, key) = (Arc::clone(inner), key.clone());
    let (follows, with_times) = (
        asked.query("follow") == "true",
        asked.query("timestamps") == "true",
    );
    let tail: Option<usize> = asked.query("tailLines").parse().ok();
    Ok(Answer::Stream(Box::new(move |stream| {
        let mut cut = match follows {
            true => inner.store.change(|state| {
                state.followed.push("pods/log");
                state.faults.cut_log.take()
            }),
            false => None,
        };
        let mut told = tail.map_or(0, |tail| log.pieces(0, false).len().saturating_sub(tail));
        loop {
            // Asked before what is written is read: then nothing comes after it.
            let has_ended = log.has_ended();
            let pieces = log.pieces(told, with_times);
            told += pieces.len();
            let mut text = pieces.concat();
            if let Some(left) = &mut cut {
                text.truncate(*left);
                *left -= text.len();
            }
            if !text.is_empty() && !stream.send(&text) {
                return;
            }
            if cut == Some(0) {
                stream.cut();
                return;
            }
            if has_ended || !follows {
                break;
            }
            if inner.store.wait_for(|_| Some(())).is_none() || stream.is_closed() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // What a node says once its container is taken away beneath whoever follows.
        if follows && node::is_doomed(&inner.store.lock(), &key) {
            let words =
                "rpc error: code = NotFound desc = an error occurred when try to find container";
            stream.send(format!("{words} {:?}: not found", key.2).as_bytes());
        }
    })))
}

/// An event about an object.
pub fn event(state: &mut State, about: &Value, kind: &str, reason: &str, message: &str) {
    let metadata = &about["metadata"];
    let namespace = metadata["namespace"].as_str().unwrap().to_owned();
    let event = json!({
        "metadata": {"generateName": format!("{}.", metadata["name"].as_str().unwrap())},
        "involvedObject": {
            "apiVersion": about["apiVersion"], "kind": about["kind"], "name": metadata["name"],
            "namespace": namespace, "uid": metadata["uid"],
        },
        "type": kind, "reason": reason, "message": message, "count": 1,
        "firstTimestamp": now(), "lastTimestamp": now(), "source": {"component": "stand-in"},
    });
    state.create("events", &namespace, event).unwrap();
}
