//! The split of a series whose sides differ most, by energy distance.
//!
//! Source: D. S. Matteson and N. A. James, JASA 109 (2014), equation 6 with exponent 1.

/// A split of a series in two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// Index of the first value of the right side.
    pub index: usize,
    /// Scaled energy distance between the sides, in the unit of the values.
    pub statistic: f64,
}

/// The best split into a left side and a right side of at least `min_segment` (2 or more) values.
///
/// The right side may end anywhere, so that a change which is taken back later is found as well.
/// `None` if two sides do not fit, or if all values are so far apart that no distance is finite.
/// The time grows with the square of the number of values.
#[must_use]
pub fn best_split(values: &[f64], min_segment: usize) -> Option<Split> {
    let count = values.len();
    if min_segment < 2 || count / 2 < min_segment {
        return None;
    }
    let mut best: Option<Split> = None;
    // Sums of distances, each pair once: among the first k values, and from value k to all values
    // between it and the end of the right side. Each end and each cut adds one step to them.
    let mut within_left = vec![0.0; count + 1];
    let mut to_later = vec![0.0; count];
    for end in 1..=count {
        let newest = values[end - 1];
        let mut added = 0.0;
        for (sum, value) in to_later.iter_mut().zip(&values[..end - 1]) {
            let distance = (value - newest).abs();
            *sum += distance;
            added += distance;
        }
        within_left[end] = within_left[end - 1] + added;
        let mut within_right = 0.0;
        for cut in (min_segment..end).rev() {
            within_right += to_later[cut];
            if end - cut < min_segment {
                continue;
            }
            let (left, right) = (cut as f64, (end - cut) as f64);
            let between = within_left[end] - within_left[cut] - within_right;
            let energy = 2.0 * between / (left * right)
                - 2.0 * within_left[cut] / (left * (left - 1.0))
                - 2.0 * within_right / (right * (right - 1.0));
            let statistic = left * right / (left + right) * energy;
            if statistic.is_finite() && best.is_none_or(|best| statistic > best.statistic) {
                best = Some(Split {
                    index: cut,
                    statistic,
                });
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_plain_levels_split_between_them() {
        let split = best_split(&[1.0, 1.0, 1.0, 5.0, 5.0], 2).expect("there is a split");
        // Between the sides lie 4 on average, within them nothing: 3 * 2 / 5 * 2 * 4.
        assert_eq!((split.index, split.statistic), (3, 9.6));
    }

    #[test]
    fn too_short_series_have_no_split() {
        assert_eq!(best_split(&[], 2), None);
        assert_eq!(best_split(&[1.0, 2.0, 3.0], 2), None);
        assert_eq!(best_split(&[1.0, 2.0, 3.0, 4.0], 1), None);
        assert_eq!(best_split(&[f64::NAN; 8], 2), None);
        assert_eq!(best_split(&[1.0; 8], usize::MAX), None);
    }
}
