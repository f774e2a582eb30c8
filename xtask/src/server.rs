//! The server under test: used if healthy and the right one, else built, started, watched, sampled and ended.

mod build;
mod data_dir;
mod distance;
mod health;
mod key;
pub mod lock;
mod own_samples;
mod requests;
mod resources;
mod start;
pub mod target;
mod usage;
mod watch;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::config::{Config, Values};
use crate::http;
use crate::record::{EndpointRecord, ServerKind};
use crate::secret::Secret;
use crate::shell::logs::LogFile;
use crate::shell::{Ended, Process};
use crate::ui;
use distance::Distance;
use health::Prober;
use target::{Address, Target};
use watch::Watch;

pub use build::{BuildAhead, Checkout, build, build_tool, compiler};
pub use data_dir::DataDir;
pub use health::{Alive, Health};
pub use key::api_key;
pub use own_samples::OwnSamples;
pub use requests::Requests;
pub use resources::Resources;
pub use usage::{Sample, Sampler};

/// How long the first look at an address may take.
const FIRST_LOOK: Duration = Duration::from_secs(5);
/// How long the last look, under the rest of the load, may take.
const LAST_LOOK: Duration = Duration::from_secs(5);

/// Which server is wanted, and what may be done to have it.
pub struct ServerOptions<'a> {
    /// The repository.
    pub root: &'a Path,
    /// What is known of the server.
    pub config: &'a Config,
    /// Where build output goes.
    pub target_dir: &'a Path,
    /// Where the server's log and usage go.
    pub run_dir: &'a Path,
    /// Where it is, or is to be started.
    pub target: &'a Target,
    /// The key.
    pub key: &'a Secret,
    /// Whether one of the tests needs the key.
    pub needs_key: bool,
    /// Whether a server may be started.
    pub may_start: bool,
    /// A ready program to start.
    pub binary: Option<&'a Path>,
    /// The feature that it is built with, if it is built.
    pub feature: Option<&'a str>,
    /// The process of a server that already runs, to be sampled.
    pub pid: Option<u32>,
    /// Whether it is one of many: nothing is printed when it starts, and its log is short.
    pub quiet: bool,
}

/// A server that answers.
pub struct Server {
    /// Whether it was started here.
    pub kind: ServerKind,
    /// Where it is, for everyone who asks it.
    pub address: Address,
    /// What it says of itself.
    pub alive: Alive,
    /// What is to be known of where it is, in sentences.
    pub notices: Vec<String>,
    /// The compiler as it names itself, if cargo built it here.
    pub compiler: Option<String>,
    prober: Prober,
    config: Config,
    started: Option<Started>,
    sampler: Option<Sampler>,
    watch: Option<Watch>,
}

struct Started {
    binary: PathBuf,
    process: Process,
    log: LogFile,
    data: DataDir,
}

/// Finds or starts the server that is wanted.
///
/// # Errors
/// If none can be had there; the message says what was seen and what to do. If an interruption arrives.
pub fn acquire_server(wanted: &ServerOptions<'_>) -> anyhow::Result<Server> {
    let target = wanted.target;
    if target.any_port() {
        return start_server(wanted);
    }
    let address = occupied(target);
    let mut notices = match target.local {
        Some(_) => Vec::new(),
        None => Vec::from_iter(http::pin(&address.base_url, FIRST_LOOK)),
    };
    let (url, name) = (&address.base_url, &wanted.config.table.server.name);
    let prober = Prober::new(&wanted.config.table, url)?;
    match prober.health(FIRST_LOOK) {
        Health::Healthy(alive) => {
            if wanted.needs_key {
                prober.check_key(wanted.key).map_err(anyhow::Error::msg)?;
            }
            ui::info(&format!(
                "using the {name} {} that already runs at {url}",
                alive.version
            ));
            if !target.is_loopback()
                && let Some(distance) = Distance::of(&prober.url())
            {
                let seen = match wanted.pid {
                    Some(_) => "",
                    None => ", and what it takes of memory and CPU is not seen",
                };
                let words = distance.words();
                ui::info(&format!(
                    "{words}; it is not started or stopped from here{seen}"
                ));
                notices.extend(distance.notice());
            }
            let sampler = wanted
                .pid
                .map(|pid| Sampler::start(pid, &usage_path(wanted)))
                .transpose()?;
            Ok(Server {
                kind: ServerKind::Url,
                address,
                alive,
                notices,
                compiler: None,
                prober,
                config: wanted.config.clone(),
                started: None,
                sampler,
                watch: None,
            })
        }
        Health::Unreachable(why) => match target.local {
            None => bail!(
                "nothing answers at {url} ({why}): a server is started on this machine only, so start that one, or leave --base-url out"
            ),
            Some(_) if !wanted.may_start => {
                bail!(
                    "nothing answers at {url} ({why}): start {name} there, or leave --no-start-server out"
                )
            }
            Some(_) => start_server(wanted),
        },
        Health::Unhealthy(what) => bail!(
            "the {name} at {url} is not healthy ({what}): see its log, or stop it and let this command start its own"
        ),
        other => {
            let hint = target.local.map_or_else(
                || "check --base-url".to_owned(),
                |address| {
                    let port = address.port();
                    format!("stop what uses port {port} (`ss -ltnp 'sport = :{port}'` or `lsof -i :{port}` names it), or take a free port with --base-url http://127.0.0.1:0")
                },
            );
            bail!("what answers at {url} is not {name}: {other}\n  {hint}")
        }
    }
}

