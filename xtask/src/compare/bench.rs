//! What all measurements of a comparison share: fresh servers, and k6 against one of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use k6_summary::{Metrics, ServerState, Summary, SummaryProblem, THRESHOLDS_CROSSED};
use load_duet::recorder::{MARK, Recorder};

use crate::config::Config;
use crate::k6::{Invocation, K6, Options, Stopped};
use crate::measure::probe::Probe;
use crate::measure::{Measured, measure};
use crate::record::{Block, Measure, Pair, Side, measured};
use crate::secret::Secret;
use crate::server::target::{Address, Target};
use crate::server::{self, Server};
use crate::shell::Ended;
use crate::shell::interrupt;

/// Rounds of requests to each route before k6 measures, so that neither server pays for its first ones in it.
const WARM_UP: usize = 30;
/// The load of a block in load-tests/main.js.
const PROFILE: &str = "block";

/// What is used to measure.
pub struct Bench<'a> {
    /// The repository, whose scripts and specs both sides get.
    pub root: &'a Path,
    /// Where the scripts are.
    pub config: &'a Config,
    /// Where build output and fresh data go.
    pub target_dir: &'a Path,
    /// The load generator.
    pub k6: &'a K6,
    /// The key.
    pub key: &'a Secret,
    /// Virtual users of a block.
    pub vus: u64,
    /// How long a pair is measured.
    pub block: Duration,
    /// Where files go that nobody keeps.
    pub scratch: &'a Path,
    /// What the user says to k6.
    pub options: &'a Options,
    /// The programs of base and head.
    pub programs: [&'a Path; 2],
    /// The folder of the comparison; what went wrong stays in it.
    pub dir: &'a Path,
}

/// A server that did not stand the load, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub side: Side,
    /// How.
    pub why: String,
}

/// A relay that k6 asks in the place of a server.
pub struct RecorderRelay<'a> {
    /// Writes down what is asked.
    pub recorder: &'a Recorder,
    /// Where k6's samples go, if anywhere.
    pub points: Option<&'a Path>,
}

/// A measurement, unless a server did not stand it.
pub type OrBroken<T> = Result<T, Broken>;

