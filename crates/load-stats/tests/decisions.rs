//! The paired decision: table tests, and seeded simulations of whole comparisons.

use load_stats::decide::{DecisionRule, MetricDecision, PairedMetric, Verdict, decide, verdicts};

fn normal(random: &mut fastrand::Rng) -> f64 {
    // Box and Muller; 1 - f64() is never 0.
    (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (std::f64::consts::TAU * random.f64()).cos()
}

fn metric(pairs: Vec<(f64, f64)>, floor: f64) -> PairedMetric {
    PairedMetric { pairs, floor }
}

fn scaled(pairs: usize, ratio: f64) -> Vec<(f64, f64)> {
    (0..pairs)
        .map(|i| 10.0 + (i * 7 % 5) as f64)
        .map(|base| (base, base * ratio))
        .collect()
}

fn one(metric: PairedMetric) -> MetricDecision {
    decide(&[metric], &DecisionRule::default()).remove(0)
}

/// Metrics of a comparison as measured on two shared cores: standard deviation of a pair's log
/// ratio, and the floor.
const METRICS: [(&str, f64, f64); 8] = [
    ("http median", 0.115, 0.03),
    ("http p95", 0.33, 0.10),
    ("create median", 0.115, 0.03),
    ("create p95", 0.33, 0.10),
    ("list median", 0.115, 0.03),
    ("cpu per request", 0.086, 0.02),
    ("peak memory", 0.01, 0.02),
    ("bytes per response", 0.001, 0.01),
];

/// One comparison in which the metrics share half of their noise, as those of one run do;
/// `injected` is the index of a metric and its true ratio.
fn comparison(pairs: usize, injected: Option<(usize, f64)>, seed: u64) -> Vec<MetricDecision> {
    let mut random = fastrand::Rng::with_seed(seed);
    let shared: Vec<f64> = (0..pairs).map(|_| normal(&mut random)).collect();
    let metrics: Vec<PairedMetric> = METRICS
        .iter()
        .enumerate()
        .map(|(index, &(_, deviation, floor))| {
            let shift = match injected {
                Some((target, ratio)) if target == index => ratio.ln(),
                _ => 0.0,
            };
            let blocks = shared
                .iter()
                .map(|common| {
                    let own = normal(&mut random);
                    let noise = deviation * (0.5_f64.sqrt() * (common + own));
                    (5.0, 5.0 * (shift + noise).exp())
                })
                .collect();
            metric(blocks, floor)
        })
        .collect();
    decide(
        &metrics,
        &DecisionRule {
            resamples: 200,
            seed,
            ..DecisionRule::default()
        },
    )
}

/// Of `draws` comparisons: those that report the injected metric as a regression, and those that
/// report any other.
fn reported(pairs: usize, injected: Option<(usize, f64)>, draws: u64) -> (f64, f64) {
    let (mut found, mut other) = (0.0, 0.0);
    for seed in 0..draws {
        let decisions = comparison(pairs, injected, seed);
        let regressed: Vec<usize> = decisions
            .iter()
            .enumerate()
            .filter(|(_, decision)| decision.verdict == Verdict::Regression)
            .map(|(index, _)| index)
            .collect();
        let target = injected.map(|(index, _)| index);
        found += f64::from(u8::from(
            regressed.iter().any(|&index| Some(index) == target),
        ));
        other += f64::from(u8::from(
            regressed.iter().any(|&index| Some(index) != target),
        ));
    }
    (found / draws as f64, other / draws as f64)
}

#[test]
fn false_regressions_are_rarer_than_one_comparison_in_a_hundred() {
    let (_, false_alarms) = reported(12, None, 300);
    // 1 % of 300 is 3; 6 lies 1.7 standard deviations beyond.
    assert!(false_alarms <= 0.02, "{false_alarms}");
}

#[test]
fn injected_regressions_are_found_where_they_are() {
    // (metric, ratio, pairs, least share found)
    for (target, ratio, pairs, least) in [
        (0, 1.2, 14, 0.9),
        (5, 1.1, 24, 0.9),
        (6, 1.05, 10, 0.98),
        (7, 1.02, 10, 0.98),
    ] {
        let (found, others) = reported(pairs, Some((target, ratio)), 60);
        assert!(
            found >= least,
            "{} x {ratio} with {pairs} pairs: {found}",
            METRICS[target].0
        );
        assert!(
            others <= 0.03,
            "{} x {ratio}: others in {others}",
            METRICS[target].0
        );
    }
}

#[test]
fn direction_and_floor_make_the_verdict() {
    for (ratio, expected) in [
        (1.10, Verdict::Regression),
        (0.90, Verdict::Improvement),
        (1.04, Verdict::NoChange),
        (0.96, Verdict::NoChange),
        (1.00, Verdict::NoChange),
    ] {
        let decision = one(metric(scaled(10, ratio), 0.05));
        assert_eq!(decision.verdict, expected, "{ratio}: {decision:?}");
        let evidence = decision.evidence.expect("ten pairs are enough");
        assert!((evidence.ratio - ratio).abs() < 1e-9, "{evidence:?}");
        assert!(evidence.low <= evidence.ratio + 1e-9 && evidence.ratio <= evidence.high + 1e-9);
    }
}

/// Whatever the machine's host did meanwhile: every pair says the same.
#[test]
fn what_every_pair_shows_is_as_significant_as_it_can_be() {
    let pairs: Vec<(f64, f64)> = (0..10)
        .map(|i| (2.0, 34.0 + f64::from(i * 7 % 5)))
        .collect();
    let decision = one(metric(pairs, 0.05));
    assert_eq!(decision.verdict, Verdict::Regression);
    let evidence = decision.evidence.expect("ten pairs are enough");
    assert_eq!(evidence.p, 2.0 * 0.5_f64.powi(10));
}

#[test]
fn a_wide_interval_is_no_regression_though_it_is_significant() {
    let pairs: Vec<(f64, f64)> = (1..=12).map(|i| (1.0, 1.0 + f64::from(i) * 0.01)).collect();
    let decision = one(metric(pairs, 0.05));
    assert_eq!(decision.verdict, Verdict::NoChange);
    let evidence = decision.evidence.expect("twelve pairs are enough");
    assert!(
        evidence.p_adjusted < 0.001 && evidence.low < 1.05,
        "{evidence:?}"
    );
}

#[test]
fn too_few_pairs_come_with_the_arithmetic() {
    assert_eq!(
        one(metric(scaled(5, 1.5), 0.05)).verdict,
        Verdict::TooFewPairs {
            have: 5,
            need: 7,
            smallest_p: 0.0625,
            required_p: 0.02
        }
    );
    // Alone seven pairs suffice; among eight metrics they do not.
    assert_eq!(
        one(metric(scaled(7, 1.5), 0.05)).verdict,
        Verdict::Regression
    );
    let family: Vec<PairedMetric> = (0..8).map(|_| metric(scaled(7, 1.5), 0.05)).collect();
    for decision in decide(&family, &DecisionRule::default()) {
        assert_eq!(
            decision.verdict,
            Verdict::TooFewPairs {
                have: 7,
                need: 10,
                smallest_p: 0.015625,
                required_p: 0.0025
            }
        );
        assert_eq!(decision.evidence, None);
    }
    let loose = DecisionRule {
        alpha: 0.5,
        min_pairs: 6,
        ..DecisionRule::default()
    };
    let decision = decide(&[metric(scaled(4, 1.5), 0.05)], &loose).remove(0);
    assert!(matches!(
        decision.verdict,
        Verdict::TooFewPairs {
            have: 4,
            need: 6,
            ..
        }
    ));
    assert!(decide(&[], &loose).is_empty());
}

#[test]
fn values_without_a_ratio_are_named_and_leave_the_others_alone() {
    let mut broken = scaled(10, 1.5);
    broken[3].1 = 0.0;
    let decisions = decide(
        &[metric(broken, 0.05), metric(scaled(10, 1.5), 0.05)],
        &DecisionRule::default(),
    );
    assert_eq!(
        decisions[0].verdict,
        Verdict::NotComparable {
            why: "pair 4 has no ratio: base 11, head 0; both must be finite and above 0".to_owned()
        }
    );
    assert_eq!(decisions[1].verdict, Verdict::Regression);
    let odd = metric(scaled(10, 1.5), f64::NAN);
    assert!(matches!(one(odd).verdict, Verdict::NotComparable { .. }));
}

#[test]
fn the_same_seed_decides_the_same() {
    assert_eq!(comparison(10, None, 7), comparison(10, None, 7));
}

#[test]
fn verdicts_alone_are_those_of_the_decisions() {
    for seed in 0..20 {
        let family = [
            metric(noisy(1.0, seed), 0.03),
            metric(noisy(1.3, seed + 100), 0.03),
            metric(scaled(12, 0.8), 0.03),
        ];
        let rule = DecisionRule {
            resamples: 200,
            ..DecisionRule::default()
        };
        let decided: Vec<Verdict> = decide(&family, &rule)
            .into_iter()
            .map(|decision| decision.verdict)
            .collect();
        assert_eq!(verdicts(&family, &rule), decided);
    }
}

fn noisy(ratio: f64, seed: u64) -> Vec<(f64, f64)> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..12)
        .map(|_| (5.0, 5.0 * ratio * (0.1 * normal(&mut random)).exp()))
        .collect()
}
