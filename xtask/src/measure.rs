//! One test: k6 runs it, the server is watched and sampled meanwhile, then it is judged.

mod growth;

use std::path::Path;
use std::time::SystemTime;

use k6_summary::{
    DEFAULT_MAX_EXCEPTIONS, Evidence, K6Exit, Log, ServerState, Summary, SummaryProblem, Verdict,
};

use crate::cli::LoadTest;
use crate::k6::{Invocation, K6, Ran, Shape, Stopped};
use crate::plan::Plan;
use crate::prometheus::{self, Prometheus, Tags, unix_ms};
use crate::record::{Outcome, SampledRecord, StageRecord, TestRecord, UsageRecord};
use crate::server::{Sample, Server};
use crate::shell::Ended;
use crate::ui;

/// What a test needs.
pub struct OneTest<'a> {
    /// The run's plan.
    pub plan: &'a Plan,
    /// Which test.
    pub test: &'a str,
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
    /// Variables to take out of k6's environment.
    pub interfering: &'a [String],
}

impl OneTest<'_> {
    /// Runs it and judges it; the notices are what may explain the result.
    ///
    /// # Errors
    /// If k6 cannot be started or the results folder not be written to. A test that fails is no error.
    pub fn run(&self, server: &mut Server) -> anyhow::Result<(TestRecord, Vec<String>)> {
        ui::step(&format!("{}: {}", self.test, self.shape));
        let mut env = self.plan.run_env(self.test, self.test_id, self.revision);
        let mut outputs = Vec::new();
        if let Some(prometheus) = self.prometheus {
            env.extend(prometheus.k6_env(self.shape.duration()));
            outputs = Prometheus::k6_args();
        }
        let invocation = Invocation {
            k6: &self.k6.path,
            main_js: self.main_js,
            test: self.test,
            dir: self.dir,
            env: &env,
            key: &self.plan.key,
            remove: self.interfering,
            outputs: &outputs,
            args: &self.args.k6_args,
            dashboard: true,
            open: self.args.open,
            load: self.shape.duration(),
            at_most: self.args.k6_args.is_empty().then_some(self.shape.at_most),
        };
        let mut record = TestRecord::planned(
            self.test,
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
        let log = read_log(&self.dir.join("k6.log"));
        let changed = !self.args.k6_args.is_empty();
        let verdict = k6_summary::judge(&Evidence {
            summary: summary.as_ref().map_err(Clone::clone),
            log: &log,
            exit: exit(ran.ended),
            min_checks: self.args.min_checks,
            max_exceptions: DEFAULT_MAX_EXCEPTIONS,
            planned_vus: (!changed).then_some(self.shape.max_vus),
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
            profile: self.plan.profile.clone(),
            test: self.test.to_owned(),
            revision: self.revision.to_owned(),
        }
    }

    /// What may explain the result, said and kept.
    fn notices(&self, ran: &Ran) -> Vec<String> {
        let test = self.test;
        let mut notices: Vec<String> = ran.log_problem.clone().into_iter().collect();
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

/// What k6 logged; nothing if the log cannot be read, which is said elsewhere.
fn read_log(path: &Path) -> Log {
    let mut log = Log::default();
    let text = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .for_each(|line| log.line(line));
    log
}

fn exit(ended: Ended) -> K6Exit {
    match ended {
        Ended::Code(code) => K6Exit::Code(code),
        Ended::Signal(signal) => K6Exit::Signal(signal),
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

/// What the server spent between the first and the last sample; `None` without samples.
pub fn usage(samples: &[Sample], summary: Option<&Summary>) -> Option<UsageRecord> {
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
    if summary.is_none() {
        // Without a summary, k6's own last words are the only explanation there is.
        record.reasons.extend(last_words(ran));
    }
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
    record.duration_s = summary.map(|summary| summary.duration().as_secs_f64());
    record.thresholds = verdict.thresholds;
    record.checks = verdict.checks;
    record.metrics = verdict.metrics;
}

fn last_words(ran: &Ran) -> Option<String> {
    let lines = ran.tail.lines();
    let line = lines
        .iter()
        .rev()
        .find(|line| line.contains("level=error"))
        .or(lines.last())?;
    Some(format!("k6's last words: {}", line.trim()))
}
