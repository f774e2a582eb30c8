//! Summaries captured from real runs, and evidence around them.

use std::path::PathBuf;
use std::sync::LazyLock;

use k6_summary::{
    DEFAULT_MAX_EXCEPTIONS, DEFAULT_MIN_CHECKS, Evidence, K6Exit, Limits, Log, ServerState,
    Summary, Verdict,
};
use serde_json::Value;

/// A log in which nothing is said.
pub(crate) static SILENT: LazyLock<Log> = LazyLock::new(Log::default);

/// The k6 versions of which there are captures.
pub(crate) const VERSIONS: [&str; 2] = ["0.57.0", "1.1.0"];

/// The text of a capture.
pub(crate) fn text(version: &str, case: &str) -> Vec<u8> {
    let path = file(version, case, "json");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What k6 logged in a capture; nothing if there is no such file.
pub(crate) fn log(version: &str, case: &str) -> Log {
    let text = std::fs::read_to_string(file(version, case, "log")).unwrap_or_default();
    let mut log = Log::default();
    let entries = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    entries.for_each(|entry: Value| {
        let text = |name: &str| entry[name].as_str();
        let level = text("level").unwrap_or_default();
        let message = text("msg").unwrap_or_default();
        log.entry(level, message, text("executor").is_some(), text("hint"));
    });
    log
}

fn file(version: &str, case: &str, extension: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(version)
        .join(case)
        .with_extension(extension)
}

/// A capture, read.
pub(crate) fn summary(version: &str, case: &str) -> Summary {
    Summary::parse(&text(version, case))
        .unwrap_or_else(|error| panic!("{version} {case}: {error:?}"))
}

/// Evidence with this summary and exit code, and nothing else wrong.
pub(crate) fn evidence(summary: &Summary, code: i32) -> Evidence<'_> {
    Evidence {
        summary: Ok(summary),
        log: &SILENT,
        exit: K6Exit::Code(code),
        min_checks: DEFAULT_MIN_CHECKS,
        max_exceptions: DEFAULT_MAX_EXCEPTIONS,
        planned_vus: None,
        limits: Limits::default(),
        server: ServerState::Healthy,
        interrupted: false,
    }
}

/// The verdict's reasons as people read them.
pub(crate) fn sentences(verdict: &Verdict) -> Vec<String> {
    verdict.reasons.iter().map(ToString::to_string).collect()
}
