//! Where things are in the repository, and questions to git about it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use crate::record::Revision;
use crate::shell::{self, cmd};

/// A question is answered within this time; checking out a tree may take longer.
const LIMIT: Duration = Duration::from_secs(120);

/// Variables that git sets for its hooks, and that would have it look elsewhere than where it is asked to.
///
/// Source: `git rev-parse --local-env-vars`, without those of the configuration.
pub const OF_A_HOOK: [&str; 8] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// What `git ARGS` prints in `root`, trimmed.
///
/// # Errors
/// If git is not there, takes too long or fails; its words are in the message.
pub fn ask(root: &Path, args: &[&str]) -> anyhow::Result<String> {
    let sh = shell::at(root)?;
    let mut git = cmd!(sh, "git {args...}");
    for name in OF_A_HOOK {
        git = git.env_remove(name);
    }
    let failure = format!("`git {}` failed", args.join(" "));
    let said = shell::output(git, LIMIT, &failure).context("git is needed")?;
    Ok(said.trim().to_owned())
}

/// The commit that `revision` names, in full; `None` if it names none.
pub fn commit(root: &Path, revision: &str) -> Option<String> {
    let spec = format!("{revision}^{{commit}}");
    ask(
        root,
        &[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &spec,
        ],
    )
    .ok()
}

/// The revision of the working tree; `None` outside a repository, before the first commit or without git.
pub fn revision(root: &Path) -> Option<Revision> {
    parse_status(&ask(root, &["status", "--porcelain=v2", "--branch"]).ok()?)
}

/// What was changed in the working tree since its commit, and which; `None` if git cannot tell. Of files that git does not
/// follow it has the names only.
pub fn changes(root: &Path) -> Option<String> {
    let asked: [&[&str]; 3] = [
        &["rev-parse", "HEAD"],
        &["diff", "HEAD"],
        &["ls-files", "--others", "--exclude-standard"],
    ];
    asked.iter().map(|args| ask(root, args).ok()).collect()
}

/// Reads headers and changes.
///
/// Source: <https://git-scm.com/docs/git-status>, "Porcelain Format Version 2".
fn parse_status(text: &str) -> Option<Revision> {
    let header = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    Some(Revision {
        commit: header("# branch.oid ")
            .filter(|commit| *commit != "(initial)")?
            .to_owned(),
        branch: header("# branch.head ")
            .filter(|branch| *branch != "(detached)")
            .map(str::to_owned),
        dirty: text.lines().any(|line| !line.starts_with('#')),
    })
}

/// The repository: where cargo says that this package is, else where it was built.
pub fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package = package.filter(|dir| dir.join("../load-tests/main.js").is_file());
    let package = package.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    package.parent().map_or(package.clone(), Path::to_owned)
}

/// Where build output and our own k6 go.
pub fn target_dir(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_commit_branch_and_whether_anything_changed() {
        let clean = parse_status("# branch.oid 1f2e\n# branch.head main\n").unwrap();
        assert_eq!(
            (clean.commit.as_str(), clean.branch.as_deref(), clean.dirty),
            ("1f2e", Some("main"), false)
        );
        let detached = "# branch.oid 1f2e\n# branch.head (detached)\n? new.txt\n";
        let changed = parse_status(detached).unwrap();
        assert_eq!((changed.branch, changed.dirty), (None, true));
        assert!(parse_status("# branch.oid (initial)\n# branch.head main").is_none());
    }
}
