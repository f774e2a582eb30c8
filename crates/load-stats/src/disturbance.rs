//! Takes out of paired differences what a measured disturbance explains, such as processor time that a virtual
//! machine's host gave to others.
//!
//! The adjustment keeps a sign-flip test exact: exchanging the two sides of a pair turns the signs of its difference and
//! of its disturbance, which leaves the slope as it was and only turns the sign of the rest. Source of the idea:
//! P. Rosenbaum, "Covariance adjustment in randomized experiments and observational studies", Statistical Science 17
//! (2002).

use crate::signed_rank::signed_rank;

/// Mean size of the disturbances below which there is nothing to learn from them.
const LEAST: f64 = 0.005;
/// Below this p-value one side was disturbed more than the other: then the disturbance may be of its own making, and
/// taking it out would hide a real difference.
const ONE_SIDED: f64 = 0.01;

/// How much a difference grows with its disturbance: the slope through the origin with the least absolute residuals, not
/// below 0. It is 0 if the disturbances are too small, are not one for each difference, are not finite, or lie more on
/// one side.
#[must_use]
pub fn slope(differences: &[f64], disturbances: &[f64]) -> f64 {
    let count = disturbances.len();
    let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
    if count != differences.len() || count == 0 || !finite(differences) || !finite(disturbances) {
        return 0.0;
    }
    let mean = disturbances.iter().map(|x| x.abs()).sum::<f64>() / count as f64;
    let one_sided = signed_rank(disturbances).is_ok_and(|p| p <= ONE_SIDED);
    if mean < LEAST || one_sided {
        return 0.0;
    }
    least_absolute(differences, disturbances).max(0.0)
}

/// The differences without what `slope` explains of them.
#[must_use]
pub fn without(differences: &[f64], disturbances: &[f64], slope: f64) -> Vec<f64> {
    if slope == 0.0 {
        return differences.to_vec();
    }
    differences
        .iter()
        .zip(disturbances)
        .map(|(difference, disturbance)| difference - slope * disturbance)
        .collect()
}

/// The weighted median of the ratios, each with the size of its disturbance as weight: it makes the sum of the absolute
/// residuals least (P.-S. Laplace's method of situation).
fn least_absolute(differences: &[f64], disturbances: &[f64]) -> f64 {
    let mut ratios: Vec<(f64, f64)> = differences
        .iter()
        .zip(disturbances)
        .filter(|(_, disturbance)| **disturbance != 0.0)
        .map(|(difference, disturbance)| (difference / disturbance, disturbance.abs()))
        .filter(|(ratio, _)| ratio.is_finite())
        .collect();
    ratios.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let half = ratios.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut sum = 0.0;
    for (ratio, weight) in ratios {
        sum += weight;
        if sum >= half {
            return ratio;
        }
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISTURBANCES: [f64; 8] = [0.1, -0.2, 0.05, -0.04, 0.3, -0.1, 0.02, -0.15];

    fn disturbed(slope: f64, noise: f64) -> Vec<f64> {
        let mut random = fastrand::Rng::with_seed(7);
        let one = |x: &f64| slope * x + noise * (random.f64() - 0.5);
        DISTURBANCES.iter().map(one).collect()
    }

    #[test]
    fn what_is_explained_is_taken_out() {
        let differences = disturbed(1.5, 0.01);
        let found = slope(&differences, &DISTURBANCES);
        assert!((found - 1.5).abs() < 0.1, "{found}");
        let rest = without(&differences, &DISTURBANCES, found);
        assert!(rest.iter().all(|rest| rest.abs() < 0.02), "{rest:?}");
    }

    #[test]
    fn exchanging_the_sides_of_a_pair_only_turns_its_sign() {
        let differences = disturbed(1.0, 0.2);
        let found = slope(&differences, &DISTURBANCES);
        let rest = without(&differences, &DISTURBANCES, found);
        for pair in 0..DISTURBANCES.len() {
            let (mut flipped, mut disturbances) = (differences.clone(), DISTURBANCES);
            flipped[pair] = -flipped[pair];
            disturbances[pair] = -disturbances[pair];
            assert_eq!(slope(&flipped, &disturbances).to_bits(), found.to_bits());
            let mut expected = rest.clone();
            expected[pair] = -expected[pair];
            assert_eq!(without(&flipped, &disturbances, found), expected);
        }
    }

    #[test]
    fn nothing_is_taken_out_without_need_or_reason() {
        let differences = disturbed(1.0, 0.0);
        assert_eq!(slope(&differences, &[]), 0.0);
        assert_eq!(slope(&differences, &[0.001; 8]), 0.0, "too small");
        assert_eq!(slope(&[f64::NAN; 8], &DISTURBANCES), 0.0);
        assert_eq!(
            slope(&disturbed(-1.0, 0.0), &DISTURBANCES),
            0.0,
            "time is not given back"
        );
        // A head that is throttled for using more: the difference is its own.
        let (throttled, slower) = ([0.2; 12], [0.3; 12]);
        assert_eq!(slope(&slower, &throttled), 0.0);
        assert_eq!(without(&slower, &throttled, 0.0), slower);
    }
}
