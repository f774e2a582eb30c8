//! Checks, and the groups that hold them.

use serde::{Deserialize, Deserializer, Serialize};

/// A group of a script as k6 nests them, the root being one without a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Group {
    #[serde(default)]
    name: String,
    #[serde(default)]
    groups: Vec<Group>,
    #[serde(default)]
    checks: Vec<RawCheck>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct RawCheck {
    name: String,
    #[serde(deserialize_with = "whole")]
    passes: u64,
    #[serde(deserialize_with = "whole")]
    fails: u64,
}

/// How often a check passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRow {
    /// The check's name with the groups around it: `Mission CRUD › list status is 200`.
    pub name: String,
    /// How often it passed.
    pub passes: u64,
    /// How often it failed.
    pub fails: u64,
}

impl CheckRow {
    /// How often it was made.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.passes.saturating_add(self.fails)
    }

    /// The share that passed, 0 to 1; none if it was never made.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        (self.total() > 0).then(|| self.passes as f64 / self.total() as f64)
    }
}

impl Group {
    /// Every check of the group and the groups within, in the script's order.
    pub(crate) fn flatten(&self) -> Vec<CheckRow> {
        let mut rows = Vec::new();
        self.flatten_into("", &mut rows);
        rows
    }

    // The JSON parser allows 128 levels, so the recursion is bounded.
    fn flatten_into(&self, around: &str, rows: &mut Vec<CheckRow>) {
        let within = join(around, &self.name);
        rows.extend(self.checks.iter().map(|check| CheckRow {
            name: join(&within, &check.name),
            passes: check.passes,
            fails: check.fails,
        }));
        for group in &self.groups {
            group.flatten_into(&within, rows);
        }
    }
}

fn join(around: &str, name: &str) -> String {
    if around.is_empty() {
        name.to_owned()
    } else {
        format!("{around} › {name}")
    }
}

/// A count that JavaScript wrote, which may be `1e21`. Out of range values end at the range.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    f64::deserialize(deserializer).map(|number| number as u64)
}
