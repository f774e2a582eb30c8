//! The environment that k6 is given: what would silently change the test is taken out, and said.

use std::ffi::OsString;

/// Prefixes of `K6_*` variables that only configure where results go or how hosts are reached; all others change the
/// test itself, since k6 ranks its environment above the script's options.
///
/// Source: <https://grafana.com/docs/k6/latest/using-k6/k6-options/how-to/#order-of-precedence>.
const HARMLESS: [&str; 9] = [
    "K6_BIN",
    "K6_CLOUD_",
    "K6_DNS",
    "K6_HOSTS",
    "K6_INFLUXDB_",
    "K6_INSECURE_SKIP_TLS_VERIFY",
    "K6_OTEL_",
    "K6_PROMETHEUS_",
    "K6_STATSD_",
];

/// The variables of `names` that would change the test, sorted.
pub fn interfering(names: impl Iterator<Item = OsString>) -> Vec<String> {
    let mut found: Vec<String> = names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| {
            name.starts_with("K6_") && !HARMLESS.iter().any(|prefix| name.starts_with(prefix))
        })
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::interfering;

    #[test]
    fn finds_what_changes_a_test() {
        let names = [
            "PATH",
            "K6_VUS",
            "K6_NO_THRESHOLDS",
            "K6_BIN",
            "K6_PROMETHEUS_RW_USERNAME",
            "K6_ITERATIONS",
        ];
        let found = interfering(names.iter().map(Into::into));
        assert_eq!(found, ["K6_ITERATIONS", "K6_NO_THRESHOLDS", "K6_VUS"]);
    }
}
