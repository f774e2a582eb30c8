//! How many instructions the server takes for a request, by valgrind's callgrind: a figure of the work done that no
//! neighbour on the machine changes, and that says in which functions it is done.
//!
//! Both servers run in callgrind, freshly started, warmed up without counting, and are asked the same at the same time. The
//! requests of each route stand together, and the counts are read between them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use load_duet::script::Script;
use load_stats::decide::Rule;

use super::bench::{Bench, Broken};
use super::duet::TOO_MANY_FAILED;
use crate::cli::Use;
use crate::error::UsageError;
use crate::profile::{NAMED, readable};
use crate::record::{Function, Measure, Pair, Side};
use crate::server::Server;
use crate::shell::{self, cmd, interrupt};

/// What this may take of the comparison's false alarms, over all routes of all tests.
pub const LEVEL: f64 = 0.0005;
/// Pairs that an interval of about a percent takes.
const FEWEST_PAIRS: usize = 12;
/// Requests of the recording that are asked, once to warm up and once to be counted.
const REQUESTS: usize = 100;
/// How long the instructions of a test may take: some ten times what they take as a rule, and the verdict waits for them.
pub const COUNTING_LIMIT: Duration = Duration::from_secs(600);
/// How long valgrind may take to do what it is told.
const LIMIT: Duration = Duration::from_secs(60);
/// How the names of what lies beside a wrapped program end.
const COUNTS: &str = "counts";
const PIPES: &str = "pipes";

/// The rule for the routes' instructions.
pub fn rule(planned: usize) -> Rule {
    Rule {
        alpha: LEVEL,
        ..Rule::of(planned)
    }
}

/// How many pairs it takes to judge the instructions of `routes` routes.
pub fn pairs(routes: usize) -> usize {
    rule(0).fewest_pairs(routes).max(FEWEST_PAIRS)
}

/// The counter.
#[derive(Debug)]
pub struct Callgrind {
    valgrind: PathBuf,
    vgdb: PathBuf,
}

/// Instructions by function, for one request.
type Functions = BTreeMap<String, f64>;

/// What both sides' functions took for a request of each route, over all pairs.
#[derive(Debug, Default)]
pub struct Profile(BTreeMap<usize, BTreeMap<String, [f64; 2]>>);

impl Callgrind {
    /// Finds it, if it is wanted; `None` with `auto` where it is not installed.
    ///
    /// # Errors
    /// A [`UsageError`] if it is wanted and not installed.
    pub fn find(wanted: Use) -> Result<Option<Self>, UsageError> {
        let found = || {
            let valgrind = which::which("valgrind").ok()?;
            let vgdb = which::which("vgdb").ok()?;
            Some(Self { valgrind, vgdb })
        };
        match (wanted, found()) {
            (Use::Off, _) | (Use::Auto, None) => Ok(None),
            (_, Some(found)) => Ok(Some(found)),
            (Use::On, None) => Err(UsageError(
                "--instructions on needs valgrind, which is not installed: `apt-get install valgrind` or `dnf install valgrind` installs it".into(),
            )),
        }
    }

    /// A program that runs `program` in here, as a file in `dir` that is called `name`. Its counts, and the pipes through
    /// which it is told what to do, lie beside it.
    fn wrap(&self, program: &Path, dir: &Path, name: &str) -> anyhow::Result<PathBuf> {
        let quoted =
            |path: &Path| format!("'{}'", path.display().to_string().replace('\'', "'\\''"));
        let wrapper = dir.join(name);
        let script = format!(
            "#!/bin/sh\nexec {} --quiet --tool=callgrind --trace-children=yes --instr-atstart=no --compress-strings=no --callgrind-out-file={}.%p --vgdb-prefix={} {} \"$@\"\n",
            quoted(&self.valgrind),
            // There a percent sign begins a variable.
            quoted(&wrapper.with_extension(COUNTS)).replace('%', "%%"),
            quoted(&wrapper.with_extension(PIPES)),
            quoted(program),
        );
        std::fs::write(&wrapper, script)
            .and_then(|()| {
                std::fs::set_permissions(
                    &wrapper,
                    std::os::unix::fs::PermissionsExt::from_mode(0o755),
                )
            })
            .with_context(|| format!("failed to write {}", wrapper.display()))?;
        Ok(wrapper)
    }

