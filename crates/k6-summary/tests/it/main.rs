//! The crate from outside, on real runs and on anything else.

mod captures;
mod limits;
mod properties;
mod real_runs;
mod summary;
mod verdict;
