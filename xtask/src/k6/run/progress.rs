//! What k6 says while it runs: its progress, its log, and where its dashboard is.

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::duration::short;
use super::live::{self, Totals};
use super::log::{LogEntry, Said};
use super::relay::Relay;
use crate::record::plural;
use crate::shell::{self, locked};
use crate::ui;

/// How many warnings and errors of k6 are shown while it runs; the log has them all.
const MAX_SHOWN: u32 = 5;

/// Where a test stands in the whole run.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Which of the tests it is, from 1.
    pub nth: usize,
    /// How many there are.
    pub of: usize,
    /// How long the tests before it take.
    pub before: Duration,
    /// How long it takes itself, its last iterations included.
    pub lasts: Duration,
    /// How long the tests behind it take.
    pub behind: Duration,
}

/// Follows the lines of one k6 run.
pub struct TestProgress {
    test: String,
    /// Shows how far the whole run is; not where somebody else does.
    bar: Option<(Place, ui::Progress)>,
    totals: Arc<Mutex<Totals>>,
    /// What the totals come from.
    events: Option<TcpStream>,
    shown: u32,
    open: bool,
    /// The thread that opens the dashboard: who ends before it would take the opener along.
    pub opening: Option<JoinHandle<()>>,
    relay: Option<Relay>,
    /// What the log said.
    pub said: Said,
    /// Virtual users now, and how many there may be at most, as far as k6 has said.
    pub users: Option<[u64; 2]>,
    /// Whether scenarios were listed since the last line that sums up, and all of them had ended.
    listed: bool,
    all_ended: bool,
    /// When k6 said that the load had ended, if it has.
    pub ended: Option<Instant>,
}

/// What a line of k6's is.
#[derive(Debug, PartialEq, Eq)]
enum OutputLine<'a> {
    /// The summed-up progress, as in `running (0m05.0s), 01/10 VUs, 9 complete and 0 interrupted iterations`: how long, and
    /// how many virtual users of how many.
    Running(Option<Duration>, Option<[u64; 2]>),
    /// The progress of one scenario, as in `default ✓ [ 100% ] 1 VUs  30s`, and whether it has ended.
    Scenario(bool),
    /// An entry of the log.
    Log(LogEntry),
    /// The address of the live dashboard.
    Dashboard(&'a str),
    /// Anything else.
    Other,
}

impl TestProgress {
    /// Begins to follow a run of `test` at this `place` of the whole run; `open` has its live dashboard opened in the
    /// browser.
    pub fn new(test: &str, place: Option<Place>, open: bool) -> Self {
        let bar = place.map(|place| {
            let bar = ui::Progress::of(test);
            let words = place.words(test, Duration::ZERO, None, Totals::default());
            bar.shows(place.share(Duration::ZERO), words);
            (place, bar)
        });
        Self {
            test: test.to_owned(),
            bar,
            totals: Arc::default(),
            events: None,
            shown: 0,
            open,
            opening: None,
            relay: None,
            said: Said::default(),
            users: None,
            listed: false,
            all_ended: true,
            ended: None,
        }
    }

    /// Takes note of a line; returns what is worth keeping in the log.
    pub fn line(&mut self, line: &str) -> Vec<String> {
        match classify(line) {
            OutputLine::Running(elapsed, users) => {
                if self.listed && self.all_ended && self.ended.is_none() {
                    self.ended = Some(Instant::now());
                }
                (self.listed, self.all_ended) = (false, true);
                self.users = users;
                if let (Some((place, bar)), Some(elapsed)) = (&self.bar, elapsed) {
                    let totals = *locked(&self.totals);
                    let words = place.words(&self.test, elapsed, self.users, totals);
                    bar.shows(place.share(elapsed), words);
                }
                Vec::new()
            }
            OutputLine::Scenario(ended) => {
                self.listed = true;
                self.all_ended &= ended;
                Vec::new()
            }
            OutputLine::Log(entry) => {
                self.said.take(&entry);
                if entry.is_problem() && !entry.is_of_thresholds() {
                    self.show(&entry.words());
                }
                entry.log_lines()
            }
            OutputLine::Dashboard(address) => vec![self.dashboard(address)],
            OutputLine::Other => {
                self.said.take_line(line);
                vec![line.to_owned()]
            }
        }
    }

    fn show(&mut self, words: &str) {
        self.shown += 1;
        if self.shown <= MAX_SHOWN {
            ui::info(&format!("  k6: {words}"));
        } else if self.shown == MAX_SHOWN + 1 {
            ui::info("  k6 keeps reporting errors: k6.log has them all");
        }
    }

