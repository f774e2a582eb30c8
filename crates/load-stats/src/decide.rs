//! The decision of a paired comparison, metric by metric, at several looks.
//!
//! A pair is one measurement of the base beside one of the head. Per metric, the exact [`signed_rank`] test over the
//! pairs' differences says whether the head is worse or better, Holm's correction holds all metrics of all groups to one
//! level, and the interval of the test says how large the difference is. **A change is reported if the test is
//! significant and the near end of the interval lies beyond the metric's floor**: real, and large enough to matter.
//!
//! The pairs are looked at when a quarter, a half, three quarters and all of them are there. What a look may spend of the
//! level grows with the pairs since the last one: the linear spending function of K. K. G. Lan and D. L. DeMets,
//! "Discrete sequential boundaries for clinical trials", Biometrika 70 (1983). The looks are added up as Bonferroni does,
//! which holds whatever their dependence. A look at which no outcome could be significant spends nothing.
//!
//! A group of metrics is measured no more once one of them is worse, or once no interval reaches its floor.

use serde::{Deserialize, Serialize};

use crate::error::{StatsError, require_not_negative, require_share};
use crate::holm;
use crate::signed_rank::{interval, pairs_for_p, signed_rank, smallest_p};

const WHAT: &str = "the decision";

/// One metric; more is worse.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Head less base for each pair, such as the logarithm of their ratio; `None` where there is none.
    pub differences: Vec<Option<f64>>,
    /// The difference up to which nothing is reported.
    pub floor: f64,
}

/// How much evidence a decision takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// How often any metric may be called worse, over all metrics and looks, if none is; the same for better.
    pub alpha: f64,
    /// Confidence of the intervals.
    pub confidence: f64,
    /// Pairs that are measured at most.
    pub planned: usize,
    /// How often they are looked at, evenly, the last time when all are there. Of few pairs one look has the most to say.
    pub looks: usize,
}

impl Rule {
    /// 1 % false alarms, intervals of 95 %, four looks.
    #[must_use]
    pub fn of(planned: usize) -> Self {
        Self {
            alpha: 0.01,
            confidence: 0.95,
            planned,
            looks: 4,
        }
    }

    /// After how many pairs they are looked at.
    #[must_use]
    pub fn looks(&self) -> Vec<usize> {
        let mut looks: Vec<usize> = (1..=self.looks)
            .map(|nth| (self.planned * nth).div_ceil(self.looks))
            .collect();
        looks.dedup();
        looks
    }

    /// How many pairs it takes until one of `metrics` metrics could be significant.
    #[must_use]
    pub fn fewest_pairs(&self, metrics: usize) -> usize {
        pairs_for_p(self.alpha / metrics.max(1) as f64).unwrap_or(usize::MAX)
    }
}

/// What is said of one metric.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The head is worse, beyond the floor.
    Worse,
    /// The head is better, beyond the floor.
    Better,
    /// Neither is shown.
    Unchanged,
    /// There is no verdict, for this reason.
    NotJudged(String),
}

/// The numbers behind a verdict, on the scale of the differences.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Evidence {
    /// Pairs that have the metric.
    pub pairs: usize,
    /// The Hodges-Lehmann estimate.
    pub estimate: f64,
    /// Lower end of its confidence interval.
    pub low: f64,
    /// Upper end of its confidence interval.
    pub high: f64,
    /// The one-sided p-value of this metric alone, in the direction of the estimate.
    pub p: f64,
    /// The same after the corrections for all metrics and all looks: significant if at most the rule's `alpha`.
    pub p_adjusted: f64,
    /// The floor that was applied.
    pub floor: f64,
}

/// One metric's verdict with its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// The numbers, unless there is nothing to compute them of.
    pub evidence: Option<Evidence>,
}

/// What is said of metrics that are measured together.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Whether more pairs could change what is said.
    pub is_open: bool,
    /// How many pairs were looked at.
    pub pairs: usize,
    /// Of each metric, in their order.
    pub metrics: Vec<Decision>,
}

/// Decides on all metrics of one comparison together: each group is one test with its metrics, in their order.
#[must_use]
pub fn decide(groups: &[Vec<Metric>], rule: &Rule) -> Vec<Group> {
    let have: Vec<usize> = groups.iter().map(|group| measured(group)).collect();
    // A metric that shows later must not take back what was said before.
    let family_at = |pairs: usize| {
        let is_there =
            |metric: &&Metric| metric.differences.iter().take(pairs).any(Option::is_some);
        groups.iter().flatten().filter(is_there).count()
    };
    let mut decided: Vec<Option<Group>> = vec![None; groups.len()];
    let mut spent = 0;
    for at in rule.looks() {
        let open: Vec<usize> = (0..groups.len())
            .filter(|&group| decided[group].is_none() && have[group] >= at)
            .collect();
        let level = rule.alpha * (at - spent) as f64 / rule.planned as f64;
        let (family, is_last) = (family_at(at), at == rule.planned);
        if smallest_p(at) * family as f64 > level && !is_last {
            continue;
        }
        spent = at;
        let looked: Vec<Vec<Looked>> = open
            .iter()
            .map(|&group| {
                groups[group]
                    .iter()
                    .map(|metric| Looked::at(metric, at, rule))
                    .collect()
            })
            .collect();
        for (group, metrics) in open.iter().zip(decide_groups(looked, family, level, rule)) {
            let is_worse = metrics
                .iter()
                .any(|metric| metric.verdict == Verdict::Worse);
            if is_worse || is_last || are_clear(&metrics) {
                decided[*group] = Some(Group {
                    is_open: false,
                    pairs: at,
                    metrics,
                });
            }
        }
    }
    let unfinished = |(group, have): (&Vec<Metric>, usize)| Group {
        is_open: true,
        pairs: have,
        metrics: decide_groups(
            vec![
                group
                    .iter()
                    .map(|metric| Looked::at(metric, have, rule))
                    .collect(),
            ],
            family_at(have),
            0.0,
            rule,
        )
        .remove(0),
    };
    decided
        .into_iter()
        .zip(groups.iter().zip(have))
        .map(|(decided, all)| decided.unwrap_or_else(|| unfinished(all)))
        .collect()
}

