//! Since when is a series at another level? E-divisive change points.
//!
//! Source: D. S. Matteson and N. A. James, "A nonparametric approach for multiple change point
//! analysis of multivariate data", JASA 109 (2014); the method behind MongoDB's change point
//! detection and Apache Otava. The best split of all segments is the one with the largest energy
//! distance between its sides; it is kept if a permutation test, which shuffles values within the
//! segments, finds it significant, and then its parts are split in turn. Otava replaces the
//! permutations by a t-test for speed; at some hundred runs they cost milliseconds.

use crate::energy::{Split, best_split};
use crate::error::{StatsError, require_finite, require_share};
use crate::numbers::median;

const WHAT: &str = "change points";

/// The most values: work and memory grow with the square of the length.
pub const MAX_VALUES: usize = 1_000;

/// What counts as a change point. The default is what the project looks for in nightly runs: a series of one level has a
/// false one in about one case of 200.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangeRule {
    /// Fewest values between two change points; at least 2.
    pub min_segment: usize,
    /// Level of the permutation test, for example 0.01.
    pub alpha: f64,
    /// Permutations for each test; at least `1 / alpha - 1`, since fewer cannot be significant.
    pub permutations: usize,
    /// Seed of the permutations.
    pub seed: u64,
}

impl Default for ChangeRule {
    fn default() -> Self {
        Self {
            min_segment: 5,
            alpha: 0.005,
            permutations: 199,
            seed: 1,
        }
    }
}

/// A change of level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangePoint {
    /// Index of the first value at the new level.
    pub index: usize,
    /// Median of the segment before.
    pub before: f64,
    /// Median of the segment after.
    pub after: f64,
    /// p-value of the permutation test.
    pub p: f64,
}

/// The change points of `series`, oldest first. Fewer than two segments' worth of values have none.
///
/// # Errors
/// More than [`MAX_VALUES`], a value that is not finite, a parameter out of range.
pub fn change_points(series: &[f64], rule: ChangeRule) -> Result<Vec<ChangePoint>, StatsError> {
    check(series, rule)?;
    let mut random = fastrand::Rng::with_seed(rule.seed);
    // Distances of huge values would overflow; the split is the same at any scale.
    let largest = series
        .iter()
        .fold(0.0_f64, |largest, value| largest.max(value.abs()));
    if largest == 0.0 {
        return Ok(Vec::new());
    }
    let scaled: Vec<f64> = series.iter().map(|value| value / largest).collect();
    let mut found: Vec<(usize, f64)> = Vec::new();
    loop {
        let segments = segments(series.len(), &found);
        let Some(best) = best_of(&scaled, &segments, rule.min_segment) else {
            break;
        };
        let p = permutation_p(&scaled, &segments, best.statistic, rule, &mut random);
        if p > rule.alpha {
            break;
        }
        found.push((best.index, p));
        found.sort_by_key(|&(index, _)| index);
    }
    let segments = segments(series.len(), &found);
    let levels: Vec<f64> = segments
        .iter()
        .filter_map(|range| median(series.get(range.clone())?))
        .collect();
    Ok(found
        .iter()
        .zip(levels.windows(2))
        .map(|(&(index, p), level)| ChangePoint {
            index,
            before: level[0],
            after: level[1],
            p,
        })
        .collect())
}

fn check(series: &[f64], rule: ChangeRule) -> Result<(), StatsError> {
    require_share(WHAT, "alpha", rule.alpha)?;
    require_finite(WHAT, series.iter().copied())?;
    let refuse = |name: &str, value: usize, expected: String| {
        Err(StatsError::BadParameter {
            what: WHAT.to_owned(),
            name: name.to_owned(),
            value: value.to_string(),
            expected,
        })
    };
    if series.len() > MAX_VALUES {
        return refuse(
            "the number of values",
            series.len(),
            format!("at most {MAX_VALUES}"),
        );
    }
    if rule.min_segment < 2 {
        return refuse("min_segment", rule.min_segment, "2 or more".to_owned());
    }
    if (rule.permutations as f64 + 1.0) * rule.alpha < 1.0 || rule.permutations > 9_999 {
        let least = (1.0 / rule.alpha - 1.0).ceil();
        return refuse(
            "permutations",
            rule.permutations,
            format!("{least} to 9999"),
        );
    }
    Ok(())
}

/// The ranges between the change points.
fn segments(length: usize, found: &[(usize, f64)]) -> Vec<std::ops::Range<usize>> {
    let mut start = 0;
    found
        .iter()
        .map(|&(index, _)| index)
        .chain([length])
        .map(|end| std::mem::replace(&mut start, end)..end)
        .collect()
}

fn best_of(
    series: &[f64],
    segments: &[std::ops::Range<usize>],
    min_segment: usize,
) -> Option<Split> {
    segments
        .iter()
        .filter_map(|range| {
            let split = best_split(series.get(range.clone())?, min_segment)?;
            Some(Split {
                index: split.index + range.start,
                ..split
            })
        })
        .max_by(|a, b| a.statistic.total_cmp(&b.statistic))
}

