//! The end of a child's output, kept for error messages.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::locked;

/// How many lines of a child's output are kept.
const LINES: usize = 20;

/// The last lines of a child's output; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    /// Adds a line, dropping the oldest beyond the bound.
    pub fn push(&self, line: &str) {
        let mut lines = locked(&self.0);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    /// The lines kept so far, oldest first.
    pub fn lines(&self) -> Vec<String> {
        let lines = locked(&self.0);
        lines.iter().cloned().collect()
    }

    /// The lines kept so far, indented for the foot of an error message; empty if there are none.
    pub fn indented(&self) -> String {
        self.lines()
            .iter()
            .map(|line| format!("\n    {line}"))
            .collect()
    }
}
