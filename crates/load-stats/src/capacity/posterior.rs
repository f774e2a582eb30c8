//! What the steps of a search say of the place of its edge.

/// The probability by the model: more, since its prior fits no edge exactly.
const CREDIBLE: f64 = 0.95;
/// How wide the edge may be, each as likely: the scale of a logistic curve over the logarithm of the load. From one
/// failure in ten to nine in ten it is 4.4 times that.
const WIDTHS: [f64; 5] = [0.002, 0.006, 0.015, 0.03, 0.06];
/// The share of steps that fail or hold whatever the load.
const LAPSE: f64 = 0.02;
/// Beyond so many widths from the edge the curve has reached its end.
const FAR: f64 = 8.0;

/// Between which neighbouring loads the edge lies, each place with its probability.
#[derive(Debug, Clone)]
pub struct Posterior {
    /// The loads, one more than there are places between them; the first may be 0.
    loads: Vec<u64>,
    /// The logarithm of the middle of each place.
    edges: Vec<f64>,
    /// By width and place how likely it is.
    likely: [Vec<f64>; WIDTHS.len()],
    /// The probability of each place; they sum up to 1.
    mass: Vec<f64>,
}

impl Posterior {
    /// Before any step every place between `least` and `most` is as likely as its width in the logarithm. Neighbouring
    /// loads differ by the share `fine`, and by 1 at least.
    pub fn new(least: f64, most: f64, fine: f64) -> Self {
        let mut load = least.floor() as u64;
        let mut loads = vec![load];
        while (load as f64) < most {
            load = ((load as f64 * (1.0 + fine)).round() as u64).max(load + 1);
            loads.push(load);
        }
        let places = || loads.windows(2).map(|it| (log(it[0]), log(it[1])));
        let mass: Vec<f64> = places().map(|(low, high)| high - low).collect();
        Self {
            edges: places()
                .map(|(low, high)| f64::midpoint(low, high))
                .collect(),
            likely: [(); WIDTHS.len()].map(|()| mass.clone()),
            loads,
            mass,
        }
    }

    /// Learns that `load` held, or that it failed.
    pub fn learn(&mut self, load: u64, held: bool) {
        let load = log(load);
        self.mass.fill(0.0);
        for (width, likely) in WIDTHS.iter().zip(&mut self.likely) {
            let places = likely.iter_mut().zip(&self.edges).zip(&mut self.mass);
            for ((likely, edge), mass) in places {
                let p = fails((load - edge) / width);
                *likely *= if held { 1.0 - p } else { p };
                *mass += *likely;
            }
        }
        let all: f64 = self.mass.iter().sum();
        self.mass.iter_mut().for_each(|mass| *mass /= all);
    }

    /// Whether the edge may well lie beyond the places that are looked at.
    pub fn is_at_an_end(&self) -> bool {
        let (low, high) = self.interval();
        low == self.loads[0] && low > 0 || Some(&high) == self.loads.last()
    }

    /// The place below which the edge lies with probability `share`.
    fn quantile(&self, share: f64) -> usize {
        let mut sum = 0.0;
        let reached = self.mass.iter().position(|mass| {
            sum += mass;
            sum >= share
        });
        reached.unwrap_or(self.mass.len() - 1)
    }

    /// The loads between which the edge lies with probability [`CREDIBLE`], as much of the rest on either side.
    pub fn interval(&self) -> (u64, u64) {
        let outside = (1.0 - CREDIBLE) / 2.0;
        let (low, high) = (self.quantile(outside), self.quantile(1.0 - outside));
        (self.loads[low], self.loads[high + 1])
    }

    /// The load that the edge is as likely to lie below as above.
    pub fn median(&self) -> u64 {
        let place = self.quantile(0.5);
        let below: f64 = self.mass[..place].iter().sum();
        // Of the two loads around that place the one that is nearer to the middle.
        match 0.5 - below > self.mass[place] / 2.0 {
            true => self.loads[place + 1],
            false => self.loads[place],
        }
    }
}

/// The logarithm of a load; what lies below 1 is one place.
fn log(load: u64) -> f64 {
    (load as f64).max(0.5).ln()
}

/// The probability that a load fails which lies so many widths above the edge.
fn fails(widths: f64) -> f64 {
    let curve = match widths {
        _ if widths > FAR => 1.0,
        _ if widths < -FAR => 0.0,
        _ => 1.0 / (1.0 + (-widths).exp()),
    };
    LAPSE + (1.0 - 2.0 * LAPSE) * curve
}
