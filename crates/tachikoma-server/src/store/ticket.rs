//! Who decides over a write: the writer that begins with it, or the deadline that gives it up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Of a write's writer and deadline, the one that claims the ticket first decides what becomes of
/// the write. Thus a client is never told that a write failed which is stored after all.
#[derive(Debug, Clone, Default)]
pub struct Ticket(Arc<AtomicBool>);

impl Ticket {
    /// True for the first who claims it.
    pub fn claim(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}
