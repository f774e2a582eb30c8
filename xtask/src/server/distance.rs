//! How far away a server is: how long an answer takes from here, and what its clock says.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use reqwest::header::DATE;

use crate::http;

/// Answers that are looked at; the first one's connection serves the others too.
const LOOKS: usize = 6;
/// How long each may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The round trip from which on it is worth keeping: a tenth of what thresholds allow an answer as a rule.
const LONG: Duration = Duration::from_millis(50);
/// How far off a clock must be at the least to be told, in seconds: `Date` has whole ones.
const FAR_OFF_S: f64 = 1.0;

/// What was seen of a server elsewhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distance {
    /// The median time from a health request to its answer, on a connection that is open.
    round_trip: Duration,
    /// The bounds in which the server's clock is ahead of ours, in seconds; none without a `Date` in its answers.
    ahead_s: Option<[f64; 2]>,
}

impl Distance {
    /// Looks at the server that answers at `url`; none if it does not.
    pub fn of(url: &str) -> Option<Self> {
        let client = http::client_for(url).ok()?.timeout(LIMIT).build().ok()?;
        let mut took = Vec::new();
        let mut bounds: Vec<[f64; 2]> = Vec::new();
        for nth in 0..LOOKS {
            let (sent_at, sent) = (SystemTime::now(), Instant::now());
            let answer = client.get(url).send().ok()?;
            let date = answer.headers().get(DATE).cloned();
            let _read_to_its_end = answer.bytes();
            if nth > 0 {
                took.push(sent.elapsed());
            }
            let date = date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
            bounds.extend(date.map(|date| ahead(date, sent_at, sent.elapsed())));
        }
        took.sort();
        let within = bounds
            .into_iter()
            .reduce(|all, one| [all[0].max(one[0]), all[1].min(one[1])]);
        Some(Self {
            round_trip: took[took.len() / 2],
            // A clock that is set meanwhile is in no bounds.
            ahead_s: within.filter(|[low, high]| low <= high),
        })
    }

    /// In a sentence.
    pub fn words(&self) -> String {
        let ms = self.round_trip.as_secs_f64() * 1e3;
        let clock = match self.clock() {
            Some(clock) => clock,
            None if self.ahead_s.is_none() => "its clock is not known".into(),
            None => "its clock agrees with ours".into(),
        };
        format!("a health request takes {ms:.1} ms from here and back, and {clock}")
    }

    /// What of it may explain a result.
    pub fn notice(&self) -> Option<String> {
        let ms = self.round_trip.as_secs_f64() * 1e3;
        let long = format!("a request takes {ms:.0} ms there and back, which is part of all times");
        let long = (self.round_trip >= LONG).then_some(long);
        let all: Vec<String> = long.into_iter().chain(self.clock()).collect();
        (!all.is_empty()).then(|| format!("the server is elsewhere: {}", all.join(", and ")))
    }

    /// How far its clock is off, if it is for certain.
    fn clock(&self) -> Option<String> {
        let [low, high] = self.ahead_s?;
        let middle = f64::midpoint(low, high).abs();
        let said = |which| Some(format!("its clock is {middle:.0} s {which} ours"));
        match () {
            () if low > FAR_OFF_S => said("ahead of"),
            () if high < -FAR_OFF_S => said("behind"),
            () => None,
        }
    }
}

/// The bounds in which a clock is ahead that said `date`, cut to whole seconds, between `sent` and `took` later.
fn ahead(date: SystemTime, sent: SystemTime, took: Duration) -> [f64; 2] {
    let seconds = |time: SystemTime| {
        time.duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64()
    };
    let ahead = seconds(date) - seconds(sent);
    [ahead - took.as_secs_f64(), ahead + 1.0]
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// Looks at a server that takes `pause` to answer, and whose clock is `ahead_s` ahead.
    fn look(pause: Duration, ahead_s: u64) -> Distance {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mut client = BufReader::new(client);
                let mut line = String::new();
                while client.read_line(&mut line).is_ok_and(|read| read > 0) {
                    if line == "\r\n" {
                        std::thread::sleep(pause);
                        let date = SystemTime::now() + Duration::from_secs(ahead_s);
                        let date = httpdate::fmt_http_date(date);
                        let answer = format!(
                            "HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 2\r\n\r\n{{}}"
                        );
                        let _gone = client.get_mut().write_all(answer.as_bytes());
                    }
                    line.clear();
                }
            }
        });
        Distance::of(&url).unwrap()
    }

    #[test]
    fn a_server_far_away_is_known_by_its_answers() {
        let far = look(LONG, 3_600);
        let said = far.notice().unwrap();
        assert!(
            said.starts_with("the server is elsewhere: a request takes "),
            "{said}"
        );
        assert!(
            said.contains("its clock is 3600 s ahead of ours")
                || said.contains("its clock is 3601 s"),
            "{said}"
        );
        let near = look(Duration::ZERO, 0);
        assert!(
            near.words().contains("its clock agrees with ours"),
            "{near:?}"
        );
    }

    #[test]
    fn a_clock_is_off_only_for_certain() {
        let distance = |low, high| Distance {
            round_trip: Duration::from_millis(2),
            ahead_s: Some([low, high]),
        };
        // `Date` is cut to whole seconds, so that a second says nothing.
        assert_eq!(distance(-0.9, 1.1).notice(), None);
        assert_eq!(
            distance(-5.5, -4.5).notice().unwrap(),
            "the server is elsewhere: its clock is 5 s behind ours"
        );
        let sent = UNIX_EPOCH + Duration::from_millis(10_700);
        let [low, high] = ahead(
            UNIX_EPOCH + Duration::from_secs(13),
            sent,
            Duration::from_millis(200),
        );
        assert!(
            (low - 2.1).abs() < 1e-9 && (high - 3.3).abs() < 1e-9,
            "{low} {high}"
        );
    }
}
