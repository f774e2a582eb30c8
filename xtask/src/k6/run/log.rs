//! k6's log, which it writes as JSON: what explains a result is kept as evidence, and people read the rest in words.

use std::collections::BTreeMap;

use k6_summary::{Limits, Log, cut, one_line};
use serde::Deserialize;

use crate::shell;

/// How many different request errors are told apart; the rest is counted together.
const MAX_ERRORS: usize = 50;
/// What stands for the others.
const OTHERS: &str = "other errors";
/// The longest words of k6 that are kept, in characters.
const MAX_WORDS: usize = 300;
/// How load-tests/main.js begins to tell of a failed answer.
const FAILED_ANSWER: &str = "Failed answer: ";
/// How many kinds of failed answers are told apart.
const MAX_FAILED: usize = 200;
/// How load-tests/main.js begins to say that a WebSocket could not be opened.
const SOCKET_FAILED: &str = "WebSocket Failed: ";
/// How Go's runtime says that it ends for want of memory, or of threads for want of memory.
const CRASHES: [&str; 4] = [
    "fatal error: runtime: cannot allocate memory",
    "fatal error: runtime: out of memory",
    "runtime: cannot map pages",
    "pthread_create failed",
];

/// What k6's log says of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Why requests failed, in k6's words without addresses, with how often.
    pub request_errors: BTreeMap<String, u64>,
    /// What the script has to say: its exceptions, and why it ended the test.
    pub log: Log,
    /// k6's last words at the level of an error: of an exception, of `test.abort()`, of `test.fail()`.
    pub last_error: Option<String>,
    /// Requests and WebSockets that failed by the load generator itself, by what it lacked.
    pub lacked: BTreeMap<&'static str, Failed>,
    /// Whether k6 ended for want of memory.
    pub crashed: bool,
    /// Answers that failed, by what they were.
    pub failed: BTreeMap<FailedAnswer, Failures>,
}

/// A kind of failed answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FailedAnswer {
    /// The request's method.
    pub method: String,
    /// The path of its URL, with a place instead of what looks like an id.
    pub path: String,
    /// The answer's status, 0 if there was none.
    pub status: u16,
    /// Why there was none, without addresses; else empty.
    pub error: String,
}

/// How often, and since when, there was such an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures {
    /// How often, at the least.
    pub count: u64,
    /// When the first one was told, in milliseconds since the test began.
    pub first_ms: u64,
    /// A path that was asked.
    pub asked: String,
    /// The beginning of an answer, on one line.
    pub body: String,
    /// The header `Retry-After` of the first one that had it.
    pub retry_after: Option<String>,
}

/// What load-tests/main.js writes of a failed answer.
#[derive(Deserialize)]
struct ToldAnswer {
    method: String,
    path: String,
    status: u16,
    error: Option<String>,
    body: Option<String>,
    retry_after: Option<String>,
    at: f64,
    count: u64,
}

impl ToldAnswer {
    fn kind(&self) -> FailedAnswer {
        let error = self.error.as_deref().filter(|_| self.status == 0);
        FailedAnswer {
            method: words(&self.method),
            path: words(&without_ids(&self.path)),
            status: self.status,
            error: error.map_or_else(String::new, |error| words(&without_addresses(error))),
        }
    }
}

/// A path with a place for each part that looks like an id, since it has a digit.
fn without_ids(path: &str) -> String {
    let parts = path
        .split('/')
        .map(|part| match part.contains(|c: char| c.is_ascii_digit()) {
            true => "{id}",
            false => part,
        });
    parts.collect::<Vec<_>>().join("/")
}

/// Requests and WebSockets that failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failed {
    /// HTTP requests.
    pub requests: u64,
    /// WebSockets that could not be opened.
    pub sessions: u64,
}

impl Said {
    /// What limited the load generator by its own words; `advice` says what to do about what it lacked.
    pub fn limits(&self, advice: impl Fn(&str) -> String) -> Limits {
        let mut limits = Limits {
            crashed: self.crashed,
            ..Limits::default()
        };
        for (what, failed) in &self.lacked {
            limits.requests += failed.requests;
            limits.sessions += failed.sessions;
            limits.sentences.push(format!(
                "the load generator had too few {what} for {} requests: {}",
                failed.requests + failed.sessions,
                advice(what)
            ));
        }
        limits
    }

