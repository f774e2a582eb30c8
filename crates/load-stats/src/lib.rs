//! The statistics behind the verdicts: pure functions, without I/O.
