//! Has it become worse little by little, in steps of which each was let pass?
//!
//! Each night's build is compared with the last accepted one on one machine, in pairs. The estimates of these comparisons
//! are logarithms of ratios, so that they add up along the chain of builds, and whatever machine a night got is in none of
//! them. For each number of newest nights, the sum is the change over them; its error is that of the estimates, added
//! as independent errors are. **It is a drift if the near end of the sum's interval lies beyond the floor** that one
//! comparison has.
//!
//! A difference between the sides that is none of the builds', such as that of the folders in which they lie, would add up
//! with them: so each link is taken to lean to the head by a little, and more than [`WINDOW`] are not added up.

/// What one comparison found of one number: the logarithm of head by base, with its interval of 95 %.
pub use crate::signed_rank::Interval as Link;

/// How many of the newest nights are added up at most.
pub const WINDOW: usize = 10;
/// Standard errors to the near end, which must lie beyond the floor besides.
const ERRORS: f64 = 2.5;
/// What a comparison may lean to one side.
const LEAN: f64 = 0.00125;
/// Standard errors to either end of the intervals that are given, whose confidence is 95 %.
const GIVEN: f64 = 1.959_964;

/// A change over several nights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// How many of the newest comparisons it is the sum of.
    pub links: usize,
    /// The sum of their estimates.
    pub estimate: f64,
    /// The near end of its interval, which lies beyond the floor.
    pub low: f64,
}

/// The drift in the newest links of `chain`, which has the oldest first: of those beyond `floor` (a logarithm as well) the
/// one that is surest. One link alone is no drift but what its own comparison judges.
#[must_use]
pub fn drift(chain: &[Link], floor: f64) -> Option<Drift> {
    let (mut estimate, mut variance) = (0.0, 0.0);
    let mut surest: Option<Drift> = None;
    for (before, link) in chain.iter().rev().take(WINDOW).enumerate() {
        estimate += link.estimate;
        variance += ((link.high - link.low) / (2.0 * GIVEN)).powi(2);
        let low = estimate - LEAN * (before + 1) as f64 - ERRORS * variance.sqrt();
        let best = surest.map_or(floor, |surest| surest.low);
        if before > 0 && low > best {
            surest = Some(Drift {
                links: before + 1,
                estimate,
                low,
            });
        }
    }
    surest
}

/// What the links of `chain`, which has the oldest first, add up to after each of them, with intervals of 95 %.
#[must_use]
pub fn added(chain: &[Link]) -> Vec<Link> {
    let add = |(estimate, variance): &mut (f64, f64), link: &Link| {
        *estimate += link.estimate;
        *variance += ((link.high - link.low) / 2.0).powi(2);
        let half = variance.sqrt();
        Some(Link {
            estimate: *estimate,
            low: *estimate - half,
            high: *estimate + half,
        })
    };
    chain.iter().scan((0.0, 0.0), add).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: f64 = 0.03;

    fn link(estimate: f64) -> Link {
        Link {
            estimate,
            low: estimate - 0.006,
            high: estimate + 0.006,
        }
    }

    #[test]
    fn one_percent_a_night_adds_up_to_more_than_the_floor() {
        let found = |nights: usize| drift(&vec![link(0.01); nights], FLOOR);
        assert_eq!(found(4), None);
        let drift = found(7).expect("7 %");
        assert_eq!(drift.links, 7);
        assert!((drift.estimate - 0.07).abs() < 1e-12 && drift.low > FLOOR);
        // No more than the window is added up.
        assert_eq!(found(40).map(|drift| drift.links), Some(WINDOW));
    }

    #[test]
    fn ups_and_downs_one_night_and_wide_intervals_are_no_drift() {
        let mixed: Vec<Link> = (0..20)
            .map(|night| link(if night % 2 == 0 { 0.02 } else { -0.02 }))
            .collect();
        assert_eq!(drift(&mixed, FLOOR), None);
        assert_eq!(drift(&[link(0.5)], FLOOR), None);
        let wide = Link {
            estimate: 0.01,
            low: -0.05,
            high: 0.07,
        };
        assert_eq!(drift(&[wide; 10], FLOOR), None);
        assert_eq!(drift(&[], FLOOR), None);
        assert_eq!(drift(&[link(f64::NAN); 3], FLOOR), None);
    }

    #[test]
    fn sums_grow_with_their_links_and_their_errors_with_the_root_of_them() {
        let sums = added(&[link(0.01), link(0.02), link(-0.01), link(0.0)]);
        let estimates: Vec<f64> = sums.iter().map(|sum| sum.estimate).collect();
        for (estimate, truth) in estimates.iter().zip([0.01, 0.03, 0.02, 0.02]) {
            assert!((estimate - truth).abs() < 1e-12, "{estimates:?}");
        }
        // Four errors of the same size are twice one.
        assert!((sums[3].high - sums[3].low - 0.024).abs() < 1e-12);
        assert!(added(&[]).is_empty());
    }

    #[test]
    fn what_was_long_ago_does_not_hide_what_is_new() {
        let better = vec![link(-0.02); 5];
        let chain = [better, vec![link(0.015); 4]].concat();
        assert_eq!(drift(&chain, FLOOR).map(|drift| drift.links), Some(4));
    }
}
