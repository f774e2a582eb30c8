//! One night: the steps of `load-tests.yml` in a fresh clone, with the history that the cache would bring.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::step::{self, git, object, yaml};
use crate::support::{build, read, root};

const LOCAL: &str = "./.github/actions/load-test";
const HISTORY: &str = "load-tests/results/history.jsonl";
const IF_THERE_IS_A_HISTORY: &str =
    "${{ always() && hashFiles('load-tests/results/history.jsonl') != '' }}";

/// `cargo xtask` is the built orchestrator, all else does nothing. The answers of a server that is slow on purpose are judged
/// however busy this machine is: other tests run at the same time.
///
/// A comparison gets a ready server on both sides instead of building a revision, and few short pairs of one test, without
/// faults, so that it takes half a minute: what it finds is not the point here, only that its own arguments are
/// understood. `NIGHT_WITHOUT_COMPARISON` leaves it out.
const CARGO: &str = r#"#!/bin/sh
[ "$1" = xtask ] || exit 0
shift
if [ "$1" = load-test ]; then shift; exec "$NIGHT_XTASK" load-test ${TACHIKOMA_FAULTS:+--judge-when-busy} "$@"; fi
[ "$1" = compare ] || exec "$NIGHT_XTASK" "$@"
[ "$2" = --base ] && git rev-parse --verify --quiet "$3^{commit}" >/dev/null || exit 2
GITHUB_ACTIONS='' K6_BIN=/no/such/k6 "$NIGHT_XTASK" "$@" 2>&1 | grep "try '--help'" && exit 2
[ -z "$NIGHT_WITHOUT_COMPARISON" ] || exit 0
unset TACHIKOMA_FAULTS
exec "$NIGHT_XTASK" compare --base-bin "$NIGHT_SERVER" --head-bin "$NIGHT_HEAD" --pairs 11 --block 500ms --instructions off --profile off missions
"#;

/// A server that injects faults when told to, and else is a sound one.
pub fn server() -> &'static Path {
    static SERVER: OnceLock<PathBuf> = OnceLock::new();
    SERVER.get_or_init(|| build("tachikoma-server-nights", &["--features", "faults"]))
}

/// What the nights share: the repository that they check out, and the cache.
pub struct Nights {
    dir: TempDir,
    /// The folder that stands for the cache.
    pub cache: PathBuf,
    path: String,
    count: u32,
}

/// A night that is over, or as far as it has come.
pub struct Night {
    /// Whether the job succeeded.
    pub green: bool,
    /// What stood in the log.
    pub log: String,
    /// The job's summary.
    pub summary: String,
    /// The checked-out repository.
    pub workspace: PathBuf,
    /// How many files and folders were uploaded.
    pub uploaded: usize,
    /// What `${{ }}` may name.
    values: BTreeMap<String, String>,
    env: Vec<(String, String)>,
    cache: PathBuf,
}

impl Nights {
    /// A copy of the repository as the origin, and an empty cache.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clone = format!("clone --quiet --no-tags {} origin", root().display());
        git(dir.path(), &clone);
        let bin = dir.path().join("bin");
        step::program(&bin, "rustup", "#!/bin/sh\n");
        // Another program, for the comparison, that is the server too.
        step::program(&bin, "head", "#!/bin/sh\nexec \"$NIGHT_SERVER\" \"$@\"\n");
        let path = step::program(&bin, "cargo", CARGO);
        let cache = dir.path().join("cache");
        std::fs::create_dir(&cache).unwrap();
        Self {
            dir,
            cache,
            path,
            count: 0,
        }
    }

    /// Adds a commit to the origin, as a day does.
    pub fn day(&self) {
        let origin = self.dir.path().join("origin");
        git(&origin, "commit --quiet --allow-empty --message work");
    }

    /// The history in the cache, one line each.
    pub fn history(&self) -> Vec<Value> {
        let text = read(&self.cache.join("history.jsonl"));
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The revision that the next night is compared with.
    pub fn last_green(&self) -> String {
        read(&self.cache.join("last-green")).trim().to_owned()
    }

    /// Runs a night with the inputs of a dispatch and further variables.
    pub fn run(&mut self, inputs: &[(&str, &str)], env: &[(&str, &str)]) -> Night {
        self.count += 1;
        let home = self.dir.path().join(format!("night-{}", self.count));
        let workspace = home.join("work");
        let clone = format!("clone --quiet origin {}", workspace.display());
        git(self.dir.path(), &clone);
        let summary = home.join("summary.md");
        let package = workspace.join("xtask").display().to_string();
        let target = root().join("target").display().to_string();
        let head = self.dir.path().join("bin/head");
        let own = [
            ("PATH", self.path.as_str()),
            ("NIGHT_XTASK", env!("CARGO_BIN_EXE_xtask")),
            ("NIGHT_SERVER", server().to_str().unwrap()),
            ("NIGHT_HEAD", head.to_str().unwrap()),
            ("CARGO_MANIFEST_DIR", &package),
            ("CARGO_TARGET_DIR", &target),
            ("TACHIKOMA_SERVER_BIN", server().to_str().unwrap()),
            ("CI", "true"),
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()),
            ("GITHUB_SERVER_URL", "https://github.example.org"),
            ("GITHUB_REPOSITORY", "tachikoma/tachikoma"),
            ("GITHUB_RUN_ID", "1"),
            ("GITHUB_SHA", &git(&workspace, "rev-parse HEAD")),
        ];
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let workflow = yaml("workflows/load-tests.yml");
        // A night that the schedule begins has no inputs, which are empty then.
        let declared = object(&workflow["on"]["workflow_dispatch"]["inputs"]);
        let mut values: BTreeMap<_, _> = declared
            .map(|(name, _)| (format!("inputs.{name}"), String::new()))
            .collect();
        for (name, value) in inputs {
            values.insert(format!("inputs.{name}"), (*value).to_owned());
        }
        values.extend([
            owned(&("github.event.schedule", "")),
            owned(&("secrets.LOAD_TEST_API_KEY", "")),
        ]);
        let mut night = Night {
            green: true,
            log: String::new(),
            summary: String::new(),
            uploaded: 0,
            values,
            env: own.iter().chain(env).map(owned).collect(),
            cache: self.cache.clone(),
            workspace,
        };
        night.steps(&workflow["jobs"]["load-test"]["steps"]);
        night.summary = read(&summary);
        night
    }
}

