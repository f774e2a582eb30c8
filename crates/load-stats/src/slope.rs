//! The Theil–Sen slope: the median of the slopes between all pairs of points.
//!
//! It tolerates up to 29 % of wild values, where a least-squares line is bent by one. Sources:
//! P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63 (1968),
//! whose equation 2.6 also gives the interval; H. Theil (1950).

use crate::error::{StatsError, require, require_finite, require_share};
use crate::numbers::{normal_quantile, quantile_sorted, sort, tie_sizes};

const WHAT: &str = "the Theil-Sen slope";

/// A Theil–Sen line through points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TheilSen {
    /// Change of y per unit of x.
    pub slope: f64,
    /// Lower end of the slope's confidence interval.
    pub low: f64,
    /// Upper end of the slope's confidence interval.
    pub high: f64,
}

/// The Theil–Sen slope of `(x, y)` points with its confidence interval.
///
/// `confidence` is for example 0.95. `variance_factor` widens the interval for points that depend
/// on each other: it multiplies the variance of Kendall's S, as
/// [`crate::mann_kendall::MannKendall::variance_factor`] does; 1 for independent points. The order
/// of the points does not matter. The time grows with the
/// square of their number.
///
/// # Errors
/// Fewer than 2 points, a value that is not finite, all x equal, a confidence outside of (0, 1), a
/// factor that is not a finite number above 0.
pub fn theil_sen(
    points: &[(f64, f64)],
    confidence: f64,
    variance_factor: f64,
) -> Result<TheilSen, StatsError> {
    require_share(WHAT, "confidence", confidence)?;
    require(
        WHAT,
        "variance_factor",
        variance_factor,
        "a finite number above 0",
        variance_factor.is_finite() && variance_factor > 0.0,
    )?;
    if points.len() < 2 {
        return Err(StatsError::too_few(WHAT, points.len(), 2));
    }
    require_finite(WHAT, points.iter().map(|point| point.0))?;
    require_finite(WHAT, points.iter().map(|point| point.1))?;
    let mut slopes = pair_slopes(points);
    if slopes.is_empty() {
        return Err(StatsError::new(WHAT, "all points have the same x"));
    }
    sort(&mut slopes);
    let Some(slope) = quantile_sorted(&slopes, 0.5).filter(|slope| slope.is_finite()) else {
        return Err(StatsError::new(
            WHAT,
            "the values are too large to subtract",
        ));
    };
    // The root of each factor by itself, since their product may overflow.
    let reach = normal_quantile(0.5 + confidence / 2.0)
        * kendall_variance(points).sqrt()
        * variance_factor.sqrt();
    let (low, high) = interval(&slopes, reach);
    Ok(TheilSen { slope, low, high })
}

/// The slopes between all pairs whose x differ.
fn pair_slopes(points: &[(f64, f64)]) -> Vec<f64> {
    let mut slopes = Vec::with_capacity(points.len() * (points.len() - 1) / 2);
    for (index, &(x1, y1)) in points.iter().enumerate() {
        for &(x2, y2) in &points[index + 1..] {
            let slope = (y2 - y1) / (x2 - x1);
            if x1 != x2 && !slope.is_nan() {
                slopes.push(slope);
            }
        }
    }
    slopes
}

/// The variance of Kendall's S over independent points, ties in x and y taken off (Sen's 2.6).
pub(crate) fn kendall_variance(points: &[(f64, f64)]) -> f64 {
    let term = |n: usize| (n as f64) * (n as f64 - 1.0) * (2.0 * n as f64 + 5.0);
    let ties = |mut values: Vec<f64>| -> f64 {
        sort(&mut values);
        tie_sizes(&values).into_iter().map(term).sum()
    };
    let x = ties(points.iter().map(|point| point.0).collect());
    let y = ties(points.iter().map(|point| point.1).collect());
    ((term(points.len()) - x - y) / 18.0).max(0.0)
}

/// The slopes whose ranks lie `reach` (half on each side) around the middle, as SciPy picks them.
fn interval(sorted: &[f64], reach: f64) -> (f64, f64) {
    let count = sorted.len() as f64;
    let low = (((count - reach) / 2.0).round_ties_even() - 1.0).max(0.0) as usize;
    let high = ((count + reach) / 2.0).round_ties_even() as usize;
    let last = sorted.len() - 1;
    (sorted[low.min(last)], sorted[high.min(last)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_wild_values_keeps_its_slope() -> Result<(), StatsError> {
        let points: Vec<(f64, f64)> = (0..40)
            .map(|i| {
                let x = f64::from(i);
                (x, if i % 5 == 0 { 1e9 } else { 3.0 * x + 7.0 })
            })
            .collect();
        let line = theil_sen(&points, 0.95, 1.0)?;
        assert!((line.slope - 3.0).abs() < 1e-9, "{line:?}");
        assert!(line.low <= 3.0 && line.high >= 3.0);
        Ok(())
    }

    #[test]
    fn dependence_widens_the_interval() -> Result<(), StatsError> {
        let points: Vec<(f64, f64)> = (0..50)
            .map(|i| (f64::from(i), f64::from(i) + f64::from(i * 7 % 11)))
            .collect();
        let narrow = theil_sen(&points, 0.95, 1.0)?;
        let wide = theil_sen(&points, 0.95, 9.0)?;
        assert!(wide.low < narrow.low && wide.high > narrow.high);
        assert_eq!(wide.slope, narrow.slope);
        Ok(())
    }

    #[test]
    fn what_has_no_slope_is_said() {
        for (points, why) in [
            (&[][..], "at least 2 values, got 0"),
            (&[(1.0, 1.0), (1.0, 5.0)], "the same x"),
            (&[(1.0, 1.0), (2.0, f64::NAN)], "value 1"),
        ] {
            let error = theil_sen(points, 0.95, 1.0).expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!(theil_sen(&[(0.0, 0.0), (1.0, 1.0)], 1.0, 1.0).is_err());
        assert!(theil_sen(&[(0.0, 0.0), (1.0, 1.0)], 0.9, f64::NAN).is_err());
    }
}
