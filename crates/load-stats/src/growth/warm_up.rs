//! A warm-up that saturates: `c + slope * t + height * (1 - exp(-t / tau))` by least squares.

use super::blocks::Block;
use crate::numbers::student_quantile;

/// The time constants that are tried, as shares of the hold. A slower one cannot be told from a
/// straight line within the hold.
const TIME_CONSTANTS: [f64; 8] = [
    1.0 / 24.0,
    1.0 / 16.0,
    1.0 / 12.0,
    1.0 / 8.0,
    1.0 / 6.0,
    1.0 / 4.0,
    1.0 / 3.0,
    1.0 / 2.0,
];

/// The F statistic from which on the curve explains the blocks better than a line: about the 99.7 %
/// point of F(2, 20), since eight curves are tried.
const SIGNIFICANT_F: f64 = 8.0;

/// A fitted warm-up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct WarmUp {
    /// What the warm-up adds until it is complete, in the unit of the values.
    pub(super) height: f64,
    /// Lower confidence bound of the straight line beside it, per second.
    pub(super) line_low: f64,
    tau: f64,
    start: f64,
}

impl WarmUp {
    /// Subtracts the curve from the blocks.
    pub(super) fn take_off(&self, blocks: &mut [Block]) {
        for block in blocks {
            block.value -= self.height * curve(block.time - self.start, self.tau);
        }
    }
}

fn curve(time: f64, tau: f64) -> f64 {
    -(-time / tau).exp_m1()
}

/// Fits a warm-up; `None` if a straight line explains the blocks about as well.
pub(super) fn fit(blocks: &[Block], alpha: f64) -> Option<WarmUp> {
    let (first, last) = (blocks.first()?, blocks.last()?);
    let span = last.time - first.time;
    let freedom = blocks.len().checked_sub(4).filter(|&freedom| freedom > 0)? as f64;
    let line: Vec<f64> = blocks.iter().map(|block| block.time - first.time).collect();
    let values: Vec<f64> = blocks.iter().map(|block| block.value).collect();
    let straight = residuals(&values, &line);
    let total = sum_of_squares(&without_mean(&values));
    let rest = sum_of_squares(&straight);
    // What a line explains to the last digits has no warm-up.
    if !rest.is_finite() || rest <= 1e-18 * total {
        return None;
    }
    let fits = TIME_CONSTANTS.iter().filter_map(|share| {
        let tau = share * span;
        let rise: Vec<f64> = line.iter().map(|&time| curve(time, tau)).collect();
        // Partial regression (Frisch and Waugh): the curve's part that the line does not explain.
        let bend = residuals(&rise, &line);
        let height = dot(&straight, &bend) / sum_of_squares(&bend);
        let left: Vec<f64> = straight
            .iter()
            .zip(&bend)
            .map(|(y, x)| y - height * x)
            .collect();
        let squares = sum_of_squares(&left);
        (height > 0.0 && height.is_finite() && squares.is_finite())
            .then_some((squares, tau, height, rise, left))
    });
    let (squares, tau, height, rise, left) = fits.min_by(|a, b| a.0.total_cmp(&b.0))?;
    if (rest - squares) / 2.0 <= SIGNIFICANT_F * squares / freedom {
        return None;
    }
    let ahead: Vec<f64> = values
        .iter()
        .zip(&rise)
        .map(|(value, x)| value - height * x)
        .collect();
    let slope = slope_of(&ahead, &line);
    // The line's variance, given that the curve is fitted beside it.
    let apart = sum_of_squares(&residuals(&line, &rise));
    let error = (squares / freedom / apart).sqrt() * dependence(&left);
    let line_low = slope - student_quantile(1.0 - alpha / 2.0, freedom) * error;
    line_low.is_finite().then_some(WarmUp {
        height,
        line_low,
        tau,
        start: first.time,
    })
}

/// How much wider a standard error becomes when neighbouring residuals resemble each other, from
/// their correlation at lag 1, as for an AR(1) process.
fn dependence(left: &[f64]) -> f64 {
    let products: f64 = left.windows(2).map(|two| two[0] * two[1]).sum();
    let squares = sum_of_squares(left);
    let correlation = if squares > 0.0 {
        (products / squares).clamp(0.0, 0.9)
    } else {
        0.0
    };
    ((1.0 + correlation) / (1.0 - correlation)).sqrt()
}

/// What is left of `y` after a straight line in `x` with an intercept.
fn residuals(y: &[f64], x: &[f64]) -> Vec<f64> {
    let slope = slope_of(y, x);
    without_mean(y)
        .iter()
        .zip(without_mean(x))
        .map(|(y, x)| y - slope * x)
        .collect()
}

fn slope_of(y: &[f64], x: &[f64]) -> f64 {
    let x = without_mean(x);
    dot(&without_mean(y), &x) / sum_of_squares(&x)
}

fn without_mean(values: &[f64]) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    values.iter().map(|value| value - mean).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn sum_of_squares(values: &[f64]) -> f64 {
    dot(values, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(value: impl Fn(f64) -> f64) -> Vec<Block> {
        (0..24)
            .map(|i| f64::from(i) * 5.0)
            .map(|time| Block {
                time,
                value: value(time),
            })
            .collect()
    }

    #[test]
    fn a_line_beside_a_warm_up_is_found() {
        let mut series = blocks(|t| 3.0 + 0.5 * t + 40.0 * (1.0 - (-t / 14.375).exp()));
        let fit = fit(&series, 0.01).expect("there is a warm-up");
        assert!((fit.height - 40.0).abs() < 1e-6, "{fit:?}");
        assert!((fit.line_low - 0.5).abs() < 1e-6, "{fit:?}");
        fit.take_off(&mut series);
        assert!(
            series
                .iter()
                .all(|block| (block.value - 3.0 - 0.5 * block.time).abs() < 1e-6)
        );
    }

    #[test]
    fn a_line_a_constant_and_an_accelerating_curve_are_no_warm_up() {
        assert_eq!(fit(&blocks(|t| 2.0 * t), 0.01), None);
        assert_eq!(fit(&blocks(|_| 7.0), 0.01), None);
        assert_eq!(fit(&blocks(|t| t * t), 0.01), None);
        assert_eq!(fit(&[], 0.01), None);
    }
}
