//! What this repository has to test: the scripts and profiles in the folder of the load tests, and the server that
//! `load-test.toml` there describes.

mod javascript;
mod scripts;
mod table;
mod template;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::UsageError;

/// The profiles as far as the source of `main.js` tells, since k6 may not be there yet; it has the last word.
pub use javascript::Keys as Profiles;
pub use scripts::Script;
pub use table::{
    Build, ConfigTable, HealthConfig, RequestsConfig, ServerConfig, StartConfig, WaitingConfig,
};
pub use template::Values;

/// Stands for the tests that `default_tests` names.
pub const ALL: &str = "all";
/// The profile of a run that names none.
pub const DEFAULT_PROFILE: &str = "smoke";

/// Names another table than `load-tests/load-test.toml`; the scripts are those beside it.
const VARIABLE: &str = "LOAD_TEST_CONFIG";
/// Where the table is if nothing else is said, in the repository.
const TABLE: &str = "load-tests/load-test.toml";

/// Results, in the folder of the load tests.
const RESULTS: &str = "results";

/// Everything that is known before k6 is there.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder with `main.js`, the scripts and the table.
    pub folder: PathBuf,
    /// The profiles, as far as the scripts' source tells.
    pub profiles: Profiles,
    /// The tests, sorted by name.
    pub scripts: Vec<Script>,
    /// What the table says.
    pub table: ConfigTable,
}

/// The folder of the load tests: that of the table which `LOAD_TEST_CONFIG` names, else `load-tests` in `root`.
pub fn folder(root: &Path) -> PathBuf {
    table_path(root)
        .parent()
        .map_or_else(|| root.to_owned(), Path::to_owned)
}

/// Where results go if nothing else is said.
pub fn results(root: &Path) -> PathBuf {
    folder(root).join(RESULTS)
}

fn table_path(root: &Path) -> PathBuf {
    match std::env::var_os(VARIABLE) {
        Some(path) if !path.is_empty() => root.join(path),
        _ => root.join(TABLE),
    }
}

impl Config {
    /// Reads what the repository at `root` has.
    ///
    /// # Errors
    /// A [`UsageError`] that names the file which cannot be used, and why.
    pub fn load(root: &Path) -> Result<Self, UsageError> {
        Self::read(&table_path(root))
    }

    fn read(path: &Path) -> Result<Self, UsageError> {
        let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let path = path.display();
            UsageError(format!(
                "{path} cannot be read: {error}; it says what is tested, and {VARIABLE} names another"
            ))
        })?;
        let table: ConfigTable = toml::from_str(&text)
            .map_err(|error| UsageError(format!("{} is invalid: {error}", path.display())))?;
        if let (Build::Command { .. }, Some(feature)) =
            (&table.server.build, table.profiler_feature())
        {
            return Err(UsageError(format!(
                "{} names the feature `{feature}` in [profiler], and the server is built by a command: have that build it with its profiler, and leave `feature` out",
                path.display()
            )));
        }
        let profiles = javascript::keys_of(&folder.join("main.js"), "profiles");
        let scripts = scripts::find(&folder.join("tests"), &profiles)?;
        if let Some(unknown) = table
            .default_tests
            .iter()
            .find(|name| scripts.iter().all(|script| script.name != **name))
        {
            return Err(UsageError(format!(
                "default_tests in {} names `{unknown}`, which is not a test: the tests are {}",
                path.display(),
                names(&scripts).join(", ")
            )));
        }
        Ok(Self {
            folder,
            profiles,
            scripts,
            table,
        })
    }

    /// The tests that `words` name, each once, in that order; [`ALL`] and no word at all stand for the default ones.
    pub fn chosen(&self, words: &[String]) -> Vec<String> {
        let mut chosen: Vec<String> = Vec::new();
        let everything = [ALL.to_owned()];
        let words = if words.is_empty() { &everything } else { words };
        for word in words {
            let stands_for = match word.as_str() {
                ALL => self.default_tests(),
                name => vec![name],
            };
            for name in stands_for {
                if chosen.iter().all(|other| other != name) {
                    chosen.push(name.to_owned());
                }
            }
        }
        chosen
    }

    /// The tests that [`ALL`] stands for.
    pub fn default_tests(&self) -> Vec<&str> {
        match self.table.default_tests.as_slice() {
            [] => names(&self.scripts),
            listed => listed.iter().map(String::as_str).collect(),
        }
    }

    /// Whether the test called `name` shows the server a key.
    pub fn needs_key(&self, name: &str) -> bool {
        self.script(name).is_some_and(|script| script.needs_key)
    }

    /// How long an iteration of the test called `name` may take once its load has ended, if its settings say so.
    pub fn longest_iteration(&self, name: &str) -> Duration {
        self.script(name)
            .map_or(Duration::ZERO, |script| script.longest_iteration)
    }

    /// Whether `name` is a test, or stands for some.
    pub fn is_test(&self, name: &str) -> bool {
        name == ALL || self.script(name).is_some()
    }

    fn script(&self, name: &str) -> Option<&Script> {
        self.scripts.iter().find(|script| script.name == name)
    }

    /// Where results go if nothing else is said.
    pub fn results(&self) -> PathBuf {
        self.folder.join(RESULTS)
    }

    /// The folder with what the server serves; the one of the table if there is none.
    ///
    /// # Errors
    /// A [`UsageError`] if it is not there.
    pub fn fixtures(&self) -> Result<PathBuf, UsageError> {
        let Some(below) = &self.table.server.fixtures else {
            return Ok(self.folder.clone());
        };
        let path = self.folder.join(below);
        match path.is_dir() {
            true => Ok(path),
            false => Err(UsageError(format!(
                "fixtures in [server] names {}, which is not a folder",
                path.display()
            ))),
        }
    }

    /// k6's one entry point.
    pub fn main_js(&self) -> PathBuf {
        self.folder.join("main.js")
    }

    /// The script that looks at what the server answers, if there is one.
    pub fn probe_js(&self) -> Option<PathBuf> {
        Some(self.folder.join("probe.js")).filter(|path| path.is_file())
    }
}

