//! What k6 measured over time, taken from its dashboard's export: its summary knows the whole test only.
//!
//! The export is an HTML page that carries the dashboard's events as gzipped JSON lines in base64: `param` names the
//! aggregates of each kind of metric, `metric` adds metrics, `start` has the begin, and each `snapshot` has the values of
//! one period, by the metrics' names in byte order. Nobody promises that format, so that whatever is not understood is
//! left out, and a page that cannot be read at all is a sentence in the report, never an error.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::Value;

/// Where the events begin.
const MARK: &str = "<script id=\"data\"";
/// How the requests of one status are named, up to the status.
const OF_STATUS: &str = "http_reqs{status:";
/// The most of a page that is read, in bytes: an ordinary one has 0.2 MB.
const MAX_PAGE: u64 = 32 << 20;
/// The most that the events may unpack to, in bytes.
const MAX_EVENTS: u64 = 256 << 20;

/// What k6 measured in each period.
#[derive(Debug, Default)]
pub struct Dashboard {
    /// When k6 began to make load, in milliseconds since 1970.
    pub start_ms: f64,
    /// The values by metric and aggregate, as pairs of seconds since the start and value. A period without samples has
    /// none.
    curves: BTreeMap<(String, String), Vec<(f64, f64)>>,
    /// The ends of all periods, in seconds since the start.
    ends: Vec<f64>,
    /// The kind of each metric seen so far, by name in byte order.
    kinds: BTreeMap<String, String>,
    /// The names of the aggregates of each kind.
    aggregates: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Event {
    event: String,
    data: Value,
}

impl Dashboard {
    /// Reads the export at `path`.
    ///
    /// # Errors
    /// A sentence that says why it cannot be read.
    pub fn read(path: &Path) -> Result<Self, String> {
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err("k6 wrote no dashboard export".into());
            }
            Err(error) => return Err(format!("k6's dashboard export cannot be read: {error}")),
        };
        let mut page = Vec::new();
        file.take(MAX_PAGE)
            .read_to_end(&mut page)
            .map_err(|error| format!("k6's dashboard export cannot be read: {error}"))?;
        Self::parse(&String::from_utf8_lossy(&page)).ok_or_else(|| {
            "k6's dashboard export has no values that this program understands".into()
        })
    }

    /// Takes the series out of the page; `None` if there are none.
    pub fn parse(page: &str) -> Option<Self> {
        let (_, rest) = page.split_once(MARK)?;
        let (_, rest) = rest.split_once('>')?;
        let (packed, _) = rest.split_once('<')?;
        let packed = BASE64_STANDARD.decode(packed.trim()).ok()?;
        let mut text = String::new();
        // What was unpacked before an error is still good.
        let _cut = GzDecoder::new(packed.as_slice())
            .take(MAX_EVENTS)
            .read_to_string(&mut text);
        let mut dashboard = Self::default();
        for line in text.lines() {
            if let Ok(event) = serde_json::from_str(line) {
                let _not_understood = dashboard.take(&event);
            }
        }
        (!dashboard.ends.is_empty()).then_some(dashboard)
    }

    /// The curve of a metric's aggregate, such as `http_req_duration` and `p(95)`; empty if there is none.
    pub fn curve(&self, metric: &str, aggregate: &str) -> &[(f64, f64)] {
        self.curves
            .get(&(metric.to_owned(), aggregate.to_owned()))
            .map_or(&[], Vec::as_slice)
    }

    /// The statuses that are errors, each with the counter of its answers; 0 is a request without an answer.
    pub fn error_statuses(&self) -> impl Iterator<Item = (&str, &str)> {
        let names = self.kinds.keys().filter_map(|name| {
            let status = name.strip_prefix(OF_STATUS)?.strip_suffix('}')?;
            Some((status, name.as_str()))
        });
        names.filter(|(status, _)| {
            let status = status.parse::<u32>();
            status.is_ok_and(|status| status == 0 || status >= 400)
        })
    }

    /// How often per second a counter counted, in stretches of at least `least` seconds: a period of a fifth of a second
    /// holds one request or none.
    pub fn per_second(&self, counter: &str, least: f64) -> Vec<(f64, f64)> {
        let counts = self.curve(counter, "count");
        if counts.is_empty() {
            return Vec::new();
        }
        let mut out = Vec::new();
        let (mut from, mut next) = (0.0, 0);
        for (nth, end) in self.ends.iter().enumerate() {
            let last = nth + 1 == self.ends.len();
            if end - from < least && !(last && end - from >= least / 2.0) {
                continue;
            }
            let stretch = counts[next..].iter().take_while(|(at, _)| at <= end);
            let (number, sum) = stretch.fold((0, 0.0), |(n, sum), (_, count)| (n + 1, sum + count));
            out.push((f64::midpoint(from, *end), sum / (end - from)));
            (from, next) = (*end, next + number);
        }
        out
    }

    /// The end of the last period, in seconds since the start.
    pub fn end(&self) -> f64 {
        self.ends.last().copied().unwrap_or_default()
    }
}

