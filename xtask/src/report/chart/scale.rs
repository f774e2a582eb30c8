//! Scales: ranges, round ticks, and where a value lies.

use std::ops::Range;

/// Beyond this, differences of neighbouring numbers are no longer exact.
const HUGE: f64 = 1e15;

/// The ticks of `range` at round steps of 1, 2 or 5 times a power of ten, at most about `most`.
pub fn ticks(range: &Range<f64>, most: usize) -> Vec<f64> {
    at_steps(range, round_step((range.end - range.start) / most as f64))
}

/// The ticks of a range of seconds at steps that clocks have, at most about `most`.
pub fn time_ticks(range: &Range<f64>, most: usize) -> Vec<f64> {
    const CLOCK: [f64; 15] = [
        15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10_800.0, 21_600.0,
        43_200.0, 86_400.0, 172_800.0,
    ];
    let raw = (range.end - range.start) / most as f64;
    let step = match CLOCK.into_iter().find(|step| *step >= raw) {
        Some(step) if raw > 10.0 => step,
        Some(_) => round_step(raw),
        None => round_step(raw / 3600.0) * 3600.0,
    };
    at_steps(range, step)
}

/// The least round number from about `raw` on.
fn round_step(raw: f64) -> f64 {
    let power = 10_f64.powf(raw.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps
        .into_iter()
        .find(|step| *step >= raw * 0.999)
        .unwrap_or(f64::NAN)
}

fn at_steps(range: &Range<f64>, step: f64) -> Vec<f64> {
    if !(step.is_finite() && step > 0.0) {
        return Vec::new();
    }
    let first = (range.start / step - 1e-9).ceil();
    let count = (range.end / step + 1e-9).floor() - first;
    // Whole steps rather than sums, which drift; zero is zero and not a trillionth.
    (0..=count.clamp(-1.0, 100.0) as i64)
        .map(|nth| (first + nth as f64) * step + 0.0)
        .collect()
}

/// The least and the greatest of `values`.
pub fn range_of(values: impl Iterator<Item = f64>) -> Range<f64> {
    let finite = values.filter(|value| value.is_finite());
    let none = f64::INFINITY..f64::NEG_INFINITY;
    finite.fold(none, |all, value| all.start.min(value)..all.end.max(value))
}

/// A range that can be divided: finite, and not of one point.
pub fn divisible(range: &Range<f64>) -> Range<f64> {
    let (start, end) = (range.start.clamp(-HUGE, HUGE), range.end.clamp(-HUGE, HUGE));
    if end - start > start.abs().max(end.abs()) * 1e-9 {
        return start..end;
    }
    let half = if start == 0.0 { 0.5 } else { start.abs() * 0.1 };
    start - half..start + half
}

/// Where `value` of `values` lies in `pixels`, held within them, to a tenth.
pub fn position(values: &Range<f64>, pixels: &Range<f64>, value: f64) -> f64 {
    let share = (value - values.start) / (values.end - values.start);
    let at = pixels.start + share.clamp(0.0, 1.0) * (pixels.end - pixels.start);
    (at * 10.0).round() / 10.0
}

/// The indices to keep of `values`, at most about `most`: of each stretch the least and the greatest, in their order.
/// A chart of 560 px cannot show 4,200 points, but it must show their peaks.
pub fn thinned(values: &[f64], most: usize) -> Vec<usize> {
    if values.len() <= most {
        return (0..values.len()).collect();
    }
    let stretches = (most / 2).max(1);
    let by_value = |a: &usize, b: &usize| values[*a].total_cmp(&values[*b]);
    let mut keep = vec![0];
    for stretch in 0..stretches {
        let (from, to) = (
            stretch * values.len() / stretches,
            (stretch + 1) * values.len() / stretches,
        );
        let least = (from..to).min_by(by_value).unwrap_or(from);
        let greatest = (from..to).max_by(by_value).unwrap_or(from);
        keep.extend([least.min(greatest), least.max(greatest)]);
    }
    keep.push(values.len() - 1);
    keep.dedup();
    keep
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        for (range, most, want) in [
            (0.0..10.0, 5, vec![0.0, 2.0, 4.0, 6.0, 8.0, 10.0]),
            (0.0..1.06, 5, vec![0.0, 0.5, 1.0]),
            (-3.0..7.0, 4, vec![0.0, 5.0]),
            (4.08..4.92, 5, vec![4.2, 4.4, 4.6, 4.8]),
            (0.0..4e9, 4, vec![0.0, 1e9, 2e9, 3e9, 4e9]),
        ] {
            let got = ticks(&range, most);
            let close = got.len() == want.len()
                && got
                    .iter()
                    .zip(&want)
                    .all(|(a, b)| (a - b).abs() < 1e-9 * b.abs().max(1.0));
            assert!(close, "{range:?}: {got:?}");
        }
        assert!(ticks(&(0.0..f64::NAN), 5).is_empty());
    }

    #[test]
    fn time_has_steps_of_clocks() {
        assert_eq!(
            time_ticks(&(0.0..6.0), 6),
            [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
        );
        assert_eq!(
            time_ticks(&(0.0..150.0), 6),
            [0.0, 30.0, 60.0, 90.0, 120.0, 150.0]
        );
        assert_eq!(
            time_ticks(&(0.0..4200.0), 7),
            [0.0, 600.0, 1200.0, 1800.0, 2400.0, 3000.0, 3600.0, 4200.0]
        );
        assert!(time_ticks(&(0.0..1e12), 7).len() > 2);
    }

    #[test]
    fn peaks_stay() {
        let mut values: Vec<f64> = (0..4200).map(|n| f64::from(n % 7)).collect();
        values[1234] = 99.0;
        values[3210] = -99.0;
        let kept = thinned(&values, 400);
        assert!(kept.len() <= 402 && kept.is_sorted(), "{}", kept.len());
        for place in [0, 1234, 3210, 4199] {
            assert!(kept.contains(&place));
        }
        assert_eq!(thinned(&[1.0, 2.0, 3.0], 400), [0, 1, 2]);
    }
}
