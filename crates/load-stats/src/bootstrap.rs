//! Bootstrap confidence intervals, seeded.
//!
//! Source: B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 13
//! (percentile) and 14 (BCa).

use crate::error::{StatsError, require_finite, require_share};
use crate::numbers::{median, normal_quantile, normal_tail, quantile_sorted, sort};

const WHAT: &str = "a bootstrap interval";

/// The most values that are drawn from: the Walsh averages of 500 values are 125,250.
pub const MAX_VALUES: usize = 500;
/// The most resamples.
pub const MAX_RESAMPLES: usize = 100_000;

/// What is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// The arithmetic mean.
    Mean,
    /// The median.
    Median,
    /// The median of all pairwise means: the estimate that belongs to the signed-rank test, nearly
    /// as precise as the mean for normal data and robust against wild values.
    HodgesLehmann,
}

/// How the interval is cut from the resampled estimates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Their quantiles.
    Percentile,
    /// Quantiles corrected for bias and acceleration.
    Bca,
}

/// An estimate with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Interval {
    /// The statistic of the values themselves.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The statistic of `values`; `None` if there are none or more than [`MAX_VALUES`].
#[must_use]
pub fn estimate(values: &[f64], statistic: Statistic) -> Option<f64> {
    if values.is_empty() || values.len() > MAX_VALUES {
        return None;
    }
    match statistic {
        Statistic::Mean => {
            let count = values.len() as f64;
            // Divided first, so that large values cannot overflow.
            Some(values.iter().map(|value| value / count).sum())
        }
        Statistic::Median => median(values),
        Statistic::HodgesLehmann => {
            let averages: Vec<f64> = values
                .iter()
                .enumerate()
                .flat_map(|(index, a)| values[index..].iter().map(move |b| a / 2.0 + b / 2.0))
                .collect();
            middle(averages)
        }
    }
}

/// The confidence interval of a statistic by `resamples` draws with replacement.
///
/// `confidence` is for example 0.95. The same seed gives the same interval. With few values (below
/// about 15) either method is somewhat too narrow: decide significance by an exact test, and read
/// the interval for size.
///
/// # Errors
/// Fewer than 2 or more than [`MAX_VALUES`] values, one that is not finite, a confidence outside of
/// (0, 1), fewer than 100 or more than [`MAX_RESAMPLES`] resamples.
pub fn interval(
    values: &[f64],
    statistic: Statistic,
    method: Method,
    confidence: f64,
    resamples: usize,
    seed: u64,
) -> Result<Interval, StatsError> {
    require_share(WHAT, "confidence", confidence)?;
    require_range("resamples", resamples, 100, MAX_RESAMPLES)?;
    if values.len() < 2 {
        return Err(StatsError::too_few(WHAT, values.len(), 2));
    }
    require_range("the number of values", values.len(), 2, MAX_VALUES)?;
    require_finite(WHAT, values.iter().copied())?;
    let Some(centre) = estimate(values, statistic) else {
        return Err(StatsError::undefined(WHAT, "there are no values"));
    };
    let mut random = fastrand::Rng::with_seed(seed);
    let mut drawn = vec![0.0; values.len()];
    let mut estimates = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        for slot in &mut drawn {
            *slot = values[random.usize(..values.len())];
        }
        estimates.extend(estimate(&drawn, statistic));
    }
    sort(&mut estimates);
    let tail = (1.0 - confidence) / 2.0;
    let (lower, upper) = match method {
        Method::Percentile => (tail, 1.0 - tail),
        Method::Bca => {
            let bias = bias(&estimates, centre);
            let acceleration = acceleration(values, statistic);
            (
                corrected(tail, bias, acceleration),
                corrected(1.0 - tail, bias, acceleration),
            )
        }
    };
    match (
        quantile_sorted(&estimates, lower),
        quantile_sorted(&estimates, upper),
    ) {
        (Some(low), Some(high)) => Ok(Interval {
            estimate: centre,
            low,
            high,
        }),
        _ => Err(StatsError::undefined(WHAT, "there are no resamples")),
    }
}

fn require_range(name: &str, value: usize, from: usize, to: usize) -> Result<(), StatsError> {
    if (from..=to).contains(&value) {
        return Ok(());
    }
    Err(StatsError::BadParameter {
        what: WHAT.to_owned(),
        name: name.to_owned(),
        value: value.to_string(),
        expected: format!("{from} to {to}"),
    })
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
fn acceleration(values: &[f64], statistic: Statistic) -> f64 {
    let left_out: Vec<f64> = (0..values.len())
        .filter_map(|index| {
            let rest: Vec<f64> = [&values[..index], &values[index + 1..]].concat();
            estimate(&rest, statistic)
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
        let run = |seed| interval(&VALUES, Statistic::Mean, Method::Bca, 0.95, 2_000, seed);
        assert_eq!(run(1)?, run(1)?);
        assert_ne!(run(1)?, run(2)?);
        Ok(())
    }

    #[test]
    fn estimates_match_hand_calculation() {
        let values = [1.0, 2.0, 6.0];
        assert_eq!(estimate(&values, Statistic::Mean), Some(3.0));
        assert_eq!(estimate(&values, Statistic::Median), Some(2.0));
        // Walsh averages 1, 1.5, 2, 3.5, 4, 6.
        assert_eq!(estimate(&values, Statistic::HodgesLehmann), Some(2.75));
        assert_eq!(estimate(&[], Statistic::Mean), None);
    }

    #[test]
    fn equal_values_give_an_interval_without_width() -> Result<(), StatsError> {
        for method in [Method::Percentile, Method::Bca] {
            for statistic in [Statistic::Mean, Statistic::Median, Statistic::HodgesLehmann] {
                let flat = interval(&[0.25; 8], statistic, method, 0.95, 200, 3)?;
                assert_eq!((flat.estimate, flat.low, flat.high), (0.25, 0.25, 0.25));
            }
        }
        Ok(())
    }

    #[test]
    fn intervals_of_normal_data_cover_as_often_as_small_samples_allow() -> Result<(), StatsError> {
        let mut random = fastrand::Rng::with_seed(5);
        let mut covered = 0;
        for seed in 0..200 {
            let values: Vec<f64> = (0..20).map(|_| normal_quantile(random.f64())).collect();
            let found = interval(
                &values,
                Statistic::HodgesLehmann,
                Method::Bca,
                0.95,
                400,
                seed,
            )?;
            covered += u32::from(found.low <= 0.0 && found.high >= 0.0);
        }
        assert!((178..=197).contains(&covered), "{covered} of 200");
        Ok(())
    }

    #[test]
    fn bad_input_is_a_typed_error() {
        let run = |values: &[f64], confidence, resamples| {
            interval(
                values,
                Statistic::Mean,
                Method::Bca,
                confidence,
                resamples,
                1,
            )
        };
        assert!(matches!(
            run(&[1.0], 0.95, 1_000),
            Err(StatsError::TooFew { .. })
        ));
        assert!(matches!(
            run(&[1.0, f64::NAN], 0.95, 1_000),
            Err(StatsError::NotFinite { .. })
        ));
        assert!(matches!(
            run(&VALUES, 95.0, 1_000),
            Err(StatsError::BadParameter { .. })
        ));
        assert!(matches!(
            run(&VALUES, 0.95, 10),
            Err(StatsError::BadParameter { .. })
        ));
        assert!(matches!(
            run(&[1.0; 501], 0.95, 1_000),
            Err(StatsError::BadParameter { .. })
        ));
    }
}
