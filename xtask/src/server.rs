//! The server under test: used if healthy and ours, else built, started, watched, sampled and ended.

mod build;
mod data_dir;
mod health;
pub mod lock;
mod start;
pub mod target;
mod usage;
mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::record::ServerKind;
use crate::secret::Secret;
use crate::shell::logs::LogFile;
use crate::shell::{Ended, Process, Signal};
use crate::ui;
use target::Target;

pub use build::release_binary;
use data_dir::DataDir;
pub use health::{Health, Prober};
pub use usage::{Sample, Sampler};
use watch::Watch;

/// How long the first look at an address may take.
const FIRST_LOOK: Duration = Duration::from_secs(5);
/// How long the last look, under the rest of the load, may take.
const LAST_LOOK: Duration = Duration::from_secs(5);
/// How long the server may drain before it is ended.
const DRAIN: Duration = Duration::from_secs(10);

/// How to come by a server.
pub struct Wanted<'a> {
    /// The repository.
    pub root: &'a Path,
    /// Where build output goes.
    pub target_dir: &'a Path,
    /// Where the server's log and usage go.
    pub run_dir: &'a Path,
    /// The key.
    pub key: &'a Secret,
    /// Whether one of the tests needs the key.
    pub needs_key: bool,
    /// Whether a server may be started.
    pub may_start: bool,
    /// A ready binary to start.
    pub binary: Option<&'a Path>,
    /// The process of a server that already runs, to be sampled.
    pub pid: Option<u32>,
    /// Whether it is started without a word: one of many.
    pub quiet: bool,
}

/// A server that answers.
pub struct Server {
    /// Whether it was started here.
    pub kind: ServerKind,
    /// What it says of its version.
    pub version: String,
    /// Whether it injects faults.
    pub faults: bool,
    base_url: String,
    started: Option<Started>,
    sampler: Option<Sampler>,
    watch: Option<Watch>,
}

struct Started {
    binary: PathBuf,
    process: Process,
    log: LogFile,
    _data: DataDir,
}

/// Finds or starts the server at `target`.
///
/// # Errors
/// If none can be had there; the message says what was seen and what to do. If an interruption arrives.
pub fn ensure(wanted: &Wanted<'_>, target: &mut Target) -> anyhow::Result<Server> {
    if target.any_port() {
        return start_ours(wanted, target);
    }
    let url = target.base_url.clone();
    let prober = Prober::new(&url, FIRST_LOOK)?;
    match prober.health() {
        Health::Healthy { version, faults } => {
            if wanted.needs_key {
                prober.check_key(wanted.key).map_err(anyhow::Error::msg)?;
            }
            ui::info(&format!(
                "using the tachikoma-server {version} that already runs at {url}"
            ));
            let mut server = Server {
                kind: ServerKind::Url,
                version,
                faults,
                base_url: url,
                started: None,
                sampler: None,
                watch: None,
            };
            if let Some(pid) = wanted.pid {
                server.sampler = Some(Sampler::start(pid, &usage_path(wanted))?);
            }
            Ok(server)
        }
        Health::Unreachable(why) => match target.local {
            None => bail!(
                "nothing answers at {url} ({why}): a server is started on this machine only, so start that one, or leave --base-url out"
            ),
            Some(_) if !wanted.may_start => {
                bail!(
                    "nothing answers at {url} ({why}): start tachikoma-server there, or leave --no-start-server out"
                )
            }
            Some(_) => start_ours(wanted, target),
        },
        Health::Unhealthy(what) => bail!(
            "the tachikoma-server at {url} is not healthy ({what}): see its log, or stop it and let this command start its own"
        ),
        other => {
            let hint = target.local.map_or_else(
                || "check --base-url".to_owned(),
                |address| {
                    let port = address.port();
                    format!("stop what holds port {port} (`ss -ltnp 'sport = :{port}'` or `lsof -i :{port}` names it), or take a free port with --base-url http://127.0.0.1:0")
                },
            );
            bail!("what answers at {url} is not tachikoma-server: {other}\n  {hint}")
        }
    }
}

fn usage_path(wanted: &Wanted<'_>) -> PathBuf {
    wanted.run_dir.join("server-usage.csv")
}

