//! A search that believes each step at once, and where it begins when it is repeated.
//!
//! One search is sure of its edge only after many steps near it. Where both sides of a comparison are searched in pairs,
//! that is the wrong place to repeat: a step that fails by chance makes one pair wrong, and the pairs tell chance from
//! change. From near the edge, two or three steps are enough. Both sides of a pair begin at the same load, chosen from the
//! edges found on both: without a change nothing tells one side from the other, as the signed-rank test takes it to be.
//!
//! How often such pairs raise a false alarm, and what they find, is simulated in `tests/capacity_pairs.rs`.

use super::{Answer, Ask, End, Role, Search};
use crate::median;

/// Where both searches of a pair begin: in the middle of the edges that were `found` of both sides, or up to half
/// a step of the `resolution` off, as `drawn` from 0 to 1 says. Drawn anew for each pair, it turns what the resolution
/// hides into noise from pair to pair, where it would be the same error in all of them. `None` if nothing was found.
#[must_use]
pub fn near(found: &[f64], resolution: f64, drawn: f64) -> Option<u64> {
    let off = (1.0 + resolution).powf(drawn - 0.5);
    median(found).map(|middle| ((middle * off).round() as u64).max(1))
}

impl Search {
    /// The next step up or down, or between the highest load that held and the lowest that failed.
    pub(super) fn next_once(&self, factor: f64) -> Ask {
        let most = self.options.most;
        let (load, role) = match self.ends() {
            (None, None) => (self.options.start, Role::Grow),
            (Some(held), None) if held >= most => return Ask::Done(End::Limit),
            (Some(held), None) => {
                let up = held as f64 * self.stride(held, factor);
                ((up as u64).max(held + 1).min(most), Role::Grow)
            }
            (None, Some(1)) => return Ask::Done(self.end(0.0)),
            (None, Some(failed)) => {
                let down = failed as f64 / self.stride(failed, factor);
                ((down.ceil() as u64).min(failed - 1).max(1), Role::Grow)
            }
            (Some(held), Some(failed)) => {
                let (low, high) = (held as f64, failed as f64);
                let widest = low * (1.0 + self.options.resolution) * (1.0 + 1e-9);
                if high <= widest.max(low + 1.0) {
                    return Ask::Done(self.end(low));
                }
                let middle = (low * high).sqrt().round() as u64;
                (middle.clamp(held + 1, failed - 1), Role::Bisect)
            }
        };
        self.within_budget(self.step(load, role))
    }

    /// How far the next step goes from `load`: by `factor`, or half as far again as the search has come from its start, but
    /// no farther than twice.
    fn stride(&self, load: u64, factor: f64) -> f64 {
        let come = (load as f64 / self.options.start as f64).ln().abs();
        factor.max((come / 2.0).exp().min(2.0))
    }

    /// Whether the lowest load above `low` is one that could not be made.
    pub(super) fn is_next_limited(&self, low: f64) -> bool {
        let above = self.told.iter().filter(|it| it.step.load as f64 > low);
        let next = above.min_by_key(|it| it.step.load);
        next.is_some_and(|it| it.answer == Answer::Limit)
    }
}