    /// Shows the way to the dashboard, which is ours: k6's own would keep it from ending.
    fn dashboard(&mut self, address: &str) -> String {
        let socket = address.strip_prefix("http://");
        let socket = socket.and_then(|address| address.parse::<SocketAddr>().ok());
        let events = socket.filter(|_| self.bar.is_some());
        let events = events.and_then(|socket| live::ask(socket).ok());
        if let Some(stream) = events {
            let totals = Arc::clone(&self.totals);
            self.events = stream.try_clone().ok();
            // It ends with k6 at the latest. Without it the figures are missing from the progress, and nothing else.
            std::thread::spawn(move || {
                live::follow(stream, |now| {
                    *locked(&totals) = now;
                })
            });
        }
        let relay = socket.and_then(|socket| Relay::start(socket).ok());
        let address = relay.as_ref().map_or_else(
            || address.to_owned(),
            |relay| format!("http://{}", relay.address),
        );
        self.relay = relay;
        if ui::is_terminal() {
            ui::info(&format!("  live: {address}"));
        }
        if std::mem::take(&mut self.open) {
            let address = address.clone();
            // k6's output must go on to be read meanwhile.
            self.opening = Some(std::thread::spawn(move || shell::open(&address)));
        }
        format!("web dashboard: {address}")
    }

    /// Lets go whoever looks at the dashboard.
    pub fn close_dashboard(&mut self) {
        self.relay = None;
        if let Some(events) = self.events.take() {
            // It may have ended by itself.
            let _closed = events.shutdown(Shutdown::Both);
        }
    }
}

impl Place {
    /// How much of the whole run is done after `elapsed` of this test, from 0 to 1.
    fn share(&self, elapsed: Duration) -> f64 {
        let all = self.before + self.lasts + self.behind;
        let done = self.before + elapsed.min(self.lasts);
        done.as_secs_f64() / all.as_secs_f64().max(1e-3)
    }

    /// How far the run is, from all that is to be said to what has room on a narrow terminal.
    fn words(
        &self,
        test: &str,
        elapsed: Duration,
        users: Option<[u64; 2]>,
        totals: Totals,
    ) -> Vec<String> {
        let Self { nth, of, .. } = self;
        let whole = elapsed.as_secs();
        let left = self.lasts.as_secs().saturating_sub(whole) + self.behind.as_secs();
        let clock = match (left / 3600, left / 60 % 60, left % 60) {
            (0, minutes, seconds) => format!("{minutes}:{seconds:02} left"),
            (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02} left"),
        };
        let counted = |request: &str| match (totals.requests, totals.sessions) {
            (None, Some(sessions)) => Some(plural(sessions, "session")),
            (requests, _) => Some(plural(requests?, request)),
        };
        let failed = totals.failed.map(|share| {
            let percent = share * 100.0;
            match percent {
                0.0 => "0 % failed".to_owned(),
                _ if percent < 0.1 => "<0.1 % failed".to_owned(),
                _ => format!("{percent:.1} % failed"),
            }
        });
        let p95 = totals.p95_ms.map(|ms| match ms {
            _ if ms < 10.0 => format!("p95 {ms:.1} ms"),
            _ if ms < 9999.5 => format!("p95 {ms:.0} ms"),
            _ => format!("p95 {:.1} s", ms / 1000.0),
        });
        let place = format!("{nth}/{of} {test}");
        let joined = |parts: &[Option<&str>]| {
            let parts: Vec<&str> = parts.iter().copied().flatten().collect();
            parts.join(", ")
        };
        let (failed, p95) = (failed.as_deref(), p95.as_deref());
        let requests = counted("request");
        let in_short = counted("req");
        let in_short = in_short.as_deref();
        let all = users.map(|[now, most]| format!("{now}/{most} VUs"));
        let now = users.map(|[now, _]| format!("{now} VU{}", if now == 1 { "" } else { "s" }));
        vec![
            joined(&[
                Some(&format!("test {nth} of {of}, {test}")),
                all.as_deref(),
                requests.as_deref(),
                failed,
                p95,
                Some(&format!("{} left", short(Duration::from_secs(left)))),
            ]),
            joined(&[
                Some(&place),
                now.as_deref(),
                in_short,
                failed,
                p95,
                Some(&clock),
            ]),
            joined(&[Some(&place), in_short, failed, p95, Some(&clock)]),
            joined(&[Some(&place), failed, p95, Some(&clock)]),
            joined(&[Some(&place), failed, Some(&clock)]),
            joined(&[Some(&place), Some(&clock)]),
        ]
    }
}

/// The numbers of `010/100 VUs, 9 complete and 0 interrupted iterations`.
fn users(text: &str) -> Option<[u64; 2]> {
    let (now, most) = text.split(" VUs").next()?.split_once('/')?;
    Some([now.parse().ok()?, most.parse().ok()?])
}

