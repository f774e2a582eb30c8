//! Thins out long series: a chart of 700 px cannot show 4,200 points, but it must show their peaks.

/// The indices to keep of `values`, at most about `most`: of each stretch the least and the greatest, in their order.
pub(crate) fn thinned(values: &[f64], most: usize) -> Vec<usize> {
    if values.len() <= most || most < 4 {
        return (0..values.len()).collect();
    }
    let stretches = most / 2;
    let mut keep = vec![0];
    for stretch in 0..stretches {
        let from = stretch * values.len() / stretches;
        let to = (stretch + 1) * values.len() / stretches;
        let by_value = |a: &usize, b: &usize| values[*a].total_cmp(&values[*b]);
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
    use super::thinned;

    #[test]
    fn peaks_stay() {
        let mut values: Vec<f64> = (0..4200).map(|n| f64::from(n % 7)).collect();
        values[1234] = 99.0;
        values[3210] = -99.0;
        let kept = thinned(&values, 400);
        assert!(kept.len() <= 402 && kept.is_sorted(), "{}", kept.len());
        assert!(kept.contains(&1234) && kept.contains(&3210));
        assert!(kept.contains(&0) && kept.contains(&4199));
    }

    #[test]
    fn short_series_stay_whole() {
        assert_eq!(thinned(&[1.0, 2.0, 3.0], 400), [0, 1, 2]);
        assert!(thinned(&[], 400).is_empty());
    }
}
