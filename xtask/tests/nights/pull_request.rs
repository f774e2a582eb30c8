//! The scripts around the comparison of a pull request, with a `gh` that answers from files.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::expression::Context;
use crate::night::{outputs, yaml};
use crate::programs::git;

/// The step of a workflow that is named so.
fn step(workflow: &str, job: &str, name: &str) -> Value {
    let workflow = yaml(&format!(".github/workflows/{workflow}"));
    let steps = workflow["jobs"][job]["steps"].as_array().unwrap().clone();
    let found = steps.into_iter().find(|step| step["name"] == name);
    found.unwrap()
}

/// The commit that the step chooses to compare with, after `changed` was changed; `label` is set or not.
fn base(changed: &str, label: bool) -> (String, String) {
    let dir = tempfile::tempdir().unwrap();
    git(dir.path(), &["init", "--quiet"]);
    git(
        dir.path(),
        &["commit", "--quiet", "--allow-empty", "--message", "1"],
    );
    let fork = git(dir.path(), &["rev-parse", "HEAD"]);
    git(
        dir.path(),
        &[
            "commit",
            "--quiet",
            "--allow-empty",
            "--message",
            "main goes on",
        ],
    );
    let main = git(dir.path(), &["rev-parse", "HEAD"]);
    git(dir.path(), &["checkout", "--quiet", &fork]);
    let path = dir.path().join(changed);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, "changed").unwrap();
    git(dir.path(), &["add", "--all"]);
    git(dir.path(), &["commit", "--quiet", "--message", "2"]);
    let step = step("compare.yml", "compare", "Decide whether to compare");
    let output = dir.path().join(".git/output");
    std::fs::write(&output, "").unwrap();
    let status = Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", step["run"].as_str().unwrap()])
        .current_dir(dir.path())
        .env("BASE", main)
        .env("WANTED", label.to_string())
        .env("GITHUB_OUTPUT", &output)
        .status()
        .unwrap();
    assert!(status.success());
    let set = outputs(&std::fs::read_to_string(output).unwrap());
    (
        set.first()
            .map(|(_, value)| value.clone())
            .unwrap_or_default(),
        fork,
    )
}

#[test]
fn only_what_can_change_the_speed_is_compared_unless_the_label_is_set() {
    for path in ["crates/x/src/lib.rs", "load-tests/main.js", "Cargo.lock"] {
        let (base, fork) = base(path, false);
        assert_eq!(base, fork, "{path}");
    }
    assert_eq!(base("README.md", false).0, "");
    let (base, fork) = base("README.md", true);
    assert_eq!(base, fork);
}

/// A `gh` that has a summary, one open pull request, and `comments`; it keeps what it is told to write.
fn gh(dir: &TempDir, pulls: &Value, comments: &Value, summary: &str) {
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("pulls.json", &pulls.to_string());
    write("comments.json", &comments.to_string());
    write("given.md", summary);
    let script = r#"#!/bin/sh
echo "$*" >>"$GH_HOME/calls"
case "$*" in
  "run download "*) mkdir -p summary && cp "$GH_HOME/given.md" summary/summary.md ;;
  *"--input body.json") cp body.json "$GH_HOME/written.json" ;;
  *"/comments") cat "$GH_HOME/comments.json" ;;
  *"/pulls "*) cat "$GH_HOME/pulls.json" ;;
  *) exit 1 ;;
esac
"#;
    write("gh", script);
    let path = dir.path().join("gh");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Runs the commenting step in `dir`; the calls that were made.
fn comment(dir: &Path) -> String {
    let step = step(
        "compare-comment.yml",
        "comment",
        "Write or update the comment",
    );
    let work = dir.join("work");
    std::fs::create_dir(&work).unwrap();
    let mut context = Context::default();
    for (name, value) in [
        ("github.repository", "o/r"),
        ("github.event.workflow_run.id", "7"),
        (
            "github.event.workflow_run.html_url",
            "https://github.example.org/run/7",
        ),
        ("github.event.workflow_run.head_sha", "abc"),
        (
            "github.event.workflow_run.head_repository.owner.login",
            "stranger",
        ),
        (
            "github.event.workflow_run.head_branch",
            "a$(touch owned)&state=closed",
        ),
    ] {
        context.values.insert(name.into(), value.into());
    }
    let mut command = Command::new("bash");
    command
        .args(["-e", "-o", "pipefail", "-c", step["run"].as_str().unwrap()])
        .current_dir(&work)
        .env(
            "PATH",
            format!("{}:{}", dir.display(), std::env::var("PATH").unwrap()),
        )
        .env("GH_HOME", dir);
    for (name, value) in step["env"].as_object().unwrap() {
        command.env(name, context.fill(value.as_str().unwrap()));
    }
    let out = command.output().unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    assert!(!work.join("owned").exists());
    std::fs::read_to_string(dir.join("calls")).unwrap()
}

/// The step needs jq, which GitHub's runners have.
fn has_jq() -> bool {
    let there = Command::new("jq").arg("--version").output().is_ok();
    assert!(there || std::env::var_os("CI").is_none(), "CI needs jq");
    if !there {
        eprintln!("skipped: jq is not installed");
    }
    there
}

#[test]
fn the_comment_is_written_once_and_then_updated() {
    if !has_jq() {
        return;
    }
    let pulls =
        json!([{"number": 3, "head": {"sha": "old"}}, {"number": 4, "head": {"sha": "abc"}}]);
    let marker = "<!-- tachikoma: compare -->";
    let impostor = json!({"id": 1, "user": {"login": "stranger"}, "body": marker});
    let ours = json!({"id": 2, "user": {"login": "github-actions[bot]"}, "body": format!("{marker}\nold")});
    for (comments, call) in [
        (
            json!([impostor]),
            "--method POST repos/o/r/issues/4/comments",
        ),
        (
            json!([impostor, ours]),
            "--method PATCH repos/o/r/issues/comments/2",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        // Cut between the two bytes of a letter.
        let long = format!("x{}", "ä".repeat(50_000));
        gh(
            &dir,
            &pulls,
            &comments,
            &format!("@everyone `$(touch owned)`\n\n{long}ä"),
        );
        let calls = comment(dir.path());
        assert!(calls.contains(call), "{calls}");
        let written = std::fs::read_to_string(dir.path().join("written.json")).unwrap();
        let written: Value = serde_json::from_str(&written).unwrap();
        let body = written["body"].as_str().unwrap();
        assert!(body.starts_with(&format!("{marker}\n@\u{200b}everyone `$(touch owned)`")));
        assert!(body.ends_with(
            "[The run and its results](https://github.example.org/run/7), commit abc\n"
        ));
        assert!(body.chars().count() < 65_536, "{}", body.chars().count());
    }
}

#[test]
fn a_newer_commit_gets_no_old_comment() {
    if !has_jq() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    gh(
        &dir,
        &json!([{"number": 3, "head": {"sha": "newer"}}]),
        &json!([]),
        "summary",
    );
    let calls = comment(dir.path());
    assert!(!calls.contains("--input"), "{calls}");
}
