//! Everything but abuse: one program, so that it is linked once and its tests run side by side.

mod api;
#[path = "../common/mod.rs"]
mod common;
mod crash;
#[cfg(feature = "faults")]
mod faults;
mod openapi;
mod promises;
mod properties;
#[cfg(feature = "profiler")]
mod stacks;
mod startup;
mod websocket;
