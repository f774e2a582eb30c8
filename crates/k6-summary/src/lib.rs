//! k6's `handleSummary` JSON, typed, and the verdict on it: pure, without I/O.
