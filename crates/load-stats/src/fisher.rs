//! Fisher's exact test: does one side fail more often than the other?

use statrs::distribution::{DiscreteCDF as _, Hypergeometric};

/// The one-sided p-value of at least as many failures among the second side's tries, if either side's tries are as
/// likely to fail: each side as `[failures, tries]`. 1 if that cannot be said.
///
/// Source: R. A. Fisher, "The Design of Experiments" (1935), chapter 2.
#[must_use]
pub fn more_often(first: [u64; 2], second: [u64; 2]) -> f64 {
    let Some(at_least) = second[0].checked_sub(1) else {
        return 1.0;
    };
    let tries = first[1].saturating_add(second[1]);
    let failures = first[0].saturating_add(second[0]);
    Hypergeometric::new(tries, failures, second[1]).map_or(1.0, |urn| urn.sf(at_least))
}

#[cfg(test)]
mod tests {
    use super::more_often;

    #[test]
    fn agrees_with_scipy() {
        // scipy.stats.fisher_exact([[k2, n2 - k2], [k1, n1 - k1]], alternative="greater").pvalue
        for (first, second, p) in [
            ([0, 8_938], [1, 8_938], 0.5),
            (
                [0, 200],
                [3, 200],
                200.0 * 199.0 * 198.0 / (400.0 * 399.0 * 398.0),
            ),
            ([0, 10], [10, 10], 1.0 / 184_756.0),
            ([5, 200], [0, 200], 1.0),
            ([0, 0], [0, 0], 1.0),
        ] {
            let have = more_often(first, second);
            assert!((have - p).abs() < 1e-9, "{first:?} {second:?}: {have}");
        }
        // More failures than tries, as no side has.
        assert_eq!(more_often([9, 1], [9, 1]), 1.0);
    }
}
