//! `--capacity`: how much load either side withstands, in pairs of searches.
//!
//! The sides are searched one after the other, each alone on the machine with fresh servers in every step, since two
//! servers at their edge would take the machine from each other. A pair gives the ratio of what was found. What the
//! searches of a pair have in common, and why each of their steps is believed at once, is in [`load_stats::capacity`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use load_stats::capacity::near;

use super::bench::Broken;
use super::rounds::Rounds;
use crate::cli::{Capacity, Compare, Running, Search, To};
use crate::load_test::{Begin, Searches};
use crate::record::{
    LoadUnit, Measure, Outcome, Pair, RunFolder, SearchEnd, SearchRecord, SearchedSide, Side,
    StepRecord,
};
use crate::shell::interrupt;
use crate::ui;

/// By which factor the loads grow at first, when nothing is known.
const FIRST_FACTOR: f64 = 2.0;
/// How exactly the base's edge is found before the first pair, which only begins near it.
const ROUGH: f64 = 0.25;
/// What a load below the least one counts as.
const BELOW_ONE: f64 = 0.5;

/// What `cargo xtask capacity` would be asked, to search in `tests` as the command line says.
pub fn asked(args: &Compare, tests: &[String]) -> Option<Capacity> {
    args.capacity.then(|| Capacity {
        tests: tests.to_vec(),
        search: Search {
            rate: args.rate,
            resolution: args.resolution,
            budget: args.budget,
            // Nothing is confirmed.
            confirm: Duration::ZERO,
            step: args.step,
            start: args.start,
        },
        to: To {
            base_url: Some("http://127.0.0.1:0".into()),
            ws_url: None,
        },
        running: Running {
            judge_when_busy: args.judge_when_busy,
            ..Running::default()
        },
    })
}

/// The same as it is kept.
pub fn to_record(asked: &Capacity) -> SearchRecord {
    let judge_when_busy = asked.running.judge_when_busy;
    let asked = &asked.search;
    SearchRecord {
        unit: LoadUnit::by_rate(asked.rate),
        resolution: asked.resolution,
        step_s: asked.step.map(|it| it.as_secs_f64()),
        start: asked.start,
        budget_s: asked.budget.as_secs_f64(),
        judge_when_busy,
    }
}

/// The searching of a comparison.
struct PairedSearching<'a, 's> {
    searches: &'s mut Searches<'a>,
    asked: &'s Search,
    unit: LoadUnit,
    until: Instant,
}

impl Rounds<'_> {
    /// Searches for the capacity of both sides in pairs; the tests take turns. A test of which a side shows no number is
    /// not searched in any more, since there is nothing left to judge.
    ///
    /// # Errors
    /// If a search cannot be made, the time is up, or an interruption arrives; the pairs so far are in `blocks`.
    pub fn search(&mut self, asked: &Capacity, folder: &RunFolder) -> anyhow::Result<()> {
        let (root, config) = (self.bench.root, self.bench.config);
        let k6 = self.bench.k6.clone();
        let mut searches = Searches::new(asked, root, config, k6, folder.clone())?;
        let searched = self.search_all(&mut PairedSearching {
            searches: &mut searches,
            asked: &asked.search,
            unit: to_record(asked).unit,
            until: Instant::now() + asked.search.budget,
        });
        self.notices.extend(searches.notices());
        searched
    }

    fn search_all(&mut self, searching: &mut PairedSearching<'_, '_>) -> anyhow::Result<()> {
        let &mut PairedSearching { asked, unit, .. } = searching;
        let (tests, pairs) = (self.plan.tests.clone(), self.plan.pairs);
        // The edges that pairs begin near, of each test; none where it is not searched in any more.
        let mut known: Vec<Vec<f64>> = Vec::new();
        for (index, test) in tests.iter().enumerate() {
            ui::step(&format!("{test}: about how much the base withstands"));
            let begin = (asked.start, FIRST_FACTOR, asked.resolution.max(ROUGH));
            let Some(rough) = self.search_side(searching, index, 0, Side::Base, begin)? else {
                return Ok(());
            };
            known.push(edge(&rough).into_iter().collect());
            if edge(&rough).is_none() {
                self.blocks.pairs.push(pair_of(test, unit, vec![rough]));
            }
        }
        for nth in 1..=pairs {
            for (index, test) in tests.iter().enumerate() {
                let found = &mut known[index];
                let Some(load) = near(found, asked.resolution, self.random.f64()) else {
                    continue;
                };
                let begin = (load, 1.0 + asked.resolution, asked.resolution);
                let mut made = Vec::new();
                for side in self.order(test, nth) {
                    ui::step(&format!("{test}, pair {nth} of {pairs}: {}", side.name()));
                    let searched = self.search_side(searching, index, nth, side, begin)?;
                    let Some(searched) = searched else {
                        return Ok(());
                    };
                    let is_known = edge(&searched).is_some();
                    made.push(searched);
                    if !is_known {
                        break;
                    }
                }
                let edges: Vec<f64> = made.iter().filter_map(edge).collect();
                match edges.len() {
                    2 => found.extend(edges),
                    _ => found.clear(),
                }
                self.blocks.pairs.push(pair_of(test, unit, made));
            }
        }
        Ok(())
    }

    /// Which side is searched first in pair `nth` of `test`: as often the one as the other, in an order that nobody
    /// knows beforehand.
    fn order(&mut self, test: &str, nth: usize) -> [Side; 2] {
        let before = self.blocks.pairs_of(test);
        let before = before.last().and_then(|pair| pair.searches.first());
        let first = match before {
            Some(first) if nth.is_multiple_of(2) => first.side.other(),
            _ if self.random.bool() => Side::Base,
            _ => Side::Head,
        };
        [first, first.other()]
    }

    /// One search, which begins with a load and the factor and the resolution that follow it; nothing if the head did not
    /// withstand it.
    fn search_side(
        &mut self,
        searching: &mut PairedSearching<'_, '_>,
        index: usize,
        nth: usize,
        side: Side,
        (load, factor, resolution): (u64, f64, f64),
    ) -> anyhow::Result<Option<SearchedSide>> {
        let test = self.plan.tests[index].clone();
        let dir = self.bench.folder(&format!("{test}-{nth:03}"), side)?;
        let begin = Begin {
            load,
            factor,
            resolution,
            budget: searching.until.saturating_duration_since(Instant::now()),
        };
        let program = self.bench.programs[side as usize];
        let record = searching.searches.search(index, program, &dir, begin);
        interrupt::check()?;
        let found = record.capacity.context("a search left no record")?;
        match &found.ended {
            SearchEnd::Budget => anyhow::bail!(
                "the time was up in pair {nth} of {} of {test}: give a longer --budget, or make --step shorter or --resolution coarser",
                self.plan.pairs
            ),
            SearchEnd::Broken(why) if record.outcome == Outcome::Failed => {
                let why = format!("{why} (see {})", dir.display());
                return self.stood(&test, Err(Broken { side, why }));
            }
            SearchEnd::ResolutionReached => {
                // Nothing went wrong, so that nobody needs its files.
                let _only_room = std::fs::remove_dir_all(&dir);
            }
            _ => {}
        }
        ui::info(&format!("{}: {}", side.name(), found.answer()));
        Ok(Some(SearchedSide { side, found }))
    }
}

