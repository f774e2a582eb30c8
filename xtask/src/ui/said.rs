//! What the code under test has said, for tests to look at.

use std::cell::RefCell;

thread_local! {
    static SAID: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps a line, without its colours, for the thread that says it.
pub fn note(line: &str) {
    SAID.with_borrow_mut(|said| said.push(anstream::adapter::strip_str(line).to_string()));
}

/// What this thread has said since it was asked last, the progress of steps included.
pub fn take() -> Vec<String> {
    SAID.take()
}
