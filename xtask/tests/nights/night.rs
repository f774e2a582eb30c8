//! One night: the jobs of `load-tests.yml`, each in a fresh clone, with the history that the cache would bring, and with
//! `gh.py` in the place of `gh`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::step::{self, git, object, yaml};
use crate::support::{build, read, root};

const LOCAL: &str = "./.github/actions/load-test";
const RESULTS: &str = "load-tests/results";
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

/// Stands in for `gh`.
const GH: &str = include_str!("gh.py");

/// A server that injects faults when told to, and else is a sound one.
pub fn server() -> &'static Path {
    static SERVER: OnceLock<PathBuf> = OnceLock::new();
    SERVER.get_or_init(|| build("tachikoma-server-nights", &["--features", "faults"]))
}

/// What the nights share: the repository that they check out, the cache, and what GitHub keeps.
pub struct Nights {
    dir: TempDir,
    /// The folder that stands for the cache.
    pub cache: PathBuf,
    /// The folder of GitHub's runs, artifacts and issues.
    pub hub: PathBuf,
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
    /// Which artifacts were uploaded.
    pub uploaded: Vec<String>,
    /// What `${{ }}` may name.
    values: BTreeMap<String, String>,
    env: Vec<(String, String)>,
    cache: PathBuf,
    artifacts: PathBuf,
}

