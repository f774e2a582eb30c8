//! What a runner leaves of its summary: a line in its log, and a short form in its termination message.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::grid::Grid;
use super::percent;
use crate::exit_code::K6Exit;
use crate::expression::Aggregation;
use crate::load::judge_traffic;
use crate::reason::Reason;
use crate::summary::Summary;
use crate::threshold::rows;
use crate::verdict::{crossed, judge_exit};

/// How the line begins. Its length in bytes, its SHA-256 and the JSON follow, each after a space.
const MARK: &str = "load-test-summary ";
/// How a line of k6's own log begins, unless it is JSON.
const LOGGED: &str = "time=\"";

/// The summary of a k6 that made a part of a load, as `load-tests/main.js` writes it to standard output if `RUNNER_SUMMARY`
/// is set.
#[derive(Debug, Clone, PartialEq)]
pub struct RunnerSummary {
    /// The summary, as if this k6 had been the only one.
    pub summary: Summary,
    /// The percentiles of each trend with samples.
    pub(crate) grids: BTreeMap<String, Grid>,
    /// The statistics of trends that somebody asked for.
    pub(crate) stats: Vec<String>,
    /// What was asked for, with whatever this version does not know.
    pub(crate) load_test: Value,
}

/// What Kubernetes keeps of a runner without its log: enough to say what is known, never to pass a test.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ShortSummary {
    /// Name of the profile.
    pub profile: String,
    /// Name of the test.
    pub test: String,
    /// How long the test ran, in milliseconds.
    pub duration_ms: f64,
    /// Checks that passed and failed.
    pub checks: (u64, u64),
    /// Whether each threshold was kept on this runner, by metric and expression: `http_req_duration p(95)<500`.
    pub thresholds: BTreeMap<String, bool>,
    /// The sums of counters.
    pub counters: BTreeMap<String, f64>,
    /// How often each rate was not zero, and was zero.
    pub rates: BTreeMap<String, (u64, u64)>,
    /// Count, least, median, 95th and 99th percentile and greatest of trends, of six digits each.
    pub trends: BTreeMap<String, [Option<f64>; 6]>,
    /// How many of all these there was no room for.
    pub left_out: u64,
}

/// Why what a runner left is no summary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// There is none.
    #[error(
        "the log has no summary: k6 ended before it wrote one, or the log was not read to its end"
    )]
    Missing,
    /// It ends too early.
    #[error(
        "the summary is cut short after {found} of {stated} bytes: the log was not read to its end"
    )]
    CutShort {
        /// How many bytes it has.
        found: usize,
        /// How many it should have.
        stated: usize,
    },
    /// It has another length than it says.
    #[error(
        "the summary has {found} bytes and says that it has {stated}: something else was written into it"
    )]
    Length {
        /// How many bytes it has.
        found: usize,
        /// How many it should have.
        stated: usize,
    },
    /// It has another hash than it says.
    #[error("the summary is not what k6 wrote: its SHA-256 differs")]
    Altered,
    /// It is intact, but cannot be read.
    #[error(
        "the summary cannot be read: {0}; was it written by the load-tests/main.js of this version?"
    )]
    Unreadable(String),
}

/// What of a line is not in a [`Summary`].
#[derive(Deserialize)]
struct Line {
    grid: Vec<f64>,
    stats: Vec<String>,
    load_test: Value,
    metrics: BTreeMap<String, PercentileGrid>,
}

#[derive(Deserialize)]
struct PercentileGrid {
    #[serde(default)]
    grid: Vec<Option<f64>>,
}

impl RunnerSummary {
    /// Finds the last summary in a runner's log that is intact.
    ///
    /// # Errors
    /// What is wrong with the last that there is, if none is intact.
    pub fn from_log(log: &str) -> Result<Self, LineProblem> {
        let mut last = None;
        for (at, _) in log.rmatch_indices(MARK) {
            match intact(&log[at + MARK.len()..]) {
                Some(Ok(json)) => return Self::parse(&json),
                Some(Err(problem)) => {
                    last.get_or_insert(problem);
                }
                None => {}
            }
        }
        Err(last.unwrap_or(LineProblem::Missing))
    }

    /// Reads the short form, which Kubernetes has as the message of the container's end.
    ///
    /// # Errors
    /// If there is none, or it is not whole.
    pub fn from_termination_message(text: &str) -> Result<ShortSummary, LineProblem> {
        if text.trim().is_empty() {
            return Err(LineProblem::Missing);
        }
        serde_json::from_str(text).map_err(|error| LineProblem::Unreadable(error.to_string()))
    }