impl Night {
    /// The newest `run.json`.
    pub fn run(&self) -> Value {
        let path = self.workspace.join("load-tests/results/latest/run.json");
        serde_json::from_str(&read(&path)).unwrap()
    }

    /// An output of the step with this `id`.
    pub fn output(&self, id: &str, name: &str) -> &str {
        &self.values[&format!("steps.{id}.outputs.{name}")]
    }

    fn steps(&mut self, steps: &Value) {
        for step in steps.as_array().unwrap() {
            if !self.runs(step["if"].as_str()) {
                continue;
            }
            self.log += &format!("# {}\n", step["name"]);
            match step["uses"].as_str() {
                Some(LOCAL) => self.action(step),
                Some(uses) => self.action_of_others(uses, step),
                None => {
                    let env = object(&step["env"]);
                    let env: Vec<_> = env
                        .map(|(name, value)| (name.clone(), self.fill(value)))
                        .collect();
                    let ran = step::run(step, &self.workspace, self.env.iter().cloned().chain(env));
                    self.log += &ran.said;
                    self.green &= ran.ok;
                    self.set(step, ran.outputs);
                }
            }
        }
    }

    /// Whether a step with this `if` runs.
    fn runs(&self, condition: Option<&str>) -> bool {
        match condition {
            None => self.green,
            Some("${{ always() }}" | "${{ !cancelled() }}") => true,
            Some(IF_THERE_IS_A_HISTORY) => self.workspace.join(HISTORY).is_file(),
            Some(other) => panic!("not understood, it belongs in the script: {other}"),
        }
    }

    /// `text` with the value of each `${{ name }}`, which something must have set unless the job has failed.
    fn fill(&self, text: &Value) -> String {
        let mut parts = text.as_str().unwrap().split("${{");
        let mut filled = parts.next().unwrap().to_owned();
        for part in parts {
            let (name, rest) = part.split_once("}}").unwrap();
            let value = self.values.get(name.trim());
            assert!(value.is_some() || !self.green, "nothing sets {name}");
            filled += value.map_or("", String::as_str);
            filled += rest;
        }
        filled
    }

    fn set(&mut self, step: &Value, outputs: BTreeMap<String, String>) {
        let id = step["id"].as_str().unwrap_or_default();
        let outputs = outputs.into_iter();
        self.values
            .extend(outputs.map(|(name, value)| (format!("steps.{id}.outputs.{name}"), value)));
    }

    /// Runs the steps of our own action, with its inputs and for its outputs.
    fn action(&mut self, step: &Value) {
        let action = yaml("actions/load-test/action.yml");
        let outer = self.values.clone();
        let inputs: Vec<_> = object(&action["inputs"])
            .map(|(name, input)| {
                let given = step["with"].get(name).unwrap_or(&input["default"]);
                (format!("inputs.{name}"), self.fill(given))
            })
            .collect();
        self.values.extend(inputs);
        self.steps(&action["runs"]["steps"]);
        let outputs = object(&action["outputs"])
            .map(|(name, output)| (name.clone(), self.fill(&output["value"])))
            .collect();
        self.values = outer;
        self.set(step, outputs);
    }

    /// What another's action would do to the files: of the caches, only that of the history is acted out.
    fn action_of_others(&mut self, uses: &str, step: &Value) {
        let paths = step["with"]["path"].as_str().unwrap_or_default();
        for path in paths.lines() {
            let here = self.workspace.join(path);
            let there = self.cache.join(here.file_name().unwrap());
            let (from, to) = match uses.split_once('@').unwrap().0 {
                "actions/cache/save" => (here, there),
                "actions/cache/restore" => (there, here),
                "actions/upload-artifact" if !path.starts_with('!') => {
                    assert!(here.exists(), "nothing wrote {path}");
                    self.uploaded += 1;
                    continue;
                }
                _ => continue,
            };
            if from.is_file() {
                std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                std::fs::copy(from, to).unwrap();
            }
        }
    }
}
