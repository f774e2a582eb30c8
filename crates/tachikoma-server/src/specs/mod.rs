//! Specs: Markdown files in a folder, indexed for lookup and full-text search.
//!
//! The index is a database of its own beside the missions'. It holds nothing that is not in the
//! files, so it is not flushed to disk with care, is rebuilt when it is damaged or of another
//! version, and re-indexing never holds up the writer of missions.

pub mod files;
pub mod index;
pub mod search;
