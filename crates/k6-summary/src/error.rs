//! Why a text is not a summary.

use serde_json::error::Category;

/// Why a text could not be read as the data of `handleSummary`. Lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The text has no bytes but white space.
    #[error("the summary is empty: k6 ended before it wrote any of it")]
    Empty,
    /// The text is the beginning of a JSON document.
    #[error("the summary is cut off at line {line}, column {column}")]
    Truncated {
        /// Line at which the text ends.
        line: usize,
        /// Column at which the text ends.
        column: usize,
    },
    /// The text is no JSON.
    #[error("the summary is not valid JSON: {message}")]
    NotJson {
        /// What the JSON parser says, with line and column.
        message: String,
    },
    /// The text is JSON of another shape, such as that of `--summary-export`.
    #[error(
        "the file is JSON, but not what k6 gives to handleSummary: {message}; \
         was it written by load-tests/main.js?"
    )]
    NotASummary {
        /// What is missing or of another type, with line and column.
        message: String,
    },
}

impl ParseError {
    pub(crate) fn new(error: &serde_json::Error) -> Self {
        match error.classify() {
            Category::Eof => Self::Truncated {
                line: error.line(),
                column: error.column(),
            },
            Category::Data => Self::NotASummary {
                message: error.to_string(),
            },
            Category::Syntax | Category::Io => Self::NotJson {
                message: error.to_string(),
            },
        }
    }
}
