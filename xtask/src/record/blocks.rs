//! `blocks.json`: every pair that was measured, to be judged now or again.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::{CapacityRecord, Host, LoadUnit, Measure, percent, versioned, write_whole};

/// What marks a file as one of these.
pub const FORMAT: &str = "tachikoma-blocks";
/// The version of the format: raised when a field changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 3;

/// The pairs of one comparison.
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
    /// Drew the order of what was asked.
    pub seed: u64,
    /// Pairs that are measured of each test at most.
    pub planned: usize,
    /// How long a pair is measured, in seconds; 0 where capacities are searched for.
    pub block_s: f64,
    /// Virtual users of tests that k6 measures.
    pub vus: u64,
    /// How the head did not stand the load, if it did not.
    pub broken: Option<String>,
    /// What k6's checks came to on either side.
    pub checks: Vec<CheckCounts>,
    /// The pairs in the order in which they were measured.
    pub pairs: Vec<Pair>,
    /// What valgrind counted, if it was asked.
    #[serde(default)]
    pub instructions: Option<Counted>,
    /// The functions of the tests that are worse or better.
    #[serde(default)]
    pub sampled: Vec<Sampled>,
    /// How the capacity is searched for, where that is what is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<SearchRecord>,
}

/// How each side's capacity is searched for in every pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SearchRecord {
    /// What a load is counted in.
    pub unit: LoadUnit,
    /// How wide a side's interval is at most, relative to its lower end: 0.05 is 5 %.
    pub resolution: f64,
    /// How long a step makes its load, in seconds, if that was given.
    pub step_s: Option<f64>,
    /// The first load of the rough search before the pairs.
    pub start: u64,
    /// How long all may take, in seconds.
    pub budget_s: f64,
    /// Whether durations are judged though other programs take the processor.
    pub judge_when_busy: bool,
}

/// The search on one side of a pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SearchedSide {
    /// Which.
    pub side: Side,
    /// What was found.
    pub found: CapacityRecord,
}

/// Where the CPU time of a request went that a test got worse or better by. Nothing is judged by it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Sampled {
    /// The test.
    pub test: String,
    /// Whether it is worse, else better.
    pub grew: bool,
    /// Stacks that were seen of base and head.
    pub samples: [u64; 2],
    /// CPU time of a request while base and head were sampled, in milliseconds.
    pub cpu_ms: [f64; 2],
    /// The functions that changed most and beyond chance, the most first.
    pub functions: Vec<Function>,
    /// Why nothing was sampled; else empty.
    pub lacking: String,
}

/// Instructions of each route.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// Pairs that are counted of each test.
    pub planned: usize,
    /// The functions that take the most more in the head, of each route.
    pub functions: Vec<Function>,
    /// The pairs, with the instructions of a request as their values.
    pub pairs: Vec<Pair>,
}

/// What a function takes of a request, in the unit of the metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Function {
    /// The test.
    pub test: String,
    /// The route's instructions, or the CPU time.
    pub metric: Measure,
    /// Its name.
    pub name: String,
    /// In the base.
    pub base: f64,
    /// In the head.
    pub head: f64,
}

/// One of the two servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SideRecord {
    /// What people call it: a revision, or a path.
    pub name: String,
    /// The commit that it was built from, if it was built here.
    pub commit: Option<String>,
    /// Whether uncommitted changes are in it.
    pub dirty: bool,
}

/// Which of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// What is compared with.
    Base,
    /// What is judged.
    Head,
}

impl Side {
    /// Both, in the order in which files have them.
    pub const BOTH: [Self; 2] = [Self::Base, Self::Head];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Head => "head",
        }
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Base => Self::Head,
            Self::Head => Self::Base,
        }
    }
}

/// Both servers, measured beside each other, or by k6 one after the other.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The test.
    pub test: String,
    /// What is compared with.
    pub base: Block,
    /// What is judged.
    pub head: Block,
    /// What should have been measured and was not, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lacking: BTreeMap<Measure, String>,
    /// The searches for the capacity of both, in the order in which they were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub searches: Vec<SearchedSide>,
}

/// One server, freshly started and measured for a while.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// Requests made, or WebSocket sessions where there are no requests.
    pub requests: u64,
    /// One value per metric.
    pub values: BTreeMap<Measure, f64>,
}

/// What can fail in k6's hands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failing {
    /// A check of the script, by its name.
    Check(String),
    /// The script's function, by an exception.
    Iterations,
    /// Any request.
    Requests,
}

