//! Finding and installing k6, with real processes and a real server on the loopback interface.

mod bench;
mod finding;
mod pip;
mod releases;
mod stub;
