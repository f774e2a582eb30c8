//! Faults on purpose, to prove that load tests find what they should.
//!
//! Only in builds with the cargo feature `faults`, which no release has, and only if the
//! environment says so twice: `TACHIKOMA_FAULTS` says what to inject, and `TACHIKOMA_ALLOW_FAULTS`
//! that this is meant. Any other build refuses to start when the first is set, so that nobody
//! believes in faults that do not happen.

#[cfg(feature = "faults")]
mod inject;
#[cfg(feature = "faults")]
mod parse;

#[cfg(feature = "faults")]
pub use inject::{DropConnection, Faults, inject};

/// Says what to inject.
const VARIABLE: &str = "TACHIKOMA_FAULTS";

/// No faults.
#[cfg(not(feature = "faults"))]
#[derive(Debug, Default)]
pub struct Faults(());

#[cfg(not(feature = "faults"))]
impl Faults {
    /// Nothing.
    ///
    /// # Errors
    /// If faults are asked for.
    pub fn of_environment() -> anyhow::Result<Self> {
        anyhow::ensure!(
            crate::variable(VARIABLE).is_none(),
            "{VARIABLE} is set, but this build cannot inject faults; \
             unset it, or build with 'cargo build -p tachikoma-server --features faults'"
        );
        Ok(Self(()))
    }

    /// Whether there are any.
    pub fn any(&self) -> bool {
        false
    }
}
