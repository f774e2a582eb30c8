//! Nights that are judged by the comparison with the last green night's build, of recorded pairs.
//!
//! The pairs are of one server beside itself, as both sides really were. A night draws as many as it measures of each of
//! three tests. What the machine does to both sides alike is in no ratio; what is left is made wider and narrower by the
//! machine's noise, by half as much for each standard deviation, from pair to pair. Both sides are one program whose order is drawn, so that
//! each pair's sides may as well be exchanged: what sixty pairs lean to one side by chance does not add up.

use std::collections::BTreeMap;

use load_stats::decide::{Metric, Rule, Verdict, decide};
use load_stats::drift::{Link, WINDOW, drift};
use load_stats::signed_rank::interval;
use serde_json::Value;

use crate::noise::Noise;

/// Pairs of each test, as `compare` measures them by default.
const PAIRS: usize = 60;
/// Tests of a night that can be asked in pairs.
const TESTS: usize = 3;
/// How much wider one standard deviation of the machine's noise makes the differences, as a logarithm.
const WIDENING: f64 = 0.5;
/// How far the comparisons of one program may lean to one side, in times and CPU per request. The recorded ones do by 0.1
/// and 0.5 % of CPU per request, with standard errors of 0.2 and 0.3 %.
const LEANING: f64 = 0.002_5;
/// Nights that are drawn of each kind of noise; histories are drawn from them.
const NIGHTS: usize = 400;

/// What is known of a metric: its name, its floor, and head by base of each recorded pair, as logarithms.
struct Series {
    name: String,
    floor: f64,
    differences: Vec<f64>,
}

/// Recorded pairs of one machine.
pub struct Recorded {
    metrics: Vec<Series>,
}

/// What a night measured: of each metric of each test the differences, and what becomes a link.
struct Night {
    differences: Vec<Vec<Vec<f64>>>,
    links: Vec<Link>,
}

/// What became of nights of one machine with one kind of noise.
#[derive(Debug, Default)]
pub struct Found {
    /// Share of nights without a change in which anything is called worse, by their comparison or by their drift.
    pub false_alarms: f64,
    /// Share of nights with a change of a median by 25 and by 5 % in which it is called worse on the first one.
    pub steps: [f64; 2],
    /// Share of histories without a change in which all comparisons lean to the head by [`LEANING`], and a drift is seen.
    pub leaning: f64,
    /// Share of histories in which 1 % a night of a median is called worse within [`WINDOW`] nights.
    pub drifts: f64,
    /// The same of CPU per request.
    pub drifts_of_cpu: f64,
}

