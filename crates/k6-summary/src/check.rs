//! Checks, and the groups that hold them.

use serde::{Deserialize, Deserializer, Serialize};

use crate::reason::Reason;
use crate::text::one_line;

/// How much of a name is kept, in characters.
const LONGEST_NAME: usize = 200;

/// A group of a script as k6 nests them, the root being one without a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    #[serde(default)]
    name: String,
    #[serde(default)]
    pub(crate) groups: Vec<Group>,
    #[serde(default)]
    pub(crate) checks: Vec<RawCheck>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RawCheck {
    name: String,
    #[serde(deserialize_with = "whole")]
    pub(crate) passes: u64,
    #[serde(deserialize_with = "whole")]
    pub(crate) fails: u64,
}

/// How often a check passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckRow {
    /// The check's name with the groups around it: `Mission CRUD › list status is 200`. It is one
    /// line, whatever the script has called it.
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

    /// Adds the counts of `other` to those of the same names in the same groups.
    pub(crate) fn absorb(&mut self, other: &Self) {
        for check in &other.checks {
            match self.checks.iter_mut().find(|own| own.name == check.name) {
                Some(own) => {
                    own.passes = own.passes.saturating_add(check.passes);
                    own.fails = own.fails.saturating_add(check.fails);
                }
                None => self.checks.push(check.clone()),
            }
        }
        for group in &other.groups {
            match self.groups.iter_mut().find(|own| own.name == group.name) {
                Some(own) => own.absorb(group),
                None => self.groups.push(group.clone()),
            }
        }
    }

    // The JSON parser allows 128 levels, so the recursion is bounded.
    fn flatten_into(&self, around: &str, rows: &mut Vec<CheckRow>) {
        let within = join(around, &self.name);
        rows.extend(self.checks.iter().map(|check| CheckRow {
            name: match check.name.trim() {
                "" => join(&within, "(no name)"),
                name => join(&within, name),
            },
            passes: check.passes,
            fails: check.fails,
        }));
        for group in &self.groups {
            group.flatten_into(&within, rows);
        }
    }
}

fn join(around: &str, name: &str) -> String {
    let name = one_line(name, LONGEST_NAME);
    if around.is_empty() {
        name
    } else {
        format!("{around} › {name}")
    }
}

/// Whether checks were made, each passed at least once, and enough of all did.
pub(crate) fn judge_checks(checks: &[CheckRow], minimum: f64, expected: &[String]) -> Vec<Reason> {
    let made = |name: &String| {
        let name = one_line(name, LONGEST_NAME);
        let mut made = checks.iter().filter(|check| check.total() > 0);
        made.any(|check| check.name.rsplit(" › ").next() == Some(&name))
    };
    let mut reasons: Vec<Reason> = expected
        .iter()
        .filter(|name| !made(name))
        .map(|name| Reason::CheckNotMade(one_line(name, LONGEST_NAME)))
        .collect();
    let mut never = checks.iter().filter(|check| check.passes == 0);
    reasons.extend(never.next().map(|check| Reason::ChecksNeverPassed {
        check: check.name.clone(),
        total: check.total(),
        more: never.count(),
    }));
    let sum = |part: fn(&CheckRow) -> u64| checks.iter().map(part).fold(0, u64::saturating_add);
    let (passes, total) = (sum(|check| check.passes), sum(CheckRow::total));
    let enough = passes as f64 / total as f64 >= minimum;
    if total == 0 {
        reasons.push(Reason::NoChecks);
    } else if !enough {
        reasons.push(Reason::ChecksBelowMinimum {
            passes,
            total,
            minimum,
        });
    }
    reasons
}

/// A count that JavaScript wrote, which may be `1e21`. Out of range values end at the range.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    f64::deserialize(deserializer).map(|number| number as u64)
}
