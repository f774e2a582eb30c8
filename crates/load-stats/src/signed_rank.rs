//! Wilcoxon's signed-rank test: do paired differences lie around zero?
//!
//! Sources: F. Wilcoxon, Biometrics Bulletin 1 (1945); J. W. Pratt, JASA 54 (1959), for zeros. The
//! exact distribution is counted over doubled mid-ranks, so that ties need no approximation.

use crate::error::{StatsError, require_finite};
use crate::numbers::{mid_ranks, normal_tail};

const WHAT: &str = "the signed-rank test";

/// Up to this many differences other than zero, the distribution is counted out exactly.
const EXACT_LIMIT: usize = 60;

/// The two-sided p-value of the hypothesis that `differences` lie around zero: 1 if all are zero.
///
/// Differences of zero are ranked with the others, then their ranks are dropped (Pratt): pairs without a difference count
/// against a difference.
///
/// # Errors
/// No differences, or one that is not finite.
pub fn signed_rank(differences: &[f64]) -> Result<f64, StatsError> {
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
    let upper_tail = if ranks.len() <= EXACT_LIMIT {
        exact_tail
    } else {
        approximate_tail
    };
    // Signs are symmetric: the lower tail of one sum is the upper tail of the other.
    Ok((2.0 * upper_tail(&ranks, plus.max(minus))).min(1.0))
}

/// The smallest two-sided p that `pairs` differences can reach: `2 / 2^pairs`, all on one side.
#[must_use]
pub fn smallest_p(pairs: usize) -> f64 {
    let halvings = i32::try_from(pairs).unwrap_or(i32::MAX);
    (2.0 * 0.5_f64.powi(halvings)).min(1.0)
}

/// How many pairs it takes until the smallest two-sided p is at most `p`; `None` if none suffice.
#[must_use]
pub fn pairs_for_p(p: f64) -> Option<usize> {
    (1..=1_024).find(|&pairs| smallest_p(pairs) <= p)
}

/// P(sum of ranks with a random sign each >= `sum`), by dynamic programming over doubled ranks.
fn exact_tail(ranks: &[f64], sum: f64) -> f64 {
    let doubled: Vec<usize> = ranks
        .iter()
        .map(|rank| (2.0 * rank).round() as usize)
        .collect();
    let total: usize = doubled.iter().sum();
    let mut share = vec![0.0; total + 1];
    share[0] = 1.0;
    let mut reached = 0;
    for rank in doubled {
        reached += rank;
        for place in (0..=reached).rev() {
            let without = share[place];
            let with = if place >= rank {
                share[place - rank]
            } else {
                0.0
            };
            share[place] = (without + with) / 2.0;
        }
    }
    let from = ((2.0 * sum).round() as usize).min(total);
    share[from..].iter().sum::<f64>().min(1.0)
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
        for (pairs, expected) in [(1, 1.0), (5, 0.0625), (6, 0.031_25), (10, 0.001_953_125)] {
            let differences: Vec<f64> = (1..=pairs).map(f64::from).collect();
            assert_eq!(signed_rank(&differences)?, expected);
            assert_eq!(smallest_p(differences.len()), expected);
        }
        assert_eq!(
            (pairs_for_p(0.05), pairs_for_p(0.002), pairs_for_p(0.0)),
            (Some(6), Some(10), None)
        );
        Ok(())
    }

    #[test]
    fn equal_sizes_are_a_sign_test() -> Result<(), StatsError> {
        // 7 of 8 coins on one side: (1 + 8) / 256 in one tail.
        let p = signed_rank(&[2.0, 2.0, 2.0, -2.0, 2.0, 2.0, 2.0, 2.0])?;
        assert!((p - 18.0 / 256.0).abs() < 1e-15, "{p}");
        Ok(())
    }

    #[test]
    fn zeros_count_against_a_difference() -> Result<(), StatsError> {
        let differences = [0.0, 0.0, 0.0, -1.0, 2.0, -3.0, 4.0, 5.0, 6.0];
        // Of 64 sign patterns, 9 have negative ranks that sum to 4 + 6 or less; without the zeros 7 have 1 + 3 or less.
        assert_eq!(signed_rank(&differences)?, 18.0 / 64.0);
        assert_eq!(signed_rank(&differences[3..])?, 14.0 / 64.0);
        assert_eq!(signed_rank(&[0.0, -0.0])?, 1.0);
        Ok(())
    }

    #[test]
    fn both_methods_meet_at_the_limit() {
        let ranks: Vec<f64> = (1..=60).map(f64::from).collect();
        let sum = ranks.iter().filter(|rank| *rank % 3.0 != 0.0).sum();
        let (exact, approximate) = (exact_tail(&ranks, sum), approximate_tail(&ranks, sum));
        assert!(
            (approximate / exact - 1.0).abs() < 0.02,
            "{approximate} {exact}"
        );
    }

    #[test]
    fn bad_values_are_typed_errors() {
        assert!(signed_rank(&[]).is_err());
        assert!(signed_rank(&[1.0, f64::NAN]).is_err());
    }
}
