//! Watches the server's health while k6 runs.
//!
//! A server that is gone ends the test: nothing can be measured any more. One that is merely silent may be overloaded,
//! which is what a load test is there to find out: that is said, and the test goes on to its thresholds.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::health::{Health, Prober};
use crate::shell::locked;
use crate::ui;

/// The time between two looks; with [`SECOND_LOOK`] or [`PROBE_LIMIT`] it stays below the promised 2 s.
const PERIOD: Duration = Duration::from_secs(1);
/// The time after which an address where nothing answers is looked at again.
const SECOND_LOOK: Duration = Duration::from_millis(200);
/// How long one look may take.
const PROBE_LIMIT: Duration = Duration::from_millis(800);
/// How long a server may be silent before the test is ended: k6's own request time-out, after which every request
/// that was under way has failed.
const SILENT_LIMIT: Duration = Duration::from_secs(60);

/// How long an uptime may stand still: it is told in seconds.
const STILL: Duration = Duration::from_secs(5);

/// Watches a server in a thread until dropped.
#[derive(Debug)]
pub struct Watch {
    gone: Arc<Mutex<Option<String>>>,
    said: Arc<Mutex<Vec<String>>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to watch the server that `prober` asks; one that has been up for less than `uptime_s` is another one.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(prober: Prober, uptime_s: Option<f64>) -> anyhow::Result<Self> {
        let gone = Arc::new(Mutex::new(None));
        let ours = Arc::clone(&gone);
        let said = Arc::new(Mutex::new(Vec::new()));
        let saying = Arc::clone(&said);
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("watch".into())
            .spawn(move || {
                let mut judge = Judge {
                    uptime_s,
                    ..Judge::default()
                };
                while stopped.recv_timeout(judge.next_look()) == Err(RecvTimeoutError::Timeout) {
                    let health = prober.health(PROBE_LIMIT);
                    let (notice, verdict) = judge.look(&health, Instant::now());
                    if let Some(notice) = notice {
                        ui::notice(&notice);
                        let mut saying = locked(&saying);
                        saying.push(notice);
                    }
                    if let Some(why) = verdict {
                        *locked(&ours) = Some(why);
                        return;
                    }
                }
            })
            .context("failed to start the watching thread")?;
        Ok(Self {
            gone,
            said,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// What was said of its health since this was last asked.
    pub fn said(&self) -> Vec<String> {
        std::mem::take(&mut locked(&self.said))
    }

    /// Why the test cannot go on, if so.
    pub fn gone(&self) -> Option<String> {
        locked(&self.gone).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// Turns looks into notices and, when nothing more can be measured, a verdict.
#[derive(Debug, Default)]
struct Judge {
    unreachable: u32,
    silent_since: Option<Instant>,
    said: bool,
    /// The longest uptime that was seen.
    uptime_s: Option<f64>,
    /// Since when it has not moved; `None` once that was said.
    still_since: Option<Instant>,
}

impl Judge {
    fn next_look(&self) -> Duration {
        if self.unreachable > 0 {
            SECOND_LOOK
        } else {
            PERIOD
        }
    }

    /// What is to be said, once, of an uptime that does not move.
    fn stands_still(&mut self, uptime_s: Option<f64>, now: Instant) -> Option<String> {
        if uptime_s.is_none() || uptime_s != self.uptime_s {
            self.still_since = Some(now);
        }
        let still = self.still_since.is_some_and(|since| now - since >= STILL);
        still.then(|| {
            self.still_since = None;
            "the server's uptime does not change, so a restart would go unnoticed".into()
        })
    }

    fn look(&mut self, health: &Health, now: Instant) -> (Option<String>, Option<String>) {
        if let Health::Unreachable(why) = health {
            self.unreachable += 1;
            // One refused connection may be a full backlog; two in a row are a closed port.
            return (
                None,
                (self.unreachable >= 2).then(|| format!("the server stopped answering: {why}")),
            );
        }
        self.unreachable = 0;
        if let Health::Healthy(alive) = health {
            if let Some(restarted) = restarted(self.uptime_s, alive.uptime_s) {
                return (None, Some(restarted));
            }
            if let Some(notice) = self.stands_still(alive.uptime_s, now) {
                return (Some(notice), None);
            }
            self.uptime_s = alive.uptime_s.or(self.uptime_s);
            let back = self
                .silent_since
                .take()
                .filter(|_| std::mem::take(&mut self.said));
            return (
                back.map(|since| {
                    format!(
                        "the server is healthy again after {:.0} s",
                        (now - since).as_secs_f64()
                    )
                }),
                None,
            );
        }
        let since = *self.silent_since.get_or_insert(now);
        let notice = (!std::mem::replace(&mut self.said, true))
            .then(|| format!("the server's health: {health}; the test goes on to its thresholds"));
        let limit = SILENT_LIMIT.as_secs();
        let verdict = (now - since >= SILENT_LIMIT)
            .then(|| format!("the server was not healthy for {limit} s: {health}"));
        (notice, verdict)
    }
}

/// What is wrong if the uptime went back: it is not the process that was measured so far.
pub fn restarted(before_s: Option<f64>, now_s: Option<f64>) -> Option<String> {
    let (before, now) = (before_s?, now_s?);
    (now < before).then(|| {
        format!("the server was restarted in mid-run: it had been up for {before} s, and now for {now} s")
    })
}

#[cfg(test)]
mod tests {
    use super::super::health::Alive;
    use super::*;

    fn healthy() -> Health {
        up_for(None)
    }

    fn up_for(uptime_s: Option<f64>) -> Health {
        Health::Healthy(Alive {
            version: "1".into(),
            faults: false,
            uptime_s,
        })
    }

    #[test]
    fn another_process_at_the_address_is_gone() {
        let mut judge = Judge::default();
        let now = Instant::now();
        for uptime in [Some(5.0), Some(5.0), None, Some(6.0)] {
            assert_eq!(judge.look(&up_for(uptime), now), (None, None));
        }
        let (_, verdict) = judge.look(&up_for(Some(0.0)), now);
        assert!(verdict.unwrap().contains("up for 6 s, and now for 0 s"));
    }

    #[test]
    fn an_uptime_that_does_not_move_is_said_once() {
        let mut judge = Judge::default();
        let begin = Instant::now();
        let mut said = Vec::new();
        for second in 0..20 {
            let (notice, verdict) =
                judge.look(&up_for(Some(7.0)), begin + Duration::from_secs(second));
            assert_eq!(verdict, None);
            said.extend(notice.map(|notice| (second, notice)));
        }
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].0 == 5 && said[0].1.contains("does not change"),
            "{said:?}"
        );
        let mut moving = Judge::default();
        for second in 0..20_u32 {
            let health = up_for(Some(f64::from(second)));
            let looked = moving.look(&health, begin + Duration::from_secs(second.into()));
            assert_eq!(looked, (None, None));
        }
    }

    #[test]
    fn a_closed_port_is_gone_after_two_looks() {
        let mut judge = Judge::default();
        let now = Instant::now();
        let refused = Health::Unreachable("connection refused".into());
        assert_eq!(judge.look(&refused, now), (None, None));
        assert_eq!(judge.look(&healthy(), now), (None, None));
        assert_eq!(judge.look(&refused, now), (None, None));
        let (_, verdict) = judge.look(&refused, now);
        assert_eq!(
            verdict.as_deref(),
            Some("the server stopped answering: connection refused")
        );
    }

    #[test]
    fn silence_is_said_once_and_ends_the_test_late() {
        let mut judge = Judge::default();
        let begin = Instant::now();
        let (notice, verdict) = judge.look(&Health::Silent, begin);
        assert!(notice.is_some() && verdict.is_none());
        assert_eq!(
            judge.look(&Health::Silent, begin + Duration::from_secs(30)),
            (None, None)
        );
        let (notice, _) = judge.look(&healthy(), begin + Duration::from_secs(40));
        assert_eq!(
            notice.as_deref(),
            Some("the server is healthy again after 40 s")
        );
        let (notice, _) = judge.look(&Health::Silent, begin + Duration::from_secs(50));
        assert!(notice.is_some());
        let (_, verdict) = judge.look(&Health::Silent, begin + Duration::from_secs(110));
        assert!(verdict.is_some());
    }
}
