//! One test: k6 runs it, the server is watched and sampled meanwhile, then it is judged.

mod growth;

use std::path::Path;
use std::time::SystemTime;

use k6_summary::{Evidence, K6Exit, ServerState, Summary, SummaryProblem, Verdict};

use crate::cli::LoadTest;
use crate::k6::{Invocation, K6, Options, Ran, Shape, Stopped};
use crate::plan::{Plan, Test};
use crate::prometheus::{self, Prometheus, Tags, unix_ms};
use crate::record::{Outcome, SampledRecord, StageRecord, TestRecord, UsageRecord};
use crate::server::{Sample, Server};
use crate::shell::Ended;
use crate::ui;

/// The exit code of k6 for crossed thresholds, which the summary explains.
const THRESHOLDS_CROSSED: i32 = 99;

/// What a test needs.
pub struct OneTest<'a> {
    /// The run's plan.
    pub plan: &'a Plan,
    /// Which test.
    pub test: Test,
    /// Its load.
    pub shape: &'a Shape,
    /// The load generator.
    pub k6: &'a K6,
    /// The command line.
    pub args: &'a LoadTest,
    /// k6's entry point.
    pub main_js: &'a Path,
    /// The folder for its files.
    pub dir: &'a Path,
    /// What its metrics are tagged with.
    pub test_id: &'a str,
    /// The revision under test, likewise.
    pub revision: &'a str,
    /// Takes the metrics, if anything does.
    pub prometheus: Option<&'a Prometheus>,
    /// What the user says to k6.
    pub options: &'a Options,
}

impl OneTest<'_> {
    /// Runs it and judges it; the notices are what may explain the result.
    ///
    /// # Errors
    /// If k6 cannot be started or the results folder not be written to. A test that fails is no error.
    pub fn run(&self, server: &mut Server) -> anyhow::Result<(TestRecord, Vec<String>)> {
        ui::step(&format!("{}: {}", self.test.name(), self.shape));
        let mut env = self.plan.run_env(self.test, self.test_id, self.revision);
        let mut outputs = Vec::new();
        if let Some(prometheus) = self.prometheus {
            env.extend(prometheus.k6_env(self.shape.duration()));
            outputs = Prometheus::k6_args();
        }
        let invocation = Invocation {
            k6: &self.k6.path,
            main_js: self.main_js,
            test: self.test.name(),
            dir: self.dir,
            env: &env,
            key: &self.plan.key,
            outputs: &outputs,
            options: self.options,
            tags: &self.shape.tags,
            dashboard: true,
            open: self.args.open,
            load: self.shape.duration(),
            at_most: self.shape.at_most,
            teardown_limit: self.shape.teardown_limit,
        };
        let mut record = TestRecord::planned(
            self.test.name(),
            self.shape.max_vus,
            self.shape.stages.iter().map(StageRecord::from).collect(),
        );
        record.started_at = Some(humantime::format_rfc3339_seconds(SystemTime::now()).to_string());
        let from_unix_ms = unix_ms();
        let before = server.sampler().and_then(crate::server::Sampler::now);
        let mut live = self.prometheus.map(|prometheus| {
            prometheus.test_begins(self.tags(), self.shape.duration(), from_unix_ms, before)
        });
        let ran = invocation.run(|| {
            if let Some(live) = &mut live {
                live.tick(server.sampler());
            }
            server.gone()
        })?;
        let after = server.sampler().and_then(crate::server::Sampler::now);
        if let Some(live) = live {
            live.ends(server.sampler());
        }

        let summary = read_summary(&invocation.summary_path());
        let verdict = k6_summary::judge(&Evidence {
            summary: summary.as_ref().map_err(Clone::clone),
            exit: exit(ran.ended),
            min_checks: self.args.min_checks,
            server: server_state(server, &ran),
            interrupted: matches!(ran.stopped, Some(Stopped::Interrupted(_))),
        });
        let samples = window(server, before, after);
        record.k6_exit = Some(exit(ran.ended).to_string());
        record.sampled = sampled(&samples, from_unix_ms);
        record.server_usage = usage(&samples, summary.as_ref().ok());
        record.growth = growth::rows(self, &ran, &samples);
        fill(&mut record, verdict, &ran, summary.as_ref().ok());
        Ok((record, self.notices(&ran)))
    }

    fn tags(&self) -> Tags {
        Tags {
            testid: self.test_id.to_owned(),
            profile: self.plan.profile.name().to_owned(),
            test: self.test.name().to_owned(),
            revision: self.revision.to_owned(),
        }
    }

    /// What may explain the result, said and kept.
    fn notices(&self, ran: &Ran) -> Vec<String> {
        let test = self.test.name();
        let mut notices: Vec<String> = ran.log_problem.clone().into_iter().collect();
        notices.extend(ran.limits.iter().map(|limit| format!("{test}: {limit}")));
        if ran.stopped.is_none() && !self.dir.join("report.html").is_file() {
            notices.push(format!(
                "{test}: k6 wrote no report.html, for it ran too short or could not write it"
            ));
        }
        let lost = match self.prometheus {
            Some(_) => prometheus::lost_pushes(&self.dir.join("k6.log")),
            None => 0,
        };
        if lost > 0 {
            notices.push(format!(
                "{test}: {lost} of k6's pushes to Prometheus were lost; k6.log says why"
            ));
        }
        for notice in &notices {
            ui::notice(notice);
        }
        notices
    }
}

