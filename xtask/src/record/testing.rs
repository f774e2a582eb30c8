//! What the unit tests of comparisons share.

use std::collections::BTreeMap;

use super::{
    BLOCKS_VERSION as SCHEMA_VERSION, Block, Blocks, FORMAT, Host, Measure, Side, SideRecord,
};

/// A block of the missions test whose only metric is the median of creating.
pub fn block(pair: usize, side: Side, median: f64) -> Block {
    Block {
        test: "missions".into(),
        pair,
        side,
        round: 0,
        values: BTreeMap::from([(Measure::median("mission_create_duration"), median)]),
        requests: 200,
        failed_requests: 0,
        failed_checks: BTreeMap::new(),
    }
}

/// A comparison with these blocks.
pub fn blocks(list: Vec<Block>) -> Blocks {
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
        },
        k6: "1.1.0".into(),
        seed: 1,
        pairs: list.len() / 2,
        vus: 10,
        block_s: 2.0,
        blocks: list,
    }
}
