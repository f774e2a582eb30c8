//! Which of the comparable runs may serve as a reference for others.

use super::lines::Line;
use super::read::Entry;
use crate::record::Outcome;

/// Why `entry` is no reference for others, if so, in words that fit behind a count.
pub fn unfit(entry: &Entry) -> Option<&'static str> {
    let line = &entry.line;
    match line.run_outcome {
        Outcome::Passed if line.outcome == Outcome::Passed => {}
        Outcome::Interrupted => return Some("interrupted"),
        _ => return Some("failed"),
    }
    if entry.numbers.is_empty() {
        return Some("without numbers");
    }
    why_tainted(line)
}

/// Why the numbers of `line` say nothing about a revision, if so.
pub fn why_tainted(line: &Line) -> Option<&'static str> {
    match (line.dirty, line.faults) {
        _ if line.profiled => Some("with a sampled server"),
        _ if line.slowed => Some("on a busy machine"),
        (Some(true), _) => Some("with uncommitted changes"),
        (None, _) => Some("without a known revision"),
        (_, Some(true)) => Some("with injected faults"),
        (_, None) => Some("that do not say whether faults were injected"),
        (Some(false), Some(false)) => None,
    }
}

/// Whether `entry` shows what a revision is like, though it may have failed: such lines make the series in which
/// changes of level are looked for.
pub fn telling(entry: &Entry) -> bool {
    let line = &entry.line;
    let whole = |outcome| matches!(outcome, Outcome::Passed | Outcome::Failed);
    whole(line.outcome)
        && whole(line.run_outcome)
        && !entry.numbers.is_empty()
        && why_tainted(line).is_none()
}

/// How many entries are left out for which reason: `10 failed, 4 with uncommitted changes`; empty if none is.
pub fn left_out<'a>(entries: impl Iterator<Item = &'a Entry>) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for why in entries.filter_map(unfit) {
        match counts.iter_mut().find(|(known, _)| *known == why) {
            Some((_, count)) => *count += 1,
            None => counts.push((why, 1)),
        }
    }
    let texts: Vec<String> = counts.iter().map(|(why, n)| format!("{n} {why}")).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn only_clean_whole_passing_runs_are_references() {
        let good = testing::line(0);
        let entry = |line: &Line| Entry::new(line.clone()).unwrap();
        assert_eq!(unfit(&entry(&good)), None);
        type Change = fn(&mut Line);
        let changes: [(Change, &str); 10] = [
            (|line| line.run_outcome = Outcome::Failed, "failed"),
            (|line| line.outcome = Outcome::Failed, "failed"),
            (
                |line| line.run_outcome = Outcome::Interrupted,
                "interrupted",
            ),
            (|line| line.dirty = Some(true), "uncommitted"),
            (|line| line.dirty = None, "revision"),
            (|line| line.faults = Some(true), "injected"),
            (|line| line.faults = None, "do not say"),
            (|line| line.metrics = None, "numbers"),
            (|line| line.slowed = true, "busy machine"),
            (|line| line.profiled = true, "sampled"),
        ];
        let table = changes.map(|(change, why)| {
            let mut line = good.clone();
            change(&mut line);
            (entry(&line), why)
        });
        for (entry, why) in &table {
            assert!(unfit(entry).unwrap().contains(why), "{why}");
        }
        assert_eq!(
            left_out(table.iter().map(|(entry, _)| entry).take(4)),
            "2 failed, 1 interrupted, 1 with uncommitted changes"
        );
        assert!(telling(&table[0].0) && !telling(&table[2].0) && !telling(&table[3].0));
    }
}
