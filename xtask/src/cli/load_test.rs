//! The command line of `load-test`, and what other commands share with it.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{StringValueParser, TypedValueParser};
use k6_summary::DEFAULT_MAX_EXCEPTIONS;

use super::output::Output;
use crate::config::{Config, DEFAULT_PROFILE};

/// Where load-tests/grafana/compose.yaml has Grafana.
pub const DEFAULT_GRAFANA_URL: &str = "http://localhost:3001";

/// The groups of options in the help of all commands.
pub(super) mod group {
    /// How much load there is.
    pub const LOAD: &str = "Load";
    /// Which server is tested.
    pub const SERVER: &str = "Server";
    /// What fails a test.
    pub const VERDICT: &str = "Verdict";
    /// What comes of it, and where it goes.
    pub const RESULTS: &str = "Results";
    /// The load generator.
    pub const K6: &str = "k6";
    /// Where it runs, if not here.
    pub const CLUSTER: &str = "Cluster";
}

const AFTER: &str = "\
Examples:
  cargo xtask load-test                  three tests for 30 s each, 1 user
  cargo xtask load-test missions         one of them, under the profile smoke
  cargo xtask load-test stress missions  19 minutes, up to 100 virtual users
  cargo xtask load-test stress missions --time-scale 0.02
                                         the same shape in 23 s
  cargo xtask load-test load all --base-url https://staging.example.org
                                         a server elsewhere
  cargo xtask load-test missions -- --vus 5 --http-debug
                                         with options of k6's own

Environment:
  API_KEY  the key for the server's protected routes, never taken from the
           command line [default: `key.default` of load-test.toml]

Exit codes:
  0            passed
  1            ran, and a threshold, a check or a comparison failed
  2            the command line is wrong
  3            could not run: k6, the server or the results folder is in the
               way, or k6 or its machine was at its limit
  129 130 143  interrupted by SIGHUP, Ctrl-C or SIGTERM

The guide is load-tests/README.md.";

/// Which load is made, and where it goes.
#[derive(Debug, Default, Args)]
pub struct Load {
    /// How much load, and for how long [default: smoke]. It may be left out: a test may come first.
    pub profile: Option<String>,

    /// Which tests, in this order [default: all].
    #[arg(value_name = "TEST")]
    pub tests: Vec<String>,

    /// Where it goes.
    #[command(flatten)]
    pub to: To,

    /// Multiplies every duration of the profile: 0.001 to 10.
    #[arg(help_heading = group::LOAD, long, value_name = "F", default_value = "1", value_parser = time_scale)]
    pub time_scale: f64,

    /// Multiplies the virtual users and rates of the profile: 0.01 to 10000.
    ///
    /// Results are rounded to whole numbers; what was above 0 stays at least 1.
    #[arg(help_heading = group::LOAD, long, value_name = "F", default_value = "1", value_parser = vus_scale)]
    pub vus_scale: f64,
}

/// Where load goes.
#[derive(Debug, Clone, Default, Args)]
pub struct To {
    /// Where the server is, or is to be started: port 0 takes a free one.
    #[arg(help_heading = group::SERVER, long, value_name = "URL", env = "BASE_URL")]
    pub base_url: Option<String>,

    /// Where WebSockets connect [default: derived from the base URL].
    #[arg(help_heading = group::SERVER, long, value_name = "URL", env = "WS_URL")]
    pub ws_url: Option<String>,
}

/// Arguments of `load-test`.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER, after_help = "Examples and exit codes are in --help.")]
pub struct LoadTest {
    /// Which load, and where to.
    #[command(flatten)]
    pub load: Load,

    /// How it is run and judged.
    #[command(flatten)]
    pub running: Running,

    /// What only a load test can do.
    #[command(flatten)]
    pub extra: Extra,
}

/// What only a load test can do.
#[derive(Debug, Args)]
pub struct Extra {
    /// Do not measure a test once more whose values are worse than their past.
    ///
    /// The first measurement alone then decides: a suspect fails the test at once.
    #[arg(help_heading = group::VERDICT, long, conflicts_with = "show_past")]
    pub no_confirm: bool,

