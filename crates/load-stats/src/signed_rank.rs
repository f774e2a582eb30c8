//! Wilcoxon's signed-rank test: do paired differences lie around zero?
//!
//! Sources: F. Wilcoxon, Biometrics Bulletin 1 (1945); J. W. Pratt, JASA 54 (1959), for zeros. The
//! exact distribution is counted over doubled mid-ranks, so that ties need no approximation.

use crate::error::{StatsError, require_finite};
use crate::numbers::{mid_ranks, normal_tail};

const WHAT: &str = "the signed-rank test";

/// Up to this many differences other than zero, the distribution is counted out exactly.
pub const EXACT_LIMIT: usize = 60;

/// What happens to differences of exactly zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zeros {
    /// They are ranked with the others, then their ranks are dropped: pairs without a difference
    /// count against a difference. The better choice for comparisons of versions.
    Pratt,
    /// They are dropped before ranking, as Wilcoxon did.
    Wilcox,
}

/// How a p-value was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RankMethod {
    /// All assignments of signs were counted.
    Exact,
    /// Normal approximation with a continuity correction of one half.
    Normal,
}

/// The outcome of the test.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SignedRank {
    /// All differences that were given.
    pub pairs: usize,
    /// Differences of exactly zero.
    pub zeros: usize,
    /// Sum of the ranks of the positive differences.
    pub w_plus: f64,
    /// Sum of the ranks of the negative differences.
    pub w_minus: f64,
    /// Probability of sums this uneven in either direction, if differences lie around zero.
    pub p_two_sided: f64,
    /// Probability of a `w_plus` this large, if differences lie around zero.
    pub p_greater: f64,
    /// Probability of a `w_plus` this small, if differences lie around zero.
    pub p_less: f64,
    /// How the probabilities were found.
    pub method: RankMethod,
}

/// Tests whether `differences` lie around zero. If all are zero, every p is 1.
///
/// # Errors
/// No differences, or one that is not finite.
pub fn signed_rank(differences: &[f64], zeros: Zeros) -> Result<SignedRank, StatsError> {
    if differences.is_empty() {
        return Err(StatsError::too_few(WHAT, 0, 1));
    }
    require_finite(WHAT, differences.iter().copied())?;
    let ranked: Vec<f64> = differences
        .iter()
        .copied()
        .filter(|&difference| zeros == Zeros::Pratt || difference != 0.0)
        .collect();
    let sizes: Vec<f64> = ranked.iter().map(|difference| difference.abs()).collect();
    let signed: Vec<(f64, f64)> = ranked
        .iter()
        .copied()
        .zip(mid_ranks(&sizes))
        .filter(|&(difference, _)| difference != 0.0)
        .collect();
    let w_plus: f64 = signed
        .iter()
        .filter(|(d, _)| *d > 0.0)
        .map(|(_, rank)| rank)
        .sum();
    let w_minus: f64 = signed
        .iter()
        .filter(|(d, _)| *d < 0.0)
        .map(|(_, rank)| rank)
        .sum();
    let ranks: Vec<f64> = signed.iter().map(|&(_, rank)| rank).collect();
    let exact = ranks.len() <= EXACT_LIMIT;
    let upper_tail = if exact { exact_tail } else { approximate_tail };
    // Signs are symmetric: the lower tail of one sum is the upper tail of the other.
    let (p_greater, p_less) = (upper_tail(&ranks, w_plus), upper_tail(&ranks, w_minus));
    Ok(SignedRank {
        pairs: differences.len(),
        zeros: differences.len() - signed.len(),
        w_plus,
        w_minus,
        p_two_sided: (2.0 * p_greater.min(p_less)).min(1.0),
        p_greater,
        p_less,
        method: if exact {
            RankMethod::Exact
        } else {
            RankMethod::Normal
        },
    })
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
            let test = signed_rank(&differences, Zeros::Pratt)?;
            assert_eq!(test.p_two_sided, expected);
            assert_eq!(test.p_two_sided, smallest_p(differences.len()));
            assert_eq!(test.p_less, 1.0);
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
        let test = signed_rank(&[2.0, 2.0, 2.0, -2.0, 2.0, 2.0, 2.0, 2.0], Zeros::Wilcox)?;
        assert!((test.p_greater - 9.0 / 256.0).abs() < 1e-15, "{test:?}");
        Ok(())
    }

    #[test]
    fn zeros_count_against_a_difference() -> Result<(), StatsError> {
        let differences = [0.0, 0.0, 0.0, -1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let pratt = signed_rank(&differences, Zeros::Pratt)?;
        let wilcox = signed_rank(&differences, Zeros::Wilcox)?;
        assert_eq!((pratt.zeros, wilcox.zeros, pratt.pairs), (3, 3, 9));
        // Pratt's ranks are 4 to 9, Wilcoxon's 1 to 6.
        assert_eq!((pratt.w_minus, wilcox.w_minus), (4.0, 1.0));
        let nothing = signed_rank(&[0.0, -0.0], Zeros::Pratt)?;
        assert_eq!(
            (nothing.p_two_sided, nothing.p_greater, nothing.p_less),
            (1.0, 1.0, 1.0)
        );
        Ok(())
    }

    #[test]
    fn both_methods_meet_at_the_limit() -> Result<(), StatsError> {
        let differences: Vec<f64> = (1..=60)
            .map(|i| f64::from(i) * if i % 3 == 0 { -1.0 } else { 1.0 })
            .collect();
        let exact = signed_rank(&differences, Zeros::Pratt)?;
        let ranks: Vec<f64> = (1..=60).map(f64::from).collect();
        assert_eq!(exact.method, RankMethod::Exact);
        let approximate = approximate_tail(&ranks, exact.w_plus);
        assert!(
            (approximate / exact.p_greater - 1.0).abs() < 0.02,
            "{approximate} {exact:?}"
        );
        Ok(())
    }

    #[test]
    fn bad_values_are_typed_errors() {
        assert!(matches!(
            signed_rank(&[], Zeros::Pratt),
            Err(StatsError::TooFew {
                have: 0,
                need: 1,
                ..
            })
        ));
        assert!(matches!(
            signed_rank(&[1.0, f64::NAN], Zeros::Pratt),
            Err(StatsError::NotFinite { index: 1, .. })
        ));
    }
}
