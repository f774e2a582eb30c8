//! Percentiles of several trends together, by the percentiles of each.
//!
//! k6 sorts the n samples of a trend, s₀ ≤ … ≤ sₙ₋₁, and its percentile p is the value at the place p·(n−1) among them,
//! on the line between the two samples around it
//! (<https://github.com/grafana/k6/blob/v1.1.0/metrics/sink.go>, `TrendSink.P`; the same in 2.2.0). So if vᵢ is
//! the percentile pᵢ,
//!
//! - at least ⌊pᵢ·(n−1)⌋ + 1 samples are not greater than vᵢ, and
//! - at most ⌈pᵢ·(n−1)⌉ samples are less than vᵢ.
//!
//! For any x the nearest vᵢ below and above it bound how many samples of a runner are not greater or less than x, and the
//! sums of these bounds bound the same of all samples together. The merged percentile is on the line between two samples of
//! all, and each of these lies certainly between the greatest x that has few enough samples below it and the least x that has
//! enough not above it. All of that holds up to the last digit of a double.

use std::cmp::Ordering;

/// Some percentiles of the samples that one runner has of a trend, among them the least and the greatest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grid {
    /// How many samples there are; at least one.
    count: f64,
    /// At which places among them, from 0 to `count` - 1, in ascending order.
    places: Vec<f64>,
    /// What is there.
    values: Vec<f64>,
}

/// A percentile, and between which values it certainly lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

impl Grid {
    /// The samples of which there are `count`, and `values` at the percentages `percents`, which are in ascending order from
    /// 0 to 100.
    pub fn new(count: f64, percents: &[f64], values: &[f64]) -> Self {
        let places = percents
            .iter()
            .map(|percent| place(*percent, count))
            .collect();
        let mut greatest = f64::NEG_INFINITY;
        // What k6 computes on a line may be greater than its end in the last digit.
        let rising = values.iter().map(|value| {
            greatest = greatest.max(*value);
            greatest
        });
        Self {
            count,
            places,
            values: rising.collect(),
        }
    }

    /// The percentile `percent`, if it is one of those that are known.
    fn known(&self, percent: f64) -> Option<f64> {
        let wanted = place(percent, self.count);
        let at = self.places.iter().position(|place| *place == wanted)?;
        Some(self.values[at])
    }

    /// How many samples there are at least that are not greater than `x`.
    fn certainly_up_to(&self, x: f64) -> f64 {
        match self.values.partition_point(|value| *value <= x) {
            0 => 0.0,
            after => self.places[after - 1].floor() + 1.0,
        }
    }

    /// How many samples there are at most that are less than `x`.
    fn at_most_below(&self, x: f64) -> f64 {
        let next = self.values.partition_point(|value| *value < x);
        self.places
            .get(next)
            .map_or(self.count, |place| place.ceil())
    }

    /// About how many samples are up to `x`: as many as its place on the lines between the known ones says, and half of
    /// that one. Where several are `x` this jumps, from the number without them to that with all of them.
    fn about(&self, x: f64) -> (f64, f64) {
        let (first, after) = (
            self.values.partition_point(|value| *value < x),
            self.values.partition_point(|value| *value <= x),
        );
        let half = |place: f64| place + 0.5;
        if first < after {
            let from = if first == 0 {
                0.0
            } else {
                half(self.places[first])
            };
            let to = if after == self.values.len() {
                self.count
            } else {
                half(self.places[after - 1])
            };
            return (from, to);
        }
        let between = match (first.checked_sub(1), self.values.get(first)) {
            (None, _) => 0.0,
            (_, None) => self.count,
            (Some(before), Some(value)) => {
                let share = (x - self.values[before]) / (value - self.values[before]);
                half(line(self.places[before], self.places[first], share))
            }
        };
        (between, between)
    }
}

/// The samples of all runners together.
pub(crate) struct Merger<'a> {
    grids: Vec<&'a Grid>,
    /// Every value that is known of any of them, in ascending order.
    values: Vec<f64>,
}

impl<'a> Merger<'a> {
    pub fn new(mut grids: Vec<&'a Grid>) -> Self {
        // Sums of doubles depend on the order.
        grids.sort_by(|one, other| {
            one.count.total_cmp(&other.count).then_with(|| {
                let values = one.values.partial_cmp(&other.values);
                values.unwrap_or(Ordering::Equal)
            })
        });
        let mut values: Vec<f64> = grids
            .iter()
            .flat_map(|grid| &grid.values)
            .copied()
            .collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        Self { grids, values }
    }

    fn sum(&self, of: impl Fn(&Grid) -> f64) -> f64 {
        self.grids.iter().map(|grid| of(grid)).sum()
    }

    /// The percentile `percent` of all samples, and between which values it certainly lies; `None` if there are none.
    pub fn percentile(&self, percent: f64) -> Option<Estimate> {
        let exact = |value| Estimate {
            value,
            low: value,
            high: value,
        };
        match self.grids.as_slice() {
            [] => return None,
            [only] if let Some(value) = only.known(percent) => return Some(exact(value)),
            _ => {}
        }
        let wanted = place(percent, self.sum(|grid| grid.count));
        let (under, over, share) = (
            self.bounds(wanted.floor()),
            self.bounds(wanted.ceil()),
            wanted.fract(),
        );
        let low = line(under.0, over.0, share);
        let high = line(under.1, over.1, share);
        Some(Estimate {
            value: self.estimate(wanted).clamp(low, high.max(low)),
            low,
            high: high.max(low),
        })
    }

    /// Between which values the sample at this place among all certainly lies.
    fn bounds(&self, place: f64) -> (f64, f64) {
        let few = |x: &f64| self.sum(|grid| grid.at_most_below(*x)) <= place;
        let low = self.values.partition_point(few);
        let too_few = |x: &f64| self.sum(|grid| grid.certainly_up_to(*x)) <= place;
        let high = self.values.partition_point(too_few);
        // Nothing is below the least, and all are up to the greatest.
        (
            self.values[low.max(1) - 1],
            self.values[high.min(self.values.len() - 1)],
        )
    }

    /// The value up to which there are about as many samples as the place says.
    fn estimate(&self, place: f64) -> f64 {
        let wanted = place + 0.5;
        let about = |x: f64| {
            let both = self.grids.iter().map(|grid| grid.about(x));
            both.fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1))
        };
        let next = self.values.partition_point(|x| about(*x).1 < wanted);
        let next = next.min(self.values.len() - 1);
        let (value, reached) = (self.values[next], about(self.values[next]).0);
        if next == 0 || reached <= wanted {
            return value;
        }
        let (before, from) = (self.values[next - 1], about(self.values[next - 1]).1);
        line(before, value, (wanted - from) / (reached - from))
    }
}

/// The place of a percentile among `count` samples, computed as k6 does.
pub(crate) fn place(percent: f64, count: f64) -> f64 {
    percent / 100.0 * (count - 1.0)
}

/// What is at `share` on the line from `from` to `to`, computed as k6 does.
pub(crate) fn line(from: f64, to: f64, share: f64) -> f64 {
    from + (to - from) * share
}
