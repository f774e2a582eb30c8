//! The comparison as one link of the chain from build to build: written into the history, and judged with those before it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use load_stats::drift::{Link, drift};
use load_stats::signed_rank::interval;

use super::judge::{Floors, counted_series, series, to_change};
use crate::history::{self, Ratio};
use crate::record::{Blocks, Comparison, Kind, Outcome, percent, share, short_commit};

/// Pairs from which on a ratio's interval says how certain it is.
const FEWEST_PAIRS: usize = 12;

/// Judges the chain that ends with `comparison`, and adds it to the history of `results`; nothing if a side is no commit.
/// What of the history is in the way is a notice.
pub fn judge_and_append(
    results: &Path,
    blocks: &Blocks,
    floors: &Floors,
    comparison: &mut Comparison,
) {
    let sides = [&blocks.base, &blocks.head];
    let is_settled = matches!(comparison.outcome, Outcome::Passed | Outcome::Failed);
    let ([Some(base), Some(head)], false, true) = (
        sides.map(|side| side.commit.clone()),
        sides.iter().any(|side| side.dirty),
        is_settled,
    ) else {
        return;
    };
    let past = match history::read(&history::history_path(results), SystemTime::now()) {
        Ok(past) => past,
        Err(problem) => {
            let notice = format!("nothing is added up from build to build: {problem:#}");
            comparison.notices.push(notice);
            return;
        }
    };
    comparison.notices.extend(past.notices.iter().cloned());
    let mut ratio = Ratio {
        run: comparison.run.clone(),
        at: comparison.started_at.clone(),
        outcome: comparison.outcome,
        base,
        head,
        is_same: comparison.is_same,
        tests: BTreeMap::new(),
    };
    let mut all = series(blocks, floors);
    all.extend(counted_series(blocks, floors));
    for one in &all {
        let links = one.metrics.iter().filter_map(|(measure, metric)| {
            // Of a few pairs, or of those in which it went well, nobody knows how certain the ratio is.
            let all: Option<Vec<f64>> = metric.differences.iter().copied().collect();
            let differences = all.filter(|all| all.len() >= FEWEST_PAIRS)?;
            // A difference of shares is no ratio.
            let link = interval(&differences, 0.95).ok()?;
            (measure.kind() != Kind::Failed).then(|| (measure.clone(), link))
        });
        ratio
            .tests
            .entry(one.test.clone())
            .or_default()
            .extend(links);
    }
    for one in &all {
        let linked = ratio.tests.get(&one.test).cloned().unwrap_or_default();
        let linked = one.metrics.iter().filter(|(it, _)| linked.contains_key(it));
        for (measure, metric) in linked {
            let chain = past.chain(&ratio, &one.test, measure);
            let links: Vec<Link> = chain.iter().map(|(_, link)| *link).collect();
            let Some(found) = drift(&links, metric.floor) else {
                continue;
            };
            let since = chain.get(chain.len() - found.links);
            comparison.reasons.push(format!(
                "{}: {} has drifted by {} over {} builds, since {}; the limit is {}",
                one.test,
                measure.spoken(),
                percent(to_change(measure, found.estimate)),
                found.links,
                since.map_or("", |(ratio, _)| short_commit(&ratio.base)),
                share(to_change(measure, metric.floor)),
            ));
            (comparison.outcome, comparison.exit_code) = (Outcome::Failed, 1);
            ratio.outcome = Outcome::Failed;
        }
    }
    match history::append_ratio(results, ratio) {
        Ok(notice) => comparison.notices.extend(notice),
        Err(problem) => comparison.notices.push(format!("{problem:#}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::judged;
    use crate::record::testing::{blocks, pair};
    use crate::record::{Block, Counted, Measure, Pair};

    /// Night `nth`, whose build is slower than the last by the factor `ratio`; what came of it.
    fn night(results: &Path, nth: usize, ratio: f64) -> Comparison {
        counted_night(results, nth, ratio, 1.0)
    }

    /// The same, of which the instructions of a request are more by the factor `more`.
    fn counted_night(results: &Path, nth: usize, ratio: f64, more: f64) -> Comparison {
        let noise = |pair: usize| 1.0 + (pair * 7 % 5) as f64 * 0.002;
        // As often more as less.
        let pairs = (0..40).map(|pair_nth| pair(noise(pair_nth), noise(2 * pair_nth) * ratio));
        let mut blocks = blocks(pairs.collect());
        let count = |pair: usize, factor: f64| {
            let measure = Measure::instructions("mission_create_duration");
            let mut block = Block::default();
            let value = 70_000.0 * (1.0 + (pair * 7 % 5) as f64 * 0.0005) * factor;
            block.values.insert(measure, value);
            block
        };
        blocks.instructions = Some(Counted {
            planned: 12,
            functions: Vec::new(),
            pairs: (0..12)
                .map(|pair| Pair {
                    test: "missions".into(),
                    base: count(pair, 1.0),
                    head: count(pair + 3, more),
                    ..Pair::default()
                })
                .collect(),
        });
        blocks.started_at = format!("2026-01-{:02}T02:00:00Z", nth + 1);
        blocks.base.commit = Some(format!("{nth:040x}"));
        blocks.head.commit = Some(format!("{:040x}", nth + 1));
        let floors = Floors::default();
        let mut comparison = judged(&blocks, &floors, &format!("{nth}-compare"));
        judge_and_append(results, &blocks, &floors, &mut comparison);
        comparison
    }

    #[test]
    fn one_percent_a_night_is_worse_once_it_adds_up() {
        let results = tempfile::tempdir().unwrap();
        let all: Vec<Comparison> = (0..10)
            .map(|nth| night(results.path(), nth, 1.01))
            .collect();
        let red = all
            .iter()
            .position(|night| night.outcome == Outcome::Failed);
        let red = red.expect("10 % in ten nights");
        assert!((3..8).contains(&red), "night {red}");
        let reasons = &all[red].reasons;
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        let reason = &reasons[0];
        for said in [
            "missions: mission_create_duration median has drifted by +",
            &format!("over {} builds, since 000000000", red + 1),
            "the limit is 3 %",
        ] {
            assert!(reason.contains(said), "{said}: {reason}");
        }
        // Its own comparison finds nothing.
        assert!(all[red].regressions().next().is_none());
        let quiet = tempfile::tempdir().unwrap();
        for nth in 0..20 {
            let night = night(quiet.path(), nth, 1.0);
            assert_eq!(night.outcome, Outcome::Passed, "{:?}", night.reasons);
        }
    }

    #[test]
    fn instructions_add_up_too() {
        let results = tempfile::tempdir().unwrap();
        let mut nights = (0..10).map(|nth| counted_night(results.path(), nth, 1.0, 1.004));
        let red = nights.find(|night| night.outcome == Outcome::Failed);
        let reasons = red.expect("4 % in ten nights").reasons;
        let said = "missions: mission_create_duration instruction count has drifted by +";
        assert!(reasons[0].starts_with(said), "{reasons:?}");
    }

    #[test]
    fn a_ratio_of_few_pairs_is_no_link() {
        let results = tempfile::tempdir().unwrap();
        for nth in 0..10 {
            let base = format!("{nth:040x}");
            let mut blocks = blocks(vec![pair(1.0, 1.2)]);
            blocks.started_at = format!("2026-01-{:02}T02:00:00Z", nth + 1);
            (blocks.base.commit, blocks.head.commit) =
                (Some(base), Some(format!("{:040x}", nth + 1)));
            let mut comparison = judged(&blocks, &Floors::default(), &format!("{nth}-compare"));
            comparison.outcome = Outcome::Passed;
            judge_and_append(results.path(), &blocks, &Floors::default(), &mut comparison);
            assert_eq!(
                comparison.outcome,
                Outcome::Passed,
                "{:?}",
                comparison.reasons
            );
        }
    }

    #[test]
    fn what_is_no_commit_is_no_link() {
        let results = tempfile::tempdir().unwrap();
        let floors = Floors::default();
        let mut blocks = blocks((0..40).map(|_| pair(1.0, 1.0)).collect());
        let mut comparison = judged(&blocks, &floors, "run");
        judge_and_append(results.path(), &blocks, &floors, &mut comparison);
        blocks.base.commit = Some("a".into());
        blocks.head.commit = Some("b".into());
        blocks.head.dirty = true;
        judge_and_append(results.path(), &blocks, &floors, &mut comparison);
        assert!(!history::history_path(results.path()).exists());
    }
}