impl Recorded {
    /// Reads the pairs of a `quiet` or a `busy` machine.
    pub fn read(name: &str) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recorded");
        let text = std::fs::read_to_string(format!("{folder}/{name}-pairs.json")).expect("pairs");
        let file: Value = serde_json::from_str(&text).expect("JSON");
        let mut metrics: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for pair in file["pairs"].as_array().expect("pairs") {
            for (metric, base) in pair["base"]["values"].as_object().expect("values") {
                let value = |side: &Value| side.as_f64().expect("a number");
                let ratio = value(&pair["head"]["values"][metric]) / value(base);
                // Failures have no ratio, for there are none.
                if ratio.is_finite() {
                    metrics.entry(metric.clone()).or_default().push(ratio.ln());
                }
            }
        }
        let series = |(name, differences): (String, Vec<f64>)| Series {
            floor: floor(&name).ln_1p(),
            name,
            differences,
        };
        Self {
            metrics: metrics.into_iter().map(series).collect(),
        }
    }

    /// The first metric whose name ends so.
    fn place(&self, ending: &str) -> usize {
        let mut metrics = self.metrics.iter();
        metrics
            .position(|metric| metric.name.ends_with(ending))
            .expect("the metric")
    }

    fn night(&self, noise: &[f64], random: &mut fastrand::Rng) -> Night {
        let test = |_| {
            // The metrics of a pair are drawn together, since they share what disturbed it.
            let draw = |z: &f64, random: &mut fastrand::Rng| {
                let width = (WIDENING * z).exp();
                let pair = random.usize(..PAIRS);
                (pair, if random.bool() { width } else { -width })
            };
            let which: Vec<(usize, f64)> = noise.iter().map(|z| draw(z, random)).collect();
            let of = |metric: &Series| {
                let pairs = which.iter();
                pairs
                    .map(|(pair, width)| width * metric.differences[*pair])
                    .collect::<Vec<f64>>()
            };
            self.metrics.iter().map(of).collect::<Vec<_>>()
        };
        let differences: Vec<Vec<Vec<f64>>> = (0..TESTS).map(test).collect();
        let link = |differences: &Vec<f64>| interval(differences, 0.95).expect("an interval");
        Night {
            links: differences.iter().flatten().map(link).collect(),
            differences,
        }
    }

    /// Whether anything is called worse in `night`, if metric `place` of the first test changed by `by`.
    fn is_red(&self, night: &Night, place: usize, by: f64) -> bool {
        let groups = night.differences.iter().enumerate().map(|(test, metrics)| {
            let of = |(nth, (metric, differences)): (usize, (&Series, &Vec<f64>))| {
                let by = if (test, nth) == (0, place) { by } else { 0.0 };
                Metric {
                    differences: differences.iter().map(|it| Some(it + by)).collect(),
                    floor: metric.floor,
                }
            };
            self.metrics
                .iter()
                .zip(metrics)
                .enumerate()
                .map(of)
                .collect()
        });
        let groups: Vec<Vec<Metric>> = groups.collect();
        let decided = decide(
            &groups,
            &Rule {
                alpha: 0.009,
                ..Rule::of(PAIRS)
            },
        );
        let mut metrics = decided.iter().flat_map(|group| &group.metrics);
        metrics.any(|metric| metric.verdict == Verdict::Worse)
    }

    /// Whether anything has drifted in the newest of `nights`, if metric `place` of the first test changes by `by` a night; of
    /// no place in particular, all that time has a part in.
    fn has_drifted(&self, nights: &[&Night], place: Option<usize>, by: f64) -> bool {
        (0..nights[0].links.len()).any(|nth| {
            let of = &self.metrics[nth % self.metrics.len()].name;
            let is_moved = place.map_or(!of.contains("memory") && !of.contains("bytes"), |place| {
                place == nth
            });
            let by = if is_moved { by } else { 0.0 };
            let moved = |night: &&Night| {
                let link = night.links[nth];
                Link {
                    estimate: link.estimate + by,
                    low: link.low + by,
                    high: link.high + by,
                }
            };
            let chain: Vec<Link> = nights.iter().map(moved).collect();
            drift(&chain, self.metrics[nth % self.metrics.len()].floor).is_some()
        })
    }

    /// Draws nights, and `histories` of them.
    pub fn judge(&self, noise: Noise, nights: usize, histories: usize) -> Found {
        let mut random = fastrand::Rng::with_seed(7);
        let nights = nights.min(NIGHTS);
        let noise = noise.nights(nights * PAIRS, &mut random);
        let of_nights = noise.chunks(PAIRS);
        let nights: Vec<Night> = of_nights
            .map(|noise| self.night(noise, &mut random))
            .collect();
        let (median, cpu) = (self.place(" med"), self.place("CPU per request"));
        let share = |holds: &dyn Fn(&Night) -> bool| {
            let held = nights.iter().filter(|night| holds(night)).count();
            held as f64 / nights.len() as f64
        };
        let red = share(&|night| self.is_red(night, median, 0.0));
        let steps =
            [0.25_f64, 0.05].map(|step| share(&|night| self.is_red(night, median, step.ln_1p())));
        let mut drifted = [0.0; 4];
        for _ in 0..histories {
            let chosen: Vec<&Night> = (0..WINDOW)
                .map(|_| &nights[random.usize(..nights.len())])
                .collect();
            // Without a change each night is asked once, with those before it.
            let whole = |place, by| self.has_drifted(&chosen, place, by);
            let within =
                |place| (1..=WINDOW).any(|end| self.has_drifted(&chosen[..end], Some(place), 0.01));
            let found = [
                whole(None, 0.0),
                whole(None, LEANING),
                within(median),
                within(cpu),
            ];
            for (count, found) in drifted.iter_mut().zip(found) {
                *count += f64::from(u8::from(found)) / histories as f64;
            }
        }
        let [quiet, leaning, drifts, drifts_of_cpu] = drifted;
        Found {
            false_alarms: red + quiet,
            steps,
            leaning,
            drifts,
            drifts_of_cpu,
        }
    }
}

/// The floors are those of `floor_in_pairs` in `xtask/src/record/measured.rs`; a test there holds them together.
const PAIR_FLOORS: [(&str, f64); 5] = [
    (" med", 0.03),
    (" p(95)", 0.10),
    ("CPU per request", 0.02),
    ("peak memory", 0.05),
    ("bytes per response", 0.01),
];

fn floor(name: &str) -> f64 {
    let floor = PAIR_FLOORS
        .iter()
        .find(|(ending, _)| name.ends_with(ending));
    floor.expect("a floor").1
}
