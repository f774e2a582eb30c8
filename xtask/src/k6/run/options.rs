//! What users say to k6 themselves: arguments after `--`, variables, k6's configuration file. The `table` decides.

mod arguments;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Map, Value};

pub use arguments::{belongs_after, without_values};

use super::table::{self, Class, plain};
use crate::error::UsageError;
use crate::http::{self, Trust};
use crate::secret::{self, Secret};
use crate::shell::Cmd;

/// The shortest value of a script's variable, in characters, that is looked for in what is written: shorter ones are
/// words such as `true` and stand everywhere.
const MIN_SECRET: usize = 6;
/// What of the user's own settings k6 gets, and what it means for the run.
#[derive(Debug, Default)]
pub struct Options {
    /// Further arguments of `k6 run`.
    pub args: Vec<String>,
    /// Variables for the scripts.
    pub env: Vec<(String, String)>,
    /// The user's own tags, as `name=value`.
    pub tags: Vec<String>,
    /// Variables to take out of k6's environment.
    pub remove: Vec<String>,
    /// The content of the configuration file that k6 is given.
    pub config: Map<String, Value>,
    /// Whether k6 makes the load of its plan: nothing here says something else.
    pub as_planned: bool,
    /// The arguments for which the run cannot be compared with others, without the values of variables.
    pub kept: Vec<String>,
    /// All arguments, without the values of variables.
    shown: Vec<String>,
    /// Whether k6 does not check the certificates of servers.
    pub insecure: bool,
    /// What is to be said of it.
    pub notices: Vec<String>,
}

impl Options {
    /// Reads the arguments, the environment and k6's configuration file, and from here on has our own requests to the
    /// server check its certificate as k6 will; `ca_cert` holds the certificates to trust.
    ///
    /// # Errors
    /// If an argument or a variable is one that we set ourselves or that would break the run, with what to use instead.
    pub fn read(args: &[String], ca_cert: Option<&Path>) -> Result<Self, UsageError> {
        let file = config_file(|name| std::env::var_os(name));
        let content = file.as_ref().and_then(|path| std::fs::read(path).ok());
        let mut options = Self::of_args(args)?;
        options.take_variables(std::env::vars_os())?;
        if let (Some(path), Some(content)) = (file, content) {
            options.take_config(&path, &content);
        }
        for (_, value) in &options.env {
            if value.chars().count() >= MIN_SECRET {
                secret::keep(&Secret::new(value.clone()));
            }
        }
        if let Some(path) = ca_cert {
            let Some(text) = path.to_str() else {
                return Err(UsageError("--ca-cert: the path is not valid UTF-8".into()));
            };
            // What Go heeds on Linux; on macOS k6 asks the keychain.
            options.env.push(("SSL_CERT_FILE".into(), text.into()));
        }
        http::trust(Trust {
            insecure: options.insecure,
            ca_cert: ca_cert.map(Path::to_owned),
        });
        Ok(options)
    }

    /// Writes the configuration file that k6 is given in the place of the user's: for its owner alone, since it may hold
    /// a token.
    ///
    /// # Errors
    /// If no temporary file can be written.
    pub fn config_file(&self) -> anyhow::Result<tempfile::NamedTempFile> {
        let write = || {
            let mut file = tempfile::Builder::new()
                .prefix("k6-config-")
                .suffix(".json")
                .tempfile()?;
            let mut config = self.config.clone();
            config.insert("hosts".into(), serde_json::to_value(http::pinned())?);
            serde_json::to_writer(&mut file, &config)?;
            Ok::<_, std::io::Error>(file)
        };
        write().context("failed to write a configuration file for k6")
    }

    /// Gives a command of k6's the user's variables, less those that would change the test. Ours are set after it: what the
    /// caller's environment has under their names is not meant for the scripts.
    pub fn environment<'sh>(&self, mut command: Cmd<'sh>) -> Cmd<'sh> {
        for (name, _) in arguments::OUR_VARIABLES {
            command = command.env_remove(name);
        }
        for name in &self.remove {
            command = command.env_remove(name);
        }
        for (name, value) in &self.env {
            command = command.env(name, value);
        }
        command
    }

    /// Takes out of `variables` what would change the load.
    fn take_variables(
        &mut self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<(), UsageError> {
        let mut left_out = BTreeSet::new();
        for (name, value) in variables {
            let Some(name) = name.to_str() else { continue };
            let Some(option) = name.strip_prefix("K6_").map(plain) else {
                continue;
            };
            let class = table::class(&option);
            if option == "config" || (class != Class::Harmless && is_nothing(&option, &value)) {
                // The file is read by us, and the others say what holds without them.
                self.remove.push(name.to_owned());
            } else if let Class::Ours(why) | Class::Never(why) = class {
                return Err(UsageError(format!(
                    "the variable {name} is set, and cannot be used: {why}; unset it"
                )));
            } else if class == Class::Load || option == "tags" {
                left_out.insert(name.to_owned());
            } else if option == "insecureskiptlsverify" {
                self.insecure |= value
                    .to_str()
                    .is_some_and(|value| value.parse() == Ok(true));
            }
        }
        if !left_out.is_empty() {
            let left_out: Vec<_> = left_out.into_iter().collect();
            self.notices.push(format!(
                "taken out of k6's environment, since they would change the test: {}",
                left_out.join(", ")
            ));
            self.remove.extend(left_out);
        }
        Ok(())
    }

    /// Takes from the user's configuration file what does not change the test.
    fn take_config(&mut self, path: &Path, content: &[u8]) {
        let Ok(Value::Object(settings)) = serde_json::from_slice(content) else {
            self.notices.push(format!(
                "k6's configuration file {} is not used: it is not a JSON object",
                path.display()
            ));
            return;
        };
        let (harmless, left_out): (Map<_, _>, Map<_, _>) = settings
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .partition(|(key, _)| {
                let name = plain(key);
                table::class(&name) == Class::Harmless && name != "tags"
            });
        if harmless.iter().any(|(key, value)| {
            plain(key) == "insecureskiptlsverify" && *value == Value::Bool(true)
        }) {
            self.insecure = true;
        }
        self.config = harmless;
        if !left_out.is_empty() {
            let keys: Vec<_> = left_out.keys().map(String::as_str).collect();
            self.notices.push(format!(
                "left out of k6's configuration file {}, since they would change the test: {}",
                path.display(),
                keys.join(", ")
            ));
        }
    }
}