    /// Sample where the server's CPU time goes, with perf or by itself, over the steady part of each test.
    ///
    /// That costs the server up to a fifth of its CPU time: such a run is no reference for later ones.
    #[arg(help_heading = group::RESULTS, long = "profile")]
    pub sample: bool,

    /// Open k6's own live dashboard in the browser, once for each test.
    #[arg(help_heading = group::RESULTS, long)]
    pub open: bool,

    /// Options of `k6 run`, k6's own, such as `--vus 5` or `--http-debug`, after `--`.
    ///
    /// `k6 run --help` lists them. One that changes the load, as `--vus` does, makes a run that is compared with no other.
    #[arg(last = true, value_name = "K6_ARGS", help_heading = group::K6)]
    pub k6_args: Vec<String>,
}

/// How load is run and judged, of all commands that find or start one server.
#[derive(Debug, Args)]
pub struct Running {
    /// Trust the certificates in this PEM file, and no others, for the server at an https address.
    ///
    /// k6 gets it as SSL_CERT_FILE. A certificate that signed itself may be its own authority.
    #[arg(help_heading = group::SERVER, long, value_name = "PATH", value_parser = path())]
    pub ca_cert: Option<PathBuf>,

    /// The share of all checks that must pass.
    #[arg(help_heading = group::VERDICT, long, value_name = "SHARE", default_value = "0.95", value_parser = share)]
    pub min_checks: f64,

    /// The share of iterations that may end with an exception of the script.
    ///
    /// By default that of requests which the specification lets fail.
    #[arg(help_heading = group::VERDICT, long, value_name = "SHARE", default_value_t = DEFAULT_MAX_EXCEPTIONS, value_parser = share)]
    pub max_exceptions: f64,

    /// Memory growth of the server, in MiB per hour, above which the test fails; `off` never fails.
    ///
    /// Judged over the steady part of a profile with a hold phase, if that is long enough to mean anything.
    #[arg(help_heading = group::VERDICT,
        long,
        value_name = "MIB_PER_HOUR",
        default_value = "64",
        allow_hyphen_values = true,
        value_parser = growth_bound
    )]
    pub max_memory_growth: GrowthBound,

    /// Never start a server: fail if none is healthy.
    #[arg(help_heading = group::SERVER, long)]
    pub no_start_server: bool,

    /// Start this program as the server instead of building it.
    #[arg(help_heading = group::SERVER,
        long,
        value_name = "PATH",
        env = "TACHIKOMA_SERVER_BIN",
        value_parser = path()
    )]
    pub server_bin: Option<PathBuf>,

    /// Sample the memory and CPU of this local process, for a server that was already running.
    #[arg(help_heading = group::SERVER, long, value_name = "PID", value_parser = process)]
    pub server_pid: Option<u32>,

    /// The server is yours to load, though its address is public: nobody is asked about more than 10 virtual users.
    #[arg(help_heading = group::SERVER, long)]
    pub yes: bool,

    /// Wait while another run holds the server or port, instead of failing.
    #[arg(help_heading = group::SERVER, long)]
    pub wait: bool,

    /// Show how values compare with past runs, and let nothing fail for it.
    ///
    /// For nights whose verdict comes from `cargo xtask compare`, which sees more on machines that differ.
    #[arg(help_heading = group::VERDICT, long)]
    pub show_past: bool,

    /// Judge durations even if other programs take a third or more of this machine's CPU time and leave none idle.
    ///
    /// Without it they fail no test then, which could not be measured (exit code 3).
    #[arg(help_heading = group::VERDICT, long)]
    pub judge_when_busy: bool,

    /// Send k6's metrics, the server's use of the machine and the verdicts to this Prometheus.
    ///
    /// It must take remote write; load-tests/grafana starts one, with dashboards.
    #[arg(help_heading = group::RESULTS, long, value_name = "URL", env = "TACHIKOMA_PROMETHEUS")]
    pub prometheus: Option<String>,

    /// Where Grafana shows what Prometheus has, for the link.
    #[arg(help_heading = group::RESULTS, long, value_name = "URL", env = "TACHIKOMA_GRAFANA", default_value = DEFAULT_GRAFANA_URL)]
    pub grafana: String,

    /// Where the results go, and what is printed.
    #[command(flatten)]
    pub output: Output,

    /// Options for finding k6.
    #[command(flatten)]
    pub k6: FindK6,
}

