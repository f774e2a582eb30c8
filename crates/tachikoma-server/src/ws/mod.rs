//! `GET /ws`: mission events over a WebSocket.

mod connect;
pub mod protocol;
mod session;

pub use connect::connect;
