//! One restart: both servers fresh, warmed up and asked the same in turn.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use load_duet::replay::Tally;
use load_duet::script::Script;
use load_stats::quantile;

use super::bench::{Bench, OrBroken};
use super::both::play;
use crate::record::{Block, Measure, Pair, Side};
use crate::server::Sample;

/// Requests that warm both servers up: the first ones are the noisiest.
pub const WARM_UP: u64 = 500;
/// How long warming up takes at most, in the times of measuring: for servers that take long to answer.
const WARM_UP_TIMES: u32 = 3;
/// Requests that are measured at least, which servers that take long to answer may take so many times longer for.
const FEWEST_REQUESTS: u64 = 60;
const SLOWEST_TIMES: u32 = 10;
/// The fewest durations that a median and a p95 are made of.
const FEWEST: [usize; 2] = [5, 20];
/// The share of failed requests from which on the cost of a request says nothing, since an error costs another.
pub const TOO_MANY_FAILED: f64 = 0.01;

impl Bench<'_> {
    /// Measures a pair by a duet; `seed` draws the order of each request.
    ///
    /// # Errors
    /// If a server does not start, files cannot be written, or an interruption arrives.
    pub fn duet(
        &self,
        test: &str,
        nth: usize,
        script: &Script,
        seed: u64,
    ) -> anyhow::Result<OrBroken<Pair>> {
        let name = format!("{test}-{:03}", nth + 1);
        let mut both = self.start_both(&name, self.programs)?;
        let mut duet = both.duet(script, seed)?;
        let warm_up = self.block * WARM_UP_TIMES;
        play(&mut duet, WARM_UP, Duration::ZERO, warm_up)?;
        let before = both.look();
        let slowest = self.block * SLOWEST_TIMES;
        let tally = play(&mut duet, FEWEST_REQUESTS, self.block, slowest)?;
        let after = both.look();
        if let Err(broken) = both.check() {
            return Ok(Err(broken));
        }
        let [base, head] = Side::BOTH.map(|side| {
            let at = side as usize;
            let peak = both.servers[at]
                .sampler()
                .map(|sampler| sampler.between(0.0, f64::INFINITY));
            let peak = peak.and_then(|samples| samples.iter().map(|sample| sample.rss_bytes).max());
            to_block(script, &tally, at, before[at].zip(after[at]), peak)
        });
        both.stop();
        Ok(Ok(Pair {
            test: test.into(),
            lacking: lacking(script, &tally, [&base, &head]),
            base,
            head,
            ..Pair::default()
        }))
    }
}

/// What was measured of the side `at`.
fn to_block(
    script: &Script,
    tally: &Tally,
    at: usize,
    spent: Option<(Sample, Sample)>,
    peak: Option<u64>,
) -> Block {
    let mut values = BTreeMap::new();
    for (route, durations) in &tally.durations {
        let name = &script.routes[*route];
        let milliseconds: Vec<f64> = durations.iter().map(|pair| pair[at] * 1e3).collect();
        let statistics = [(Measure::median(name), 0.5), (Measure::p95(name), 0.95)];
        for ((measure, share), fewest) in statistics.into_iter().zip(FEWEST) {
            let value = quantile(&milliseconds, share).filter(|_| milliseconds.len() >= fewest);
            values.extend(value.map(|value| (measure, value)));
        }
    }
    let requests = tally.requests as f64;
    let failed = tally.failed.map(|failed| failed as f64 / requests);
    values.insert(Measure::FailedRequests, failed[at]);
    if failed[0].max(failed[1]) < TOO_MANY_FAILED {
        let cpu = spent.map(|(before, after)| (after.cpu_s - before.cpu_s) * 1e3 / requests);
        values.extend(cpu.map(|milliseconds| (Measure::CpuPerRequest, milliseconds)));
        values.extend(peak.map(|bytes| (Measure::PeakMemory, bytes as f64)));
        values.insert(Measure::BytesPerResponse, tally.bytes[at] as f64 / requests);
    }
    values
        .values_mut()
        .for_each(|value| *value = significant(*value));
    Block {
        requests: tally.requests,
        values,
    }
}