fn names(scripts: &[Script]) -> Vec<&str> {
    scripts.iter().map(|script| script.name.as_str()).collect()
}

#[cfg(test)]
pub mod testing {
    use super::*;

    /// What this repository has.
    pub fn ours() -> Config {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        Config::read(&root.join(TABLE)).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_profiles_are_all_read() {
        let Profiles { known, open } = testing::ours().profiles;
        let names: Vec<&str> = known.iter().map(|key| key.name.as_str()).collect();
        assert_eq!(
            names,
            ["smoke", "load", "stress", "soak", "spike", "breakpoint"]
        );
        assert!(!open);
        assert_eq!(known[0].about.as_deref(), Some("Quick smoke test"));
    }

    #[test]
    fn all_is_what_the_table_says() {
        let config = testing::ours();
        let chosen = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            config.chosen(&words)
        };
        assert_eq!(chosen(&[]), ["health", "missions", "specs"]);
        assert_eq!(chosen(&["all"]), ["health", "missions", "specs"]);
        assert_eq!(chosen(&["health", "websocket"]), ["health", "websocket"]);
        assert_eq!(
            chosen(&["websocket", "all"]),
            ["websocket", "health", "missions", "specs"]
        );
        assert_eq!(chosen(&["specs", "specs"]), ["specs"]);
    }

    #[test]
    fn a_feature_is_of_a_package() {
        let dir = tempfile::tempdir().unwrap();
        let table = dir.path().join("load-test.toml");
        let text = "[server]\nname = 's'\nbase_url = 'http://localhost:1'\nbuild = { command = ['make'], program = 's' }\n[health]\npath = '/'\n[profiler]\npath = '/stacks'\nfeature = 'f'\n";
        std::fs::write(&table, text).unwrap();
        let UsageError(error) = Config::read(&table).unwrap_err();
        assert!(
            error.contains("names the feature `f` in [profiler]"),
            "{error}"
        );
    }

    #[test]
    fn the_server_under_test_stands_in_the_table_alone() {
        const WORDS: [&str; 7] = [
            "tachikoma-server",
            "/api/health",
            "/api/missions",
            "/api/specs",
            "TACHIKOMA_ADDR",
            "TACHIKOMA_API_KEY",
            "fixtures/specs",
        ];
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut read = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if path.is_dir() {
                    if !matches!(name.as_str(), "tests" | "workflows" | "fixtures") {
                        folders.push(path);
                    }
                } else if name.ends_with(".rs")
                    && !matches!(name.as_str(), "testing.rs" | "tests.rs")
                {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let product = text.split("#[cfg(test)]\nmod tests").next().unwrap();
                    let product = product
                        .split("#[cfg(test)]\npub mod testing")
                        .next()
                        .unwrap();
                    for word in WORDS {
                        assert!(!product.contains(word), "{word}: {}", path.display());
                    }
                    read += 1;
                }
            }
        }
        assert!(read > 50, "only {read} files were read");
    }

    #[test]
    fn a_wrong_table_is_said_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("load-test.toml");
        std::fs::create_dir(dir.path().join("tests")).unwrap();
        std::fs::write(dir.path().join("tests/api-a.js"), "").unwrap();
        let ours = include_str!("../../load-tests/load-test.toml");
        let named = r#"default_tests = ["health", "missions", "specs"]"#;
        assert!(ours.contains(named));
        let other = ours.replace(named, "default_tests = ['b']");
        for (text, hints) in [
            ("\ndefault_test = []\n", ["default_test", "line 2"]),
            ("default_tests = 1", ["default_tests", "line 1"]),
            (&other, ["`b`", "the tests are a"]),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Config::read(&path).unwrap_err().to_string();
            for hint in hints.into_iter().chain(["load-test.toml"]) {
                assert!(error.contains(hint), "{hint}: {error}");
            }
        }
        let missing = Config::read(&dir.path().join("no.toml")).unwrap_err();
        assert!(missing.to_string().contains("no.toml cannot be read"));
    }
}
