//! The scripts around the comparison of a pull request, with a `gh` that answers from files.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::step::{git, object, program, run, step};
use crate::support::read;

/// The commit that the step chooses to compare with after `changed` was changed, and the one where the branch began.
fn base(changed: &str, label: bool) -> (String, String) {
    let dir = tempfile::tempdir().unwrap();
    let git = |args: &str| git(dir.path(), args);
    git("init --quiet");
    git("commit --quiet --allow-empty --message 1");
    let fork = git("rev-parse HEAD");
    git("commit --quiet --allow-empty --message main-goes-on");
    let main = git("rev-parse HEAD");
    git(&format!("checkout --quiet {fork}"));
    let path = dir.path().join(changed);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, "changed").unwrap();
    git("add --all");
    git("commit --quiet --message 2");
    let step = step("compare.yml", "Decide whether to compare");
    let env = [("BASE", main), ("WANTED", label.to_string())];
    let mut ran = run(&step, dir.path(), env);
    assert!(ran.ok, "{}", ran.said);
    (ran.outputs.remove("base").unwrap_or_default(), fork)
}

#[test]
fn only_what_can_change_the_speed_is_compared_unless_the_label_is_set() {
    for (path, label) in [
        ("crates/x/src/lib.rs", false),
        ("load-tests/main.js", false),
        ("Cargo.lock", false),
        ("README.md", true),
    ] {
        let (base, fork) = base(path, label);
        assert_eq!(base, fork, "{path}");
    }
    assert_eq!(base("README.md", false).0, "");
}

/// Has a summary, one open pull request, and comments; keeps what it is told to write.
const GH: &str = r#"#!/bin/sh
echo "$*" >>"$GH_HOME/calls"
case "$*" in
  "run download "*) mkdir -p summary && cp "$GH_HOME/given.md" summary/summary.md ;;
  *"--input body.json") cp body.json "$GH_HOME/written.json" ;;
  *"/comments") cat "$GH_HOME/comments.json" ;;
  *"/pulls "*) cat "$GH_HOME/pulls.json" ;;
  *) exit 1 ;;
esac
"#;

/// Runs the commenting step on what `gh` then has; the folder with what it wrote, and the calls that were made.
///
/// The step needs jq, which GitHub's runners have.
fn comment(pulls: &Value, comments: &Value, summary: &str) -> Option<(TempDir, String)> {
    if Command::new("jq").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "CI needs jq");
        eprintln!("skipped: jq is not installed");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("pulls.json", &pulls.to_string());
    write("comments.json", &comments.to_string());
    write("given.md", summary);
    let work = dir.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let env = [
        ("PATH", program(dir.path(), "gh", GH)),
        ("GH_HOME", dir.path().display().to_string()),
        ("REPO", "o/r".into()),
        ("RUN_ID", "7".into()),
        ("RUN_URL", "https://github.example.org/run/7".into()),
        ("HEAD_SHA", "abc".into()),
        ("HEAD_OWNER", "stranger".into()),
        ("HEAD_BRANCH", "a$(touch owned)&state=closed".into()),
    ];
    let step = step("compare-comment.yml", "Write or update the comment");
    let known = |name: &str| name == "GH_TOKEN" || env.iter().any(|(it, _)| *it == name);
    assert!(object(&step["env"]).all(|(name, _)| known(name)), "{step}");
    let ran = run(&step, &work, env);
    assert!(ran.ok, "{}", ran.said);
    assert!(!work.join("owned").exists());
    let calls = read(&dir.path().join("calls"));
    Some((dir, calls))
}

#[test]
fn the_comment_is_written_once_and_then_updated() {
    let pull = |number: u32, sha: &str| json!({"number": number, "head": {"sha": sha}});
    let pulls = json!([pull(3, "old"), pull(4, "abc")]);
    let marker = "<!-- tachikoma: compare -->";
    let impostor = json!({"id": 1, "user": {"login": "stranger"}, "body": marker});
    let ours = json!({"id": 2, "user": {"login": "github-actions[bot]"}, "body": format!("{marker}\nold")});
    // Cut between the two bytes of a letter.
    let summary = format!("@everyone `$(touch owned)`\n\nx{}", "ä".repeat(50_000));
    let (post, patch) = (
        "POST repos/o/r/issues/4/comments",
        "PATCH repos/o/r/issues/comments/2",
    );
    for (comments, call) in [(json!([impostor]), post), (json!([impostor, ours]), patch)] {
        let Some((dir, calls)) = comment(&pulls, &comments, &summary) else {
            return;
        };
        assert!(calls.contains(call), "{calls}");
        let written = read(&dir.path().join("written.json"));
        let written: Value = serde_json::from_str(&written).unwrap();
        let body = written["body"].as_str().unwrap();
        assert!(body.starts_with(&format!("{marker}\n@\u{200b}everyone `$(touch owned)`")));
        let end = "[The run and its results](https://github.example.org/run/7), commit abc\n";
        assert!(body.ends_with(end));
        assert!(body.chars().count() < 65_536, "{}", body.chars().count());
    }
}

#[test]
fn a_newer_commit_gets_no_old_comment() {
    let pulls = json!([{"number": 3, "head": {"sha": "newer"}}]);
    if let Some((_dir, calls)) = comment(&pulls, &json!([]), "summary") {
        assert!(!calls.contains("--input"), "{calls}");
    }
}
