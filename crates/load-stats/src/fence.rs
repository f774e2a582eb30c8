//! Is a value outside of the noise of its own past?
//!
//! The value is compared with the median of the newest 30 comparable runs, since a shorter reference wobbles itself and
//! soon follows a step that it let pass. How far it may lie above is a robust tolerance bound on the logarithms: the
//! second largest deviation of those runs, and two standard deviations more, estimated by the median absolute deviation.
//! The order statistic covers noise with two modes and with heavy tails, of which the median absolute deviation alone
//! knows nothing; one odd night is not the second. A change below a floor is never reported.
//!
//! An accepted change begins a new *level*: the reference is renewed, and the noise is kept, for the runs of each level
//! deviate from their own median. As long as a level has few runs its median is uncertain, and the bound is wider by
//! that: the variance of a median of n values is about π/2n of theirs.
//!
//! What it finds, and how often it cries wolf on four kinds of noise, is measured by `cargo bench -p load-stats --bench
//! nights` and told in `load-tests/history.md`.

use crate::numbers::{median, sort};

/// Past runs from which on the fence gives a verdict.
pub const NEED: usize = 30;
/// Past runs from which on the fence is shown, without a verdict.
pub const SHOWN_FROM: usize = 8;
/// How many of the newest past runs the value is compared with, and make the fence.
pub const WINDOW: usize = 30;
/// Runs of a new level from which on it is a reference: the median of three, which one odd run cannot move.
pub const NEED_OF_LEVEL: usize = 3;
/// Which deviation is the base of the bound, counted from the largest.
const RANK: usize = 2;
/// Standard deviations beyond it.
const BEYOND: f64 = 2.0;
/// Median absolute deviation to standard deviation, of normal noise.
const MAD_TO_DEVIATION: f64 = 1.4826;

/// The fence beside a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FenceLine {
    /// Median of the newest past runs at the present level.
    pub reference: f64,
    /// Relative change from the reference: 0.1 is +10 %.
    pub change: f64,
    /// Relative change beyond which a value is suspect, never below the floor.
    pub fence: f64,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq)]
pub enum Fence {
    /// Too few past runs even to show a fence.
    NotEnough,
    /// Shown for information: the history is too short for a verdict.
    Shown(FenceLine),
    /// As the past, within its noise.
    Within(FenceLine),
    /// Better than the past, beyond its noise.
    Better(FenceLine),
    /// Worse than the past, beyond its noise.
    Suspect(FenceLine),
    /// Relative changes are undefined for these values.
    NotComparable {
        /// Which value is in the way.
        why: String,
    },
}

/// How many runs there are and how many a verdict needs, by the runs of each level: once all of them tell the noise, few
/// of the newest level are a reference.
#[must_use]
pub fn have_and_need(counts: &[usize]) -> (usize, usize) {
    match (counts.iter().sum(), counts) {
        (all, [_, .., newest]) if all >= NEED => (*newest, NEED_OF_LEVEL),
        (all, _) => (all, NEED),
    }
}

/// Judges `value`, of which more is worse, by `levels`: the past runs with the oldest first, split where a change was
/// accepted. A relative change up to `floor`, for example 0.05, is never reported.
#[must_use]
pub fn judge_by_fence(levels: &[impl AsRef<[f64]>], value: f64, floor: f64) -> Fence {
    let level = levels.last().map_or(&[][..], AsRef::as_ref);
    let newest = |values: &[f64]| values[values.len().saturating_sub(WINDOW)..].to_vec();
    let recent = newest(level);
    let mut deviations: Vec<f64> = Vec::new();
    for values in levels.iter().rev().map(|level| newest(level.as_ref())) {
        let usable = |value: &f64| value.is_finite() && *value > 0.0;
        if let Some(odd) = values.iter().chain([&value]).find(|value| !usable(value)) {
            return Fence::NotComparable {
                why: format!("relative changes need values above 0, one is {odd}"),
            };
        }
        // Of fewer the median follows each, so that they deviate too little.
        if values.len() >= SHOWN_FROM {
            let logs: Vec<f64> = values.iter().rev().map(|value| value.ln()).collect();
            let center = median(&logs).unwrap_or_default();
            deviations.extend(logs.iter().map(|log| log - center));
        }
        if deviations.len() >= WINDOW {
            break;
        }
    }
    deviations.truncate(WINDOW);
    let Some((reference, noise)) = median(&recent).zip(noise(deviations)) else {
        return Fence::NotEnough;
    };
    let uncertain = |runs: usize| 1.0 + std::f64::consts::FRAC_PI_2 / runs as f64;
    let width = noise * (uncertain(recent.len()) / uncertain(WINDOW)).sqrt();
    let line = FenceLine {
        reference,
        change: value / reference - 1.0,
        fence: width.exp_m1().max(floor),
    };
    let counts: Vec<usize> = levels.iter().map(|level| level.as_ref().len()).collect();
    let (have, need) = have_and_need(&counts);
    if have < need {
        Fence::Shown(line)
    } else if line.change > line.fence {
        Fence::Suspect(line)
    } else if line.change < -line.fence {
        Fence::Better(line)
    } else {
        Fence::Within(line)
    }
}

