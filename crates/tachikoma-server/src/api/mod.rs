//! The routes' handlers, one module for each resource.

pub mod health;
pub mod json;
pub mod metrics;
pub mod missions;
pub mod specs;
