//! The HTML pages of a real run, in a real browser: nothing is asked of the network, nothing is amiss on the console, the
//! verdict can be read and the charts have an area, on a desk and on a phone.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Run, read, wait_until};

/// The names that Chromium goes by.
const BROWSERS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// Looks at a page from a frame around it: `file` at `width` px.
const FRAME: &str = r#"<!doctype html><meta charset="utf-8"><iframe id="f" src="PAGE" style="width:WIDTHpx;height:900px;border:0"></iframe>
<pre id="seen"></pre><script>
onload = () => {
  const view = document.getElementById('f').contentWindow, page = view.document;
  const areas = (name) => [...page.querySelectorAll(name)].map((it) => {
    const box = it.getBoundingClientRect(), parts = [...it.querySelectorAll('path, rect, circle')];
    const sizes = parts.map((part) => part.getBoundingClientRect()).map((size) => size.width + size.height);
    return [box.width, box.height, Math.max(0, ...sizes)];
  });
  document.getElementById('seen').textContent = 'SEEN' + JSON.stringify({
    text: page.body.innerText, charts: areas('svg.chart'), bars: areas('svg.bar'), sparks: areas('svg.spark'),
    scripts: page.scripts.length, requests: view.performance.getEntriesByType('resource').map((it) => it.name),
    overflow: page.documentElement.scrollWidth - page.documentElement.clientWidth,
  }) + 'END';
};
</script>"#;

/// What the browser saw.
pub struct Seen {
    page: Value,
    console: Vec<String>,
}

impl Seen {
    /// Asserts that `text` can be read on it.
    #[track_caller]
    pub fn says(&self, text: &str) {
        let said = self.page["text"].as_str().unwrap();
        assert!(said.contains(text), "{text:?} is not to be seen in: {said}");
    }

    /// Asserts that there are at least `least` elements of a kind and that each is large enough to be seen.
    #[track_caller]
    pub fn shows(&self, kind: &str, least: usize, width: f64, height: f64) {
        let all = self.page[kind].as_array().unwrap();
        assert!(all.len() >= least, "{kind}: {all:?}");
        for area in all {
            let number = |at: usize| area[at].as_f64().unwrap();
            assert!(
                number(0) >= width && number(1) >= height && number(2) > 0.0,
                "{kind}: {all:?}"
            );
        }
    }

    /// Asserts that it asks for nothing, complains of nothing and fits the screen.
    #[track_caller]
    pub fn is_quiet(&self) {
        assert!(self.console.is_empty(), "{:?}", self.console);
        assert_eq!(self.page["scripts"], 0);
        assert_eq!(
            self.page["requests"].as_array().unwrap().len(),
            0,
            "{}",
            self.page["requests"]
        );
        assert_eq!(self.page["overflow"], 0, "it is wider than the screen");
    }
}

/// The browser; `None` and a word about it if there is none.
pub fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let found = BROWSERS
        .iter()
        .flat_map(|name| dirs.iter().map(move |dir| dir.join(name)));
    let found = found.into_iter().find(|path| path.is_file());
    if found.is_none() {
        eprintln!(
            "skipped: there is no Chromium to look at the pages with; `.ci/run` installs one"
        );
    }
    found
}

/// Opens `page` at `width` px and looks at it.
#[track_caller]
pub fn look(browser: &Path, page: &Path, width: u32) -> Seen {
    let dir = tempfile::tempdir().unwrap();
    let frame = dir.path().join("frame.html");
    let address = format!("file://{}", page.display());
    std::fs::write(
        &frame,
        FRAME
            .replace("PAGE", &address)
            .replace("WIDTH", &width.to_string()),
    )
    .unwrap();
    let profile = dir.path().join("profile");
    let out = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
        ])
        .args([
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--window-size=1280,1000",
        ])
        // The frame may look into the page, and whatever the page asks of the network fails loudly.
        .args([
            "--allow-file-access-from-files",
            "--host-resolver-rules=MAP * ~NOTFOUND",
        ])
        .args(["--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}", frame.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (dom, log) = (
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr),
    );
    let seen = dom
        .split_once("SEEN")
        .and_then(|(_, rest)| rest.split_once("END"));
    let (seen, _) = seen.unwrap_or_else(|| panic!("the page was not seen: {dom}\n{log}"));
    let plain = seen
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&nbsp;", "\u{a0}")
        .replace("&amp;", "&");
    Seen {
        page: serde_json::from_str(&plain).unwrap(),
        console: log
            .lines()
            .filter(|line| line.contains("CONSOLE"))
            .map(str::to_owned)
            .collect(),
    }
}