/// Whether the value of a variable says what holds without it.
fn is_nothing(option: &str, value: &OsStr) -> bool {
    let by_default = match option {
        "includesystemenvvars" => "true",
        _ => "false",
    };
    value.is_empty() || value == by_default
}

/// The configuration file that k6 would read.
fn config_file(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(named) = folder("K6_CONFIG") {
        return Some(named);
    }
    let configs = if cfg!(target_os = "macos") {
        folder("HOME")?.join("Library/Application Support")
    } else {
        folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?
    };
    let places = [
        configs.join("k6/config.json"),
        configs.join("loadimpact/k6/config.json"),
    ];
    places.into_iter().find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_change_a_test_are_taken_out_and_said() {
        let mut options = Options::default();
        let variables = [
            ("PATH", "/bin"),
            ("K6_VUS", "7"),
            ("K6_RPS", "5"),
            ("K6_NO_THRESHOLDS", "false"),
            ("K6_CONFIG", "k6.json"),
            ("K6_BIN", "k6"),
            ("K6_OUT", "csv=x.csv"),
            ("K6_PROMETHEUS_RW_USERNAME", "me"),
            ("K6_INSECURE_SKIP_TLS_VERIFY", "true"),
        ];
        let variables = variables.map(|(n, v)| (n.into(), v.into()));
        options.take_variables(variables.into_iter()).unwrap();
        let removed = ["K6_NO_THRESHOLDS", "K6_CONFIG", "K6_RPS", "K6_VUS"];
        assert_eq!(options.remove, removed);
        assert!(options.notices[0].ends_with(": K6_RPS, K6_VUS"));
        assert!(options.insecure);
    }

    #[test]
    fn variables_that_cannot_be_heeded_are_refused_with_what_to_use_instead() {
        for (name, value, part) in [
            ("K6_NO_THRESHOLDS", "true", "proves nothing"),
            ("K6_PAUSED", "true", "nobody could resume it"),
            ("K6_LINGER", "1", "nobody could resume it"),
            ("K6_HOSTS", "{}", "--base-url"),
            ("K6_SUMMARY_MODE", "disabled", "k6's summary"),
            ("K6_WEB_DASHBOARD", "true", "report.html"),
            ("K6_INCLUDE_SYSTEM_ENV_VARS", "false", "the scripts read"),
        ] {
            let mut options = Options::default();
            let variables = [(name.into(), value.into())];
            let error = options.take_variables(variables.into_iter()).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(name) && error.contains(part), "{error}");
        }
    }

    #[test]
    fn only_the_harmless_part_of_the_configuration_file_is_used() {
        let mut options = Options::default();
        let content = br#"{"hosts": {"a": "192.0.2.1"}, "rps": 5, "duration": null,
            "insecureSkipTLSVerify": true, "collectors": {"cloud": {"token": "t"}}}"#;
        options.take_config(Path::new("/home/me/k6/config.json"), content);
        let keys: Vec<_> = options.config.keys().map(String::as_str).collect();
        assert_eq!(keys, ["collectors", "insecureSkipTLSVerify"]);
        assert!(options.insecure);
        assert!(
            options.notices[0].ends_with(": hosts, rps"),
            "{:?}",
            options.notices
        );
        options.take_config(Path::new("broken.json"), b"[1]");
        assert!(options.notices[1].contains("broken.json is not used"));
    }

    #[test]
    fn the_file_that_k6_would_read_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let older = dir.path().join("loadimpact/k6/config.json");
        std::fs::create_dir_all(older.parent().unwrap()).unwrap();
        std::fs::write(&older, "{}").unwrap();
        let named = |name: &str| (name == "K6_CONFIG").then(|| "/etc/k6.json".into());
        assert_eq!(config_file(named), Some("/etc/k6.json".into()));
        if cfg!(target_os = "linux") {
            let xdg = |name: &str| (name == "XDG_CONFIG_HOME").then(|| dir.path().into());
            assert_eq!(config_file(xdg), Some(older));
        }
        assert_eq!(config_file(|_| None), None);
    }
}
