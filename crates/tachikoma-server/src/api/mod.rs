//! The routes' handlers, one module for each resource.

pub mod answer;
pub mod extract;
pub mod health;
pub mod metrics;
pub mod missions;
pub mod specs;
