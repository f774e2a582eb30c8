//! What failed in k6's hands: checks and requests of the same number of iterations on either side.

use load_stats::fisher;

use crate::record::CheckCounts;

/// What this may take of the comparison's false alarms, over all checks of all tests and all looks.
pub const LEVEL: f64 = 0.001;
/// Looks at counts that grow, as those of tests that k6 measures do.
const LOOKS: usize = 4;

/// What the head fails more often than the base, in sentences: more than chance would have it in one of 1,000
/// comparisons.
pub fn worse(all: &[CheckCounts], test: &str) -> Vec<String> {
    let level = LEVEL / (LOOKS * all.len().max(1)) as f64;
    let of_test = all.iter().filter(|check| check.test == test);
    let worse = of_test.filter_map(|check| {
        let p = fisher::more_often(check.base, check.head);
        (p <= level).then(|| format!("{} (p = {p:.1e})", sentence(check)))
    });
    worse.collect()
}

/// The failures that chance may have made, in sentences.
pub fn no_worse(all: &[CheckCounts], test: &str) -> Vec<String> {
    let level = LEVEL / (LOOKS * all.len().max(1)) as f64;
    let failed = all
        .iter()
        .filter(|check| check.test == test && check.base[0] + check.head[0] > 0);
    let by_chance = failed.filter(|check| fisher::more_often(check.base, check.head) > level);
    by_chance.map(sentence).collect()
}

fn sentence(check: &CheckCounts) -> String {
    let CheckCounts {
        check, base, head, ..
    } = check;
    let what = check
        .as_ref()
        .map_or_else(|| "requests".to_owned(), |name| format!("check \"{name}\""));
    format!(
        "{what}: failed {} of {} times in head, {} of {} times in base",
        head[0], head[1], base[0], base[1]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(base: [u64; 2], head: [u64; 2]) -> (usize, usize) {
        let check = CheckCounts {
            test: "missions".into(),
            check: None,
            base,
            head,
        };
        let all = [check];
        (
            worse(&all, "missions").len(),
            no_worse(&all, "missions").len(),
        )
    }

    #[test]
    fn a_failure_may_be_chance_and_many_are_not() {
        assert_eq!(said([0, 8_938], [1, 8_938]), (0, 1));
        assert_eq!(said([0, 200], [20, 200]), (1, 0));
        // A single one in the base excuses nothing.
        assert_eq!(said([1, 200], [40, 200]), (1, 0));
        assert_eq!(said([40, 200], [40, 200]), (0, 1));
        assert_eq!(said([40, 200], [0, 200]), (0, 1));
        assert_eq!(said([0, 200], [0, 200]), (0, 0));
    }
}
