//! The server's own count of requests, from its metrics.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use crate::config;

/// The most of them that is read, in bytes.
const MAX_BODY: u64 = 8 * 1024 * 1024;

/// Requests by route.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Requests(BTreeMap<String, f64>);

impl Requests {
    /// Reads the server's metrics; `None` if they do not have the counter.
    pub fn read(table: &config::Requests, answer: impl Read) -> Option<Self> {
        let mut text = String::new();
        answer.take(MAX_BODY).read_to_string(&mut text).ok()?;
        let found = parse(table, &text);
        (!found.0.is_empty()).then_some(found)
    }

    /// What was counted since `before`.
    pub fn since(&self, before: &Self) -> Self {
        let since = self.0.iter().map(|(route, count)| {
            let earlier = before.0.get(route).copied().unwrap_or(0.0);
            (route.clone(), count - earlier)
        });
        Self(since.filter(|(_, count)| *count > 0.0).collect())
    }

    /// All of them.
    pub fn total(&self) -> f64 {
        // Begun at zero, since the sum of nothing is a negative one.
        self.0.values().fold(0.0, |sum, count| sum + count)
    }
}

impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes: Vec<String> = self
            .0
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

/// Sums up the samples of the counter by the label of the route.
///
/// Source: <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>.
fn parse(table: &config::Requests, text: &str) -> Requests {
    let label = format!("{}=\"", table.route);
    let mut found = Requests::default();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix(&table.counter) else {
            continue;
        };
        let Some((labels, value)) = rest.rsplit_once('}') else {
            continue;
        };
        let Some(labels) = labels.strip_prefix('{') else {
            continue;
        };
        let value = value.split_whitespace().next().and_then(|v| v.parse().ok());
        let route = labels
            .split_once(label.as_str())
            .and_then(|(_, rest)| rest.split('"').next());
        if let (Some(route), Some(value)) = (route, value) {
            let value: f64 = value;
            if !value.is_finite() {
                continue;
            }
            *found.0.entry(route.to_owned()).or_default() += value;
        }
    }
    found
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
}
