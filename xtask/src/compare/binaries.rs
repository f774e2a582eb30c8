//! The two server programs: given, built from the working tree, or built from a revision in a checkout of its own.

use std::fs::{File, TryLockError};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::cli::Compare;
use crate::config::{Build, ServerConfig};
use crate::error::UsageError;
use crate::record::{Side, SideRecord, short_commit};
use crate::server::Checkout;
use crate::shell::lock;
use crate::{profile, repo, server, ui};

/// Branches that others begin at, in the order in which they are looked for.
const MAIN: [&str; 4] = ["origin/HEAD", "origin/main", "main", "master"];

/// One side of the comparison.
#[derive(Debug)]
pub struct Binary {
    /// The program, which stays as it is while it is measured.
    pub path: PathBuf,
    /// What it is.
    pub record: SideRecord,
    /// The compiler, if cargo built it here.
    compiler: Option<String>,
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
        "{option} {} is not a file: name a built server, or leave the option out and it is built",
        path.display()
    )))
}

fn named(root: &Path, revision: &str) -> Result<Source, UsageError> {
    let commit = repo::commit(root, revision).ok_or_else(|| {
        UsageError(format!(
            "there is no revision `{revision}` in {}: see `git log` or `git branch -a`; a shallow clone lacks older ones, which {DEEPEN} brings",
            root.display()
        ))
    })?;
    Ok(Source::Commit {
        name: revision.to_owned(),
        commit,
    })
}

/// How to get more of the history.
const DEEPEN: &str = "`git fetch --deepen=1000` (or `--unshallow`)";

/// Where this branch left the main one. On the main one itself: the last commit if there are uncommitted changes, else
/// the one before it.
fn default_base(root: &Path) -> Result<Source, UsageError> {
    let is_shallow = repo::ask(root, &["rev-parse", "--is-shallow-repository"]);
    let deeper = match is_shallow.is_ok_and(|answer| answer == "true") {
        true => format!(
            "this clone is shallow, so fetch more of the history first, as {DEEPEN} does, or name"
        ),
        false => "name".into(),
    };
    let lacks = |what: &str| UsageError(format!("{what}: {deeper} a revision with --base REV"));
    let none = || lacks("there is no earlier revision to compare with");
    let head = repo::commit(root, "HEAD").ok_or_else(none)?;
    let main = MAIN.iter().find(|name| repo::commit(root, name).is_some());
    if let Some(main) = main {
        let fork = repo::ask(root, &["merge-base", main, "HEAD"])
            .map_err(|_| lacks(&format!("where this branch left {main} cannot be found")))?;
        if fork != head {
            return Ok(Source::Commit {
                name: format!("where this branch left {main}"),
                commit: fork,
            });
        }
    }
    let dirty = repo::revision(root).is_some_and(|revision| revision.dirty);
    let (name, spec) = if dirty {
        ("the last commit", "HEAD")
    } else {
        ("the commit before the last", "HEAD^")
    };
    let commit = repo::commit(root, spec).ok_or_else(none)?;
    Ok(Source::Commit {
        name: name.into(),
        commit,
    })
}

/// What both sides are provided from, and to.
pub struct SourcePlace<'a> {
    /// The repository.
    pub root: &'a Path,
    /// A folder that lives as long as the comparison: a build beside it must not change what is measured.
    pub keep_in: &'a Path,
    /// How the server is built.
    pub server: &'a ServerConfig,
}

