//! Every name that a workflow uses exists: actions, inputs, outputs, paths.

use serde_json::Value;

use super::{File, Step, files};
use crate::{github, history};

const LOCAL: &str = "./.github/actions/load-test";

/// What follows each occurrence of `prefix` in `text`, as far as a name goes.
fn names<'t>(text: &'t str, prefix: &str) -> Vec<&'t str> {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let starts = text
        .match_indices(prefix)
        .map(|(at, _)| &text[at + prefix.len()..]);
    starts
        .map(|rest| &rest[..rest.find(ends).unwrap_or(rest.len())])
        .collect()
}

/// The outputs that a step sets.
fn outputs(step: &Value) -> Vec<String> {
    let script = step["run"].as_str().unwrap_or_default();
    let mut out: Vec<String> = script
        .lines()
        .filter_map(|line| line.trim().strip_prefix("echo \"")?.split_once('='))
        .map(|(name, _)| name.to_owned())
        .collect();
    if script.contains("cargo xtask load-test") || script.contains("cargo xtask compare") {
        out.extend(github::OUTPUTS.map(ToOwned::to_owned));
    }
    if step["uses"] == LOCAL {
        let action = action();
        out.extend(action.yaml["outputs"].as_object().unwrap().keys().cloned());
    }
    out
}

fn action() -> File {
    super::file(".github/actions/load-test/action.yml")
}

fn check_outputs(place: &str, text: &str, before: &[Value]) -> usize {
    let parts = names(text, "steps.");
    for id in &parts {
        let step = before.iter().find(|step| step["id"] == *id);
        let step = step.unwrap_or_else(|| panic!("{place}: no step before it has the id {id}"));
        for output in names(text, &format!("steps.{id}.outputs.")) {
            assert!(
                outputs(step).iter().any(|known| known == output),
                "{place}: step {id} has no output {output}"
            );
        }
    }
    parts.len()
}

#[test]
fn every_output_exists() {
    let mut count = 0;
    for file in files() {
        for step in file.steps() {
            count += check_outputs(&step.place, &step.yaml.to_string(), step.before);
        }
    }
    let action = action();
    let steps = action.yaml["runs"]["steps"].as_array().unwrap();
    count += check_outputs(&action.path, &action.yaml["outputs"].to_string(), steps);
    assert!(count > 10, "only {count} uses were found");
}

#[test]
fn every_input_exists() {
    for file in files() {
        let declared = file.inputs();
        for name in names(&file.text, " inputs.") {
            assert!(declared.contains(&name), "{}: no input {name}", file.path);
        }
        for name in &declared {
            assert!(
                file.text.contains(&format!("inputs.{name}")),
                "{}: input {name} is used nowhere",
                file.path
            );
        }
        for step in file
            .steps()
            .iter()
            .filter(|step| step.yaml["uses"] == LOCAL)
        {
            for name in step.yaml["with"].as_object().unwrap().keys() {
                assert!(
                    action().inputs().contains(&name.as_str()),
                    "{}: {name}",
                    step.place
                );
            }
        }
    }
}

#[test]
fn every_action_is_pinned_by_commit() {
    for file in files() {
        for line in file.text.lines().filter(|line| line.contains("uses: ")) {
            let used = line.split_once("uses: ").unwrap().1;
            if used.starts_with(LOCAL) {
                continue;
            }
            let (action, version) = used.split_once(" # v").expect(line);
            let (_, commit) = action.split_once('@').expect(line);
            let hex = commit.bytes().all(|b| b.is_ascii_hexdigit());
            assert!(commit.len() == 40 && hex, "{}: {line}", file.path);
            assert!(version.split('.').count() == 3, "{}: {line}", file.path);
        }
    }
}

/// The paths of a step that keeps or takes files.
fn paths<'a>(step: &Step<'a>) -> Vec<&'a str> {
    let uses = step.yaml["uses"].as_str().unwrap_or_default();
    let keeps = uses.starts_with("actions/cache") || uses.starts_with("actions/upload-artifact");
    let text = step.yaml["with"]["path"].as_str().filter(|_| keeps);
    text.into_iter()
        .flat_map(str::lines)
        .map(str::trim)
        .collect()
}

#[test]
fn every_path_is_one_that_a_run_writes() {
    let mut count = 0;
    for file in files() {
        for step in file.steps() {
            for path in paths(&step) {
                count += 1;
                let path = path.trim_start_matches('!').trim_end_matches('/');
                let known = path == "target/k6"
                    || path.starts_with("${{ steps.compare.outputs.results }}")
                    || path.strip_prefix("load-tests/results").is_some_and(|rest| {
                        ["", "/latest"].contains(&rest)
                            || rest == format!("/{}", history::HISTORY)
                            // Written by a step of the same file.
                            || file.text.contains(&format!(" >{path}\n"))
                    });
                assert!(known, "{}: nothing writes {path}", step.place);
            }
        }
    }
    assert!(count > 6, "only {count} paths were found");
}

#[test]
fn every_job_has_a_time_limit_and_named_rights() {
    for file in files().iter().filter(|file| file.yaml["jobs"].is_object()) {
        assert_eq!(
            file.yaml["permissions"]
                .as_object()
                .map(serde_json::Map::len),
            Some(0),
            "{}: rights are given to jobs",
            file.path
        );
        for (name, job) in file.jobs() {
            assert!(job["timeout-minutes"].is_u64(), "{}: {name}", file.path);
            let writes = job["permissions"].to_string().contains("write");
            assert_eq!(writes, name == "comment", "{}: {name}", file.path);
        }
    }
}
