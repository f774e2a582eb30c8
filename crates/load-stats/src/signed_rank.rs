//! The signed-rank test: do paired differences lie above or below zero? And the interval that belongs to it.
//!
//! Differences are ranked by their sizes, and the larger half of them count alike: how large a large one is says how much
//! the pair was disturbed. Where a fifth of the pairs are disturbed, the interval is 11 % narrower than with Wilcoxon's
//! plain ranks, and no wider where none are (`cargo bench -p load-stats --bench nights` shows what that is worth).
//!
//! Sources: F. Wilcoxon, Biometrics Bulletin 1 (1945); G. E. Policello and T. P. Hettmansperger, JASA 71 (1976), for ranks
//! that end at a bound; J. W. Pratt, JASA 54 (1959), for zeros; J. L. Hodges and E. L. Lehmann, Annals of Mathematical
//! Statistics 34 (1963), for the estimate and the interval that belong to a rank test. The exact distribution is counted
//! over doubled scores, so that ties need no approximation.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::error::{StatsError, require_finite, require_share};
use crate::numbers::{mid_ranks, normal_quantile, normal_tail, sort};

const WHAT: &str = "the signed-rank test";

/// Up to this many differences other than zero, the distribution is counted out exactly.
const EXACT_LIMIT: usize = 120;

/// The one-sided p-values of a test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignedRank {
    /// Probability of differences at least this far above zero if they are centred on zero.
    pub above: f64,
    /// The same for below.
    pub below: f64,
}

/// An estimate with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The value that balances the test: as much speaks for more as for less.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Tests the hypothesis that `differences` lie around zero.
///
/// Differences of zero are ranked with the others, then their ranks are dropped (Pratt): pairs without a difference count
/// against a difference.
///
/// # Errors
/// No differences, or one that is not finite.
pub fn signed_rank(differences: &[f64]) -> Result<SignedRank, StatsError> {
    if differences.is_empty() {
        return Err(StatsError::too_few(WHAT, 0, 1));
    }
    require_finite(WHAT, differences.iter().copied())?;
    let sizes: Vec<f64> = differences.iter().map(|one| one.abs()).collect();
    let signed: Vec<(f64, f64)> = differences
        .iter()
        .copied()
        .zip(mid_ranks(&sizes))
        .filter(|&(difference, _)| difference != 0.0)
        .collect();
    let most = most(differences.len()) as f64;
    let scores: Vec<f64> = signed.iter().map(|&(_, rank)| rank.min(most)).collect();
    let plus = signed
        .iter()
        .zip(&scores)
        .filter(|((one, _), _)| *one > 0.0);
    let plus: f64 = plus.map(|(_, score)| score).sum();
    let minus = scores.iter().sum::<f64>() - plus;
    // Signs are symmetric: the lower tail of one sum is the upper tail of the other.
    Ok(SignedRank {
        above: upper_tail(&scores, plus),
        below: upper_tail(&scores, minus),
    })
}

/// The Hodges-Lehmann estimate of where `differences` lie, with the interval of those values that the two-sided test at
/// level `1 - confidence` does not reject. With so few differences that no interval is that sure, it is all their range.
///
/// # Errors
/// No differences, one that is not finite, or a confidence outside of (0, 1).
pub fn interval(differences: &[f64], confidence: f64) -> Result<Interval, StatsError> {
    const WHAT: &str = "a confidence interval";
    require_share(WHAT, "confidence", confidence)?;
    require_finite(WHAT, differences.iter().copied())?;
    let mut sorted = differences.to_vec();
    sort(&mut sorted);
    let [Some(&first), Some(&last)] = [sorted.first(), sorted.last()] else {
        return Err(StatsError::too_few(WHAT, 0, 1));
    };
    let whole: usize = scores(sorted.len()).sum();
    let (low, high) = match cut_off(sorted.len(), (1.0 - confidence) / 2.0) {
        Some(cut_off) => (
            falls_below(&sorted, whole - cut_off)[0],
            falls_below(&sorted, cut_off + 1)[1],
        ),
        None => (first, last),
    };
    let balanced = [
        falls_below(&sorted, whole / 2 + 1),
        falls_below(&sorted, whole.div_ceil(2)),
    ];
    Ok(Interval {
        // Rounding must not lead out of the two.
        estimate: (balanced[0][0] / 2.0 + balanced[1][1] / 2.0)
            .max(low)
            .min(high),
        low,
        high,
    })
}