/// How to find k6.
#[derive(Debug, Default, Args)]
pub struct FindK6 {
    /// Use this k6.
    #[arg(help_heading = group::K6, long = "k6", value_name = "PATH", env = "K6_BIN", global = true, value_parser = path())]
    pub k6_bin: Option<PathBuf>,

    /// Never install k6: fail if none is found.
    #[arg(help_heading = group::K6, long, global = true)]
    pub no_install: bool,
}

/// The bound on memory growth: MiB per hour, or `None` for none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GrowthBound(pub Option<f64>);

impl Load {
    /// Whether a profile is named.
    pub fn names_profile(&self, config: &Config) -> bool {
        let first = self.profile.as_deref();
        first.is_some_and(|profile| !config.is_test(profile))
    }

    /// The profile that is named. Where a test stands in its place, that is the first of the tests.
    pub fn profile(&self, config: &Config) -> &str {
        match self.profile.as_deref() {
            Some(profile) if self.names_profile(config) => profile,
            _ => DEFAULT_PROFILE,
        }
    }

    /// The tests that are named, as typed; none stands for the default ones.
    pub fn tests(&self, config: &Config) -> Vec<String> {
        let first = self.profile.iter().filter(|name| config.is_test(name));
        first.chain(&self.tests).cloned().collect()
    }
}

impl Default for Running {
    /// As if nothing were said.
    fn default() -> Self {
        Self {
            ca_cert: None,
            min_checks: 0.95,
            max_exceptions: DEFAULT_MAX_EXCEPTIONS,
            max_memory_growth: GrowthBound(Some(64.0)),
            no_start_server: false,
            server_bin: None,
            server_pid: None,
            yes: false,
            wait: false,
            show_past: false,
            judge_when_busy: false,
            prometheus: None,
            grafana: DEFAULT_GRAFANA_URL.into(),
            output: Output::default(),
            k6: FindK6::default(),
        }
    }
}

impl Running {
    /// The server binary that is given, if one is.
    pub fn server_bin(&self) -> Option<&Path> {
        given(self.server_bin.as_ref())
    }
}

/// A path, in UTF-8 since it is said and written down; an empty one is let through, for a variable that is set to nothing
/// counts as not set.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    StringValueParser::new().map(PathBuf::from)
}

fn process(text: &str) -> Result<u32, String> {
    let wrong = "a process is named by its number, as `pgrep` prints it";
    text.parse().map_err(|_| wrong.to_owned())
}

/// The path that is given; an empty one counts as not set.
pub(super) fn given(path: Option<&PathBuf>) -> Option<&Path> {
    path.map(PathBuf::as_path)
        .filter(|path| !path.as_os_str().is_empty())
}

/// A value within `range`; else `wrong`, in words.
pub(super) fn within<T: PartialOrd>(
    value: Option<T>,
    range: RangeInclusive<T>,
    wrong: &str,
) -> Result<T, String> {
    let value = value.filter(|value| range.contains(value));
    value.ok_or_else(|| wrong.to_owned())
}

fn time_scale(text: &str) -> Result<f64, String> {
    let wrong = "the time scale is a number from 0.001 to 10, such as 0.1 for a tenth of the time";
    within(text.parse().ok(), 0.001..=10.0, wrong)
}

fn vus_scale(text: &str) -> Result<f64, String> {
    let wrong = "the scale of the virtual users is a number from 0.01 to 10000, such as 10 for ten times as many";
    within(text.parse().ok(), 0.01..=10_000.0, wrong)
}

fn share(text: &str) -> Result<f64, String> {
    let wrong = "a share is a number from 0 to 1, such as 0.95 for 95 %";
    within(text.parse().ok(), 0.0..=1.0, wrong)
}

