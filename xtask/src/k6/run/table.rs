//! k6's options, and what becomes of each when a user sets it.
//!
//! One name stands for an option everywhere, in lower case and without punctuation: `novuconnectionreuse` is the
//! argument `--no-vu-connection-reuse`, the variable `K6_NO_VU_CONNECTION_REUSE` and the key `noVUConnectionReuse` of
//! k6's configuration file.
//!
//! Source: <https://grafana.com/docs/k6/latest/using-k6/k6-options/reference/>.

/// What becomes of an option that a user sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It is passed on: what is measured stays the same.
    Harmless,
    /// As an argument it is passed on, and the run is then compared with no other; elsewhere it is left out, since
    /// nobody sees it there.
    Load,
    /// We set it; what to use instead.
    Ours(&'static str),
    /// It would break the run; why.
    Never(&'static str),
}

/// An option of k6's.
#[derive(Debug)]
pub struct Known {
    /// Its names; the first is that of the argument.
    pub names: &'static [&'static str],
    /// Its short form as an argument.
    pub short: Option<char>,
    /// Whether the argument takes a value that may stand behind it as a word of its own.
    pub takes_value: bool,
    /// What becomes of it.
    pub class: Class,
}

const fn value(short: Option<char>, names: &'static [&'static str], class: Class) -> Known {
    Known {
        names,
        short,
        takes_value: true,
        class,
    }
}

const fn switch(short: Option<char>, names: &'static [&'static str], class: Class) -> Known {
    Known {
        names,
        short,
        takes_value: false,
        class,
    }
}

use Class::{Harmless, Load, Never, Ours};

const RESULTS: Class = Ours("the run folder has the results");
const LOG: Class = Ours("k6.log in the run folder has it all");
const STATISTICS: Class = Ours("load-tests/main.js asks for what thresholds need");
const UNITS: Class = Ours("the reports choose their units");
const TAGS: Class = Ours("the test's own options say them");
const SERVER: Class = Ours("say with --base-url where the server is");
const REST_API: Class = Never("k6's REST API is off in these runs, so nobody could resume it");
const SUMMARY: Class = Never("the verdict is read from k6's summary");
const THRESHOLDS: Class = Never("the scripts say their thresholds");
const WITHOUT_THRESHOLDS: Class = Never("a run without thresholds proves nothing");
const VARIABLES: Class = Never("the scripts read their variables there");
const ENTRY: Class = Never("load-tests/main.js is what runs");
const HELP: Class = Never("`k6 run --help` shows k6's own help");

