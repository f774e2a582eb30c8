//! Holds the workflows of `.github` against this code: what they call, name and upload must be there.

mod lines;
mod names;
mod spec;

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A workflow or an action of the repository.
pub struct File {
    /// Its path in the repository.
    pub path: String,
    /// Its text.
    pub text: String,
    /// What it says.
    pub yaml: Value,
}

/// A step, with what surrounds it.
pub struct Step<'a> {
    /// Where it is: file, job and name.
    pub place: String,
    /// The step.
    pub yaml: &'a Value,
    /// The steps of its job before it.
    pub before: &'a [Value],
    /// The variables that are set for it, with their values.
    pub env: Vec<(&'a str, &'a str)>,
}

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Every workflow and action.
pub fn files() -> Vec<File> {
    let github = root().join(".github");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(github.join("workflows"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let actions = std::fs::read_dir(github.join("actions")).unwrap();
    paths.extend(actions.map(|entry| entry.unwrap().path().join("action.yml")));
    paths.sort();
    assert!(paths.len() >= 5, "{paths:?}");
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let yaml = serde_saphyr::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let path = path.strip_prefix(root()).unwrap();
            File {
                path: path.display().to_string(),
                text,
                yaml,
            }
        })
        .collect()
}

/// The file at `path`.
pub fn file(path: &str) -> File {
    files().into_iter().find(|file| file.path == path).unwrap()
}

impl File {
    /// Its jobs; an action counts as one.
    pub fn jobs(&self) -> Vec<(&str, &Value)> {
        match self.yaml["jobs"].as_object() {
            Some(jobs) => jobs
                .iter()
                .map(|(name, job)| (name.as_str(), job))
                .collect(),
            None => vec![("runs", &self.yaml["runs"])],
        }
    }

    /// Its steps.
    pub fn steps(&self) -> Vec<Step<'_>> {
        let jobs = self.jobs().into_iter().flat_map(|(name, job)| {
            let steps = job["steps"].as_array().unwrap();
            steps.iter().enumerate().map(move |(index, yaml)| Step {
                place: format!(
                    "{}: {name}: {}",
                    self.path,
                    yaml["name"].as_str().unwrap_or("unnamed step")
                ),
                yaml,
                before: &steps[..index],
                env: [&self.yaml["env"], &job["env"], &yaml["env"]]
                    .into_iter()
                    .filter_map(Value::as_object)
                    .flatten()
                    .map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()))
                    .collect(),
            })
        });
        jobs.collect()
    }

    /// The inputs that it declares.
    pub fn inputs(&self) -> Vec<&str> {
        let dispatch = &self.yaml["on"]["workflow_dispatch"]["inputs"];
        [dispatch, &self.yaml["inputs"]]
            .into_iter()
            .filter_map(Value::as_object)
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect()
    }
}