/// The score of the larger half of `count` sizes; those of the smaller half are their ranks.
fn most(count: usize) -> usize {
    count.div_ceil(2)
}

/// The scores of `count` sizes without ties.
fn scores(count: usize) -> impl Iterator<Item = usize> {
    (1..=count).map(move |rank| rank.min(most(count)))
}

/// Between which two values the center lies above which the scores of `sorted` add up to less than `least`: the more it
/// is, the less they do.
fn falls_below(sorted: &[f64], least: usize) -> [f64; 2] {
    // So often that what is left is nothing beside any difference.
    const HALVINGS: usize = 52;
    let (mut low, mut high) = (sorted[0], sorted[sorted.len() - 1]);
    for _ in 0..HALVINGS {
        let middle = low / 2.0 + high / 2.0;
        if !(low < middle && middle < high) {
            break;
        }
        if scores_above(sorted, middle) >= least {
            low = middle;
        } else {
            high = middle;
        }
    }
    [low, high]
}

/// The sum of the scores of those of `sorted` that are more than `center`, each by its distance from there.
fn scores_above(sorted: &[f64], center: f64) -> usize {
    let mut above = sorted.partition_point(|value| *value <= center);
    let (mut below, mut sum) = (above, 0);
    for score in scores(sorted.len()) {
        // The nearest of what is left is next.
        let is_below = above == sorted.len()
            || below > 0 && center - sorted[below - 1] <= sorted[above] - center;
        if is_below {
            below -= 1;
        } else {
            above += 1;
            sum += score;
        }
    }
    sum
}

/// The smallest one-sided p that `pairs` differences can reach: `1 / 2^pairs`, all on one side.
#[must_use]
pub fn smallest_p(pairs: usize) -> f64 {
    0.5_f64.powi(i32::try_from(pairs).unwrap_or(i32::MAX))
}

/// How many pairs it takes until the smallest one-sided p is at most `p`; `None` if none suffice.
#[must_use]
pub fn pairs_for_p(p: f64) -> Option<usize> {
    (1..=1_024).find(|&pairs| smallest_p(pairs) <= p)
}

/// The largest sum of scores whose lower tail is below `tail`; `None` if none is so unlikely.
fn cut_off(pairs: usize, tail: f64) -> Option<usize> {
    if let Some(shares) = cumulative(pairs) {
        return shares.partition_point(|share| *share < tail).checked_sub(1);
    }
    let scores: Vec<f64> = scores(pairs).map(|score| score as f64).collect();
    let (mean, deviation) = moments(&scores);
    Some((mean + normal_quantile(tail) * deviation - 1.0).max(0.0) as usize)
}

fn upper_tail(of: &[f64], sum: f64) -> f64 {
    let are_plain = || {
        let mut sorted = of.to_vec();
        sort(&mut sorted);
        scores(of.len())
            .zip(&sorted)
            .all(|(plain, score)| plain as f64 == *score)
    };
    match cumulative(of.len()) {
        // The most frequent case, and of no more than one distribution for each count.
        Some(shares) if are_plain() => shares[shares.len() - 1 - sum as usize],
        Some(_) => exact_tail(of, sum),
        None => approximate_tail(of, sum),
    }
}

/// P(sum of the scores of `count` sizes with a random sign each <= place), by place; `None` beyond [`EXACT_LIMIT`].
fn cumulative(count: usize) -> Option<&'static [f64]> {
    static TABLES: [OnceLock<Vec<f64>>; EXACT_LIMIT + 1] =
        [const { OnceLock::new() }; EXACT_LIMIT + 1];
    let table = TABLES.get(count)?.get_or_init(|| {
        let scores: Vec<usize> = scores(count).collect();
        let mut sum = 0.0;
        let shares = shares(&scores).into_iter();
        shares
            .map(|share| {
                sum += share;
                sum
            })
            .collect()
    });
    Some(table)
}

