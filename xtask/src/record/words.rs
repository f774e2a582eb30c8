//! How a change and a commit are written, wherever they stand.

/// A relative change as people read it: `+12.3 %`, and `+140 %` without decimals.
pub fn percent(change: f64) -> String {
    let percent = change * 100.0;
    if percent.abs() < 100.0 {
        format!("{percent:+.1} %")
    } else {
        format!("{percent:+.0} %")
    }
}

/// The first digits of a commit, enough to name it.
pub fn short_commit(commit: &str) -> &str {
    commit.get(..9).unwrap_or(commit)
}
