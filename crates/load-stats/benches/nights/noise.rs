//! Noise as machines have it: four kinds, in standard deviations of the first.

/// How a machine's noise goes from night to night.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Noise {
    /// Each night for itself, normal.
    Independent,
    /// Most nights are calm, one of five is four times the usual deviation slower.
    Bimodal,
    /// Student's t with three degrees of freedom: odd nights are very odd.
    HeavyTailed,
    /// Normal, and seven tenths of a night's deviation are those of the night before.
    Autocorrelated,
}

impl Noise {
    /// `count` nights in a row.
    pub fn nights(self, count: usize, random: &mut fastrand::Rng) -> Vec<f64> {
        let mut before = normal(random);
        let mut one = || match self {
            Self::Independent => normal(random),
            Self::Bimodal => {
                let mode = if random.f64() < 0.2 { 4.0 } else { 0.0 };
                mode + 0.6 * normal(random)
            }
            Self::HeavyTailed => {
                let squares: f64 = (0..3).map(|_| normal(random).powi(2)).sum();
                normal(random) / (squares / 3.0).sqrt()
            }
            Self::Autocorrelated => {
                before = 0.7 * before + 0.51_f64.sqrt() * normal(random);
                before
            }
        };
        (0..count).map(|_| one()).collect()
    }
}

/// A standard normal number.
pub fn normal(random: &mut fastrand::Rng) -> f64 {
    // Box and Muller; 1 - f64() is never 0.
    (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (std::f64::consts::TAU * random.f64()).cos()
}
