//! The exact sign test: is one side larger more often than chance makes it?

use statrs::distribution::{Binomial, DiscreteCDF as _};

/// The one-sided p-value of seeing the second side larger in at least `larger` of `larger + smaller` pairs, if either
/// were as likely; pairs without a difference are left out by the caller. 1 without any pair.
///
/// Source: J. Arbuthnot's argument of 1710, as in W. J. Conover, "Practical Nonparametric Statistics", 3rd ed., 3.4.
#[must_use]
pub fn more_often(larger: u64, smaller: u64) -> f64 {
    let Some(at_least) = larger.checked_sub(1) else {
        return 1.0;
    };
    // A share of one half is always valid, so that nothing is left to fail.
    Binomial::new(0.5, larger.saturating_add(smaller)).map_or(1.0, |coin| coin.sf(at_least))
}

#[cfg(test)]
mod tests {
    use super::more_often;

    #[test]
    fn agrees_with_scipy() {
        // scipy.stats.binomtest(k, n, alternative="greater").pvalue
        for (larger, smaller, p) in [
            (0, 0, 1.0),
            (0, 5, 1.0),
            (1, 0, 0.5),
            (7, 0, 0.0078125),
            (9, 1, 0.0107421875),
            (12, 2, 0.006_469_726_562_5),
            (5, 5, 0.623_046_875),
        ] {
            let have = more_often(larger, smaller);
            assert!((have - p).abs() < 1e-12, "{larger} {smaller}: {have}");
        }
        assert!(more_often(u64::MAX, 1).is_finite());
    }
}
