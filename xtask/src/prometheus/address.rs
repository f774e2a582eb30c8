//! Where Prometheus takes samples, and where Grafana shows them.

use reqwest::Url;

use crate::error::UsageError;
use crate::http;

/// Where Prometheus takes samples. Source: <https://prometheus.io/docs/specs/prw/remote_write_spec/>.
const WRITE_PATH: &str = "/api/v1/write";
/// The dashboard of one run, in load-tests/grafana/dashboards/k6-run.json.
const RUN_DASHBOARD: &str = "d/tachikoma-k6-run";
/// How much of the time before the run a dashboard shows while the run goes on, in milliseconds.
const BEFORE_MS: f64 = 60_000.0;

/// The two addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// Where samples are written to.
    pub write: Url,
    grafana: Url,
}

impl Addresses {
    /// Reads the addresses of the command line.
    ///
    /// # Errors
    /// A [`UsageError`] that names the URL and what is wrong with it.
    pub fn new(prometheus: &str, grafana: &str) -> Result<Self, UsageError> {
        let mut write = parse("Prometheus URL", prometheus, "http://localhost:9090")?;
        let path = write.path().trim_end_matches('/');
        if !path.ends_with(WRITE_PATH) {
            write.set_path(&format!("{path}{WRITE_PATH}"));
        }
        let mut grafana = parse("Grafana URL", grafana, "http://localhost:3001")?;
        // So that joining adds to its path.
        grafana.set_path(&format!("{}/", grafana.path().trim_end_matches('/')));
        Ok(Self { write, grafana })
    }

    /// The dashboard of `run`; until `to_unix_ms` is known it shows the newest samples.
    pub fn dashboard(&self, run: &str, from_unix_ms: f64, to_unix_ms: Option<f64>) -> String {
        let mut url = self
            .grafana
            .join(RUN_DASHBOARD)
            .unwrap_or_else(|_| self.grafana.clone());
        let whole = |ms: f64| format!("{ms:.0}");
        url.query_pairs_mut()
            .append_pair("var-testid", run)
            .append_pair("from", &whole(from_unix_ms - BEFORE_MS))
            .append_pair(
                "to",
                &to_unix_ms.map_or("now".into(), |to| whole(to + BEFORE_MS)),
            );
        url.to_string()
    }
}

fn parse(what: &str, text: &str, example: &str) -> Result<Url, UsageError> {
    let instead = "set K6_PROMETHEUS_RW_USERNAME and K6_PROMETHEUS_RW_PASSWORD";
    http::given(what, text, &["http", "https"], example, instead)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAFANA: &str = "http://localhost:3001";

    #[test]
    fn the_write_path_is_added_once() {
        for (given, write) in [
            (
                "http://localhost:9090",
                "http://localhost:9090/api/v1/write",
            ),
            (
                "http://localhost:9090/",
                "http://localhost:9090/api/v1/write",
            ),
            ("http://h:1/api/v1/write", "http://h:1/api/v1/write"),
            ("https://h/prometheus/", "https://h/prometheus/api/v1/write"),
        ] {
            assert_eq!(
                Addresses::new(given, GRAFANA).unwrap().write.as_str(),
                write
            );
        }
    }

    #[test]
    fn the_link_shows_the_run_and_its_time() {
        let link = |grafana| {
            Addresses::new("http://p", grafana)
                .unwrap()
                .dashboard("a b&c", 1_000_000.0, None)
        };
        assert_eq!(
            link(GRAFANA),
            "http://localhost:3001/d/tachikoma-k6-run?var-testid=a+b%26c&from=940000&to=now"
        );
        assert!(link("https://h/grafana").starts_with("https://h/grafana/d/tachikoma-k6-run?"));
        let ended = Addresses::new("http://p", GRAFANA)
            .unwrap()
            .dashboard("r", 0.0, Some(5_000.0));
        assert!(ended.ends_with("&to=65000"), "{ended}");
    }

    #[test]
    fn bad_addresses_say_what_to_do() {
        for (given, hint) in [
            ("localhost:9090", "must begin with http://"),
            ("nonsense", "not a URL"),
            ("http://u:p@h", "K6_PROMETHEUS_RW_USERNAME"),
            ("http://h/?a=b", "query"),
        ] {
            let error = Addresses::new(given, GRAFANA).unwrap_err().to_string();
            assert!(
                error.contains(hint) && !error.contains("u:p"),
                "{given}: {error}"
            );
        }
    }
}
