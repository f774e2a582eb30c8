//! Fresh servers of both sides, up at the same time and asked the same in turn.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use load_duet::replay::{Duet, Tally};
use load_duet::script::Script;

use super::bench::{Bench, Broken, socket};
use crate::record::Side;
use crate::server::{Sample, Sampler, Server};
use crate::shell::interrupt::{self, Interrupted};

/// The servers of both sides.
pub struct Both {
    /// The base's first.
    pub servers: [Server; 2],
    dirs: [PathBuf; 2],
}

impl Bench<'_> {
    /// Starts `programs`, with their logs in folders that are called `name`.
    ///
    /// # Errors
    /// If a server does not become ready; if an interruption arrives.
    pub fn start_both(&self, name: &str, programs: [&Path; 2]) -> anyhow::Result<Both> {
        let start = |side: Side| -> anyhow::Result<(Server, PathBuf)> {
            let dir = self.folder(name, side)?;
            let server = self.start_program(side, programs[side as usize], &dir)?;
            Ok((server, dir))
        };
        let [(base, base_dir), (head, head_dir)] = [start(Side::Base)?, start(Side::Head)?];
        Ok(Both {
            servers: [base, head],
            dirs: [base_dir, head_dir],
        })
    }
}

impl Both {
    /// A client that asks both what `script` says; `seed` draws the order of each request.
    ///
    /// # Errors
    /// If an address is none of this machine.
    pub fn duet<'s>(&self, script: &'s Script, seed: u64) -> anyhow::Result<Duet<'s>> {
        let [base, head] = &self.servers;
        let addresses = [socket(&base.address)?, socket(&head.address)?];
        Ok(Duet::prepare(script, addresses, seed))
    }

    /// What their processes have used so far, where it can be seen.
    pub fn look(&self) -> [Option<Sample>; 2] {
        let servers = self.servers.each_ref();
        servers.map(|server| server.sampler().and_then(Sampler::now))
    }

    /// Looks whether both are healthy still.
    ///
    /// # Errors
    /// Who is not, and why.
    pub fn check(&mut self) -> Result<(), Broken> {
        for (side, (server, dir)) in Side::BOTH
            .into_iter()
            .zip(self.servers.iter_mut().zip(&self.dirs))
        {
            server.check().map_err(|why| Broken {
                side,
                why: format!("{why} (see {})", dir.display()),
            })?;
        }
        Ok(())
    }

    /// Ends them. Nothing went wrong, so that nobody needs their logs.
    pub fn stop(self) {
        for (server, dir) in self.servers.into_iter().zip(self.dirs) {
            server.stop();
            let _only_room = std::fs::remove_dir_all(dir);
        }
    }
}

/// Asks until there are `requests` and `at_least` has passed, but no longer than `at_most`.
///
/// # Errors
/// If an interruption arrives.
pub fn play(
    duet: &mut Duet<'_>,
    requests: u64,
    at_least: Duration,
    at_most: Duration,
) -> Result<Tally, Interrupted> {
    let begin = Instant::now();
    let tally = duet.play(|tally| {
        let passed = begin.elapsed();
        let is_enough = tally.requests >= requests && passed >= at_least;
        is_enough || passed >= at_most || interrupt::check().is_err()
    });
    interrupt::check().map(|()| tally)
}