/// The pair of the searches that were `made`, with what there is no number for.
fn pair_of(test: &str, unit: LoadUnit, made: Vec<SearchedSide>) -> Pair {
    let measure = Measure::Capacity(unit);
    let mut pair = Pair {
        test: test.into(),
        ..Pair::default()
    };
    for searched in &made {
        let SearchedSide { side, found } = searched;
        let block = match side {
            Side::Base => &mut pair.base,
            Side::Head => &mut pair.head,
        };
        block.requests = found.steps.iter().map(requests).sum();
        match edge(searched) {
            Some(edge) => {
                block.values.insert(measure.clone(), edge);
            }
            None => {
                let why = format!("the {} {}", side.name(), found.sentence());
                pair.lacking.insert(measure.clone(), why);
            }
        }
    }
    pair.searches = made;
    pair
}

fn requests(step: &StepRecord) -> u64 {
    (step.requests_per_second * step.duration_s).round() as u64
}

/// The load that stands for what was found, the middle of the interval; `None` if the edge is not known, as where k6 was
/// the limit. A head that does not withstand the least load is worse than any base that does.
fn edge(SearchedSide { side, found }: &SearchedSide) -> Option<f64> {
    let followed = found.followed().map(|it| it.value);
    let holds_nothing =
        found.ended == SearchEnd::ResolutionReached && found.interval.below == Some(1.0);
    followed.or((*side == Side::Head && holds_nothing).then_some(BELOW_ONE))
}

