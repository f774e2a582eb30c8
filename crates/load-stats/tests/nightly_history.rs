//! The rules of the nights on four kinds of noise: how often they cry wolf, and what they find.
//!
//! The whole tables are printed by `cargo bench -p load-stats --bench nights`, whose noise and nights these are.

#[path = "../benches/nights/duet.rs"]
mod duet;
#[path = "../benches/nights/noise.rs"]
mod noise;

use duet::Recorded;
use load_stats::fence::{Fence, judge_by_fence};
use noise::{Noise, normal};

const FLOOR: f64 = 0.05;
/// Nights of a history, of which the last is also judged with a step.
const NIGHTS: usize = 60;
const HISTORIES: u64 = 200;

/// The share of suspects among judged nights without a change, and on the first night of a step of 25 %; nights vary by
/// 5 % (standard deviation of the logarithm), and nothing is measured twice.
fn shares(noise: Noise) -> (f64, f64) {
    let (mut judged, mut alarms, mut found) = (0.0, 0.0, 0.0);
    for seed in 0..HISTORIES {
        let mut random = fastrand::Rng::with_seed(seed);
        let nights = noise.nights(NIGHTS, &mut random);
        let series: Vec<f64> = nights.iter().map(|z| 20.0 * (0.05 * z).exp()).collect();
        let suspect = |night: usize, value: f64| {
            let verdict = judge_by_fence(&[&series[..night]], value, FLOOR);
            f64::from(u8::from(matches!(verdict, Fence::Suspect(_))))
        };
        for (night, value) in series.iter().enumerate().skip(30) {
            judged += 1.0;
            alarms += suspect(night, *value);
        }
        found += suspect(NIGHTS - 1, 1.25 * series[NIGHTS - 1]);
    }
    (alarms / judged, found / HISTORIES as f64)
}

#[test]
fn the_fence_hardly_ever_cries_wolf_and_finds_a_quarter_where_noise_allows() {
    for (noise, most_alarms, least_found) in [
        (Noise::Independent, 0.003, 0.65),
        (Noise::Bimodal, 0.02, 0.2),
        (Noise::HeavyTailed, 0.03, 0.4),
        (Noise::Autocorrelated, 0.01, 0.7),
    ] {
        let (alarms, found) = shares(noise);
        assert!(alarms <= most_alarms, "{noise:?}: alarms {alarms}");
        assert!(found >= least_found, "{noise:?}: found {found}");
    }
}

#[test]
fn a_night_of_pairs_finds_steps_and_drifts_and_no_more() {
    for (recorded, noise) in [("quiet", Noise::HeavyTailed), ("busy", Noise::Bimodal)] {
        // As many nights as the table has: one unlucky night of fewer comes into too many of the histories.
        let found = Recorded::read(recorded).judge(noise, 400, 500);
        assert!(
            found.false_alarms <= 0.01 && found.leaning <= 0.02,
            "{recorded}: {found:?}"
        );
        assert!(
            found.steps[0] >= 0.99 && found.steps[1] >= 0.9,
            "{recorded}: {found:?}"
        );
        assert!(
            found.drifts >= 0.9 && found.drifts_of_cpu >= 0.9,
            "{recorded}: {found:?}"
        );
    }
}

#[test]
fn improvements_and_short_histories_are_never_suspect() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let series: Vec<f64> = (0..NIGHTS)
            .map(|_| 20.0 * (0.081 * normal(&mut random)).exp())
            .collect();
        let verdict = |nights: usize, value| judge_by_fence(&[&series[..nights]], value, FLOOR);
        assert!(!matches!(verdict(59, series[59] / 3.0), Fence::Suspect(_)));
        assert!(matches!(verdict(29, 1e6), Fence::Shown(_)));
        assert!(matches!(verdict(30, 1e6), Fence::Suspect(_)));
    }
}
