//! What failed in k6's hands: checks, requests and iterations, of the same number of iterations on either side.

use k6_summary::brief;
use load_stats::fisher;

use crate::record::{CheckCounts, Failing};

/// What this may take of the comparison's false alarms, over all checks of all tests and all looks.
pub const LEVEL: f64 = 0.0005;
/// Looks at counts that grow, as those of tests that k6 measures do.
const LOOKS: usize = 4;
/// A p up to which more failures of the head are worth counting once more.
const DOUBTFUL: f64 = 0.1;

/// What the failures of a test come to.
#[derive(Debug, Default, PartialEq)]
pub struct CheckFailures {
    /// What the head fails more often than the base, in sentences: more than chance would have it in one of 2,000
    /// comparisons.
    pub worse: Vec<String>,
    /// What chance may have made, in sentences.
    pub by_chance: Vec<String>,
    /// Whether some of that looks worse, and more counts would tell.
    pub is_doubtful: bool,
}

/// Judges the counts of `test` among `all`.
pub fn failures(all: &[CheckCounts], test: &str) -> CheckFailures {
    let level = LEVEL / (LOOKS * all.len().max(1)) as f64;
    let mut failures = CheckFailures::default();
    for check in all.iter().filter(|check| check.test == test) {
        let p = fisher::more_often(check.base, check.head);
        if p <= level {
            failures.worse.push(sentence(check));
        } else if check.base[0] + check.head[0] > 0 {
            failures.by_chance.push(sentence(check));
            failures.is_doubtful |= p <= DOUBTFUL;
        }
    }
    failures
}

fn sentence(check: &CheckCounts) -> String {
    let what = match &check.what {
        Failing::Check(name) => format!("check \"{}\" failed", brief(name, 8)),
        Failing::Iterations => "iterations threw exceptions".into(),
        Failing::Requests => "requests failed".into(),
    };
    let (base, head) = (check.base, check.head);
    format!(
        "{what} {} of {} times, in the base {} of {}",
        head[0], head[1], base[0], base[1]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(base: [u64; 2], head: [u64; 2]) -> (usize, usize, bool) {
        let check = CheckCounts {
            test: "missions".into(),
            what: Failing::Requests,
            base,
            head,
        };
        let failures = failures(&[check], "missions");
        let (worse, by_chance) = (failures.worse.len(), failures.by_chance.len());
        (worse, by_chance, failures.is_doubtful)
    }

    #[test]
    fn a_failure_may_be_chance_and_many_are_not() {
        assert_eq!(said([0, 8_938], [1, 8_938]), (0, 1, false));
        assert_eq!(said([0, 200], [20, 200]), (1, 0, false));
        // A single one in the base excuses nothing.
        assert_eq!(said([1, 200], [40, 200]), (1, 0, false));
        assert_eq!(said([40, 200], [40, 200]), (0, 1, false));
        assert_eq!(said([40, 200], [0, 200]), (0, 1, false));
        assert_eq!(said([0, 200], [0, 200]), (0, 0, false));
        assert_eq!(said([0, 200], [6, 200]), (0, 1, true));
    }
}