/// What gave way on either side of `pairs`, in words; empty if nothing was searched for.
pub fn gave_way(pairs: &[&Pair]) -> String {
    let of = |side: Side| {
        let searches = pairs.iter().flat_map(|pair| &pair.searches);
        let causes = searches
            .filter(|it| it.side == side)
            .filter_map(|it| it.found.cause.as_ref());
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for cause in causes {
            *counts.entry(&cause.what).or_default() += 1;
        }
        let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let all = counts.len();
        let words = counts.into_iter().map(|(what, count)| match all {
            1 => what.to_owned(),
            _ => format!("{what} ({count}×)"),
        });
        words.collect::<Vec<_>>().join(", ")
    };
    let [base, head] = Side::BOTH.map(of);
    match (base.is_empty(), head.is_empty()) {
        (true, true) => String::new(),
        _ if base == head => format!("gave way: {base}"),
        (false, false) => format!("gave way: base {base}; head {head}"),
        (false, true) => format!("gave way: base {base}"),
        (true, false) => format!("gave way: head {head}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::judge::Floors;
    use crate::compare::judged;
    use crate::record::testing::{blocks, searched};
    use crate::record::{Blocks, Change, Comparison};

    const QUEUE: &str = "a queue of the server";

    fn held(side: Side, at_least: f64) -> SearchedSide {
        let known = SearchEnd::ResolutionReached;
        searched(
            side,
            at_least,
            Some((at_least * 1.05).max(1.0)),
            known,
            QUEUE,
        )
    }

    /// Pairs of one test in which base and head hold these loads.
    fn pairs(loads: &[(f64, f64)]) -> Blocks {
        let pair = |&(base, head): &(f64, f64)| {
            let made = vec![held(Side::Head, head), held(Side::Base, base)];
            pair_of("missions", LoadUnit::Users, made)
        };
        let mut blocks = blocks(loads.iter().map(pair).collect());
        blocks.planned = 6;
        blocks.capacity = Some(SearchRecord {
            unit: LoadUnit::Users,
            resolution: 0.05,
            step_s: None,
            start: 10,
            budget_s: 3_600.0,
            judge_when_busy: false,
        });
        blocks
    }

    fn judge(blocks: &Blocks) -> (Comparison, Change) {
        let floors = Floors {
            resolution: Some(0.05),
            ..Floors::default()
        };
        let comparison = judged(blocks, &floors, "run");
        let change = comparison.tests[0].metrics[0].change;
        (comparison, change)
    }

    /// Six pairs with some noise, of a head that withstands `ratio` of what the base does.
    fn six(ratio: f64) -> Vec<(f64, f64)> {
        let noise = |nth: usize| 1.0 + (nth * 7 % 5) as f64 * 0.01;
        (0..6)
            .map(|nth| (100.0 * noise(nth), 100.0 * noise(nth + 3) * ratio))
            .collect()
    }

    #[test]
    fn a_head_that_withstands_less_is_worse_and_what_gave_way_is_named() {
        let mut blocks = pairs(&six(0.8));
        let cause = blocks.pairs[2].searches[0].found.cause.as_mut();
        cause.unwrap().what = "server CPU".into();
        let (comparison, change) = judge(&blocks);
        assert_eq!((change, comparison.exit_code), (Change::Regression, 1));
        let reason = &comparison.reasons[0];
        assert!(reason.starts_with("missions: capacity is 8"), "{reason}");
        assert!(reason.contains(" % below the base's 10"), "{reason}");
        assert!(reason.ends_with("the limit is 5 %"), "{reason}");
        let metric = &comparison.tests[0].metrics[0];
        let by = "gave way: base a queue of the server; head a queue of the server (5×), server CPU (1×)";
        assert_eq!(metric.note, by);
        let evidence = metric.evidence.unwrap();
        assert!(evidence.low < -0.2 && -0.2 < evidence.high && evidence.high < -0.05);
        assert!((evidence.floor - 0.05).abs() < 1e-9);
        assert_eq!(comparison.tests[0].searches.len(), 6);
    }

    #[test]
    fn more_is_better_and_what_lies_within_the_resolution_is_no_change() {
        assert_eq!(judge(&pairs(&six(1.25))).1, Change::Improvement);
        for ratio in [1.0, 0.96, 1.04] {
            let (comparison, change) = judge(&pairs(&six(ratio)));
            assert_eq!((change, comparison.exit_code), (Change::Unchanged, 0));
        }
        // One pair is enough to take back what the others say.
        let mut loads = six(0.8);
        loads[4] = (80.0, 100.0);
        assert_eq!(judge(&pairs(&loads)).1, Change::Unchanged);
    }

    #[test]
    fn without_a_number_of_each_side_in_each_pair_nothing_is_green() {
        let refused = |blocks: &Blocks, why: &str| {
            let (comparison, change) = judge(blocks);
            assert_eq!(
                (change, comparison.exit_code),
                (Change::NotJudged, 3),
                "{why}"
            );
            let reasons = comparison.reasons.join("\n");
            assert!(reasons.contains(why), "{reasons}");
        };
        refused(&pairs(&six(0.8)[..5]), "the measuring ended before a look");
        let ended = |side: Side, ended: SearchEnd| {
            let mut blocks = pairs(&six(1.0)[..3]);
            let last = vec![
                held(side.other(), 100.0),
                searched(side, 90.0, None, ended, "load generator"),
            ];
            blocks.pairs[2] = pair_of("missions", LoadUnit::Users, last);
            blocks
        };
        let limited = "1 of 3 pairs lack it: the head holds at least 90 users; this machine cannot ask for more";
        refused(&ended(Side::Head, SearchEnd::Generator), limited);
        let broken = SearchEnd::Broken("k6 ended".into());
        refused(
            &ended(Side::Base, broken),
            "the base holds at least 90 users; then k6 ended",
        );
    }

    #[test]
    fn a_head_that_holds_nothing_is_worse_and_a_base_that_does_says_nothing() {
        let (comparison, change) = judge(&pairs(&[(100.0, 0.0); 6]));
        assert_eq!((change, comparison.exit_code), (Change::Regression, 1));
        let (comparison, change) = judge(&pairs(&[(0.0, 0.0); 6]));
        assert_eq!((change, comparison.exit_code), (Change::NotJudged, 3));
        assert!(comparison.reasons[0].contains("the base does not even hold 1 user"));
    }
}
