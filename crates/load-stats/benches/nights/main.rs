//! What the nightly rule is worth: false alarms, steps found, drifts found, over synthetic histories of 60 nights.
//!
//! `cargo bench -p load-stats --bench nights` prints the tables of `load-tests/history.md`. Noise is normal in the
//! logarithm, with the spreads that were measured over runs of one server on one machine. A suspect night is measured
//! once more; that second run shares a part of the night's noise (its variance), from none to all of it.

mod recorded;

use load_stats::change_points::change_points;
use load_stats::fence::{Fence, judge_by_fence};
use recorded::Recorded;

/// The floors are the product's, in `xtask/src/record/measured.rs`; a test there holds them together.
const MEDIAN_FLOOR: f64 = 0.05;
const TAIL_FLOOR: f64 = 0.10;
const CPU_FLOOR: f64 = 0.05;

/// Nights of a history.
const NIGHTS: usize = 60;
/// The first night with a verdict, and the one on which a drift begins.
const JUDGED_FROM: usize = 30;
/// Histories for each figure.
const DRAWS: usize = 1_000;
/// The same where it only matters that the program runs.
const FEW_DRAWS: usize = 10;
/// Parts of a night's noise that the second run shares.
const SHARED: [f64; 4] = [0.0, 0.5, 0.9, 1.0];
/// The step in question.
const STEP: f64 = 0.25;
/// What a night's drift is in question.
const DRIFT: f64 = 1.01;

/// A number that is followed.
#[derive(Clone, Copy)]
struct Metric {
    name: &'static str,
    floor: f64,
    /// Standard deviation of the logarithm.
    spread: f64,
}

const MEDIAN: Metric = Metric {
    name: "median",
    floor: MEDIAN_FLOOR,
    spread: 0.05,
};
const TAIL: Metric = Metric {
    name: "p95",
    floor: TAIL_FLOOR,
    spread: 0.10,
};
const CPU: Metric = Metric {
    name: "CPU per request",
    floor: CPU_FLOOR,
    spread: 0.055,
};
const QUIET: Metric = Metric {
    name: "median, 3 % noise",
    floor: MEDIAN_FLOOR,
    spread: 0.03,
};

/// Numbers that are judged together: one that is worse makes the night red.
struct Case {
    name: &'static str,
    metrics: Vec<Metric>,
    noise: Noise,
}

/// Where the noise of several numbers comes from.
enum Noise {
    /// Each has its own.
    Own,
    /// One moves all of them, each by its spread.
    Common,
    /// As it was, scaled to each one's spread; how much the second run shares was recorded with it.
    Recorded(Recorded),
}

fn cases() -> Vec<Case> {
    let alone = |metric: Metric| Case {
        name: metric.name,
        metrics: vec![metric],
        noise: Noise::Own,
    };
    let many = |medians, tails, cpus| {
        [(MEDIAN, medians), (TAIL, tails), (CPU, cpus)]
            .into_iter()
            .flat_map(|(metric, count)| std::iter::repeat_n(metric, count))
            .collect::<Vec<_>>()
    };
    let recorded = Recorded::read();
    vec![
        alone(QUIET),
        alone(MEDIAN),
        alone(TAIL),
        alone(CPU),
        Case {
            name: "all 6 durations of missions, one noise",
            metrics: many(3, 3, 0),
            noise: Noise::Common,
        },
        Case {
            name: "all 6 durations of missions, own noises",
            metrics: many(3, 3, 0),
            noise: Noise::Own,
        },
        Case {
            name: "a night of 3 tests: 19 numbers, own noises",
            metrics: many(8, 8, 3),
            noise: Noise::Own,
        },
        Case {
            name: "all 7 numbers of missions, recorded noise",
            metrics: recorded.metrics.clone(),
            noise: Noise::Recorded(recorded),
        },
    ]
}

/// One history: each metric's reference nights, and the noise of the nights to come.
struct History {
    past: Vec<Vec<f64>>,
    random: fastrand::Rng,
}

