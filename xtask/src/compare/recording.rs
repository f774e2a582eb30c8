//! What a test asks, written down: k6 runs some of its iterations through a relay, against either side. The base's
//! requests become the script of the duet, and the checks of both are counted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use anyhow::Context as _;
use k6_summary::Summary;
use load_duet::recorder::Recorder;
use load_duet::script::Script;
use serde::Deserialize;
use tempfile::NamedTempFile;

use super::bench::{Bench, Broken, OrBroken, RecorderRelay, socket, sound};
use crate::record::{CheckCounts, Failing, Side};

/// The load in load-tests/main.js.
const PROFILE: &str = "record";
/// The share of a trend's samples that must be durations of one route.
const OF_ONE_ROUTE: f64 = 0.95;

/// How a test is measured.
#[derive(Debug)]
pub enum Method {
    /// The same requests to both sides, back to back.
    Duet(Script),
    /// Short runs of k6, one after the other: for tests that open WebSockets.
    Blocks,
}

impl Bench<'_> {
    /// Finds out how `test` is measured, and what its checks come to on both sides.
    ///
    /// # Errors
    /// If a server does not start, k6 cannot be started, or an interruption arrives.
    pub fn record(&self, test: &str) -> anyhow::Result<OrBroken<(Method, Vec<CheckCounts>)>> {
        let mut script = None;
        let mut summaries = Vec::new();
        for side in Side::BOTH {
            let broken = |why: String| Ok(Err(Broken { side, why }));
            let dir = self.folder(&format!("{test}-recorded"), side)?;
            let mut server = self.start(side, &dir)?;
            let recorder = Recorder::start(socket(&server.address)?)
                .context("failed to listen for what k6 asks")?;
            // The script is made of what the base is asked. Whatever happens, no URL with the key in it stays.
            let points = match side {
                Side::Base => Some(
                    NamedTempFile::new_in(self.scratch)
                        .context("failed to create a file for k6's samples")?,
                ),
                Side::Head => None,
            };
            let load = [("PROFILE", PROFILE.to_owned())];
            let relay = RecorderRelay {
                recorder: &recorder,
                points: points.as_ref().map(NamedTempFile::path),
            };
            let measured = self.run(test, &dir, &mut server, &load, Some(&relay))?;
            server.stop();
            let recording = recorder.recording();
            if recording.has_upgrade {
                let _only_room = std::fs::remove_dir_all(&dir);
                return Ok(Ok((Method::Blocks, Vec::new())));
            }
            let summary = match sound(&measured) {
                Ok(_) if recording.load.is_empty() => {
                    return broken("none of k6's requests was answered".into());
                }
                Ok(summary) => summary.clone(),
                Err(why) => return broken(format!("{why} (see {})", dir.display())),
            };
            summaries.push(summary);
            if let Some(points) = points {
                let names = RouteNames::read(points.path());
                script = Some(Script::of(&recording, |method, target| {
                    names.of(method, target)
                }));
            }
            let _only_room = std::fs::remove_dir_all(&dir);
        }
        let (Some(script), [base, head]) = (script, summaries.as_slice()) else {
            anyhow::bail!("{test} was not recorded");
        };
        Ok(Ok((Method::Duet(script), checks(test, [base, head]))))
    }
}

/// How often each check, the requests and the iterations failed on either side.
pub fn checks(test: &str, [base, head]: [&Summary; 2]) -> Vec<CheckCounts> {
    let counts = |summary: &Summary| -> BTreeMap<Failing, [u64; 2]> {
        let requests = [summary.failed_http_requests(), summary.counter("http_reqs")];
        let (exceptions, iterations) = summary.iteration_exceptions();
        let checks = summary.checks().into_iter().map(|check| {
            let tries = check.fails + check.passes;
            (Failing::Check(check.name), [check.fails, tries])
        });
        checks
            .chain([
                (Failing::Iterations, [exceptions, iterations]),
                (Failing::Requests, requests),
            ])
            .collect()
    };
    let (base, head) = (counts(base), counts(head));
    let all: BTreeSet<&Failing> = base.keys().chain(head.keys()).collect();
    let of = |counts: &BTreeMap<Failing, [u64; 2]>, what: &Failing| {
        counts.get(what).copied().unwrap_or_default()
    };
    let one = |what: &Failing| CheckCounts {
        test: test.to_owned(),
        what: what.clone(),
        base: of(&base, what),
        head: of(&head, what),
    };
    all.into_iter()
        .map(one)
        .filter(|check| check.base[1] + check.head[1] > 0)
        .collect()
}

/// What k6's samples call the requests.
#[derive(Debug, Default)]
struct RouteNames {
    /// By method and target: a trend of the script that holds the durations of just these requests.
    routes: HashMap<(String, String), String>,
}

/// A line of k6's JSON output.
///
/// Source: <https://grafana.com/docs/k6/latest/results-output/real-time/json/>.
#[derive(Deserialize)]
struct SampleLine {
    metric: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    value: f64,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

impl RouteNames {
    /// Reads the samples; without them nothing has a name of its own.
    fn read(points: &Path) -> Self {
        Self::of_points(&std::fs::read_to_string(points).unwrap_or_default())
    }