    /// Has the valgrind of a server that `wrapper` started do something.
    fn tell(&self, server: &Server, wrapper: &Path, what: &[&str]) -> anyhow::Result<()> {
        let (sh, vgdb) = (shell::here()?, &self.vgdb);
        let pid = format!("--pid={}", server.pid()?);
        let pipes = format!("--vgdb-prefix={}", wrapper.with_extension(PIPES).display());
        let failure = format!("vgdb {} failed", what.join(" "));
        shell::output(cmd!(sh, "{vgdb} {pid} {pipes} {what...}"), LIMIT, &failure)?;
        Ok(())
    }
}

impl Bench<'_> {
    /// Counts the instructions of a pair, and adds what its functions took to `profile`.
    ///
    /// # Errors
    /// If a server does not start or end its answers, valgrind cannot be told what to do, or an interruption arrives.
    pub fn instructions(
        &self,
        callgrind: &Callgrind,
        test: &str,
        script: &Script,
        until: Instant,
        profile: &mut Profile,
    ) -> anyhow::Result<Pair> {
        let place =
            tempfile::tempdir_in(self.scratch).context("failed to create a folder for valgrind")?;
        let wrap =
            |side: Side| callgrind.wrap(self.programs[side as usize], place.path(), side.name());
        let wrappers = [wrap(Side::Base)?, wrap(Side::Head)?];
        let name = format!("{test}-instructions");
        let mut both = self.start_both(&name, wrappers.each_ref().map(PathBuf::as_path))?;
        let mut duet = both.duet(script, 0)?;
        let is_over = || interrupt::check().is_err() || Instant::now() >= until;
        let in_time = || {
            interrupt::check()?;
            anyhow::ensure!(
                Instant::now() < until,
                "counting took more than {} min: `--instructions off` does without",
                COUNTING_LIMIT.as_secs() / 60
            );
            anyhow::Ok(())
        };
        duet.play(|tally| tally.requests >= REQUESTS as u64 || is_over());
        in_time()?;
        both.check().map_err(|Broken { side, why }| {
            anyhow::anyhow!(
                "the server of {} does not run under valgrind: {why}",
                side.name()
            )
        })?;
        for (server, wrapper) in both.servers.iter().zip(&wrappers) {
            callgrind.tell(server, wrapper, &["instrumentation", "on"])?;
            callgrind.tell(server, wrapper, &["zero"])?;
        }
        let mut pair = Pair {
            lacking: BTreeMap::new(),
            ..lacking(test, script, "")
        };
        let mut parts = 0;
        duet.play_by_route(REQUESTS, is_over, |route, tally| {
            in_time()?;
            parts += 1;
            let requests = tally.requests as f64;
            let mut counted = Vec::new();
            for (server, wrapper) in both.servers.iter().zip(&wrappers) {
                callgrind.tell(server, wrapper, &["dump"])?;
                let counts = wrapper.with_extension(COUNTS);
                let path = format!("{}.{}.{parts}", counts.display(), server.pid()?);
                let text = std::fs::read_to_string(&path)
                    .with_context(|| format!("failed to read {path}"))?;
                counted.push(functions(&text, requests));
            }
            let measure = Measure::instructions(&script.routes[route]);
            let [base, head] = tally.failed;
            if base.max(head) as f64 >= TOO_MANY_FAILED * requests {
                let why =
                    format!("of {requests} requests {base} failed in base and {head} in head");
                pair.lacking.insert(measure, why);
                return Ok(());
            }
            for ((block, functions), at) in [&mut pair.base, &mut pair.head]
                .into_iter()
                .zip(counted)
                .zip(0..)
            {
                block.requests += tally.requests;
                block
                    .values
                    .insert(measure.clone(), functions.values().sum());
                for (name, count) in functions {
                    profile.0.entry(route).or_default().entry(name).or_default()[at] += count;
                }
            }
            anyhow::Ok(())
        })?;
        in_time()?;
        both.stop();
        Ok(pair)
    }
}