/// How often something failed in k6's hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckCounts {
    /// The test.
    pub test: String,
    /// What.
    pub what: Failing,
    /// Failures and tries of the base.
    pub base: [u64; 2],
    /// Failures and tries of the head.
    pub head: [u64; 2],
}

/// How much of a request that takes `whole` in the base each function takes more or less: `+11.2 % in X, +1.0 % in Y`.
pub fn in_functions<'a>(functions: impl Iterator<Item = &'a Function>, whole: f64) -> String {
    let one = |function: &Function| {
        let change = percent((function.head - function.base) / whole);
        format!("{change} in {}", function.name)
    };
    functions.map(one).collect::<Vec<_>>().join(", ")
}

impl Sampled {
    /// Nothing of `test` yet.
    pub fn of(test: &str, grew: bool) -> Self {
        Self {
            test: test.to_owned(),
            grew,
            ..Self::default()
        }
    }

    /// What it says, in a sentence.
    pub fn sentence(&self) -> String {
        let test = &self.test;
        if !self.lacking.is_empty() {
            return format!("{test}: no functions are named: {}", self.lacking);
        }
        let [base, head] = self.cpu_ms;
        let change = percent(head / base - 1.0);
        match self.functions.is_empty() {
            true => format!(
                "{test}: {change} CPU per request when sampled, and no function beyond chance; what waits for disks, locks or timers is not sampled"
            ),
            false => format!(
                "{test}: {change} CPU per request when sampled, of which {}",
                in_functions(self.functions.iter(), base)
            ),
        }
    }
}

impl Blocks {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, is no such file or is of another version; the message names it.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let text =
            std::fs::read_to_string(path).with_context(|| format!("failed to read {shown}"))?;
        let value: serde_json::Value = serde_json::from_str(&text)
            .with_context(|| format!("{shown} is not the blocks.json of a comparison"))?;
        anyhow::ensure!(
            value["format"] == FORMAT,
            "{shown} is not the blocks.json of a comparison: its format is {}, not \"{FORMAT}\"",
            value["format"]
        );
        versioned(text.as_bytes(), SCHEMA_VERSION).map_err(|why| {
            anyhow::anyhow!("{shown} {why}: use the program that wrote it, or compare again")
        })
    }

    /// Writes `blocks.json` into `dir`, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string(self).context("failed to write blocks.json")?;
        // One pair a line keeps the file readable and small.
        let text = text.replace("{\"test\"", "\n{\"test\"");
        write_whole(&dir.join("blocks.json"), format!("{text}\n").as_bytes())
    }

    /// The tests, in the order of their first checks or pairs.
    pub fn tests(&self) -> Vec<&str> {
        let checked = self.checks.iter().map(|check| check.test.as_str());
        let all = checked.chain(self.pairs.iter().map(|pair| pair.test.as_str()));
        all.fold(Vec::new(), |mut tests, test| {
            if !tests.contains(&test) {
                tests.push(test);
            }
            tests
        })
    }

    /// The pairs of `test`, in order.
    pub fn pairs_of(&self, test: &str) -> Vec<&Pair> {
        self.pairs.iter().filter(|pair| pair.test == test).collect()
    }

    /// The pairs of `test` in which instructions were counted.
    pub fn counted_of(&self, test: &str) -> Vec<&Pair> {
        let counted = self.instructions.iter().flat_map(|counted| &counted.pairs);
        counted.filter(|pair| pair.test == test).collect()
    }
}

impl Pair {
    /// The values of `measure`, as (base, head), if both sides have it.
    pub fn values(&self, measure: &Measure) -> Option<(f64, f64)> {
        Some((
            *self.base.values.get(measure)?,
            *self.head.values.get(measure)?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{blocks, pair};
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let written = blocks(vec![pair(1.0, 1.1)]);
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
        let said = |text: &str| {
            std::fs::write(&path, text).unwrap();
            format!("{:#}", Blocks::read(&path).unwrap_err())
        };
        assert!(said("{").contains("not the blocks.json"));
        assert!(said("{}").contains("its format is null"));
        let older = r#"{"format":"tachikoma-blocks","schema_version":2}"#;
        assert!(said(older).contains("has format version 2, and this program reads 3"));
        let half = r#"{"format":"tachikoma-blocks","schema_version":3}"#;
        assert!(said(half).contains("is corrupted"));
        assert!(
            format!("{:#}", Blocks::read(&dir.path().join("none")).unwrap_err())
                .contains("failed to read")
        );
    }
}