#[test]
fn a_run_is_seen_in_a_browser() {
    let done = Run::new("load missions --time-scale 0.02")
        .own_server()
        .done();
    done.exits(0);
    let report = done.folder().join("report.html");
    let index = done.results.join("index.html");
    // Without a browser, that they are there and self-contained is still worth knowing.
    for page in [&report, &index] {
        let html = read(page);
        assert!(
            html.contains("default-src 'none'") && !html.contains("src=\"http"),
            "{html}"
        );
    }
    let Some(browser) = browser() else { return };
    for width in [1200, 390] {
        let seen = look(&browser, &report, width);
        seen.is_quiet();
        seen.says("passed");
        seen.says("mission_create_duration p(95)");
        seen.says("Mission CRUD › create status is 201");
        seen.says("cargo xtask load-test load missions --time-scale 0.02");
        // Latency, requests, failures, virtual users, memory and CPU.
        seen.shows("charts", 6, 300.0, 120.0);
        seen.shows("bars", 6, 60.0, 10.0);
        let seen = look(&browser, &index, width);
        seen.is_quiet();
        seen.says("load missions at time scale 0.02");
        seen.shows("sparks", 2, 80.0, 20.0);
    }
}

#[test]
fn a_page_that_asks_for_something_would_be_noticed() {
    let Some(browser) = browser() else { return };
    let dir = tempfile::tempdir().unwrap();
    let done = Run::new("smoke health --time-scale 0.02")
        .own_server()
        .done();
    let html = read(&done.folder().join("report.html"));
    let bad = dir.path().join("bad.html");
    std::fs::write(
        &bad,
        html.replace(
            "<main>",
            "<main><img src=\"http://127.0.0.1:9/x.png\"><script>1</script>",
        ),
    )
    .unwrap();
    let seen = look(&browser, &bad, 1200);
    assert!(seen.console.len() >= 2, "{:?}", seen.console);
}

#[test]
fn hostile_text_is_seen_as_text() {
    let Some(browser) = browser() else { return };
    let evil = "<script>document.body.innerHTML='gone'</script><b>\"x\" & 'y'";
    let done = Run::new("smoke health --time-scale 0.02")
        .own_server()
        .done();
    let path = done.folder().join("run.json");
    let mut run = done.run();
    run["notices"] = serde_json::json!([evil]);
    run["revision"] = serde_json::json!({"commit": "1234567890", "branch": evil, "dirty": true});
    run["tests"][0]["checks"][0]["name"] = evil.into();
    std::fs::write(&path, run.to_string()).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["report", "--all", "--results"])
        .arg(&done.results)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let seen = look(&browser, &done.folder().join("report.html"), 1200);
    seen.is_quiet();
    assert_eq!(
        seen.page["text"].as_str().unwrap().matches(evil).count(),
        3,
        "{}",
        seen.page["text"]
    );
}

#[test]
fn a_page_in_the_way_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // A folder where the index is to be: it cannot be written.
    let results = dir.path().join("results");
    std::fs::create_dir_all(results.join("index.html/full")).unwrap();
    let done = Run::new("smoke health --time-scale 0.02")
        .own_server()
        .env("TACHIKOMA_RESULTS", results.to_str().unwrap())
        .done();
    done.exits(0).says("index.html");
    assert!(results.join("latest/run.json").is_file());
}

#[test]
fn report_names_what_it_cannot_read() {
    let done = Run::new("smoke health --time-scale 0.02")
        .own_server()
        .done();
    let broken = done.results.join("2020-01-01T00-00-00Z-smoke");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("run.json"), "{\"half\":").unwrap();
    std::fs::remove_file(done.folder().join("report.html")).unwrap();
    let report = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .arg("report")
            .args(args)
            .arg("--results")
            .arg(&done.results);
        command.output().unwrap()
    };
    let out = report(&[]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}");
    assert!(
        said.contains("2020-01-01T00-00-00Z-smoke: run.json is corrupted"),
        "{said}"
    );
    assert!(
        String::from_utf8_lossy(&out.stdout)
            .trim()
            .ends_with("report.html")
    );
    assert!(done.folder().join("report.html").is_file());
    let out = report(&["no-such-run"]);
    assert_eq!(
        out.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    assert_eq!(
        report(&["2020-01-01T00-00-00Z-smoke"]).status.code(),
        Some(3)
    );
}

#[test]
fn the_live_dashboard_is_opened_and_its_address_kept() {
    // Stand-ins for the desktop's opener, which writes down what it is to open, and for what detaches it, which takes
    // longer than the whole run.
    let dir = tempfile::tempdir().unwrap();
    let opener = dir.path().join("xdg-open");
    let opened = dir.path().join("opened");
    let script = format!(
        "#!/bin/sh\necho \"$1\" > '{0}.new' && mv '{0}.new' '{0}'\n",
        opened.display()
    );
    std::fs::write(&opener, script).unwrap();
    std::fs::set_permissions(&opener, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let slow = dir.path().join("setsid");
    std::fs::write(
        &slow,
        "#!/bin/sh\nsleep 4\nPATH=${PATH#*:} exec setsid --fork env PATH=\"$PATH\" \"$2\" \"$3\"\n",
    )
    .unwrap();
    std::fs::set_permissions(&slow, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        dir.path().display(),
        std::env::var("PATH").unwrap()
    );
    let done = Run::new("smoke health --time-scale 0.02 --open")
        .own_server()
        .env("PATH", &path)
        .done();
    done.exits(0);
    wait_until("the dashboard is opened", || opened.is_file());
    let address = read(&opened).trim().to_owned();
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    assert!(read(&done.folder().join("health/k6.log")).contains(&address));
    // Without a terminal it is for the log alone.
    assert!(!done.stderr.contains(&address), "{}", done.stderr);
}
