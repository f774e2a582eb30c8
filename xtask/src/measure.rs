//! One test against one server: k6 makes the load, and the server is watched and sampled meanwhile. What is made of the
//! numbers is the business of whoever asked for them.

pub mod endpoints;
pub mod growth;
pub mod probe;

use std::io::Read as _;
use std::path::Path;
use std::time::SystemTime;

use k6_summary::{ServerState, Summary, SummaryProblem};

use crate::k6::{Invocation, Ran, Stopped};
use crate::record::{EndpointRecord, ResourcesRecord, UsageRecord};
use crate::server::{Requests, Resources, Sample, Sampler, Server};

/// The most of k6's summary that is read, in bytes: one with 5,000 checks has 2 MB.
const MAX_SUMMARY: u64 = 64 << 20;

/// How often the watch and the metrics ask the server, at most.
const WATCHED_PER_S: f64 = 4.0;
/// The share of others' requests from which on they are named.
const OTHERS: f64 = 0.1;

/// What was measured.
#[derive(Debug)]
pub struct Measured {
    /// When k6 was started.
    pub started_at: SystemTime,
    /// How k6 went.
    pub ran: Ran,
    /// What k6 measured, or why that is not known.
    pub summary: Result<Summary, SummaryProblem>,
    /// The server at the end of the load.
    pub server: ServerState,
    /// The server's samples, the ones at begin and end included; none if it was not sampled.
    pub samples: Vec<Sample>,
    /// What the server counted meanwhile, if it counts.
    pub requests: Option<Requests>,
    /// What each endpoint was asked, and what failed of it.
    pub endpoints: Vec<EndpointRecord>,
    /// Requests of k6's that were not meant for the server.
    pub aside: u64,
}

/// Runs k6 as `invocation` says against `server`, which must be the one whose address k6 is given. `useless` is asked
/// several times a second, and says why going on makes no sense, if so.
///
/// # Errors
/// If k6 cannot be started or its log not be written. A test that fails is no error.
pub fn measure(
    invocation: &Invocation<'_>,
    server: &mut Server,
    mut useless: impl FnMut(&Server) -> Option<String>,
) -> anyhow::Result<Measured> {
    let counted_before = server.requests();
    let before = server.sampler().and_then(Sampler::now);
    let started_at = SystemTime::now();
    let processes = server.processes_here();
    let ran = invocation.run(processes.as_deref(), || {
        useless(server).or_else(|| server.gone())
    })?;
    let after = server.sampler().and_then(Sampler::now);
    let requests = counted_before.and_then(|before| Some(server.requests()?.since(&before)));
    let summary = read_summary(&invocation.summary_path());
    let seconds = summary.as_ref().map_or(ran.took, Summary::duration);
    let counted = requests.as_ref().map(|it| server.endpoints(it));
    let counted = counted.unwrap_or_default();
    Ok(Measured {
        started_at,
        endpoints: endpoints::joined(counted, &ran.said, seconds.as_secs_f64()),
        summary,
        server: server_state(server, &ran),
        samples: window(server, before, after),
        requests,
        aside: 0,
        ran,
    })
}

impl Measured {
    /// What the server spent; `None` if it was not sampled.
    pub fn usage(&self) -> Option<UsageRecord> {
        let samples = &self.samples;
        let cpu_s = samples.last()?.cpu_s - samples.first()?.cpu_s;
        let requests = self
            .summary
            .as_ref()
            .map_or(0, |summary| summary.counter("http_reqs"));
        Some(UsageRecord {
            cpu_s,
            cpu_us_per_request: (requests > 0).then(|| cpu_s * 1e6 / requests as f64),
            peak_rss_bytes: samples.iter().map(|sample| sample.rss_bytes).max()?,
            max_threads: samples.iter().map(|sample| sample.threads).max()?,
            max_open_files: samples.iter().map(|sample| sample.open_files).max()?,
        })
    }

