//! Intended changes: `history accept` writes down where their level begins, so that every reader sees it in the same place.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;

use super::lines::{self, Accepted, AcceptedLine};
use super::read::{self, Past};
use crate::error::UsageError;
use crate::record::short_commit;
use crate::{repo, ui};

/// Accepts what changed with `revision`, and prints the commit that brought it.
///
/// # Errors
/// If git does not know the revision, or nothing that is checked out has it; if the history cannot be read or written.
pub fn accept(
    root: &Path,
    results: &Path,
    revision: &str,
    tests: Vec<String>,
    why: &str,
) -> anyhow::Result<()> {
    let now = SystemTime::now();
    let commit = merged(root, revision)?;
    let past = read::read(&lines::path(results), now)?;
    let mut accepted = Accepted {
        committed_at: committed_at(root, &commit)?,
        since: None,
        tests,
        why: why.to_owned(),
        accepted_at: humantime::format_rfc3339_seconds(now).to_string(),
        commit,
    };
    let first = first_run(root, &past, &accepted)?;
    let from = match &first {
        Some((run, at)) => {
            accepted.since = Some(at.clone());
            format!("run {run}, the first that has it")
        }
        None => {
            accepted.since = Some(accepted.accepted_at.clone());
            "the next run, since none has it yet".to_owned()
        }
    };
    let what = match accepted.tests.as_slice() {
        [] => "all tests".to_owned(),
        tests => tests.join(", "),
    };
    let commit = accepted.commit.clone();
    if let Some(notice) = lines::append_lines(results, &[AcceptedLine::new(accepted)])? {
        ui::notice(&notice);
    }
    ui::info(&format!(
        "accepted {} for {what}: a new level begins with {from}; where there are {} runs before it, there is a verdict again after {}",
        short_commit(&commit),
        load_stats::fence::NEED,
        load_stats::fence::NEED_OF_LEVEL
    ));
    ui::print(&format!("{commit}\n")).context("failed to write to standard output")
}

/// The commit in the history of what is checked out that `revision` names; of one that was squashed or rebased when it was
/// merged, the commit that changed the same files from the same to the same.
fn merged(root: &Path, revision: &str) -> anyhow::Result<String> {
    let shown = root.display();
    let named = |name: &str| {
        repo::commit(root, name).ok_or_else(|| {
            UsageError(format!(
                "{name} is not a commit of {shown}: `git log` lists them, and `git fetch --unshallow` gets those that a shallow clone lacks"
            ))
        })
    };
    let (commit, head) = (named(revision)?, named("HEAD")?);
    let (short, at) = (short_commit(&commit), short_commit(&head));
    let base = repo::ask(root, &["merge-base", &commit, &head]).map_err(|_| {
        UsageError(format!(
            "{revision} ({short}) has nothing in common with what is checked out ({at}): in a shallow clone `git fetch --unshallow` gets what is missing"
        ))
    })?;
    if base == commit {
        return Ok(commit);
    }
    let raw = ["--raw", "--no-abbrev", "--no-renames"];
    let change = |from: &str| repo::ask(root, &[&["diff"], &raw[..], &[from, &commit]].concat());
    // All of a branch that was squashed, or the last commit of one that was rebased.
    let wanted = [change(&base)?, change(&format!("{commit}^"))?];
    let wanted = wanted
        .each_ref()
        .map(|text| text.lines().collect::<BTreeSet<_>>());
    let range = format!("{base}..{head}");
    let log = repo::ask(
        root,
        &[&["log", "--format=%H"], &raw[..], &[&range]].concat(),
    )?;
    // The newest first: a change may have been taken back and made once more.
    let mut changes: Vec<(&str, BTreeSet<&str>)> = Vec::new();
    for line in log.lines().filter(|line| !line.is_empty()) {
        match changes.last_mut() {
            Some((_, of_commit)) if line.starts_with(':') => {
                of_commit.insert(line);
            }
            _ => changes.push((line, BTreeSet::new())),
        }
    }
    let is_same = |of_commit: &BTreeSet<&str>| !of_commit.is_empty() && wanted.contains(of_commit);
    let same = changes.iter().find(|(_, of_commit)| is_same(of_commit));
    let (found, _) = same.ok_or_else(|| {
        UsageError(format!(
            "{revision} ({short}) is not in what is checked out ({at}), and none of the commits since they parted ({}) makes the same changes: name the commit that brought it there, which `git log {}..HEAD` lists, or check out a revision that has it",
            short_commit(&base),
            short_commit(&base)
        ))
    })?;
    ui::notice(&format!(
        "{revision} ({short}) was merged as {}, which makes the same changes",
        short_commit(found)
    ));
    Ok((*found).to_owned())
}