    /// The commonest request error and how often it was seen.
    pub fn commonest(&self) -> Option<(&str, u64)> {
        let errors = self.request_errors.iter();
        errors
            .max_by_key(|(_, count)| **count)
            .map(|(error, count)| (error.as_str(), *count))
    }

    /// Takes note of a line that is no entry of the log.
    pub fn take_line(&mut self, line: &str) {
        self.crashed |= CRASHES.iter().any(|crash| line.contains(crash));
    }

    /// Takes note of a failed answer.
    fn take_failed(&mut self, told: &ToldAnswer) {
        let kind = told.kind();
        let is_known = self.failed.contains_key(&kind);
        if self.failed.len() >= MAX_FAILED && !is_known {
            return;
        }
        let failures = self.failed.entry(kind).or_default();
        // Virtual users write their lines in no order.
        if !is_known || (told.at as u64) < failures.first_ms {
            failures.first_ms = told.at as u64;
            failures.asked = words(&told.path);
        }
        failures.count = failures.count.saturating_add(told.count);
        if let Some(body) = told.body.as_deref().filter(|_| failures.body.is_empty()) {
            failures.body = one_line(body, MAX_WORDS);
        }
        if failures.retry_after.is_none() {
            let after = told.retry_after.as_deref();
            failures.retry_after = after.map(words);
        }
    }

    /// Takes note of an entry.
    pub fn take(&mut self, entry: &LogEntry) {
        if let Some(told) = entry.msg.strip_prefix(FAILED_ANSWER)
            && let Ok(told) = serde_json::from_str(told)
        {
            self.take_failed(&told);
            return;
        }
        let in_iteration = entry.executor.is_some();
        self.log.entry(
            &entry.level,
            &entry.msg,
            in_iteration,
            entry.hint.as_deref(),
        );
        if let Some(what) = entry.failed_by().and_then(Limits::lacked) {
            let failed = self.lacked.entry(what).or_default();
            match entry.msg.starts_with(SOCKET_FAILED) {
                true => failed.sessions += 1,
                false => failed.requests += 1,
            }
        }
        if let Some(error) = entry.request_error() {
            let full = self.request_errors.len() >= MAX_ERRORS;
            let known = self.request_errors.contains_key(&error);
            let error = if full && !known {
                OTHERS.to_owned()
            } else {
                error
            };
            *self.request_errors.entry(error).or_default() += 1;
        } else if entry.is_error() && entry.msg != "test run was marked as failed" {
            self.last_error = Some(entry.words());
        }
    }
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LogEntry {
    level: String,
    msg: String,
    error: Option<String>,
    time: Option<String>,
    source: Option<String>,
    executor: Option<String>,
    hint: Option<String>,
}

impl LogEntry {
    /// The entry that a line of k6's is; `None` if it is something else, such as progress.
    pub fn of(line: &str) -> Option<Self> {
        line.starts_with('{')
            .then(|| serde_json::from_str(line).ok())
            .flatten()
    }

    /// The same with its texts changed.
    pub fn with_words(mut self, change: impl Fn(&str) -> String) -> Self {
        self.msg = change(&self.msg);
        for text in [&mut self.error, &mut self.hint] {
            *text = text.as_deref().map(&change);
        }
        self
    }

    /// Whether somebody should know of it.
    pub fn is_problem(&self) -> bool {
        self.is_error() || self.level == "warning"
    }

    /// Whether it only says which metrics crossed a threshold, which the verdict says with values and bounds.
    pub fn is_of_thresholds(&self) -> bool {
        self.msg.starts_with("thresholds on metrics ")
    }

    fn is_error(&self) -> bool {
        matches!(self.level.as_str(), "error" | "fatal" | "panic")
    }

    fn of_request(&self) -> Option<&str> {
        let error = self.error.as_deref();
        error.filter(|_| self.msg == "Request Failed")
    }

    /// Why a request failed or a WebSocket could not be opened, if that is what it says.
    fn request_error(&self) -> Option<String> {
        let socket = self.msg.strip_prefix(SOCKET_FAILED);
        let error = socket.or_else(|| self.of_request())?;
        Some(words(&without_addresses(error)))
    }

