//! The names of profiles and tests as clap's values: those that this repository has.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};

use crate::config::{ALL, Config};

/// Takes the names that it shows, and names that only pass.
#[derive(Debug, Clone)]
pub struct Names {
    shown: Vec<PossibleValue>,
    passing: Vec<PossibleValue>,
    /// Names that belong elsewhere on the command line, and what is to be said of them.
    misplaced: (Vec<String>, &'static str),
    /// Whether there may be names that nobody here knows.
    open: bool,
}

/// The profiles.
pub fn profiles(config: &Config) -> Names {
    let known = &config.profiles.known;
    Names {
        shown: known
            .iter()
            .map(|profile| value(&profile.name, profile.about.as_deref()))
            .collect(),
        passing: Vec::new(),
        misplaced: (
            config
                .scripts
                .iter()
                .map(|test| test.name.clone())
                .collect(),
            "is a test: the profile stands before it",
        ),
        open: config.profiles.open,
    }
}

/// The tests, and the word for the default ones.
pub fn tests(config: &Config) -> Names {
    let all = PossibleValue::new(ALL).help(config.default_tests().join(", "));
    let scripts = config.scripts.iter();
    let scripts = scripts.map(|script| value(&script.name, script.about.as_deref()));
    Names {
        shown: std::iter::once(all).chain(scripts).collect(),
        passing: Vec::new(),
        misplaced: (
            config
                .profiles
                .known
                .iter()
                .map(|profile| profile.name.clone())
                .collect(),
            "is a profile: it stands before the tests",
        ),
        open: false,
    }
}

impl Names {
    /// Shows the names of `other` too.
    pub fn and(mut self, other: Self) -> Self {
        self.shown.extend(other.shown);
        self
    }

    /// Lets the names of `other` pass without showing them in the help.
    pub fn or(mut self, other: Self) -> Self {
        self.passing.extend(other.shown);
        self
    }
}

fn value(name: &str, about: Option<&str>) -> PossibleValue {
    let value = PossibleValue::new(name.to_owned());
    match about {
        Some(about) => value.help(about.to_owned()),
        None => value,
    }
}

impl TypedValueParser for Names {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, Error> {
        let all = self.shown.iter().chain(&self.passing).cloned();
        let parsed = PossibleValuesParser::new(all).parse_ref(command, arg, value);
        let (misplaced, why) = &self.misplaced;
        match value.to_str() {
            Some(name) if parsed.is_err() && misplaced.iter().any(|other| other == name) => {
                let text = format!("`{name}` {why}\n");
                Err(Error::raw(ErrorKind::InvalidValue, text).with_cmd(command))
            }
            Some(name) if self.open && parsed.is_err() && could_be_a_profile(name) => {
                Ok(name.to_owned())
            }
            _ => parsed,
        }
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.shown.iter().cloned()))
    }
}

/// A profile's name becomes part of a folder's.
fn could_be_a_profile(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(plain) && name.chars().all(|c| plain(c) || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_read_pass_to_k6() {
        let names = |open| Names {
            shown: vec![PossibleValue::new("smoke")],
            passing: vec![PossibleValue::new("health")],
            misplaced: (vec!["websocket".into()], "stands elsewhere"),
            open,
        };
        let takes = |open, name: &str| {
            let parsed = names(open).parse_ref(&Command::new("x"), None, name.as_ref());
            parsed.is_ok_and(|parsed| parsed == name)
        };
        for (name, closed, open) in [
            ("smoke", true, true),
            ("health", true, true),
            ("other", false, true),
            ("../other", false, false),
            ("websocket", false, false),
            ("", false, false),
        ] {
            assert_eq!(
                (takes(false, name), takes(true, name)),
                (closed, open),
                "{name}"
            );
        }
    }
}
