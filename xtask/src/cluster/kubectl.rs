//! The one client of a cluster: the user's own `kubectl`, with the user's own context.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::objects::WatchEvent;
use super::refused::Refused;
use crate::error::UsageError;
use crate::shell::{self, Process, cmd};

/// The longest that one answer may take.
const LIMIT: Duration = Duration::from_secs(60);
/// The longest that a request of it may take.
const REQUEST: &str = "--request-timeout=20s";
/// A watch that holds more than this without a whole object in it, in bytes, is none.
const LONGEST_OBJECT: usize = 8 << 20;

/// kubectl, and which cluster and namespace it is for.
#[derive(Debug, Clone, Default)]
pub struct Kubectl {
    pub(super) program: PathBuf,
    /// The context's name.
    pub context: String,
    /// The cluster's name.
    pub cluster: String,
    /// The API server's address.
    pub server: String,
    /// The namespace.
    pub namespace: String,
}

/// What is read of kubectl's configuration.
struct View {
    context: String,
    cluster: String,
    server: String,
    namespace: Option<String>,
}

impl View {
    fn of(view: &Value) -> Self {
        let text = |at: &str| view.pointer(at).and_then(Value::as_str).map(str::to_owned);
        Self {
            context: text("/current-context")
                .or_else(|| text("/contexts/0/name"))
                .unwrap_or_default(),
            cluster: text("/contexts/0/context/cluster").unwrap_or_default(),
            server: text("/clusters/0/cluster/server").unwrap_or_default(),
            namespace: text("/contexts/0/context/namespace").filter(|name| !name.is_empty()),
        }
    }
}

impl Kubectl {
    /// Finds kubectl on the PATH, and the cluster and namespace that it is for unless others are named.
    ///
    /// # Errors
    /// A [`Refused`] if there is no such context; an error if there is no kubectl.
    pub fn find(context: Option<&str>, namespace: Option<&str>) -> anyhow::Result<Self> {
        let program = which::which("kubectl").context(
            "kubectl is not on the PATH: install it (https://kubernetes.io/docs/tasks/tools)",
        )?;
        let sh = shell::here()?;
        let named = context.map(|name| ["--context", name]);
        let named = named.into_iter().flatten();
        let view = answer(cmd!(
            sh,
            "{program} {named...} config view --minify -o json"
        ))?;
        let view = View::of(&parsed(&view)?);
        Ok(Self {
            program,
            context: context.map_or(view.context, str::to_owned),
            cluster: view.cluster,
            server: view.server,
            namespace: namespace
                .map(str::to_owned)
                .or(view.namespace)
                .unwrap_or_else(|| "default".into()),
        })
    }

    /// kubectl's own version, such as `v1.37.1`.
    ///
    /// # Errors
    /// If it does not say.
    pub fn version(&self) -> anyhow::Result<String> {
        let (sh, program) = (shell::here()?, &self.program);
        let text = answer(cmd!(sh, "{program} version --client -o json"))?;
        let version: Value = parsed(&text)?;
        let version = version.pointer("/clientVersion/gitVersion");
        Ok(version.and_then(Value::as_str).unwrap_or("unknown").into())
    }

    /// Where it is for, in words.
    pub fn place(&self) -> String {
        format!(
            "{} (cluster {} at {}), namespace {}",
            self.context, self.cluster, self.server, self.namespace
        )
    }

    /// Whether the names of the context, the cluster, its server or the namespace are those of a place with users, and
    /// which of them says so.
    pub fn looks_like_production(&self) -> Option<&str> {
        [&self.context, &self.cluster, &self.server, &self.namespace]
            .into_iter()
            .find(|name| {
                let words = name.split(|c: char| !c.is_ascii_alphabetic());
                let mut words = words.map(str::to_ascii_lowercase);
                words.any(|word| matches!(&*word, "prod" | "production" | "live"))
            })
            .map(String::as_str)
    }

    /// The answer to `args`.
    ///
    /// # Errors
    /// A [`Refused`], or that kubectl did not end.
    pub fn ask(&self, args: &[&str]) -> anyhow::Result<String> {
        answer(self.command(&shell::here()?, args, true))
    }

    /// As [`Kubectl::ask`], of all namespaces.
    ///
    /// # Errors
    /// As there.
    pub fn ask_all(&self, args: &[&str]) -> anyhow::Result<String> {
        answer(self.command(&shell::here()?, args, false))
    }

    /// The answer as JSON.
    ///
    /// # Errors
    /// As [`Kubectl::ask`], or if it is none.
    pub fn get<T: DeserializeOwned>(&self, args: &[&str]) -> anyhow::Result<T> {
        parsed(&self.ask(&[args, &["-o", "json"]].concat())?)
    }

    /// Creates what `file` describes, and returns it as the cluster has it.
    ///
    /// # Errors
    /// As [`Kubectl::ask`].
    pub fn create(&self, file: &Path) -> anyhow::Result<Value> {
        let file = file.to_string_lossy();
        parsed(&self.ask(&["create", "-f", &file, "-o", "json"])?)
    }

    /// Deletes objects, such as `configmaps/a`, after an interruption too; deleting one that does not exist is no error.
    ///
    /// # Errors
    /// As [`Kubectl::ask`].
    pub fn delete(&self, objects: &[String]) -> anyhow::Result<()> {
        let mut args = vec!["delete", "--ignore-not-found", "--wait=false"];
        args.extend(objects.iter().map(String::as_str));
        let sh = shell::here()?;
        outcome(&shell::capture_anyway(
            self.command(&sh, &args, true),
            LIMIT,
        )?)
        .map(|_| ())
    }

    /// What a user would type to delete these objects.
    pub fn delete_line(&self, objects: &[String]) -> String {
        format!(
            "kubectl --context {} --namespace {} delete {}",
            self.context,
            self.namespace,
            objects.join(" ")
        )
    }