    /// The words in which it may stand that a connection failed: with k6's option `throw` it is an exception, which k6
    /// calls `GoError`; what a script throws itself may quote the server.
    fn failed_by(&self) -> Option<&str> {
        let thrown = self.msg.trim_start_matches("Uncaught (in promise) ");
        let dialled = thrown.starts_with("GoError: ") && thrown.contains("dial ");
        let dialled = dialled && self.executor.is_some();
        let dialled = dialled || self.msg.starts_with(SOCKET_FAILED);
        self.of_request().or(dialled.then_some(&*self.msg))
    }

    /// What it says, on one line.
    pub fn words(&self) -> String {
        if let Some(error) = self.request_error() {
            let what = self.msg.split(": ").next().unwrap_or_default();
            return format!("{what}: {error}");
        }
        let error = self.error.iter().map(|error| format!(": {error}"));
        let text = format!("{}{}", self.msg.trim_end(), error.collect::<String>());
        words(&text.replace("\n\t", " ").replace('\n', " "))
    }

    /// The lines that stand for it in k6.log.
    pub fn log_lines(&self) -> Vec<String> {
        let error = self.error.iter().map(|error| format!(" error={error}"));
        let source = self.source.iter().map(|source| format!(" source={source}"));
        let text = format!(
            "{} {} {}{}",
            self.time.as_deref().unwrap_or("-"),
            self.level,
            self.msg.trim_end(),
            error.chain(source).collect::<String>()
        );
        text.lines().map(shell::clean).collect()
    }
}

/// A request error without what differs from one request to the next: method, URL, and the ends of the connection.
fn without_addresses(error: &str) -> String {
    let quoted = error.split_once(" \"").and_then(|(method, rest)| {
        let rest = rest.split_once("\": ")?.1;
        method.chars().all(char::is_alphanumeric).then_some(rest)
    });
    let error = quoted.unwrap_or(error);
    let parts = error.split(": ").filter(|part| {
        let mut words = part.split(' ');
        let is_connection = matches!(words.next(), Some("dial" | "read" | "write"))
            && matches!(words.next(), Some("tcp" | "udp"));
        !is_connection
    });
    let parts = parts.map(|part| match part.split_once(" on ") {
        // The name server is nobody's business here.
        Some((lookup, _)) if lookup.starts_with("lookup ") => lookup,
        _ => part,
    });
    parts.collect::<Vec<_>>().join(": ")
}

/// Words of others, harmless and not too long.
fn words(text: &str) -> String {
    cut(&shell::clean(text), MAX_WORDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lines: &[&str]) -> Said {
        let mut said = Said::default();
        for line in lines {
            said.take(&LogEntry::of(line).unwrap());
        }
        said
    }

    #[test]
    fn request_errors_are_counted_without_their_addresses() {
        let said = said(&[
            r#"{"error":"Get \"http://127.0.0.1:1/api/health\": dial tcp 127.0.0.1:1: connect: connection refused","level":"warning","msg":"Request Failed","time":"t"}"#,
            r#"{"error":"Post \"http://127.0.0.1:1/b\": dial tcp 127.0.0.1:1: connect: connection refused","level":"warning","msg":"Request Failed"}"#,
            r#"{"error":"Get \"http://no-such-host.invalid/\": lookup no-such-host.invalid on 192.0.2.53:53: no such host","level":"warning","msg":"Request Failed"}"#,
            r#"{"error":"Get \"http://a/\": read tcp 127.0.0.1:5->127.0.0.1:1: read: connection reset by peer","level":"warning","msg":"Request Failed"}"#,
        ]);
        assert_eq!(said.commonest(), Some(("connect: connection refused", 2)));
        let names: Vec<_> = said.request_errors.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "connect: connection refused",
                "lookup no-such-host.invalid: no such host",
                "read: connection reset by peer"
            ]
        );
        assert!(said.lacked.is_empty());
    }

    #[test]
    fn what_the_generator_lacked_itself_is_told_apart() {
        let line = r#"{"error":"Get \"http://a/\": dial tcp 127.0.0.1:1: socket: too many open files","level":"warning","msg":"Request Failed"}"#;
        let socket = r#"{"level":"warning","msg":"WebSocket Failed: dial tcp 127.0.0.1:1: socket: too many open files","source":"console"}"#;
        let thrown = r#"{"executor":"constant-vus","level":"error","msg":"GoError: Get \"http://a/\": dial tcp 127.0.0.1:1: connect: cannot assign requested address\n\tat b"}"#;
        // The server's own words, which a script throws.
        let servers = r#"{"executor":"constant-vus","level":"error","msg":"Error: create failed: dial tcp 10.0.0.5:5432: socket: too many open files\n\tat b"}"#;
        let said = said(&[line, line, socket, thrown, servers]);
        let failed = |requests, sessions| Failed { requests, sessions };
        assert_eq!(said.lacked["open files"], failed(2, 1));
        assert_eq!(said.lacked["free ports"], failed(1, 0));
        assert_eq!(said.commonest(), Some(("socket: too many open files", 3)));
    }

    #[test]
    fn failed_answers_are_counted_by_what_was_asked() {
        let line = |told: &str| {
            let msg = serde_json::to_string(&format!("Failed answer: {told}")).unwrap();
            format!(r#"{{"level":"info","msg":{msg},"source":"console"}}"#)
        };
        let said = said(&[
            &line(
                r#"{"method":"GET","path":"/api/missions/17","status":500,"body":"{\"a\":\u001b[1m\n1}","at":1200.4,"count":1}"#,
            ),
            &line(
                r#"{"method":"GET","path":"/api/missions/18","status":500,"retry_after":"3\u0007","at":800,"count":7}"#,
            ),
            &line(
                r#"{"method":"POST","path":"/b","status":0,"error":"dial tcp 127.0.0.1:1: connect: connection refused","at":5,"count":1}"#,
            ),
            &line("nonsense"),
        ]);
        let all: Vec<_> = said.failed.iter().collect();
        assert_eq!(all.len(), 2, "{all:?}");
        assert_eq!(all[0].0.path, "/api/missions/{id}");
        let expected = Failures {
            count: 8,
            first_ms: 800,
            asked: "/api/missions/18".into(),
            body: r#"{"a": 1}"#.into(),
            retry_after: Some("3".into()),
        };
        assert_eq!(*all[0].1, expected);
        assert_eq!(all[1].0.error, "connect: connection refused");
    }

    #[test]
    fn the_number_of_different_errors_is_bounded() {
        let mut said = Said::default();
        for index in 0..200 {
            let line = format!(
                r#"{{"error":"Get \"http://a/\": strange error {index}","level":"warning","msg":"Request Failed"}}"#
            );
            said.take(&LogEntry::of(&line).unwrap());
        }
        assert_eq!(said.request_errors.len(), MAX_ERRORS + 1);
        assert_eq!(said.commonest(), Some((OTHERS, 150)));
    }

    #[test]
    fn the_words_of_aborts_and_exceptions_are_kept() {
        let abort = r#"{"level":"error","msg":"test aborted: the login service is down at default (file:///a.js:6:144(29))","time":"t"}"#;
        let words = said(&[abort]).last_error.unwrap();
        assert!(
            words.starts_with("test aborted: the login service is down"),
            "{words}"
        );
        let failed = said(&[
            r#"{"level":"error","msg":"test marked as failed: totals do not add up","time":"t"}"#,
            r#"{"level":"error","msg":"test run was marked as failed","time":"t"}"#,
        ]);
        assert_eq!(
            failed.last_error.unwrap(),
            "test marked as failed: totals do not add up"
        );
        let thrown = r#"{"hint":"script exception","level":"error","msg":"GoError: no test user could be made: quota exceeded\n\tat setup (file:///a.js:6:31(4))\n","time":"t"}"#;
        assert_eq!(
            said(&[thrown]).last_error.unwrap(),
            "GoError: no test user could be made: quota exceeded at setup (file:///a.js:6:31(4))"
        );
    }

    #[test]
    fn the_log_is_for_people() {
        let line =
            r#"{"level":"info","msg":"one\ntwo","source":"console","time":"2026-11-26T09:52:41Z"}"#;
        assert_eq!(
            LogEntry::of(line).unwrap().log_lines(),
            ["2026-11-26T09:52:41Z info one", "two source=console"]
        );
        assert_eq!(LogEntry::of("running (0m05.0s), 1/1 VUs"), None);
        assert_eq!(LogEntry::of("{\"a\": 1}"), None);
    }
}
