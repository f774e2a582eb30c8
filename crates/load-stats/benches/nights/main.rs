//! What the rules of the nights are worth, over synthetic histories of four kinds of noise: false alarms, steps, drifts.
//!
//! `cargo bench -p load-stats --bench nights` prints the tables of `load-tests/history.md`.

mod duet;
mod noise;

use duet::{Found, Recorded};
use load_stats::change_points::change_points;
use load_stats::fence::{Fence, judge_by_fence};
use noise::{Noise, normal};

/// The floors are the product's, in `xtask/src/record/measured.rs`; a test there holds them together.
const MEDIAN_FLOOR: f64 = 0.05;
const TAIL_FLOOR: f64 = 0.10;
const CPU_FLOOR: f64 = 0.05;

/// The first night with a verdict, and the one on which a change begins.
const JUDGED_FROM: usize = 30;
/// Nights of a history without a change.
const NIGHTS: usize = 60;
/// Nights after which it is asked whether a step was found.
const AFTER: [usize; 3] = [1, 3, 15];
/// The step in question.
const STEP: f64 = 1.25;
/// Histories for each figure, and as many where it only matters that the program runs.
const DRAWS: [usize; 2] = [1_000, 4];

/// The kinds of noise, and what tables call them.
const KINDS: [(Noise, &str); 4] = [
    (Noise::Independent, "independent"),
    (Noise::Bimodal, "bimodal"),
    (Noise::HeavyTailed, "heavy-tailed"),
    (Noise::Autocorrelated, "autocorrelated (0.7)"),
];

/// A number that is followed: its floor, and the standard deviation of its logarithm as runs of one server had it.
struct Metric {
    name: &'static str,
    floor: f64,
    spread: f64,
}

const METRICS: [Metric; 3] = [
    Metric {
        name: "median",
        floor: MEDIAN_FLOOR,
        spread: 0.05,
    },
    Metric {
        name: "p95",
        floor: TAIL_FLOOR,
        spread: 0.10,
    },
    Metric {
        name: "CPU per request",
        floor: CPU_FLOOR,
        spread: 0.055,
    },
];

/// Values of nights in a row, each with that of its second measurement, which shares `shared` of its variance.
fn values(
    metric: &Metric,
    noise: Noise,
    shared: f64,
    count: usize,
    random: &mut fastrand::Rng,
) -> Vec<[f64; 2]> {
    let nights = noise.nights(count, random).into_iter();
    let value = |night: f64, random: &mut fastrand::Rng| {
        let deviation = shared.sqrt() * night + (1.0 - shared).sqrt() * normal(random);
        (metric.spread * deviation).exp()
    };
    nights
        .map(|night| [value(night, random), value(night, random)])
        .collect()
}

/// What the fence makes of histories: the share of red nights without a change, and of histories in which a step is found
/// after so many nights.
fn fence(metric: &Metric, noise: Noise, shared: f64, draws: usize) -> (f64, [f64; 3]) {
    let (mut red, mut judged, mut found) = (0.0, 0.0, [0.0; 3]);
    for seed in 0..draws {
        let mut random = fastrand::Rng::with_seed(seed as u64);
        let nights = NIGHTS + AFTER[2];
        let values = values(metric, noise, shared, nights, &mut random);
        let mut past: Vec<f64> = Vec::new();
        // A night is red if it is suspect twice, and then it is no reference.
        let mut is_red = |values: &[f64; 2], level: f64| {
            let suspect = |value: &f64| {
                let verdict = judge_by_fence(&[&past], level * value, metric.floor);
                matches!(verdict, Fence::Suspect(_))
            };
            let is_red = values.iter().all(suspect);
            if !is_red {
                past.push(level * values[0]);
            }
            is_red
        };
        for (night, values) in values[..NIGHTS].iter().enumerate() {
            let is_red = is_red(values, 1.0);
            if night >= JUDGED_FROM {
                judged += 1.0;
                red += f64::from(u8::from(is_red));
            }
        }
        let first = values[NIGHTS..]
            .iter()
            .position(|values| is_red(values, STEP));
        for (count, nights) in found.iter_mut().zip(AFTER) {
            *count += f64::from(u8::from(first.is_some_and(|first| first < nights)));
        }
    }
    (red / judged, found.map(|found| found / draws as f64))
}

/// The shares of series with a change point beyond the floor: without a change, after 30 nights of 1 %, after 10 of a step.
fn levels(metric: &Metric, noise: Noise, draws: usize) -> [f64; 3] {
    let mut counts = [0.0; 3];
    for seed in 0..draws {
        let mut random = fastrand::Rng::with_seed(seed as u64);
        let values = values(metric, noise, 1.0, NIGHTS, &mut random);
        let changed = |night: usize| (night + 1).saturating_sub(JUDGED_FROM) as i32;
        let drift = |night| 1.01_f64.powi(changed(night));
        let step = |night| if changed(night) > 0 { STEP } else { 1.0 };
        let changes: [(&dyn Fn(usize) -> f64, usize); 3] = [
            (&|_| 1.0, NIGHTS),
            (&drift, NIGHTS),
            (&step, JUDGED_FROM + 10),
        ];
        for (count, (level, nights)) in counts.iter_mut().zip(changes) {
            let leveled = values[..nights].iter().enumerate();
            let series: Vec<f64> = leveled
                .map(|(night, [value, _])| level(night) * value)
                .collect();
            let found = change_points(&series);
            let large = |change: f64| change.abs() > metric.floor;
            let is_found = found
                .iter()
                .any(|point| large(point.after / point.before - 1.0));
            *count += f64::from(u8::from(is_found)) / draws as f64;
        }
    }
    counts
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
    let is_bench = std::env::args().any(|arg| arg == "--bench");
    let draws = DRAWS[usize::from(!is_bench)];
    println!("## The comparison with the last green night's build\n");
    println!(
        "| Pairs | Noise | False alarms per night | with a bias of 0.25 % | +25 % of a median on its first night | +5 % on its first night | +1 % a night of a median within 10 nights | of CPU per request |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for machine in ["quiet", "busy"] {
        for (noise, kind) in KINDS {
            let found: Found = Recorded::read(machine).judge(noise, draws, draws);
            println!(
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                machine,
                kind,
                percent(found.false_alarms),
                percent(found.leaning),
                percent(found.steps[0]),
                percent(found.steps[1]),
                percent(found.drifts),
                percent(found.drifts_of_cpu),
            );
        }
    }
    println!("\n## The fence, {draws} histories each\n");
    println!(
        "| Value | Noise | False alarms per night, if the second measurement shares all | half | +25 % found on night 1 | by night 3 | by night 15 |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (metric, (noise, kind)) in METRICS
        .iter()
        .flat_map(|metric| KINDS.map(|kind| (metric, kind)))
    {
        let (alone, [first, third, last]) = fence(metric, noise, 1.0, draws);
        let (half, _) = fence(metric, noise, 0.5, draws);
        println!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            metric.name,
            kind,
            percent(alone),
            percent(half),
            percent(first),
            percent(third),
            percent(last)
        );
    }
    println!("\n## Changes of level\n");
    println!(
        "| Value | Noise | Found in {NIGHTS} nights without one | +1 % per night, after 30 nights | +25 %, after 10 nights |"
    );
    println!("|---|---|---|---|---|");
    for (metric, (noise, kind)) in METRICS
        .iter()
        .flat_map(|metric| KINDS.map(|kind| (metric, kind)))
    {
        let [quiet, drift, step] = levels(metric, noise, draws.min(200)).map(percent);
        println!(
            "| {} | {} | {quiet} | {drift} | {step} |",
            metric.name, kind
        );
    }
}
