//! The command line of `report`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::load_test::{given, path};

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct Report {
    /// Which run: the name of its folder, or a path [default: latest].
    #[arg(value_name = "RUN", conflicts_with = "all", value_parser = path())]
    pub run: Option<PathBuf>,

    /// Every run.
    #[arg(long)]
    pub all: bool,

    /// Open the page in the browser.
    #[arg(long)]
    pub open: bool,

    /// Where the results are [default: load-tests/results].
    #[arg(long, value_name = "DIR", env = "TACHIKOMA_RESULTS", value_parser = path())]
    pub results: Option<PathBuf>,
}

impl Report {
    /// The results folder that is given, if one is.
    pub fn results(&self) -> Option<&Path> {
        given(self.results.as_ref())
    }
}
