//! The decision of a paired comparison, metric by metric.
//!
//! Each pair is one block of the base beside one of the head. Per metric, the exact signed-rank test
//! over the pairs' log ratios says whether there is a difference, Holm's correction holds the family of metrics to one level, and a bootstrap interval (BCa of the Hodges-Lehmann estimate) says how
//! large it is. A change is reported if the test is significant **and** the interval's near end
//! exceeds the metric's floor: real, and large enough to matter.

use serde::{Deserialize, Serialize};

use crate::bootstrap::interval;
use crate::error::{StatsError, require_not_negative, require_share};
use crate::holm;
use crate::signed_rank::{pairs_for_p, signed_rank, smallest_p};

const WHAT: &str = "the decision";

/// The measured blocks of one metric; higher is worse.
#[derive(Debug, Clone, PartialEq)]
pub struct PairedMetric {
    /// `(base, head)` of each pair, both above 0.
    pub pairs: Vec<(f64, f64)>,
    /// Relative change up to which nothing is reported, for example 0.05.
    pub floor: f64,
}

/// How much evidence a decision takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecisionRule {
    /// Level of the whole family of metrics, two-sided: of 0.02, about 1 % goes to false
    /// regressions and 1 % to false improvements.
    pub alpha: f64,
    /// Fewest pairs, whatever the level; 6 reach p = 0.031.
    pub min_pairs: usize,
    /// Confidence of the intervals.
    pub confidence: f64,
    /// Bootstrap resamples.
    pub resamples: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
}

impl Default for DecisionRule {
    fn default() -> Self {
        Self {
            alpha: 0.02,
            min_pairs: 6,
            confidence: 0.95,
            resamples: 5_000,
            seed: 1,
        }
    }
}

/// What is said of one metric.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The head is worse, beyond the floor.
    Regression,
    /// The head is better, beyond the floor.
    Improvement,
    /// No change that is both significant and beyond the floor.
    NoChange,
    /// So few pairs that no outcome could be significant.
    TooFewPairs {
        /// Pairs that were measured.
        have: usize,
        /// Pairs that are needed.
        need: usize,
        /// The smallest two-sided p that the pairs can reach, `2 / 2^have`.
        smallest_p: f64,
        /// What p must be at most: the level by the number of metrics, as Holm's first step asks.
        required_p: f64,
    },
    /// The values have no log ratio, or a parameter is out of range.
    NotComparable {
        /// What is in the way.
        why: String,
    },
}

/// The numbers behind a verdict. Ratios are head by base: 1.1 is +10 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Pairs that were measured.
    pub pairs: usize,
    /// Hodges-Lehmann estimate of the ratio.
    pub ratio: f64,
    /// Lower end of its confidence interval.
    pub low: f64,
    /// Upper end of its confidence interval.
    pub high: f64,
    /// Two-sided p-value of this metric alone.
    pub p: f64,
    /// The p-value after Holm's correction: significant if at most the rule's level.
    pub p_adjusted: f64,
    /// The floor that was applied.
    pub floor: f64,
    /// Standard deviation of the pairs' log ratios.
    pub sd_log_ratio: f64,
}

/// One metric's verdict with its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricDecision {
    /// The verdict.
    pub verdict: Verdict,
    /// The numbers, unless there are too few pairs or no ratios.
    pub evidence: Option<Evidence>,
}

/// Decides on all metrics of one comparison together, in their order.
///
/// The metrics that can be compared make the family of Holm's correction; the others are answered
/// with [`Verdict::NotComparable`].
#[must_use]
pub fn decide(metrics: &[PairedMetric], rule: &DecisionRule) -> Vec<MetricDecision> {
    judge_all(metrics, rule, Depth::Evidence)
}

/// The verdicts of [`decide`] alone, without intervals for what is not significant: for simulations, which draw many
/// comparisons.
#[must_use]
pub fn verdicts(metrics: &[PairedMetric], rule: &DecisionRule) -> Vec<Verdict> {
    judge_all(metrics, rule, Depth::Verdict)
        .into_iter()
        .map(|decision| decision.verdict)
        .collect()
}

/// How much is computed of a metric without a significant difference.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Evidence,
    Verdict,
}

