//! The crate from outside, on real runs and on anything else.

mod captures;
mod limits;
mod merge;
mod properties;
mod real_runs;
mod summary;
mod verdict;
