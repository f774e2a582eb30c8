//! Starts the server and waits until it is ready.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::Url;

use super::health::{Alive, Health, Prober};
use super::target::{Address, Target};
use crate::config::{self, Config, Values};
use crate::shell::logs::LogFile;
use crate::shell::{self, Cmd, Process, Stream, cmd, interrupt};

/// How often readiness is looked for: short, since a warm start takes a few milliseconds.
const POLL: Duration = Duration::from_millis(10);
/// How long one health request may take while the server starts.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// What a server needs to be started.
pub struct Start<'a> {
    /// What is known of it.
    pub config: &'a Config,
    /// The program.
    pub program: &'a Path,
    /// Where it is wanted, and where it is to listen.
    pub target: &'a Target,
    /// What its arguments and environment are filled with.
    pub values: Values<'a>,
    /// Where its output goes.
    pub log: LogFile,
}

/// A server that is ready.
pub struct Ready {
    /// Its process.
    pub process: Process,
    /// Where it listens.
    pub address: Address,
    /// What it says of itself.
    pub alive: Alive,
    /// Asks it.
    pub prober: Prober,
}

/// Starts the server and waits until it is healthy.
///
/// # Errors
/// If it ends or is not healthy in time, with the end of its log. If an interruption arrives.
pub fn start(start: &Start<'_>) -> anyhow::Result<Ready> {
    let Start {
        config,
        program,
        target,
        values,
        log,
    } = start;
    let table = &config.table.server;
    let (listening, said) = channel();
    let (log, line_begins) = (log.clone(), table.ready.line.clone());
    let on_line = move |stream, line: &str| {
        log.write(line);
        if let (Stream::Out, Some(begin)) = (stream, &line_begins)
            && let Some(url) = line.strip_prefix(begin.as_str())
        {
            let _nobody_waits_any_more = listening.send(url.trim().to_owned());
        }
    };
    let sh = shell::here()?;
    let command = command(&sh, &table.start, program, values);
    let mut process = match table.start.ends_with_stdin {
        true => shell::spawn_tied(command, on_line)?,
        false => shell::spawn(command, on_line)?,
    };
    let listens = match table.ready.line {
        Some(_) => None,
        None => Some(target.at(values.address)),
    };
    let ready = wait_until_ready(config, &mut process, &said, target, listens);
    let (address, alive, prober) = ready.with_context(|| {
        format!(
            "the server that was started ({}) did not become ready",
            program.display()
        )
    })?;
    Ok(Ready {
        process,
        address,
        alive,
        prober,
    })
}

fn command<'sh>(
    sh: &'sh xshell::Shell,
    table: &config::StartConfig,
    program: &Path,
    values: &Values<'_>,
) -> Cmd<'sh> {
    let arguments = table.arguments.iter().map(|argument| argument.fill(values));
    let mut cmd = cmd!(sh, "{program}").args(arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| table.withholds(name)) {
            cmd = cmd.env_remove(name);
        }
    }
    for (name, value) in &table.environment {
        cmd = cmd.env(name, value.fill(values));
    }
    cmd
}

/// Waits until the server is healthy at `listens`, or, without it, where it says that it listens.
fn wait_until_ready(
    config: &Config,
    process: &mut Process,
    said: &Receiver<String>,
    target: &Target,
    mut listens: Option<Address>,
) -> anyhow::Result<(Address, Alive, Prober)> {
    let limit = config.table.server.ready.within;
    let until = Instant::now() + limit;
    let mut last = "it has not said that it is listening".to_owned();
    let mut prober: Option<Prober> = None;
    loop {
        interrupt::check()?;
        if let Some(ended) = process.try_wait()? {
            let hint = if ended.success() {
                "; one that goes into the background cannot be watched: keep it in the foreground"
            } else {
                ""
            };
            anyhow::bail!(
                "it ended with {ended}{hint}; its last lines:{}",
                process.tail().indented()
            );
        }
        anyhow::ensure!(
            Instant::now() < until,
            "after {} s: {last}; its last lines:{}",
            limit.as_secs(),
            process.tail().indented()
        );
        match (&listens, &prober) {
            (None, _) => match said.recv_timeout(POLL) {
                Ok(url) => listens = Some(target.at(socket_address(&url)?)),
                Err(RecvTimeoutError::Timeout) => {}
                // Its standard output is closed, so it is about to end: the next turn sees how.
                Err(RecvTimeoutError::Disconnected) => interrupt::pause(POLL)?,
            },
            (Some(address), None) => {
                prober = Some(Prober::new(&config.table, &address.base_url)?);
            }
            (Some(address), Some(prober)) => match prober.health(PROBE_LIMIT) {
                Health::Healthy(alive) => return Ok((address.clone(), alive, prober.clone())),
                other => {
                    last = other.to_string();
                    interrupt::pause(POLL)?;
                }
            },
        }
    }
}

fn socket_address(url: &str) -> anyhow::Result<SocketAddr> {
    let parsed = Url::parse(url).ok();
    let address = parsed.and_then(|url| url.socket_addrs(|| None).ok()?.into_iter().next());
    address.or_else(|| url.parse().ok()).with_context(|| {
        format!("the server says that it listens at `{url}`, which is not an address")
    })
}
