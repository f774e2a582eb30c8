//! The pipeline of `load-test`: plan → k6 → server → run → verdict → results → report.

mod begin;
mod command;
mod past;

use std::path::Path;
use std::time::{Instant, SystemTime};

use anyhow::Context as _;

use crate::cli::{LoadTest, MessageFormat};
use crate::config::Config;
use crate::history::Past;
use crate::k6::{self, K6, Shape};
use crate::plan::Plan;
use crate::prometheus::{self, Prometheus};
use crate::record::{Outcome, RunFolder, RunRecord, ServerRecord};
use crate::server::lock::{self, Lock};
use crate::server::{self, Server};
use crate::shell::interrupt::{self, Interrupted};
use crate::{github, history, measure, record, repo, report, secret, ui};

/// A run under way.
struct Run<'a> {
    args: &'a LoadTest,
    root: &'a Path,
    config: &'a Config,
    plan: Plan,
    k6: K6,
    /// The load of each test of the plan.
    shapes: Vec<Shape>,
    folder: RunFolder,
    record: RunRecord,
    /// What past runs say, once it is read.
    before: Option<past::Before>,
    /// Takes the metrics, if anything does.
    prometheus: Option<Prometheus>,
    /// When the run began, in milliseconds since 1970.
    began_unix_ms: f64,
}

/// Runs the load test of the command line and returns the exit code.
///
/// # Errors
/// If the run could not be made or its results not be kept: a wrong command line, no k6, no server, no room.
pub fn run(args: &LoadTest, root: &Path, config: &Config) -> anyhow::Result<u8> {
    interrupt::listen()?;
    let plan = Plan::new(args, config)?;
    let k6 = find_k6(args, root)?;
    let shapes = plan.shapes(&k6.path, &config.main_js())?;
    let lock = lock_for(&plan, args.wait)?;
    let now = SystemTime::now();
    let folder = RunFolder::create(&plan.results, &plan.profile, now)?;
    if let Some(lock) = &lock {
        lock.say_results(&folder.path)?;
    }
    let record = begin::begin(args, &plan, &k6, &shapes, root, &folder.name, now);
    let mut run = Run {
        args,
        root,
        config,
        plan,
        k6,
        shapes,
        folder,
        record,
        before: None,
        prometheus: None,
        began_unix_ms: prometheus::unix_ms(),
    };
    let went = run.measure();
    run.conclude(went)
}

/// The variables that would change the test.
fn interfering() -> Vec<String> {
    k6::interfering(std::env::vars_os().map(|(name, _)| name))
}

fn find_k6(args: &LoadTest, root: &Path) -> anyhow::Result<K6> {
    let target_dir = repo::target_dir(root);
    k6::ensure(&k6::Wanted::new(&args.k6, &target_dir))
}

/// Takes the lock of the server that the plan means; none is needed on a free port.
fn lock_for(plan: &Plan, wait: bool) -> anyhow::Result<Option<Lock>> {
    plan.target
        .lock_name()
        .map(|name| lock::acquire(&name, &plan.results, wait))
        .transpose()
}