/// A pair of which nothing could be counted.
pub fn lacking(test: &str, script: &Script, why: &str) -> Pair {
    let routes = script.load.iter().map(|step| &script.routes[step.route]);
    Pair {
        test: test.into(),
        lacking: routes
            .map(|route| (Measure::instructions(route), why.to_owned()))
            .collect(),
        ..Pair::default()
    }
}

impl Profile {
    /// The functions of each route that take the most more of a request in the head, in the mean of `pairs` pairs.
    pub fn grown(self, test: &str, script: &Script, pairs: usize) -> Vec<Function> {
        let of_route = |(route, functions): (usize, BTreeMap<String, [f64; 2]>)| {
            let mut all: Vec<Function> = functions
                .into_iter()
                .map(|(name, sums)| {
                    let [base, head] = sums.map(|sum| sum / pairs.max(1) as f64);
                    Function {
                        test: test.into(),
                        metric: Measure::instructions(&script.routes[route]),
                        name,
                        base,
                        head,
                    }
                })
                .filter(|function| function.head > function.base)
                .collect();
            all.sort_by(|a, b| (b.head - b.base).total_cmp(&(a.head - a.base)));
            all.truncate(NAMED);
            all
        };
        self.0.into_iter().flat_map(of_route).collect()
    }
}

/// What each function took itself for one of `requests`.
///
/// Source: <https://valgrind.org/docs/manual/cl-format.html>.
fn functions(text: &str, requests: f64) -> Functions {
    let mut functions = Functions::new();
    let mut name = String::new();
    let mut is_call = false;
    for line in text.lines() {
        if let Some(function) = line.strip_prefix("fn=") {
            name = readable(function);
        } else if line.starts_with("calls=") {
            // What follows is what the called function took.
            is_call = true;
        } else if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
            let count = line
                .split_whitespace()
                .nth(1)
                .and_then(|count| count.parse::<f64>().ok());
            if let Some(count) = count.filter(|_| !std::mem::take(&mut is_call)) {
                *functions.entry(name.clone()).or_default() += count / requests;
            }
        }
    }
    functions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_take_what_stands_in_their_own_lines() {
        let text = "positions: line\nevents: Ir\nsummary: 130\n\nfl=a.c\nfn=a::b::h0123456789abcdef\n0 60\n+3 20\ncfn=c\ncalls=2 +35\n* 40\n* 10\n\nfn=c\n12 40\n\ntotals: 130\n";
        let found = functions(text, 10.0);
        assert_eq!(
            found,
            BTreeMap::from([("a::b".into(), 9.0), ("c".into(), 4.0)])
        );
    }

    #[test]
    fn the_functions_that_grew_most_are_named() {
        let mut script = Script::default();
        script.routes = vec!["create".into(), "list".into()];
        let functions = (0..9).map(|nth| {
            let base = f64::from(nth) * 10.0;
            (
                format!("f{nth}"),
                [base, base * if nth == 8 { 0.5 } else { 1.2 }],
            )
        });
        let profile = Profile(BTreeMap::from([(1, functions.collect())]));
        let grown = profile.grown("missions", &script, 2);
        let names: Vec<&str> = grown
            .iter()
            .map(|function| function.name.as_str())
            .collect();
        assert_eq!(names, ["f7", "f6", "f5", "f4", "f3"]);
        assert_eq!((grown[0].base, grown[0].head), (35.0, 42.0));
        assert_eq!(grown[0].metric, Measure::instructions("list"));
    }

    #[test]
    fn more_routes_take_more_pairs() {
        assert_eq!([pairs(1), pairs(2), pairs(6)], [12, 12, 14]);
    }
}
