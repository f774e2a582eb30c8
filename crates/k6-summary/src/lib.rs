#![doc = include_str!("../README.md")]

mod check;
mod digest;
mod evidence;
mod exceptions;
mod exit_code;
mod expression;
mod limits;
mod load;
mod log;
mod merge;
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
pub use exit_code::{K6Exit, THRESHOLDS_CROSSED};
pub use expression::{Aggregation, Expression, ExpressionError, Operator};
pub use limits::Limits;
pub use log::{Exception, Log};
pub use merge::{LineProblem, MergeError, Merged, RunnerSummary, ShortSummary, merge, merge_exact};
pub use metric::{Contains, Metric, MetricKind, ThresholdResult};
pub use reason::{MOST_WORDS, Reason, spoken};
pub use rule::{Rule, Rules};
pub use summary::{LoadTest, Summary};
pub use text::{brief, cut, harmless, one_line};
pub use threshold::{ThresholdRow, ThresholdState};
pub use unit::{Quantity, Unit};
pub use verdict::{Outcome, Verdict, judge};
