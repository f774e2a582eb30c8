//! A warm-up that saturates: `c + slope * t + height * (1 - exp(-t / tau))` by least squares.

use super::blocks::Block;
use crate::numbers::student_quantile;

/// The time constants that are tried, as shares of the hold, in equal ratios. A slower one cannot be
/// told from a straight line within the hold.
const FASTEST: f64 = 1.0 / 32.0;
const SLOWEST: f64 = 1.0 / 2.0;
const TIME_CONSTANTS: i32 = 17;

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
    /// Fits a warm-up and subtracts it; `None` if a straight line explains the blocks about as well.
    pub(super) fn take_off(blocks: &mut [Block], alpha: f64) -> Option<Self> {
        let fit = fit(blocks, alpha)?;
        for block in blocks {
            block.value -= fit.height * curve(block.time - fit.start, fit.tau);
        }
        Some(fit)
    }
}

/// The sum of the squared distances from the least-squares line.
pub(super) fn distance_from_line(blocks: &[Block]) -> f64 {
    let times: Vec<f64> = blocks.iter().map(|block| block.time).collect();
    let values: Vec<f64> = blocks.iter().map(|block| block.value).collect();
    sum_of_squares(&residuals(&values, &times))
}

fn curve(time: f64, tau: f64) -> f64 {
    -(-time / tau).exp_m1()
}

fn fit(blocks: &[Block], alpha: f64) -> Option<WarmUp> {
    let (first, last) = (blocks.first()?, blocks.last()?);
    let span = last.time - first.time;
    let freedom = blocks.len().checked_sub(4).filter(|&freedom| freedom > 0)? as f64;
    let line: Vec<f64> = blocks.iter().map(|block| block.time - first.time).collect();
    let values: Vec<f64> = blocks.iter().map(|block| block.value).collect();
    let straight = residuals(&values, &line);
    let rest = sum_of_squares(&straight);
    // What a line explains to the last digits has no warm-up.
    if !rest.is_finite() || rest <= 1e-18 * sum_of_squares(&without_mean(&values)) {
        return None;
    }
    let ratio = (SLOWEST / FASTEST).powf(1.0 / f64::from(TIME_CONSTANTS - 1));
    let fits: Vec<Candidate> = (0..TIME_CONSTANTS)
        .filter_map(|index| {
            candidate(
                &values,
                &line,
                &straight,
                span * FASTEST * ratio.powi(index),
            )
        })
        .collect();
    let best = fits.iter().min_by(|a, b| a.squares.total_cmp(&b.squares))?;
    if (rest - best.squares) / 2.0 <= SIGNIFICANT_F * best.squares / freedom {
        return None;
    }
    let reach = student_quantile(1.0 - alpha / 2.0, freedom) * best.dependence;
    // The time constant is not known: each that explains the blocks nearly as well as the best one
    // may be the true one (profile likelihood), and the lowest line among them counts.
    let plausible = best.squares * (1.0 + reach * reach / freedom);
    let line_low = fits
        .iter()
        .filter(|fit| fit.squares <= plausible)
        .map(|fit| fit.slope - reach * (fit.squares / freedom / fit.apart).sqrt())
        .min_by(f64::total_cmp)?;
    line_low.is_finite().then_some(WarmUp {
        height: best.height,
        line_low,
        tau: best.tau,
        start: first.time,
    })
}

/// The least-squares fit for one time constant.
struct Candidate {
    tau: f64,
    height: f64,
    slope: f64,
    /// Sum of the squared residuals.
    squares: f64,
    /// Sum of squares of the time that the curve does not explain: what the slope rests on.
    apart: f64,
    /// See [`dependence`].
    dependence: f64,
}

fn candidate(values: &[f64], line: &[f64], straight: &[f64], tau: f64) -> Option<Candidate> {
    let rise: Vec<f64> = line.iter().map(|&time| curve(time, tau)).collect();
    // Partial regression (Frisch and Waugh): the curve's part that the line does not explain.
    let bend = residuals(&rise, line);
    let height = dot(straight, &bend) / sum_of_squares(&bend);
    let left: Vec<f64> = straight
        .iter()
        .zip(&bend)
        .map(|(y, x)| y - height * x)
        .collect();
    let ahead: Vec<f64> = values
        .iter()
        .zip(&rise)
        .map(|(value, x)| value - height * x)
        .collect();
    let fit = Candidate {
        tau,
        height,
        slope: slope_of(&ahead, line),
        squares: sum_of_squares(&left),
        apart: sum_of_squares(&residuals(line, &rise)),
        dependence: dependence(&left),
    };
    (height > 0.0 && height.is_finite() && fit.squares.is_finite()).then_some(fit)
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
        // A time constant between those that are tried.
        let mut series = blocks(|t| 3.0 + 0.5 * t + 40.0 * (1.0 - (-t / 20.0).exp()));
        let fit = WarmUp::take_off(&mut series, 0.01).expect("there is a warm-up");
        assert!((fit.height - 40.0).abs() < 0.5, "{fit:?}");
        assert!((0.47..=0.5).contains(&fit.line_low), "{fit:?}");
        assert!(
            series
                .iter()
                .all(|block| (block.value - 3.0 - 0.5 * block.time).abs() < 0.6)
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
