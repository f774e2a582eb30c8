//! The command line of `history`.

use std::path::{Path, PathBuf};

use clap::builder::TypedValueParser;
use clap::{Args, Subcommand};

use super::load_test::{given, path};
use super::output::MessageFormat;
use crate::config::ALL;

const AFTER: &str = "\
What it prints: for each series of comparable runs a table with a line for each
metric: its course, the newest value, the reference (the median of past runs),
the fence, and whether the value keeps within it; below, accepted changes and
changes of level. With --html the same as a page with a chart for each metric,
with --message-format json as data.

Examples:
  cargo xtask history                     every series
  cargo xtask history load missions       one of them
  cargo xtask history load --html         as history.html in the results
  cargo xtask history import ~/artifacts  import the runs of CI
  cargo xtask history accept HEAD missions --why \"they are validated now\"

The guide is load-tests/history.md.";

/// Arguments of `history`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_long_help = AFTER,
    after_help = "Examples and what it prints are in --help."
)]
pub struct History {
    /// Only runs of this profile.
    pub profile: Option<String>,

    /// Only this test.
    pub test: Option<String>,

    /// Write a page with one chart for each metric [default path: history.html in the results folder].
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = "", value_parser = page())]
    pub html: Option<PathBuf>,

    /// What standard output carries: a table for people, or JSON.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = MessageFormat::Human)]
    pub message_format: MessageFormat,

    /// Where the results are [default: load-tests/results].
    #[arg(long, value_name = "DIR", env = "TACHIKOMA_RESULTS", global = true, value_parser = path())]
    pub results: Option<PathBuf>,

    /// What to do instead of showing the history.
    #[command(subcommand)]
    pub action: Option<HistoryAction>,
}

/// What changes the history; it only ever grows.
#[derive(Debug, Subcommand)]
pub enum HistoryAction {
    /// Take over runs from folders of results, such as downloaded CI artifacts; what is known already is left out.
    Import {
        /// Folders that are searched for history.jsonl and run.json.
        #[arg(value_name = "DIR", required = true, value_parser = path())]
        dirs: Vec<PathBuf>,
    },
    /// Mark an intended change of performance: with this revision a new level begins. Prints the commit that brought it.
    Accept {
        /// The revision that brought the change; of a branch that was squashed, its last commit will do.
        #[arg(value_name = "REV")]
        revision: String,
        /// The tests that it changed; all if left out.
        #[arg(value_name = "TEST")]
        tests: Vec<String>,
        /// Why it is intended: read by everyone who looks at the history.
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        why: String,
    },
}

impl History {
    /// The results folder that is given, if one is.
    pub fn results(&self) -> Option<&Path> {
        given(self.results.as_ref())
    }

    /// Where the page is to be written, if one is wanted: by default beside the runs in `results`.
    pub fn page(&self, results: &Path) -> Option<PathBuf> {
        let html = self.html.as_ref()?;
        Some(if html.as_os_str().is_empty() {
            results.join("history.html")
        } else {
            html.clone()
        })
    }

    /// The tests to show; all if none is named.
    pub fn shows(&self, test: &str) -> bool {
        match self.test.as_deref() {
            None | Some(ALL) => true,
            Some(only) => only == test,
        }
    }
}

/// The page's path, or nothing for the default. Without the ending it is more likely a profile or a test.
fn page() -> impl TypedValueParser<Value = PathBuf> {
    path().try_map(|path| {
        let ends = |ending| path.extension().is_some_and(|its| its == ending);
        if path.as_os_str().is_empty() || ends("html") || ends("htm") {
            return Ok(path);
        }
        Err("the page's path ends in .html; give profile and test before --html")
    })
}

fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("say in a few words why the change is intended".into());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;
    use crate::cli::{Command, parse_from};
    use crate::config::testing::ours;

    fn parse(words: &[&str]) -> Result<History, clap::Error> {
        let words = ["xtask", "history"].iter().chain(words);
        match parse_from(Some(&ours()), words)?.command {
            Command::History(args) => Ok(args),
            other => panic!("not a history: {other:?}"),
        }
    }

    #[test]
    fn valid_command_lines() {
        let bare = parse(&[]).unwrap();
        assert!(bare.profile.is_none() && bare.test.is_none() && bare.html.is_none());
        assert!(bare.shows("health"));
        let one = parse(&["load", "missions", "--html"]).unwrap();
        assert_eq!(one.profile, Some("load".into()));
        assert!(one.shows("missions") && !one.shows("health"));
        let results = Path::new("r");
        assert_eq!(one.page(results), Some(results.join("history.html")));
        let page = parse(&["--html", "x.html", "--message-format", "json"]).unwrap();
        assert_eq!(page.page(results), Some("x.html".into()));
        assert_eq!(bare.page(results), None);
        let import = parse(&["import", "a", "b", "--results", "r"]).unwrap();
        assert_eq!(import.results(), Some(Path::new("r")));
        assert!(
            matches!(import.action, Some(HistoryAction::Import { dirs }) if dirs == [Path::new("a"), Path::new("b")])
        );
        let accept = parse(&["accept", "HEAD", "missions", "--why", "wanted"]).unwrap();
        assert!(matches!(
            accept.action,
            Some(HistoryAction::Accept { revision, tests, why })
                if revision == "HEAD" && tests == ["missions"] && why == "wanted"
        ));
    }

    #[test]
    fn invalid_command_lines() {
        for (words, kind) in [
            (vec!["lod"], ErrorKind::InvalidValue),
            (vec!["--html", "load"], ErrorKind::ValueValidation),
            (vec!["import"], ErrorKind::MissingRequiredArgument),
            (vec!["accept", "HEAD"], ErrorKind::MissingRequiredArgument),
            (
                vec!["accept", "HEAD", "--why", " "],
                ErrorKind::ValueValidation,
            ),
        ] {
            assert_eq!(parse(&words).expect_err("wrong").kind(), kind, "{words:?}");
        }
    }
}
