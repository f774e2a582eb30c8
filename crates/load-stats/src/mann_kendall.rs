//! The Mann–Kendall test for a monotonic trend.
//!
//! Sources: H. B. Mann, Econometrica 13 (1945); M. G. Kendall, "Rank Correlation Methods" (1975),
//! for the variance with ties; K. H. Hamed and A. R. Rao, "A modified Mann-Kendall trend test for
//! autocorrelated data", Journal of Hydrology 204 (1998).

use crate::error::{StatsError, require_finite};
use crate::numbers::{mid_ranks, normal_quantile, normal_tail};
use crate::slope::{kendall_variance, theil_sen};

const WHAT: &str = "the Mann-Kendall test";

/// Up to this many values without ties, the distribution of S is counted out exactly.
const EXACT_LIMIT: usize = 60;

/// The outcome of the test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MannKendall {
    /// What the variance was multiplied by for dependence; 1 for none.
    pub variance_factor: f64,
    /// Probability of a rise this strong, if there is none.
    pub p_rising: f64,
}

/// Tests whether `values`, in the order of time, tend to rise.
///
/// Neighbouring values resemble each other, as memory sampled each second does: the variance of Kendall's S is multiplied
/// by Hamed and Rao's factor, from the autocorrelation of the detrended ranks at those lags where it is significant at
/// 5 %. A factor below 1 is taken as 1: dependence never makes the test more eager. Constant values give p = 1.
///
/// # Errors
/// Fewer than 3 values, or one that is not finite.
pub fn mann_kendall(values: &[f64]) -> Result<MannKendall, StatsError> {
    if values.len() < 3 {
        return Err(StatsError::too_few(WHAT, values.len(), 3));
    }
    require_finite(WHAT, values.iter().copied())?;
    let values = values.iter().enumerate();
    let points: Vec<(f64, f64)> = values.map(|(index, y)| (index as f64, *y)).collect();
    let variance_factor = hamed_rao_factor(&points);
    Ok(MannKendall {
        variance_factor,
        p_rising: p_rising(&points, variance_factor),
    })
}

/// The probability of a rise this strong, if there is none and the variance of S is `factor` times that of independent
/// values: counted out for few values, else by the normal distribution with a continuity correction.
fn p_rising(points: &[(f64, f64)], factor: f64) -> f64 {
    let count = points.len();
    let (mut rising, mut falling) = (0, 0);
    for (index, (_, earlier)) in points.iter().enumerate() {
        for (_, later) in &points[index + 1..] {
            rising += usize::from(later > earlier);
            falling += usize::from(later < earlier);
        }
    }
    let has_ties = rising + falling < count * (count - 1) / 2;
    if !has_ties && factor == 1.0 && count <= EXACT_LIMIT {
        return exact_tail(count, falling);
    }
    let s = rising as f64 - falling as f64;
    let variance = kendall_variance(points) * factor;
    if variance > 0.0 {
        // The correction always makes the tail larger, also when S is not positive.
        normal_tail((s - 1.0) / variance.sqrt())
    } else {
        1.0
    }
}

/// The probability of at most `falling` falling pairs among n values in random order, counted by
/// inserting one value after the other (Mahonian numbers).
fn exact_tail(n: usize, falling: usize) -> f64 {
    let pairs = n * (n - 1) / 2;
    let mut share = vec![0.0; pairs + 1];
    share[0] = 1.0;
    for size in 2..=n {
        let mut next = vec![0.0; pairs + 1];
        for (total, slot) in next.iter_mut().enumerate().take(size * (size - 1) / 2 + 1) {
            let first = (total + 1).saturating_sub(size);
            *slot = share[first..=total].iter().sum::<f64>() / size as f64;
        }
        share = next;
    }
    let tail: f64 = share.iter().take(falling + 1).sum();
    tail.clamp(0.0, 1.0)
}

/// Hamed and Rao's factor (their equation 17) over the ranks of the detrended values.
fn hamed_rao_factor(points: &[(f64, f64)]) -> f64 {
    let Ok(line) = theil_sen(points, 0.95, 1.0) else {
        return 1.0;
    };
    let detrended: Vec<f64> = points.iter().map(|(x, y)| y - line.slope * x).collect();
    let ranks = mid_ranks(&detrended);
    let n = ranks.len() as f64;
    let mean = ranks.iter().sum::<f64>() / n;
    let centred: Vec<f64> = ranks.iter().map(|rank| rank - mean).collect();
    let total: f64 = centred.iter().map(|value| value * value).sum();
    if total <= 0.0 {
        return 1.0;
    }
    let significant = normal_quantile(0.975) / n.sqrt();
    let mut sum = 0.0;
    for lag in 1..centred.len() {
        let products: f64 = centred
            .iter()
            .zip(&centred[lag..])
            .map(|(a, b)| a * b)
            .sum();
        let correlation = products / total;
        if correlation.abs() > significant {
            let left = n - lag as f64;
            sum += left * (left - 1.0) * (left - 2.0) * correlation;
        }
    }
    (1.0 + 2.0 * sum / (n * (n - 1.0) * (n - 2.0))).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_tail_counts_permutations() {
        // Of the 24 orders of 4 values, 1 has no falling pair, 3 have one, 5 have two.
        assert!((exact_tail(4, 0) - 1.0 / 24.0).abs() < 1e-12);
        assert!((exact_tail(4, 2) - 9.0 / 24.0).abs() < 1e-12);
        assert!((exact_tail(4, 6) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn constant_values_have_no_trend() -> Result<(), StatsError> {
        assert_eq!(mann_kendall(&[4.0; 30])?.p_rising, 1.0);
        Ok(())
    }

    #[test]
    fn one_sided_data_are_as_significant_as_their_number_allows() -> Result<(), StatsError> {
        let rising = mann_kendall(&[1.0, 2.0, 3.0, 4.0, 5.0])?;
        assert!((rising.p_rising - 1.0 / 120.0).abs() < 1e-12);
        Ok(())
    }

    #[test]
    fn bad_values_are_said() {
        for (values, why) in [
            (&[1.0, 2.0][..], "at least 3 values, got 2"),
            (&[1.0, f64::INFINITY, 2.0], "value 1"),
        ] {
            let error = mann_kendall(values).expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
