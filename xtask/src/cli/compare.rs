//! The command line of `compare`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::capacity::{duration, load, resolution};
use super::load_test::{FindK6, group, path, within};
use super::output::Output;
use crate::record::Kind;

const AFTER: &str = "\
What it prints: whether head is worse, and why; for each test a table of the
metrics that are worse, with --verbose of all: base, head, the change, the
interval in which it lies with 95 % certainty, p and the floor; and the
functions that take more or less CPU time. The results folder has everything,
as report.html and compare.json.

Examples:
  cargo xtask compare missions              uncommitted changes, or this branch,
                                            against where it began
  cargo xtask compare --base v1.2.0 health specs
                                            against a release
  cargo xtask compare missions --calibrate  this machine's noise: head against
                                            itself
  cargo xtask compare missions --capacity   how many users each side takes
  cargo xtask compare --floor p95=20% \\
    --replay load-tests/results/2026-01-01T02-00-00Z-compare/blocks.json
                                            judge recorded pairs again

Exit codes:
  0            compared, and nothing is worse
  1            compared, and something is worse
  2            the command line is wrong: an unknown revision, too few pairs
  3            could not compare: a revision does not build, or k6 or the
               results folder was not usable
  129 130 143  interrupted by SIGHUP, Ctrl-C or SIGTERM; the pairs so far are
               kept

The guide is load-tests/comparing.md.";

/// What is compared.
const SIDES: &str = "Sides";
/// How it is measured.
const MEASURING: &str = "Measuring";
/// How capacities are searched for.
const CAPACITY: &str = "Capacity";

/// Arguments of `compare`.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER, after_help = "Examples, exit codes and what it prints are in --help.")]
pub struct Compare {
    /// Which tests [default: all].
    #[arg(value_name = "TEST")]
    pub tests: Vec<String>,

    /// The revision to compare with [default: where this branch left the main one; on the main one, the last commit, or the one before it if nothing is uncommitted].
    #[arg(help_heading = SIDES, long, value_name = "REV", conflicts_with_all = ["base_bin", "calibrate", "replay"])]
    pub base: Option<String>,

    /// The revision that is judged [default: the working tree, uncommitted changes included].
    #[arg(help_heading = SIDES, long, value_name = "REV", conflicts_with_all = ["head_bin", "replay"])]
    pub head: Option<String>,

    /// This server program is the base.
    #[arg(help_heading = SIDES, long, value_name = "PATH", conflicts_with_all = ["calibrate", "replay"], value_parser = path())]
    pub base_bin: Option<PathBuf>,

    /// This server program is the head.
    #[arg(help_heading = SIDES, long, value_name = "PATH", conflicts_with = "replay", value_parser = path())]
    pub head_bin: Option<PathBuf>,

    /// How many pairs are measured of each test at most: fresh servers of both sides each time. Clear cases end earlier
    /// [default: 60; of capacities about as few as can show anything, 7 of one test].
    #[arg(help_heading = MEASURING, long, value_name = "N")]
    pub pairs: Option<usize>,

    /// Measure all pairs, even if the first ones decide: what is added up from night to night is measured as exactly each
    /// time.
    #[arg(help_heading = MEASURING, long, conflicts_with = "replay")]
    pub all_pairs: bool,

    /// How long a pair is measured, as in `2s`; for a test that opens WebSockets how long k6 makes its load, and never
    /// shorter than an iteration.
    #[arg(help_heading = MEASURING, long, value_name = "DURATION", default_value = DEFAULT_BLOCK, value_parser = block)]
    pub block: Duration,

    /// How many virtual users open WebSockets.
    #[arg(help_heading = MEASURING, long, value_name = "N", default_value_t = DEFAULT_VUS, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub vus: u64,

    /// Draws the order in which the servers are asked [default: a new one, printed].
    #[arg(help_heading = MEASURING, long, value_name = "N")]
    pub seed: Option<u64>,

    /// The relative change up to which a kind of metric is never reported, as in `p95=10%`: median, p95, cpu, memory,
    /// bytes, instructions or capacity.
    #[arg(help_heading = group::VERDICT, long, value_name = "KIND=PERCENT", value_parser = floor)]
    pub floor: Vec<(Kind, f64)>,

    /// Whether valgrind counts the instructions of each route too, which takes a minute or two for each test; with
    /// `--calibrate` only if this is `on`.
    #[arg(help_heading = MEASURING, long, value_enum, default_value_t = Use::Auto)]
    pub instructions: Use,

    /// Whether perf looks for the functions that make a test worse or better, which takes half a minute for each; it
    /// changes no verdict. Where perf is not allowed to sample both sides are built once more and sample themselves.
    #[arg(help_heading = MEASURING, long, value_enum, default_value_t = Use::Auto)]
    pub profile: Use,

    /// Compare the highest load that either side withstands, in pairs of searches, each side alone on the machine.
    #[arg(help_heading = CAPACITY, long, conflicts_with_all = ["all_pairs", "block", "vus", "instructions", "profile", "calibrate", "replay"])]
    pub capacity: bool,

