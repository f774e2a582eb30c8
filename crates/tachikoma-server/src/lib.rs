//! `tachikoma-server`: missions and specs over HTTP, on embedded SQLite.
//!
//! The binary is a thin shell around this library, so that tests can drive the router without a
//! socket and the store without a router. Rooms, from the outside in:
//!
//! - [`cli`]: what the operator asks for;
//! - [`serve`], [`progress`] and [`observe`]: connections, limits, what is around every request;
//! - [`router`] and [`api`]: the routes and what they answer;
//! - [`ws`] and [`events`]: live events to WebSocket clients;
//! - [`store`] and [`specs`]: what is kept on disk;
//! - [`metrics`], [`logging`]: what can be seen from outside.
//!
//! Builds with the feature `faults` also break things on purpose; those with `profiler` sample their own stacks when asked.

pub mod api;
pub mod app;
pub mod auth;
pub mod cli;
pub mod events;
pub mod faults;
pub mod limits;
pub mod logging;
pub mod metrics;
pub mod mission;
pub mod observe;
pub mod openapi;
pub mod os;
pub mod problem;
pub mod progress;
pub mod router;
pub mod serve;
pub mod shutdown;
pub mod specs;
#[cfg(feature = "profiler")]
pub mod stacks;
pub mod store;
pub mod timestamp;
pub mod ws;

/// The version of this build, as `GET /api/health` and the `server` header give it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The name under which the server answers for itself.
pub const SERVICE: &str = "tachikoma-server";

/// The value of a variable of the environment. An empty one is how many tools write "not set".
pub fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
    Some(value.to_string_lossy().into_owned())
}
