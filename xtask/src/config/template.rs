//! Texts of the table with placeholders for what is only known when a server is started.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;

/// What may stand between braces.
const PLACEHOLDERS: [&str; 7] = [
    "addr", "host", "port", "data_dir", "fixtures", "root", "api_key",
];

/// A text such as `--data={data_dir}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template(String);

/// A template without the key: arguments stand in the process list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Template")]
pub struct Argument(Template);

/// What the placeholders stand for.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// Where the server is to listen: `{addr}`, or `{host}` and `{port}`.
    pub address: SocketAddr,
    /// A fresh folder for its data.
    pub data_dir: &'a Path,
    /// What it serves.
    pub fixtures: &'a Path,
    /// The repository.
    pub root: &'a Path,
    /// The key.
    pub api_key: &'a str,
}

impl Template {
    /// One that is known to be right.
    pub fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text with `values` in place of its placeholders.
    pub fn fill(&self, values: &Values<'_>) -> OsString {
        let address = values.address;
        let mut out = OsString::new();
        for (before, name) in parts(&self.0) {
            out.push(before);
            match name {
                Some("addr") => out.push(address.to_string()),
                Some("host") => out.push(address.ip().to_string()),
                Some("port") => out.push(address.port().to_string()),
                Some("data_dir") => out.push(values.data_dir),
                Some("fixtures") => out.push(values.fixtures),
                Some("root") => out.push(values.root),
                Some("api_key") => out.push(values.api_key),
                _ => {}
            }
        }
        out
    }

    /// A text in which nothing but the key is filled in.
    pub fn is_of_key_alone(&self) -> bool {
        let mut names = parts(&self.0).filter_map(|(_, name)| name);
        names.all(|name| name == "api_key")
    }

    /// The text with the key filled in, for a header.
    pub fn with_key(&self, key: &str) -> String {
        self.0.replace("{api_key}", key)
    }
}

impl Argument {
    /// See [`Template::fill`].
    pub fn fill(&self, values: &Values<'_>) -> OsString {
        self.0.fill(values)
    }
}

/// The text in pieces: what stands before a placeholder, and its name, if there is one.
fn parts(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    text.split_inclusive('}')
        .map(|part| match part.split_once('{') {
            Some((before, name)) => (before, Some(name.trim_end_matches('}'))),
            None => (part, None),
        })
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.matches('{').count() != text.matches('}').count() {
            return Err(format!("`{text}` has an unmatched brace"));
        }
        let wrong = parts(&text)
            .filter_map(|(_, name)| name)
            .find(|name| !PLACEHOLDERS.contains(name));
        if let Some(wrong) = wrong {
            return Err(format!(
                "`{{{wrong}}}` is not a placeholder: the placeholders are {{{}}}",
                PLACEHOLDERS.join("}, {")
            ));
        }
        Ok(Self(text))
    }
}

impl TryFrom<Template> for Argument {
    type Error = &'static str;

    fn try_from(template: Template) -> Result<Self, Self::Error> {
        if template.0.contains("{api_key}") {
            return Err(
                "an argument with {api_key} would show the key in the process list: pass it in the environment",
            );
        }
        Ok(Self(template))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_every_place() {
        let values = Values {
            address: "[::1]:80".parse().unwrap(),
            data_dir: Path::new("/d"),
            fixtures: Path::new("/f"),
            root: Path::new("/r"),
            api_key: "k{addr}",
        };
        let template = Template::try_from(
            "{addr} {host} {port} {data_dir} {fixtures} {root} {api_key}.".to_owned(),
        );
        assert_eq!(
            template.unwrap().fill(&values),
            "[::1]:80 ::1 80 /d /f /r k{addr}."
        );
        assert_eq!(Template::of("plain").fill(&values), "plain");
    }
}
