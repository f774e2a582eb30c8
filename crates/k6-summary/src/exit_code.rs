//! k6's exit codes in words.

use std::fmt;

/// k6's exit code for a run of which thresholds were crossed.
pub const THRESHOLDS_CROSSED: i32 = 99;

/// How the k6 process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum K6Exit {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl fmt::Display for K6Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "k6 exited with {code}: {}", describe_exit_code(*code)),
            Self::Signal(signal) => write!(f, "k6 was killed by signal {signal}"),
        }
    }
}

/// What one of k6's exit codes means, as defined in
/// <https://github.com/grafana/k6/blob/v1.1.0/errext/exitcodes/codes.go>.
#[must_use]
pub fn describe_exit_code(code: i32) -> &'static str {
    match code {
        0 => "the test ended as planned",
        97 => "the run in the cloud failed",
        98 => "the progress of the run in the cloud was lost",
        THRESHOLDS_CROSSED => "thresholds were crossed",
        100 => "the script's setup took too long",
        101 => "the script's teardown took too long",
        102 => "a time limit was exceeded",
        103 => "the test was stopped over k6's REST interface",
        104 => "the configuration is invalid",
        105 => "a signal stopped the test",
        106 => "k6's REST interface could not start",
        107 => "a script exception",
        108 => "the script aborted the test",
        109 => "k6 itself crashed",
        110 => "the script marked the test as failed",
        255 => "an error that k6 has no code for; see its log",
        _ => "a code that k6 does not define",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_that_k6_defines_has_words_of_its_own() {
        let defined = (97..=110).chain([0, 255]);
        let unknown = describe_exit_code(1);
        let words: BTreeSet<&str> = defined.map(describe_exit_code).collect();
        assert_eq!(words.len(), 16);
        assert!(!words.contains(unknown), "{unknown}");
        assert_eq!(describe_exit_code(111), unknown);
        assert_eq!(describe_exit_code(-1), unknown);
    }
}