fn growth_bound(text: &str) -> Result<GrowthBound, String> {
    match (text, text.parse::<f64>()) {
        ("off", _) => Ok(GrowthBound(None)),
        (_, Ok(bound)) if bound > 0.0 && bound.is_finite() => Ok(GrowthBound(Some(bound))),
        _ => Err("the bound is a positive number of MiB per hour, or `off`".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;
    use crate::cli::{Command, command, parse_from};
    use crate::config::testing::ours;

    fn parse(line: &str) -> Result<LoadTest, clap::Error> {
        let words = std::iter::once("xtask").chain(line.split_whitespace());
        match parse_from(Some(&ours()), words)?.command {
            Command::LoadTest(args) => Ok(*args),
            _ => panic!("not a load test: {line}"),
        }
    }

    #[test]
    fn definition_is_sound() {
        command(None).debug_assert();
        command(Some(&ours())).debug_assert();
    }

    #[test]
    fn valid_command_lines() {
        let bare = parse("load-test").unwrap();
        let config = ours();
        assert_eq!(bare.load.profile(&config), "smoke");
        assert!(bare.load.tests(&config).is_empty());
        let load = parse("load-test smoke health websocket").unwrap().load;
        assert_eq!(load.tests(&config), ["health", "websocket"]);
        let load = parse("load-test missions all").unwrap().load;
        assert_eq!(load.profile(&config), "smoke");
        assert_eq!(load.tests(&config), ["missions", "all"]);
        let args = parse("load-test stress missions --time-scale 0.02 --vus-scale 1e4 -- --vus 3")
            .unwrap();
        assert_eq!(args.load.profile(&config), "stress");
        assert_eq!(
            (args.load.time_scale, args.load.vus_scale),
            (0.02, 10_000.0)
        );
        assert_eq!(args.extra.k6_args, ["--vus", "3"]);
        let (plain, said) = (Running::default(), &bare.running);
        assert_eq!(
            (
                plain.min_checks,
                plain.max_exceptions,
                plain.max_memory_growth
            ),
            (said.min_checks, said.max_exceptions, said.max_memory_growth)
        );
        assert_eq!(
            parse("load-test --max-memory-growth off")
                .unwrap()
                .running
                .max_memory_growth,
            GrowthBound(None)
        );
    }

    #[test]
    fn a_path_that_is_not_utf_8_is_refused() {
        let odd = std::os::unix::ffi::OsStringExt::from_vec(b"/tmp/\xff".to_vec());
        for line in [
            "load-test --results",
            "load-test --junit",
            "load-test --k6",
            "load-test --server-bin",
            "load-test --ca-cert",
            "load-test smoke",
            "load-test -- --out",
            "history import",
            "history --html",
            "report",
            "report --results",
            "compare --replay",
        ] {
            let words = std::iter::once("xtask").chain(line.split(' '));
            let words = words
                .map(std::ffi::OsString::from)
                .chain([std::ffi::OsString::clone(&odd)]);
            let error = parse_from(Some(&ours()), words).expect_err(line);
            assert_eq!(
                (error.kind(), error.exit_code()),
                (ErrorKind::InvalidUtf8, 2)
            );
        }
    }

    #[test]
    fn invalid_command_lines() {
        for (line, kind, hint) in [
            (
                "load-test strss",
                ErrorKind::InvalidValue,
                "similar value exists: 'stress'",
            ),
            (
                "load-test misions",
                ErrorKind::InvalidValue,
                "similar value exists: 'missions'",
            ),
            (
                "load-test smoke mission",
                ErrorKind::InvalidValue,
                "missions",
            ),
            (
                "load-test --time-scale 0",
                ErrorKind::ValueValidation,
                "0.001 to 10",
            ),
            (
                "load-test --time-scale NaN",
                ErrorKind::ValueValidation,
                "0.001 to 10",
            ),
            (
                "load-test --vus-scale 0",
                ErrorKind::ValueValidation,
                "0.01 to 10000",
            ),
            (
                "load-test --vus-scale 10001",
                ErrorKind::ValueValidation,
                "0.01 to 10000",
            ),
            (
                "load-test --vus-scale ten",
                ErrorKind::ValueValidation,
                "0.01 to 10000",
            ),
            (
                "load-test --min-checks 95",
                ErrorKind::ValueValidation,
                "0.95",
            ),
            (
                "load-test --max-memory-growth -1",
                ErrorKind::ValueValidation,
                "positive",
            ),
            ("load-tset", ErrorKind::InvalidSubcommand, "load-test"),
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.kind(), kind, "{line}");
            assert!(error.to_string().contains(hint), "{line}: {error}");
        }
    }
}
