//! The tests: every `*.js` of the folder `tests` is one. `api-missions.js` is `missions`, `websocket.js` is `websocket`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::javascript::leading_comment;
use super::{ALL, Profiles};
use crate::error::UsageError;

/// A script's file name may begin with this, which is not part of the test's name.
const PREFIX: &str = "api-";

/// A test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its name.
    pub name: String,
    /// The first sentence of the comment that the script begins with.
    pub about: Option<String>,
    /// Whether it shows the server a key: whether it speaks of `API_KEY` at all.
    pub needs_key: bool,
    /// The longest that an iteration is meant to take beyond the end of the load; none if its settings do not say.
    pub longest_iteration: Duration,
}

/// What `NAME.json` beside `NAME.js` says, as far as it is read here; the rest is for `main.js`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    graceful_stop: Option<String>,
}

/// Finds the tests in `folder`, sorted by name.
///
/// # Errors
/// A [`UsageError`] if there is none, a name cannot be used, or two files have the same.
pub fn find(folder: &Path, profiles: &Profiles) -> Result<Vec<Script>, UsageError> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(|error| unreadable(folder, &error))?;
    files.sort();
    let mut found: BTreeMap<String, (Script, &Path)> = BTreeMap::new();
    for path in files.iter().filter(|path| ends_in(path, "js")) {
        let name = name(path, profiles)?;
        let source = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        let script = Script {
            name: name.clone(),
            about: leading_comment(&source),
            needs_key: source.contains("API_KEY"),
            longest_iteration: longest_iteration(&path.with_extension("json"))?,
        };
        if let Some((_, other)) = found.insert(name.clone(), (script, path)) {
            return Err(UsageError(format!(
                "{} and {} are both the test `{name}`: rename one of them",
                other.display(),
                path.display()
            )));
        }
    }
    if found.is_empty() {
        return Err(UsageError(format!(
            "{} has no tests: each *.js file there is one",
            folder.display()
        )));
    }
    let is_stray = |path: &&PathBuf| ends_in(path, "json") && !path.with_extension("js").is_file();
    if let Some(stray) = files.iter().find(is_stray) {
        return Err(UsageError(format!(
            "{} has no script beside it: settings belong to the script of the same name",
            stray.display()
        )));
    }
    Ok(found.into_values().map(|(script, _)| script).collect())
}

fn unreadable(path: &Path, why: &dyn Display) -> UsageError {
    UsageError(format!("{} cannot be read: {why}", path.display()))
}

/// The `gracefulStop` of the settings at `path`, if they are there and have one.
fn longest_iteration(path: &Path) -> Result<Duration, UsageError> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Duration::ZERO),
        read => read.map_err(|error| unreadable(path, &error))?,
    };
    let settings: Settings =
        serde_json::from_str(&text).map_err(|error| unreadable(path, &error))?;
    let text = settings.graceful_stop.unwrap_or_else(|| "0s".into());
    humantime::parse_duration(&text)
        .map_err(|error| unreadable(path, &format!("gracefulStop is \"{text}\": {error}")))
}

fn ends_in(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|its| its == ending)
}

/// The name of the test in the file at `path`.
fn name(path: &Path, profiles: &Profiles) -> Result<String, UsageError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = stem.strip_prefix(PREFIX).unwrap_or(&stem);
    let wrong = |why: &str| {
        UsageError(format!(
            "{} cannot be a test: {why}; rename it",
            path.display()
        ))
    };
    let mut chars = name.chars();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !(chars.next().is_some_and(plain) && chars.all(|c| plain(c) || c == '-')) {
        return Err(wrong(&format!(
            "the name `{name}` may only have a to z, 0 to 9 and -, and must begin with a letter or digit"
        )));
    }
    if name == ALL {
        return Err(wrong("`all` stands for the default tests"));
    }
    if profiles.known.iter().any(|profile| profile.name == name) {
        return Err(wrong(&format!("`{name}` is a profile")));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::javascript::ObjectKey;
    use super::*;

    fn found(files: &[(&str, &str)]) -> Result<Vec<Script>, UsageError> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let profiles = Profiles {
            known: vec![ObjectKey {
                name: "smoke".into(),
                about: None,
            }],
            open: false,
        };
        find(dir.path(), &profiles)
    }

    #[test]
    fn a_file_is_a_test() {
        let scripts = found(&[
            ("zebra.js", "// Black and white.\nexport default 1;"),
            ("api-missions.js", "const key = __ENV.API_KEY;"),
            ("zebra.json", r#"{"gracefulStop": "35s", "other": 1}"#),
            ("notes.txt", ""),
        ])
        .unwrap();
        assert_eq!(
            scripts,
            [
                Script {
                    name: "missions".into(),
                    about: None,
                    needs_key: true,
                    longest_iteration: Duration::ZERO,
                },
                Script {
                    name: "zebra".into(),
                    about: Some("Black and white".into()),
                    needs_key: false,
                    longest_iteration: Duration::from_secs(35),
                }
            ]
        );
    }

    #[test]
    fn names_that_cannot_be_used_are_said_with_their_files() {
        for (files, hints) in [
            (
                &["api-x.js", "x.js"][..],
                &["api-x.js and", "/x.js are both the test `x`"][..],
            ),
            (&["My Test.js"], &["My Test.js", "a to z"]),
            (&["api-.js"], &["api-.js", "``"]),
            (&["-a.js"], &["-a.js"]),
            (&["all.js"], &["all.js", "`all`"]),
            (&["api-smoke.js"], &["api-smoke.js", "is a profile"]),
            (&["a.js", "b.json"], &["b.json", "has no script beside it"]),
            (&[], &["has no test"]),
        ] {
            let files: Vec<(&str, &str)> = files.iter().map(|name| (*name, "")).collect();
            let error = found(&files).unwrap_err().to_string();
            for hint in hints {
                assert!(error.contains(hint), "{hint}: {error}");
            }
        }
        assert!(find(Path::new("/nowhere/tests"), &Profiles::default()).is_err());
    }
}
