//! Intended changes: `history accept` writes them down, and the fence starts anew at their revision.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;

use super::lines::{self, Accepted, AcceptedLine};
use super::read::{Entry, Past, time};
use crate::error::UsageError;
use crate::record::short_commit;
use crate::{repo, ui};

/// Which revisions come after which accepted one, as git says.
#[derive(Debug, Default)]
pub struct Lineage {
    /// The revision that is checked out.
    pub head: Option<String>,
    /// For each accepted revision that git knows: itself and what descends from it, up to the one checked out.
    since: HashMap<String, HashSet<String>>,
}

/// Accepts what changed with `revision`.
///
/// # Errors
/// If git does not know the revision, or the history cannot be written.
pub fn accept(
    root: &Path,
    results: &Path,
    revision: &str,
    tests: Vec<String>,
    why: &str,
) -> anyhow::Result<()> {
    let (commit, committed_at) = resolve(root, revision)?;
    let accepted = Accepted {
        commit,
        committed_at,
        tests,
        why: why.to_owned(),
        accepted_at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
    };
    let what = match accepted.tests.as_slice() {
        [] => "all tests".to_owned(),
        tests => tests.join(", "),
    };
    let short = short_commit(&accepted.commit).to_owned();
    if let Some(notice) = lines::append_lines(results, &[AcceptedLine::new(accepted)])? {
        ui::notice(&notice);
    }
    ui::print(&format!(
        "accepted {short} for {what}: the fence starts anew there, and gives its first verdict after 30 runs\n"
    ))
    .context("failed to write to standard output")
}

/// The commit that `revision` names, and when it was committed, in UTC.
fn resolve(root: &Path, revision: &str) -> anyhow::Result<(String, String)> {
    let commit = repo::commit(root, revision).ok_or_else(|| {
        UsageError(format!(
            "{revision} names no commit of {}: `git log` lists them, and `git fetch --unshallow` gets those that a shallow clone left out",
            root.display()
        ))
    })?;
    let shown = repo::ask(root, &["show", "--no-patch", "--format=%ct", &commit])?;
    let seconds = shown
        .parse()
        .with_context(|| format!("git gave no date of {commit}: {shown:?}"))?;
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    Ok((commit, humantime::format_rfc3339_seconds(at).to_string()))
}

impl Lineage {
    /// Asks git what descends from the accepted revisions. A revision that git does not know is taken by its date.
    pub fn look(root: &Path, accepted: &[Accepted]) -> Self {
        if accepted.is_empty() {
            return Self::default();
        }
        let mut since = HashMap::new();
        for commit in accepted.iter().map(|accepted| &accepted.commit) {
            let range = format!("{commit}..HEAD");
            let descendants = ["rev-list", "--ancestry-path", "--end-of-options", &range];
            if let Ok(text) = repo::ask(root, &descendants) {
                let descendants = text.lines().map(str::to_owned);
                since.insert(
                    commit.clone(),
                    descendants.chain([commit.clone()]).collect(),
                );
            }
        }
        Self {
            head: repo::commit(root, "HEAD"),
            since,
        }
    }

    /// Where in `entries`, which are in order of time, the past of `test` begins anew, and what was accepted there.
    ///
    /// Nothing of the past is left if none of the runs has the accepted revision yet, but what is checked out has.
    pub fn start<'a>(
        &self,
        past: &'a Past,
        entries: &[&Entry],
        test: &str,
    ) -> Option<(usize, &'a Accepted)> {
        self.places(past, entries, test)
            .max_by_key(|(index, _)| *index)
    }

    /// Where in `entries` each accepted change of `test` is first seen.
    pub fn places<'a>(
        &self,
        past: &'a Past,
        entries: &[&Entry],
        test: &str,
    ) -> impl Iterator<Item = (usize, &'a Accepted)> {
        past.accepted
            .iter()
            .filter(move |accepted| {
                accepted.tests.is_empty() || accepted.tests.iter().any(|name| name == test)
            })
            .filter_map(move |accepted| Some((self.place(accepted, entries)?, accepted)))
    }

    fn place(&self, accepted: &Accepted, entries: &[&Entry]) -> Option<usize> {
        let Some(since) = self.since.get(&accepted.commit) else {
            let committed = time(&accepted.committed_at).ok()?;
            let first = entries.iter().position(|entry| entry.at >= committed);
            return Some(first.unwrap_or(entries.len()));
        };
        let has = |commit: Option<&String>| commit.is_some_and(|commit| since.contains(commit));
        entries
            .iter()
            .position(|entry| has(entry.line.commit.as_ref()))
            .or_else(|| has(self.head.as_ref()).then_some(entries.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    fn accepted(commit: &str, tests: &[&str]) -> Accepted {
        Accepted {
            commit: commit.into(),
            tests: tests.iter().map(|&test| test.into()).collect(),
            ..testing::accepted("wanted")
        }
    }

    fn start(lineage: &Lineage, accepted: Accepted) -> Option<usize> {
        let mut past = testing::past(20);
        past.accepted = vec![accepted];
        let entries: Vec<&Entry> = past.entries.iter().collect();
        lineage
            .start(&past, &entries, "missions")
            .map(|(index, _)| index)
    }

    #[test]
    fn the_past_begins_at_the_first_run_that_has_the_change() {
        let change = "c".repeat(40);
        let lineage = Lineage {
            head: Some(testing::commit(19)),
            since: HashMap::from([(
                change.clone(),
                HashSet::from([change.clone(), testing::commit(12), testing::commit(19)]),
            )]),
        };
        assert_eq!(start(&lineage, accepted(&change, &[])), Some(12));
        assert_eq!(start(&lineage, accepted(&change, &["missions"])), Some(12));
        assert_eq!(start(&lineage, accepted(&change, &["specs"])), None);
    }

    #[test]
    fn a_change_that_no_run_has_yet_leaves_no_past_for_those_who_have_it() {
        let change = "c".repeat(40);
        let since = HashMap::from([(change.clone(), HashSet::from([change.clone()]))]);
        let with = Lineage {
            head: Some(change.clone()),
            since: since.clone(),
        };
        assert_eq!(start(&with, accepted(&change, &[])), Some(20));
        let without = Lineage {
            head: Some("d".repeat(40)),
            since,
        };
        assert_eq!(start(&without, accepted(&change, &[])), None);
    }

    #[test]
    fn a_revision_that_git_does_not_know_counts_by_its_date() {
        // Night 10 is the 11th of January.
        assert_eq!(
            start(&Lineage::default(), accepted("unknown", &[])),
            Some(10)
        );
    }
}