/// What a pair should have been measured of and was not, on either side, and why.
fn lacking(script: &Script, tally: &Tally, sides: [&Block; 2]) -> BTreeMap<Measure, String> {
    let routes: BTreeSet<usize> = script.load.iter().map(|step| step.route).collect();
    let durations = routes.into_iter().flat_map(|route| {
        let count = tally.durations.get(&route).map_or(0, Vec::len);
        let why = format!("{count} of its answers were good on both sides");
        let name = &script.routes[route];
        [Measure::median(name), Measure::p95(name)].map(|measure| (measure, why.clone()))
    });
    let costs = [
        Measure::CpuPerRequest,
        Measure::PeakMemory,
        Measure::BytesPerResponse,
    ];
    let [base, head] = tally.failed;
    let why = format!(
        "of {} requests {base} failed in base and {head} in head",
        tally.requests
    );
    let costs = costs.map(|measure| (measure, why.clone()));
    let is_there = |measure: &Measure| sides.iter().all(|side| side.values.contains_key(measure));
    let all = durations.chain(costs);
    all.filter(|(measure, _)| !is_there(measure)).collect()
}

/// Six digits are more than any clock here is good for, and make small files.
fn significant(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use load_duet::recorder::{Exchange, Recording};
    use load_duet::{Answer, Request};

    use super::*;

    fn block(failed: [u64; 2], count: usize) -> (Block, BTreeMap<Measure, String>) {
        let exchange = |target: &str| Exchange {
            connection: 0,
            request: Request {
                method: "GET".into(),
                target: target.into(),
                headers: Vec::new(),
                body: Vec::new(),
            },
            answer: Answer {
                status: 200,
                headers: Vec::new(),
                body: Vec::new(),
                raw: Vec::new(),
            },
        };
        let recording = Recording {
            setup: vec![exchange("/login")],
            load: vec![exchange("/list")],
            has_upgrade: false,
        };
        let script = Script::of(&recording, |_, target| Some(target[1..].to_owned()));
        let mut tally = Tally {
            requests: 1_000,
            failed,
            bytes: [123_456, 234_567],
            ..Tally::default()
        };
        tally.durations.insert(
            1,
            (0..count)
                .map(|nth| [0.001 + nth as f64 * 1e-6, 0.5])
                .collect(),
        );
        let sample = |cpu_s| Sample {
            elapsed_s: 0.0,
            rss_bytes: 1,
            cpu_s,
            threads: 1,
            open_files: 1,
        };
        let spent = Some((sample(1.0), sample(1.25)));
        let block = to_block(&script, &tally, 0, spent, Some(7));
        let lacking = lacking(&script, &tally, [&block; 2]);
        (block, lacking)
    }

    #[test]
    fn each_metric_is_what_it_is_called() {
        let (Block { requests, values }, lacking) = block([1, 0], 101);
        assert_eq!(requests, 1_000);
        let expected = [
            (Measure::median("list"), 1.05),
            (Measure::p95("list"), 1.095),
            (Measure::CpuPerRequest, 0.25),
            (Measure::PeakMemory, 7.0),
            (Measure::BytesPerResponse, 123.456),
            (Measure::FailedRequests, 0.001),
        ];
        assert_eq!(values, BTreeMap::from(expected));
        assert!(
            lacking.is_empty(),
            "what only prepares the load is not measured: {lacking:?}"
        );
    }

    #[test]
    fn what_fails_has_no_cost_and_few_have_no_p95() {
        let names = |(block, lacking): (Block, BTreeMap<Measure, String>)| {
            let values: Vec<String> = block.values.keys().map(ToString::to_string).collect();
            let lacking: Vec<String> = lacking
                .iter()
                .map(|(measure, why)| format!("{measure}: {why}"))
                .collect();
            (values, lacking)
        };
        // Of either side: a base that fails fast makes a sound head no worse.
        let (values, lacking) = names(block([0, 10], 0));
        assert_eq!(values, ["failed requests"]);
        let good = "0 of its answers were good on both sides";
        let failed = "of 1000 requests 0 failed in base and 10 in head";
        assert_eq!(
            lacking,
            [
                format!("list med: {good}"),
                format!("list p(95): {good}"),
                format!("server CPU per request: {failed}"),
                format!("server peak memory: {failed}"),
                format!("bytes per response: {failed}"),
            ]
        );
        let (values, lacking) = names(block([0, 0], 19));
        assert!(values.starts_with(&["list med".into(), "server CPU per request".into()]));
        assert_eq!(
            lacking,
            ["list p(95): 19 of its answers were good on both sides"]
        );
    }
}
