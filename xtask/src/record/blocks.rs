//! `blocks.json`: every block that was measured, to be judged now or again.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::{Host, Measure, write_whole};

/// What marks a file as one of these.
pub const FORMAT: &str = "tachikoma-blocks";
/// The version of the format: raised when a field changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

/// The blocks of one comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Blocks {
    /// [`FORMAT`].
    pub format: String,
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// When the comparison began, in UTC.
    pub started_at: String,
    /// What is compared with.
    pub base: SideRecord,
    /// What is judged.
    pub head: SideRecord,
    /// The machine.
    pub host: Host,
    /// k6's version.
    pub k6: String,
    /// Drew the order of the blocks.
    pub seed: u64,
    /// Pairs that were asked for, per test.
    pub pairs: usize,
    /// Virtual users of each block.
    pub vus: u64,
    /// How long a block is under full load, in seconds.
    pub block_s: f64,
    /// The blocks in the order in which they were measured.
    pub blocks: Vec<Block>,
}

/// One of the two servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideRecord {
    /// What people call it: a revision, or a path.
    pub name: String,
    /// The commit that it was built from, if it was built here.
    pub commit: Option<String>,
    /// Whether uncommitted changes are in it.
    pub dirty: bool,
}

/// Which of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// What is compared with.
    Base,
    /// What is judged.
    Head,
}

/// One short run against one of the servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// The test.
    pub test: String,
    /// The pair within the test, counted from 0.
    pub pair: usize,
    /// The server.
    pub side: Side,
    /// The round: 0, or 1 for the second measurement of a suspect.
    #[serde(default)]
    pub round: u8,
    /// One value per metric.
    pub values: BTreeMap<Measure, f64>,
    /// Requests made, or WebSocket sessions where there are no requests.
    pub requests: u64,
    /// Requests that failed.
    pub failed_requests: u64,
    /// Checks that failed at least once, with how often.
    pub failed_checks: BTreeMap<String, u64>,
}

impl Blocks {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, is no such file, is of another version, or its blocks do not pair; the message names it.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let text =
            std::fs::read_to_string(path).with_context(|| format!("failed to read {shown}"))?;
        let value: serde_json::Value = serde_json::from_str(&text)
            .with_context(|| format!("{shown} is no blocks.json of a comparison"))?;
        anyhow::ensure!(
            value["format"] == FORMAT,
            "{shown} is no blocks.json of a comparison: its format is {}, not \"{FORMAT}\"",
            value["format"]
        );
        anyhow::ensure!(
            value["schema_version"] == SCHEMA_VERSION,
            "{shown} has format version {}, this program reads version {SCHEMA_VERSION}: use the program that wrote it",
            value["schema_version"]
        );
        let blocks: Self = serde_json::from_value(value)
            .with_context(|| format!("{shown} is damaged: restore it, or compare anew"))?;
        blocks
            .check_pairs()
            .with_context(|| format!("the blocks in {shown} do not pair"))?;
        Ok(blocks)
    }

    /// Writes `blocks.json` into `dir`, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string(self).context("failed to write blocks.json")?;
        // One block a line keeps the file readable and small.
        let text = text.replace("{\"test\"", "\n{\"test\"");
        write_whole(&dir.join("blocks.json"), format!("{text}\n").as_bytes())
    }

    /// The tests that have blocks, in the order of their first.
    pub fn tests(&self) -> Vec<String> {
        let mut tests: Vec<String> = Vec::new();
        for block in &self.blocks {
            if !tests.contains(&block.test) {
                tests.push(block.test.clone());
            }
        }
        tests
    }

    /// The whole pairs of `test` in `round`, as (base, head), in order.
    pub fn pairs_of(&self, test: &str, round: u8) -> Vec<(&Block, &Block)> {
        let mut by_pair: BTreeMap<usize, (Option<&Block>, Option<&Block>)> = BTreeMap::new();
        for block in self
            .blocks
            .iter()
            .filter(|block| block.test == test && block.round == round)
        {
            let pair = by_pair.entry(block.pair).or_default();
            match block.side {
                Side::Base => pair.0 = Some(block),
                Side::Head => pair.1 = Some(block),
            }
        }
        by_pair
            .into_values()
            .filter_map(|(base, head)| Some((base?, head?)))
            .collect()
    }

    /// Every block has its partner, and none is there twice; the pair that an interruption cut in half is let pass.
    fn check_pairs(&self) -> anyhow::Result<()> {
        let mut seen: BTreeMap<(&str, u8, usize, Side), usize> = BTreeMap::new();
        for block in &self.blocks {
            *seen
                .entry((&block.test, block.round, block.pair, block.side))
                .or_default() += 1;
        }
        let last = self
            .blocks
            .last()
            .map(|block| (block.test.as_str(), block.round, block.pair));
        for (&(test, round, pair, side), &count) in &seen {
            let name = format!("pair {} of {test}", pair + 1);
            anyhow::ensure!(count == 1, "{name} has {count} blocks of {side:?}");
            let other = match side {
                Side::Base => Side::Head,
                Side::Head => Side::Base,
            };
            anyhow::ensure!(
                seen.contains_key(&(test, round, pair, other)) || last == Some((test, round, pair)),
                "{name} has a block of {side:?} and none of {other:?}"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{block, blocks};
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let written = blocks(vec![block(0, Side::Base, 1.0), block(0, Side::Head, 1.1)]);
        written.write(dir.path()).unwrap();
        assert_eq!(
            Blocks::read(&dir.path().join("blocks.json")).unwrap(),
            written
        );
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blocks.json");
        let base = || block(0, Side::Base, 1.0);
        let said = |text: &str| {
            std::fs::write(&path, text).unwrap();
            format!("{:#}", Blocks::read(&path).unwrap_err())
        };
        assert!(said("{").contains("no blocks.json"));
        assert!(said("{}").contains("its format is null"));
        let newer = r#"{"format":"tachikoma-blocks","schema_version":9}"#;
        assert!(said(newer).contains("version 9"));
        let as_text = |list| serde_json::to_string(&blocks(list)).unwrap();
        let twice = as_text(vec![base(), base()]);
        assert!(said(&twice).contains("pair 1 of missions has 2 blocks of Base"));
        let other = Block {
            pair: 1,
            ..block(0, Side::Head, 1.0)
        };
        let apart = as_text(vec![base(), other]);
        assert!(said(&apart).contains("none of Head"), "{}", said(&apart));
        assert!(
            format!("{:#}", Blocks::read(&dir.path().join("none")).unwrap_err())
                .contains("failed to read")
        );
    }

    #[test]
    fn an_interrupted_pair_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let list = vec![
            block(0, Side::Base, 1.0),
            block(0, Side::Head, 1.1),
            block(1, Side::Head, 1.1),
        ];
        blocks(list).write(dir.path()).unwrap();
        let read = Blocks::read(&dir.path().join("blocks.json")).unwrap();
        assert_eq!(read.pairs_of("missions", 0).len(), 1);
    }
}
