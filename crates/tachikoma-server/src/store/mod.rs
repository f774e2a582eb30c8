//! What must survive: missions, in one SQLite database in the data directory.
//!
//! One thread writes and commits in groups ([`writer`]), a few threads read ([`reader`]); the
//! request handlers only ever wait for them. Write-ahead logging lets readers and the writer work
//! side by side, and `synchronous=FULL` puts a mission on disk before its 201 is sent.

pub mod error;
pub mod files;
pub mod ids;
pub mod lock;
pub mod missions;
pub mod open;
pub mod reader;
pub mod schema;
mod service;
pub mod ticket;
pub mod writer;

pub use error::{OpenError, StoreError};
pub use service::{Store, StoreOptions};
