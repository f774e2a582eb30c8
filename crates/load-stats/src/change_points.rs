//! Since when is a series at another level? E-divisive change points.
//!
//! Source: D. S. Matteson and N. A. James, "A nonparametric approach for multiple change point
//! analysis of multivariate data", JASA 109 (2014); the method behind MongoDB's change point
//! detection and Apache Otava. The best split of all segments is the one with the largest energy
//! distance between its sides; it is kept if a permutation test, which shuffles values within the
//! segments, finds it significant, and then its parts are split in turn. Otava replaces the
//! permutations by a t-test for speed; at some hundred runs they cost milliseconds.
//!
//! Values that follow each other need not be independent: a machine has good and bad weeks. What persists from one value
//! to the next is estimated and kept when values are shuffled (a bootstrap of a first-order autoregression), without which
//! an autocorrelation of 0.7 gives every second quiet series a change point.

use std::ops::Range;

use crate::energy::{Split, best_split};
use crate::numbers::median;

/// Fewest values between two change points.
const MIN_SEGMENT: usize = 5;
/// Level of the permutation test: a series of one level has a false change point in about one case of 200.
const ALPHA: f64 = 0.005;
/// Permutations for each test: the fewest that can be significant.
const PERMUTATIONS: usize = 199;
/// The largest autocorrelation that is believed: beyond it a series wanders, and has no level.
const MOST_PERSISTENT: f64 = 0.9;
/// Standard errors up to which an autocorrelation is chance.
const CHANCE: f64 = 1.65;
/// Seed of the permutations.
const SEED: u64 = 1;

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

/// The change points of `series`, oldest first. Fewer than two segments' worth of values have none, nor has a series
/// with a value that is not finite. The time grows with the square of the length.
#[must_use]
pub fn change_points(series: &[f64]) -> Vec<ChangePoint> {
    // Distances of huge values would overflow; the split is the same at any scale.
    let largest = series
        .iter()
        .fold(0.0_f64, |largest, value| largest.max(value.abs()));
    if largest == 0.0 {
        return Vec::new();
    }
    let scaled: Vec<f64> = series.iter().map(|value| value / largest).collect();
    // Noise that persists looks like levels. How much persists is seen within those that are found: without it at first,
    // and then again, for as long as fewer are left.
    let mut found = splits(&scaled, 0.0);
    while !found.is_empty() {
        let persistence = persistence(&scaled, &segments(scaled.len(), &found));
        if persistence == 0.0 {
            break;
        }
        let fewer = splits(&scaled, persistence);
        if fewer.len() >= found.len() {
            break;
        }
        found = fewer;
    }
    let segments = segments(series.len(), &found);
    let levels: Vec<f64> = segments
        .iter()
        .filter_map(|range| median(series.get(range.clone())?))
        .collect();
    found
        .iter()
        .zip(levels.windows(2))
        .map(|(&(index, p), level)| ChangePoint {
            index,
            before: level[0],
            after: level[1],
            p,
        })
        .collect()
}

/// The places of significant splits in order, each with its p-value.
fn splits(series: &[f64], persistence: f64) -> Vec<(usize, f64)> {
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut found: Vec<(usize, f64)> = Vec::new();
    loop {
        let segments = segments(series.len(), &found);
        let Some(best) = best_of(series, &segments) else {
            break;
        };
        let p = null_p(series, &segments, best.statistic, persistence, &mut random);
        if p > ALPHA {
            break;
        }
        found.push((best.index, p));
        found.sort_by_key(|&(index, _)| index);
    }
    found
}

/// The ranges between the change points.
fn segments(length: usize, found: &[(usize, f64)]) -> Vec<Range<usize>> {
    let mut start = 0;
    found
        .iter()
        .map(|&(index, _)| index)
        .chain([length])
        .map(|end| std::mem::replace(&mut start, end)..end)
        .collect()
}

fn best_of(series: &[f64], segments: &[Range<usize>]) -> Option<Split> {
    segments
        .iter()
        .filter_map(|range| {
            let split = best_split(series.get(range.clone())?, MIN_SEGMENT)?;
            Some(Split {
                index: split.index + range.start,
                ..split
            })
        })
        .max_by(|a, b| a.statistic.total_cmp(&b.statistic))
}

/// The share of series without a further change whose best split is at least as good, the series itself among them.
///
/// Such series are made of the series' own innovations, shuffled within the segments: what each value adds to the part
/// of the one before that persists. Without persistence that is a permutation of the values.
fn null_p(
    series: &[f64],
    segments: &[Range<usize>],
    statistic: f64,
    persistence: f64,
    random: &mut fastrand::Rng,
) -> f64 {
    let first = (1.0 - persistence * persistence).sqrt();
    let mut drawn = series.to_vec();
    let mut as_good = 1;
    for _ in 0..PERMUTATIONS {
        for range in segments {
            let Some((values, part)) = series.get(range.clone()).zip(drawn.get_mut(range.clone()))
            else {
                continue;
            };
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let mut before = None;
            for (innovation, value) in part.iter_mut().zip(values) {
                let value = value - mean;
                *innovation = before.map_or(value * first, |before| value - persistence * before);
                before = Some(value);
            }
            random.shuffle(part);
            let mut before = None;
            for value in part {
                *value = before.map_or(*value / first, |before| *value + persistence * before);
                before = Some(*value);
            }
        }
        let drawn = best_of(&drawn, segments);
        as_good += usize::from(drawn.is_some_and(|drawn| drawn.statistic >= statistic));
    }
    as_good as f64 / (PERMUTATIONS + 1) as f64
}