impl SourcePlace<'_> {
    /// Provides the program of one side, with `feature` if it is built here.
    ///
    /// # Errors
    /// If it cannot be built: the compiler has said why. If the revision has no server.
    pub fn provide(
        &self,
        source: &Source,
        side: Side,
        feature: Option<&str>,
    ) -> anyhow::Result<Binary> {
        let instead = match side {
            Side::Base => "--base-bin",
            Side::Head => "--head-bin",
        };
        match source {
            Source::Program(path) => Ok(Binary {
                path: path.clone(),
                record: SideRecord {
                    name: path.display().to_string(),
                    commit: None,
                    dirty: false,
                },
                compiler: None,
            }),
            Source::Tree => {
                ui::step(&format!("{}: building the working tree", side.name()));
                let built = server::build(self.server, self.root, instead, feature, None)?;
                let revision = repo::revision(self.root);
                Ok(Binary {
                    path: self.keep(&built, side, feature)?,
                    record: SideRecord {
                        name: "the working tree".into(),
                        dirty: revision.as_ref().is_some_and(|revision| revision.dirty),
                        commit: revision.map(|revision| revision.commit),
                    },
                    compiler: server::compiler(self.server, self.root, &[]),
                })
            }
            Source::Commit { name, commit } => {
                let (path, compiler) =
                    self.check_out_and_build(commit, name, side, instead, feature)?;
                Ok(Binary {
                    path,
                    record: SideRecord {
                        name: name.clone(),
                        commit: Some(commit.clone()),
                        dirty: false,
                    },
                    compiler,
                })
            }
        }
    }

    fn keep(&self, built: &Path, side: Side, feature: Option<&str>) -> anyhow::Result<PathBuf> {
        let what = feature.map_or("server", |_| "profiler");
        let path = self.keep_in.join(format!("{}-{what}", side.name()));
        std::fs::copy(built, &path)
            .with_context(|| format!("failed to copy {}", built.display()))?;
        Ok(path)
    }

    /// Builds `commit` in the one checkout that comparisons of this repository have, outside of its tree: cargo looks for
    /// configuration in all folders above. What a build needs anew after a change of the revision, the compiler, flags or
    /// configuration is cargo's own business, as in any checkout.
    fn check_out_and_build(
        &self,
        commit: &str,
        name: &str,
        side: Side,
        instead: &str,
        feature: Option<&str>,
    ) -> anyhow::Result<(PathBuf, Option<String>)> {
        let short = short_commit(commit);
        let home = self.checkouts()?;
        let _alone = lock::wait(&home.join("lock"), "the build of another comparison's base")?;
        ui::step(&format!(
            "{}: building {name} ({short}) in {}",
            side.name(),
            home.display()
        ));
        let tree = home.join("tree");
        check_out(self.root, &tree, commit)?;
        if let Build::Package {
            sources: Some(sources),
            ..
        } = &self.server.build
        {
            anyhow::ensure!(
                tree.join(sources).is_dir(),
                "{name} ({short}) has no {} to compare with: name a later revision",
                sources.display()
            );
        }
        let without = ours_alone(self.root);
        let checkout = Checkout {
            target_dir: &home.join("target"),
            without: &without,
        };
        let built = server::build(self.server, &tree, instead, feature, Some(checkout))
            .with_context(|| match feature {
                Some(feature) => {
                    format!("{name} ({short}) cannot be built with the feature `{feature}`")
                }
                None => format!("{name} ({short}) cannot be compared"),
            })?;
        let compiler = server::compiler(self.server, &tree, &without);
        Ok((self.keep(&built, side, feature)?, compiler))
    }

    /// The folder of the checkout: the user's own for what can be made again, one for each repository.
    fn checkouts(&self) -> anyhow::Result<PathBuf> {
        let common = repo::ask(
            self.root,
            &["rev-parse", "--path-format=absolute", "--git-common-dir"],
        )?;
        let mut hasher = DefaultHasher::new();
        common.hash(&mut hasher);
        let home = caches().join(format!("{:016x}", hasher.finish()));
        anyhow::ensure!(
            !home.starts_with(self.root),
            "{} is inside the repository, whose configuration would apply to the base: set XDG_CACHE_HOME to a folder elsewhere",
            home.display()
        );
        super::require_text("the folder of checkouts", &home, "set XDG_CACHE_HOME to")?;
        std::fs::create_dir_all(&home)
            .with_context(|| format!("failed to create {}", home.display()))?;
        Ok(home)
    }
}

/// The user's own folder for what can be made again.
fn caches() -> PathBuf {
    let set = |name: &str| {
        let dir = std::env::var_os(name).map(PathBuf::from);
        dir.filter(|dir| dir.is_absolute())
    };
    let caches = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    caches
        .unwrap_or_else(std::env::temp_dir)
        .join("load-test-compare")
}

/// What others are to know of a comparison that measures, and what it is to know of them.
#[derive(Default)]
pub struct Measuring {
    _lock: Option<File>,
    /// What is to be said if another one measures on this machine.
    pub notice: Option<String>,
}

impl Measuring {
    /// Begins to measure. A second comparison is not wrong because of this one, so that nothing here is an error.
    pub fn begin() -> Self {
        Self::begin_in(&caches())
    }

