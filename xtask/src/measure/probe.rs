//! The content probe: `probe.js` beside the scripts looks once, and strictly, at what the server answers.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;

use crate::k6::Options;
use crate::secret::Secret;
use crate::server::target::Address;
use crate::shell::{self, Ended, cmd};

/// How long it may take: each of its requests gives up after 10 s, and a part after its first one that failed.
const LIMIT: Duration = Duration::from_secs(60);

/// The most of its result that is read, in bytes.
const MAX_RESULT: u64 = 1 << 20;

/// Runs `probe.js` against one server.
pub struct Probe<'a> {
    /// The load generator.
    pub k6: &'a Path,
    /// The script.
    pub script: &'a Path,
    /// What the user says to k6.
    pub options: &'a Options,
    /// The key.
    pub key: &'a Secret,
    /// The server.
    pub address: &'a Address,
}

/// What the script writes.
#[derive(Deserialize)]
struct Result {
    ok: bool,
    failures: Vec<String>,
}

impl Probe<'_> {
    /// Looks at what `test` uses, and writes the script's result to `path`; in sentences what is wrong with it.
    ///
    /// # Errors
    /// If k6 cannot be run to its end, or an interruption arrives.
    pub fn look(&self, test: &str, path: &Path) -> anyhow::Result<Vec<String>> {
        let variables = [("TEST", test.as_ref()), ("SUMMARY_PATH", path.as_os_str())];
        let (ended, said) = self.run(&variables)?;
        let result = super::read_at_most(path, MAX_RESULT)
            .ok()
            .and_then(|text| serde_json::from_slice::<Result>(&text).ok());
        Ok(match result {
            Some(Result { ok: true, .. }) => Vec::new(),
            Some(Result { failures, .. }) if !failures.is_empty() => failures
                .iter()
                .map(|failure| shell::clean(failure))
                .collect(),
            _ => vec![self.failure(ended, &said)],
        })
    }

    /// Makes `rounds` rounds of requests whose answers do not matter.
    ///
    /// # Errors
    /// If k6 cannot be run to its end, or an interruption arrives.
    pub fn warm_up(&self, rounds: usize) -> anyhow::Result<()> {
        let (ended, said) = self.run(&[("WARM_UP", rounds.to_string().as_ref())])?;
        anyhow::ensure!(ended.success(), self.failure(ended, &said));
        Ok(())
    }

    fn failure(&self, ended: Ended, said: &str) -> String {
        format!(
            "k6 could not run {} ({ended}):{said}",
            self.script.display()
        )
    }

    /// How k6 ended, and the end of what it said on standard error, indented.
    fn run(&self, variables: &[(&str, &std::ffi::OsStr)]) -> anyhow::Result<(Ended, String)> {
        let (k6, script) = (self.k6, self.script);
        let config = self.options.config_file()?;
        let config = config.path();
        let sh = shell::here()?;
        let command = cmd!(sh, "{k6} run --quiet --address= --config {config} {script}");
        let mut command = self
            .options
            .environment(command)
            .env("BASE_URL", &self.address.base_url)
            .env("WS_URL", &self.address.ws_url)
            .env("API_KEY", self.key.expose())
            .env("K6_NO_USAGE_REPORT", "true");
        for (name, value) in variables {
            command = command.env(name, value);
        }
        let captured = shell::capture(command, LIMIT)
            .with_context(|| format!("failed to run {}", script.display()))?;
        Ok((captured.ended, captured.stderr.indented()))
    }
}