fn classify(line: &str) -> OutputLine<'_> {
    let trimmed = line.trim();
    if let Some(rest) = trimmed.strip_prefix("running (") {
        let (elapsed, text) = rest.split_once("), ").unwrap_or(("", rest));
        return OutputLine::Running(humantime::parse_duration(elapsed).ok(), users(text));
    }
    if let Some(entry) = LogEntry::of(trimmed) {
        return OutputLine::Log(entry);
    }
    if let Some((name, rest)) = trimmed.split_once(" [")
        && !name.contains('"')
        && rest.contains("% ]")
    {
        return OutputLine::Scenario(name.ends_with(['✓', '✗']));
    }
    if let Some(address) = trimmed.strip_prefix("web dashboard:") {
        // Only what k6 listens on for us: a script may print such a line too.
        let address = address.trim();
        if address.starts_with("http://127.0.0.1:") && !address.contains(char::is_whitespace) {
            return OutputLine::Dashboard(address);
        }
    }
    OutputLine::Other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_at_every_width() {
        let place = Place {
            nth: 2,
            of: 4,
            before: Duration::from_secs(60),
            lasts: Duration::from_secs(130),
            behind: Duration::from_secs(190),
        };
        let totals = Totals {
            requests: Some(1204),
            sessions: None,
            failed: Some(0.003),
            p95_ms: Some(12.2),
        };
        let elapsed = Duration::from_millis(70_900);
        assert_eq!(
            place.words("missions", elapsed, Some([34, 100]), totals),
            [
                "test 2 of 4, missions, 34/100 VUs, 1,204 requests, 0.3 % failed, p95 12 ms, 4 min 10 s left",
                "2/4 missions, 34 VUs, 1,204 reqs, 0.3 % failed, p95 12 ms, 4:10 left",
                "2/4 missions, 1,204 reqs, 0.3 % failed, p95 12 ms, 4:10 left",
                "2/4 missions, 0.3 % failed, p95 12 ms, 4:10 left",
                "2/4 missions, 0.3 % failed, 4:10 left",
                "2/4 missions, 4:10 left",
            ]
        );
        let few = place.words("missions", elapsed, Some([1, 10]), totals);
        assert!(few[0].contains(" 1/10 VUs,"), "{}", few[0]);
        assert!(few[1].contains(", 1 VU,"), "{}", few[1]);
        assert_eq!(place.share(Duration::from_secs(35)), 0.25);
        // What takes longer than expected takes nothing from what follows.
        assert_eq!(place.share(Duration::from_secs(500)), 0.5);
        let sessions = Totals {
            sessions: Some(1),
            ..Totals::default()
        };
        assert_eq!(
            place.words(
                "websocket",
                Duration::from_secs(500),
                Some([1, 1]),
                sessions
            )[0],
            "test 2 of 4, websocket, 1/1 VUs, 1 session, 3 min 10 s left"
        );
        // Nothing is made up before k6 has said or measured anything.
        let at_first = |users| place.words("health", Duration::ZERO, users, Totals::default());
        assert_eq!(at_first(Some([1, 1]))[1], "2/4 health, 1 VU, 5:20 left");
        assert_eq!(at_first(None)[1], "2/4 health, 5:20 left");
    }

    #[test]
    fn tells_lines_apart() {
        let running = "running (0m05.0s), 01/10 VUs, 9 complete and 0 interrupted iterations";
        assert_eq!(
            classify(running),
            OutputLine::Running(Some(Duration::from_secs(5)), Some([1, 10]))
        );
        let scenario = "default   [  17% ] 1 VUs  05.0s/30.0s";
        assert_eq!(classify(scenario), OutputLine::Scenario(false));
        assert_eq!(
            classify("it   • [   0% ] waiting  0.0s"),
            OutputLine::Scenario(false)
        );
        assert_eq!(
            classify("cv   ✓ [ 100% ] 2 VUs  2s"),
            OutputLine::Scenario(true)
        );
        let warning = r#"{"level":"warning","msg":"Request Failed","error":"Get \"x\": refused"}"#;
        assert!(matches!(classify(warning), OutputLine::Log(entry) if entry.is_problem()));
        assert_eq!(classify("     execution: local"), OutputLine::Other);
        let dashboard = "  web dashboard: http://127.0.0.1:33355";
        assert_eq!(
            classify(dashboard),
            OutputLine::Dashboard("http://127.0.0.1:33355")
        );
        let elsewhere = "web dashboard: http://192.0.2.1:33355";
        assert_eq!(classify(elsewhere), OutputLine::Other);
    }

    #[test]
    fn the_load_has_ended_when_every_scenario_has() {
        let mut progress = TestProgress::new("health", None, false);
        let one_goes_on = [
            "running (00m02.0s), 1/3 VUs, 5 complete and 0 interrupted iterations",
            "cv   ✓ [ 100% ] 2 VUs  2s",
            "it     [   0% ] 1 VUs  00m01.0s/10m0s  0/1 shared iters",
            "running (00m03.0s), 0/3 VUs, 5 complete and 0 interrupted iterations",
        ];
        for line in one_goes_on {
            progress.line(line);
        }
        assert!(progress.ended.is_none());
        let both_ended = [
            "cv   ✓ [ 100% ] 2 VUs  2s",
            "it   ✓ [ 100% ] 1 VUs  00m01.3s/10m0s  1/1 shared iters",
            "running (00m04.0s), 0/3 VUs, 5 complete and 0 interrupted iterations",
        ];
        for line in both_ended {
            progress.line(line);
        }
        assert!(progress.ended.is_some());
    }
}