    /// Count iterations that begin each second, whether or not others have ended, and not virtual users.
    #[arg(help_heading = CAPACITY, long, requires = "capacity")]
    pub rate: bool,

    /// How exactly each search finds the capacity: 1% to 50%. Smaller changes are not reported, unless --floor says so.
    #[arg(help_heading = CAPACITY, long, value_name = "SHARE", default_value = "5%", value_parser = resolution, requires = "capacity")]
    pub resolution: f64,

    /// How long a step makes its load [default: 10s, and twice the longest iteration where that is longer].
    #[arg(help_heading = CAPACITY, long, value_name = "DURATION", value_parser = duration, requires = "capacity")]
    pub step: Option<Duration>,

    /// The first load of a rough search on the base; the pairs begin near what that finds.
    #[arg(help_heading = CAPACITY, long, value_name = "LOAD", default_value = "10", value_parser = load(), requires = "capacity")]
    pub start: u64,

    /// How long all pairs of all tests may take; if that is too short nothing is judged.
    #[arg(help_heading = CAPACITY, long, value_name = "DURATION", default_value = "1h", value_parser = duration, requires = "capacity")]
    pub budget: Duration,

    /// Judge durations even if other programs take a third or more of this machine's CPU time and leave none idle.
    #[arg(help_heading = CAPACITY, long, requires = "capacity")]
    pub judge_when_busy: bool,

    /// Judge the recorded pairs of an earlier comparison again; nothing is measured.
    #[arg(help_heading = SIDES, long, value_name = "FILE", value_parser = path())]
    pub replay: Option<PathBuf>,

    /// Compare head with itself: how often is there a false alarm here, and what would be found? With `--replay`, of
    /// recorded pairs of one program.
    #[arg(help_heading = SIDES, long)]
    pub calibrate: bool,

    /// Where the results go, and what is printed.
    #[command(flatten)]
    pub output: Output,

    /// Options for finding k6.
    #[command(flatten)]
    pub k6: FindK6,
}

/// Whether a program is used that not every machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Use {
    /// If it is there.
    Auto,
    /// Yes.
    On,
    /// No.
    Off,
}

/// Pairs and their length that see most within five minutes on two cores; load-tests/comparing.md has the measurements.
pub const DEFAULT_PAIRS: usize = 60;
const DEFAULT_BLOCK: &str = "1500ms";
const DEFAULT_VUS: u64 = 50;

fn block(text: &str) -> Result<Duration, String> {
    let possible = Duration::from_millis(200)..=Duration::from_secs(600);
    let wrong = "a pair takes from 200ms to 10m, as in `2s`";
    within(humantime::parse_duration(text).ok(), possible, wrong)
}

fn floor(text: &str) -> Result<(Kind, f64), String> {
    let wrong = || {
        "a floor is a kind and a percentage, as in `p95=10%`; the kinds are median, p95, cpu, memory, bytes, instructions, capacity"
            .to_owned()
    };
    let (kind, share) = text.split_once('=').ok_or_else(wrong)?;
    let share: f64 = share
        .trim_end_matches('%')
        .trim()
        .parse()
        .map_err(|_| wrong())?;
    match Kind::from_str(kind, false) {
        Ok(kind) if share.is_finite() && share >= 0.0 => Ok((kind, share / 100.0)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;
    use crate::cli::{Command, parse_from};
    use crate::config::testing::ours;

    fn parse(line: &str) -> Result<Compare, clap::Error> {
        let words = std::iter::once("xtask").chain(line.split_whitespace());
        match parse_from(Some(&ours()), words)?.command {
            Command::Compare(args) => Ok(*args),
            _ => panic!("not a comparison: {line}"),
        }
    }

    #[test]
    fn valid_command_lines() {
        let args = parse("compare missions --base HEAD~3 --block 4s --floor p95=20% --floor cpu=1")
            .unwrap();
        assert_eq!(args.block, Duration::from_secs(4));
        assert_eq!(args.floor, [(Kind::P95, 0.2), (Kind::Cpu, 0.01)]);
        assert!(parse("compare --calibrate --head-bin server").is_ok());
        let args = parse("compare missions --capacity --rate --resolution 10%").unwrap();
        assert!(args.capacity && args.rate && args.pairs.is_none());
        assert_eq!((args.resolution, args.start), (0.1, 10));
    }

    #[test]
    fn invalid_command_lines() {
        for (line, kind, hint) in [
            (
                "compare --floor p99=1%",
                ErrorKind::ValueValidation,
                "median",
            ),
            ("compare --block 1h", ErrorKind::ValueValidation, "10m"),
            (
                "compare --replay f --base x",
                ErrorKind::ArgumentConflict,
                "--base",
            ),
            ("compare mission", ErrorKind::InvalidValue, "missions"),
            (
                "compare --rate",
                ErrorKind::MissingRequiredArgument,
                "--capacity",
            ),
            (
                "compare --capacity --block 2s",
                ErrorKind::ArgumentConflict,
                "--block",
            ),
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.kind(), kind, "{line}");
            assert!(error.to_string().contains(hint), "{line}: {error}");
        }
    }
}