fn read_summary(path: &Path) -> Result<Summary, SummaryProblem> {
    match std::fs::read(path) {
        Ok(bytes) => Summary::parse(&bytes).map_err(SummaryProblem::from),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(SummaryProblem::Missing),
        Err(error) => Err(SummaryProblem::Unreadable(error.to_string())),
    }
}

fn exit(ended: Ended) -> K6Exit {
    match ended {
        Ended::Code(code) => K6Exit::from_parts(Some(code), None),
        Ended::Signal(signal) => K6Exit::from_parts(None, Some(signal)),
    }
}

fn server_state(server: &mut Server, ran: &Ran) -> ServerState {
    match (&ran.stopped, server.check()) {
        (Some(Stopped::Useless(why)), _) => ServerState::Dead(why.clone()),
        (_, Ok(())) => ServerState::Healthy,
        (_, Err(what)) => ServerState::Unhealthy(what),
    }
}

/// The samples of the test, the ones at its begin and end included.
fn window(server: &Server, before: Option<Sample>, after: Option<Sample>) -> Vec<Sample> {
    let (Some(sampler), Some(before)) = (server.sampler(), before) else {
        return Vec::new();
    };
    sampler.between(
        before.elapsed_s,
        after.map_or(f64::INFINITY, |after| after.elapsed_s),
    )
}

fn sampled(samples: &[Sample], from_unix_ms: f64) -> Option<SampledRecord> {
    Some(SampledRecord {
        from_s: samples.first()?.elapsed_s,
        to_s: samples.last()?.elapsed_s,
        from_unix_ms,
    })
}

fn usage(samples: &[Sample], summary: Option<&Summary>) -> Option<UsageRecord> {
    let cpu_s = samples.last()?.cpu_s - samples.first()?.cpu_s;
    let requests = summary.map_or(0, Summary::http_requests);
    Some(UsageRecord {
        cpu_s,
        cpu_us_per_request: (requests > 0).then(|| cpu_s * 1e6 / requests as f64),
        peak_rss_bytes: samples.iter().map(|sample| sample.rss_bytes).max()?,
        max_threads: samples.iter().map(|sample| sample.threads).max()?,
        max_open_files: samples.iter().map(|sample| sample.open_files).max()?,
    })
}

/// Joins what was judged here and there into the test's outcome.
fn fill(record: &mut TestRecord, verdict: Verdict, ran: &Ran, summary: Option<&Summary>) {
    record.reasons = verdict.reasons.iter().map(ToString::to_string).collect();
    if ran.stopped == Some(Stopped::Overdue) {
        record
            .reasons
            .insert(0, "k6 took much longer than its plan and was ended".into());
    }
    record.reasons.extend(explanations(ran, summary.is_some()));
    let grown = record.growth.iter().filter(|row| row.ok == Some(false));
    let grown: Vec<String> = grown.map(growth::reason).collect();
    record.outcome = match verdict.outcome {
        k6_summary::Outcome::Interrupted => Outcome::Interrupted,
        k6_summary::Outcome::Passed if record.reasons.is_empty() && grown.is_empty() => {
            Outcome::Passed
        }
        _ => Outcome::Failed,
    };
    record.reasons.extend(grown);
    if record.outcome == Outcome::Failed
        && let Some((error, count)) = ran.said.commonest()
    {
        record.reasons.push(format!(
            "the commonest error of requests, {count} times: {error}"
        ));
    }
    record.duration_s = summary.map(|summary| summary.duration().as_secs_f64());
    record.thresholds = verdict.thresholds;
    record.checks = verdict.checks;
    record.metrics = verdict.metrics;
}

/// What k6's log has to explain a failure that the summary does not explain: its last words of an error.
fn explanations(ran: &Ran, summary: bool) -> Option<String> {
    if summary && matches!(ran.ended, Ended::Code(0 | THRESHOLDS_CROSSED)) {
        return None;
    }
    let words = ran.said.last_error.clone();
    let words = words.or_else(|| ran.tail.lines().last().map(|line| line.trim().to_owned()))?;
    Some(format!("k6's last words: {words}"))
}
