//! The two server programs: given, built from the working tree, or built from a revision in a worktree of its own.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;

use crate::cli::Compare;
use crate::config::{Build, Server};
use crate::error::UsageError;
use crate::record::SideRecord;
use crate::{repo, server, ui};

/// Builds of other revisions that are kept, newest first: each takes several hundred megabytes.
const KEPT: usize = 4;
/// Branches that others begin at, in the order in which they are looked for.
const MAIN: [&str; 4] = ["origin/HEAD", "origin/main", "main", "master"];

/// One side of the comparison.
#[derive(Debug, Clone)]
pub struct Binary {
    /// The program, which stays as it is while it is measured.
    pub path: PathBuf,
    /// What it is.
    pub record: SideRecord,
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
            })
        }
        Source::Commit { name, commit } => {
            let path = of_commit(commit, name, side, root, target_dir, server)?;
            Ok(Binary {
                path,
                record: SideRecord {
                    name: name.clone(),
                    commit: Some(commit.clone()),
                    dirty: false,
                },
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
) -> anyhow::Result<PathBuf> {
    let short = &commit[..commit.len().min(12)];
    let all = target_dir.join("compare");
    let dir = all.join(short);
    let program = dir.join("server");
    std::fs::create_dir_all(&dir).with_context(|| format!("failed to create {}", dir.display()))?;
    // Two comparisons with the same base take turns in building it.
    let lock = std::fs::File::create(dir.join(".lock"))
        .with_context(|| format!("failed to lock {}", dir.display()))?;
    lock.lock()
        .with_context(|| format!("failed to lock {}", dir.display()))?;
    if program.is_file() {
        ui::info(&format!("{side}: {name} ({short}), built before"));
        let _newest_first = lock.set_modified(SystemTime::now());
        return Ok(program);
    }
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
    let fresh = dir.join("server.new");
    std::fs::copy(&built, &fresh)
        .and_then(|_| std::fs::rename(&fresh, &program))
        .with_context(|| format!("failed to keep {}", program.display()))?;
    prune(root, &all, short);
    Ok(program)
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

/// Takes away the oldest builds. What cannot be taken away only takes room.
fn prune(root: &Path, all: &Path, newest: &str) {
    let Ok(entries) = std::fs::read_dir(all) else {
        return;
    };
    let mut builds: Vec<(SystemTime, PathBuf)> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|dir| dir.file_name().is_some_and(|name| name != newest))
        .filter_map(|dir| Some((dir.join(".lock").metadata().ok()?.modified().ok()?, dir)))
        .collect();
    builds.sort();
    let too_many = builds.len().saturating_sub(KEPT - 1);
    for (_, dir) in builds.into_iter().take(too_many) {
        let _only_room = std::fs::remove_dir_all(&dir);
    }
    let _only_room = repo::ask(root, &["worktree", "prune"]);
}

/// Whether both programs are the same to the byte.
pub fn same(base: &Path, head: &Path) -> bool {
    let read = |path: &Path| std::fs::read(path).ok();
    matches!((read(base), read(head)), (Some(base), Some(head)) if base == head)
}
