//! Summaries captured from real runs, and evidence around them.

use std::path::PathBuf;

use k6_summary::{DEFAULT_MIN_CHECKS, Evidence, K6Exit, ServerState, Summary, Verdict};

/// The k6 versions of which there are captures.
pub(crate) const VERSIONS: [&str; 2] = ["0.57.0", "1.1.0"];

/// The text of a capture.
pub(crate) fn text(version: &str, case: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(version)
        .join(case)
        .with_extension("json");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A capture, read.
pub(crate) fn summary(version: &str, case: &str) -> Summary {
    Summary::parse(&text(version, case)).unwrap_or_else(|error| panic!("{version} {case}: {error}"))
}

/// Evidence with this summary and exit code, and nothing else wrong.
pub(crate) fn evidence(summary: &Summary, code: i32) -> Evidence<'_> {
    Evidence {
        summary: Ok(summary),
        exit: K6Exit::Code(code),
        min_checks: DEFAULT_MIN_CHECKS,
        server: ServerState::Healthy,
        interrupted: false,
    }
}

/// The verdict's reasons as people read them.
pub(crate) fn sentences(verdict: &Verdict) -> Vec<String> {
    verdict.reasons.iter().map(ToString::to_string).collect()
}
