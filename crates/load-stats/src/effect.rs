//! How small a difference can a paired comparison see?
//!
//! A pair's log ratio has standard deviation `sd`. The Hodges–Lehmann estimate over n pairs has the
//! standard error `se = sd / sqrt(n * 3 / pi)`, since 3/pi is the efficiency of rank methods against
//! the mean for normal data (Hodges and Lehmann, 1956). A difference `d` is reported if
//!
//! - the test finds it: `d / se` exceeds the t quantile at `1 - alpha / 2`, and
//! - the interval's near end exceeds the floor: `d - t * se > ln(1 + floor)`, with t at the
//!   interval's confidence.
//!
//! To be reported with probability `power`, d must exceed the larger of both bounds by
//! `z(power) * se`. The t quantiles have n - 1 degrees of freedom.

use crate::error::{StatsError, require_not_negative, require_share};
use crate::numbers::{normal_quantile, student_quantile};
use crate::signed_rank::{pairs_for_p, smallest_p};

const WHAT: &str = "the smallest visible effect";

/// A paired comparison as planned or as it was made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EffectQuery {
    /// Standard deviation of a pair's natural log ratio.
    pub sd_log_ratio: f64,
    /// Level of this metric's two-sided test, for example 0.05 divided by the number of metrics: a
    /// cautious reading of Holm's correction.
    pub alpha: f64,
    /// Confidence of the interval, for example 0.95.
    pub confidence: f64,
    /// Probability with which the effect is to be reported, for example 0.8.
    pub power: f64,
    /// Relative change that is too small to report, for example 0.02.
    pub floor: f64,
}

/// The smallest relative increase (0.1 is +10 %) that `pairs` pairs report with the wanted power.
///
/// # Errors
/// A parameter out of range, fewer than 2 pairs, or so few that no p reaches `alpha`.
pub fn smallest_visible(pairs: usize, query: EffectQuery) -> Result<f64, StatsError> {
    check(query)?;
    if pairs < 2 {
        return Err(StatsError::too_few(WHAT, pairs, 2));
    }
    if smallest_p(pairs) > query.alpha {
        let need = pairs_for_p(query.alpha).unwrap_or(usize::MAX);
        return Err(StatsError::too_few(WHAT, pairs, need));
    }
    Ok(visible(pairs, query))
}

fn visible(pairs: usize, query: EffectQuery) -> f64 {
    let error = query.sd_log_ratio / (pairs as f64 * 3.0 / std::f64::consts::PI).sqrt();
    let freedom = pairs as f64 - 1.0;
    let by_test = student_quantile(1.0 - query.alpha / 2.0, freedom) * error;
    let by_floor =
        query.floor.ln_1p() + student_quantile(0.5 + query.confidence / 2.0, freedom) * error;
    let log_ratio = by_test.max(by_floor) + normal_quantile(query.power) * error;
    log_ratio.max(0.0).exp_m1()
}

fn check(query: EffectQuery) -> Result<(), StatsError> {
    require_not_negative(WHAT, "sd_log_ratio", query.sd_log_ratio)?;
    require_not_negative(WHAT, "floor", query.floor)?;
    require_share(WHAT, "alpha", query.alpha)?;
    require_share(WHAT, "confidence", query.confidence)?;
    require_share(WHAT, "power", query.power)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: EffectQuery = EffectQuery {
        sd_log_ratio: 0.115,
        alpha: 0.05,
        confidence: 0.95,
        power: 0.8,
        floor: 0.0,
    };

    #[test]
    fn ten_pairs_see_what_the_formula_says() -> Result<(), StatsError> {
        // (2.2622 + 0.8416) * 0.115 / sqrt(10 * 3 / pi) = 0.11550; e^0.11550 - 1.
        let effect = smallest_visible(10, QUERY)?;
        assert!((effect - 0.1224).abs() < 2e-4, "{effect}");
        Ok(())
    }

    #[test]
    fn a_floor_and_noise_make_it_larger() -> Result<(), StatsError> {
        let plain = smallest_visible(12, QUERY)?;
        assert!(
            smallest_visible(
                12,
                EffectQuery {
                    floor: 0.05,
                    ..QUERY
                }
            )? > plain
        );
        assert!(
            smallest_visible(
                12,
                EffectQuery {
                    sd_log_ratio: 0.3,
                    ..QUERY
                }
            )? > plain
        );
        assert_eq!(
            smallest_visible(
                12,
                EffectQuery {
                    sd_log_ratio: 0.0,
                    ..QUERY
                }
            )?,
            0.0
        );
        Ok(())
    }

    #[test]
    fn bad_input_is_a_typed_error() {
        for (pairs, need) in [(0, 2), (5, 6)] {
            let error = smallest_visible(pairs, QUERY).expect_err("too few");
            assert_eq!(error, StatsError::too_few(WHAT, pairs, need));
        }
        assert!(
            smallest_visible(
                9,
                EffectQuery {
                    power: 1.0,
                    ..QUERY
                }
            )
            .is_err()
        );
        assert!(
            smallest_visible(
                9,
                EffectQuery {
                    sd_log_ratio: f64::NAN,
                    ..QUERY
                }
            )
            .is_err()
        );
    }
}