impl Bench<'_> {
    /// Starts a fresh server with its log in `dir`.
    ///
    /// # Errors
    /// If it does not become ready; if an interruption arrives.
    pub fn start(&self, side: Side, dir: &Path) -> anyhow::Result<Server> {
        self.start_program(side, self.programs[side as usize], dir)
    }

    /// The same with another program for this side.
    ///
    /// # Errors
    /// The same.
    pub fn start_program(&self, side: Side, program: &Path, dir: &Path) -> anyhow::Result<Server> {
        interrupt::check()?;
        let ws_path = &self.config.table.server.ws_path;
        let target = Target::new("http://127.0.0.1:0", None, ws_path)?;
        let wanted = server::ServerOptions {
            root: self.root,
            config: self.config,
            target: &target,
            target_dir: self.target_dir,
            run_dir: dir,
            key: self.key,
            needs_key: true,
            may_start: true,
            binary: Some(program),
            feature: None,
            pid: None,
            quiet: true,
        };
        server::acquire_server(&wanted).with_context(|| format!("the server of {}", side.name()))
    }

    /// The folder of a measurement.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn folder(&self, name: &str, side: Side) -> anyhow::Result<PathBuf> {
        let dir = self
            .dir
            .join("blocks")
            .join(format!("{name}-{}", side.name()));
        std::fs::create_dir_all(&dir)
            .with_context(|| format!("failed to create {}", dir.display()))?;
        Ok(dir)
    }

    /// Measures a pair by one short run of k6 against each server, `first` before the other.
    ///
    /// # Errors
    /// If a server does not start, k6 cannot be started, files cannot be written, or an interruption arrives.
    pub fn blocks(
        &self,
        test: &str,
        nth: usize,
        first: Side,
    ) -> anyhow::Result<OrBroken<(Pair, [Summary; 2])>> {
        let order = match first {
            Side::Base => [Side::Base, Side::Head],
            Side::Head => [Side::Head, Side::Base],
        };
        let mut both: [Option<(Block, Summary)>; 2] = [None, None];
        for side in order {
            let dir = self.folder(&format!("{test}-{:03}", nth + 1), side)?;
            let mut server = self.start(side, &dir)?;
            self.warm_up(&server.address)?;
            let load = [
                ("PROFILE", PROFILE.to_owned()),
                ("BLOCK_VUS", self.vus.to_string()),
                ("BLOCK_DURATION", format!("{}ms", self.block.as_millis())),
            ];
            let measured = self.run(test, &dir, &mut server, &load, None)?;
            server.stop();
            let block = sound(&measured)
                .and_then(|summary| Ok((to_block(summary, &measured)?, summary.clone())));
            match block {
                Ok(block) => both[side as usize] = Some(block),
                Err(why) => {
                    return Ok(Err(Broken {
                        side,
                        why: format!("{why} (see {})", dir.display()),
                    }));
                }
            }
            let _only_room = std::fs::remove_dir_all(&dir);
        }
        let [Some((base, of_base)), Some((head, of_head))] = both else {
            anyhow::bail!("a pair of {test} has one side only");
        };
        let pair = Pair {
            test: test.into(),
            base,
            head,
            ..Pair::default()
        };
        Ok(Ok((pair, [of_base, of_head])))
    }

    /// Runs k6's `test` with the load that `load` names, through a `relay` if there is one; it is ended once there is
    /// nothing for that to write down.
    ///
    /// # Errors
    /// If k6 cannot be started, or an interruption arrives.
    pub fn run(
        &self,
        test: &str,
        dir: &Path,
        server: &mut Server,
        load: &[(&'static str, String)],
        relay: Option<&RecorderRelay<'_>>,
    ) -> anyhow::Result<Measured> {
        let mut env = vec![("TEST", test.to_owned()), ("TIME_SCALE", "1".to_owned())];
        env.extend_from_slice(load);
        let mut address = server.address.clone();
        let mut outputs = Vec::new();
        if let Some(RecorderRelay { recorder, points }) = relay {
            let (from, to) = (socket(&address)?.to_string(), recorder.address.to_string());
            address.base_url = address.base_url.replace(&from, &to);
            address.ws_url = address.ws_url.replace(&from, &to);
            env.push(("MARKS", format!("http://{to}{MARK}")));
            if let Some(points) = points {
                outputs = vec!["--out".to_owned(), format!("json={}", points.display())];
            }
        }
        env.extend([("BASE_URL", address.base_url), ("WS_URL", address.ws_url)]);
        let invocation = Invocation {
            k6: &self.k6.path,
            main_js: &self.config.main_js(),
            test,
            dir,
            env: &env,
            key: self.key,
            outputs: &outputs,
            options: self.options,
            tags: &BTreeMap::new(),
            load: self.block,
            place: None,
            excuse_others: false,
            dashboard: false,
            open: false,
            at_most: self.block,
            teardown_limit: Duration::ZERO,
        };
        let useless = |_: &Server| {
            let makes_no_sense = relay.is_some_and(|relay| relay.recorder.has_upgrade());
            makes_no_sense.then(|| "there are no HTTP requests to record".to_owned())
        };
        let mut measured = measure(&invocation, server, useless)?;
        measured.aside = relay.map_or(0, |relay| relay.recorder.marks());
        if let Some(Stopped::Interrupted(signal)) = measured.ran.stopped {
            return Err(signal.into());
        }
        Ok(measured)
    }

    /// Some requests to each route, whose answers do not matter here.
    fn warm_up(&self, address: &Address) -> anyhow::Result<()> {
        let Some(script) = &self.config.probe_js() else {
            return Ok(());
        };
        let probe = Probe {
            k6: &self.k6.path,
            script,
            options: self.options,
            key: self.key,
            address,
        };
        probe.warm_up(WARM_UP)
    }
}

/// The socket of a server that was started here.
///
/// # Errors
/// If its URL does not hold one.
pub fn socket(address: &Address) -> anyhow::Result<SocketAddr> {
    let socket = address
        .base_url
        .strip_prefix("http://")
        .and_then(|rest| rest.parse().ok());
    socket.with_context(|| {
        format!(
            "{} is not a socket address of this machine",
            address.base_url
        )
    })
}

/// k6's summary if the run was sound: k6 came to its end and the server is still there.
pub fn sound(measured: &Measured) -> Result<&Summary, String> {
    let ran = &measured.ran;
    if ran.stopped == Some(Stopped::Overdue) {
        return Err("k6 took much longer than planned".into());
    }
    if let ServerState::Dead(why) | ServerState::Unhealthy(why) = &measured.server {
        return Err(why.clone());
    }
    if let Some(elsewhere) = measured.elsewhere() {
        return Err(elsewhere);
    }
    match ran.ended {
        Ended::Code(0 | THRESHOLDS_CROSSED) => {}
        other => {
            return Err(format!(
                "k6 ended with {other}; its last lines:{}",
                ran.tail.indented()
            ));
        }
    }
    measured.summary.as_ref().map_err(|problem| match problem {
        SummaryProblem::Missing => "k6 left no summary".into(),
        SummaryProblem::Unreadable(why) => {
            format!("k6's summary cannot be read: {why}")
        }
    })
}

fn to_block(summary: &Summary, seen: &Measured) -> Result<Block, String> {
    let digest = Metrics::of(summary);
    let requests = match digest.http_requests {
        0 => digest.ws_sessions,
        requests => requests,
    };
    if requests == 0 {
        return Err("k6 made no request".into());
    }
    let usage = seen.usage();
    let mut values = measured(&digest, usage.as_ref());
    // Failures are counted among the checks.
    values.remove(&Measure::FailedRequests);
    Ok(Block { requests, values })
}
