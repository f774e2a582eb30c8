#![doc = include_str!("../README.md")]
//!
//! | Step | Module |
//! |---|---|
//! | Write down what a load generator asks a server | [`recorder`] |
//! | Make a script of it that another server can be asked | [`script`] |
//! | Ask two servers in turn, and time each answer | [`replay`] |
//!
//! There is no runtime and no pool between the clock and the socket: one thread writes a request and reads its answer.

mod message;
pub mod recorder;
pub mod replay;
pub mod script;

pub use message::{Answer, Headers, Request};