impl Nights {
    /// A copy of the repository as the origin, and an empty cache.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clone = format!("clone --quiet --no-tags {} origin", root().display());
        git(dir.path(), &clone);
        let bin = dir.path().join("bin");
        step::program(&bin, "rustup", "#!/bin/sh\n");
        step::program(&bin, "sudo", "#!/bin/sh\necho \"sudo $*\"\n");
        // Another program, for the comparison, that is the server too.
        step::program(
            &bin,
            "other-server",
            "#!/bin/sh\nexec \"$NIGHT_SERVER\" \"$@\"\n",
        );
        step::program(&bin, "gh", GH);
        let path = step::program(&bin, "cargo", CARGO);
        let [cache, hub] = ["cache", "hub"].map(|name| dir.path().join(name));
        for folder in [&cache, &hub] {
            std::fs::create_dir(folder).unwrap();
        }
        // A stranger may write whatever the workflow writes.
        let impostor = json!({"number": 1, "title": "mine", "body": "<!-- tachikoma: night load -->", "state": "open",
            "user": {"login": "stranger"}, "comments": []});
        let state = json!({"has_issues": true, "runs": [], "issues": [impostor]});
        std::fs::write(hub.join("state.json"), state.to_string()).unwrap();
        Self {
            dir,
            cache,
            hub,
            path,
            count: 0,
        }
    }

    /// Adds a commit to the origin, as a day does.
    pub fn day(&self) {
        self.origin("commit --quiet --allow-empty --message work");
    }

    /// Runs git in the origin.
    pub fn origin(&self, args: &str) -> String {
        git(&self.dir.path().join("origin"), args)
    }

    /// Adds a commit to the origin that changes the file at `path`.
    pub fn commit(&self, path: &str, subject: &str) {
        let origin = self.dir.path().join("origin");
        std::fs::write(origin.join(path), subject).unwrap();
        std::fs::write(origin.join("../subject"), subject).unwrap();
        self.origin("commit --quiet --all --file ../subject");
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

    /// What GitHub knows.
    pub fn state(&self) -> Value {
        serde_json::from_str(&read(&self.hub.join("state.json"))).unwrap()
    }

    /// Changes what GitHub knows.
    pub fn change(&self, change: impl FnOnce(&mut Value)) {
        let mut state = self.state();
        change(&mut state);
        std::fs::write(self.hub.join("state.json"), state.to_string()).unwrap();
    }

    /// Our issues, the newest first.
    pub fn issues(&self) -> Vec<Value> {
        let state = self.state();
        let all = state["issues"].as_array().unwrap().iter();
        let ours = all.filter(|issue| issue["user"]["login"] == "github-actions[bot]");
        ours.cloned().collect()
    }

    /// Runs a night with the inputs of a dispatch and further variables.
    pub fn run(&mut self, inputs: &[(&str, &str)], env: &[(&str, &str)]) -> Night {
        self.count += 1;
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
        let plan = self.job("plan", values, env);
        assert!(plan.green, "{}", plan.log);
        let outputs = object(&workflow["jobs"]["plan"]["outputs"]);
        let mut values: BTreeMap<_, _> = outputs
            .map(|(name, value)| (format!("needs.plan.outputs.{name}"), plan.fill(value)))
            .chain(plan.inputs())
            .collect();
        // However short it is here, it stands for a whole night.
        values.insert("needs.plan.outputs.remember".into(), "true".into());
        let jobs: Vec<BTreeMap<String, String>> =
            serde_json::from_str(&values["needs.plan.outputs.jobs"]).unwrap();
        assert_eq!(jobs.len(), 1, "only a soak has more");
        let matrix = jobs.into_iter().flatten();
        values.extend(matrix.map(|(name, value)| (format!("matrix.{name}"), value)));
        let night = self.job("load-test", values, env);
        let conclusion = if night.green { "success" } else { "failure" };
        let run = json!({"databaseId": self.count, "displayTitle": "Load Tests", "event": "schedule", "headBranch": "main",
            "headSha": git(&night.workspace, "rev-parse HEAD"), "conclusion": conclusion, "workflow": "load-tests.yml"});
        self.change(|state| state["runs"].as_array_mut().unwrap().insert(0, run));
        night
    }

    /// Runs the job that writes the issue about the last night, to which GitHub gave that `result`; what it said.
    pub fn tell(&self, result: &str) -> String {
        self.tell_as(result, &[])
    }

    /// The same for the night `run` if it is started again.
    pub fn tell_again(&self, run: &str, result: &str) -> String {
        let env = [("GITHUB_RUN_ID", run), ("GITHUB_RUN_ATTEMPT", "2")];
        self.tell_as(result, &env)
    }

    fn tell_as(&self, result: &str, env: &[(&str, &str)]) -> String {
        let profile = "github.event.schedule == '0 5 * * 0' && 'soak' || 'load'";
        let values = [(profile, "load"), ("needs.load-test.result", result)];
        let told = self.job("issue", values.iter().map(owned).collect(), env);
        assert!(told.green, "{}", told.log);
        told.log
    }

    /// Runs the job that keeps the history of the last night on a branch.
    pub fn keep(&self) {
        let kept = self.job("keep", BTreeMap::new(), &[]);
        assert!(kept.green, "{}", kept.log);
    }

    /// Looks for a lost history in a fresh clone; the text of the one that was found.
    pub fn lost_history(&self) -> String {
        let step = step::step("load-tests.yml", "Look for a lost history");
        let mut night = self.fresh("load-test", BTreeMap::new(), &[]);
        night.steps(&json!([step]));
        assert!(night.green, "{}", night.log);
        read(&night.workspace.join(HISTORY))
    }

    /// What a green night on `head` makes of the last green one.
    pub fn remembered(&self, last: &str, head: &str, remember: &str) -> String {
        let step = step::step("load-tests.yml", "Remember a green night");
        let values = [("needs.plan.outputs.remember", remember)];
        let mut night = self.fresh("load-test", values.iter().map(owned).collect(), &[]);
        git(&night.workspace, &format!("checkout --quiet {head}"));
        let file = night.workspace.join(RESULTS).join("last-green");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, last).unwrap();
        night.steps(&json!([step]));
        assert!(night.green, "{}", night.log);
        read(&file).trim().to_owned()
    }

    /// Runs the job `name` of this night.
    fn job(&self, name: &str, values: BTreeMap<String, String>, env: &[(&str, &str)]) -> Night {
        let mut night = self.fresh(name, values, env);
        let workflow = yaml("workflows/load-tests.yml");
        night.steps(&workflow["jobs"][name]["steps"]);
        night.summary = std::fs::read_to_string(night.workspace.with_file_name("summary.md"))
            .unwrap_or_default();
        night
    }

    /// The job `name` of this night in a clone of its own, before its first step.
    fn fresh(
        &self,
        name: &str,
        mut values: BTreeMap<String, String>,
        env: &[(&str, &str)],
    ) -> Night {
        let home = tempfile::tempdir_in(self.dir.path()).unwrap().keep();
        let workspace = home.join("work");
        let clone = format!("clone --quiet origin {}", workspace.display());
        git(self.dir.path(), &clone);
        let summary = home.join("summary.md");
        let package = workspace.join("xtask").display().to_string();
        let target = root().join("target").display().to_string();
        let head = self.dir.path().join("bin/other-server");
        let permissions = yaml("workflows/load-tests.yml")["jobs"][name]["permissions"].to_string();
        let run = self.count.to_string();
        let own = [
            ("PATH", self.path.as_str()),
            ("NIGHT_XTASK", env!("CARGO_BIN_EXE_xtask")),
            ("NIGHT_SERVER", server().to_str().unwrap()),
            ("NIGHT_HEAD", head.to_str().unwrap()),
            ("CARGO_MANIFEST_DIR", &package),
            ("CARGO_TARGET_DIR", &target),
            ("TACHIKOMA_SERVER_BIN", server().to_str().unwrap()),
            ("CI", "true"),
            ("GH_HOME", self.hub.to_str().unwrap()),
            ("GH_PERMISSIONS", &permissions),
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()),
            ("GITHUB_SERVER_URL", "https://github.example.org"),
            ("GITHUB_REPOSITORY", "tachikoma/tachikoma"),
            ("GITHUB_REF_NAME", "main"),
            ("GITHUB_RUN_ID", &run),
            ("GITHUB_RUN_ATTEMPT", "1"),
            ("GITHUB_SHA", &git(&workspace, "rev-parse HEAD")),
        ];
        values.extend([owned(&("github.token", "token"))]);
        Night {
            green: true,
            log: String::new(),
            summary: String::new(),
            uploaded: Vec::new(),
            values,
            env: own.iter().chain(env).map(owned).collect(),
            cache: self.cache.clone(),
            artifacts: self.hub.join("artifacts").join(run),
            workspace,
        }
    }
}