/// Whether something listens where the target is.
pub fn is_occupied(target: &Target) -> bool {
    target.local_addresses().iter().any(listens)
}

/// The address of whatever listens there already; where nothing does, as it was given.
///
/// `localhost` may be two addresses: whoever asks one must not be answered by one server and measure another.
fn occupied(target: &Target) -> Address {
    match target.local_addresses().into_iter().find(listens) {
        Some(address) => target.at(address),
        None => target.as_given(),
    }
}

fn listens(address: &SocketAddr) -> bool {
    TcpStream::connect_timeout(address, FIRST_LOOK).is_ok()
}

fn usage_path(wanted: &ServerOptions<'_>) -> PathBuf {
    wanted.run_dir.join("server-usage.csv")
}

fn start_server(wanted: &ServerOptions<'_>) -> anyhow::Result<Server> {
    let table = &wanted.config.table.server;
    let mut address = wanted
        .target
        .local
        .context("a server can be started on this machine only")?;
    if address.port() == 0 && table.ready.line.is_none() {
        // It could not say which port it has taken.
        address = free(address).context("there is no free port")?;
    }
    if wanted.pid.is_some() {
        ui::notice("--server-pid is not needed: the server is started here and sampled anyway");
    }
    let (binary, compiler) = match wanted.binary {
        Some(path) => (path.to_owned(), None),
        None => {
            ui::step(&format!("building {}", table.name));
            let built = build(table, wanted.root, "--server-bin", wanted.feature, None)?;
            (built, compiler(table, wanted.root, &[]))
        }
    };
    let fixtures = wanted.config.fixtures()?;
    let data = DataDir::create(wanted.target_dir)?;
    let log = LogFile::create(&wanted.run_dir.join("server.log"), wanted.key)?;
    let log = if wanted.quiet { log.of_many() } else { log };
    let start::Ready {
        process,
        address,
        alive,
        prober,
    } = start::start(&start::Start {
        config: wanted.config,
        program: &binary,
        target: wanted.target,
        values: Values {
            address,
            data_dir: data.path(),
            fixtures: &fixtures,
            root: wanted.root,
            api_key: wanted.key.expose(),
        },
        log: log.clone(),
    })?;
    if !wanted.quiet {
        ui::info(&format!(
            "started {} {} at {} (process {})",
            table.name,
            alive.version,
            address.base_url,
            process.pid()
        ));
    }
    let sampler = Sampler::start(process.pid(), &usage_path(wanted))?;
    Ok(Server {
        kind: ServerKind::StartedHere,
        address,
        alive,
        notices: Vec::new(),
        compiler,
        prober,
        config: wanted.config.clone(),
        started: Some(Started {
            binary,
            process,
            log,
            data,
        }),
        sampler: Some(sampler),
        watch: None,
    })
}

/// The address with a port that nobody uses.
fn free(address: SocketAddr) -> std::io::Result<SocketAddr> {
    TcpListener::bind(address)?.local_addr()
}