fn measured(group: &[Metric]) -> usize {
    group
        .iter()
        .map(|metric| metric.differences.len())
        .max()
        .unwrap_or(0)
}

/// Whether none of them can be worse beyond its floor: of each that can be judged, the whole interval lies below.
fn are_clear(metrics: &[Decision]) -> bool {
    let is_clear = |metric: &Decision| match (&metric.evidence, &metric.verdict) {
        (Some(evidence), Verdict::Better | Verdict::Unchanged) => evidence.high < evidence.floor,
        (Some(_), _) => false,
        (None, _) => true,
    };
    metrics.iter().any(|metric| metric.evidence.is_some()) && metrics.iter().all(is_clear)
}

/// What a look at one metric shows before the other metrics are taken into account.
enum Looked {
    /// The evidence, and the one-sided p-values of being worse and of being better.
    Seen(Evidence, [f64; 2]),
    Nothing(String),
}

impl Looked {
    fn at(metric: &Metric, pairs: usize, rule: &Rule) -> Self {
        let values: Vec<f64> = metric
            .differences
            .iter()
            .take(pairs)
            .flatten()
            .copied()
            .collect();
        match Self::seen(metric, &values, rule) {
            _ if values.is_empty() => Self::Nothing("no pair has it on both sides".into()),
            Ok(seen) => seen,
            Err(error) => Self::Nothing(error.to_string()),
        }
    }

    fn seen(metric: &Metric, values: &[f64], rule: &Rule) -> Result<Self, StatsError> {
        require_share(WHAT, "alpha", rule.alpha)?;
        require_not_negative(WHAT, "floor", metric.floor)?;
        let found = interval(values, rule.confidence)?;
        let tested = signed_rank(values)?;
        let p = if found.estimate < 0.0 {
            tested.below
        } else {
            tested.above
        };
        let evidence = Evidence {
            pairs: values.len(),
            estimate: found.estimate,
            low: found.low,
            high: found.high,
            p,
            p_adjusted: 1.0,
            floor: metric.floor,
        };
        Ok(Self::Seen(evidence, [tested.above, tested.below]))
    }
}

/// Why there is no verdict on what was measured no further.
const CUT_OFF: &str = "the measuring ended before a look that could judge it";

/// The decisions of one look at the groups that are still open; without a `level` to spend, of no look.
fn decide_groups(
    groups: Vec<Vec<Looked>>,
    family: usize,
    level: f64,
    rule: &Rule,
) -> Vec<Vec<Decision>> {
    let of_direction = |direction: usize| {
        let seen = groups.iter().flatten().filter_map(|looked| match looked {
            Looked::Seen(_, p) => Some(p[direction]),
            Looked::Nothing(_) => None,
        });
        let mut p_values: Vec<f64> = seen.collect();
        // Those of other groups stay in the family with p = 1, which only makes it stricter.
        p_values.resize(family.max(p_values.len()), 1.0);
        holm::adjust(&p_values).into_iter()
    };
    let (mut worse, mut better) = (of_direction(0), of_direction(1));
    let mut decision = |looked| match looked {
        Looked::Nothing(why) => Decision {
            verdict: Verdict::NotJudged(why),
            evidence: None,
        },
        Looked::Seen(mut evidence, _) => {
            let p = [worse.next().unwrap_or(1.0), better.next().unwrap_or(1.0)];
            let adjusted = if evidence.estimate < 0.0 { p[1] } else { p[0] };
            // A look's share of the level makes p as much larger; without a look there is none.
            evidence.p_adjusted = if level > 0.0 {
                (adjusted * rule.alpha / level).min(1.0)
            } else {
                1.0
            };
            let verdict = if level == 0.0 {
                Verdict::NotJudged(CUT_OFF.into())
            } else if smallest_p(evidence.pairs) * family as f64 > level {
                Verdict::NotJudged(too_few(evidence.pairs, family, level))
            } else if p[0] <= level && evidence.low > evidence.floor {
                Verdict::Worse
            } else if p[1] <= level && evidence.high < -evidence.floor {
                Verdict::Better
            } else {
                Verdict::Unchanged
            };
            Decision {
                verdict,
                evidence: Some(evidence),
            }
        }
    };
    groups
        .into_iter()
        .map(|group| group.into_iter().map(&mut decision).collect())
        .collect()
}

/// The arithmetic of too few pairs, in a sentence.
fn too_few(have: usize, family: usize, level: f64) -> String {
    let required = level / family.max(1) as f64;
    let need = pairs_for_p(required).unwrap_or(usize::MAX);
    format!(
        "{have} pairs reach p = 1/2^{have} = {:.2e} at best, and {required:.2e} is needed, which takes {need} pairs",
        smallest_p(have)
    )
}
