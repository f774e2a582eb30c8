//! Block medians, the removal of one step, and the level that is retained.

use crate::numbers::median;

/// Blocks for a hold with at least [`SAMPLES_FOR_MANY`] samples.
const MANY: usize = 24;
/// Blocks for a hold with fewer samples.
const FEW: usize = 12;
const SAMPLES_FOR_MANY: usize = 72;

/// How many median absolute deviations make a rise a step: 4.7 standard deviations of normal noise,
/// as far out as Tukey's Q3 + 3 IQR, which a step in a short series would widen by itself.
const FAR_OUT: f64 = 7.0;

/// The medians of one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Block {
    /// Seconds.
    pub(super) time: f64,
    pub(super) value: f64,
}

/// Cuts samples, sorted by time, into blocks of equal time and takes the medians. At most a quarter
/// of the blocks may be empty.
pub(super) fn block_medians(samples: &[(f64, f64)]) -> Result<Vec<Block>, String> {
    let count = if samples.len() >= SAMPLES_FOR_MANY {
        MANY
    } else {
        FEW
    };
    let first = samples.first().map_or(0.0, |sample| sample.0);
    let last = samples.last().map_or(0.0, |sample| sample.0);
    let mut parts: Vec<(Vec<f64>, Vec<f64>)> = vec![Default::default(); count];
    for &(time, value) in samples {
        let place = ((time - first) / (last - first) * count as f64) as usize;
        if let Some((times, values)) = parts.get_mut(place.min(count - 1)) {
            times.push(time);
            values.push(value);
        }
    }
    let blocks: Vec<Block> = parts
        .iter()
        .filter_map(|(times, values)| {
            Some(Block {
                time: median(times)?,
                value: median(values)?,
            })
        })
        .collect();
    let empty = count - blocks.len();
    if empty > count / 4 {
        return Err(format!(
            "{empty} of {count} parts of the hold have no sample"
        ));
    }
    Ok(blocks)
}

/// Takes off the largest rise over two block distances, if it is far outside of the others, and
/// returns its size beyond the usual rise. Two distances, because a step may fall into a block.
pub(super) fn take_off_step(blocks: &mut [Block]) -> Option<f64> {
    let rises: Vec<f64> = blocks
        .windows(3)
        .map(|three| three[2].value - three[0].value)
        .collect();
    let usual = median(&rises)?;
    let deviations: Vec<f64> = rises.iter().map(|rise| (rise - usual).abs()).collect();
    let (place, &rise) = rises.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    let excess = rise - usual;
    if excess <= FAR_OUT * median(&deviations)? || !excess.is_finite() {
        return None;
    }
    let before = blocks[place].value;
    for block in &mut blocks[place + 2..] {
        block.value -= excess;
    }
    let between = &mut blocks[place + 1].value;
    *between = between.min(before + usual / 2.0);
    Some(excess)
}

/// For each block the lowest value from there on: what is never given back.
pub(super) fn retained(blocks: &[Block]) -> Vec<f64> {
    let mut lowest = f64::INFINITY;
    let mut kept: Vec<f64> = blocks
        .iter()
        .rev()
        .map(|block| {
            lowest = lowest.min(block.value);
            lowest
        })
        .collect();
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(values: &[f64]) -> Vec<Block> {
        values
            .iter()
            .enumerate()
            .map(|(i, &value)| Block {
                time: i as f64,
                value,
            })
            .collect()
    }

    fn values(blocks: &[Block]) -> Vec<f64> {
        blocks.iter().map(|block| block.value).collect()
    }

    #[test]
    fn a_step_is_taken_off_wherever_it_falls() {
        for place in 1..24 {
            let mut series: Vec<Block> = blocks(
                &(0..24)
                    .map(|i| if i < place { 1.0 } else { 51.0 })
                    .collect::<Vec<_>>(),
            );
            assert_eq!(take_off_step(&mut series), Some(50.0), "step at {place}");
            assert!(
                values(&series).iter().all(|&value| value == 1.0),
                "step at {place}: {series:?}"
            );
        }
    }

    #[test]
    fn a_step_within_a_block_leaves_no_rest() {
        let mut series = blocks(&[
            1.0, 1.0, 1.0, 1.0, 30.0, 51.0, 51.0, 51.0, 51.0, 51.0, 51.0, 51.0,
        ]);
        assert_eq!(take_off_step(&mut series), Some(50.0));
        assert!(
            values(&series).iter().all(|&value| value == 1.0),
            "{series:?}"
        );
    }

    #[test]
    fn a_straight_rise_and_a_fall_are_no_steps() {
        let straight: Vec<f64> = (0..24).map(f64::from).collect();
        assert_eq!(take_off_step(&mut blocks(&straight)), None);
        let fall: Vec<f64> = (0..24).map(|i| if i < 12 { 50.0 } else { 0.0 }).collect();
        assert_eq!(take_off_step(&mut blocks(&fall)), None);
        assert_eq!(take_off_step(&mut []), None);
    }

    #[test]
    fn what_is_given_back_is_not_retained() {
        let kept = retained(&blocks(&[1.0, 3.0, 5.0, 2.0, 4.0, 6.0, 3.0]));
        assert_eq!(kept, [1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0]);
    }

    #[test]
    fn long_gaps_are_refused() {
        let samples: Vec<(f64, f64)> = (0..100)
            .map(|i| (f64::from(if i < 50 { i } else { 1_000 + i }), 1.0))
            .collect();
        let why = block_medians(&samples).expect_err("a gap");
        assert!(why.ends_with("of the hold have no sample"), "{why}");
    }
}
