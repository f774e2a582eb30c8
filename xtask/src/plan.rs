//! What will run: the profile, the tests in order, where, and with which variables.

use std::path::{Path, PathBuf};

use crate::cli::{DEFAULT_BASE_URL, DEFAULT_GRAFANA_URL, LoadTest, Profile, TestArg};
use crate::error::UsageError;
use crate::prometheus::Addresses;
use crate::secret::Secret;
use crate::server::target::{self, Target};
use crate::{k6, repo};

/// One of the k6 scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// `api-health.js`.
    Health,
    /// `api-missions.js`.
    Missions,
    /// `api-specs.js`.
    Specs,
    /// `websocket.js`.
    Websocket,
}

/// A checked command line.
#[derive(Debug)]
pub struct Plan {
    /// The profile.
    pub profile: Profile,
    /// The tests, each once, in the order in which they run.
    pub tests: Vec<Test>,
    /// Multiplies every duration of the profile.
    pub time_scale: f64,
    /// Where the load goes.
    pub target: Target,
    /// The key.
    pub key: Secret,
    /// The folder of all results.
    pub results: PathBuf,
    /// Where the metrics are sent to, if anywhere.
    pub prometheus: Option<Addresses>,
}

impl Test {
    /// The name, as typed and as in `load-tests/main.js`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Missions => "missions",
            Self::Specs => "specs",
            Self::Websocket => "websocket",
        }
    }
}

impl Plan {
    /// Checks the command line.
    ///
    /// # Errors
    /// A [`UsageError`] that says what is wrong and what to give instead.
    pub fn new(args: &LoadTest, root: &Path) -> Result<Self, UsageError> {
        let tests = chosen(&args.tests);
        // A variable that is set to nothing, as workflows like to do, counts as not set.
        let base_url = Some(args.base_url.as_str()).filter(|url| !url.is_empty());
        let ws_url = args.ws_url.as_deref().filter(|url| !url.is_empty());
        let target = Target::new(base_url.unwrap_or(DEFAULT_BASE_URL), ws_url)?;
        if target.any_port() && args.no_start_server {
            return Err(UsageError("port 0 means that a server is started on a free port: leave --no-start-server out, or name the port".into()));
        }
        if let Some(path) = args.server_bin().filter(|path| !path.is_file()) {
            return Err(UsageError(format!(
                "--server-bin {} is no file",
                path.display()
            )));
        }
        let prometheus = args.prometheus.as_deref().filter(|url| !url.is_empty());
        let grafana = Some(args.grafana.as_str()).filter(|url| !url.is_empty());
        let prometheus = prometheus
            .map(|url| Addresses::new(url, grafana.unwrap_or(DEFAULT_GRAFANA_URL)))
            .transpose()?;
        let key = target::api_key(tests.contains(&Test::Websocket))?;
        let results = args
            .results()
            .map_or_else(|| root.join(repo::RESULTS), Path::to_owned);
        Ok(Self {
            profile: args.profile,
            tests,
            time_scale: args.time_scale,
            target,
            key,
            results,
            prometheus,
        })
    }

    /// Whether one of the tests uses the key.
    pub fn needs_key(&self) -> bool {
        self.tests.iter().any(|test| *test != Test::Health)
    }

    /// The variables that choose the load and the script, for `k6 inspect`.
    pub fn script_env(&self, test: Test) -> Vec<(&'static str, String)> {
        vec![
            ("PROFILE", self.profile.name().into()),
            ("TEST", test.name().into()),
            ("TIME_SCALE", self.time_scale.to_string()),
        ]
    }

    /// All variables for the script but the key.
    pub fn run_env(
        &self,
        test: Test,
        test_id: &str,
        revision: &str,
    ) -> Vec<(&'static str, String)> {
        let mut env = self.script_env(test);
        env.push(("BASE_URL", self.target.base_url.clone()));
        env.push(("WS_URL", self.target.ws_url.clone()));
        env.push(("TESTID", test_id.into()));
        env.push(("REVISION", revision.into()));
        env
    }

    /// The load of each test, as k6 understands it.
    ///
    /// # Errors
    /// If k6 finds fault with a script.
    pub fn shapes(
        &self,
        k6: &Path,
        main_js: &Path,
        options: &k6::Options,
    ) -> anyhow::Result<Vec<k6::Shape>> {
        let inspect = |test: &Test| {
            let mut env = self.script_env(*test);
            env.push(("BASE_URL", self.target.base_url.clone()));
            env.push(("WS_URL", self.target.ws_url.clone()));
            k6::inspect(k6, main_js, &env, &self.key, options)
        };
        self.tests.iter().map(inspect).collect()
    }
}

/// The tests in the order of the command line, each once; `all` stands for the specification's three.
pub fn chosen(args: &[TestArg]) -> Vec<Test> {
    let mut tests = Vec::new();
    for arg in args {
        let add: &[Test] = match arg {
            TestArg::All => &[Test::Health, Test::Missions, Test::Specs],
            TestArg::Health => &[Test::Health],
            TestArg::Missions => &[Test::Missions],
            TestArg::Specs => &[Test::Specs],
            TestArg::Websocket => &[Test::Websocket],
        };
        for test in add {
            if !tests.contains(test) {
                tests.push(*test);
            }
        }
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_the_specifications_three() {
        assert_eq!(
            chosen(&[TestArg::All]),
            [Test::Health, Test::Missions, Test::Specs]
        );
        assert_eq!(
            chosen(&[TestArg::Health, TestArg::Websocket]),
            [Test::Health, Test::Websocket]
        );
        let all_four = [Test::Websocket, Test::Health, Test::Missions, Test::Specs];
        assert_eq!(chosen(&[TestArg::Websocket, TestArg::All]), all_four);
        assert_eq!(chosen(&[TestArg::Specs, TestArg::Specs]), [Test::Specs]);
    }
}
