//! Tachikoma's API server.

fn main() {}
