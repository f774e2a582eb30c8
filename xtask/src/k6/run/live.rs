//! What k6 measures, as it measures it: the totals so far, from the events of its own dashboard.
//!
//! Of the sources that there are this one costs least and says most. The dashboard runs anyway, on a loopback port of its
//! own, and can only be looked at, while k6's REST API would let every user of the machine stop the test. The server's
//! own metrics know neither what a client waits nor what never arrived, and not every server has any.
//!
//! The events come with each of the dashboard's periods, from 0.2 to 10 s. Nobody promises their format, so that whatever
//! is not understood is not shown.
//!
//! Source: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// The longest event that is read, in bytes: one with hundreds of metrics has some 50 KB.
const MAX_EVENT: u64 = 4 << 20;
/// How long it may take to connect and to ask.
const LIMIT: Duration = Duration::from_secs(2);

/// The totals of a test so far; what k6 has not measured is none.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Totals {
    /// HTTP requests.
    pub requests: Option<u64>,
    /// WebSocket sessions that were opened.
    pub sessions: Option<u64>,
    /// The share of HTTP requests that failed, from 0 to 1.
    pub failed: Option<f64>,
    /// The 95th percentile of how long requests took, in milliseconds.
    pub p95_ms: Option<f64>,
}

/// Asks the dashboard for its events.
///
/// # Errors
/// If there is no connection, or it breaks.
pub fn ask(dashboard: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&dashboard, LIMIT)?;
    stream.set_write_timeout(Some(LIMIT))?;
    // By version 1.0 the answer is not cut into chunks.
    write!(
        stream,
        "GET /events HTTP/1.0\r\nHost: {dashboard}\r\nAccept: text/event-stream\r\n\r\n"
    )?;
    Ok(stream)
}

/// Hands the totals to `each` as they come in `stream` until the test ends or the connection does.
///
/// k6 waits at its end for whoever looks at its dashboard, so that this hangs up at the event which says it; whoever has
/// `stream` too may shut it before.
///
/// # Errors
/// If the connection breaks.
pub fn follow(stream: TcpStream, mut each: impl FnMut(Totals)) -> io::Result<()> {
    let mut lines = BufReader::new(stream);
    let (mut events, mut data) = (Events::default(), String::new());
    loop {
        let mut line = String::new();
        if lines.by_ref().take(MAX_EVENT).read_line(&mut line)? == 0 {
            return Ok(());
        }
        if let Some(text) = line.strip_prefix("data: ") {
            text.clone_into(&mut data);
        } else if let Some(name) = line.strip_prefix("event: ") {
            match name.trim() {
                // Others may have the stream too: k6 waits until it is shut.
                "stop" => return lines.get_ref().shutdown(Shutdown::Both),
                name => {
                    if let Some(totals) = events.take(name, &data) {
                        each(totals);
                    }
                }
            }
        }
    }
}

/// What the events have said so far.
#[derive(Debug, Default)]
struct Events {
    /// The names of the aggregates of each kind of metric.
    aggregates: BTreeMap<String, Vec<String>>,
    /// The kind of each metric, by name in byte order, in which the values come.
    kinds: BTreeMap<String, String>,
}

impl Events {
    /// Takes note of an event; returns the totals if it has them.
    fn take(&mut self, name: &str, data: &str) -> Option<Totals> {
        if !matches!(name, "param" | "metric" | "cumulative") {
            return None;
        }
        let data: Value = serde_json::from_str(data).ok()?;
        match name {
            "param" => self.aggregates = serde_json::from_value(data["aggregates"].clone()).ok()?,
            "metric" => {
                for (name, about) in data.as_object()? {
                    let kind = about["type"].as_str().unwrap_or_default();
                    self.kinds.insert(name.clone(), kind.to_owned());
                }
            }
            _ => return self.totals(data.as_array()?),
        }
        None
    }

    fn totals(&self, rows: &[Value]) -> Option<Totals> {
        if rows.len() != self.kinds.len() {
            return None;
        }
        let value = |metric: &str, aggregate: &str| {
            let row = self.kinds.keys().position(|name| name == metric)?;
            let mut names = self.aggregates.get(&self.kinds[metric])?.iter();
            rows[row][names.position(|name| name == aggregate)?].as_f64()
        };
        let count = |metric| value(metric, "count").map(|count| count as u64);
        Some(Totals {
            requests: count("http_reqs"),
            sessions: count("ws_sessions"),
            failed: value("http_req_failed", "rate"),
            p95_ms: value("http_req_duration", "p(95)"),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn totals_are_read_by_name_and_the_end_hangs_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let dashboard = listener.local_addr().unwrap();
        let k6 = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let events = [
                ("config", r#"{"title":"k6"}"#),
                (
                    "param",
                    r#"{"aggregates":{"counter":["count","rate"],"gauge":["value"],"rate":["rate"],"trend":["avg","p(95)"]}}"#,
                ),
                (
                    "metric",
                    r#"{"http_reqs":{"type":"counter"},"time":{"type":"gauge"}}"#,
                ),
                ("cumulative", r"[[10,9.9],[1]]"),
                (
                    "metric",
                    r#"{"http_req_duration":{"type":"trend"},"http_req_failed":{"type":"rate"},"new":{"type":"odd"}}"#,
                ),
                ("cumulative", r"[[10,9.9]]"),
                ("snapshot", r"[[3.1,9],[1],[8,9.9],[],[2]]"),
                ("cumulative", r"[[3.1,12.5],[0.25],[20,9.9],[],[2]]"),
                ("stop", "[[1]]"),
            ];
            write!(stream, "HTTP/1.0 200 OK\r\n\r\n").unwrap();
            for (id, (name, data)) in events.iter().enumerate() {
                write!(stream, "id: {id}\ndata: {data}\nevent: {name}\n\n").unwrap();
            }
            // As k6 does: the end is not reached before those who look on are gone.
            let mut asked = String::new();
            BufReader::new(stream).read_to_string(&mut asked).unwrap();
            asked
        });
        let mut seen = Vec::new();
        let stream = ask(dashboard).unwrap();
        let _others = stream.try_clone().unwrap();
        follow(stream, |totals| seen.push(totals)).unwrap();
        let first = Totals {
            requests: Some(10),
            ..Totals::default()
        };
        let last = Totals {
            requests: Some(20),
            sessions: None,
            failed: Some(0.25),
            p95_ms: Some(12.5),
        };
        assert_eq!(seen, [first, last]);
        assert!(k6.join().unwrap().starts_with("GET /events HTTP/1.0\r\n"));
    }
}