/// How much of a value's deviation persists in the next one (autocorrelation at lag 1), 0 to [`MOST_PERSISTENT`]; 0 if
/// chance explains it. Deviations are those from a line through each segment, so that a drift is no persistence; lines
/// that follow their values hide some of it, by about (2 + 4 ρ) / n each (F. H. C. Marriott and J. A. Pope, "Bias in the
/// estimation of autocorrelations", Biometrika 41 (1954)).
fn persistence(series: &[f64], segments: &[Range<usize>]) -> f64 {
    let (mut lagged, mut squares, mut values, mut lines) = (0.0, 0.0, 0.0, 0.0);
    for part in segments
        .iter()
        .filter_map(|range| series.get(range.clone()))
    {
        let count = part.len() as f64;
        let middle = (count - 1.0) / 2.0;
        let mean = part.iter().sum::<f64>() / count;
        let places = || (0..part.len()).map(|place| place as f64 - middle);
        let slope = places().zip(part).map(|(x, y)| x * y).sum::<f64>()
            / places().map(|x| x * x).sum::<f64>();
        let rest: Vec<f64> = places()
            .zip(part)
            .map(|(x, y)| y - mean - slope * x)
            .collect();
        lagged += rest.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>();
        squares += rest.iter().map(|rest| rest * rest).sum::<f64>();
        values += count;
        lines += 1.0;
    }
    let bias = lines / values;
    let found = (lagged / squares + 2.0 * bias) / (1.0 - 4.0 * bias).max(0.2);
    if found.is_finite() && found > CHANCE / values.sqrt() {
        // The upper end of what it may be: too little makes levels out of noise.
        (found + ((1.0 - found.min(1.0).powi(2)) / values).sqrt()).min(MOST_PERSISTENT)
    } else {
        0.0
    }
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
    fn steps_are_found_where_they_are() {
        let levels: Vec<f64> = (0..60)
            .map(|i| match i {
                ..20 => 100.0,
                20..45 => 125.0,
                _ => 90.0,
            })
            .collect();
        let found = change_points(&noisy(&levels, 3));
        let places: Vec<usize> = found.iter().map(|point| point.index).collect();
        assert_eq!(places, [20, 45]);
        assert!((found[0].before - 100.0).abs() < 3.0 && (found[0].after - 125.0).abs() < 4.0);
        assert!(found.iter().all(|point| point.p <= 0.01));
    }

    #[test]
    fn a_change_that_is_taken_back_is_found() {
        let levels: Vec<f64> = (0..60)
            .map(|i| if (25..33).contains(&i) { 140.0 } else { 100.0 })
            .collect();
        let found = change_points(&noisy(&levels, 4));
        let places: Vec<usize> = found.iter().map(|point| point.index).collect();
        assert_eq!(places, [25, 33]);
    }

    #[test]
    fn flat_series_raise_alarms_as_rarely_as_the_level_says() {
        let alarm = |seed: &u64| !change_points(&noisy(&[100.0; 40], *seed)).is_empty();
        let alarms = (0..400).filter(alarm).count();
        // 0.5 % of 400 is 2, with a standard deviation of 1.4.
        assert!(alarms <= 7, "{alarms} of 400");
    }

    #[test]
    fn a_drift_of_one_percent_a_night_is_found_within_thirty_nights() {
        let found = |seed: &u64| {
            let mut random = fastrand::Rng::with_seed(*seed);
            let series: Vec<f64> = (0..60)
                .map(|night: i32| {
                    let drift = 1.01_f64.powi((night - 30).max(0));
                    // Three uniform draws are near enough to normal: standard deviation 0.08.
                    let noise: f64 = (0..3).map(|_| random.f64() - 0.5).sum::<f64>() * 0.16;
                    100.0 * drift * (1.0 + noise)
                })
                .collect();
            let points = change_points(&series);
            points.iter().any(|point| point.after > point.before)
        };
        let found = (0..50).filter(found).count();
        assert!(found >= 45, "{found} of 50");
    }

    #[test]
    fn short_constant_and_huge_series_are_answered() {
        for series in [&[][..], &[1.0; 9], &[3.0; 50], &[0.0; 50], &[f64::NAN; 50]] {
            assert_eq!(change_points(series), [], "{series:?}");
        }
        let huge = [[f64::MIN; 20], [f64::MAX; 20]].concat();
        assert_eq!(change_points(&huge).len(), 1);
    }

    #[test]
    fn noise_that_persists_makes_no_levels() {
        let alarm = |seed: &u64| {
            let mut random = fastrand::Rng::with_seed(*seed);
            let mut deviation = 0.0;
            let series: Vec<f64> = (0..90)
                .map(|_| {
                    let innovation: f64 = (0..3).map(|_| random.f64() - 0.5).sum();
                    deviation = 0.7 * deviation + innovation;
                    100.0 + deviation
                })
                .collect();
            // The first nights lead away from where the series began.
            !change_points(&series[30..]).is_empty()
        };
        let alarms = (0..100).filter(alarm).count();
        // Permutations of the values find one in 69 of these.
        assert!(alarms <= 8, "{alarms} of 100");
    }
}
