//! The steps of workflows: read from their files, and their scripts run as GitHub's runner does it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value};

use crate::support::{read, root};

/// What came of a script.
pub struct Ran {
    /// Whether it succeeded.
    pub ok: bool,
    /// What it wrote into the log.
    pub said: String,
    /// The outputs that it set.
    pub outputs: BTreeMap<String, String>,
}

/// A file below `.github` as it is now, committed or not.
pub fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(&root().join(".github").join(path))).unwrap()
}

/// The steps of all jobs of a workflow, or of an action.
pub fn steps(path: &str) -> Vec<Value> {
    let file = yaml(path);
    let jobs = object(&file["jobs"]).map(|(_, job)| job);
    let jobs = jobs.chain(file.get("runs"));
    jobs.flat_map(|job| job["steps"].as_array().unwrap().clone())
        .collect()
}

/// The step of a workflow that is named so.
pub fn step(workflow: &str, name: &str) -> Value {
    let mut steps = steps(&format!("workflows/{workflow}")).into_iter();
    steps.find(|step| step["name"] == name).unwrap()
}

/// Runs the script of `step` in `folder` with the variables `env`.
pub fn run<N: AsRef<OsStr>, V: AsRef<OsStr>>(
    step: &Value,
    folder: &Path,
    env: impl IntoIterator<Item = (N, V)>,
) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("output");
    File::create(&output).unwrap();
    let out = Command::new("bash")
        .args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c"])
        .arg(format!("exec 2>&1\n{}", step["run"].as_str().unwrap()))
        .current_dir(folder)
        .envs(env)
        .env("GITHUB_OUTPUT", &output)
        .output()
        .unwrap();
    Ran {
        ok: out.status.success(),
        said: String::from_utf8_lossy(&out.stdout).into_owned(),
        outputs: outputs(&read(&output)),
    }
}

/// The assignments of an output file, both forms.
fn outputs(text: &str) -> BTreeMap<String, String> {
    let mut outputs = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some((name, end)) = line.split_once("<<") {
            let value: Vec<_> = lines.by_ref().take_while(|line| *line != end).collect();
            outputs.insert(name.to_owned(), value.join("\n"));
        } else {
            let (name, value) = line.split_once('=').unwrap();
            outputs.insert(name.to_owned(), value.to_owned());
        }
    }
    outputs
}

/// Writes a program for others to find before the real one of that name; returns the `PATH` for it.
pub fn program(folder: &Path, name: &str, text: &str) -> String {
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

/// Runs git in `folder` with `args` (words) and returns what it prints.
pub fn git(folder: &Path, args: &str) -> String {
    let out = Command::new("git")
        .args(["-c", "user.name=night", "-c", "user.email=night@x.org"])
        .args(args.split(' '))
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "git {args}: {said}");
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

/// The fields of an object, none if there is none.
pub fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}
