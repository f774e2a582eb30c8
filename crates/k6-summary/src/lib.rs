//! What a k6 run measured, and whether it passed.
//!
//! k6 hands the data of a finished run to the script's `handleSummary` function. [`Summary`] is
//! that data, typed; [`judge`] weighs it with what k6 logged, its exit code and the server's state and gives a
//! [`Verdict`] with its reasons. The crate reads no files and starts no processes: callers bring
//! the text and the facts.
//!
//! ```
//! use k6_summary::{Evidence, K6Exit, Limits, Log, Outcome, ServerState, Summary, judge};
//!
//! let text = r#"{
//!   "metrics": {
//!     "iterations": {"type": "counter", "contains": "default", "values": {"count": 3}},
//!     "http_reqs": {"type": "counter", "contains": "default", "values": {"count": 3}}
//!   },
//!   "root_group": {"name": "", "path": "", "groups": [], "checks": [
//!     {"name": "status is 200", "path": "::status is 200", "passes": 0, "fails": 3}
//!   ]},
//!   "state": {"testRunDurationMs": 1500.0}
//! }"#;
//! let summary = Summary::parse(text.as_bytes());
//! let verdict = judge(&Evidence {
//!     summary: summary.as_ref().map_err(Clone::clone),
//!     log: &Log::default(),
//!     exit: K6Exit::Code(0),
//!     min_checks: k6_summary::DEFAULT_MIN_CHECKS,
//!     max_exceptions: k6_summary::DEFAULT_MAX_EXCEPTIONS,
//!     planned_vus: Some(1),
//!     limits: Limits::default(),
//!     server: ServerState::Healthy,
//!     interrupted: false,
//! });
//! assert_eq!(verdict.outcome, Outcome::Failed);
//! assert_eq!(
//!     verdict.reasons[0].to_string(),
//!     "check \"status is 200\" never passed (0 of 3)"
//! );
//! ```

mod check;
mod digest;
mod evidence;
mod exceptions;
mod exit_code;
mod expression;
mod limits;
mod load;
mod log;
mod metric;
mod reason;
mod rule;
mod summary;
mod text;
mod threshold;
mod unit;
mod verdict;

pub use check::CheckRow;
pub use digest::{Metrics, TrendDigest};
pub use evidence::{
    DEFAULT_MAX_EXCEPTIONS, DEFAULT_MIN_CHECKS, Evidence, ServerState, SummaryProblem,
};
pub use exit_code::K6Exit;
pub use expression::{Aggregation, Expression, ExpressionError, Operator};
pub use limits::Limits;
pub use log::{Exception, Log};
pub use metric::{Contains, Metric, MetricKind, ThresholdResult};
pub use reason::{Reason, spoken};
pub use rule::{Rule, Rules};
pub use summary::{LoadTest, Summary};
pub use text::{brief, cut, harmless, one_line};
pub use threshold::{ThresholdRow, ThresholdState};
pub use unit::{Quantity, Unit};
pub use verdict::{Outcome, Verdict, judge};