/// The options of `k6 run`, of versions 0.57 to 2.2.
pub const OPTIONS: &[Known] = &[
    value(Some('u'), &["vus"], Load),
    value(Some('d'), &["duration"], Load),
    value(Some('i'), &["iterations"], Load),
    value(Some('s'), &["stage", "stages"], Load),
    value(None, &["executionsegment"], Load),
    value(None, &["executionsegmentsequence"], Load),
    value(None, &["rps"], Load),
    value(None, &["miniterationduration"], Load),
    value(None, &["maxredirects"], Load),
    value(None, &["batch"], Load),
    value(None, &["batchperhost"], Load),
    value(None, &["blacklistip", "blacklistips"], Load),
    value(None, &["blockhostnames"], Load),
    value(None, &["localips"], Load),
    value(None, &["compatibilitymode"], Load),
    value(None, &["useragent"], Load),
    switch(None, &["nosetup"], Load),
    switch(None, &["noteardown"], Load),
    switch(None, &["noconnectionreuse"], Load),
    switch(None, &["novuconnectionreuse"], Load),
    switch(Some('w'), &["throw"], Load),
    switch(None, &["discardresponsebodies"], Load),
    switch(None, &["insecureskiptlsverify"], Harmless),
    switch(None, &["httpdebug"], Harmless),
    switch(None, &["nocolor"], Harmless),
    switch(Some('q'), &["quiet"], Harmless),
    switch(Some('v'), &["verbose"], Harmless),
    switch(None, &["nousagereport"], Harmless),
    value(None, &["tracesoutput"], Harmless),
    value(Some('o'), &["out"], Harmless),
    value(None, &["secretsource"], Harmless),
    value(None, &["dns"], Harmless),
    value(None, &["tag", "tags"], Harmless),
    value(Some('e'), &["env"], Harmless),
    value(Some('c'), &["config"], Ours("give k6's options after `--`")),
    value(None, &["logformat"], LOG),
    value(None, &["logoutput"], LOG),
    value(None, &["consoleoutput"], LOG),
    value(None, &["summaryexport"], RESULTS),
    value(None, &["summarytrendstats"], STATISTICS),
    value(None, &["summarytimeunit"], UNITS),
    value(None, &["systemtags"], TAGS),
    value(None, &["summarymode"], SUMMARY),
    switch(None, &["nosummary"], SUMMARY),
    switch(None, &["newmachinereadablesummary"], SUMMARY),
    switch(None, &["nothresholds"], WITHOUT_THRESHOLDS),
    switch(Some('p'), &["paused"], REST_API),
    switch(Some('l'), &["linger"], REST_API),
    value(Some('a'), &["address"], REST_API),
    switch(None, &["profilingenabled"], REST_API),
    switch(None, &["includesystemenvvars"], VARIABLES),
    value(Some('t'), &["type"], ENTRY),
    switch(Some('h'), &["help"], HELP),
    // Those that are no arguments.
    value(None, &["hosts"], SERVER),
    value(None, &["scenarios"], Load),
    value(None, &["thresholds"], THRESHOLDS),
    value(None, &["setuptimeout"], Load),
    value(None, &["teardowntimeout"], Load),
    value(None, &["nocookiesreset"], Load),
    value(None, &["metricsamplesbuffersize"], Harmless),
    value(None, &["tlsciphersuites"], Harmless),
    value(None, &["tlsversion"], Harmless),
    value(None, &["tlsauth"], Harmless),
    value(None, &["collectors"], Harmless),
    value(None, &["cloud"], Harmless),
    value(None, &["bin"], Harmless),
];

/// Families of variables that say where results go or who we are there, by the begin of their names.
pub const FAMILIES: &[(&str, Class)] = &[
    ("cloud", Harmless),
    ("csv", Harmless),
    ("influxdb", Harmless),
    ("json", Harmless),
    ("otel", Harmless),
    ("prometheus", Harmless),
    ("statsd", Harmless),
    ("webdashboard", Ours("the run folder has report.html")),
];

/// The one name of an option.
pub fn plain(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

/// The option of this [`plain`] name.
pub fn known(name: &str) -> Option<&'static Known> {
    OPTIONS.iter().find(|known| known.names.contains(&name))
}

/// What becomes of the variable or key with this [`plain`] name; what nobody knows may change the load.
pub fn class(name: &str) -> Class {
    let family = || FAMILIES.iter().find(|(begin, _)| name.starts_with(begin));
    known(name)
        .map(|known| known.class)
        .or_else(|| family().map(|(_, class)| *class))
        .unwrap_or(Load)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_name_stands_once_and_is_plain() {
        let mut names = HashSet::new();
        for known in OPTIONS {
            for name in known.names {
                assert_eq!(plain(name), *name);
                assert!(names.insert(name.to_string()), "{name} stands twice");
            }
            let short = known.short.map(String::from);
            assert!(short.is_none_or(|short| names.insert(short)), "{known:?}");
        }
    }

    #[test]
    fn one_name_for_argument_variable_and_key() {
        for name in [
            "no-vu-connection-reuse",
            "NO_VU_CONNECTION_REUSE",
            "noVUConnectionReuse",
        ] {
            assert_eq!(class(&plain(name)), Load);
        }
        assert_eq!(class(&plain("PROMETHEUS_RW_USERNAME")), Harmless);
        assert_eq!(class(&plain("SOMETHING_NEW")), Load);
    }
}
