//! What is kept of a run.

mod folder;
mod history;
mod host;
mod record;
mod scrub;

pub use folder::RunFolder;
pub use history::append;
pub use host::{Host, Revision};
pub use record::{
    GrowthRow, K6Record, Outcome, RunRecord, SCHEMA_VERSION, ServerRecord, TargetRecord,
    TestRecord, UsageRecord,
};
pub use scrub::scrub;
