//! `probe.js`: a strict k6 script of the tests' folder that goes once around the server, before and after each test,
//! and warms servers up that are to be compared.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;

use crate::config::Config;
use crate::k6::Options;
use crate::secret::Secret;
use crate::server::target::Address;
use crate::shell::{self, cmd};

/// The script, in the folder of the load tests.
const SCRIPT: &str = "probe.js";
/// How long it may take: one user, one iteration.
const LIMIT: Duration = Duration::from_secs(60);

/// Looks at what a server answers.
pub struct Probe<'a> {
    k6: &'a Path,
    script: PathBuf,
    key: &'a Secret,
    options: &'a Options,
}

/// What the script writes.
#[derive(Debug, Deserialize)]
struct Findings {
    ok: bool,
    failures: Vec<String>,
}

impl<'a> Probe<'a> {
    /// The probe of `config`, if it has one.
    pub fn of(
        config: &Config,
        k6: &'a Path,
        key: &'a Secret,
        options: &'a Options,
    ) -> Option<Self> {
        let script = config.folder.join(SCRIPT);
        script.is_file().then_some(Self {
            k6,
            script,
            key,
            options,
        })
    }

    /// Looks at what `test` uses of the server at `address`. Returns what is wrong, in sentences that name request and
    /// answer; none if nothing is. `dir` takes the script's result.
    ///
    /// # Errors
    /// If k6 cannot be started or does not end, or an interruption arrives.
    pub fn look(&self, address: &Address, test: &str, dir: &Path) -> anyhow::Result<Vec<String>> {
        let path = dir.join("probe.json");
        let _of_an_earlier_look = std::fs::remove_file(&path);
        let ended = self.run(
            address,
            &[("TEST", test.as_ref()), ("SUMMARY_PATH", path.as_os_str())],
        )?;
        let written = std::fs::read(&path);
        let read = written
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Findings>(&bytes).ok());
        Ok(match read {
            Some(Findings { ok: true, .. }) => Vec::new(),
            Some(Findings { failures, .. }) if !failures.is_empty() => failures
                .iter()
                .map(|failure| self.key.scrub(failure).into_owned())
                .collect(),
            _ => vec![format!("{SCRIPT} wrote no result: k6 ended with {ended}")],
        })
    }

    /// Makes some requests of each kind, whose answers do not matter.
    ///
    /// # Errors
    /// As [`Probe::look`].
    pub fn warm_up(&self, address: &Address, rounds: usize) -> anyhow::Result<()> {
        self.run(address, &[("WARM_UP", rounds.to_string().as_ref())])
            .map(drop)
    }

    /// Runs the script to its end, and returns how it ended, with its last words.
    fn run(&self, address: &Address, env: &[(&str, &OsStr)]) -> anyhow::Result<String> {
        let config = self.options.config_file()?;
        let (k6, config, script) = (self.k6, config.path(), &self.script);
        let sh = shell::here()?;
        let mut command = self.options.environment(cmd!(
            sh,
            "{k6} run --address= --quiet --config {config} {script}"
        ));
        for (name, value) in env {
            command = command.env(name, value);
        }
        let command = command
            .env("BASE_URL", &address.base_url)
            .env("WS_URL", &address.ws_url)
            .env("API_KEY", self.key.expose())
            .env("K6_NO_USAGE_REPORT", "true");
        let captured = shell::capture(command, LIMIT)
            .with_context(|| format!("failed to run {}", self.script.display()))?;
        let last_words = captured.stderr.indented();
        Ok(format!(
            "{}; its last lines:{}",
            captured.ended,
            self.key.scrub(&last_words)
        ))
    }
}