    fn of_points(text: &str) -> Self {
        let points = || {
            text.lines()
                .filter_map(|line| serde_json::from_str::<SampleLine>(line).ok())
        };
        let mut targets: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        let mut of_duration: HashMap<u64, (String, String)> = HashMap::new();
        for SampleLine {
            data: Data { value, tags },
            ..
        } in points().filter(|point| point.metric == "http_req_duration")
        {
            // A tag `name` stands in the place of the URL, and nothing tells which request it was.
            let url = tags.get("url").filter(|url| url.contains("://"));
            let (Some(url), Some(method)) = (url, tags.get("method")) else {
                continue;
            };
            let target = target(url);
            let key = (method.clone(), load_duet::script::route(method, &target));
            targets.entry(key.clone()).or_default().insert(target);
            of_duration.insert(value.to_bits(), key);
        }
        let mut trends: BTreeMap<String, Vec<Option<&(String, String)>>> = BTreeMap::new();
        for SampleLine { metric, data } in points() {
            if !metric.starts_with("http_req") && !data.tags.is_empty() {
                trends
                    .entry(metric)
                    .or_default()
                    .push(of_duration.get(&data.value.to_bits()));
            }
        }
        let mut routes = HashMap::new();
        for (trend, samples) in trends {
            let Some(Some(first)) = samples.iter().find(|sample| sample.is_some()) else {
                continue;
            };
            let of_first = samples
                .iter()
                .filter(|sample| **sample == Some(*first))
                .count();
            if of_first as f64 >= OF_ONE_ROUTE * samples.len() as f64 {
                for target in &targets[*first] {
                    routes.insert((first.0.clone(), target.clone()), trend.clone());
                }
            }
        }
        Self { routes }
    }

    fn of(&self, method: &str, target: &str) -> Option<String> {
        self.routes
            .get(&(method.to_owned(), target.to_owned()))
            .cloned()
    }
}

/// The path and query of a URL.
fn target(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/')
        .map_or_else(|| "/".to_owned(), |at| rest[at..].to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::checks::failures;
    use super::*;

    #[test]
    fn exceptions_of_the_script_are_counted_as_checks_and_requests_are() {
        let summary = |exceptions: u64| {
            let metrics = serde_json::json!({
                "iteration_exceptions": {
                    "type": "rate", "contains": "default",
                    "values": {"rate": 0, "passes": exceptions, "fails": 200 - exceptions},
                },
                "http_reqs": {"type": "counter", "contains": "default", "values": {"count": 200, "rate": 1}},
            });
            let summary = serde_json::json!({
                "metrics": metrics, "state": {"testRunDurationMs": 2_000},
                "root_group": {"name": "", "path": "", "groups": [], "checks": []},
            });
            Summary::parse(summary.to_string().as_bytes()).unwrap()
        };
        let counted = checks("missions", [&summary(0), &summary(150)]);
        let exceptions = &counted[0];
        assert_eq!(exceptions.what, Failing::Iterations, "{counted:?}");
        assert_eq!((exceptions.base, exceptions.head), ([0, 200], [150, 200]));
        assert_eq!(counted[1].what, Failing::Requests);
        let worse = failures(&counted, "missions").worse;
        assert_eq!(worse.len(), 1, "{worse:?}");
        assert!(worse[0].starts_with("iterations threw exceptions 150 of 200 times"));
    }

    #[test]
    fn routes_have_the_names_of_the_script() {
        // As k6 writes it, with a tag `name` in the place of the URL too.
        let point = |value: f64, method: &str, name: &str| {
            format!(
                "{{\"metric\":\"http_req_duration\",\"type\":\"Point\",\"data\":{{\"time\":\"x\",\"value\":{value},\"tags\":{{\"method\":\"{method}\",\"url\":\"{name}\",\"name\":\"{name}\"}}}}}}\n"
            )
        };
        let trend = |metric: &str, value: f64| {
            format!(
                "{{\"metric\":\"{metric}\",\"type\":\"Point\",\"data\":{{\"value\":{value},\"tags\":{{\"group\":\"\"}}}}}}\n"
            )
        };
        let mut text =
            "{\"type\":\"Metric\",\"data\":{\"name\":\"x\"},\"metric\":\"x\"}\n".to_owned();
        let base = "http://127.0.0.1:1";
        for nth in 0..40 {
            let (create, get) = (0.5 + f64::from(nth) / 1e3, 0.7 + f64::from(nth) / 1e3);
            text += &point(create, "POST", &format!("{base}/items"));
            text += &point(get, "GET", &format!("{base}/items/{nth}"));
            text += &point(create + 7.0, "GET", &format!("{base}/a?${{}}"));
            text += &point(create + 9.0, "GET", "front page");
            text += &trend("item_get_duration", get);
            text += &trend("front_page_duration", create + 9.0);
            text += &trend("mixed", if nth % 2 == 0 { get } else { create });
            text += &trend("iteration_duration", 1_000.0 + create);
        }
        let names = RouteNames::of_points(&text);
        assert_eq!(names.of("GET", "/items/17").unwrap(), "item_get_duration");
        assert_eq!(
            names.of("POST", "/items"),
            None,
            "a trend of two routes is neither's"
        );
        assert_eq!(names.of("GET", "/a?3"), None);
        assert_eq!(names.of("GET", "/"), None, "a tag is no path");
        assert_eq!(RouteNames::of_points("not json\n").of("GET", "/b"), None);
    }
}
