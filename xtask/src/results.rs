//! What is kept of a run.

mod folder;
mod history;
mod host;
mod record;
mod scrub;
mod trend;

pub use folder::{RunFolder, write_whole};
pub use history::{
    Accepted, AcceptedLine, FILE as HISTORY, HISTORY_VERSION, Key, Line, append, append_lines, key,
    lines, path as history_path,
};
pub use host::{Host, Revision};
pub use record::{
    GrowthRow, K6Record, Outcome, PastRecord, PastRow, PastState, RunRecord, SCHEMA_VERSION,
    SampledRecord, ServerRecord, TargetRecord, TestRecord, UsageRecord,
};
pub use scrub::scrub;
pub use trend::Trend;
