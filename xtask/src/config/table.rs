//! `load-test.toml`: the tests that run by default, and the server under test.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::template::{Argument, Template};
use crate::shell::Signal;

/// The whole table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigTable {
    /// The tests that run when none is named; every test if it is left out.
    #[serde(default)]
    pub default_tests: Vec<String>,
    /// The server under test.
    pub server: ServerConfig,
    /// How it says that it is well.
    pub health: HealthConfig,
    /// The key for its protected routes.
    #[serde(default)]
    pub key: KeyConfig,
    /// What it counts itself.
    pub requests: Option<RequestsConfig>,
    /// What waits inside it, by its own metrics.
    pub waiting: Option<WaitingConfig>,
    /// How it samples its own stacks.
    pub profiler: Option<OwnProfiler>,
}

impl ConfigTable {
    /// The feature with which the server is built where it is to sample its own stacks.
    pub fn profiler_feature(&self) -> Option<&str> {
        self.profiler.as_ref()?.feature.as_deref()
    }
}

/// `[server]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// What messages call it.
    pub name: String,
    /// Where it is, or is started, if nothing else is said.
    pub base_url: String,
    /// What follows the base URL where WebSockets connect.
    #[serde(default)]
    pub ws_path: String,
    /// What it serves, a folder below that of the table.
    pub fixtures: Option<PathBuf>,
    /// How its program is made.
    pub build: Build,
    /// How it is started.
    #[serde(default)]
    pub start: StartConfig,
    /// How it tells that it is ready.
    #[serde(default)]
    pub ready: ReadyConfig,
    /// How it is stopped.
    #[serde(default)]
    pub stop: Stop,
}

impl ServerConfig {
    /// How the names of its own functions begin, if it is a package of Rust.
    pub fn functions(&self) -> Option<String> {
        match &self.build {
            Build::Package { package, .. } => Some(format!("{}::", package.replace('-', "_"))),
            Build::Command { .. } => None,
        }
    }
}

/// `[server.build]`: a package of the workspace, or a command that leaves a program.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a build is a `package` (with `binary` and `sources` if needed), or a `command` and the `program` that it leaves"
)]
pub enum Build {
    /// Cargo builds a binary.
    Package {
        /// The package.
        package: String,
        /// The binary, if it has another name.
        binary: Option<String>,
        /// The folder of its sources, without which a revision has no such server.
        sources: Option<PathBuf>,
    },
    /// A command, run at the root of the repository, leaves `program` there.
    Command {
        /// The command and its arguments.
        command: Vec<String>,
        /// Where the program is then.
        program: PathBuf,
    },
}

/// `[server.start]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartConfig {
    /// Its arguments.
    #[serde(default)]
    pub arguments: Vec<Argument>,
    /// Variables of its environment.
    #[serde(default)]
    pub environment: BTreeMap<String, Template>,
    /// Variables of the caller's that it does not get; `PREFIX*` stands for all that begin so.
    #[serde(default)]
    pub without: Vec<String>,
    /// Those of them that it gets all the same.
    #[serde(default)]
    pub except: Vec<String>,
    /// Whether it ends when its standard input does, which then is a pipe that ends with us.
    #[serde(default)]
    pub ends_with_stdin: bool,
}

impl StartConfig {
    /// Whether the caller's variable `name` is kept from the server.
    pub fn withholds(&self, name: &str) -> bool {
        let matches = |pattern: &String| match pattern.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == pattern,
        };
        self.without.iter().any(matches) && !self.except.iter().any(matches)
    }
}

/// `[server.ready]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReadyConfig {
    /// What the line on standard output that names its URL begins with; without it health alone tells.
    pub line: Option<String>,
    /// How long it may take.
    #[serde(deserialize_with = "duration")]
    pub within: Duration,
}

impl Default for ReadyConfig {
    fn default() -> Self {
        Self {
            line: None,
            within: Duration::from_secs(30),
        }
    }
}

/// `[server.stop]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stop {
    /// The signal that it ends in order upon.
    #[serde(deserialize_with = "signal")]
    pub signal: Signal,
    /// How long it may take before it is killed.
    #[serde(deserialize_with = "duration")]
    pub within: Duration,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            signal: Signal::TERM,
            within: Duration::from_secs(10),
        }
    }
}

/// `[health]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthConfig {
    /// What follows the base URL.
    pub path: String,
    /// Fields of the JSON answer that tell this server from others, whatever its health.
    #[serde(default)]
    pub identity: BTreeMap<String, Value>,
    /// Fields that it has besides when it is healthy.
    #[serde(default)]
    pub healthy: BTreeMap<String, Value>,
    /// The field with its version.
    pub version: Option<String>,
    /// The field with the seconds since its start.
    pub uptime: Option<String>,
    /// The field that is true if it injects faults.
    pub faults: Option<String>,
}

/// `[key]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    /// The key if `API_KEY` is not set.
    #[serde(default)]
    pub default: String,
    /// The fewest characters that the server takes.
    #[serde(default)]
    pub shortest: usize,
    /// What follows the base URL of a GET that is answered with 200 if the key is right.
    pub check: Option<String>,
    /// The header that shows the key.
    #[serde(default)]
    pub header: Header,
    /// Tests whose script puts the key into a URL as it is.
    #[serde(default)]
    pub in_url: Vec<String>,
}

