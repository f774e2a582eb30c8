//! One night: the steps of `load-tests.yml` in a fresh clone, with the history that the cache would bring.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::expression::Context;
use crate::programs::{git, root, server, shims};

const LOCAL: &str = "./.github/actions/load-test";

/// What the nights share: the repository that they check out, and the cache.
pub struct Nights {
    dir: TempDir,
    count: u32,
}

/// A night that is over.
pub struct Night {
    /// Whether the job succeeded.
    pub green: bool,
    /// What stood in the log.
    pub log: String,
    /// The job's summary.
    pub summary: String,
    /// The names of the steps that ran.
    pub ran: Vec<String>,
    /// Every output that was set.
    pub context: Context,
    /// The checked-out repository.
    pub workspace: PathBuf,
}

impl Nights {
    /// A copy of the repository as the origin, and an empty cache.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let from = root();
        git(
            dir.path(),
            &[
                "clone",
                "--quiet",
                "--no-tags",
                from.to_str().unwrap(),
                "origin",
            ],
        );
        shims(&dir.path().join("bin"));
        Self { dir, count: 0 }
    }

    /// Adds a commit to the origin, as a day does.
    pub fn day(&self) {
        let origin = self.dir.path().join("origin");
        git(
            &origin,
            &[
                "commit",
                "--quiet",
                "--allow-empty",
                "--message",
                "A day's work",
            ],
        );
    }

    /// The history in the cache, one line each.
    pub fn history(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.cache().join("history.jsonl")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }

    /// Where the cache is.
    pub fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    /// Runs a night with the inputs of a dispatch and further variables.
    pub fn run(&mut self, inputs: &[(&str, &str)], env: &[(&str, &str)]) -> Night {
        self.count += 1;
        let home = self.dir.path().join(format!("night-{}", self.count));
        std::fs::create_dir(&home).unwrap();
        let workspace = home.join("work");
        let origin = self.dir.path().join("origin");
        git(
            &home,
            &["clone", "--quiet", origin.to_str().unwrap(), "work"],
        );
        let mut context = Context {
            workspace: workspace.clone(),
            ..Context::default()
        };
        for (name, value) in inputs {
            context
                .values
                .insert(format!("inputs.{name}"), (*value).to_owned());
        }
        let id = self.count.to_string();
        context.values.insert("github.run_id".into(), id);
        context
            .values
            .insert("github.run_attempt".into(), "1".into());
        let mut job = Job {
            nights: self,
            home,
            env,
            night: Night {
                green: true,
                log: String::new(),
                summary: String::new(),
                ran: Vec::new(),
                context,
                workspace,
            },
        };
        let workflow = yaml(".github/workflows/load-tests.yml");
        let steps = workflow["jobs"]["load-test"]["steps"]
            .as_array()
            .unwrap()
            .clone();
        job.steps(&steps, "");
        let summary = job.home.join("summary.md");
        job.night.summary = std::fs::read_to_string(summary).unwrap_or_default();
        job.night
    }
}