fn start_ours(wanted: &Wanted<'_>, target: &mut Target) -> anyhow::Result<Server> {
    let address = target
        .local
        .context("a server can be started on this machine only")?;
    if wanted.pid.is_some() {
        ui::notice("--server-pid is not needed: the server is started here and sampled anyway");
    }
    let binary = match wanted.binary {
        Some(path) => path.to_owned(),
        None => {
            ui::step("building tachikoma-server");
            release_binary(wanted.root, None)?
        }
    };
    let data = DataDir::create(wanted.target_dir)?;
    let log = LogFile::create(&wanted.run_dir.join("server.log"), wanted.key)?;
    let process = start::start(
        start::Start {
            binary: binary.clone(),
            address,
            data_dir: data.path(),
            specs_dir: &wanted.root.join("load-tests/fixtures/specs"),
            key: wanted.key,
            log: log.clone(),
        },
        target,
    )?;
    let (version, faults) = match Prober::new(&target.base_url, FIRST_LOOK)?.health() {
        Health::Healthy { version, faults } => (version, faults),
        other => bail!("the server that was started is not healthy: {other}"),
    };
    if !wanted.quiet {
        ui::info(&format!(
            "started tachikoma-server {version} at {} (process {})",
            target.base_url,
            process.pid()
        ));
    }
    let sampler = Sampler::start(process.pid(), &usage_path(wanted))?;
    Ok(Server {
        kind: ServerKind::StartedHere,
        version,
        faults,
        base_url: target.base_url.clone(),
        started: Some(Started {
            binary,
            process,
            log,
            _data: data,
        }),
        sampler: Some(sampler),
        watch: None,
    })
}

impl Server {
    /// Begins to watch its health.
    ///
    /// # Errors
    /// If the watch cannot be set up.
    pub fn watch(&mut self) -> anyhow::Result<()> {
        self.watch = Some(Watch::start(&self.base_url)?);
        Ok(())
    }

    /// Why no more can be measured, if so: it ended, or nothing answers at its address any more.
    pub fn gone(&mut self) -> Option<String> {
        if let Some(ended) = self.ended() {
            return Some(ended);
        }
        self.watch.as_ref().and_then(Watch::gone)
    }

    /// How the process that we started ended, with the last lines of its log, if it has.
    fn ended(&mut self) -> Option<String> {
        let started = self.started.as_mut()?;
        match started.process.try_wait() {
            Ok(Some(ended)) => Some(format!(
                "the server ended with {ended}; its last lines:{}",
                started.process.tail().indented()
            )),
            Ok(None) => None,
            Err(error) => Some(format!("the server cannot be waited for: {error:#}")),
        }
    }

    /// A last look at its health, after a test.
    pub fn check(&mut self) -> Result<(), String> {
        if let Some(ended) = self.ended() {
            return Err(ended);
        }
        let health = Prober::new(&self.base_url, LAST_LOOK).map(|prober| prober.health());
        match health {
            Ok(Health::Healthy { .. }) => Ok(()),
            Ok(other) => Err(format!("at the end of the test: {other}")),
            Err(error) => Err(format!("its health cannot be asked for: {error:#}")),
        }
    }

    /// The binary that was started, if it was started here.
    pub fn binary(&self) -> Option<&Path> {
        self.started
            .as_ref()
            .map(|started| started.binary.as_path())
    }

    /// Samples of its process, if it is sampled.
    pub fn sampler(&self) -> Option<&Sampler> {
        self.sampler.as_ref()
    }

    /// Ends it if we started it, in order: what is under way is answered first. Returns what went wrong, in sentences.
    pub fn stop(mut self) -> Vec<String> {
        self.watch = None;
        let mut problems: Vec<String> = self
            .sampler
            .take()
            .and_then(|sampler| sampler.problem())
            .into_iter()
            .collect();
        if let Some(mut started) = self.started.take() {
            let alive = matches!(started.process.try_wait(), Ok(None));
            let ended = started.process.stop(Signal::TERM, DRAIN);
            if alive && ended != Ended::Code(0) {
                problems.push(format!(
                    "the server did not end in order when asked to: {ended}"
                ));
            }
            problems.extend(started.log.problem());
        }
        problems
    }
}