/// The first run of a test in question, by name and time, of a revision that has what was accepted.
fn first_run(
    root: &Path,
    past: &Past,
    accepted: &Accepted,
) -> anyhow::Result<Option<(String, String)>> {
    let range = format!("{}..HEAD", accepted.commit);
    let after = repo::ask(root, &["rev-list", "--ancestry-path", &range])?;
    let have: BTreeSet<&str> = after.lines().chain([accepted.commit.as_str()]).collect();
    let first = past.entries.iter().map(|entry| &entry.line).find(|line| {
        let commit = line.commit.as_deref();
        accepted.is_of(&line.key.test) && commit.is_some_and(|commit| have.contains(commit))
    });
    Ok(first.map(|line| (line.run.clone(), line.at.clone())))
}

/// When `commit` was committed, in UTC.
fn committed_at(root: &Path, commit: &str) -> anyhow::Result<String> {
    let shown = repo::ask(root, &["show", "--no-patch", "--format=%ct", commit])?;
    let seconds = shown
        .parse()
        .with_context(|| format!("git gave no date for {commit}: {shown:?}"))?;
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    Ok(humantime::format_rfc3339_seconds(at).to_string())
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    fn git(root: &Path, args: &str) -> String {
        let who = "-c user.name=t -c user.email=t@example.org -c commit.gpgsign=false";
        let words: Vec<&str> = who.split(' ').chain(args.split(' ')).collect();
        repo::ask(root, &words).unwrap()
    }

    fn commit(root: &Path, file: &str, text: &str) -> String {
        std::fs::write(root.join(file), text).unwrap();
        git(root, "add --all");
        git(root, "commit --quiet --message change");
        git(root, "rev-parse HEAD")
    }

    /// A repository whose branch `wanted` was squashed into main, which went on before and after; main's squashed commit,
    /// and the one after it.
    fn squashed(root: &Path) -> [String; 2] {
        git(root, "init --quiet --initial-branch main");
        commit(root, "a", "1");
        git(root, "checkout --quiet -b wanted");
        commit(root, "a", "2");
        commit(root, "a", "3");
        git(root, "checkout --quiet main");
        commit(root, "b", "1");
        git(root, "merge --quiet --squash wanted");
        let squash = commit(root, "a", "3");
        [squash, commit(root, "b", "2")]
    }

    /// What is accepted as `revision` beside 20 nights, of which night 12 ran with the commit `of_night`.
    fn accepted(root: &Path, revision: &str, of_night: &str) -> (Accepted, usize) {
        let results = tempfile::tempdir().unwrap();
        let mut nights: Vec<_> = (0..20).map(testing::line).collect();
        nights[12].commit = Some(of_night.into());
        lines::append_lines(results.path(), &nights).unwrap();
        let tests = vec!["missions".to_owned()];
        accept(root, results.path(), revision, tests, "wanted").unwrap();
        // As one reads it who has no git at all.
        let past = read::read(&lines::path(results.path()), SystemTime::now()).unwrap();
        let entries: Vec<_> = past.entries.iter().collect();
        assert_eq!(past.places(&entries, "specs").count(), 0);
        let (place, accepted) = past.places(&entries, "missions").next().unwrap();
        (accepted.clone(), place)
    }

    #[test]
    fn a_squashed_branch_is_found_and_its_level_begins_at_the_first_run_that_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let [squash, after] = squashed(dir.path());
        for (revision, of_night, place) in [
            ("wanted", &squash, 12),
            ("wanted", &after, 12),
            (&squash, &after, 12),
            // No run has it: it begins with the next one.
            ("wanted", &"d".repeat(40), 20),
        ] {
            let (accepted, found) = accepted(dir.path(), revision, of_night);
            assert_eq!((&accepted.commit, found), (&squash, place), "{revision}");
        }
    }

    #[test]
    fn what_is_not_in_the_checked_out_history_is_refused_and_nothing_is_written() {
        let dir = tempfile::tempdir().unwrap();
        squashed(dir.path());
        git(dir.path(), "checkout --quiet -b other main~1");
        commit(dir.path(), "c", "1");
        git(dir.path(), "checkout --quiet --orphan apart");
        commit(dir.path(), "c", "2");
        git(dir.path(), "checkout --quiet main");
        let results = tempfile::tempdir().unwrap();
        for (revision, said) in [
            ("other", "none of the commits since they parted"),
            ("apart", "has nothing in common with what is checked out"),
            ("nowhere", "is not a commit of"),
        ] {
            let error = accept(dir.path(), results.path(), revision, Vec::new(), "x").unwrap_err();
            assert!(
                error.is::<UsageError>() && error.to_string().contains(said),
                "{error}"
            );
        }
        assert!(!lines::path(results.path()).exists());
    }
}
