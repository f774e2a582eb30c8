//! The one error type of the crate.

/// Why a statistic could not be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StatsError {
    /// There are fewer values than the method needs.
    #[error("failed to compute {what}: it needs at least {need} values, got {have}")]
    TooFew {
        /// The statistic that was asked for.
        what: String,
        /// How many values were given.
        have: usize,
        /// How many values the method needs.
        need: usize,
    },
    /// A value is infinite or not a number.
    #[error(
        "failed to compute {what}: value {index} (counted from 0) is {value}, not a finite number"
    )]
    NotFinite {
        /// The statistic that was asked for.
        what: String,
        /// Position of the first such value, counted from 0.
        index: usize,
        /// The value as text, since JSON has no way to write it as a number.
        value: String,
    },
    /// The values leave the statistic undefined, as a slope over a single point in time is.
    #[error("failed to compute {what}: {why}")]
    Undefined {
        /// The statistic that was asked for.
        what: String,
        /// What makes it undefined.
        why: String,
    },
    /// A parameter is outside of its range.
    #[error("failed to compute {what}: {name} is {value}, expected {expected}")]
    BadParameter {
        /// The statistic that was asked for.
        what: String,
        /// The parameter.
        name: String,
        /// What was given, as text.
        value: String,
        /// The range that is accepted.
        expected: String,
    },
}

impl StatsError {
    pub(crate) fn too_few(what: &str, have: usize, need: usize) -> Self {
        Self::TooFew {
            what: what.to_owned(),
            have,
            need,
        }
    }

    pub(crate) fn undefined(what: &str, why: impl Into<String>) -> Self {
        Self::Undefined {
            what: what.to_owned(),
            why: why.into(),
        }
    }
}

/// Fails with [`StatsError::NotFinite`] at the first value that is infinite or not a number.
pub(crate) fn require_finite(
    what: &str,
    values: impl IntoIterator<Item = f64>,
) -> Result<(), StatsError> {
    match values
        .into_iter()
        .enumerate()
        .find(|(_, value)| !value.is_finite())
    {
        None => Ok(()),
        Some((index, value)) => Err(StatsError::NotFinite {
            what: what.to_owned(),
            index,
            value: value.to_string(),
        }),
    }
}

/// Fails unless `value` lies strictly between 0 and 1, as a probability or a level must.
pub(crate) fn require_share(what: &str, name: &str, value: f64) -> Result<(), StatsError> {
    if value > 0.0 && value < 1.0 {
        return Ok(());
    }
    Err(StatsError::BadParameter {
        what: what.to_owned(),
        name: name.to_owned(),
        value: value.to_string(),
        expected: "a number between 0 and 1, both excluded".to_owned(),
    })
}

/// Fails unless `value` is finite and at least 0.
pub(crate) fn require_not_negative(what: &str, name: &str, value: f64) -> Result<(), StatsError> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(StatsError::BadParameter {
        what: what.to_owned(),
        name: name.to_owned(),
        value: value.to_string(),
        expected: "a finite number, 0 or more".to_owned(),
    })
}