/// P(sum of `scores` with a random sign each = place), by place, by dynamic programming.
fn shares(scores: &[usize]) -> Vec<f64> {
    let total: usize = scores.iter().sum();
    let mut share = vec![0.0; total + 1];
    share[0] = 1.0;
    let mut reached = 0;
    for &score in scores {
        reached += score;
        for place in (0..=reached).rev() {
            let with = if place >= score {
                share[place - score]
            } else {
                0.0
            };
            share[place] = (share[place] + with) / 2.0;
        }
    }
    share
}

/// P(sum of `scores` with a random sign each >= `sum`), over the doubled ones.
fn exact_tail(scores: &[f64], sum: f64) -> f64 {
    let doubled = |score: f64| (2.0 * score).round() as usize;
    let shares = shares(
        &scores
            .iter()
            .map(|&score| doubled(score))
            .collect::<Vec<_>>(),
    );
    let from = doubled(sum).min(shares.len() - 1);
    shares[from..].iter().sum::<f64>().min(1.0)
}

/// The same tail by the normal distribution, right for ties and Pratt's zeros.
fn approximate_tail(scores: &[f64], sum: f64) -> f64 {
    let (mean, deviation) = moments(scores);
    normal_tail((sum - mean - 0.5) / deviation)
}

/// Mean and standard deviation of the sum of `scores` with a random sign each.
fn moments(scores: &[f64]) -> (f64, f64) {
    let squares = scores.iter().map(|score| score * score);
    (
        scores.iter().sum::<f64>() / 2.0,
        squares.sum::<f64>().sqrt() / 2.0,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sided_pairs_reach_the_smallest_p() -> Result<(), StatsError> {
        for (pairs, expected) in [(1, 0.5), (5, 0.031_25), (10, 0.000_976_562_5)] {
            let differences: Vec<f64> = (1..=pairs).map(f64::from).collect();
            let found = signed_rank(&differences)?;
            assert_eq!((found.above, found.below), (expected, 1.0));
            assert_eq!(smallest_p(differences.len()), expected);
        }
        assert_eq!(
            (pairs_for_p(0.05), pairs_for_p(0.001), pairs_for_p(0.0)),
            (Some(5), Some(10), None)
        );
        Ok(())
    }

    #[test]
    fn equal_sizes_are_a_sign_test() -> Result<(), StatsError> {
        // 7 of 8 coins on one side: (1 + 8) / 256.
        let p = signed_rank(&[2.0, 2.0, 2.0, -2.0, 2.0, 2.0, 2.0, 2.0])?.above;
        assert!((p - 9.0 / 256.0).abs() < 1e-15, "{p}");
        Ok(())
    }

    #[test]
    fn zeros_count_against_a_difference() -> Result<(), StatsError> {
        let differences = [0.0, 0.0, 0.0, 1.0, -2.0, 3.0, 4.0, 5.0, 6.0];
        // Of 64 sign patterns, 7 have negative scores of 4 and 5 that sum to 5 or less; without the zeros 3 have some of 1
        // to 3 that sum to 2 or less.
        assert_eq!(signed_rank(&differences)?.above, 7.0 / 64.0);
        assert_eq!(signed_rank(&differences[3..])?.above, 3.0 / 64.0);
        assert_eq!(signed_rank(&[0.0, -0.0])?.above, 1.0);
        Ok(())
    }

    #[test]
    fn all_methods_meet() {
        let scores: Vec<f64> = scores(60).map(|score| score as f64).collect();
        let sum = scores.iter().zip(0..).filter(|(_, nth)| nth % 3 != 0);
        let sum = sum.map(|(score, _)| score).sum();
        let (exact, approximate) = (exact_tail(&scores, sum), approximate_tail(&scores, sum));
        assert!(
            (approximate / exact - 1.0).abs() < 0.05,
            "{approximate} {exact}"
        );
        assert!((upper_tail(&scores, sum) / exact - 1.0).abs() < 1e-9);
        let cut_offs = [EXACT_LIMIT, EXACT_LIMIT + 1].map(|pairs| cut_off(pairs, 0.025).unwrap());
        assert!(cut_offs[0].abs_diff(cut_offs[1]) < 70, "{cut_offs:?}");
    }

    #[test]
    fn how_large_a_large_difference_is_says_nothing() -> Result<(), StatsError> {
        let mut values: Vec<f64> = (-4..16).map(|nth| f64::from(nth) / 10.0).collect();
        let before = (signed_rank(&values)?, interval(&values, 0.9)?);
        values[18] = 80.0;
        values[19] = 90.0;
        assert_eq!(signed_rank(&values)?, before.0);
        let found = interval(&values, 0.9)?;
        assert!(
            (found.low - before.1.low).abs() < 1e-9,
            "{found:?} {before:?}"
        );
        assert!(
            found.estimate < before.1.estimate + 0.1 && found.high < 1.5,
            "{found:?} {before:?}"
        );
        Ok(())
    }

    #[test]
    fn intervals_of_three_are_all_their_range() -> Result<(), StatsError> {
        let found = interval(&[1.0, 2.0, 6.0], 0.95)?;
        // Above 2 the scores are 2 of 5, below it 3: 1 for the nearest of them.
        assert!((found.estimate - 2.0).abs() < 1e-12, "{found:?}");
        assert_eq!((found.low, found.high), (1.0, 6.0));
        Ok(())
    }

    #[test]
    fn intervals_hold_just_what_the_test_does_not_reject() -> Result<(), StatsError> {
        let mut random = fastrand::Rng::with_seed(7);
        for (count, confidence) in [(6, 0.95), (10, 0.95), (15, 0.9), (60, 0.95), (120, 0.99)] {
            let values: Vec<f64> = (0..count).map(|_| random.f64() - 0.4).collect();
            let found = interval(&values, confidence)?;
            let is_rejected = |center: f64| {
                let moved: Vec<f64> = values.iter().map(|value| value - center).collect();
                let tested = signed_rank(&moved)?;
                Ok(2.0 * tested.above.min(tested.below) < 1.0 - confidence)
            };
            for (end, outwards) in [(found.low, -1e-9), (found.high, 1e-9)] {
                let is_rejected = [is_rejected(end - outwards)?, is_rejected(end + outwards)?];
                assert_eq!(is_rejected, [false, true], "{count}: {found:?}");
            }
        }
        Ok(())
    }

    #[test]
    fn intervals_cover_as_often_as_they_say() -> Result<(), StatsError> {
        let mut random = fastrand::Rng::with_seed(5);
        for (count, draws) in [(6, 8_000), (10, 4_000), (15, 2_000), (60, 400), (130, 400)] {
            let mut covered = 0;
            for _ in 0..draws {
                // Bounded, lopsided in no direction.
                let values: Vec<f64> = (0..count).map(|_| random.f64() - 0.5).collect();
                let found = interval(&values, 0.95)?;
                covered += u32::from(found.low <= 0.0 && found.high >= 0.0);
            }
            // Of six signs there are 64 patterns, and two of them miss.
            let most = if count == 6 { 62.0 / 64.0 } else { 0.955 };
            let share = f64::from(covered) / f64::from(draws);
            let deviation = (0.95 * 0.05 / f64::from(draws)).sqrt();
            assert!(
                (0.95 - 3.0 * deviation..=most + 3.0 * deviation).contains(&share),
                "{share} of {draws} with {count}"
            );
        }
        Ok(())
    }

    #[test]
    fn bad_values_are_typed_errors() {
        assert!(signed_rank(&[]).is_err());
        assert!(signed_rank(&[1.0, f64::NAN]).is_err());
        assert!(interval(&[], 0.95).is_err());
        assert!(interval(&[1.0], 95.0).is_err());
    }
}
