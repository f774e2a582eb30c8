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

/// A share as people read it: `5 %`, `99.8 %`.
pub fn share(share: f64) -> String {
    let percent = format!("{:.1}", share * 100.0);
    format!("{} %", percent.strip_suffix(".0").unwrap_or(&percent))
}

/// The first digits of a commit, enough to name it.
pub fn short_commit(commit: &str) -> &str {
    commit.get(..9).unwrap_or(commit)
}