fn owned((name, value): &(&str, &str)) -> (String, String) {
    ((*name).to_owned(), (*value).to_owned())
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

    /// What every job of the workflow may name.
    fn inputs(&self) -> impl Iterator<Item = (String, String)> {
        let shared = ["inputs.", "github.", "secrets."];
        let all = self.values.clone().into_iter();
        all.filter(move |(name, _)| shared.iter().any(|prefix| name.starts_with(prefix)))
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
        let action = uses.split_once('@').unwrap().0;
        let paths = step["with"]["path"].as_str().unwrap_or_default();
        let (left_out, paths): (Vec<&str>, Vec<&str>) =
            paths.lines().partition(|path| path.starts_with('!'));
        if action == "actions/upload-artifact" {
            let name = self.fill(&step["with"]["name"]);
            let artifact = self.artifacts.join(&name);
            for path in paths {
                self.upload(Path::new(path), &left_out, &artifact);
            }
            assert!(artifact.is_dir(), "nothing wrote what {name} is to have");
            self.uploaded.push(name);
            return;
        }
        for path in paths {
            let here = self.workspace.join(path);
            let there = self.cache.join(here.file_name().unwrap());
            let (from, to) = match action {
                "actions/cache/save" => (here, there),
                "actions/cache/restore" => (there, here),
                _ => continue,
            };
            copy(&from, &to);
        }
    }

    /// Uploads `path` and what is below it; of all that is uploaded, the results folder is the root.
    fn upload(&self, path: &Path, left_out: &[&str], artifact: &Path) {
        let is_out = |out: &&str| Path::new(&out[1..]) == path;
        if left_out.iter().any(is_out) {
            return;
        }
        let here = self.workspace.join(path);
        if here.is_dir() {
            for entry in std::fs::read_dir(here).unwrap() {
                self.upload(&path.join(entry.unwrap().file_name()), left_out, artifact);
            }
            return;
        }
        copy(&here, &artifact.join(path.strip_prefix(RESULTS).unwrap()));
    }
}

/// Copies a file, if it is there.
fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap();
    }
}
