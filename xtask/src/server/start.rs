//! Starts the server and waits until it is ready.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::Url;

use super::health::{Health, Prober};
use crate::secret::Secret;
use crate::server::target::Target;
use crate::shell::logs::LogFile;
use crate::shell::{self, Process, Stream, cmd, interrupt};

/// How long the server may take to answer its first health request.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// How often readiness is looked for: short, since a warm start takes a few milliseconds.
const POLL: Duration = Duration::from_millis(10);
/// How long one health request may take while the server starts.
const PROBE_LIMIT: Duration = Duration::from_secs(2);
/// What the server writes on standard output when it listens, before the URL.
const LISTENING: &str = "listening on ";

/// What a server needs to be started.
pub struct Start<'a> {
    /// The program.
    pub binary: PathBuf,
    /// The address to listen at.
    pub address: SocketAddr,
    /// Its fresh data folder.
    pub data_dir: &'a Path,
    /// The specs that it serves.
    pub specs_dir: &'a Path,
    /// The key that it is to demand.
    pub key: &'a Secret,
    /// Where its output goes.
    pub log: LogFile,
}

/// Starts the server, waits until it is healthy, and tells `target` where it listens.
///
/// # Errors
/// If it ends or is not healthy within 30 s, with the end of its log. If an interruption arrives.
pub fn start(start: Start<'_>, target: &mut Target) -> anyhow::Result<Process> {
    let Start {
        binary,
        address,
        data_dir,
        specs_dir,
        key,
        log,
    } = start;
    let (listening, said) = channel();
    let sh = shell::here()?;
    let command = cmd!(sh, "{binary} --exit-with-parent")
        .env("TACHIKOMA_ADDR", address.to_string())
        .env("TACHIKOMA_DATA_DIR", data_dir)
        .env("TACHIKOMA_SPECS_DIR", specs_dir)
        .env("TACHIKOMA_API_KEY", key.expose());
    let mut process = shell::spawn_tied(command, move |stream, line| {
        log.write(line);
        if stream == Stream::Out
            && let Some(url) = line.strip_prefix(LISTENING)
        {
            let _nobody_waits_any_more = listening.send(url.to_owned());
        }
    })?;
    wait_until_ready(&mut process, &said, target)
        .with_context(|| {
            format!(
                "the server that was started ({}) did not become ready",
                binary.display()
            )
        })
        .map(|()| process)
}

fn wait_until_ready(
    process: &mut Process,
    said: &Receiver<String>,
    target: &mut Target,
) -> anyhow::Result<()> {
    let until = Instant::now() + READY_LIMIT;
    let mut last = "it has not said that it listens".to_owned();
    let mut prober = None;
    loop {
        interrupt::check()?;
        if let Some(ended) = process.try_wait()? {
            anyhow::bail!(
                "it ended with {ended}; its last lines:{}",
                process.tail().indented()
            );
        }
        anyhow::ensure!(
            Instant::now() < until,
            "after {} s: {last}; its last lines:{}",
            READY_LIMIT.as_secs(),
            process.tail().indented()
        );
        match &prober {
            None => match said.recv_timeout(POLL) {
                Ok(url) => {
                    target.listens_at(socket_address(&url)?);
                    prober = Some(Prober::new(&target.base_url, PROBE_LIMIT)?);
                }
                Err(RecvTimeoutError::Timeout) => {}
                // Its standard output is closed, so it is about to end: the next turn sees how.
                Err(RecvTimeoutError::Disconnected) => interrupt::pause(POLL)?,
            },
            Some(prober) => match prober.health() {
                Health::Healthy { .. } => return Ok(()),
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
    address
        .with_context(|| format!("the server says that it listens at `{url}`, which is no address"))
}
