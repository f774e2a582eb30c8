//! The one error type of the crate.

/// Why a statistic could not be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to compute {what}: {why}")]
pub struct StatsError {
    what: &'static str,
    why: String,
}

impl StatsError {
    pub(crate) fn new(what: &'static str, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { what, why }
    }

    pub(crate) fn too_few(what: &'static str, have: usize, need: usize) -> Self {
        Self::new(what, format!("it needs at least {need} values, got {have}"))
    }
}

impl From<StatsError> for String {
    fn from(error: StatsError) -> Self {
        error.to_string()
    }
}

/// Fails at the first value that is infinite or not a number.
pub(crate) fn require_finite(
    what: &'static str,
    values: impl IntoIterator<Item = f64>,
) -> Result<(), StatsError> {
    match values.into_iter().enumerate().find(|it| !it.1.is_finite()) {
        None => Ok(()),
        Some((index, value)) => Err(StatsError::new(
            what,
            format!("value {index} (counted from 0) is {value}, not a finite number"),
        )),
    }
}

/// Fails unless `value` lies strictly between 0 and 1, as a probability or a level must.
pub(crate) fn require_share(what: &'static str, name: &str, value: f64) -> Result<(), StatsError> {
    let expected = "a number between 0 and 1, both excluded";
    require(what, name, value, expected, value > 0.0 && value < 1.0)
}

/// Fails unless `value` is finite and at least 0.
pub(crate) fn require_not_negative(
    what: &'static str,
    name: &str,
    value: f64,
) -> Result<(), StatsError> {
    let expected = "a finite number, 0 or more";
    require(
        what,
        name,
        value,
        expected,
        value.is_finite() && value >= 0.0,
    )
}

/// Fails unless the parameter `name` of this value is as `expected`.
pub(crate) fn require(
    what: &'static str,
    name: &str,
    value: impl std::fmt::Display,
    expected: &str,
    holds: bool,
) -> Result<(), StatsError> {
    match holds {
        true => Ok(()),
        false => Err(StatsError::new(
            what,
            format!("{name} is {value}, expected {expected}"),
        )),
    }
}
