//! What is sent while a test runs: that it runs, and what the server spends on it.

use std::time::{Duration, Instant};

use super::figures::{self, Tags};
use super::sender::Sender;
use super::unix_ms;
use crate::server::{Sample, Sampler};

/// A test under way.
pub struct Live<'a> {
    sender: &'a Sender,
    tags: Tags,
    interval: Duration,
    next: Instant,
    from_unix_ms: f64,
    /// The server when the test began, and the last look at it that was sent.
    first: Option<Sample>,
    sent_s: f64,
}

impl<'a> Live<'a> {
    pub(super) fn new(
        sender: &'a Sender,
        tags: Tags,
        interval: Duration,
        first: Option<Sample>,
    ) -> Self {
        Self {
            sender,
            tags,
            interval,
            next: Instant::now(),
            from_unix_ms: unix_ms(),
            first,
            sent_s: 0.0,
        }
    }

    /// Sends what is new, if it is time to.
    pub fn tick(&mut self, sampler: Option<&Sampler>) {
        if Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + self.interval;
        self.send(sampler, unix_ms());
    }

    /// The test has ended.
    pub fn ends(mut self, sampler: Option<&Sampler>) {
        let now = unix_ms();
        self.send(sampler, now);
        self.sender.send(vec![figures::ended(&self.tags, now)]);
    }

    fn send(&mut self, sampler: Option<&Sampler>, now: f64) {
        let mut series = vec![figures::started(&self.tags, self.from_unix_ms, now)];
        if let (Some(first), Some(sampler)) = (self.first, sampler) {
            let from = self.sent_s.max(first.elapsed_s);
            let new: Vec<Sample> = sampler
                .between(from, f64::INFINITY)
                .into_iter()
                .filter(|sample| sample.elapsed_s > self.sent_s)
                .collect();
            if let Some(last) = new.last() {
                self.sent_s = last.elapsed_s;
                series.extend(figures::usage(&self.tags, &new, &first, self.from_unix_ms));
            }
        }
        self.sender.send(series);
    }
}
