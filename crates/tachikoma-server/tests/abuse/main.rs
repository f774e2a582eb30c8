//! Abuse over real sockets: the server must keep answering, in bounded memory, without a panic.
//!
//! Each test does one kind of harm to a server of its own while [`watch::Watch`] asks it for its
//! health. By default the counts are small; `TACHIKOMA_ABUSE=full` gives the full ones.
//! `TACHIKOMA_ABUSE_SEED` repeats a run's random choices.

#[path = "../common/mod.rs"]
mod common;
mod crowds;
mod malformed;
mod mutate;
mod scale;
mod sizes;
mod watch;
mod websocket;