/// How far above its median a value of this noise may lie, in the logarithm; `None` of fewer deviations than are shown.
fn noise(mut deviations: Vec<f64>) -> Option<f64> {
    let sizes: Vec<f64> = deviations.iter().map(|deviation| deviation.abs()).collect();
    sort(&mut deviations);
    let large = deviations.iter().rev().nth(RANK - 1)?;
    Some(large.max(0.0) + BEYOND * MAD_TO_DEVIATION * median(&sizes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: f64 = 0.05;

    /// 100 and 102 in turn: each change is 2 % or 1.96 %.
    fn calm(runs: usize) -> Vec<f64> {
        (0..runs)
            .map(|run| if run % 2 == 0 { 100.0 } else { 102.0 })
            .collect()
    }

    fn is_suspect(history: &[f64], value: f64, floor: f64) -> bool {
        matches!(judge_by_fence(&[history], value, floor), Fence::Suspect(_))
    }

    #[test]
    fn the_length_of_the_history_decides_what_is_said() {
        for runs in [0, 7] {
            let verdict = judge_by_fence(&[calm(runs)], 500.0, FLOOR);
            assert_eq!(verdict, Fence::NotEnough);
        }
        for runs in [8, 12, 29] {
            let verdict = judge_by_fence(&[calm(runs)], 500.0, FLOOR);
            assert!(matches!(verdict, Fence::Shown(_)), "{runs}: {verdict:?}");
        }
        assert!(is_suspect(&calm(30), 500.0, FLOOR));
    }

    #[test]
    fn a_change_must_pass_fence_and_floor() {
        for (value, floor, suspect) in [
            (100.0, FLOOR, false),
            (104.0, FLOOR, false),
            (107.0, FLOOR, true),
            (90.0, FLOOR, false),
            (106.0, 0.0, true),
        ] {
            assert_eq!(is_suspect(&calm(31), value, floor), suspect, "{value}");
        }
    }

    #[test]
    fn the_line_shows_what_was_compared() {
        let Fence::Suspect(line) = judge_by_fence(&[calm(31)], 110.0, FLOOR) else {
            panic!("10 % worse")
        };
        assert_eq!((line.reference, line.fence), (101.0, 0.05));
        assert!((line.change - 9.0 / 101.0).abs() < 1e-12);
        let better = judge_by_fence(&[calm(31)], 80.0, FLOOR);
        assert!(matches!(better, Fence::Better(_)), "{better:?}");
    }

    #[test]
    fn one_odd_night_moves_neither_reference_nor_fence() {
        let mut history = calm(40);
        history[38] = 400.0;
        let Fence::Within(line) = judge_by_fence(&[&history], 102.0, FLOOR) else {
            panic!("as ever")
        };
        assert!(line.reference <= 102.0 && line.fence < 0.07, "{line:?}");
    }

    #[test]
    fn only_the_window_makes_the_fence() {
        let mut history: Vec<f64> = (0..30)
            .map(|run| if run % 2 == 0 { 100.0 } else { 300.0 })
            .collect();
        history.extend(calm(30));
        assert!(is_suspect(&history, 120.0, FLOOR));
    }

    #[test]
    fn values_without_a_ratio_are_named() {
        let mut history = calm(31);
        history[20] = 0.0;
        for (history, value, odd) in [(&history, 1.0, "0"), (&calm(31), f64::NAN, "NaN")] {
            let why = format!("relative changes need values above 0, one is {odd}");
            let verdict = judge_by_fence(&[history], value, FLOOR);
            assert_eq!(verdict, Fence::NotComparable { why });
        }
    }

    #[test]
    fn constant_history_reports_any_change_above_the_floor() {
        let flat = [7.0; 30];
        assert!(is_suspect(&flat, 7.4, FLOOR));
        for value in [7.0, 7.3] {
            let verdict = judge_by_fence(&[flat], value, FLOOR);
            assert!(matches!(verdict, Fence::Within(_)), "{verdict:?}");
        }
    }
    #[test]
    fn a_new_level_keeps_the_noise_and_needs_three_runs() {
        let old: Vec<f64> = calm(30).iter().map(|value| value * 3.0).collect();
        for (runs, verdict) in [
            (0, None),
            (1, Some(false)),
            (2, Some(false)),
            (3, Some(true)),
        ] {
            let judged = |value| judge_by_fence(&[old.clone(), calm(runs)], value, FLOOR);
            let shown = matches!(judged(150.0), Fence::Shown(_));
            let suspect = matches!(judged(150.0), Fence::Suspect(_));
            let expected = verdict.map_or((false, false), |verdict| (!verdict, verdict));
            assert_eq!((shown, suspect), expected, "{runs}");
        }
        let wide = |runs| match judge_by_fence(&[old.clone(), calm(runs)], 100.0, 0.0) {
            Fence::Within(line) => line.fence,
            other => panic!("{other:?}"),
        };
        assert!(
            wide(3) > wide(7) && wide(7) > 0.03,
            "{} {}",
            wide(3),
            wide(7)
        );
    }

    #[test]
    fn a_level_of_few_runs_does_not_narrow_the_noise() {
        let flat = [100.0; 7];
        let levels = [calm(40), flat.to_vec()];
        let Fence::Within(line) = judge_by_fence(&levels, 100.0, 0.0) else {
            panic!("as ever")
        };
        assert!(line.fence > 0.03, "{line:?}");
    }
}
