//! Bootstrap confidence intervals, seeded.
//!
//! Source: B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 14 (BCa).

use crate::error::{StatsError, require, require_finite, require_share};
use crate::numbers::{normal_quantile, normal_tail, quantile_sorted, sort};

const WHAT: &str = "a bootstrap interval";

/// The most values that are drawn from: the Walsh averages of 500 values are 125,250.
pub const MAX_VALUES: usize = 500;
/// The most resamples.
pub const MAX_RESAMPLES: usize = 100_000;

/// An estimate with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The statistic of the values themselves.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The Hodges-Lehmann estimate: the median of all pairwise means, which belongs to the signed-rank test, is nearly as
/// precise as the mean for normal data, and robust against wild values. `None` without values.
fn hodges_lehmann(values: &[f64]) -> Option<f64> {
    let with_later = |(index, a): (usize, &f64)| {
        let a = *a;
        values[index..].iter().map(move |b| a / 2.0 + b / 2.0)
    };
    middle(values.iter().enumerate().flat_map(with_later).collect())
}

/// The Hodges-Lehmann estimate with its confidence interval by `resamples` draws with replacement, corrected for bias and
/// acceleration.
///
/// `confidence` is for example 0.95. The same seed gives the same interval. With few values (below
/// about 15) it is somewhat too narrow: decide significance by an exact test, and read the interval
/// for size.
///
/// # Errors
/// Fewer than 2 or more than [`MAX_VALUES`] values, one that is not finite, a confidence outside of
/// (0, 1), fewer than 100 or more than [`MAX_RESAMPLES`] resamples.
pub fn interval(
    values: &[f64],
    confidence: f64,
    resamples: usize,
    seed: u64,
) -> Result<Interval, StatsError> {
    require_share(WHAT, "confidence", confidence)?;
    require_range("resamples", resamples, 100, MAX_RESAMPLES)?;
    require_range("the number of values", values.len(), 2, MAX_VALUES)?;
    require_finite(WHAT, values.iter().copied())?;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut drawn = vec![0.0; values.len()];
    let mut estimates = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        for slot in &mut drawn {
            *slot = values[random.usize(..values.len())];
        }
        estimates.extend(hodges_lehmann(&drawn));
    }
    sort(&mut estimates);
    let found = hodges_lehmann(values).and_then(|estimate| {
        let bias = bias(&estimates, estimate);
        let acceleration = acceleration(values);
        let end = |tail| quantile_sorted(&estimates, corrected(tail, bias, acceleration));
        let tail = (1.0 - confidence) / 2.0;
        Some(Interval {
            estimate,
            low: end(tail)?,
            high: end(1.0 - tail)?,
        })
    });
    found.ok_or_else(|| StatsError::new(WHAT, "there are no values"))
}

fn require_range(name: &str, value: usize, from: usize, to: usize) -> Result<(), StatsError> {
    let expected = format!("{from} to {to}");
    require(WHAT, name, value, &expected, (from..=to).contains(&value))
}

/// The median without a full sort.
fn middle(mut values: Vec<f64>) -> Option<f64> {
    let half = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let odd = values.len() % 2 == 1;
    let (below, &mut upper, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    if odd {
        return Some(upper);
    }
    let lower = below.iter().copied().max_by(f64::total_cmp)?;
    Some(lower / 2.0 + upper / 2.0)
}

/// z0: how far the median of the resamples lies from the estimate; ties count half.
fn bias(sorted: &[f64], centre: f64) -> f64 {
    let below = sorted.iter().filter(|&&value| value < centre).count() as f64;
    let equal = sorted.iter().filter(|&&value| value == centre).count() as f64;
    let quantile = normal_quantile((below + equal / 2.0) / sorted.len() as f64);
    if quantile.is_finite() { quantile } else { 0.0 }
}

/// The jackknife's acceleration.
fn acceleration(values: &[f64]) -> f64 {
    let left_out: Vec<f64> = (0..values.len())
        .filter_map(|index| {
            let rest: Vec<f64> = [&values[..index], &values[index + 1..]].concat();
            hodges_lehmann(&rest)
        })
        .collect();
    let mean = left_out.iter().sum::<f64>() / left_out.len() as f64;
    let squares: f64 = left_out.iter().map(|value| (mean - value).powi(2)).sum();
    let cubes: f64 = left_out.iter().map(|value| (mean - value).powi(3)).sum();
    let acceleration = cubes / (6.0 * squares.powf(1.5));
    if acceleration.is_finite() {
        acceleration
    } else {
        0.0
    }
}

/// The share of the resamples that a tail of the BCa interval cuts off.
fn corrected(tail: f64, bias: f64, acceleration: f64) -> f64 {
    let shifted = bias + normal_quantile(tail);
    let share = normal_tail(-(bias + shifted / (1.0 - acceleration * shifted)));
    if share.is_finite() { share } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [f64; 10] = [0.1, 0.4, -0.2, 0.3, 0.25, 0.05, 0.6, -0.05, 0.2, 0.15];

    #[test]
    fn the_same_seed_gives_the_same_interval() -> Result<(), StatsError> {
        let values = VALUES.map(f64::exp);
        let run = |seed| interval(&values, 0.95, 2_000, seed);
        assert_eq!(run(1)?, run(1)?);
        assert_ne!(run(1)?, run(2)?);
        Ok(())
    }

    #[test]
    fn the_estimate_is_the_median_of_walsh_averages() {
        // 1, 1.5, 2, 3.5, 4, 6.
        assert_eq!(hodges_lehmann(&[1.0, 2.0, 6.0]), Some(2.75));
        assert_eq!(hodges_lehmann(&[]), None);
    }

    #[test]
    fn equal_values_give_an_interval_without_width() -> Result<(), StatsError> {
        let flat = interval(&[0.25; 8], 0.95, 200, 3)?;
        assert_eq!((flat.estimate, flat.low, flat.high), (0.25, 0.25, 0.25));
        Ok(())
    }

    #[test]
    fn intervals_of_normal_data_cover_as_often_as_small_samples_allow() -> Result<(), StatsError> {
        let mut random = fastrand::Rng::with_seed(5);
        let mut covered = 0;
        for seed in 0..200 {
            let values: Vec<f64> = (0..20).map(|_| normal_quantile(random.f64())).collect();
            let found = interval(&values, 0.95, 400, seed)?;
            covered += u32::from(found.low <= 0.0 && found.high >= 0.0);
        }
        assert!((178..=197).contains(&covered), "{covered} of 200");
        Ok(())
    }

    #[test]
    fn bad_input_is_refused() {
        for (values, confidence, resamples) in [
            (&[1.0][..], 0.95, 1_000),
            (&[1.0, f64::NAN], 0.95, 1_000),
            (&VALUES, 95.0, 1_000),
            (&VALUES, 0.95, 10),
            (&[1.0; 501], 0.95, 1_000),
        ] {
            assert!(interval(values, confidence, resamples, 1).is_err());
        }
    }
}
