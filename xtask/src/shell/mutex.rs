//! Locks within this program.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex. Whoever panicked while holding it has been shown to, and what it guards is whole at every step.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
