//! What will run: the profile, the tests in order, where, and with which variables.

use std::path::{Path, PathBuf};

use crate::cli::{DEFAULT_GRAFANA_URL, Load, Running};
use crate::config::Config;
use crate::error::UsageError;
use crate::k6;
use crate::prometheus::Addresses;
use crate::secret::Secret;
use crate::server::api_key;
use crate::server::target::{Address, Target};

/// Variables that choose a load within a profile, as each step of a search has its own.
pub type LoadEnv = [(&'static str, String)];

/// A checked command line.
#[derive(Debug)]
pub struct Plan {
    /// The profile.
    pub profile: String,
    /// The tests, each once, in the order in which they run.
    pub tests: Vec<String>,
    /// Multiplies every duration of the profile.
    pub time_scale: f64,
    /// Multiplies the virtual users and rates of the profile.
    pub vus_scale: f64,
    /// Whether one of the tests shows the server the key.
    pub needs_key: bool,
    /// Where the load goes.
    pub target: Target,
    /// The key.
    pub key: Secret,
    /// The folder of all results.
    pub results: PathBuf,
    /// Where the metrics are sent to, if anywhere.
    pub prometheus: Option<Addresses>,
}

/// The variables that choose the load and the script, without the server's address.
pub fn script_env(
    profile: &str,
    test: &str,
    time_scale: f64,
    vus_scale: f64,
) -> Vec<(&'static str, String)> {
    vec![
        ("PROFILE", profile.into()),
        ("TEST", test.into()),
        ("TIME_SCALE", time_scale.to_string()),
        ("VUS_SCALE", vus_scale.to_string()),
    ]
}

impl Plan {
    /// Checks the command line.
    ///
    /// # Errors
    /// A [`UsageError`] that says what is wrong and what to give instead.
    pub fn new(load: &Load, args: &Running, config: &Config) -> Result<Self, UsageError> {
        let tests = config.chosen(&load.tests(config));
        // A variable that is set to nothing, as workflows like to do, counts as not set.
        let base_url = load.to.base_url.as_deref().filter(|url| !url.is_empty());
        let server = &config.table.server;
        let ws_url = load.to.ws_url.as_deref().filter(|url| !url.is_empty());
        let target = Target::new(
            base_url.unwrap_or(&server.base_url),
            ws_url,
            &server.ws_path,
        )?;
        if target.any_port() && args.no_start_server {
            return Err(UsageError("port 0 means that a server is started on a free port: leave --no-start-server out, or name the port".into()));
        }
        if let Some(path) = args.server_bin().filter(|path| !path.is_file()) {
            return Err(UsageError(format!(
                "--server-bin {} is not a file: name a built server, or leave the option out and it is built",
                path.display()
            )));
        }
        let prometheus = args.prometheus.as_deref().filter(|url| !url.is_empty());
        let grafana = Some(args.grafana.as_str()).filter(|url| !url.is_empty());
        let prometheus = prometheus
            .map(|url| Addresses::new(url, grafana.unwrap_or(DEFAULT_GRAFANA_URL)))
            .transpose()?;
        let key = api_key(config, &tests)?;
        let results = args
            .output
            .results()
            .map_or_else(|| config.results(), Path::to_owned);
        Ok(Self {
            profile: load.profile(config).to_owned(),
            needs_key: tests.iter().any(|test| config.needs_key(test)),
            tests,
            time_scale: load.time_scale,
            vus_scale: load.vus_scale,
            target,
            key,
            results,
            prometheus,
        })
    }

    /// The variables that choose the load and the script.
    fn script_env(&self, test: &str, load: &LoadEnv) -> Vec<(&'static str, String)> {
        let mut env = script_env(&self.profile, test, self.time_scale, self.vus_scale);
        env.extend(load.iter().cloned());
        env
    }

    /// All variables for the script but the key.
    pub fn run_env(
        &self,
        test: &str,
        load: &LoadEnv,
        address: &Address,
        test_id: &str,
        revision: &str,
    ) -> Vec<(&'static str, String)> {
        let mut env = self.script_env(test, load);
        env.push(("BASE_URL", address.base_url.clone()));
        env.push(("WS_URL", address.ws_url.clone()));
        env.push(("TESTID", test_id.into()));
        env.push(("REVISION", revision.into()));
        env
    }

    /// The load of `test`, as k6 understands it.
    ///
    /// # Errors
    /// If k6 finds fault with its script.
    pub fn shape(
        &self,
        test: &str,
        load: &LoadEnv,
        k6: &Path,
        main_js: &Path,
        options: &k6::Options,
    ) -> anyhow::Result<k6::Shape> {
        let address = self.target.as_given();
        let mut env = self.script_env(test, load);
        env.push(("BASE_URL", address.base_url));
        env.push(("WS_URL", address.ws_url));
        k6::inspect(k6, main_js, &env, &self.key, options)
    }

    /// The load of each test, as k6 understands it.
    ///
    /// # Errors
    /// If k6 finds fault with a script.
    pub fn shapes(
        &self,
        load: &LoadEnv,
        k6: &Path,
        main_js: &Path,
        options: &k6::Options,
    ) -> anyhow::Result<Vec<k6::Shape>> {
        let inspect = |test: &String| self.shape(test, load, k6, main_js, options);
        // All at once: each takes a tenth of a second, most of it k6's start.
        std::thread::scope(|scope| {
            let inspect = &inspect;
            let begun = |test| scope.spawn(move || inspect(test));
            let all: Vec<_> = self.tests.iter().map(begun).collect();
            let join = |one: std::thread::ScopedJoinHandle<'_, _>| {
                one.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            all.into_iter().map(join).collect()
        })
    }
}