fn normal(random: &mut fastrand::Rng) -> f64 {
    // Box and Muller; 1 - f64() is never 0.
    (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (std::f64::consts::TAU * random.f64()).cos()
}

/// Each metric's value on a night and in its second run, at `level` times the usual.
fn night(case: &Case, shared: f64, level: f64, random: &mut fastrand::Rng) -> Vec<(f64, f64)> {
    let mut noises = || {
        let common = shared.sqrt() * normal(random);
        let own = (1.0 - shared).sqrt();
        (common + own * normal(random), common + own * normal(random))
    };
    let noises: Vec<(f64, f64)> = match &case.noise {
        Noise::Own => case.metrics.iter().map(|_| noises()).collect(),
        Noise::Common => vec![noises(); case.metrics.len()],
        Noise::Recorded(recorded) => recorded.night(random),
    };
    case.metrics
        .iter()
        .zip(noises)
        .map(|(metric, (first, again))| {
            let value = |noise: f64| level * (metric.spread * noise).exp();
            (value(first), value(again))
        })
        .collect()
}

/// Whether a night is red: one metric is suspect in both runs.
fn is_red(case: &Case, past: &[Vec<f64>], values: &[(f64, f64)]) -> bool {
    case.metrics
        .iter()
        .zip(past)
        .zip(values)
        .any(|((metric, past), (first, again))| {
            let judge = |value: &f64| judge_by_fence(past, *value, metric.floor);
            let suspect = |value| matches!(judge(value), Fence::Suspect(_));
            suspect(first) && suspect(again)
        })
}

/// Adds a night to the references, unless it is red.
fn add(past: &mut [Vec<f64>], values: &[(f64, f64)]) {
    for (past, (first, _)) in past.iter_mut().zip(values) {
        past.push(*first);
    }
}

/// Histories without a change, and the share of their judged nights that were red.
fn histories(case: &Case, shared: f64, draws: usize) -> (Vec<History>, f64) {
    let (mut red, mut judged) = (0_u32, 0_u32);
    let histories = (0..draws)
        .map(|seed| {
            let mut random = fastrand::Rng::with_seed(seed as u64);
            let mut past = vec![Vec::new(); case.metrics.len()];
            for nth in 0..NIGHTS {
                let values = night(case, shared, 1.0, &mut random);
                let is_red = is_red(case, &past, &values);
                judged += u32::from(nth >= JUDGED_FROM);
                red += u32::from(is_red);
                if !is_red {
                    add(&mut past, &values);
                }
            }
            History { past, random }
        })
        .collect();
    (histories, f64::from(red) / f64::from(judged))
}

/// The share of histories in which a lasting step is found within `nights`.
fn found(case: &Case, shared: f64, histories: &[History], step: f64, nights: usize) -> f64 {
    let is_found = |history: &&History| {
        let (mut past, mut random) = (history.past.clone(), history.random.clone());
        (0..nights).any(|_| {
            let values = night(case, shared, 1.0 + step, &mut random);
            let is_red = is_red(case, &past, &values);
            add(&mut past, &values);
            is_red
        })
    };
    histories.iter().filter(is_found).count() as f64 / histories.len() as f64
}

/// The smallest step in whole percent that is found on its first night in nine of ten histories.
fn smallest(case: &Case, shared: f64, histories: &[History]) -> String {
    let step = (1..=200)
        .find(|&percent| found(case, shared, histories, f64::from(percent) / 100.0, 1) >= 0.9);
    step.map_or_else(|| "above +200 %".into(), |percent| format!("+{percent} %"))
}

/// The shares of series in which a rise beyond the floor is found after so many nights of a change that begins on the
/// 31st. `level` is what that many nights of it have made of the usual.
fn rises(
    metric: Metric,
    level: impl Fn(usize) -> f64,
    after: [usize; 2],
    draws: usize,
) -> [String; 2] {
    let mut counts = [0.0; 2];
    for seed in 0..draws {
        let mut random = fastrand::Rng::with_seed(seed as u64);
        let series: Vec<f64> = (0..NIGHTS)
            .map(|nth| {
                let changed = (nth + 1).saturating_sub(JUDGED_FROM);
                level(changed) * (metric.spread * normal(&mut random)).exp()
            })
            .collect();
        for (count, nights) in counts.iter_mut().zip(after) {
            let known = &series[..JUDGED_FROM + nights];
            let points = change_points(known);
            let rise = |after: f64, before: f64| after / before - 1.0 > metric.floor;
            let found = points.iter().any(|point| rise(point.after, point.before));
            *count += f64::from(u8::from(found));
        }
    }
    counts.map(|count| percent(count / draws as f64))
}

fn percent(share: f64) -> String {
    let decimals = match share {
        share if share > 0.1 => 0,
        share if share > 0.01 => 1,
        _ => 2,
    };
    format!("{:.decimals$} %", share * 100.0)
}

fn main() {
    // `cargo bench` says so; anything else only wants to see it run.
    let draws = if std::env::args().any(|arg| arg == "--bench") {
        DRAWS
    } else {
        FEW_DRAWS
    };
    println!("{draws} histories of {NIGHTS} nights each; a suspect night is measured once more\n");
    println!(
        "| Judged | Noise that the second run shares | False alarms a night | +25 % found on its first night | within three nights | Found on the first night in 90 % |"
    );
    println!("|---|---|---|---|---|---|");
    for case in cases() {
        let recorded = matches!(case.noise, Noise::Recorded(_));
        let all = if recorded { &SHARED[..1] } else { &SHARED };
        for &shared in all {
            let shown = if recorded {
                "as it was".into()
            } else {
                shared.to_string()
            };
            let (histories, alarms) = histories(&case, shared, draws);
            let found = |nights| percent(found(&case, shared, &histories, STEP, nights));
            println!(
                "| {} | {shown} | {} | {} | {} | {} |",
                case.name,
                percent(alarms),
                found(1),
                found(3),
                smallest(&case, shared, &histories)
            );
        }
    }
    println!(
        "\n| Change points of one | +1 % a night, found after 20 nights | after 30 | +25 % for good, found after 5 nights | after 10 | Found in {NIGHTS} nights of one level |\n|---|---|---|---|---|---|"
    );
    for metric in [QUIET, MEDIAN, TAIL, CPU] {
        let drift = |nights: usize| DRIFT.powi(nights as i32);
        let step = |nights: usize| if nights == 0 { 1.0 } else { 1.0 + STEP };
        let [twenty, thirty] = rises(metric, drift, [20, 30], draws);
        let [five, ten] = rises(metric, step, [5, 10], draws);
        let [_, never] = rises(metric, |_| 1.0, [20, 30], draws);
        println!(
            "| {} | {twenty} | {thirty} | {five} | {ten} | {never} |",
            metric.name
        );
    }
}