/// A header as in `Authorization: Bearer {api_key}`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Template,
}

impl TryFrom<String> for Header {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (name, value) = text
            .split_once(':')
            .ok_or("a header looks like `Authorization: Bearer {api_key}`")?;
        let value = Template::try_from(value.trim().to_owned())?;
        if !value.is_of_key_alone() {
            return Err("a header has no placeholder but {api_key}".into());
        }
        let name = name.trim().to_owned();
        Ok(Self { name, value })
    }
}

impl Default for Header {
    fn default() -> Self {
        Self {
            name: "Authorization".into(),
            value: Template::of("Bearer {api_key}"),
        }
    }
}

/// `[requests]`: a Prometheus counter of the server's own with a label for the route.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestsConfig {
    /// What follows the base URL where the metrics are.
    pub path: String,
    /// The counter, or a histogram's `_count`.
    pub counter: String,
    /// The label that holds the route.
    pub route: String,
    /// The label that holds the method.
    pub method: Option<String>,
    /// The label that holds the status.
    pub status: Option<String>,
}

/// `[profiler]`: a profiler inside of the server, for where perf is not allowed to sample.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnProfiler {
    /// What follows the base URL where a POST begins to sample, and a GET ends that and is answered with folded stacks.
    pub path: String,
    /// The feature of the package that has it, if not every build does.
    pub feature: Option<String>,
}

/// `[waiting]`: metrics of the server's own, in Prometheus' text, that tell what it waits for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitingConfig {
    /// What follows the base URL where the metrics are.
    pub path: String,
    /// What waits, in words, and the gauge that counts it.
    #[serde(default)]
    pub queues: BTreeMap<String, String>,
    /// A histogram or summary in seconds whose every sample is a commit that is flushed to disk.
    pub commits: Option<String>,
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    humantime::parse_duration(&text).map_err(serde::de::Error::custom)
}

fn signal<'de, D: Deserializer<'de>>(from: D) -> Result<Signal, D::Error> {
    match String::deserialize(from)?.as_str() {
        "TERM" => Ok(Signal::TERM),
        "INT" => Ok(Signal::INT),
        "QUIT" => Ok(Signal::QUIT),
        other => Err(serde::de::Error::custom(format!(
            "`{other}` is not one of TERM, INT and QUIT"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "[server]\nname = 's'\nbase_url = 'http://localhost:1'\nbuild.package = 'p'\n[health]\npath = '/'\n";

    #[test]
    fn the_least_is_enough() {
        let table: ConfigTable = toml::from_str(LEAST).unwrap();
        assert!(matches!(table.server.build, Build::Package { package, .. } if package == "p"));
        assert_eq!(table.server.ready.within, Duration::from_secs(30));
        assert_eq!(table.server.stop.signal, Signal::TERM);
        assert_eq!(table.key.header.name, "Authorization");
    }

    #[test]
    fn the_servers_own_variables_are_kept_from_it() {
        let start: StartConfig =
            toml::from_str("without = ['RUST_LOG', 'OWN_*']\nexcept = ['OWN_FAULTS']").unwrap();
        for (name, withheld) in [
            ("RUST_LOG", true),
            ("RUST_LOG_STYLE", false),
            ("OWN_ADDR", true),
            ("OWN_FAULTS", false),
            ("PATH", false),
        ] {
            assert_eq!(start.withholds(name), withheld, "{name}");
        }
    }

    #[test]
    fn mistakes_are_said_with_their_line() {
        for (text, hints) in [
            ("[server.start]\nargument = []", ["argument", "line 8"]),
            ("[server.start]\narguments = ['{adr}']", ["{adr}", "line 8"]),
            (
                "[server.start]\narguments = ['{api_key}']",
                ["process list", "line 8"],
            ),
            (
                "[server.start.environment]\nA = '{port'",
                ["{port", "line 8"],
            ),
            ("[server.ready]\nwithin = 'soon'", ["number", "line 8"]),
            ("[server.stop]\nsignal = 'KILL'", ["KILL", "line 8"]),
            ("[key]\nheader = 'Bearer'", ["Authorization", "line 8"]),
            ("[key]\nheader = 'X: {addr}'", ["{api_key}", "line 8"]),
            ("[other]\na = 1", ["other", "line 7"]),
        ] {
            let error = toml::from_str::<ConfigTable>(&format!("{LEAST}{text}")).unwrap_err();
            for hint in hints {
                assert!(error.to_string().contains(hint), "{hint}: {error}");
            }
        }
        for wrong in [
            "{}",
            "{ package = 'p', command = ['c'] }",
            "{ command = ['c'] }",
        ] {
            let text = LEAST.replace("build.package = 'p'", &format!("build = {wrong}"));
            let error = toml::from_str::<ConfigTable>(&text)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("line 4") && error.contains("`command`"),
                "{error}"
            );
        }
    }
}
