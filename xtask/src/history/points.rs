//! Every run's value of one metric, and the fence that each of them had.

use load_stats::fence::{self, Fence};
use serde::Serialize;

use super::fence::{failed_bound, fence_of};
use super::read::Entry;
use super::references::unfit;
use crate::record::{Kind, Measure, Outcome};

/// One run's value.
#[derive(Debug, Clone, Serialize)]
pub struct HistoryPoint {
    /// Index of the run in its series.
    pub index: usize,
    /// The run.
    pub run: String,
    /// When, in UTC.
    pub at: String,
    /// The commit, if it is known.
    pub commit: Option<String>,
    /// Whether there were uncommitted changes.
    pub dirty: Option<bool>,
    /// k6's and the server's version.
    pub versions: String,
    /// What came of the run.
    pub outcome: Outcome,
    /// What came of this test in it.
    pub test_outcome: Outcome,
    /// The value.
    pub value: f64,
    /// Why it is no reference for others, if so.
    pub unfit: Option<&'static str>,
    /// The fence that the runs before it gave, if they were enough for one.
    pub fence: Option<Edges>,
}

/// The values between which a run was like those before it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Edges {
    /// The least.
    pub lower: f64,
    /// The greatest.
    pub upper: f64,
    /// Whether there were enough runs for a verdict.
    pub verdict: bool,
}

/// Every run's value of `measure`; a new level begins at each run of `starts`.
pub fn points(entries: &[&Entry], measure: &Measure, starts: &[usize]) -> Vec<HistoryPoint> {
    let mut levels: Vec<Vec<f64>> = vec![Vec::new()];
    let mut out = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        if starts.contains(&index) {
            levels.push(Vec::new());
        }
        let Some(&value) = entry.numbers.get(measure) else {
            continue;
        };
        let line = &entry.line;
        let unfit = unfit(entry);
        let version = |what: &str, version: Option<&String>| {
            format!("{what} {}", version.map_or("unknown", String::as_str))
        };
        out.push(HistoryPoint {
            index,
            run: line.run.clone(),
            at: line.at.clone(),
            commit: line.commit.clone(),
            dirty: line.dirty,
            versions: format!(
                "{}, {}",
                version("k6", line.k6_version.as_ref()),
                version("server", line.server_version.as_ref())
            ),
            outcome: line.run_outcome,
            test_outcome: line.outcome,
            value,
            unfit,
            fence: edges(measure.kind(), &levels),
        });
        if let (None, Some(level)) = (unfit, levels.last_mut()) {
            level.push(value);
        }
    }
    out
}

/// The fence that the levels of the past give.
fn edges(kind: Kind, levels: &[Vec<f64>]) -> Option<Edges> {
    if kind == Kind::Failed {
        let have = levels.iter().flatten().count();
        return (have >= fence::SHOWN_FROM).then(|| Edges {
            lower: 0.0,
            upper: failed_bound(levels),
            verdict: have >= fence::NEED,
        });
    }
    // The fence is the same whatever value it is asked about.
    let any = *levels.iter().flatten().next_back()?;
    let judged = fence_of(levels, any, kind);
    match judged {
        Fence::Shown(line) | Fence::Within(line) | Fence::Better(line) | Fence::Suspect(line) => {
            Some(Edges {
                lower: (line.reference * (1.0 - line.fence)).max(0.0),
                upper: line.reference * (1.0 + line.fence),
                verdict: !matches!(judged, Fence::Shown(_)),
            })
        }
        Fence::NotEnough | Fence::NotComparable { .. } => None,
    }
}

impl HistoryPoint {
    /// Whether the value lies on the worse side of its fence, and there were enough runs for a verdict.
    pub fn is_beyond(&self, kind: Kind) -> bool {
        self.fence.is_some_and(|fence| {
            let worse = match kind.more_is_better() {
                true => self.value < fence.lower,
                false => self.value > fence.upper,
            };
            fence.verdict && worse
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::fence::Reference;
    use super::super::testing;
    use super::*;

    fn all_points(past: &super::super::Past, starts: &[usize]) -> Vec<HistoryPoint> {
        let entries: Vec<&Entry> = past.entries.iter().collect();
        points(&entries, entries[0].numbers.keys().next().unwrap(), starts)
    }

    #[test]
    fn each_run_has_the_fence_that_it_was_judged_by() {
        let mut past = testing::past(40);
        past.entries[12].line.dirty = Some(true);
        let points = all_points(&past, &[]);
        for (index, point) in points.iter().enumerate() {
            let before: Vec<&Entry> = past.entries[..index].iter().collect();
            let line = &past.entries[index].line;
            let reference = Reference::among(&past, &line.key, &before);
            let row = reference
                .compare(&past.entries[index].numbers)
                .metrics
                .remove(0);
            let upper = row
                .reference
                .zip(row.fence)
                .map(|(reference, fence)| reference * (1.0 + fence));
            assert_eq!(point.fence.map(|fence| fence.upper), upper, "{index}");
            let verdict = point.fence.is_some_and(|fence| fence.verdict);
            assert_eq!(verdict, reference.have >= reference.need, "{index}");
        }
        assert_eq!(points[12].unfit, Some("with uncommitted changes"));
    }

    #[test]
    fn after_an_accepted_change_there_is_no_fence_until_a_run_has_it() {
        let points = all_points(&testing::past(40), &[32]);
        let all = 0..40;
        let known: Vec<usize> = all
            .clone()
            .filter(|&at| points[at].fence.is_some())
            .collect();
        assert_eq!(known, (8..32).chain(33..40).collect::<Vec<_>>());
        let judged = all.filter(|&at| points[at].fence.is_some_and(|fence| fence.verdict));
        assert_eq!(judged.collect::<Vec<_>>(), [30, 31, 35, 36, 37, 38, 39]);
    }

    #[test]
    fn failed_requests_have_the_worst_night_as_their_fence() {
        let fence = edges(
            Kind::Failed,
            &[vec![0.0, 0.001, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]],
        )
        .unwrap();
        assert!((fence.upper - 0.003).abs() < 1e-12 && !fence.verdict);
        assert_eq!(edges(Kind::Failed, &[vec![0.0; 7]]), None);
    }
}