impl Run<'_> {
    /// Comes by a server and runs every test against it, whatever the verdicts.
    fn measure(&mut self) -> anyhow::Result<()> {
        self.look_back()?;
        self.open_prometheus();
        let target = self.plan.target.clone();
        let starting = github::group("the server");
        let mut server = self.come_by_server(&self.folder.path.clone(), self.args.server_bin())?;
        drop(starting);
        let binary = server.binary().map(Path::to_owned);
        self.note(&server);
        ui::step(&report::announcement(&self.record, &self.shapes));
        server.watch()?;
        let began = Instant::now();
        let tested = self.run_tests(&mut server);
        self.record.duration_s = began.elapsed().as_secs_f64();
        let ending = Instant::now();
        self.record.notices.extend(server.stop());
        self.record.teardown_s = ending.elapsed().as_secs_f64();
        tested?;
        self.confirm_suspects(&target, binary.as_deref());
        Ok(())
    }

    /// Begins to send metrics if that is asked for. Without a Prometheus the run is made all the same.
    fn open_prometheus(&mut self) {
        let Some(addresses) = &self.plan.prometheus else {
            return;
        };
        let notice = match Prometheus::open(addresses, &self.record.profile) {
            Ok((prometheus, notice)) => {
                let link = prometheus.dashboard(&self.record.run, self.began_unix_ms, None);
                ui::info(&format!("grafana: {link}"));
                self.prometheus = Some(prometheus);
                notice
            }
            Err(why) => Some(format!("no metrics are sent to Prometheus: {why}")),
        };
        if let Some(notice) = notice {
            ui::notice(&notice);
            self.record.notices.push(notice);
        }
    }

    /// Sends the verdicts, and notes where to look at the run.
    fn close_prometheus(&mut self) {
        let Some(prometheus) = self.prometheus.take() else {
            return;
        };
        let ended = prometheus::unix_ms();
        let link = prometheus.dashboard(&self.record.run, self.began_unix_ms, Some(ended));
        self.record.dashboard = Some(link);
        if let Some(notice) = prometheus.run_ends(&self.record) {
            ui::notice(&notice);
            self.record.notices.push(notice);
        }
    }

    /// Finds or starts the server of the plan; its log and its usage go to `dir`.
    fn come_by_server(&mut self, dir: &Path, binary: Option<&Path>) -> anyhow::Result<Server> {
        let wanted = server::Wanted {
            root: self.root,
            target_dir: &repo::target_dir(self.root),
            run_dir: dir,
            key: &self.plan.key,
            needs_key: self.plan.needs_key,
            may_start: !self.args.no_start_server,
            binary,
            pid: self.args.server_pid,
            quiet: false,
        };
        server::ensure(&wanted, &mut self.plan.target)
    }

    /// Writes down which server it is.
    fn note(&mut self, server: &Server) {
        self.record
            .target
            .base_url
            .clone_from(&self.plan.target.base_url);
        self.record
            .target
            .ws_url
            .clone_from(&self.plan.target.ws_url);
        self.record.server = Some(ServerRecord {
            kind: server.kind,
            version: server.version.clone(),
            faults: server.faults,
        });
        if server.faults {
            self.record
                .notices
                .push("the server injects faults: its results say nothing about a real one".into());
            ui::notice("the server injects faults");
        }
    }

    fn run_tests(&mut self, server: &mut Server) -> anyhow::Result<()> {
        for index in 0..self.plan.tests.len() {
            if interrupt::pending().is_some() {
                break;
            }
            if let Some(why) = server.gone() {
                let test = &mut self.record.tests[index];
                test.outcome = Outcome::Failed;
                test.reasons = vec![format!("not run, since the server is gone: {why}")];
                continue;
            }
            let one = measure::OneTest {
                plan: &self.plan,
                test: &self.plan.tests[index],
                shape: &self.shapes[index],
                k6: &self.k6,
                args: self.args,
                main_js: &self.config.main_js(),
                dir: &self.folder.test_dir(&self.plan.tests[index])?,
                test_id: &self.folder.name,
                revision: &prometheus::revision(&self.record),
                prometheus: self.prometheus.as_ref(),
                interfering: &interfering(),
            };
            let running = github::group(&format!("{} {}", self.record.profile, one.test));
            let (mut test, notices) = one.run(server)?;
            drop(running);
            ui::info(&report::one_line(&test));
            self.beside_its_past(&mut test);
            self.record.notices.extend(notices);
            self.record.tests[index] = test;
        }
        Ok(())
    }

    /// Settles the outcome, writes the results and prints the report.
    fn conclude(mut self, went: anyhow::Result<()>) -> anyhow::Result<u8> {
        let gave_up = went.err().filter(|error| !error.is::<Interrupted>());
        begin::settle(&mut self.record, gave_up.as_ref(), interrupt::pending());
        self.close_prometheus();
        self.record
            .notices
            .extend(record::scrub(&self.folder.path, &self.plan.key)?);
        let document = self.keep()?;
        match self.args.message_format {
            MessageFormat::Json => ui::print_data(&self.json()?),
            MessageFormat::Human if gave_up.is_none() => {
                ui::print(&report::terminal(&document, &self.folder.path))
            }
            MessageFormat::Human => Ok(()),
        }
        .context("failed to write the report to standard output")?;
        match gave_up {
            Some(error) => Err(error),
            None => Ok(self.record.exit_code),
        }
    }

    /// Writes everything that is kept of the run, and returns its report.
    fn keep(&mut self) -> anyhow::Result<report::Document> {
        if let Some(notice) = history::append(&self.plan.results, &self.record)? {
            ui::notice(&notice);
            self.record.notices.push(notice);
        }
        let json = self.json()?;
        self.folder.write("run.json", json.as_bytes())?;
        // From what is kept, which is without the key.
        let kept = serde_json::from_str(&json)?;
        let none = Past::default();
        let past = self.past().unwrap_or(&none);
        let document = report::run_view(&kept, past, &self.folder.path);
        let mut problems = report::write_pages(&document, &self.folder.path, self.args.junit());
        problems.extend(report::write_index(&self.plan.results));
        if let Err(error) = self.folder.point_latest() {
            problems.push(format!("{error:#}"));
        }
        for problem in &problems {
            ui::notice(problem);
        }
        github::hand_over(&document, &self.folder.path);
        Ok(document)
    }

    fn json(&self) -> anyhow::Result<String> {
        let text =
            serde_json::to_string_pretty(&self.record).context("failed to write run.json")?;
        Ok(secret::hide_in(Path::new("run.json"), &format!("{text}\n")).into_owned())
    }
}
