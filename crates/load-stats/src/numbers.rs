//! Order statistics and the normal distribution, as the other modules need them.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// Sorts by the total order of IEEE 754, so that no value can make the comparison fail.
pub(crate) fn sort(values: &mut [f64]) {
    values.sort_unstable_by(f64::total_cmp);
}

/// The quantile `share` (0 to 1) of sorted values by linear interpolation: type 7 of Hyndman and
/// Fan (1996), the default of R and NumPy. `None` if there are no values.
pub(crate) fn quantile_sorted(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let low = *sorted.get(below)?;
    let high = *sorted.get((below + 1).min(last))?;
    let part = place - below as f64;
    if part == 0.0 {
        return Some(low);
    }
    // A weighted sum, since `high - low` may overflow; rounding must not lead out of the two.
    Some((low * (1.0 - part) + high * part).max(low).min(high))
}

/// The median; `None` if there are no values.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// The quantile `share` (0 to 1), interpolated as R and NumPy do by default; `None` if there are no values.
#[must_use]
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sort(&mut sorted);
    quantile_sorted(&sorted, share)
}

/// The upper tail of the standard normal distribution: P(Z > z).
pub(crate) fn normal_tail(z: f64) -> f64 {
    if z.is_nan() {
        return 1.0;
    }
    Normal::standard().sf(z)
}

/// The quantile of the standard normal distribution; infinite at 0 and 1.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    if p.is_nan() || p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if p >= 1.0 {
        return f64::INFINITY;
    }
    Normal::standard().inverse_cdf(p)
}

/// From here on Student's t differs from the normal distribution by less than 1 in 10,000, and the
/// search for its quantile no longer ends.
const NORMAL_FREEDOM: f64 = 1e5;

/// The quantile of Student's t distribution with `freedom` degrees of freedom, at least 1.
pub(crate) fn student_quantile(p: f64, freedom: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, freedom.max(1.0)) {
        Ok(student) if p > 0.0 && p < 1.0 && freedom < NORMAL_FREEDOM => student.inverse_cdf(p),
        _ => normal_quantile(p),
    }
}

/// How often each repeated value occurs (2 or more times), in sorted order.
pub(crate) fn tie_sizes(sorted: &[f64]) -> Vec<usize> {
    sorted
        .chunk_by(|a, b| a == b)
        .map(<[f64]>::len)
        .filter(|&size| size > 1)
        .collect()
}

/// Ranks from 1, ties sharing the mean of the ranks that they cover.
pub(crate) fn mid_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for group in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean = start as f64 + (group.len() as f64 + 1.0) / 2.0;
        for &index in group {
            ranks[index] = mean;
        }
        start += group.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate_as_numpy_does() {
        let sorted = [1.0, 2.0, 4.0, 8.0];
        assert_eq!(quantile_sorted(&sorted, 0.25), Some(1.75));
        assert_eq!(quantile_sorted(&sorted, 0.5), Some(3.0));
        assert_eq!(quantile_sorted(&sorted, 0.75), Some(5.0));
        assert_eq!(quantile_sorted(&sorted, 1.0), Some(8.0));
        assert_eq!(quantile_sorted(&[], 0.5), None);
        assert_eq!(median(&[f64::MAX, f64::MAX]), Some(f64::MAX));
    }

    #[test]
    fn ties_share_their_mean_rank() {
        assert_eq!(mid_ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
        // Negative zero equals zero, though it sorts below it.
        assert_eq!(mid_ranks(&[0.0, -0.0, 1.0]), [1.5, 1.5, 3.0]);
        assert_eq!(tie_sizes(&[1.0, 1.0, 2.0, 3.0, 3.0, 3.0]), [2, 3]);
    }

    #[test]
    fn normal_and_student_quantiles_match_tables() {
        assert!((normal_quantile(0.975) - 1.959_963_984_540_054).abs() < 1e-9);
        assert!((normal_tail(1.959_963_984_540_054) - 0.025).abs() < 1e-9);
        assert!((student_quantile(0.975, 10.0) - 2.228_138_851_964_938).abs() < 1e-6);
        assert!((student_quantile(0.975, 1e18) - 1.959_964).abs() < 1e-6);
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_tail(f64::NAN), 1.0);
    }
}