    fn begin_in(dir: &Path) -> Self {
        let _nobody_knows_then = std::fs::create_dir_all(dir);
        let lock = File::create(dir.join("measuring")).ok();
        let is_alone = lock
            .as_ref()
            .is_none_or(|lock| !matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
        Self {
            _lock: lock,
            notice: (!is_alone).then(|| "another comparison ran on this machine meanwhile: each finds less than it would alone".into()),
        }
    }
}

/// Variables that hold for the working tree alone: those of git's hooks, those that cargo and rustup have set for this
/// program, and those that the working tree's own configuration sets.
fn ours_alone(root: &Path) -> Vec<String> {
    let mut names: Vec<String> = repo::OF_A_HOOK.map(str::to_owned).into();
    names.extend(["CARGO".to_owned(), "RUSTUP_TOOLCHAIN".to_owned()]);
    let by_cargo = [
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
    ];
    let set = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.extend(set.filter(|name| by_cargo.iter().any(|prefix| name.starts_with(prefix))));
    for file in [".cargo/config.toml", ".cargo/config"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        let config: toml::Table = toml::from_str(&text).unwrap_or_default();
        let env = config.get("env").and_then(toml::Value::as_table);
        names.extend(env.into_iter().flat_map(|env| env.keys().cloned()));
    }
    names
}

/// Brings `tree` to `commit`, with its submodules. Hooks are for people.
fn check_out(root: &Path, tree: &Path, commit: &str) -> anyhow::Result<()> {
    const WITHOUT_HOOKS: [&str; 2] = ["-c", "core.hooksPath=/dev/null"];
    let git = |dir: &Path, args: &[&str]| repo::ask(dir, &[&WITHOUT_HOOKS[..], args].concat());
    let moved = git(
        tree,
        &["checkout", "--quiet", "--detach", "--force", commit],
    )
    .and_then(|_| git(tree, &["clean", "-ffdxq"]));
    if !tree.is_dir() || moved.is_err() {
        // There is none yet, or it is damaged.
        let _made_anew = std::fs::remove_dir_all(tree);
        let path = tree.to_string_lossy();
        git(
            root,
            &["worktree", "add", "--force", "--detach", &path, commit],
        )?;
    }
    if tree.join(".gitmodules").is_file() {
        git(
            tree,
            &[
                "submodule",
                "--quiet",
                "update",
                "--init",
                "--recursive",
                "--force",
            ],
        )
        .context("failed to fetch the submodules of the base")?;
    }
    Ok(())
}

/// Whether both programs are the same. Where that cannot be told, both are measured.
pub fn same(base: &Path, head: &Path) -> bool {
    profile::same(base, head).unwrap_or_else(|error| {
        ui::notice(&format!(
            "whether both programs are the same is not known: {error:#}"
        ));
        false
    })
}

/// What is to be said of how the sides were built.
pub fn notice(base: &Binary, head: &Binary) -> Option<String> {
    let (of_base, of_head) = (base.compiler.as_ref()?, head.compiler.as_ref()?);
    (of_base != of_head).then(|| {
        format!("base is built by {of_base} and head by {of_head}: what differs may be the compilers' part")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_two_comparisons_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("caches");
        let first = Measuring::begin_in(&dir);
        assert_eq!(first.notice, None);
        let second = Measuring::begin_in(&dir).notice.unwrap();
        assert!(second.contains("another comparison ran"), "{second}");
        drop(first);
        assert_eq!(Measuring::begin_in(&dir).notice, None);
    }

    #[test]
    fn compilers_that_differ_are_named() {
        let built_by = |compiler: Option<&str>| Binary {
            path: PathBuf::new(),
            record: SideRecord {
                name: "x".into(),
                commit: None,
                dirty: false,
            },
            compiler: compiler.map(str::to_owned),
        };
        let said = |base, head| notice(&built_by(base), &built_by(head));
        let differ = said(Some("rustc 1.94.0"), Some("rustc 1.95.0")).unwrap();
        assert!(
            differ.starts_with("base is built by rustc 1.94.0 and head by rustc 1.95.0"),
            "{differ}"
        );
        assert_eq!(said(Some("rustc 1.95.0"), Some("rustc 1.95.0")), None);
        // A ready program does not tell.
        assert_eq!(said(None, Some("rustc 1.95.0")), None);
    }

    #[test]
    fn the_checkout_is_made_anew_and_leaves_the_users_own_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (root, tree) = (dir.path().join("work"), dir.path().join("cache/tree"));
        std::fs::create_dir_all(&root).unwrap();
        let git = |args: &[&str]| repo::ask(&root, args).unwrap();
        git(&["init", "--quiet"]);
        let identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"];
        let commit = ["commit", "--quiet", "--allow-empty", "--message", "first"];
        git(&[&identity[..], &commit].concat());
        let commit = git(&["rev-parse", "HEAD"]);
        // On a disk that is not there just now.
        let away = dir.path().join("away").to_string_lossy().into_owned();
        git(&["worktree", "add", "--quiet", "--detach", &away]);
        std::fs::remove_dir_all(&away).unwrap();
        for _ in 0..2 {
            check_out(&root, &tree, &commit).unwrap();
            assert!(git(&["worktree", "list"]).contains(&away));
            // Damaged: the next one makes it anew.
            std::fs::remove_dir_all(&tree).unwrap();
        }
    }
}
