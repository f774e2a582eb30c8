//! `tachikoma-server`: missions and specs over HTTP, on embedded SQLite.
//!
//! The binary is a thin shell around this library, so that tests can drive the router without a
//! socket and the store without a router. Rooms, from the outside in:
//!
//! - [`cli`] and [`config`]: what the operator asks for, and whether it can be granted;
//! - [`serve`] and [`http`]: connections, limits, the layer around every request;
//! - [`router`] and [`api`]: the routes and what they answer;
//! - [`ws`] and [`events`]: live events to WebSocket clients;
//! - [`store`] and [`specs`]: what is kept on disk;
//! - [`metrics`], [`logging`]: what can be seen from outside.
//!
//! Builds with the feature `faults` also have a room that breaks things on purpose.

pub mod api;
pub mod auth;
pub mod check;
pub mod cli;
pub mod config;
pub mod events;
#[cfg(feature = "faults")]
pub mod faults;
pub mod health;
pub mod http;
pub mod limits;
pub mod logging;
pub mod metrics;
pub mod mission;
pub mod openapi;
pub mod os;
pub mod problem;
pub mod router;
pub mod serve;
pub mod shutdown;
pub mod specs;
pub mod startup;
pub mod state;
pub mod store;
pub mod timestamp;
pub mod ws;

/// The version of this build, as `GET /api/health` and the `server` header give it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The name under which the server answers for itself.
pub const SERVICE: &str = "tachikoma-server";
