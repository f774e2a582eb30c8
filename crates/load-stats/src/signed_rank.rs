//! Wilcoxon's signed-rank test: do paired differences lie above or below zero? And the interval that belongs to it.
//!
//! Sources: F. Wilcoxon, Biometrics Bulletin 1 (1945); J. W. Pratt, JASA 54 (1959), for zeros; J. L. Hodges and
//! E. L. Lehmann, Annals of Mathematical Statistics 34 (1963), for the estimate; M. Hollander and D. A. Wolfe,
//! "Nonparametric Statistical Methods", 3.3, for the interval. The exact distribution is counted over doubled mid-ranks,
//! so that ties need no approximation.

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
    /// Of differences that lie around zero, how likely are such that lie so far above.
    pub above: f64,
    /// The same for below.
    pub below: f64,
}

/// An estimate with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The median of all pairwise means, a value's with itself included.
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
    let ranks: Vec<f64> = signed.iter().map(|&(_, rank)| rank).collect();
    let plus = signed.iter().filter(|(one, _)| *one > 0.0);
    let plus: f64 = plus.map(|(_, rank)| rank).sum();
    let minus = ranks.iter().sum::<f64>() - plus;
    // Signs are symmetric: the lower tail of one sum is the upper tail of the other.
    Ok(SignedRank {
        above: upper_tail(&ranks, plus),
        below: upper_tail(&ranks, minus),
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
    let with_later = |(index, a): (usize, &f64)| {
        let a = *a;
        differences[index..].iter().map(move |b| a / 2.0 + b / 2.0)
    };
    let mut means: Vec<f64> = differences
        .iter()
        .enumerate()
        .flat_map(with_later)
        .collect();
    let Some(last) = means.len().checked_sub(1) else {
        return Err(StatsError::too_few(WHAT, 0, 1));
    };
    // Cheaper than to sort them all.
    let mut nth = |place: usize| *means.select_nth_unstable_by(place, f64::total_cmp).1;
    let cut_off = cut_off(differences.len(), (1.0 - confidence) / 2.0).min(last.div_ceil(2));
    let (low, high) = (
        nth(cut_off.min(last - cut_off)),
        nth(cut_off.max(last - cut_off)),
    );
    let middle = nth(last / 2) / 2.0 + nth(last.div_ceil(2)) / 2.0;
    Ok(Interval {
        // Rounding must not lead out of the two.
        estimate: middle.max(low).min(high),
        low,
        high,
    })
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

/// How many of the sorted pairwise means are cut off at each end: as many as the largest sum of ranks whose lower tail is
/// below `tail`, since so many means lie below a center that the test just rejects.
fn cut_off(pairs: usize, tail: f64) -> usize {
    if let Some(shares) = cumulative(pairs) {
        return shares
            .partition_point(|share| *share < tail)
            .saturating_sub(1);
    }
    let count = pairs as f64;
    let mean = count * (count + 1.0) / 4.0;
    let deviation = (mean * (2.0 * count + 1.0) / 6.0).sqrt();
    (mean + normal_quantile(tail) * deviation - 1.0).max(0.0) as usize
}

fn upper_tail(ranks: &[f64], sum: f64) -> f64 {
    let are_plain = || {
        let mut sorted = ranks.to_vec();
        sort(&mut sorted);
        (1..)
            .zip(&sorted)
            .all(|(place, rank)| f64::from(place) == *rank)
    };
    match cumulative(ranks.len()) {
        // The most frequent case, and of no more than one distribution for each count.
        Some(shares) if are_plain() => shares[shares.len() - 1 - sum as usize],
        Some(_) => exact_tail(ranks, sum),
        None => approximate_tail(ranks, sum),
    }
}

/// P(sum of the ranks 1 to `count` with a random sign each <= place), by place; `None` beyond [`EXACT_LIMIT`].
fn cumulative(count: usize) -> Option<&'static [f64]> {
    static TABLES: [OnceLock<Vec<f64>>; EXACT_LIMIT + 1] =
        [const { OnceLock::new() }; EXACT_LIMIT + 1];
    let table = TABLES.get(count)?.get_or_init(|| {
        let ranks: Vec<usize> = (1..=count).collect();
        let mut sum = 0.0;
        let shares = shares(&ranks).into_iter();
        shares
            .map(|share| {
                sum += share;
                sum
            })
            .collect()
    });
    Some(table)
}

/// P(sum of `ranks` with a random sign each = place), by place, by dynamic programming.
fn shares(ranks: &[usize]) -> Vec<f64> {
    let total: usize = ranks.iter().sum();
    let mut share = vec![0.0; total + 1];
    share[0] = 1.0;
    let mut reached = 0;
    for &rank in ranks {
        reached += rank;
        for place in (0..=reached).rev() {
            let with = if place >= rank {
                share[place - rank]
            } else {
                0.0
            };
            share[place] = (share[place] + with) / 2.0;
        }
    }
    share
}

/// P(sum of ranks with a random sign each >= `sum`), over doubled ranks.
fn exact_tail(ranks: &[f64], sum: f64) -> f64 {
    let doubled = |rank: f64| (2.0 * rank).round() as usize;
    let shares = shares(&ranks.iter().map(|&rank| doubled(rank)).collect::<Vec<_>>());
    let from = doubled(sum).min(shares.len() - 1);
    shares[from..].iter().sum::<f64>().min(1.0)
}

/// The same tail by the normal distribution; the variance is right for ties and Pratt's zeros.
fn approximate_tail(ranks: &[f64], sum: f64) -> f64 {
    let mean = ranks.iter().sum::<f64>() / 2.0;
    let variance = ranks.iter().map(|rank| rank * rank).sum::<f64>() / 4.0;
    normal_tail((sum - mean - 0.5) / variance.sqrt())
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
        let differences = [0.0, 0.0, 0.0, -1.0, 2.0, -3.0, 4.0, 5.0, 6.0];
        // Of 64 sign patterns, 9 have negative ranks that sum to 4 + 6 or less; without the zeros 7 have 1 + 3 or less.
        assert_eq!(signed_rank(&differences)?.above, 9.0 / 64.0);
        assert_eq!(signed_rank(&differences[3..])?.above, 7.0 / 64.0);
        assert_eq!(signed_rank(&[0.0, -0.0])?.above, 1.0);
        Ok(())
    }

    #[test]
    fn all_methods_meet() {
        let ranks: Vec<f64> = (1..=60).map(f64::from).collect();
        let sum = ranks.iter().filter(|rank| *rank % 3.0 != 0.0).sum();
        let (exact, approximate) = (exact_tail(&ranks, sum), approximate_tail(&ranks, sum));
        assert!(
            (approximate / exact - 1.0).abs() < 0.02,
            "{approximate} {exact}"
        );
        assert!((upper_tail(&ranks, sum) / exact - 1.0).abs() < 1e-9);
        assert!((cut_off(EXACT_LIMIT, 0.025).abs_diff(cut_off(EXACT_LIMIT + 1, 0.025))) < 70);
    }

    #[test]
    fn intervals_are_those_of_r() -> Result<(), StatsError> {
        // wilcox.test(x, y, paired = TRUE, conf.int = TRUE) of R's own example, the depression scale of Hollander and Wolfe:
        // qsignrank(0.025, 9) is 6, so the ends are the 6th of the 45 means from either side. No two sizes are equal.
        let values = [0.952, -0.147, 1.022, 0.43, 0.62, 0.59, 0.49, -0.08, 0.01];
        let found = interval(&values, 0.95)?;
        assert!(
            (found.low - 0.01).abs() < 1e-12 && (found.high - 0.786).abs() < 1e-12,
            "{found:?}"
        );
        assert!((found.estimate - 0.46).abs() < 1e-12, "{found:?}");
        assert_eq!(
            interval(&[1.0, 2.0, 6.0], 0.95)?,
            Interval {
                estimate: 2.75,
                low: 1.0,
                high: 6.0
            }
        );
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
