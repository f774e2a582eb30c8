//! What unit tests share.

use std::collections::BTreeMap;

use load_stats::capacity::{Confirmed, LoadInterval};
use ring::digest::{SHA256, digest};

use super::{
    BLOCKS_VERSION as SCHEMA_VERSION, Block, Blocks, CapacityRecord, CauseRecord, FORMAT, Host,
    LoadUnit, Measure, Pair, SearchEnd, SearchedSide, Side, SideRecord,
};

/// A pair of the missions test whose only metric is the median of creating.
pub fn pair(base: f64, head: f64) -> Pair {
    let block = |median| Block {
        requests: 200,
        values: BTreeMap::from([(Measure::median("mission_create_duration"), median)]),
    };
    Pair {
        test: "missions".into(),
        base: block(base),
        head: block(head),
        ..Pair::default()
    }
}

/// A search that ended so, with the cause `what`.
pub fn searched(
    side: Side,
    at_least: f64,
    below: Option<f64>,
    ended: SearchEnd,
    what: &str,
) -> SearchedSide {
    let found = CapacityRecord {
        unit: LoadUnit::Users,
        resolution: 0.05,
        budget_s: 600.0,
        step_s: 10.0,
        confirm_s: 0.0,
        steps: Vec::new(),
        interval: LoadInterval { at_least, below },
        level: 0.0,
        confirmed: Confirmed::default(),
        ended,
        cause: Some(CauseRecord {
            what: what.into(),
            share: None,
            sentence: what.into(),
        }),
    };
    SearchedSide { side, found }
}

/// A comparison with these pairs.
pub fn blocks(pairs: Vec<Pair>) -> Blocks {
    let side = |name: &str| SideRecord {
        name: name.into(),
        commit: None,
        dirty: false,
    };
    Blocks {
        format: FORMAT.into(),
        schema_version: SCHEMA_VERSION,
        started_at: "2026-01-01T00:00:00Z".into(),
        base: side("base"),
        head: side("head"),
        host: Host {
            cpu: "cpu".into(),
            cores: 2,
            memory_bytes: 1,
            os: "os".into(),
            fingerprint: "fingerprint".into(),
            machine: None,
        },
        k6: "1.1.0".into(),
        seed: 1,
        planned: pairs.len(),
        block_s: 2.0,
        vus: 50,
        broken: None,
        checks: Vec::new(),
        pairs,
        instructions: None,
        sampled: Vec::new(),
        capacity: None,
    }
}

/// The log of a runner with this summary, in JSON without a blank that means something.
pub fn runner_log(json: &str) -> String {
    let json: String = json.split_whitespace().collect();
    let hash = digest(&SHA256, json.as_bytes());
    let hash: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("load-test-summary {} {hash} {json}\n", json.len())
}
