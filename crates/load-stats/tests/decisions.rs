//! The decision over pairs: table tests, and seeded simulations of whole comparisons.

use load_stats::decide::{Decision, Group, Metric, Rule, Verdict, decide};

fn normal(random: &mut fastrand::Rng) -> f64 {
    // Box and Muller; 1 - f64() is never 0.
    (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (std::f64::consts::TAU * random.f64()).cos()
}

fn metric(differences: Vec<f64>, floor: f64) -> Metric {
    Metric {
        differences: differences.into_iter().map(Some).collect(),
        floor,
    }
}

fn steady(pairs: usize, by: f64) -> Vec<f64> {
    (0..pairs)
        .map(|pair| by + 0.001 * ((pair * 7 % 5) as f64 - 2.0))
        .collect()
}

fn one(metric: Metric, planned: usize) -> (Decision, usize) {
    let mut group = decide(&[vec![metric]], &Rule::of(planned)).remove(0);
    assert!(!group.is_open);
    (group.metrics.remove(0), group.pairs)
}

/// Metrics of a comparison beside a busy neighbour: standard deviation of a pair's log ratio. No floors, so that the
/// statistics stand alone.
const METRICS: [f64; 8] = [0.07, 0.23, 0.02, 0.2, 0.036, 0.01, 0.001, 0.1];

/// A comparison of two tests with the metrics above, which share half of their noise, now and then by a wild value;
/// `injected` is the index of a metric of the first test and its true difference.
fn comparison(
    planned: usize,
    injected: Option<(usize, f64)>,
    random: &mut fastrand::Rng,
) -> Vec<Group> {
    let mut group = |injected: Option<(usize, f64)>| -> Vec<Metric> {
        let shared: Vec<f64> = (0..planned).map(|_| normal(random)).collect();
        let of = |(index, deviation): (usize, &f64)| {
            let shift = injected
                .filter(|(target, _)| *target == index)
                .map_or(0.0, |(_, shift)| shift);
            let noise = shared.iter().map(|common| {
                let wild = if random.u32(..50) == 0 { 10.0 } else { 1.0 };
                shift + deviation * wild * 0.5_f64.sqrt() * (common + normal(random))
            });
            metric(noise.collect(), 0.0)
        };
        METRICS.iter().enumerate().map(of).collect()
    };
    let groups = [group(injected), group(None)];
    decide(&groups, &Rule::of(planned))
}

fn worse(groups: &[Group]) -> Vec<(usize, usize)> {
    let all = groups.iter().enumerate().flat_map(|(group, found)| {
        let metrics = found.metrics.iter().enumerate();
        metrics.map(move |(index, metric)| ((group, index), metric))
    });
    all.filter(|(_, metric)| metric.verdict == Verdict::Worse)
        .map(|(place, _)| place)
        .collect()
}

#[test]
fn false_alarms_are_rarer_than_one_comparison_in_a_hundred_over_all_looks() {
    let mut random = fastrand::Rng::with_seed(1);
    let alarms = (0..1_000)
        .filter(|_| !worse(&comparison(60, None, &mut random)).is_empty())
        .count();
    // 1 % of 1,000 is 10, and 18 lies 2.5 standard deviations beyond.
    assert!(alarms <= 18, "{alarms}");
}

#[test]
fn changes_are_found_where_they_are_and_large_ones_early() {
    let mut random = fastrand::Rng::with_seed(2);
    let mut others = 0;
    // (metric, difference, share found at least, pairs at most in the median)
    for (target, by, least, pairs) in [
        (0, 0.05, 0.9, 60),
        (0, 0.2, 1.0, 15),
        (4, 0.05, 1.0, 30),
        (5, 0.02, 1.0, 15),
    ] {
        let mut looked_at = Vec::new();
        let mut found = 0;
        for _ in 0..60 {
            let groups = comparison(60, Some((target, by)), &mut random);
            let all = worse(&groups);
            found += usize::from(all.contains(&(0, target)));
            others += all.iter().filter(|it| **it != (0, target)).count();
            looked_at.push(groups[0].pairs);
        }
        looked_at.sort_unstable();
        assert!(
            found as f64 >= least * 60.0,
            "{target} +{by}: {found} of 60"
        );
        assert!(looked_at[30] <= pairs, "{target} +{by}: {looked_at:?}");
    }
    // 1 % of 240 is 2.4, and 7 lies three standard deviations beyond.
    assert!(others <= 7, "{others}");
}

#[test]
fn direction_and_floor_make_the_verdict() {
    for (by, expected, pairs) in [
        (0.10, Verdict::Worse, 15),
        (-0.10, Verdict::Better, 15),
        (0.04, Verdict::Unchanged, 15),
        (-0.04, Verdict::Unchanged, 15),
        (0.00, Verdict::Unchanged, 15),
        // Neither beyond the floor nor below it.
        (0.05, Verdict::Unchanged, 60),
    ] {
        let (decision, looked_at) = one(metric(steady(60, by), 0.05), 60);
        assert_eq!((decision.verdict, looked_at), (expected, pairs), "{by}");
        let evidence = decision.evidence.expect("there are pairs");
        assert!((evidence.estimate - by).abs() < 1e-9, "{evidence:?}");
        assert!(evidence.low <= evidence.estimate && evidence.estimate <= evidence.high);
    }
}

/// Whatever the machine's host did meanwhile: every pair says the same.
#[test]
fn what_every_pair_shows_is_as_significant_as_it_can_be() {
    let differences = (0..12).map(|pair| 2.8 + f64::from(pair) / 100.0).collect();
    let (decision, pairs) = one(metric(differences, 0.05), 12);
    assert_eq!((decision.verdict, pairs), (Verdict::Worse, 9));
    assert_eq!(decision.evidence.expect("nine pairs").p, 0.5_f64.powi(9));
}

#[test]
fn a_wide_interval_is_no_regression_though_it_is_significant() {
    let (decision, _) = one(
        metric((1..=12).map(|pair| f64::from(pair) * 0.01).collect(), 0.05),
        12,
    );
    assert_eq!(decision.verdict, Verdict::Unchanged);
    let evidence = decision.evidence.expect("twelve pairs");
    assert!(
        evidence.p_adjusted < 0.001 && evidence.low < 0.05,
        "{evidence:?}"
    );
}

#[test]
fn a_metric_that_some_pairs_lack_is_judged_by_the_others() {
    let mut holes = metric(steady(60, 0.3), 0.05);
    for pair in [0, 7, 31] {
        holes.differences[pair] = None;
    }
    let sound = || metric(steady(60, 0.0), 0.05);
    let never = Metric {
        differences: vec![None; 60],
        floor: 0.05,
    };
    let group = decide(&[vec![sound(), holes, never.clone()]], &Rule::of(60)).remove(0);
    assert_eq!(group.metrics[1].verdict, Verdict::Worse);
    assert_eq!(group.metrics[1].evidence.expect("most pairs").pairs, 13);
    let why = Verdict::NotJudged("no pair has it on both sides".into());
    assert_eq!(group.metrics[2].verdict, why);
    // It keeps nobody from an early end.
    let group = decide(&[vec![sound(), never]], &Rule::of(60)).remove(0);
    assert_eq!((group.is_open, group.pairs), (false, 15));
}

#[test]
fn too_few_pairs_come_with_the_arithmetic() {
    let (decision, _) = one(metric(steady(5, 1.0), 0.05), 5);
    let Verdict::NotJudged(why) = decision.verdict else {
        panic!("{decision:?}");
    };
    assert_eq!(
        why,
        "5 pairs reach p = 1/2^5 = 3.12e-2 at best, and 1.00e-2 is needed, which takes 7 pairs"
    );
    assert_eq!(Rule::of(60).fewest_pairs(8), 10);
    assert!(decide(&[], &Rule::of(60)).is_empty());
}

#[test]
fn a_test_is_open_until_its_next_look_and_ends_for_itself() {
    let slow = || vec![metric(steady(20, 0.3), 0.05)];
    let unclear = || vec![metric(steady(20, 0.05), 0.05)];
    let groups = decide(&[slow(), unclear()], &Rule::of(60));
    assert_eq!((groups[0].is_open, groups[0].pairs), (false, 15));
    assert_eq!((groups[1].is_open, groups[1].pairs), (true, 20));
    let cut_off =
        Verdict::NotJudged("the measuring ended before a look that could judge it".into());
    assert_eq!(groups[1].metrics[0].verdict, cut_off);
    assert_eq!(Rule::of(60).looks(), [15, 30, 45, 60]);
    assert_eq!(Rule::of(3).looks(), [1, 2, 3]);
}

/// However clear it is, since nobody had planned to look then.
#[test]
fn what_was_cut_off_before_its_look_is_not_judged() {
    for (by, pairs) in [(0.4, 14), (0.0, 14), (0.0, 3)] {
        let group = decide(&[vec![metric(steady(pairs, by), 0.03)]], &Rule::of(60)).remove(0);
        assert!(group.is_open && group.pairs == pairs);
        let decision = &group.metrics[0];
        assert!(
            matches!(&decision.verdict, Verdict::NotJudged(why) if why.contains("ended before")),
            "{decision:?}"
        );
        assert!(decision.evidence.is_some());
    }
}

#[test]
fn what_is_worse_stays_so_whatever_metrics_come_later() {
    // So near the level that one metric more would undo it: twice 1/2^10 is below a quarter of 1 %, three times is not.
    let found = || vec![metric(steady(10, 0.3), 0.05)];
    let other = |late: bool| {
        let late = late.then(|| Metric {
            differences: (0..40).map(|pair| (pair >= 30).then_some(0.0)).collect(),
            floor: 0.05,
        });
        std::iter::once(metric(steady(40, 0.05), 0.05))
            .chain(late)
            .collect()
    };
    for late in [false, true] {
        let groups = decide(&[found(), other(late)], &Rule::of(40));
        assert_eq!(
            (&groups[0].metrics[0].verdict, groups[0].is_open),
            (&Verdict::Worse, false),
            "{late}: {groups:?}"
        );
    }
}