    /// What the server and the load generator used, by `watched` and by what was sampled and counted besides.
    pub fn resources(&self, watched: Resources) -> ResourcesRecord {
        let samples = &self.samples;
        let most = |of: fn(&Sample) -> u64| samples.iter().map(of).max();
        let grown =
            |(first, last): (&Sample, &Sample)| last.rss_bytes.saturating_sub(first.rss_bytes);
        let used = self.ran.used;
        let seen = watched.ended();
        let per_core_second = self.summary.as_ref().ok().and_then(|summary| {
            let core_seconds = used.cpu? * seen.cores? as f64 * summary.duration().as_secs_f64();
            (core_seconds > 0.0).then(|| summary.counter("http_reqs") as f64 / core_seconds)
        });
        ResourcesRecord {
            threads: most(|sample| sample.threads),
            memory_bytes: most(|sample| sample.rss_bytes),
            memory_growth_bytes: samples.first().zip(samples.last()).map(grown),
            open_files: most(|sample| sample.open_files),
            generator_cpu: used.cpu,
            requests_per_core_second: per_core_second,
            machine_idle: used.idle,
            ..seen
        }
    }

    /// What is to be known of the server's count of requests, though it fails nothing: that there is none, or that others
    /// used the server too. `counts` says whether there should be one.
    pub fn count_notice(&self, counts: bool) -> Option<String> {
        let Some(requests) = &self.requests else {
            // One that is gone need not say it.
            let asked = counts && !matches!(self.ran.stopped, Some(Stopped::Useless(_)));
            return asked.then(|| "the server does not report how many requests it got, so nothing shows that all of them reached it".to_owned());
        };
        let made = self.summary.as_ref().ok()?;
        let made = made.counter("http_reqs") + made.counter("ws_sessions");
        let others = requests.total() - made as f64 - self.ran.took.as_secs_f64() * WATCHED_PER_S;
        (others > OTHERS * made as f64 + 10.0).then(|| {
            format!("the server counted {requests} and k6 made {made}: others use it too, which may affect the times")
        })
    }

    /// What is wrong if the server counted fewer requests than k6 had answered: the load went elsewhere. More are no
    /// fault, since others may ask too.
    pub fn elsewhere(&self) -> Option<String> {
        let (requests, summary) = (self.requests.as_ref()?, self.summary.as_ref().ok()?);
        let answered = answered(summary, self.aside);
        (requests.total() < answered as f64).then(|| {
            format!(
                "k6 got {answered} answers and the server counted {} requests: the load went elsewhere",
                requests.total()
            )
        })
    }
}

/// How many requests the server answered k6 well, which made `aside` of them elsewhere.
fn answered(summary: &Summary, aside: u64) -> u64 {
    let elsewhere = aside.saturating_add(summary.failed_http_requests());
    summary.counter("http_reqs").saturating_sub(elsewhere)
}

/// The content of a file that a script wrote, of which at most `limit` bytes are read.
fn read_at_most(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    if file.take(limit + 1).read_to_end(&mut bytes)? as u64 > limit {
        let what = format!("it is larger than {} MiB, which no summary is", limit >> 20);
        return Err(std::io::Error::other(what));
    }
    Ok(bytes)
}

fn read_summary(path: &Path) -> Result<Summary, SummaryProblem> {
    match read_at_most(path, MAX_SUMMARY) {
        Ok(bytes) => Summary::parse(&bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(SummaryProblem::Missing),
        Err(error) => Err(SummaryProblem::Unreadable(format!(
            "k6's summary cannot be read: {error}"
        ))),
    }
}

fn server_state(server: &mut Server, ran: &Ran) -> ServerState {
    match (&ran.stopped, server.check()) {
        (Some(Stopped::Useless(why)), _) => ServerState::Dead(why.clone()),
        (_, Ok(())) => ServerState::Healthy,
        (_, Err(what)) => ServerState::Unhealthy(what),
    }
}

fn window(server: &Server, before: Option<Sample>, after: Option<Sample>) -> Vec<Sample> {
    let (Some(sampler), Some(before)) = (server.sampler(), before) else {
        return Vec::new();
    };
    sampler.between(
        before.elapsed_s,
        after.map_or(f64::INFINITY, |after| after.elapsed_s),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_answered_is_not_expected_of_the_server() {
        let passing = include_bytes!("../../crates/k6-summary/tests/fixtures/1.1.0/passing.json");
        let summary = Summary::parse(passing).unwrap();
        let made = summary.counter("http_reqs");
        assert!(made > 2 && summary.failed_http_requests() == 0);
        assert_eq!(
            (answered(&summary, 0), answered(&summary, 2)),
            (made, made - 2)
        );
    }
}
