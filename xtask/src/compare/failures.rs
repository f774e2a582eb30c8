//! What failed: requests and checks, which need no statistics where only the head has them.

use std::collections::{BTreeMap, BTreeSet};

use load_stats::sign_test;

use crate::record::{Block, Kind};

/// Failures that both sides have are worse in the head only if chance would make it so in fewer cases than this.
const LEVEL: f64 = 0.01;
/// What failed requests are called among the checks.
const REQUESTS: &str = "requests";

type Pairs<'a> = [(&'a Block, &'a Block)];

/// What went wrong with the head and never with the base, in sentences.
pub fn only_in_head(pairs: &Pairs<'_>) -> Vec<String> {
    let requests = requests(pairs);
    let sentence = |what: &String, count: Counts| match what.as_str() {
        REQUESTS => format!(
            "{} of {} requests failed in head and none in base",
            count.head, requests.head
        ),
        check => format!(
            "check \"{check}\" failed {} times in head and never in base",
            count.head
        ),
    };
    let counts = counts(pairs);
    let only = counts.iter().filter(|(_, count)| count.base == 0);
    only.map(|(what, count)| sentence(what, *count)).collect()
}

/// What went wrong with the head more than with the base, in sentences: failures that only it has, and those that it
/// has more of than chance would make.
pub fn worse(pairs: &Pairs<'_>) -> Vec<String> {
    let counts = counts(pairs);
    let level = LEVEL / counts.len().max(1) as f64;
    let more = counts
        .iter()
        .filter(|(_, count)| count.base > 0)
        .filter_map(|(what, count)| {
            let (larger, smaller) = directions(pairs, what);
            let p = sign_test::more_often(larger, smaller);
            let requests = requests(pairs);
            let (base, head) = (
                share(count.base, requests.base),
                share(count.head, requests.head),
            );
            (p <= level && head - base > Kind::Failed.floor_in_pairs()).then(|| {
                format!(
                    "{}: {:.2} failures per 100 requests in head, {:.2} in base; more in {larger} of {} pairs that differ (p = {p:.1e})",
                    label(what),
                    head * 100.0,
                    base * 100.0,
                    larger + smaller,
                )
            })
        });
    let mut worse = only_in_head(pairs);
    worse.extend(more);
    worse
}

/// What went wrong with the base too.
pub fn in_both(pairs: &Pairs<'_>) -> Vec<String> {
    let counts = counts(pairs);
    let both = counts.iter().filter(|(_, count)| count.base > 0);
    both.map(|(what, count)| {
        format!(
            "{}: failed {} times in base, {} times in head",
            label(what),
            count.base,
            count.head
        )
    })
    .collect()
}

/// A count on each side.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    base: u64,
    head: u64,
}

/// Failures by what failed.
fn counts(pairs: &Pairs<'_>) -> BTreeMap<String, Counts> {
    let what: BTreeSet<&String> = pairs
        .iter()
        .flat_map(|(base, head)| base.failed_checks.keys().chain(head.failed_checks.keys()))
        .collect();
    let mut counts: BTreeMap<String, Counts> = what
        .into_iter()
        .cloned()
        .chain(std::iter::once(REQUESTS.to_owned()))
        .map(|what| {
            let counts = Counts {
                base: pairs.iter().map(|pair| failed(pair.0, &what)).sum(),
                head: pairs.iter().map(|pair| failed(pair.1, &what)).sum(),
            };
            (what, counts)
        })
        .collect();
    counts.retain(|_, count| count.base + count.head > 0);
    counts
}

fn requests(pairs: &Pairs<'_>) -> Counts {
    Counts {
        base: pairs.iter().map(|pair| pair.0.requests).sum(),
        head: pairs.iter().map(|pair| pair.1.requests).sum(),
    }
}

fn failed(block: &Block, what: &str) -> u64 {
    match what {
        REQUESTS => block.failed_requests,
        check => block.failed_checks.get(check).copied().unwrap_or(0),
    }
}

/// In how many pairs a larger share of the head's requests failed, and in how many a smaller one.
fn directions(pairs: &Pairs<'_>, what: &str) -> (u64, u64) {
    let (mut larger, mut smaller) = (0, 0);
    for (base, head) in pairs {
        let difference =
            share(failed(head, what), head.requests) - share(failed(base, what), base.requests);
        larger += u64::from(difference > 0.0);
        smaller += u64::from(difference < 0.0);
    }
    (larger, smaller)
}

fn share(count: u64, of: u64) -> f64 {
    count as f64 / of.max(1) as f64
}

fn label(what: &str) -> String {
    match what {
        REQUESTS => REQUESTS.to_owned(),
        check => format!("check \"{check}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{block, blocks};
    use crate::record::{Blocks, Side};

    fn pairs(change: impl Fn(usize, Side) -> u64) -> Blocks {
        let one = |pair, side| {
            let mut block = block(pair, side, 1.0);
            block.failed_requests = change(pair, side);
            block
        };
        blocks(
            (0..12)
                .flat_map(|pair| [one(pair, Side::Base), one(pair, Side::Head)])
                .collect(),
        )
    }

    fn said(blocks: &Blocks) -> Vec<String> {
        worse(&blocks.pairs_of("missions", 0))
    }

    #[test]
    fn errors_only_in_head_are_named() {
        let mut blocks = pairs(|_, _| 0);
        blocks.blocks[5].failed_requests = 3;
        blocks.blocks[5].failed_checks.insert("status".into(), 2);
        assert_eq!(
            said(&blocks),
            [
                "3 of 2400 requests failed in head and none in base",
                "check \"status\" failed 2 times in head and never in base"
            ]
        );
        blocks.blocks[0].failed_requests = 1;
        assert_eq!(
            said(&blocks).len(),
            1,
            "one failure here and three there may be chance"
        );
        assert_eq!(
            in_both(&blocks.pairs_of("missions", 0)),
            ["requests: failed 1 times in base, 3 times in head"]
        );
    }

    #[test]
    fn many_more_errors_are_not_excused_by_a_single_one_in_the_base() {
        let blocks = pairs(|pair, side| match side {
            Side::Base => u64::from(pair == 3),
            Side::Head => 40,
        });
        let said = said(&blocks);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("more in 12 of 12 pairs"), "{said:?}");
    }

    #[test]
    fn as_many_errors_on_both_sides_are_no_difference() {
        let blocks = pairs(|pair, side| match side {
            Side::Base => (pair as u64 * 7) % 5,
            Side::Head => (pair as u64 * 3) % 5,
        });
        assert!(said(&blocks).is_empty());
    }
}
