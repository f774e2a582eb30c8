//! What is kept of a run: plain data, and the folder it is written to.

mod blocks;
mod capacity;
mod comparison;
mod folder;
mod host;
mod measured;
mod run;
mod runners;
#[cfg(test)]
mod schemas;
mod scrub;
#[cfg(test)]
pub mod testing;
mod versioned;
mod words;

pub use blocks::{
    Block, Blocks, CheckCounts, Counted, FORMAT, Failing, Function, Pair,
    SCHEMA_VERSION as BLOCKS_VERSION, Sampled, SearchRecord, SearchedSide, Side, SideRecord,
    in_functions,
};
pub use capacity::{
    CapacityRecord, CauseRecord, Followed, LoadUnit, QueueRecord, ResourcesRecord, SearchEnd,
    StepOutcome, StepRecord, StepRole,
};
pub use comparison::{
    Calibration, Change, Comparison, Found, MetricRecord, SCHEMA_VERSION as COMPARISON_VERSION,
    TestComparison,
};
pub use folder::{RunFolder, try_output, write_whole};
pub use host::{Host, Revision};
pub use measured::{Kind, Measure, followed, measured};
pub use run::{
    EndpointRecord, FailingStatuses, FunctionRecord, GrowthRow, K6Record, Outcome, PastRecord,
    PastRow, PastState, ProfileRecord, RunRecord, SCHEMA_VERSION, SampledRecord, ServerKind,
    ServerRecord, StageRecord, TargetRecord, TestRecord, UsageRecord, unscaled,
};
pub use runners::{ClusterRecord, Heard, RunnerRecord};
pub use scrub::scrub;
pub use versioned::versioned;
pub use words::{RATE_LIMITED, above, percent, plural, sentence, share, short_commit};
