//! No input makes a function panic, and no answer leaves its range.

use load_stats::change_points::change_points;
use load_stats::decide::{Metric, Rule, decide};
use load_stats::energy::best_split;
use load_stats::fence::{Fence, judge_by_fence};
use load_stats::growth::{Growth, GrowthRule, judge_growth};
use load_stats::holm::adjust;
use load_stats::mann_kendall::mann_kendall;
use load_stats::signed_rank::{interval, pairs_for_p, signed_rank, smallest_p};
use load_stats::slope::theil_sen;
use proptest::collection::vec;
use proptest::prelude::*;

/// Anything that a float can be, with the awkward ones and ties often.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => any::<f64>(),
        4 => -100.0..100.0,
        3 => (-3_i8..4).prop_map(f64::from),
        1 => prop_oneof![
            Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0),
            Just(f64::MAX), Just(f64::MIN), Just(f64::MIN_POSITIVE), Just(5e-324),
        ],
    ]
}

/// Series that pass the checks on finite values as well as those that do not.
fn numbers() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        vec(number(), 0..100),
        vec(
            any::<f64>().prop_filter("finite", |value| value.is_finite()),
            0..100
        ),
        vec(-5.0..5.0, 0..100),
        vec((-3_i8..4).prop_map(f64::from), 0..100),
        (number(), 0..100_usize).prop_map(|(value, count)| vec![value; count]),
    ]
}

fn share(p: f64) -> bool {
    (0.0..=1.0).contains(&p)
}

proptest! {
    #[test]
    fn trends(values in numbers(), times in numbers(), confidence in number(), factor in number()) {
        let points: Vec<(f64, f64)> = times.iter().copied().zip(values.iter().copied()).collect();
        for confidence in [confidence, 0.95] {
            for factor in [factor, 1.0, 1e300] {
                if let Ok(line) = theil_sen(&points, confidence, factor) {
                    prop_assert!(line.low <= line.slope && line.slope <= line.high, "{line:?}");
                }
            }
        }
        if let Ok(test) = mann_kendall(&values) {
            prop_assert!(share(test.p_rising) && test.variance_factor >= 1.0, "{test:?}");
        }
    }

    #[test]
    fn growth(values in numbers(), times in numbers(), even: bool, bound in number(),
              alpha in number(), min_samples: usize, min_span in number()) {
        let samples: Vec<(f64, f64)> = values
            .iter()
            .enumerate()
            .map(|(index, &value)| {
                (if even { index as f64 } else { times.get(index).copied().unwrap_or(1.0) }, value)
            })
            .collect();
        let odd = GrowthRule { bound_per_hour: bound, min_span, min_samples, alpha };
        let sane = GrowthRule { bound_per_hour: 1.0, min_span: 1.0, min_samples: 24, alpha: 0.01 };
        for rule in [odd, sane] {
            if let Growth::Growing { evidence } = judge_growth(&samples, rule) {
                prop_assert!(evidence.low > rule.bound_per_hour, "{evidence:?}");
                prop_assert!(evidence.p < rule.alpha, "{evidence:?}");
            }
        }
    }

    #[test]
    fn signed_ranks(values in numbers(), pairs: usize, p in number()) {
        if let Ok(found) = signed_rank(&values) {
            prop_assert!(share(found.above) && share(found.below), "{found:?}");
            let mirrored: Vec<f64> = values.iter().map(|value| -value).collect();
            prop_assert_eq!(signed_rank(&mirrored).expect("as finite as before").above, found.below);
        }
        for confidence in [p, 0.95] {
            if let Ok(found) = interval(&values, confidence) {
                prop_assert!(found.low <= found.estimate && found.estimate <= found.high, "{found:?}");
            }
        }
        prop_assert!(share(smallest_p(pairs)));
        let _ = pairs_for_p(p);
    }

    #[test]
    fn holm(values in numbers()) {
        let adjusted = adjust(&values);
        prop_assert_eq!(adjusted.len(), values.len());
        prop_assert!(adjusted.iter().copied().all(share));
    }

    #[test]
    fn fences(history in numbers(), value in number(), floor in number()) {
        let _ = judge_by_fence(&[&history], value, floor);
        let history: Vec<f64> = history.iter().map(|value| value.abs()).collect();
        let verdict = judge_by_fence(&[&history], value.abs(), 0.05);
        if let Fence::Suspect(line) = verdict {
            prop_assert!(history.len() >= 30 && line.change > line.fence && line.fence >= 0.05);
        }
    }

    #[test]
    fn splits(values in numbers(), min_segment: usize, near in 0..9_usize) {
        let _ = best_split(&values, min_segment);
        let _ = best_split(&values, near);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn changes(values in numbers()) {
        let found = change_points(&values);
        prop_assert!(found.windows(2).all(|two| two[0].index + 5 <= two[1].index));
        prop_assert!(found.iter().all(|point| point.index >= 5 && share(point.p)));
    }

    #[test]
    fn decisions(
        groups in vec(vec((numbers(), vec(any::<bool>(), 0..100), number()), 0..4), 0..3),
        alpha in number(), confidence in number(), planned: usize, few in 0..100_usize,
    ) {
        let groups: Vec<Vec<Metric>> = groups
            .into_iter()
            .map(|metrics| {
                let of = |(values, there, floor): (Vec<f64>, Vec<bool>, f64)| Metric {
                    differences: values
                        .into_iter()
                        .enumerate()
                        .map(|(at, value)| there.get(at).is_none_or(|there| *there).then_some(value))
                        .collect(),
                    floor,
                };
                metrics.into_iter().map(of).collect()
            })
            .collect();
        let odd = Rule { alpha, confidence, planned: planned % 100_000, looks: planned % 7 };
        for rule in [odd, Rule::of(few)] {
            let decided = decide(&groups, &rule);
            prop_assert_eq!(decided.len(), groups.len());
            for (group, found) in groups.iter().zip(&decided) {
                prop_assert_eq!(found.metrics.len(), group.len());
                for evidence in found.metrics.iter().filter_map(|decision| decision.evidence) {
                    prop_assert!(share(evidence.p) && share(evidence.p_adjusted), "{evidence:?}");
                }
            }
        }
    }
}

#[test]
fn numbers_that_once_went_wrong() {
    let points = [(0.0, 0.0), (2.7e-121, 0.0), (0.0, 8.9e-90)];
    let line = theil_sen(&points, 1.2e-305, f64::MAX).expect("two slopes");
    assert!(
        line.low <= line.slope && line.slope <= line.high,
        "{line:?}"
    );
    let close = [-2.711_792_986_748_393e262, -2.711_792_986_748_393_2e262];
    let found = interval(&close, 0.9).expect("finite");
    assert!(found.low <= found.high, "{found:?}");
}
