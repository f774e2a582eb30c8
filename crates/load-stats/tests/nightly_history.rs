//! The fence over synthetic histories of 60 nights: how often it cries wolf, and what it finds.

use load_stats::fence::{Fence, judge_by_fence};

const FLOOR: f64 = 0.05;

fn normal(random: &mut fastrand::Rng) -> f64 {
    // Box and Muller; 1 - f64() is never 0.
    (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (std::f64::consts::TAU * random.f64()).cos()
}

/// 60 nights whose values vary by `deviation` (standard deviation of the logarithm).
fn nights(deviation: f64, seed: u64) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..60)
        .map(|_| 20.0 * (deviation * normal(&mut random)).exp())
        .collect()
}

/// The share of suspects: among all judged nights without a change, and on the first night of a
/// step by `ratio`. With `confirm`, a suspect night is measured once more.
fn shares(deviation: f64, ratio: f64, confirm: bool, draws: u64) -> (f64, f64) {
    let (mut judged, mut alarms, mut found) = (0.0, 0.0, 0.0);
    for seed in 0..draws {
        let series = nights(deviation, seed);
        let mut random = fastrand::Rng::with_seed(seed + 1_000_000);
        let mut suspect = |history: &[f64], value: f64, level: f64| {
            let verdict =
                |value: f64| matches!(judge_by_fence(&[history], value, FLOOR), Fence::Suspect(_));
            let again = level * (deviation * normal(&mut random)).exp();
            verdict(value) && (!confirm || verdict(again))
        };
        for night in 30..60 {
            judged += 1.0;
            alarms += f64::from(u8::from(suspect(&series[..night], series[night], 20.0)));
        }
        let step = series[59] * ratio;
        found += f64::from(u8::from(suspect(&series[..59], step, 20.0 * ratio)));
    }
    (alarms / judged, found / draws as f64)
}

#[test]
fn the_rule_of_rustc_perf_hardly_ever_cries_wolf() {
    for deviation in [0.01, 0.03, 0.081] {
        let (alarms, _) = shares(deviation, 1.25, false, 200);
        assert!(alarms <= 0.003, "{deviation}: {alarms}");
    }
}

#[test]
fn a_step_of_a_quarter_is_found_on_its_first_night_where_noise_allows() {
    for (confirm, least) in [(false, 0.93), (true, 0.90)] {
        let (alarms, found) = shares(0.03, 1.25, confirm, 300);
        assert!(found >= least, "confirmed {confirm}: found {found}");
        assert!(alarms <= 0.003, "confirmed {confirm}: alarms {alarms}");
    }
}

#[test]
fn improvements_and_short_histories_are_never_suspect() {
    for seed in 0..200 {
        let series = nights(0.081, seed);
        let verdict = |nights: usize, value| judge_by_fence(&[&series[..nights]], value, FLOOR);
        assert!(!matches!(verdict(59, series[59] / 3.0), Fence::Suspect(_)));
        assert!(matches!(verdict(29, 1e6), Fence::Shown(_)));
        assert!(matches!(verdict(30, 1e6), Fence::Suspect(_)));
    }
}