    /// Why what this runner did is no part of the load, if so: it would vanish among many others that did theirs.
    #[must_use]
    pub fn idle(&self) -> Option<&'static str> {
        let (exceptions, _) = self.summary.iteration_exceptions();
        match judge_traffic(&self.summary, exceptions)? {
            Reason::NoIteration { .. } => Some("none of its iterations completed"),
            Reason::AllRequestsFailed(_) => Some("all of its requests failed"),
            Reason::NoTraffic(_) | Reason::OnlySetupRequests { .. } => {
                Some("its iterations made no request")
            }
            _ => None,
        }
    }

    /// What is wrong with the way in which this runner's k6 ended, by its own thresholds: as of a k6 that is alone.
    #[must_use]
    pub fn misfit(&self, exit: K6Exit) -> Option<Reason> {
        judge_exit(exit, Some(crossed(&rows(&self.summary))), false)
    }

    /// Reads the JSON of a line.
    fn parse(json: &str) -> Result<Self, LineProblem> {
        let unreadable = |why: String| LineProblem::Unreadable(why);
        let line: Line =
            serde_json::from_str(json).map_err(|error| unreadable(error.to_string()))?;
        let mut summary: Summary =
            serde_json::from_str(json).map_err(|error| unreadable(error.to_string()))?;
        let ends = (line.grid.first(), line.grid.last());
        if ends != (Some(&0.0), Some(&100.0)) || !line.grid.is_sorted_by(|one, next| one < next) {
            return Err(unreadable(
                "its percentiles do not rise from 0 to 100".to_owned(),
            ));
        }
        let mut grids = BTreeMap::new();
        for (name, metric) in &mut summary.metrics {
            metric.name.clone_from(name);
            let values: Option<Vec<f64>> = line
                .metrics
                .get(name)
                .and_then(|it| it.grid.iter().copied().collect());
            // Percentiles that are no numbers leave a trend without any.
            let Some(values) = values.filter(|values| !values.is_empty()) else {
                continue;
            };
            if values.len() != line.grid.len() {
                return Err(unreadable(format!(
                    "{name} does not have each of its percentiles"
                )));
            }
            let ends =
                [("min", 0.0), ("max", 100.0)].map(|(stat, percent)| (stat.to_owned(), percent));
            let asked = line
                .stats
                .iter()
                .filter_map(|stat| Some((stat.clone(), percent(stat)?)));
            for (stat, percent) in ends.into_iter().chain(asked) {
                let at = line.grid.iter().position(|known| *known == percent);
                metric.values.extend(at.map(|at| (stat, values[at])));
            }
            if let Some(count) = metric.value("count").filter(|count| *count >= 1.0) {
                grids.insert(name.clone(), Grid::new(count, &line.grid, &values));
            }
        }
        Ok(Self {
            summary,
            grids,
            stats: line
                .stats
                .into_iter()
                .filter(|stat| Aggregation::parse(stat).is_ok())
                .collect(),
            load_test: line.load_test,
        })
    }
}

/// The JSON of the line that goes on like this, if it has the stated length and hash; `None` if it is no such line.
fn intact(rest: &str) -> Option<Result<String, LineProblem>> {
    let mut parts = rest.splitn(3, ' ');
    let stated: usize = parts.next()?.parse().ok()?;
    let (Some(hash), Some(rest)) = (parts.next(), parts.next()) else {
        return Some(Err(LineProblem::CutShort { found: 0, stated }));
    };
    let mut json = String::with_capacity(stated);
    for line in rest.split('\n').map(|line| line.trim_end_matches('\r')) {
        let found = json.len() + line.len();
        let whole = (found == stated).then(|| format!("{json}{line}"));
        if let Some(whole) = whole
            && format!("{:x}", Sha256::digest(&whole)) == hash
        {
            return Some(Ok(whole));
        }
        match stranger(line) {
            Some(at) if json.len() + at <= stated => json.push_str(&line[..at]),
            _ => {
                return Some(Err(match found.cmp(&stated) {
                    Ordering::Less => LineProblem::CutShort { found, stated },
                    Ordering::Equal => LineProblem::Altered,
                    Ordering::Greater => LineProblem::Length { found, stated },
                }));
            }
        }
    }
    let found = json.len();
    Some(Err(LineProblem::CutShort { found, stated }))
}

/// Where an entry of k6's own log begins that goes on to the end of this line, if there is one: Kubernetes collects standard
/// output and error apart, in pieces of 16 KiB, and so may put an entry into the midst of our line.
fn stranger(line: &str) -> Option<usize> {
    #[derive(Deserialize)]
    struct Entry {
        #[serde(rename = "level")]
        _level: String,
        #[serde(rename = "msg")]
        _msg: String,
    }
    let is_entry = |at: &usize| serde_json::from_str::<Entry>(&line[*at..]).is_ok();
    let mut objects = line.rmatch_indices("{\"").map(|(at, _)| at);
    objects.find(is_entry).or_else(|| line.rfind(LOGGED))
}
