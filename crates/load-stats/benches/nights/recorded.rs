//! Noise as it was: the values of recorded blocks of one server, all metrics of a block together.
//!
//! The blocks were measured in pairs, a few seconds apart. A night takes one block of a pair and its second run the
//! other, so that metrics go together, the second run shares what it shares, and odd nights are as odd as they were.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{CPU, MEDIAN, Metric, TAIL};

/// Two blocks of a pair, each as one deviation per metric, in standard deviations of the logarithm.
type Pair = [Vec<f64>; 2];

/// Recorded noise.
pub struct Recorded {
    /// The metrics.
    pub metrics: Vec<Metric>,
    pairs: Vec<Pair>,
}

impl Recorded {
    /// Reads the blocks.
    pub fn read() -> Self {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/recorded/night-blocks.json"
        );
        let text = std::fs::read_to_string(path).expect("the recorded blocks are there");
        let file: Value = serde_json::from_str(&text).expect("they are JSON");
        let mut by_pair: BTreeMap<u64, Vec<BTreeMap<String, f64>>> = BTreeMap::new();
        for block in file["blocks"].as_array().expect("blocks") {
            let values = serde_json::from_value(block["values"].clone()).expect("values");
            let pair = block["pair"].as_u64().expect("a pair");
            by_pair.entry(pair).or_default().push(values);
        }
        let names: Vec<(String, Metric)> = by_pair[&0][0]
            .keys()
            .filter_map(|name| Some((name.clone(), kind(name)?)))
            .collect();
        let all = || by_pair.values().flatten();
        let scales: Vec<(f64, f64)> = names
            .iter()
            .map(|(name, _)| mean_and_deviation(all().map(|block| block[name].ln())))
            .collect();
        let deviations = |block: &BTreeMap<String, f64>| {
            let one = |((name, _), (mean, deviation)): (&(String, Metric), &(f64, f64))| {
                (block[name].ln() - mean) / deviation
            };
            names.iter().zip(&scales).map(one).collect::<Vec<f64>>()
        };
        Self {
            pairs: by_pair
                .values()
                .map(|blocks| [deviations(&blocks[0]), deviations(&blocks[1])])
                .collect(),
            metrics: names.into_iter().map(|(_, metric)| metric).collect(),
        }
    }

    /// Each metric's noise on a night and in its second run.
    pub fn night(&self, random: &mut fastrand::Rng) -> Vec<(f64, f64)> {
        let [one, other] = &self.pairs[random.usize(..self.pairs.len())];
        let (first, again) = if random.bool() {
            (one, other)
        } else {
            (other, one)
        };
        first.iter().copied().zip(again.iter().copied()).collect()
    }
}

/// What is followed of a block, and how; its memory and bytes hardly vary.
fn kind(name: &str) -> Option<Metric> {
    match name {
        "server CPU per request" => Some(CPU),
        _ if name.ends_with(" median") || name.ends_with(" med") => Some(MEDIAN),
        _ if name.ends_with(" p95") || name.ends_with(" p(95)") => Some(TAIL),
        _ => None,
    }
}

fn mean_and_deviation(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let values: Vec<f64> = values.collect();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0)).sqrt())
}
