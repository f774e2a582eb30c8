//! What each endpoint was asked, and what failed of it: by the server's own count, and by what k6 has told of answers that
//! failed.

use std::collections::BTreeMap;

use crate::k6::Said;
use crate::record::EndpointRecord;

/// Joins what the server `counted` in so many `seconds` with what k6 `said`; what failed the most comes first.
pub fn joined(counted: Vec<EndpointRecord>, said: &Said, seconds: f64) -> Vec<EndpointRecord> {
    let mut all = counted;
    for endpoint in &mut all {
        let requests = endpoint.requests.filter(|_| seconds > 0.0);
        endpoint.per_second = requests.map(|requests| requests as f64 / seconds);
    }
    // How often each kind of failure was, by endpoint.
    let mut kinds: BTreeMap<usize, Vec<(u64, String)>> = BTreeMap::new();
    for (kind, failures) in &said.failed {
        let is_it =
            |it: &EndpointRecord| it.method == kind.method && leads_to(&it.route, &failures.asked);
        // A literal route is meant before a template that fits too.
        let found = all
            .iter()
            .position(|it| it.method == kind.method && it.route == failures.asked);
        let found = found.or_else(|| all.iter().position(is_it));
        let known = |it: &EndpointRecord| it.method == kind.method && it.route == kind.path;
        let nth = found
            .or_else(|| all.iter().position(known))
            .unwrap_or_else(|| {
                all.push(EndpointRecord {
                    method: kind.method.clone(),
                    route: kind.path.clone(),
                    ..EndpointRecord::default()
                });
                all.len() - 1
            });
        let endpoint = &mut all[nth];
        match kind.status {
            // Those that the server answered it has counted itself.
            400..=499 if endpoint.requests.is_none() => endpoint.client_errors += failures.count,
            500.. if endpoint.requests.is_none() => endpoint.server_errors += failures.count,
            400.. => {}
            _ => endpoint.network_errors += failures.count,
        }
        let what = match (kind.status, &failures.retry_after) {
            (0, _) => kind.error.clone(),
            (status, None) => status.to_string(),
            (status, Some(after)) => format!("{status} (Retry-After: {after})"),
        };
        let of_endpoint = kinds.entry(nth).or_default();
        of_endpoint.push((failures.count, what.clone()));
        let at = failures.first_ms as f64 / 1e3;
        if endpoint.first_failure_s.is_none_or(|first| at < first) {
            endpoint.first_failure_s = Some(at);
        }
        // The commonest answer is the one to look at.
        if of_endpoint
            .iter()
            .all(|(count, _)| *count <= failures.count)
        {
            let asked = match failures.asked == endpoint.route {
                true => String::new(),
                false => format!("{} {}: ", kind.method, failures.asked),
            };
            let answer = format!("{asked}{what} {}", failures.body);
            endpoint.example = Some(answer.trim_end().to_owned());
        }
    }
    for (nth, kinds) in kinds {
        let commonest = kinds.into_iter().max_by_key(|(count, _)| *count);
        all[nth].commonest = commonest.map(|(_, what)| what);
    }
    all.sort_by_key(|it| std::cmp::Reverse((it.failed(), it.requests)));
    all
}

/// Whether a route's template, in any of the usual spellings, is that of a path.
fn leads_to(template: &str, path: &str) -> bool {
    let is_place = |part: &str| part.starts_with(['{', ':', '<', '*']);
    let (mut parts, mut asked) = (template.split('/'), path.split('/'));
    loop {
        match (parts.next(), asked.next()) {
            (None, None) => return true,
            (Some(part), Some(asked)) if part == asked || is_place(part) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k6::{FailedAnswer, Failures};

    fn failed(
        method: &str,
        asked: &str,
        status: u16,
        error: &str,
        count: u64,
        first_ms: u64,
    ) -> (FailedAnswer, Failures) {
        let kind = FailedAnswer {
            method: method.into(),
            path: asked.replace("17", "{id}"),
            status,
            error: error.into(),
        };
        let failures = Failures {
            count,
            first_ms,
            asked: asked.into(),
            body: "{}".into(),
            retry_after: (status == 429).then(|| "30".into()),
        };
        (kind, failures)
    }

    #[test]
    fn what_k6_tells_is_joined_to_what_the_server_counts() {
        let counted = |method: &str, route: &str, server_errors| EndpointRecord {
            method: method.into(),
            route: route.into(),
            requests: Some(100),
            server_errors,
            ..EndpointRecord::default()
        };
        let all = vec![
            counted("GET", "/items/:item", 0),
            counted("GET", "/items/search", 0),
            counted("POST", "/items", 9),
        ];
        let said = Said {
            failed: [
                failed("POST", "/items", 500, "", 8, 1200),
                failed("GET", "/items/17", 0, "EOF", 3, 700),
                failed("GET", "/items/17", 0, "connection refused", 5, 900),
                failed("GET", "/items/search", 0, "EOF", 1, 50),
            ]
            .into(),
            ..Said::default()
        };
        let all = joined(all, &said, 10.0);
        let names: Vec<(String, u64)> = all.iter().map(|it| (it.name(), it.failed())).collect();
        assert_eq!(
            names,
            [
                ("POST /items".to_owned(), 9),
                ("GET /items/:item".to_owned(), 8),
                ("GET /items/search".to_owned(), 1)
            ]
        );
        assert_eq!(all[0].per_second, Some(10.0));
        assert_eq!(all[0].example.as_deref(), Some("500 {}"));
        let example = "GET /items/17: connection refused {}";
        assert_eq!(all[1].example.as_deref(), Some(example));
        assert_eq!(all[1].commonest.as_deref(), Some("connection refused"));
        assert_eq!(all[1].first_failure_s, Some(0.7));
    }

    #[test]
    fn without_the_servers_count_what_failed_is_known() {
        let said = Said {
            failed: [
                failed("GET", "/a/17", 500, "", 2, 10),
                failed("GET", "/a/17", 404, "", 1, 5),
                failed("GET", "/b", 429, "", 1, 5),
            ]
            .into(),
            ..Said::default()
        };
        let all = joined(Vec::new(), &said, 10.0);
        assert_eq!(all.len(), 2, "{all:?}");
        let limited = all[1].commonest.as_deref();
        assert_eq!(limited, Some("429 (Retry-After: 30)"));
        assert_eq!(all[0].name(), "GET /a/{id}");
        assert_eq!((all[0].client_errors, all[0].server_errors), (1, 2));
        assert_eq!((all[0].requests, all[0].per_second), (None, None));
    }
}