/// The share of shuffled series whose best split is at least as good, the series itself among them.
fn permutation_p(
    series: &[f64],
    segments: &[std::ops::Range<usize>],
    statistic: f64,
    rule: ChangeRule,
    random: &mut fastrand::Rng,
) -> f64 {
    let mut shuffled = series.to_vec();
    let mut as_good = 1;
    for _ in 0..rule.permutations {
        for range in segments {
            if let Some(part) = shuffled.get_mut(range.clone()) {
                random.shuffle(part);
            }
        }
        let best = best_of(&shuffled, segments, rule.min_segment);
        as_good += usize::from(best.is_some_and(|best| best.statistic >= statistic));
    }
    as_good as f64 / (rule.permutations + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noisy(levels: &[f64], seed: u64) -> Vec<f64> {
        let mut random = fastrand::Rng::with_seed(seed);
        levels
            .iter()
            .map(|level| level * (0.95 + 0.1 * random.f64()))
            .collect()
    }

    #[test]
    fn steps_are_found_where_they_are() -> Result<(), StatsError> {
        let levels: Vec<f64> = (0..60)
            .map(|i| {
                if i < 20 {
                    100.0
                } else if i < 45 {
                    125.0
                } else {
                    90.0
                }
            })
            .collect();
        let found = change_points(&noisy(&levels, 3), ChangeRule::default())?;
        let places: Vec<usize> = found.iter().map(|point| point.index).collect();
        assert_eq!(places, [20, 45]);
        assert!((found[0].before - 100.0).abs() < 3.0 && (found[0].after - 125.0).abs() < 4.0);
        assert!(found.iter().all(|point| point.p <= 0.01));
        Ok(())
    }

    #[test]
    fn a_change_that_is_taken_back_is_found() -> Result<(), StatsError> {
        let levels: Vec<f64> = (0..60)
            .map(|i| if (25..33).contains(&i) { 140.0 } else { 100.0 })
            .collect();
        let found = change_points(&noisy(&levels, 4), ChangeRule::default())?;
        let places: Vec<usize> = found.iter().map(|point| point.index).collect();
        assert_eq!(places, [25, 33]);
        Ok(())
    }

    #[test]
    fn flat_series_raise_alarms_as_rarely_as_the_level_says() -> Result<(), StatsError> {
        let rule = ChangeRule {
            alpha: 0.05,
            permutations: 39,
            ..ChangeRule::default()
        };
        let mut alarms = 0;
        for seed in 0..200 {
            let series = noisy(&[100.0; 40], seed);
            alarms += usize::from(!change_points(&series, ChangeRule { seed, ..rule })?.is_empty());
        }
        // 5 % of 200 is 10, with a standard deviation of 3.
        assert!((1..=19).contains(&alarms), "{alarms} of 200");
        Ok(())
    }

    #[test]
    fn a_drift_of_one_percent_a_night_is_found_within_thirty_nights() -> Result<(), StatsError> {
        let mut found = 0;
        for seed in 0..50 {
            let mut random = fastrand::Rng::with_seed(seed);
            let series: Vec<f64> = (0..60)
                .map(|night: i32| {
                    let drift = 1.01_f64.powi((night - 30).max(0));
                    // Three uniform draws are near enough to normal: standard deviation 0.08.
                    let noise: f64 = (0..3).map(|_| random.f64() - 0.5).sum::<f64>() * 0.16;
                    100.0 * drift * (1.0 + noise)
                })
                .collect();
            let points = change_points(&series, ChangeRule::default())?;
            found += usize::from(points.iter().any(|point| point.after > point.before));
        }
        assert!(found >= 45, "{found} of 50");
        Ok(())
    }

    #[test]
    fn short_constant_and_huge_series_are_answered() -> Result<(), StatsError> {
        let rule = ChangeRule::default();
        assert_eq!(change_points(&[], rule)?, []);
        assert_eq!(change_points(&[1.0; 9], rule)?, []);
        assert_eq!(change_points(&[3.0; 50], rule)?, []);
        assert_eq!(change_points(&[0.0; 50], rule)?, []);
        let mut huge = vec![f64::MIN; 20];
        huge.extend([f64::MAX; 20]);
        assert_eq!(change_points(&huge, rule)?.len(), 1);
        Ok(())
    }

    #[test]
    fn bad_input_is_a_typed_error() {
        let run = |series: &[f64], rule| change_points(series, rule);
        let rule = ChangeRule::default();
        assert!(matches!(
            run(&[f64::NAN; 3], rule),
            Err(StatsError::NotFinite { .. })
        ));
        assert!(matches!(
            run(&vec![1.0; 1_001], rule),
            Err(StatsError::BadParameter { .. })
        ));
        assert!(
            run(
                &[1.0],
                ChangeRule {
                    min_segment: 1,
                    ..rule
                }
            )
            .is_err()
        );
        assert!(
            run(
                &[1.0],
                ChangeRule {
                    alpha: 0.001,
                    ..rule
                }
            )
            .is_err()
        );
        assert!(
            run(
                &[1.0],
                ChangeRule {
                    alpha: f64::NAN,
                    ..rule
                }
            )
            .is_err()
        );
    }
}
