//! A real browser that looks at pages, and axe-core that looks with it.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use crate::support::{PATIENCE, root};

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

/// Looks at copies of pages one after the other, each at its width and in its colours, with everything unfolded, and has
/// axe-core look as well. What a chart is made of is left to the chart's own name.
const AUDIT: &str = r#"<!doctype html><meta charset="utf-8"><body><script>
onload = async () => {
  for (const [file, width, scheme] of JOBS) {
    const frame = document.createElement('iframe');
    frame.style = `width:${width}px;height:900px;border:0;color-scheme:${scheme}`;
    frame.src = file;
    const loaded = new Promise((done) => { frame.onload = done; });
    document.body.append(frame);
    await loaded;
    const view = frame.contentWindow, page = view.document, all = (name) => [...page.querySelectorAll(name)];
    all('details').forEach((it) => { it.open = true; });
    const wide = all('main *').filter((it) => it.getBoundingClientRect().right > view.innerWidth);
    const overflow = page.documentElement.scrollWidth - page.documentElement.clientWidth;
    const without = all('svg.chart').filter((it) => !it.parentElement.querySelector('.values tbody tr'));
    const texts = all('svg.chart text').map((it) => {
      const drawn = it.ownerSVGElement, size = parseFloat(view.getComputedStyle(it).fontSize);
      return size * drawn.getBoundingClientRect().width / drawn.viewBox.baseVal.width;
    });
    // All tables of values are alike: one is enough, and hundreds would take minutes.
    all('details.values').slice(1).forEach((it) => { it.open = false; });
    const options = { resultTypes: ['violations'], preload: false, iframes: false };
    const found = await view.axe.run({ exclude: [['svg.chart > *']] }, options);
    const findings = found.violations.flatMap((it) => it.nodes.map((node) => `${it.id}: ${node.html.slice(0, 300)}`));
    console.log('SEEN' + JSON.stringify({
      file, width, scheme, findings, overflow, inner: view.innerWidth, rules: found.passes.length,
      wide: wide.map((it) => it.outerHTML.slice(0, 200)), without: without.length, smallest: Math.min(99, ...texts),
      back: view.getComputedStyle(page.body).backgroundColor,
    }) + 'END');
    frame.remove();
  }
};
</script>"#;

/// A browser under way; dropping it ends it with all its processes.
struct Browsing(Child);

impl Drop for Browsing {
    fn drop(&mut self) {
        let _ended = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ended = self.0.wait();
    }
}

/// What the browser saw.
pub struct Seen {
    /// What the page holds.
    pub page: Value,
    /// What it said on the console.
    pub console: Vec<String>,
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
    assert!(found.is_some() || !is_required(), "there is no Chromium");
    if found.is_none() {
        eprintln!(
            "skipped: there is no Chromium to look at the pages with; `.ci/run` installs one"
        );
    }
    found
}

/// Whether what looks at pages must be there: in CI, as `.ci/run` installs it.
fn is_required() -> bool {
    cfg!(target_os = "linux") && std::env::var_os("CI").is_some_and(|ci| ci == "true")
}

/// The program text of axe-core; `None` and a word about it if it is not installed.
pub fn axe() -> Option<String> {
    let path = root().join("target/tools/pages/node_modules/axe-core/axe.min.js");
    let found = std::fs::read_to_string(&path).ok();
    assert!(
        found.is_some() || !is_required(),
        "{} is not there: `.ci/run` installs it",
        path.display()
    );
    if found.is_none() {
        eprintln!("skipped: there is no axe-core to look at the pages with; `.ci/run` installs it");
    }
    found
}

/// A browser with a profile in `dir`, not yet started.
fn headless(browser: &Path, dir: &Path) -> Command {
    let mut command = Command::new(browser);
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--enable-logging=stderr",
            "--window-size=1280,1000",
            // The frame may look into the page, and whatever the page asks of the network fails loudly.
            "--allow-file-access-from-files",
            "--host-resolver-rules=MAP * ~NOTFOUND",
        ])
        .arg(format!("--user-data-dir={}", dir.join("profile").display()))
        .stdin(Stdio::null());
    command
}

/// Has `axe` and the browser look at copies of `pages`, each on a desk in the light and on a phone in the dark.
pub fn audit(browser: &Path, axe: &str, pages: &[String]) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("axe.js"), axe).unwrap();
    let mut jobs = Vec::new();
    for (nth, page) in pages.iter().enumerate() {
        let file = format!("{nth}.html");
        // The page's own policy lets no program in.
        let (before, policy) = page
            .split_once("<meta http-equiv=\"Content-Security-Policy\"")
            .unwrap();
        let (_, after) = policy.split_once('>').unwrap();
        let copy = format!("{before}{after}<script src=\"axe.js\"></script>");
        std::fs::write(dir.path().join(&file), copy).unwrap();
        jobs.extend([(file.clone(), 1280, "light"), (file, 390, "dark")]);
    }
    let frame = dir.path().join("audit.html");
    let text = AUDIT.replace("JOBS", &serde_json::to_string(&jobs).unwrap());
    std::fs::write(&frame, text).unwrap();
    let mut command = headless(browser, dir.path());
    command
        // What keeps it open until everything is said.
        .arg("--remote-debugging-port=0")
        .arg(format!("file://{}", frame.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut browsing = Browsing(command.spawn().unwrap());
    let said = BufReader::new(browsing.0.stderr.take().unwrap());
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = said.lines().map_while(Result::ok);
        while lines.next().is_some_and(|line| sender.send(line).is_ok()) {}
    });
    let mut seen = Vec::new();
    while seen.len() < jobs.len() {
        let line = lines.recv_timeout(PATIENCE).expect("the browser is silent");
        assert!(!line.contains("Uncaught"), "{line}");
        let found = line
            .split_once("SEEN")
            .and_then(|(_, it)| it.rsplit_once("END"));
        seen.extend(found.map(|(found, _)| serde_json::from_str(found).unwrap()));
    }
    seen
}

/// Renews the picture `name` of the guide: `page` in a frame of this `width`, in px.
pub fn picture(browser: &Path, page: &Path, width: u32, name: &str) {
    let dir = tempfile::tempdir().unwrap();
    let frame = dir.path().join("picture.html");
    let text = format!(
        "<body style='margin: 0; background: #ddd; text-align: center'>\
         <iframe src='file://{}' style='width: {width}px; height: 1100px; border: 0'></iframe>",
        page.display()
    );
    std::fs::write(&frame, text).unwrap();
    let to = root().join("load-tests/images").join(name);
    let done = headless(browser, dir.path())
        .arg("--hide-scrollbars")
        // A window is never narrower than 500 px.
        .arg(format!("--window-size={},1100", width.max(500)))
        .arg(format!("--screenshot={}", to.display()))
        .arg(format!("file://{}", frame.display()))
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
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
    let out = headless(browser, dir.path())
        .arg("--dump-dom")
        .arg(format!("file://{}", frame.display()))
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
