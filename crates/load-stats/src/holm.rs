//! Holm's correction: several tests at once, one bound on any false alarm.
//!
//! Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal
//! of Statistics 6 (1979). It holds whatever the dependence between the tests.

/// Adjusted p-values in the order of the input: a test is significant at family level `alpha` if its
/// adjusted p is at most `alpha`. A value that is not a number counts as 1.
#[must_use]
pub fn adjust(p_values: &[f64]) -> Vec<f64> {
    let clean = |p: f64| if p.is_nan() { 1.0 } else { p.clamp(0.0, 1.0) };
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| clean(p_values[a]).total_cmp(&clean(p_values[b])));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (place, index) in order.into_iter().enumerate() {
        let weight = (p_values.len() - place) as f64;
        largest = largest.max((weight * clean(p_values[index])).min(1.0));
        adjusted[index] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjusts_as_r_does() {
        // The values of the R function p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
        let adjusted = adjust(&[0.01, 0.04, 0.03, 0.005]);
        for (have, want) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((have - want).abs() < 1e-12, "{adjusted:?}");
        }
    }

    #[test]
    fn odd_values_are_kept_in_bounds() {
        assert_eq!(adjust(&[]), Vec::<f64>::new());
        assert_eq!(adjust(&[0.5]), [0.5]);
        assert_eq!(adjust(&[f64::NAN, -1.0, 7.0]), [1.0, 0.0, 1.0]);
        assert_eq!(adjust(&[0.9, 0.8]), [1.0, 1.0]);
    }
}
