//! The two server programs: given, built from the working tree, or built from a revision in a worktree of its own.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::kept::{self, KeptBuild};
use crate::cli::Compare;
use crate::config::{Build, Server};
use crate::error::UsageError;
use crate::record::{SideRecord, short_commit};
use crate::{repo, server, ui};

/// What a kept program is called.
const PROGRAM: &str = "server";
/// Branches that others begin at, in the order in which they are looked for.
const MAIN: [&str; 4] = ["origin/HEAD", "origin/main", "main", "master"];

/// One side of the comparison.
#[derive(Debug)]
pub struct Binary {
    /// The program, which stays as it is while it is measured.
    pub path: PathBuf,
    /// What it is.
    pub record: SideRecord,
    /// Keeps a build of a revision from being taken away.
    _kept: Option<KeptBuild>,
}

/// What a side is to be, checked before anything is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A ready program.
    Program(PathBuf),
    /// The commit, with the name that the user gave it.
    Commit {
        /// As typed, or how it was found.
        name: String,
        /// In full.
        commit: String,
    },
    /// The working tree as it is.
    Tree,
}

/// What the command line asks for, as (base, head).
///
/// # Errors
/// A [`UsageError`] if a revision or a program is not there.
pub fn sources(args: &Compare, root: &Path) -> Result<(Source, Source), UsageError> {
    let head = match (&args.head_bin, &args.head) {
        (Some(path), _) => program("--head-bin", path)?,
        (None, Some(revision)) => named(root, revision)?,
        (None, None) => Source::Tree,
    };
    let base = match (&args.base_bin, &args.base) {
        _ if args.calibrate => head.clone(),
        (Some(path), _) => program("--base-bin", path)?,
        (None, Some(revision)) => named(root, revision)?,
        (None, None) => default_base(root)?,
    };
    Ok((base, head))
}

fn program(option: &str, path: &Path) -> Result<Source, UsageError> {
    if path.is_file() {
        return Ok(Source::Program(path.to_owned()));
    }
    Err(UsageError(format!(
        "{option} {} is no file",
        path.display()
    )))
}

fn named(root: &Path, revision: &str) -> Result<Source, UsageError> {
    let commit = repo::commit(root, revision).ok_or_else(|| {
        UsageError(format!(
            "there is no revision `{revision}` in {}: see `git log` or `git branch -a`; a shallow clone lacks older ones, which `git fetch --unshallow` brings",
            root.display()
        ))
    })?;
    Ok(Source::Commit {
        name: revision.to_owned(),
        commit,
    })
}

/// Where this branch left the main one. On the main one itself: the last commit if there are uncommitted changes, else
/// the one before it.
fn default_base(root: &Path) -> Result<Source, UsageError> {
    let give = || {
        UsageError("there is no earlier revision to compare with: name one with --base REV".into())
    };
    let head = repo::commit(root, "HEAD").ok_or_else(give)?;
    let fork = MAIN
        .iter()
        .find(|name| repo::commit(root, name).is_some())
        .and_then(|main| Some((main, repo::ask(root, &["merge-base", main, "HEAD"]).ok()?)));
    if let Some((main, commit)) = fork
        && commit != head
    {
        return Ok(Source::Commit {
            name: format!("where this branch left {main}"),
            commit,
        });
    }
    let dirty = repo::revision(root).is_some_and(|revision| revision.dirty);
    let (name, spec) = if dirty {
        ("the last commit", "HEAD")
    } else {
        ("the commit before the last", "HEAD^")
    };
    let commit = repo::commit(root, spec).ok_or_else(give)?;
    Ok(Source::Commit {
        name: name.into(),
        commit,
    })
}

/// Comes by the program of one side. `keep_in` is a folder that lives as long as the comparison.
///
/// # Errors
/// If it cannot be built: the compiler has said why. If the revision has no server.
pub fn provide(
    source: &Source,
    side: &str,
    root: &Path,
    target_dir: &Path,
    keep_in: &Path,
    server: &Server,
) -> anyhow::Result<Binary> {
    match source {
        Source::Program(path) => Ok(Binary {
            path: path.clone(),
            record: SideRecord {
                name: path.display().to_string(),
                commit: None,
                dirty: false,
            },
            _kept: None,
        }),
        Source::Tree => {
            ui::step(&format!("{side}: building the working tree"));
            let built = server::build(server, root, None)?;
            // A build beside the comparison must not change what is measured.
            let path = keep_in.join(format!("{side}-server"));
            std::fs::copy(&built, &path)
                .with_context(|| format!("failed to copy {}", built.display()))?;
            let revision = repo::revision(root);
            Ok(Binary {
                path,
                record: SideRecord {
                    name: "the working tree".into(),
                    dirty: revision.as_ref().is_some_and(|revision| revision.dirty),
                    commit: revision.map(|revision| revision.commit),
                },
                _kept: None,
            })
        }
        Source::Commit { name, commit } => {
            let kept = of_commit(commit, name, side, root, target_dir, server)?;
            Ok(Binary {
                path: kept.program.clone(),
                record: SideRecord {
                    name: name.clone(),
                    commit: Some(commit.clone()),
                    dirty: false,
                },
                _kept: Some(kept),
            })
        }
    }
}

/// Builds `commit` in a worktree under `target_dir`, unless that was done before.
fn of_commit(
    commit: &str,
    name: &str,
    side: &str,
    root: &Path,
    target_dir: &Path,
    server: &Server,
) -> anyhow::Result<KeptBuild> {
    let short = short_commit(commit);
    let all = target_dir.join("compare");
    let dir = all.join(commit);
    let found = || ui::info(&format!("{side}: {name} ({short}), built before"));
    let build = || {
        ui::step(&format!("{side}: building {name} ({short})"));
        let tree = dir.join("tree");
        check_out(root, &tree, commit)?;
        if let Build::Package {
            sources: Some(sources),
            ..
        } = &server.build
        {
            anyhow::ensure!(
                tree.join(sources).is_dir(),
                "{name} ({short}) has no {} to compare with: name a later revision",
                sources.display()
            );
        }
        let built = server::build(server, &tree, Some(&dir.join("target")))
            .with_context(|| format!("{name} ({short}) cannot be compared"))?;
        let (fresh, program) = (dir.join("fresh"), dir.join(PROGRAM));
        std::fs::copy(&built, &fresh)
            .and_then(|_| std::fs::rename(&fresh, &program))
            .with_context(|| format!("failed to keep {}", program.display()))
    };
    let kept = KeptBuild::acquire(&dir, PROGRAM, found, build)?;
    kept::prune(&all);
    // Git forgets the trees of those that went.
    let _only_room = repo::ask(root, &["worktree", "prune"]);
    Ok(kept)
}

fn check_out(root: &Path, tree: &Path, commit: &str) -> anyhow::Result<()> {
    let path = tree.to_string_lossy();
    if tree.exists() {
        // What an earlier build left, which did not succeed.
        let _made_anew = repo::ask(root, &["worktree", "remove", "--force", &path]);
        let _made_anew = std::fs::remove_dir_all(tree);
    }
    repo::ask(root, &["worktree", "prune"])?;
    repo::ask(
        root,
        &["worktree", "add", "--force", "--detach", &path, commit],
    )?;
    Ok(())
}

/// Whether both programs are the same to the byte.
pub fn same(base: &Path, head: &Path) -> bool {
    let read = |path: &Path| std::fs::read(path).ok();
    matches!((read(base), read(head)), (Some(base), Some(head)) if base == head)
}

/// What differs between the ways in which the sides were built.
pub fn notice(_base: &Binary, _head: &Binary) -> Option<String> {
    None
}