/// A file of the repository as it is now, committed or not.
pub fn yaml(path: &str) -> Value {
    let text = std::fs::read_to_string(root().join(path)).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

impl Night {
    /// The newest `run.json`.
    pub fn run(&self) -> Value {
        let path = self.workspace.join("load-tests/results/latest/run.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }
}

struct Job<'a> {
    nights: &'a Nights,
    home: PathBuf,
    env: &'a [(&'a str, &'a str)],
    night: Night,
}

impl Job<'_> {
    fn steps(&mut self, steps: &[Value], indent: &str) {
        for step in steps {
            let name = step["name"].as_str().unwrap();
            if !self.night.context.runs(step["if"].as_str()) {
                continue;
            }
            self.night.ran.push(name.to_owned());
            self.night.log.push_str(&format!("{indent}# {name}\n"));
            let ok = match step["uses"].as_str() {
                Some(LOCAL) => self.action(step),
                Some(uses) => {
                    self.of_others(uses, step);
                    true
                }
                None => self.script(step),
            };
            if !ok {
                self.night.context.failed = true;
                self.night.green = false;
            }
        }
    }

    /// Runs the steps of our own action, with its inputs and for its outputs.
    fn action(&mut self, step: &Value) -> bool {
        let action = yaml(".github/actions/load-test/action.yml");
        let outer = self.night.context.clone();
        for (name, input) in action["inputs"].as_object().unwrap() {
            let given = step["with"][name].as_str().map(|text| outer.fill(text));
            let value = given.unwrap_or_else(|| input["default"].as_str().unwrap().to_owned());
            self.night
                .context
                .values
                .insert(format!("inputs.{name}"), value);
        }
        let was_green = self.night.green;
        let steps = action["runs"]["steps"].as_array().unwrap().clone();
        self.steps(&steps, "  ");
        let ok = self.night.green || !was_green;
        let inner = std::mem::replace(&mut self.night.context, outer);
        for (name, output) in action["outputs"].as_object().unwrap() {
            let value = inner.fill(output["value"].as_str().unwrap());
            self.night.context.values.insert(
                format!("steps.{}.outputs.{name}", step["id"].as_str().unwrap()),
                value,
            );
        }
        ok
    }

    /// What another's action would do to the files: only the cache of the history is acted out.
    fn of_others(&self, uses: &str, step: &Value) {
        let (saves, restores) = (
            uses.contains("cache/save@"),
            uses.contains("cache/restore@"),
        );
        let paths = step["with"]["path"].as_str().filter(|_| saves || restores);
        for path in paths.into_iter().flat_map(str::lines).map(str::trim) {
            let here = self.night.workspace.join(path);
            let there = self
                .nights
                .cache()
                .join(Path::new(path).file_name().unwrap());
            let (from, to) = if saves { (here, there) } else { (there, here) };
            if from.is_file() {
                std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                std::fs::copy(from, to).unwrap();
            }
        }
    }

    fn script(&mut self, step: &Value) -> bool {
        let output = self.home.join("output");
        std::fs::write(&output, "").unwrap();
        let bin = self.nights.dir.path().join("bin");
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new("bash");
        command
            // As GitHub's runner does.
            .args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c"])
            .arg(format!("exec 2>&1\n{}", step["run"].as_str().unwrap()))
            .current_dir(&self.night.workspace)
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("NIGHT_XTASK", env!("CARGO_BIN_EXE_xtask"))
            .env("NIGHT_SERVER", server())
            .env("CARGO_MANIFEST_DIR", self.night.workspace.join("xtask"))
            .env("CARGO_TARGET_DIR", root().join("target"))
            .env("TACHIKOMA_SERVER_BIN", server())
            .env("CI", "true")
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_OUTPUT", &output)
            .env("GITHUB_STEP_SUMMARY", self.home.join("summary.md"))
            .env("GITHUB_SERVER_URL", "https://github.example.org")
            .env("GITHUB_REPOSITORY", "tachikoma/tachikoma")
            .env("GITHUB_RUN_ID", "1")
            .env(
                "GITHUB_SHA",
                git(&self.night.workspace, &["rev-parse", "HEAD"]),
            )
            .envs(self.env.iter().copied());
        for (name, value) in step["env"].as_object().into_iter().flatten() {
            command.env(name, self.night.context.fill(value.as_str().unwrap()));
        }
        let out = command.output().unwrap();
        self.night
            .log
            .push_str(&String::from_utf8_lossy(&out.stdout));
        if let Some(id) = step["id"].as_str() {
            for (name, value) in outputs(&std::fs::read_to_string(&output).unwrap()) {
                let name = format!("steps.{id}.outputs.{name}");
                self.night.context.values.insert(name, value);
            }
        }
        out.status.success()
    }
}

/// The assignments of an output file, both forms.
pub fn outputs(text: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        match (line.split_once("<<"), line.split_once('=')) {
            (Some((name, end)), _) => {
                let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
                out.push((name.to_owned(), value.join("\n")));
            }
            (None, Some((name, value))) => out.push((name.to_owned(), value.to_owned())),
            (None, None) => panic!("no assignment: {line}"),
        }
    }
    out
}

/// The outputs of the step that decides what to run, for a night that `schedule` began.
pub fn decide(schedule: &str) -> Vec<(String, String)> {
    let workflow = yaml(".github/workflows/load-tests.yml");
    let steps = workflow["jobs"]["load-test"]["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["id"] == "plan").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("output");
    let status = Command::new("bash")
        .args(["-e", "-c", step["run"].as_str().unwrap()])
        .envs([
            ("SCHEDULE", schedule),
            ("PROFILE", ""),
            ("TESTS", ""),
            ("TIME_SCALE", ""),
        ])
        .env("GITHUB_OUTPUT", &output)
        .status()
        .unwrap();
    assert!(status.success());
    outputs(&std::fs::read_to_string(output).unwrap())
}
