//! The pipeline of `load-test` and `capacity`: plan → k6 → server → measure → verdict → keep.

mod begin;
mod command;
pub mod consent;
mod judge;
mod keep;
mod one_test;
mod past;
mod sampled;
mod search;

pub use begin::settle;
pub use command::line as command_line;
pub use judge::sentences;
pub use keep::{Keeping, conclude};
pub use search::{Begin, Searches};

use std::panic::resume_unwind;
use std::path::Path;
use std::time::{Instant, SystemTime};

use crate::cli::{Capacity, Extra, Load, LoadTest, Running, Use};
use crate::config::Config;
use crate::error::UsageError;
use crate::k6::{self, K6, Shape};
use crate::plan::Plan;
use crate::profile::Profiler;
use crate::prometheus::{self, Prometheus};
use crate::record::{RunFolder, RunRecord, ServerRecord, TargetRecord};
use crate::server::lock::{self, Lock};
use crate::server::{self, BuildAhead, Server};
use crate::shell::interrupt;
use crate::{github, record, repo, report, ui};

/// A run under way.
struct Run<'a> {
    /// Whether the command line names the profile.
    names_profile: bool,
    args: &'a Running,
    extra: &'a Extra,
    /// How the capacity is searched for, if it is.
    search: Option<search::SearchPlan>,
    /// What the user says to k6.
    options: k6::Options,
    root: &'a Path,
    config: &'a Config,
    plan: Plan,
    /// The server's build, if it was begun while k6 was fetched.
    build: Option<BuildAhead>,
    k6: K6,
    /// Samples the server's stacks, if that is asked for.
    profiler: Option<Profiler>,
    /// The load of each test of the plan.
    shapes: Vec<Shape>,
    folder: RunFolder,
    record: RunRecord,
    /// What past runs say, once it is read.
    before: Option<crate::history::Past>,
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
    let LoadTest {
        load,
        running,
        extra,
    } = args;
    let plan = Plan::new(load, running, config)?;
    let named = load.names_profile(config);
    run_plan(named, running, extra, plan, None, root, config)
}

/// Searches for the capacity as the command line says and returns the exit code.
///
/// # Errors
/// As [`run`].
pub fn capacity(args: &Capacity, root: &Path, config: &Config) -> anyhow::Result<u8> {
    let (plan, search) = search_plan(args, config)?;
    run_plan(
        false,
        &args.running,
        &PLAIN,
        plan,
        Some(search),
        root,
        config,
    )
}

/// What only a load test can do, for those that are none.
static PLAIN: Extra = Extra {
    no_confirm: false,
    sample: false,
    open: false,
    k6_args: Vec::new(),
};

/// What is searched for, and how.
///
/// # Errors
/// If the command line is wrong.
pub fn search_plan(
    args: &Capacity,
    config: &Config,
) -> Result<(Plan, search::SearchPlan), UsageError> {
    let load = Load {
        tests: args.tests.clone(),
        to: args.to.clone(),
        time_scale: 1.0,
        vus_scale: 1.0,
        profile: None,
    };
    let plan = Plan::new(&load, &args.running, config)?;
    let search = search::SearchPlan::new(&args.search, &plan.tests, config)?;
    let profile = search::PROFILE.into();
    Ok((Plan { profile, ..plan }, search))
}

fn run_plan(
    names_profile: bool,
    args: &Running,
    extra: &Extra,
    plan: Plan,
    search: Option<search::SearchPlan>,
    root: &Path,
    config: &Config,
) -> anyhow::Result<u8> {
    interrupt::listen()?;
    let options = k6::Options::read(&extra.k6_args, args.ca_cert.as_deref())?;
    let wanted = if extra.sample { Use::On } else { Use::Off };
    let profiler = Profiler::find(wanted, "--profile", &config.table)?.and_then(Result::ok);
    if let Some(path) = args.output.junit() {
        // Reports may go there, and the run makes it anyway: why it cannot be made is said then.
        let _not_yet_needed = std::fs::create_dir_all(&plan.results);
        record::try_output("--junit", path)?;
    }
    let feature = profiler.as_ref().and_then(|it| it.feature(&config.table));
    let build = build_ahead(args, &plan, root, config, feature)?;
    let k6 = find_k6(args, root)?;
    let first_load = search.as_ref().map(search::SearchPlan::first_load);
    let first_load = first_load.unwrap_or_default();
    let (shapes, revision) = std::thread::scope(|scope| {
        let revision = scope.spawn(|| repo::revision(root));
        let shapes = plan.shapes(&first_load, &k6.path, &config.main_js(), &options);
        let revision = revision.join();
        shapes.map(|shapes| {
            (
                shapes,
                revision.unwrap_or_else(|panic| resume_unwind(panic)),
            )
        })
    })?;
    let users = match &search {
        Some(_) => search::MOST,
        None => shapes.iter().map(|it| it.max_vus).max().unwrap_or(0),
    };
    consent::ask(args.yes, &plan.target, users)?;
    let lock = lock_for(&plan, root, args.wait)?;
    let now = SystemTime::now();
    let folder = RunFolder::create(&plan.results, &plan.profile, now)?;
    if let Some(lock) = &lock {
        lock.say_results(&folder.path)?;
    }
    let record = begin::begin(&options, &plan, &k6, &shapes, revision, &folder.name, now);
    let mut run = Run {
        names_profile,
        args,
        extra,
        search,
        options,
        root,
        config,
        plan,
        build,
        k6,
        profiler,
        shapes,
        folder,
        record,
        before: None,
        prometheus: None,
        began_unix_ms: prometheus::unix_ms(),
    };
    let measured = run.measure();
    run.conclude(measured)
}

