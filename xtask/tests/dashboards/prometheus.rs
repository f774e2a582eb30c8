//! A real Prometheus on a free port, with its data in a folder of its own.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use reqwest::Url;
use reqwest::blocking::Client;
use serde_json::Value;
use tempfile::TempDir;

use crate::files::{list, text};
use crate::names::Inventory;
use crate::support::{read, wait_until};

/// A Prometheus; dropping it ends it.
pub struct Prometheus {
    child: Child,
    client: Client,
    /// Where it answers.
    pub url: String,
    dir: TempDir,
}

/// The stretch of time that queries are about, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Its begin.
    pub from: f64,
    /// Its end, at which instant queries ask.
    pub to: f64,
}

/// The program, if it is on the `PATH`.
pub fn program() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join("prometheus"))
        .find(|path| path.is_file())
}

impl Prometheus {
    /// Starts `program`, which takes remote writes and scrapes the server at this URL every second.
    pub fn start(program: &Path, server: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = serde_json::json!({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [{
                "job_name": "tachikoma-server",
                "static_configs": [{"targets": [server.trim_start_matches("http://")]}],
            }],
        });
        std::fs::write(dir.path().join("prometheus.yml"), config.to_string()).unwrap();
        let child = Command::new(program)
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg("--web.listen-address=127.0.0.1:0")
            .arg("--web.enable-remote-write-receiver")
            .arg("--enable-feature=native-histograms")
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(dir.path().join("said")).unwrap())
            .spawn()
            .unwrap();
        // The client panics without a provider of cryptography; a second call changes nothing.
        let _set_already = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().build();
        let mut started = Self {
            child,
            client: client.unwrap(),
            url: String::new(),
            dir,
        };
        wait_until("Prometheus is ready", || started.is_ready());
        started
    }

    /// Whether it answers at the address that it says it has taken.
    fn is_ready(&mut self) -> bool {
        let said = read(&self.dir.path().join("said"));
        assert!(self.child.try_wait().unwrap().is_none(), "{said}");
        let line = said.lines().find(|line| line.contains("\"Listening on\""));
        let address = line.and_then(|line| line.rsplit_once("address="));
        let Some((_, address)) = address else {
            return false;
        };
        self.url = format!("http://{}", address.trim());
        let ready = self.client.get(format!("{}/-/ready", self.url)).send();
        ready.is_ok_and(|answer| answer.status().is_success())
    }

    /// The answer to an instant query.
    ///
    /// # Errors
    /// If Prometheus refuses it, with its words.
    pub fn query(&self, expr: &str, at: f64) -> Result<Vec<Value>, String> {
        let data = self.ask("query", &[("query", expr), ("time", &at.to_string())])?;
        match text(&data["resultType"]) {
            // One point without labels.
            "scalar" => Ok(vec![serde_json::json!({"value": data["result"]})]),
            _ => Ok(list(&data["result"]).to_vec()),
        }
    }

    /// The answer to a query over time, with a point every `step` seconds.
    ///
    /// # Errors
    /// If Prometheus refuses it, with its words.
    pub fn query_range(&self, expr: &str, window: Window, step: f64) -> Result<Vec<Value>, String> {
        let (start, end) = (window.from.to_string(), window.to.to_string());
        let (expr, step) = (("query", expr), step.to_string());
        let asked = [expr, ("start", &start), ("end", &end), ("step", &step)];
        Ok(list(&self.ask("query_range", &asked)?["result"]).to_vec())
    }

    /// The values of `label` among the series of `selector`.
    ///
    /// # Errors
    /// If Prometheus refuses the question, with its words.
    pub fn label_values(
        &self,
        label: &str,
        selector: &str,
        window: Window,
    ) -> Result<BTreeSet<String>, String> {
        let (start, end) = (window.from.to_string(), window.to.to_string());
        let asked = [("match[]", selector), ("start", &start), ("end", &end)];
        let data = self.ask(&format!("label/{label}/values"), &asked)?;
        let values = list(&data).iter();
        Ok(values.map(|value| text(value).to_owned()).collect())
    }

    /// Every metric with its labels.
    pub fn inventory(&self) -> Inventory {
        let mut inventory = Inventory::default();
        let all = [("match[]", "{__name__!=\"\"}")];
        for series in list(&self.ask("series", &all).unwrap()) {
            let labels = series.as_object().unwrap().keys().map(String::as_str);
            let labels = labels.filter(|label| *label != "__name__");
            inventory.add(text(&series["__name__"]), labels);
        }
        inventory
    }

    /// `data` of the answer to `/api/v1/PATH?PARAMETERS`.
    fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let mut url = Url::parse(&format!("{}/api/v1/{path}", self.url)).unwrap();
        url.query_pairs_mut().extend_pairs(parameters);
        let answer = self.client.get(url).send().unwrap().text().unwrap();
        let mut answer: Value = serde_json::from_str(&answer).map_err(|_| answer)?;
        match answer["status"] == "success" {
            true => Ok(answer["data"].take()),
            false => Err(answer["error"].to_string()),
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Whether an answer would show anything: a histogram, or a number that is one.
pub fn has_data(result: &[Value]) -> bool {
    let is_number = |point: &Value| text(&point[1]).parse().is_ok_and(f64::is_finite);
    result.iter().any(|series| {
        !series["histogram"].is_null()
            || !list(&series["histograms"]).is_empty()
            || is_number(&series["value"])
            || list(&series["values"]).iter().any(is_number)
    })
}

#[test]
fn no_number_is_no_data() {
    let seen = |text: &str| has_data(list(&serde_json::from_str(text).unwrap()));
    let table = r#"
no [{"value": [1.0, "NaN"]}]
no [{"values": [[1.0, "NaN"], [2.0, "+Inf"]]}]
no [{"values": []}, {"histograms": []}]
yes [{"value": [1.0, "0"]}]
yes [{"values": [[1.0, "NaN"], [2.0, "0.5"]]}]
yes [{"histograms": [[1.0, {"count": "1"}]]}]
yes [{"histogram": [1.0, {"count": "1"}]}]"#;
    for line in table.trim().lines() {
        let (expected, answer) = line.split_once(' ').unwrap();
        assert_eq!(seen(answer), expected == "yes", "{line}");
    }
    assert!(!seen("[]"));
}