impl Dashboard {
    fn take(&mut self, Event { event, data }: &Event) -> Option<()> {
        match event.as_str() {
            "param" => self.aggregates = serde_json::from_value(data["aggregates"].clone()).ok()?,
            "metric" => {
                for (name, about) in data.as_object()? {
                    let kind = about["type"].as_str().unwrap_or_default();
                    self.kinds.insert(name.clone(), kind.to_owned());
                }
            }
            "start" => self.start_ms = data[0][0].as_f64()?,
            "snapshot" => {
                let rows = data.as_array()?;
                let time = self.kinds.keys().position(|name| name == "time")?;
                if rows.len() != self.kinds.len() {
                    return None;
                }
                let at = (rows[time][0].as_f64()? - self.start_ms) / 1000.0;
                self.ends.push(at);
                for ((name, kind), row) in self.kinds.iter().zip(rows) {
                    // Metrics of one group or tag only are not shown, but for errors by status.
                    let is_part = name.contains('{') && !name.starts_with(OF_STATUS);
                    if is_part || name == "time" {
                        continue;
                    }
                    let names = self.aggregates.get(kind).into_iter().flatten();
                    for (aggregate, value) in names.zip(row.as_array().into_iter().flatten()) {
                        let curve = (name.clone(), aggregate.clone());
                        let value = value.as_f64().map(|value| (at, value));
                        self.curves.entry(curve).or_default().extend(value);
                    }
                }
            }
            _ => {}
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captured from runs of `smoke missions` and `smoke health` of 6 and 3 s.
    const NEW: &str = include_str!("../fixtures/k6-dashboard-1.1.0.html");
    const OLD: &str = include_str!("../fixtures/k6-dashboard-0.57.0.html");

    #[test]
    fn reads_what_k6_writes() {
        let series = Dashboard::parse(NEW).unwrap();
        let p95 = series.curve("http_req_duration", "p(95)");
        assert_eq!(p95.len(), 6, "{p95:?}");
        assert_eq!(p95[0].1, 1.4276);
        assert!(
            (p95[0].0 - 0.202).abs() < 1e-6 && (p95[5].0 - 5.202).abs() < 0.01,
            "{p95:?}"
        );
        let sum: f64 = series
            .curve("http_reqs", "count")
            .iter()
            .map(|(_, count)| count)
            .sum();
        assert_eq!(sum, 12.0, "as many as in k6's summary");
        let old = Dashboard::parse(OLD).unwrap();
        assert!(!old.curve("http_req_duration", "med").is_empty());
        assert_eq!(old.curve("http_req_failed", "rate")[0].1, 0.0);
    }

    #[test]
    fn rates_are_counts_by_time() {
        let series = Dashboard::parse(NEW).unwrap();
        let rates = series.per_second("http_reqs", 1.0);
        assert!((5..=6).contains(&rates.len()), "{rates:?}");
        // Two requests a second, in bursts that fall on either side of an edge.
        assert!(rates.iter().all(|(_, rate)| (0.0..=4.1).contains(rate)));
        let mean = rates.iter().map(|(_, rate)| rate).sum::<f64>() / rates.len() as f64;
        assert!((1.5..=2.5).contains(&mean), "{rates:?}");
    }

    #[test]
    fn anything_else_is_nothing() {
        for page in [
            "",
            "<html>",
            "<script id=\"data\" x>%%%</script>",
            "<script id=\"data\">aGVsbG8=</script>",
        ] {
            assert!(Dashboard::parse(page).is_none(), "{page}");
        }
        // Cut in the middle of the packed events: what came before is still read, or nothing.
        for share in [2, 3, 5] {
            let _no_panic = Dashboard::parse(&format!("{}<", &NEW[..NEW.len() / share]));
        }
        let missing = Dashboard::read(Path::new("/nonexistent/report.html")).unwrap_err();
        assert_eq!(missing, "k6 wrote no dashboard export");
    }
}
