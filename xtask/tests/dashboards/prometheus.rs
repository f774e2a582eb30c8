//! A real Prometheus on a free port, with its data in a folder of its own.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Url;
use reqwest::blocking::Client;
use serde_json::Value;
use tempfile::TempDir;

use crate::files::list;
use crate::names::Inventory;
use crate::support::{read, wait_until};

/// A free port may be taken by another before Prometheus takes it.
const ATTEMPTS: usize = 5;

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
    /// Starts `program`, which takes remote writes and scrapes `servers` (base URLs) every second.
    pub fn start(program: &Path, servers: &[&str]) -> Self {
        for _ in 0..ATTEMPTS {
            if let Some(started) = Self::attempt(program, servers) {
                return started;
            }
        }
        panic!("in vain: Prometheus takes a free port");
    }

    /// `None` if another program has taken its port.
    fn attempt(program: &Path, servers: &[&str]) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let config = dir.path().join("prometheus.yml");
        std::fs::write(&config, configuration(servers)).unwrap();
        let mut storage = std::ffi::OsString::from("--storage.tsdb.path=");
        storage.push(dir.path().join("data"));
        let said = File::create(dir.path().join("said")).unwrap();
        let child = Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(storage)
            .arg(format!("--web.listen-address={address}"))
            .arg("--web.enable-remote-write-receiver")
            .arg("--enable-feature=native-histograms")
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .unwrap();
        // The client panics without a provider of cryptography; a second call changes nothing.
        let _set_already = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        let mut started = Self {
            child,
            client,
            url: format!("http://{address}"),
            dir,
        };
        let mut ended = false;
        wait_until("Prometheus is ready", || {
            ended = started.child.try_wait().unwrap().is_some();
            ended || started.is_ready()
        });
        if !ended {
            return Some(started);
        }
        let said = read(&started.dir.path().join("said"));
        assert!(said.contains("address already in use"), "{said}");
        None
    }

    /// Whether it answers, and it is this one that does.
    fn is_ready(&self) -> bool {
        let get = |path: &str| {
            let response = self.client.get(format!("{}{path}", self.url)).send().ok()?;
            response
                .status()
                .is_success()
                .then(|| response.text().ok())?
        };
        let data = self.dir.path().join("data");
        let data = data.to_str().unwrap();
        get("/-/ready").is_some()
            && get("/api/v1/status/flags").is_some_and(|flags| flags.contains(data))
    }

    /// The answer to an instant query.
    ///
    /// # Errors
    /// If Prometheus refuses it, with its words.
    pub fn query(&self, expr: &str, at: f64) -> Result<Vec<Value>, String> {
        self.result("query", &[("query", expr), ("time", &at.to_string())])
    }

    /// The answer to a query over time, with a point every `step` seconds.
    ///
    /// # Errors
    /// If Prometheus refuses it, with its words.
    pub fn query_range(&self, expr: &str, window: Window, step: f64) -> Result<Vec<Value>, String> {
        let (start, end) = (window.from.to_string(), window.to.to_string());
        let step = step.to_string();
        let asked = [
            ("query", expr),
            ("start", &start),
            ("end", &end),
            ("step", &step),
        ];
        self.result("query_range", &asked)
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
    ) -> Result<Vec<String>, String> {
        let (start, end) = (window.from.to_string(), window.to.to_string());
        let asked = [("match[]", selector), ("start", &start), ("end", &end)];
        let data = self.ask(&format!("label/{label}/values"), &asked)?;
        let values = list(&data).iter().filter_map(Value::as_str);
        Ok(values.map(ToOwned::to_owned).collect())
    }

    /// Every metric with its labels.
    pub fn inventory(&self) -> Inventory {
        let all = [("match[]", "{__name__!=\"\"}")];
        let mut inventory = Inventory::default();
        for series in list(&self.ask("series", &all).unwrap()) {
            let series = series.as_object().unwrap();
            let labels = series.keys().map(String::as_str);
            let metric = series["__name__"].as_str().unwrap();
            inventory.add(metric, labels.filter(|label| *label != "__name__"));
        }
        inventory
    }

    fn result(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Vec<Value>, String> {
        let data = self.ask(path, parameters)?;
        match data["resultType"].as_str() {
            // One point without labels.
            Some("scalar") => Ok(vec![serde_json::json!({"value": data["result"]})]),
            _ => Ok(list(&data["result"]).to_vec()),
        }
    }

    /// `data` of the answer to `/api/v1/PATH?PARAMETERS`.
    fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let mut url = Url::parse(&format!("{}/api/v1/{path}", self.url)).unwrap();
        url.query_pairs_mut().extend_pairs(parameters);
        let text = self.client.get(url).send().unwrap().text().unwrap();
        let mut answer: Value = serde_json::from_str(&text).map_err(|_| text)?;
        if answer["status"] == "success" {
            return Ok(answer["data"].take());
        }
        Err(answer["error"].to_string())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn configuration(servers: &[&str]) -> String {
    let targets: Vec<_> = servers
        .iter()
        .map(|url| url.trim_start_matches("http://"))
        .collect();
    serde_json::json!({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{
            "job_name": "tachikoma-server",
            "static_configs": [{"targets": targets}],
        }],
    })
    .to_string()
}

/// Whether an answer would show anything: a histogram, or a number that is one.
pub fn has_data(result: &[Value]) -> bool {
    let is_number = |point: &Value| {
        let value = point[1].as_str().and_then(|text| text.parse::<f64>().ok());
        value.is_some_and(f64::is_finite)
    };
    result.iter().any(|series| {
        !series["histogram"].is_null()
            || !list(&series["histograms"]).is_empty()
            || is_number(&series["value"])
            || list(&series["values"]).iter().any(is_number)
    })
}

#[test]
fn no_number_is_no_data() {
    use serde_json::json;
    for (series, expected) in [
        (json!([]), false),
        (json!([{"value": [1.0, "NaN"]}]), false),
        (json!([{"values": [[1.0, "NaN"], [2.0, "+Inf"]]}]), false),
        (json!([{"values": []}, {"histograms": []}]), false),
        (json!([{"value": [1.0, "0"]}]), true),
        (json!([{"values": [[1.0, "NaN"], [2.0, "0.5"]]}]), true),
        (json!([{"histograms": [[1.0, {"count": "1"}]]}]), true),
        (json!([{"histogram": [1.0, {"count": "1"}]}]), true),
    ] {
        assert_eq!(has_data(list(&series)), expected, "{series}");
    }
}