impl Server {
    /// Begins to watch its health.
    ///
    /// # Errors
    /// If the watch cannot be set up.
    pub fn watch(&mut self) -> anyhow::Result<()> {
        self.watch = Some(Watch::start(self.prober.clone(), self.alive.uptime_s)?);
        Ok(())
    }

    /// Why no more can be measured, if so: it ended, or nothing or something else answers at its address.
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
                "ended with {ended}\n  its last lines:{}",
                started.process.tail().indented()
            )),
            Ok(None) => None,
            Err(error) => Some(format!("the server cannot be waited for: {error:#}")),
        }
    }

    /// What the watch has said of its health since this was last asked.
    pub fn said(&self) -> Vec<String> {
        self.watch.as_ref().map(Watch::said).unwrap_or_default()
    }

    /// Whether it counts its requests, by the table.
    pub fn counts(&self) -> bool {
        self.config.table.requests.is_some()
    }

    /// A last look at its health, after a test.
    pub fn check(&mut self) -> Result<(), String> {
        if let Some(ended) = self.ended() {
            return Err(ended);
        }
        match self.prober.health(LAST_LOOK) {
            Health::Healthy(now) => match watch::restarted(self.alive.uptime_s, now.uptime_s) {
                Some(restarted) => Err(restarted),
                None => {
                    self.alive.uptime_s = now.uptime_s.or(self.alive.uptime_s);
                    Ok(())
                }
            },
            other => Err(format!("at the end of the test: {other}")),
        }
    }

    /// How many requests it has counted, by route, if the table says where it does.
    pub fn requests(&self) -> Option<Requests> {
        self.prober.requests()
    }

    /// What its endpoints were asked, by its own count.
    pub fn endpoints(&self, counted: &Requests) -> Vec<EndpointRecord> {
        let table = &self.config.table;
        let requests = table.requests.as_ref();
        requests.map_or_else(Vec::new, |it| counted.endpoints(it, &table.health.path))
    }

    /// The program that was started, if it was started here.
    pub fn binary(&self) -> Option<&Path> {
        self.started
            .as_ref()
            .map(|started| started.binary.as_path())
    }

    /// Its processes on this machine; `None` if it is there, but nobody knows which they are.
    pub fn processes_here(&self) -> Option<Vec<u32>> {
        match &self.sampler {
            Some(sampler) => Some(vec![sampler.pid()]),
            None => self.address.is_elsewhere().then(Vec::new),
        }
    }

    /// Samples of its process, if it is sampled.
    pub fn sampler(&self) -> Option<&Sampler> {
        self.sampler.as_ref()
    }

    /// Its process.
    ///
    /// # Errors
    /// If it is not known, or not on this machine.
    pub fn pid(&self) -> anyhow::Result<u32> {
        let sampler = self.sampler.as_ref().map(Sampler::pid);
        sampler.context("the server's process is not known here: name it with --server-pid PID")
    }

    /// Looks whether it could sample its own stacks.
    ///
    /// # Errors
    /// Why not.
    pub fn can_sample_itself(&self, key: &Secret) -> anyhow::Result<()> {
        OwnSamples::look(self.prober.clone(), key)
    }

    /// Has it begin to sample its own stacks.
    ///
    /// # Errors
    /// If it does not.
    pub fn sample_itself(&self, key: &Secret) -> anyhow::Result<OwnSamples> {
        OwnSamples::begin(self.prober.clone(), key)
    }

    /// Begins to look at what may be full of it: its threads, connections, queues and flushes.
    ///
    /// # Errors
    /// If the thread that looks cannot be started.
    pub fn watch_resources(&self) -> anyhow::Result<Resources> {
        let pid = self.sampler.as_ref().map(Sampler::pid);
        let data = self.started.as_ref().map(|started| started.data.path());
        Resources::watch(pid, self.address.port(), self.prober.clone(), data)
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
            let how = &self.config.table.server.stop;
            let alive = matches!(started.process.try_wait(), Ok(None));
            let ended = started.process.stop(how.signal, how.within);
            let in_order = ended == Ended::Code(0) || ended == Ended::Signal(how.signal.as_raw());
            if alive && !in_order {
                problems.push(format!(
                    "the server did not shut down cleanly when asked to: {ended}"
                ));
            }
            problems.extend(started.log.problem());
        }
        problems
    }
}
