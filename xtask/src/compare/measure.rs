//! Measures one block: a fresh server, warmed up, under a short run of k6.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use k6_summary::{Metrics, ServerState, Summary, SummaryProblem};

use crate::config::Config;
use crate::k6::{Invocation, K6, Options, Stopped};
use crate::measure::probe::Probe;
use crate::measure::{Measured, measure};
use crate::record::{Block, Measure, Side, measured};
use crate::secret::Secret;
use crate::server;
use crate::server::target::{Address, Target};
use crate::shell::Ended;
use crate::shell::interrupt;

/// Rounds of requests to each route before a block, so that neither server pays for its first ones in it.
const WARM_UP: usize = 30;
/// k6's exit code for crossed thresholds, which are not judged here.
const THRESHOLDS_CROSSED: i32 = 99;
/// The load profile in load-tests/main.js.
const PROFILE: &str = "block";

/// What all blocks of a comparison share.
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
    /// Virtual users.
    pub vus: u64,
    /// How long a block is under full load.
    pub block: Duration,
    /// What the user says to k6.
    pub options: &'a Options,
    /// The folder of the comparison; blocks that went wrong stay in it.
    pub dir: &'a Path,
}

/// Which block.
#[derive(Debug, Clone, Copy)]
pub struct Which<'a> {
    /// The test.
    pub test: &'a str,
    /// The pair within the test.
    pub pair: usize,
    /// The round.
    pub round: u8,
    /// The server.
    pub side: Side,
}

/// A block that says nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken(pub String);

impl Bench<'_> {
    /// Measures a block against `binary`; the inner error is a server that did not stand the load.
    ///
    /// # Errors
    /// If the server does not start, k6 cannot be started, files cannot be written, or an interruption arrives.
    pub fn measure(
        &self,
        which: Which<'_>,
        binary: &Path,
    ) -> anyhow::Result<Result<Block, Broken>> {
        interrupt::check()?;
        let dir = self.folder(which)?;
        let ws_path = &self.config.table.server.ws_path;
        let target = Target::new("http://127.0.0.1:0", None, ws_path)?;
        let wanted = server::ServerOptions {
            root: self.root,
            config: self.config,
            target: &target,
            target_dir: self.target_dir,
            run_dir: &dir,
            key: self.key,
            needs_key: true,
            may_start: true,
            binary: Some(binary),
            pid: None,
            quiet: true,
        };
        let mut server = server::acquire_server(&wanted)
            .with_context(|| format!("the server of {}", side_name(which.side)))?;
        self.warm_up(&server.address)?;
        let invocation_env = self.env(which.test, &server.address);
        let invocation = Invocation {
            k6: &self.k6.path,
            main_js: &self.config.main_js(),
            test: which.test,
            dir: &dir,
            env: &invocation_env,
            key: self.key,
            outputs: &[],
            options: self.options,
            tags: &BTreeMap::new(),
            load: self.block,
            excuse_others: false,
            dashboard: false,
            open: false,
            at_most: self.block,
            teardown_limit: Duration::ZERO,
        };
        let measured = measure(&invocation, &mut server, |_| ());
        server.stop();
        let measured = measured?;
        if let Some(Stopped::Interrupted(signal)) = measured.ran.stopped {
            return Err(signal.into());
        }
        let block = summary(&measured).and_then(|summary| to_block(which, summary, &measured));
        if block.is_ok() {
            let _only_room = std::fs::remove_dir_all(&dir);
        }
        Ok(block.map_err(|Broken(why)| Broken(format!("{why} (see {})", dir.display()))))
    }

    /// Some requests to each route, whose answers do not matter here: the block will judge them.
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

    fn folder(&self, which: Which<'_>) -> anyhow::Result<PathBuf> {
        let Which {
            test,
            pair,
            round,
            side,
        } = which;
        let name = format!("{}-{round}-{:03}-{}", test, pair + 1, side_name(side));
        let dir = self.dir.join("blocks").join(name);
        std::fs::create_dir_all(&dir)
            .with_context(|| format!("failed to create {}", dir.display()))?;
        Ok(dir)
    }

    fn env(&self, test: &str, address: &Address) -> Vec<(&'static str, String)> {
        vec![
            ("PROFILE", PROFILE.into()),
            ("TEST", test.into()),
            ("TIME_SCALE", "1".into()),
            ("BLOCK_VUS", self.vus.to_string()),
            ("BLOCK_DURATION", format!("{}ms", self.block.as_millis())),
            ("BASE_URL", address.base_url.clone()),
            ("WS_URL", address.ws_url.clone()),
        ]
    }
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Base => "base",
        Side::Head => "head",
    }
}

/// Reads k6's summary if the run was sound: k6 came to its end and the server is still there.
fn summary(measured: &Measured) -> Result<&Summary, Broken> {
    let ran = &measured.ran;
    if ran.stopped == Some(Stopped::Overdue) {
        return Err(Broken("k6 took much longer than planned".into()));
    }
    if let ServerState::Dead(why) | ServerState::Unhealthy(why) = &measured.server {
        return Err(Broken(why.clone()));
    }
    if let Some(elsewhere) = measured.elsewhere() {
        return Err(Broken(elsewhere));
    }
    match ran.ended {
        Ended::Code(0 | THRESHOLDS_CROSSED) => {}
        other => {
            return Err(Broken(format!(
                "k6 ended with {other}; its last lines:{}",
                ran.tail.indented()
            )));
        }
    }
    measured.summary.as_ref().map_err(|problem| {
        Broken(match problem {
            SummaryProblem::Missing => "k6 left no summary".into(),
            SummaryProblem::Truncated(why) | SummaryProblem::Unreadable(why) => {
                format!("k6's summary cannot be read: {why}")
            }
        })
    })
}

fn to_block(which: Which<'_>, summary: &Summary, seen: &Measured) -> Result<Block, Broken> {
    let digest = Metrics::of(summary);
    let requests = match digest.http_requests {
        0 => digest.ws_sessions,
        requests => requests,
    };
    if requests == 0 {
        return Err(Broken("k6 made no request".into()));
    }
    let usage = seen.usage();
    let mut values = measured(&digest, usage.as_ref());
    // Failures are counted and compared apart.
    values.remove(&Measure::FailedRequests);
    let failed_checks: BTreeMap<String, u64> = summary
        .checks()
        .into_iter()
        .filter(|check| check.fails > 0)
        .map(|check| (check.name, check.fails))
        .collect();
    Ok(Block {
        test: which.test.into(),
        pair: which.pair,
        side: which.side,
        round: which.round,
        values,
        requests,
        failed_requests: digest.http_requests_failed,
        failed_checks,
    })
}
