//! The server's own count of requests by endpoint, from its metrics.

use std::collections::BTreeMap;
use std::fmt;

use crate::config;
use crate::record::EndpointRecord;

/// Requests by method, route and status.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Requests {
    series: BTreeMap<RequestLabels, Counts>,
    /// How many of them were our own questions for the server's health.
    pub own: u64,
}

/// What tells requests apart; empty where the server does not.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct RequestLabels {
    route: String,
    method: String,
    status: String,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Counts {
    count: f64,
    /// How many took at most so long, by the bits of the bound, which sort as positive numbers do.
    buckets: BTreeMap<u64, f64>,
}

impl Requests {
    /// Reads the server's metrics; `None` if they do not have the counter.
    pub fn read(table: &config::RequestsConfig, text: &str) -> Option<Self> {
        let found = parse(table, text);
        (!found.series.is_empty()).then_some(found)
    }

    /// What was counted since `before`.
    pub fn since(&self, before: &Self) -> Self {
        let none = Counts::default();
        let since = self.series.iter().map(|(series, now)| {
            let earlier = before.series.get(series).unwrap_or(&none);
            let bucket = |bound| earlier.buckets.get(bound).copied().unwrap_or(0.0);
            let buckets = now.buckets.iter();
            let counts = Counts {
                count: now.count - earlier.count,
                buckets: buckets.map(|(at, n)| (*at, n - bucket(at))).collect(),
            };
            (series.clone(), counts)
        });
        Self {
            series: since.filter(|(_, counts)| counts.count > 0.0).collect(),
            own: self.own.saturating_sub(before.own),
        }
    }

    /// All of them.
    pub fn total(&self) -> f64 {
        // Begun at zero, since the sum of nothing is a negative one.
        self.series.values().fold(0.0, |sum, it| sum + it.count)
    }

    /// What each endpoint was asked; nothing if the server does not tell methods and statuses apart. Our own questions, for
    /// the metrics and for the health at `health`, are left out.
    pub fn endpoints(&self, table: &config::RequestsConfig, health: &str) -> Vec<EndpointRecord> {
        if table.method.is_none() || table.status.is_none() {
            return Vec::new();
        }
        let scale = match table.counter.contains("milliseconds") {
            true => 1.0,
            false => 1e3,
        };
        let mut found: BTreeMap<(&str, &str), Vec<(&str, &Counts)>> = BTreeMap::new();
        for (series, counts) in &self.series {
            let endpoint = (series.route.as_str(), series.method.as_str());
            let of_endpoint = found.entry(endpoint).or_default();
            of_endpoint.push((&series.status, counts));
        }
        found.remove(&(table.path.as_str(), "GET"));
        let endpoints = found.into_iter().filter_map(|((route, method), counted)| {
            let is_health = (route, method) == (health, "GET");
            let of_class = |class: char| -> f64 {
                let counted = counted.iter();
                let counted = counted.filter(|(status, _)| status.starts_with(class));
                counted.map(|(_, counts)| counts.count).sum()
            };
            let all: f64 = counted.iter().map(|(_, counts)| counts.count).sum();
            let requests = (all as u64).saturating_sub(if is_health { self.own } else { 0 });
            // One of ours may be under way at either end.
            if requests <= if is_health { 2 } else { 0 } {
                return None;
            }
            let mut buckets: BTreeMap<u64, f64> = BTreeMap::new();
            for (at, count) in counted.iter().flat_map(|(_, counts)| &counts.buckets) {
                *buckets.entry(*at).or_default() += count;
            }
            let took = |share| Some(quantile(&buckets, share)? * scale);
            let failed = counted
                .iter()
                .filter(|(status, _)| status.starts_with(['4', '5']));
            let commonest = failed.max_by(|(_, a), (_, b)| a.count.total_cmp(&b.count));
            Some(EndpointRecord {
                method: method.to_owned(),
                route: route.to_owned(),
                requests: Some(requests),
                med_ms: took(0.5),
                p95_ms: took(0.95),
                p99_ms: took(0.99),
                client_errors: of_class('4') as u64,
                server_errors: of_class('5') as u64,
                commonest: commonest.map(|(status, _)| (*status).to_owned()),
                ..EndpointRecord::default()
            })
        });
        endpoints.collect()
    }
}

/// The value below which `share` of what the cumulative buckets count lies, interpolated within its bucket; the greatest
/// bound if it lies beyond.
///
/// Source: <https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile>.
fn quantile(buckets: &BTreeMap<u64, f64>, share: f64) -> Option<f64> {
    let all = *buckets.values().last().filter(|all| **all > 0.0)?;
    let rank = share * all;
    let (mut low, mut below) = (0.0, 0.0);
    for (bound, count) in buckets {
        let bound = f64::from_bits(*bound);
        if *count >= rank {
            let within = (rank - below) / (count - below).max(f64::MIN_POSITIVE);
            return Some(match bound.is_finite() {
                true => low + (bound - low) * within,
                false => low,
            });
        }
        (low, below) = (bound, *count);
    }
    Some(low)
}

impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut routes: BTreeMap<&str, f64> = BTreeMap::new();
        for (series, counts) in &self.series {
            *routes.entry(&series.route).or_default() += counts.count;
        }
        let routes: Vec<String> = routes
            .iter()
            .map(|(route, count)| format!("{route} {count}"))
            .collect();
        write!(f, "{}", self.total())?;
        match routes.is_empty() {
            true => Ok(()),
            false => write!(f, " ({})", routes.join(", ")),
        }
    }
}

/// Sums up the samples of the counter, and of the histogram that it is of.
fn parse(table: &config::RequestsConfig, text: &str) -> Requests {
    let bucket = table.counter.strip_suffix("_count");
    let bucket = bucket.map(|name| format!("{name}_bucket"));
    let mut found = Requests::default();
    for (name, labels, value) in samples(text) {
        let is_bucket = bucket.as_deref() == Some(name);
        if name != table.counter && !is_bucket {
            continue;
        }
        let label = |name: &str| label(labels, name);
        let Some(route) = label(&table.route) else {
            continue;
        };
        let other = |name: &Option<String>| {
            let found = name.as_deref().and_then(label);
            found.unwrap_or_default().to_owned()
        };
        let series = RequestLabels {
            route: route.to_owned(),
            method: other(&table.method),
            status: other(&table.status),
        };
        let bound = label("le").and_then(|bound| bound.parse::<f64>().ok());
        match bound.filter(|_| is_bucket) {
            Some(bound) => {
                let buckets = &mut found.series.entry(series).or_default().buckets;
                *buckets.entry(bound.to_bits()).or_default() += value;
            }
            None if !is_bucket => found.series.entry(series).or_default().count += value,
            None => {}
        }
    }
    found
}

/// The samples of a server's metrics: name, labels and value; lines that are none are left out.
///
/// Source: <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>.
pub fn samples(text: &str) -> impl Iterator<Item = (&str, &str, f64)> {
    text.lines().filter_map(|line| {
        let (name, rest) = line.split_at(line.find(['{', ' '])?);
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => rest.rsplit_once('}')?,
            None => ("", rest),
        };
        let value: f64 = value.split_whitespace().next()?.parse().ok()?;
        value.is_finite().then_some((name, labels, value))
    })
}

/// The value of a label, up to its next quotation mark.
fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = labels;
    while let Some((before, value)) = rest.split_once("=\"") {
        let (value, after) = value.split_once('"')?;
        if before.trim_start_matches([',', ' ']) == name {
            return Some(value);
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_by_route() {
        let table = config::testing::ours().table.requests.unwrap();
        let name = &table.counter;
        let text = |created: u32| {
            format!(
                "# HELP {name} x\n{name}{{method=\"POST\",route=\"/a\",status=\"201\"}} {created}\n{name}{{route=\"/a\"}} 1 1700000000\n{name}{{route=\"/b\"}} 2\n{name}_other{{route=\"/b\"}} 9\n{name}{{route=\"/c\"}} NaN\n{name} 7\n"
            )
        };
        let (before, after) = (parse(&table, &text(1)), parse(&table, &text(4)));
        assert_eq!(before.to_string(), "4 (/a 2, /b 2)");
        assert_eq!(after.since(&before).to_string(), "3 (/a 3)");
        assert_eq!(before.since(&before).to_string(), "0");
    }

    #[test]
    fn each_endpoint_has_its_counts_and_percentiles_without_our_own_questions() {
        let table = config::testing::ours().table.requests.unwrap();
        let name = table.counter.strip_suffix("_count").unwrap();
        let mut text = String::new();
        for (method, route, status, count, quick) in [
            ("POST", "/a", 201, 90, 45),
            ("POST", "/a", 500, 9, 0),
            ("POST", "/a", 401, 1, 0),
            ("GET", "/health", 200, 7, 7),
            ("GET", "/metrics", 200, 3, 3),
        ] {
            let labels = format!("method=\"{method}\",route=\"{route}\",status=\"{status}\"");
            text += &format!("{name}_sum{{{labels}}} 1\n{name}_count{{{labels}}} {count}\n");
            for (bound, count) in [("0.01", quick), ("0.02", count), ("+Inf", count)] {
                text += &format!("{name}_bucket{{le=\"{bound}\",{labels}}} {count}\n");
            }
        }
        let mut counted = parse(&table, &text);
        counted.own = 6;
        let found = counted.endpoints(&table, "/health");
        let names: Vec<String> = found.iter().map(EndpointRecord::name).collect();
        assert_eq!(names, ["POST /a"]);
        let it = &found[0];
        assert_eq!(
            (it.requests, it.client_errors, it.server_errors),
            (Some(100), 1, 9)
        );
        assert_eq!(it.commonest.as_deref(), Some("500"));
        // 45 of 100 took at most 10 ms, and the others up to 20 ms.
        let near = |value: Option<f64>, expected: f64| (value.unwrap() - expected).abs() < 1e-9;
        assert!(near(it.med_ms, 10.0 + 10.0 * 5.0 / 55.0), "{it:?}");
        assert!(near(it.p95_ms, 10.0 + 10.0 * 50.0 / 55.0), "{it:?}");
        let unlabelled = config::RequestsConfig {
            status: None,
            ..table
        };
        assert!(counted.endpoints(&unlabelled, "/health").is_empty());
    }
}
