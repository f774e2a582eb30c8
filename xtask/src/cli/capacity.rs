//! The command line of `capacity`.

use std::time::Duration;

use clap::Args;
use clap::builder::TypedValueParser;

use super::load_test::{Running, To, group, within};

const AFTER: &str = "\
What it does: the load is doubled from --start until a threshold, a check or
a rule of evidence of the test breaks, twice; what lies between is narrowed by
steps that chance cannot mislead; the load just below the edge is made for
longer, and the one just above it once more. Each step has a fresh server if
servers are started here.

Examples:
  cargo xtask capacity missions           how many users at once, in 10 min
  cargo xtask capacity missions --rate    how many iterations a second
  cargo xtask capacity health specs --budget 20m --resolution 10%
                                          two numbers, 10 min for each

Exit codes:
  0            a number was found, or a load that is held at least
  1            no load is held, the server broke, or the number is below what
               past runs let expect
  2            the command line is wrong
  3            could not measure: k6, the server or the results folder is in
               the way, or the time was too short for any answer
  129 130 143  interrupted by SIGHUP, Ctrl-C or SIGTERM; what is known by then
               is kept and said

The guide is load-tests/capacity.md.";

/// Arguments of `capacity`.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER, after_help = "Examples, exit codes and what it does are in --help.")]
pub struct Capacity {
    /// Which tests, one after the other [default: all].
    #[arg(value_name = "TEST")]
    pub tests: Vec<String>,

    /// How it is searched for.
    #[command(flatten)]
    pub search: Search,

    /// Where the load goes.
    #[command(flatten)]
    pub to: To,

    /// How steps are run and judged.
    #[command(flatten)]
    pub running: Running,
}

/// How the capacity is searched for.
#[derive(Debug, Clone, Args)]
pub struct Search {
    /// Count iterations that begin each second, whether or not others have ended, and not virtual users.
    ///
    /// Users wait for their answers before they go on, and ask a slow server less; a rate does not.
    #[arg(help_heading = group::LOAD, long)]
    pub rate: bool,

    /// How wide the interval with the edge may be, relative to its lower end: 1% to 50%.
    #[arg(help_heading = group::LOAD, long, value_name = "SHARE", default_value = "5%", value_parser = resolution)]
    pub resolution: f64,

    /// How long the search may take, for all tests together: it is shared evenly.
    #[arg(help_heading = group::LOAD, long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    pub budget: Duration,

    /// How long the load just below the edge is made in the end.
    #[arg(help_heading = group::LOAD, long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub confirm: Duration,

    /// How long a step makes its load [default: 10s, and twice the longest iteration where that is longer].
    #[arg(help_heading = group::LOAD, long, value_name = "DURATION", value_parser = duration)]
    pub step: Option<Duration>,

    /// The first load: virtual users, or iterations a second.
    #[arg(help_heading = group::LOAD, long, value_name = "LOAD", default_value = "10", value_parser = load())]
    pub start: u64,
}

pub(super) fn load() -> impl TypedValueParser<Value = u64> {
    clap::value_parser!(u64).range(1..=50_000)
}

pub(super) fn resolution(text: &str) -> Result<f64, String> {
    let percent = text.strip_suffix('%').map(str::trim);
    let share = percent.and_then(|number| Some(number.parse::<f64>().ok()? / 100.0));
    let wrong = "the resolution is a percentage from 1% to 50%, as in `5%`";
    within(share, 0.01..=0.5, wrong)
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let possible = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
    let wrong = "a time from 1s to 24h, as in `90s` or `10m`";
    within(humantime::parse_duration(text).ok(), possible, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Command, parse_from};
    use crate::config::testing::ours;

    fn parse(line: &str) -> Result<Capacity, clap::Error> {
        let words = ["xtask", "capacity"]
            .into_iter()
            .chain(line.split_whitespace());
        match parse_from(Some(&ours()), words)?.command {
            Command::Capacity(args) => Ok(*args),
            _ => panic!("not a search: {line}"),
        }
    }

    #[test]
    fn what_is_searched_for_and_how_long() {
        let bare = parse("").unwrap();
        assert!(bare.tests.is_empty() && !bare.search.rate);
        assert_eq!((bare.search.resolution, bare.search.start), (0.05, 10));
        assert_eq!(bare.search.budget, Duration::from_secs(600));
        let args =
            parse("missions --rate --resolution 12.5% --base-url http://127.0.0.1:0").unwrap();
        assert!(args.search.rate && args.to.base_url.is_some());
        assert_eq!(args.search.resolution, 0.125);
        for (wrong, hint) in [
            ("mission", "missions"),
            ("--resolution 0.05", "as in `5%`"),
            ("--resolution 60%", "1% to 50%"),
            ("--budget 10", "1s to 24h"),
            ("--start 0", "1..=50000"),
            ("--no-confirm", "--no-confirm"),
        ] {
            let error = parse(wrong).expect_err(wrong);
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(hint), "{wrong}: {error}");
        }
    }
}
