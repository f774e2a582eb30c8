//! Does a resource, such as resident memory or open files, grow without end?
//!
//! A trend test alone blames the wrong servers: one allocation that stays, a cache that fills up, or
//! a heap that is trimmed now and then all have a rising trend over some hold. [`judge_growth`]
//! therefore takes these shapes off first and then asks for a rise that is real, large and steady:
//!
//! 1. **Blocks.** The hold is cut into 24 blocks of equal time (12 if there are few samples), one
//!    median each. Spikes vanish, and so does most of the dependence between seconds.
//! 2. **One step** is taken off: the largest rise between a block and the next but one, if it
//!    exceeds the median of all such rises by 7 median absolute deviations.
//! 3. **A warm-up** is taken off: a saturating exponential beside a straight line, fitted by least
//!    squares, if it explains the blocks significantly better than the line alone. What then counts
//!    as growth is the line, with an error bound that knows of the fit.
//! 4. **Trend.** Mann–Kendall with Hamed and Rao's correction for dependence; one-sided.
//! 5. **Size.** The lower end of the Theil–Sen slope's interval, widened by the same correction,
//!    must exceed the bound.
//! 6. **Steadiness.** Memory that is given back later was not leaked: each block counts only what is
//!    still held at every later block. That retained level must grow by at least half the bound's
//!    rate in four of six equal segments, and in two of the last three. Further steps, a cache that
//!    fills in the first half, and saw teeth fail here.
//!
//! What cannot be told apart within one hold: a leak, and a single saw tooth, a cache that takes
//! longer than the hold to fill, or one whose slow tail still grows faster than the bound at the
//! end. A longer hold tells. `tests/growth_shapes.rs` holds each shape, with noise, against the
//! verdict.

mod blocks;
mod warm_up;

use crate::error::{StatsError, require_finite, require_not_negative, require_share};
use crate::mann_kendall::mann_kendall;
use crate::slope::theil_sen;
use blocks::{Block, block_medians, retained, take_off_step};
use warm_up::{WarmUp, distance_from_line};

const WHAT: &str = "growth";
const SECONDS_PER_HOUR: f64 = 3_600.0;
/// Into how many segments the hold is cut for the question whether growth is steady.
const SEGMENTS: usize = 6;
/// In how many of them the retained level must grow.
const GROWING_SEGMENTS: usize = 4;
/// In how many of the last three it must grow.
const GROWING_LATE: usize = 2;
/// Fewer samples than this say nothing about six segments.
const LEAST_SAMPLES: usize = 24;

/// What counts as growth, and how much evidence it takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GrowthRule {
    /// Growth up to this much per hour is accepted; in the unit of the values.
    pub bound_per_hour: f64,
    /// The shortest span between the first and the last sample that is judged, in seconds.
    pub min_span: f64,
    /// The fewest samples that are judged; never fewer than 24.
    pub min_samples: usize,
    /// The level of the tests, for example 0.01.
    pub alpha: f64,
}

impl GrowthRule {
    /// Raises the bound so that growth of less than `least` over the `span` of the samples, in
    /// seconds, is accepted. In a hold of minutes a bound per hour is a few megabytes, which a
    /// database's page cache takes before it is full.
    #[must_use]
    pub fn with_least_growth(self, least: f64, span: f64) -> Self {
        let per_hour = least / span * SECONDS_PER_HOUR;
        if per_hour.is_finite() && per_hour > self.bound_per_hour {
            return Self {
                bound_per_hour: per_hour,
                ..self
            };
        }
        self
    }
}

/// What was measured, whatever the verdict. Rates are in the unit of the values, per hour, after a
/// single step and a warm-up are taken off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GrowthEvidence {
    /// Theil–Sen slope.
    pub per_hour: f64,
    /// Lower end of its confidence interval at level `1 - alpha`.
    pub low: f64,
    /// One-sided p-value of the Mann–Kendall test, corrected for dependence.
    pub p: f64,
    /// In how many of the six segments the retained level grew.
    pub growing_segments: usize,
    /// The single step that was taken off, in the unit of the values.
    pub step: Option<f64>,
    /// Seconds between the first and the last sample.
    pub span: f64,
}

/// Why there is no growth to blame: the first of the conditions that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlatReason {
    /// The Mann–Kendall test finds no rise.
    NoTrend,
    /// The rate's interval reaches down to the bound.
    WithinBound,
    /// The rise is a few steps, a cache that filled up, or is given back later.
    NotSteady,
}

/// The verdict of [`judge_growth`].
#[derive(Debug, Clone, PartialEq)]
pub enum Growth {
    /// There is no verdict; never to be shown as a pass.
    NotEvaluated {
        /// What was missing, in words.
        why: String,
    },
    /// No growth beyond the bound.
    Flat {
        /// The condition that does not hold.
        reason: FlatReason,
        /// What was measured.
        evidence: GrowthEvidence,
    },
    /// Steady growth beyond the bound.
    Growing {
        /// What was measured.
        evidence: GrowthEvidence,
    },
}

