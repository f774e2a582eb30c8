//! What is said of series, accepted changes and changes of level.

use crate::history::{AcceptedMark, ComparableRuns, Key, LevelChange, Metric};
use crate::record::{percent, short_commit};
use crate::report::view::{amount, scales};

/// What was run: `load missions`, `smoke health at time scale 0.1`.
pub fn name(key: &Key) -> String {
    let scales = scales(key.time_scale, key.vus_scale);
    format!("{} {}{scales}", key.profile, key.test)
}

/// Where it was run.
pub fn place(key: &Key) -> String {
    let target = key.url.as_deref().unwrap_or("server started here");
    let after = if key.after.is_empty() {
        String::new()
    } else {
        format!(" · after {}", key.after.join(", "))
    };
    let machine = key.machine.iter().map(|id| format!(" · machine {id}"));
    let machine: String = machine.collect();
    format!("k6 {} · {target}{after} · {}{machine}", key.k6, key.host)
}

/// How many runs there are, and what the newest one is compared with.
pub fn runs(series: &ComparableRuns) -> String {
    let note = if series.note.is_empty() {
        String::new()
    } else {
        format!("; {}", series.note)
    };
    let s = if series.runs == 1 { "" } else { "s" };
    format!(
        "{} run{s}, the newest compared with {} references{note}",
        series.runs, series.have
    )
}

/// An accepted change.
pub fn accepted(mark: &AcceptedMark, runs: usize) -> String {
    let from = if mark.index < runs {
        format!("from run {} of {runs}", mark.index + 1)
    } else {
        "from the next run on".to_owned()
    };
    format!(
        "accepted {}, {from}: {}",
        short_commit(&mark.commit),
        mark.why
    )
}

/// A change of level.
pub fn change(metric: &Metric, change: &LevelChange) -> String {
    let quantity = |number: f64| amount(&metric.last.metric, number);
    let commit = |commit: &Option<String>| {
        let commit = commit.as_deref().map_or("unknown", short_commit);
        commit.to_owned()
    };
    let relative = Some(change.change).filter(|change| change.is_finite());
    let relative = relative.map(|change| percent(change) + ", ");
    format!(
        "{} {}from {} to {}, on {} between {} and {}",
        metric.last.metric,
        relative.unwrap_or_default(),
        quantity(change.before),
        quantity(change.after),
        change.at,
        commit(&change.from),
        commit(&change.to)
    )
}