/// Begins to build the server where both it and k6 have yet to be made: a build needs the processor, a download does not.
fn build_ahead(
    args: &Running,
    plan: &Plan,
    root: &Path,
    config: &Config,
    feature: Option<&str>,
) -> anyhow::Result<Option<BuildAhead>> {
    let target_dir = repo::target_dir(root);
    let wanted = plan.target.local.is_some()
        && !args.no_start_server
        && args.server_bin().is_none()
        && !args.k6.no_install
        && k6::is_missing(&k6::FindOptions::new(&args.k6, &target_dir))?
        && (plan.target.any_port() || !server::is_occupied(&plan.target));
    Ok(wanted
        .then(|| BuildAhead::begin(&config.table.server, root, feature))
        .flatten())
}

fn find_k6(args: &Running, root: &Path) -> anyhow::Result<K6> {
    let target_dir = repo::target_dir(root);
    k6::ensure(&k6::FindOptions::new(&args.k6, &target_dir))
}

/// Takes the lock of the server that the plan means; none is needed on a free port.
fn lock_for(plan: &Plan, root: &Path, wait: bool) -> anyhow::Result<Option<Lock>> {
    plan.target
        .lock_name()
        .map(|name| lock::acquire(&repo::target_dir(root), &name, &plan.results, wait))
        .transpose()
}

impl Run<'_> {
    /// Finds or starts the server, runs every test against it, and measures suspects once more.
    fn measure(&mut self) -> anyhow::Result<()> {
        self.read_history();
        self.open_prometheus();
        let starting = github::group("the server");
        if let Some(build) = self.build.take() {
            build.wait(&self.config.table.server)?;
        }
        let mut server = self.acquire_server(&self.folder.path, self.args.server_bin(), false)?;
        drop(starting);
        let binary = server.binary().map(Path::to_owned);
        self.note(&server);
        match &self.search {
            Some(search) => {
                ui::step(&search.announcement(&self.plan, &self.k6));
                let warnings = search.warnings(&self.plan.tests, &self.shapes);
                warnings.into_iter().for_each(|it| self.say(it));
            }
            None => ui::step(&report::announcement(&self.record, &self.shapes)),
        }
        if self.search.is_none() && !self.names_profile {
            ui::info(&format!(
                "no profile is named, so this is {}: --help lists the others",
                self.record.profile
            ));
        }
        if self.config.probe_js().is_none() {
            let folder = self.config.folder.display();
            self.say(format!(
                "nothing checks what the server answers, since there is no {folder}/probe.js"
            ));
        }
        server.watch()?;
        let began = Instant::now();
        let (tested, server) = match self.search.take() {
            Some(search) => self.search_tests(&search, server, binary.as_deref()),
            None => (self.run_tests(&mut server), Some(server)),
        };
        self.record.duration_s = began.elapsed().as_secs_f64();
        let ending = Instant::now();
        self.record
            .notices
            .extend(server.map_or_else(Vec::new, Server::stop));
        self.record.teardown_s = ending.elapsed().as_secs_f64();
        tested?;
        self.confirm_suspects(binary.as_deref());
        Ok(())
    }

    /// Begins to send metrics if that is asked for. Without a Prometheus the run is made all the same.
    fn open_prometheus(&mut self) {
        let Some(addresses) = &self.plan.prometheus else {
            return;
        };
        let notice = match Prometheus::open(addresses) {
            Ok((prometheus, notice)) => {
                let link = prometheus.dashboard(&self.record.run, self.began_unix_ms, None);
                ui::info(&format!("grafana: {link}"));
                self.prometheus = Some(prometheus);
                notice
            }
            Err(why) => Some(format!("no metrics are sent to Prometheus: {why}")),
        };
        if let Some(notice) = notice {
            self.say(notice);
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
            self.say(notice);
        }
    }

    /// Finds or starts the server of the plan; its log and its usage go to `dir`. One of many is started without a word.
    fn acquire_server(
        &self,
        dir: &Path,
        binary: Option<&Path>,
        quiet: bool,
    ) -> anyhow::Result<Server> {
        server::acquire_server(&server::ServerOptions {
            root: self.root,
            config: self.config,
            target: &self.plan.target,
            target_dir: &repo::target_dir(self.root),
            run_dir: dir,
            key: &self.plan.key,
            needs_key: self.plan.needs_key,
            may_start: !self.args.no_start_server,
            binary,
            feature: self
                .profiler
                .as_ref()
                .and_then(|it| it.feature(&self.config.table)),
            pid: self.args.server_pid,
            quiet,
        })
    }

    /// Writes down which server it is.
    fn note(&mut self, server: &Server) {
        self.record.target = TargetRecord {
            base_url: server.address.base_url.clone(),
            ws_url: server.address.ws_url.clone(),
        };
        self.record.server = Some(ServerRecord {
            kind: server.kind,
            version: server.alive.version.clone(),
            faults: server.alive.faults,
            compiler: server.compiler.clone(),
        });
        for notice in &server.notices {
            self.say(notice.clone());
        }
        if let Some(profiler) = self.profiler.take() {
            let settled = profiler.settle(server, &self.plan.key);
            let by = match settled.as_ref().ok() {
                Some(Profiler::Own(why)) => format!(" by itself, since perf cannot ({why})"),
                _ => String::new(),
            };
            self.say(match &settled {
                Ok(_) => format!("the server is sampled{by}, which costs it up to a fifth of its CPU time: this run is no reference for others"),
                Err(why) => format!("--profile samples nothing: {why:#}"),
            });
            self.profiler = settled.ok();
        }
        if server.alive.faults {
            self.say("the server injects faults: its results say nothing about a real one".into());
        }
    }
}