/// Judges `(seconds, value)` samples of the steady part of a run, as the module's page describes.
///
/// Samples may come in any order and at uneven distances. Bad input gives
/// [`Growth::NotEvaluated`] with the reason.
#[must_use]
pub fn judge_growth(samples: &[(f64, f64)], rule: GrowthRule) -> Growth {
    evaluate(samples, rule).unwrap_or_else(|why| Growth::NotEvaluated { why })
}

fn evaluate(samples: &[(f64, f64)], rule: GrowthRule) -> Result<Growth, String> {
    check(samples, rule)?;
    let need = rule.min_samples.max(LEAST_SAMPLES);
    if samples.len() < need {
        let have = samples.len();
        return Err(format!("{have} samples of steady load, {need} needed"));
    }
    let mut samples = samples.to_vec();
    samples.sort_by(|a, b| a.0.total_cmp(&b.0));
    let first = samples.first().map_or(0.0, |sample| sample.0);
    let span = samples.last().map_or(0.0, |sample| sample.0) - first;
    if !(span > 0.0 && span >= rule.min_span) {
        let need = rule.min_span.max(1.0);
        return Err(format!("{span:.0} s of steady load, {need:.0} s needed"));
    }
    let mut blocks = block_medians(&samples)?;
    let (step, warm_up) = take_off_shapes(&mut blocks, rule.alpha);
    let values: Vec<f64> = blocks.iter().map(|block| block.value).collect();
    let points: Vec<(f64, f64)> = blocks
        .iter()
        .map(|block| (block.time, block.value))
        .collect();
    let trend = mann_kendall(&values)?;
    let line = theil_sen(&points, 1.0 - rule.alpha, trend.variance_factor)?;
    let fitted_low = warm_up.as_ref().map_or(f64::INFINITY, |fit| fit.line_low);
    let growing = growing_segments(&blocks, rule.bound_per_hour / SECONDS_PER_HOUR / 2.0);
    let evidence = GrowthEvidence {
        per_hour: line.slope * SECONDS_PER_HOUR,
        low: line.low.min(fitted_low) * SECONDS_PER_HOUR,
        p: trend.p_rising,
        growing_segments: growing.iter().filter(|&&grows| grows).count(),
        step,
        span,
    };
    let late = growing
        .iter()
        .skip(SEGMENTS / 2)
        .filter(|&&grows| grows)
        .count();
    let reason = if evidence.p >= rule.alpha {
        FlatReason::NoTrend
    } else if evidence.low.is_nan() || evidence.low <= rule.bound_per_hour {
        FlatReason::WithinBound
    } else if evidence.growing_segments < GROWING_SEGMENTS || late < GROWING_LATE {
        FlatReason::NotSteady
    } else {
        return Ok(Growth::Growing { evidence });
    };
    Ok(Growth::Flat { reason, evidence })
}

fn check(samples: &[(f64, f64)], rule: GrowthRule) -> Result<(), StatsError> {
    require_share(WHAT, "alpha", rule.alpha)?;
    require_not_negative(WHAT, "bound_per_hour", rule.bound_per_hour)?;
    require_not_negative(WHAT, "min_span", rule.min_span)?;
    require_finite(WHAT, samples.iter().map(|sample| sample.0))?;
    require_finite(WHAT, samples.iter().map(|sample| sample.1))
}

/// Takes off a step and a warm-up. Either may look like the other at first, so both orders are tried
/// and the one that leaves the blocks closer to a straight line is kept.
fn take_off_shapes(blocks: &mut Vec<Block>, alpha: f64) -> (Option<f64>, Option<WarmUp>) {
    let mut step_first = blocks.clone();
    let step = take_off_step(&mut step_first);
    let warm_up = WarmUp::take_off(&mut step_first, alpha);
    let mut warm_up_first = blocks.clone();
    let other_warm_up = WarmUp::take_off(&mut warm_up_first, alpha);
    let other_step = take_off_step(&mut warm_up_first);
    if distance_from_line(&warm_up_first) < distance_from_line(&step_first) {
        *blocks = warm_up_first;
        (other_step, other_warm_up)
    } else {
        *blocks = step_first;
        (step, warm_up)
    }
}

/// For each segment, whether the retained level grows faster than `rate` a second.
fn growing_segments(blocks: &[Block], rate: f64) -> Vec<bool> {
    let kept = retained(blocks);
    let last = blocks.len().saturating_sub(1);
    (0..SEGMENTS)
        .map(|segment| {
            let start = segment * last / SEGMENTS;
            let end = (segment + 1) * last / SEGMENTS;
            match (
                blocks.get(start),
                blocks.get(end),
                kept.get(start),
                kept.get(end),
            ) {
                (Some(from), Some(to), Some(low), Some(high)) => {
                    high - low > rate * (to.time - from.time)
                }
                _ => false,
            }
        })
        .collect()
}