    /// Follows the changes of what `args` get until the watch breaks, which each does from time to time.
    ///
    /// # Errors
    /// If kubectl cannot be started.
    pub fn watch(&self, args: &[&str], changes: Sender<WatchEvent>) -> anyhow::Result<Process> {
        let args = [args, &["--watch", "--output-watch-events", "-o", "json"]].concat();
        let mut bytes = Vec::new();
        let sh = shell::here()?;
        shell::spawn_raw(self.endless(&sh, &args), move |chunk| {
            bytes.extend_from_slice(chunk);
            for change in whole(&mut bytes) {
                let _nobody_listens_any_more = changes.send(change);
            }
        })
    }

    /// Follows the log of a pod from its beginning.
    ///
    /// # Errors
    /// If kubectl cannot be started.
    pub fn follow_log(
        &self,
        pod: &str,
        on_bytes: impl FnMut(&[u8]) + Send + 'static,
    ) -> anyhow::Result<Process> {
        let sh = shell::here()?;
        let args = ["logs", pod, "-c", "k6", "--follow"];
        shell::spawn_raw(self.endless(&sh, &args), on_bytes)
    }

    /// A command that is to end within a time.
    fn command<'s>(&self, sh: &'s shell::Shell, args: &[&str], here: bool) -> shell::Cmd<'s> {
        let (program, context) = (&self.program, &self.context);
        let namespace = here.then(|| ["--namespace", &self.namespace]);
        let namespace = namespace.into_iter().flatten();
        cmd!(
            sh,
            "{program} --context {context} {namespace...} {REQUEST} {args...}"
        )
        .quiet()
    }

    /// A command that goes on until it is stopped.
    fn endless<'s>(&self, sh: &'s shell::Shell, args: &[&str]) -> shell::Cmd<'s> {
        let (program, context, namespace) = (&self.program, &self.context, &self.namespace);
        cmd!(
            sh,
            "{program} --context {context} --namespace {namespace} {args...}"
        )
    }
}

/// Takes the changes that are whole out of what a watch has written so far.
fn whole(bytes: &mut Vec<u8>) -> Vec<WatchEvent> {
    let mut found = Vec::new();
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<WatchEvent>();
    let mut read = 0;
    loop {
        match values.next() {
            Some(Ok(change)) => {
                found.push(change);
                read = values.byte_offset();
            }
            Some(Err(error)) if !error.is_eof() => {
                // Whatever it is, it will not become an object; the next list has everything.
                read = bytes.len();
                break;
            }
            _ => break,
        }
    }
    bytes.drain(..read);
    if bytes.len() > LONGEST_OBJECT {
        bytes.clear();
    }
    found
}

fn answer(command: shell::Cmd<'_>) -> anyhow::Result<String> {
    outcome(&shell::capture(command, LIMIT)?)
}

fn outcome(captured: &shell::Captured) -> anyhow::Result<String> {
    match captured.ended.success() {
        true => Ok(String::from_utf8_lossy(&captured.stdout).into_owned()),
        false => Err(Refused::by(&captured.stderr.lines().join("\n")).into()),
    }
}

fn parsed<T: DeserializeOwned>(text: &str) -> anyhow::Result<T> {
    serde_json::from_str(text).context("failed to understand kubectl's answer")
}

/// Fails if the place looks like one with users, and nobody said that it is meant.
///
/// # Errors
/// A [`UsageError`] that says which name it is.
pub fn refuse_production(kubectl: &Kubectl, yes: bool) -> Result<(), UsageError> {
    match kubectl.looks_like_production() {
        Some(name) if !yes => Err(UsageError(format!(
            "`{name}` looks like production: say --yes if that is where it is meant to go"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_is_known_by_a_whole_word() {
        let kubectl = |context: &str, cluster: &str, namespace: &str| Kubectl {
            program: PathBuf::new(),
            context: context.into(),
            cluster: cluster.into(),
            server: String::new(),
            namespace: namespace.into(),
        };
        for (kubectl, word) in [
            (kubectl("arn:aws:eks:eu-1:12:cluster/prod2", "a", "b"), true),
            (kubectl("a", "Production", "b"), true),
            (kubectl("a", "b", "shop-live"), true),
            (kubectl("staging", "reproduction", "olive"), false),
        ] {
            assert_eq!(
                kubectl.looks_like_production().is_some(),
                word,
                "{kubectl:?}"
            );
            assert_eq!(refuse_production(&kubectl, false).is_err(), word);
            assert!(refuse_production(&kubectl, true).is_ok());
        }
        let mut default = kubectl("default", "default", "load");
        default.server = "https://k8s.prod.example.com:6443".into();
        assert!(refuse_production(&default, false).is_err());
    }

    #[test]
    fn a_watchs_objects_are_read_however_they_are_cut() {
        let text = "{\n \"type\": \"ADDED\",\n \"object\": {\"kind\": \"Pod\", \"metadata\": {\"name\": \"a\"}}}\n{\"type\": \"DELETED\", \"object\": {\"kind\": \"New\", \"metadata\": {}}}\n";
        for cut in 0..text.len() {
            let mut bytes = text.as_bytes()[..cut].to_vec();
            let mut found = whole(&mut bytes);
            bytes.extend_from_slice(&text.as_bytes()[cut..]);
            found.extend(whole(&mut bytes));
            let kinds: Vec<&str> = found.iter().map(|change| &*change.kind).collect();
            assert_eq!(kinds, ["ADDED", "DELETED"], "{cut}");
        }
        let mut bytes = b"error: no such thing\n".to_vec();
        assert!(whole(&mut bytes).is_empty() && bytes.is_empty());
    }
}