fn judge_all(metrics: &[PairedMetric], rule: &DecisionRule, depth: Depth) -> Vec<MetricDecision> {
    let ratios: Vec<Result<Ratios, String>> = metrics
        .iter()
        .map(|metric| log_ratios(metric, rule))
        .collect();
    let family = ratios.iter().filter(|ratios| ratios.is_ok()).count();
    let tested: Vec<Result<(Ratios, f64), Verdict>> = ratios
        .into_iter()
        .map(|ratios| test(ratios, family, rule))
        .collect();
    // Metrics with too few pairs stay in the family with p = 1, which only makes it stricter.
    let p_values: Vec<f64> = tested.iter().flatten().map(|(_, p)| *p).collect();
    let padding = vec![1.0; family.saturating_sub(p_values.len())];
    let mut adjusted = holm::adjust(&[p_values, padding].concat()).into_iter();
    metrics
        .iter()
        .zip(tested)
        .map(|(metric, tested)| {
            let (verdict, evidence) = match tested {
                Err(verdict) => (verdict, None),
                Ok((ratios, p)) => {
                    let p_adjusted = adjusted.next().unwrap_or(1.0);
                    if depth == Depth::Verdict && p_adjusted > rule.alpha {
                        (Verdict::NoChange, None)
                    } else {
                        weigh(metric, &ratios, (p, p_adjusted), rule)
                    }
                }
            };
            MetricDecision { verdict, evidence }
        })
        .collect()
}

/// The log ratios of one metric's pairs.
type Ratios = Vec<f64>;

fn weigh(
    metric: &PairedMetric,
    ratios: &Ratios,
    p_values: (f64, f64),
    rule: &DecisionRule,
) -> (Verdict, Option<Evidence>) {
    match evidence(metric, ratios, p_values, rule) {
        Ok(evidence) => (verdict_on(&evidence, rule.alpha), Some(evidence)),
        Err(error) => {
            let why = error.to_string();
            (Verdict::NotComparable { why }, None)
        }
    }
}

/// The log ratios of the pairs, or why there are none.
fn log_ratios(metric: &PairedMetric, rule: &DecisionRule) -> Result<Ratios, String> {
    let parameters = require_share(WHAT, "alpha", rule.alpha)
        .and_then(|()| require_share(WHAT, "confidence", rule.confidence))
        .and_then(|()| require_not_negative(WHAT, "floor", metric.floor));
    parameters.map_err(|error: StatsError| error.to_string())?;
    let usable = |value: f64| value.is_finite() && value > 0.0;
    for (index, &(base, head)) in metric.pairs.iter().enumerate() {
        if !(usable(base) && usable(head)) {
            return Err(format!(
                "pair {} has no ratio: base {base}, head {head}; both must be finite and above 0",
                index + 1
            ));
        }
    }
    let ratios: Vec<f64> = metric
        .pairs
        .iter()
        .map(|(base, head)| head.ln() - base.ln())
        .collect();
    Ok(ratios)
}

fn test(
    ratios: Result<Ratios, String>,
    family: usize,
    rule: &DecisionRule,
) -> Result<(Ratios, f64), Verdict> {
    let ratios = ratios.map_err(|why| Verdict::NotComparable { why })?;
    let have = ratios.len();
    let required_p = rule.alpha / family.max(1) as f64;
    if have < rule.min_pairs.max(2) || smallest_p(have) > required_p {
        let need = pairs_for_p(required_p)
            .unwrap_or(usize::MAX)
            .max(rule.min_pairs);
        let smallest_p = smallest_p(have);
        return Err(Verdict::TooFewPairs {
            have,
            need,
            smallest_p,
            required_p,
        });
    }
    let p = signed_rank(&ratios).map_err(|error| Verdict::NotComparable {
        why: error.to_string(),
    })?;
    Ok((ratios, p))
}

fn evidence(
    metric: &PairedMetric,
    ratios: &Ratios,
    (p, p_adjusted): (f64, f64),
    rule: &DecisionRule,
) -> Result<Evidence, StatsError> {
    let found = interval(ratios, rule.confidence, rule.resamples, rule.seed)?;
    let count = ratios.len() as f64;
    // Divided first, so that large values cannot overflow.
    let mean: f64 = ratios.iter().map(|ratio| ratio / count).sum();
    let squares: f64 = ratios.iter().map(|ratio| (ratio - mean).powi(2)).sum();
    let sd_log_ratio = (squares / (count - 1.0)).sqrt();
    Ok(Evidence {
        pairs: ratios.len(),
        ratio: found.estimate.exp(),
        low: found.low.exp(),
        high: found.high.exp(),
        p,
        p_adjusted,
        floor: metric.floor,
        sd_log_ratio,
    })
}

fn verdict_on(evidence: &Evidence, alpha: f64) -> Verdict {
    if evidence.p_adjusted > alpha {
        Verdict::NoChange
    } else if evidence.low > 1.0 + evidence.floor {
        Verdict::Regression
    } else if evidence.high < 1.0 / (1.0 + evidence.floor) {
        // The same distance on the log scale either way, so that swapping base and head mirrors the verdict.
        Verdict::Improvement
    } else {
        Verdict::NoChange
    }
}
