//! `--prometheus`: k6's metrics, the server's use of the machine and the verdicts, sent while and after the tests run.
//!
//! k6 sends its own samples; what only the orchestrator knows is sent from here. A Prometheus that is missing, slow or
//! gone never changes the run: it is said, and kept as a notice.

mod address;
mod client;
mod figures;
mod live;
mod sender;
mod wire;

use std::path::Path;
use std::time::Duration;

pub use address::Addresses;
pub use figures::Tags;
pub use live::Live;

use crate::record::RunRecord;
use crate::server::Sample;
use client::Client;
use sender::Sender;

/// k6's output for Prometheus remote write.
const OUTPUT: &str = "experimental-prometheus-rw";
/// How often samples are sent: k6's default, and the `timeInterval` of load-tests/grafana's data source.
const PUSH: Duration = Duration::from_secs(5);
/// The shortest time between two pushes, for short tests.
const SHORTEST_PUSH: Duration = Duration::from_secs(1);
/// How many pushes a test should have at least.
const PUSHES: u32 = 30;
/// What k6 logs for each push that failed.
const FAILED_PUSH: &str = "Failed to send the time series data";

/// A Prometheus that takes samples.
pub struct Prometheus {
    addresses: Addresses,
    sender: Sender,
}

impl Prometheus {
    /// Tries whether samples are taken, and begins to send. The notice is of something that will be missing.
    ///
    /// # Errors
    /// Why no samples can be sent, and what to do about it.
    pub fn open(addresses: &Addresses) -> Result<(Self, Option<String>), String> {
        let client = Client::new(addresses.write.clone())?;
        client.probe()?;
        let notice = client.missing_histograms();
        let sender = Sender::start(client).map_err(|error| error.to_string())?;
        let open = Self {
            addresses: addresses.clone(),
            sender,
        };
        Ok((open, notice))
    }

    /// The arguments that make k6 send its metrics.
    pub fn k6_args() -> Vec<String> {
        vec!["--out".into(), OUTPUT.into()]
    }

    /// The variables that tell k6 where to, and how: histograms, since only they give percentiles of any time window.
    pub fn k6_env(&self, load: Duration) -> Vec<(&'static str, String)> {
        vec![
            (
                "K6_PROMETHEUS_RW_SERVER_URL",
                self.addresses.write.to_string(),
            ),
            ("K6_PROMETHEUS_RW_TREND_AS_NATIVE_HISTOGRAM", "true".into()),
            ("K6_PROMETHEUS_RW_STALE_MARKERS", "true".into()),
            (
                "K6_PROMETHEUS_RW_PUSH_INTERVAL",
                format!("{}ms", push_interval(load).as_millis()),
            ),
        ]
    }

    /// A test begins now, with the server as in `before`.
    pub fn test_begins(&self, tags: Tags, load: Duration, before: Option<Sample>) -> Live<'_> {
        Live::new(&self.sender, tags, push_interval(load), before)
    }

    /// Sends the verdicts and the figures of whole tests, and waits until everything is sent, 10 s at most. Gives a
    /// notice if something was not taken.
    pub fn run_ends(self, run: &RunRecord) -> Option<String> {
        let now = unix_ms();
        for test in &run.tests {
            let tags = Tags::of(run, &run.run, &test.name);
            self.sender.send(figures::settled(&tags, test, now));
        }
        self.sender.finish()
    }

    /// Where to look at the run: `to_unix_ms` is its end, if it has ended.
    pub fn dashboard(&self, run: &str, from_unix_ms: f64, to_unix_ms: Option<f64>) -> String {
        self.addresses.dashboard(run, from_unix_ms, to_unix_ms)
    }
}

/// The tag `revision` of a run: the short commit, with a `+` if there are uncommitted changes.
fn revision(run: &RunRecord) -> String {
    let Some(revision) = &run.revision else {
        return "unknown".into();
    };
    let short = revision.commit.get(..12).unwrap_or(&revision.commit);
    let mark = if revision.dirty { "+" } else { "" };
    format!("{short}{mark}")
}

/// How many pushes of its metrics k6 says that it lost, by its log.
pub fn lost_pushes(k6_log: &Path) -> usize {
    let text = std::fs::read(k6_log).unwrap_or_default();
    String::from_utf8_lossy(&text).matches(FAILED_PUSH).count()
}

/// Now, in milliseconds since 1970.
pub fn unix_ms() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64() * 1000.0)
}

fn push_interval(load: Duration) -> Duration {
    (load / PUSHES).clamp(SHORTEST_PUSH, PUSH)
}
