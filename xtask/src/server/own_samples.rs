//! Stacks that the server samples itself, where perf is not allowed to sample.

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use reqwest::blocking::Response;
use reqwest::{Method, StatusCode};

use super::health::Prober;
use crate::http;
use crate::secret::Secret;
use crate::shell;

/// How long it may take to begin, and to end, when the server looks up the names of what it saw.
const BEGIN_LIMIT: Duration = Duration::from_secs(5);
const END_LIMIT: Duration = Duration::from_secs(30);

/// The most that is read of its stacks, and of why it refuses, in bytes.
const MOST_BYTES: u64 = 64 << 20;
const MOST_WORDS: u64 = 1_000;

/// A server that samples itself, until dropped.
#[derive(Debug)]
pub struct OwnSamples {
    prober: Prober,
    key: Secret,
    has_ended: AtomicBool,
}

impl OwnSamples {
    /// Has the server begin.
    ///
    /// # Errors
    /// If it does not: most builds cannot.
    pub(super) fn begin(prober: Prober, key: &Secret) -> anyhow::Result<Self> {
        let samples = Self::of(prober, key);
        let answer = samples.answer(&Method::POST, BEGIN_LIMIT);
        // One that does not answer in time may begin all the same; where one refuses another may be sampling.
        let may_have_begun = answer.as_ref().map_or(true, |it| it.status().is_success());
        samples.has_ended.store(!may_have_begun, Ordering::Relaxed);
        samples.expect_success(&Method::POST, answer?)?;
        Ok(samples)
    }

    /// Looks whether the server could.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn look(prober: Prober, key: &Secret) -> anyhow::Result<()> {
        let samples = Self::of(prober, key);
        samples.ask(&Method::HEAD, BEGIN_LIMIT).map(drop)
    }

    fn of(prober: Prober, key: &Secret) -> Self {
        Self {
            prober,
            key: key.clone(),
            has_ended: AtomicBool::new(true),
        }
    }

    /// Ends the sampling, and returns the stacks: a line for each, `outermost;...;innermost COUNT`.
    ///
    /// # Errors
    /// If the server does not answer with them.
    pub fn end(&self) -> anyhow::Result<String> {
        self.has_ended.store(true, Ordering::Relaxed);
        let answer = self.ask(&Method::GET, END_LIMIT)?;
        let mut folded = String::new();
        let read = answer.take(MOST_BYTES).read_to_string(&mut folded);
        read.context("the server's samples of itself broke off")?;
        Ok(folded)
    }

    fn ask(&self, method: &Method, limit: Duration) -> anyhow::Result<Response> {
        let answer = self.answer(method, limit)?;
        self.expect_success(method, answer)
    }

    fn answer(&self, method: &Method, limit: Duration) -> anyhow::Result<Response> {
        let table = self.prober.table();
        let path = self.path()?;
        let asked = self
            .prober
            .ask_with_key(method.clone(), path, limit, &self.key);
        asked.send().map_err(|error| {
            let (name, why) = (&table.server.name, http::why(&error));
            anyhow::anyhow!("the {name} does not answer {method} {path}: {why}")
        })
    }

    fn expect_success(&self, method: &Method, answer: Response) -> anyhow::Result<Response> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let table = self.prober.table();
        let (name, path) = (&table.server.name, self.path()?);
        let why = match table.profiler_feature() {
            Some(feature) if status == StatusCode::NOT_FOUND => {
                format!(": it is not built with the feature `{feature}`")
            }
            _ => {
                let mut said = Vec::new();
                let _what_there_is = answer.take(MOST_WORDS).read_to_end(&mut said);
                format!(" {}", shell::clean(String::from_utf8_lossy(&said).trim()))
            }
        };
        anyhow::bail!(
            "the {name} cannot sample itself: {method} {path} is answered with {status}{why}"
        )
    }

    fn path(&self) -> anyhow::Result<&str> {
        let own = self.prober.table().profiler.as_ref();
        Ok(&own.context("load-test.toml has no [profiler]")?.path)
    }
}

impl Drop for OwnSamples {
    /// A server that goes on running is not to go on sampling.
    fn drop(&mut self) {
        if !self.has_ended.load(Ordering::Relaxed) {
            let _nobody_needs_them = self.answer(&Method::GET, BEGIN_LIMIT);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;
    use crate::config::testing::ours;

    /// What came of `asking` a server that answers so, and what it was asked.
    fn with_server<T>(
        answers: &'static [&str],
        asking: impl FnOnce(Prober, &Secret) -> anyhow::Result<T>,
    ) -> (anyhow::Result<T>, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let asked = answers.iter().map(|answer| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut bytes = [0; 4096];
                let read = stream.read(&mut bytes).unwrap();
                let head = format!("HTTP/1.1 {answer}");
                stream.write_all(head.as_bytes()).unwrap();
                String::from_utf8_lossy(&bytes[..read]).into_owned()
            });
            asked.collect()
        });
        let prober = Prober::new(&ours().table, &url).unwrap();
        let key = Secret::new("a key of ours".into());
        let seen = asking(prober, &key);
        (seen, server.join().unwrap())
    }

    fn sampled(prober: Prober, key: &Secret) -> anyhow::Result<String> {
        OwnSamples::begin(prober, key)?.end()
    }

    #[test]
    fn a_post_begins_and_a_get_ends() {
        let (folded, asked) = with_server(
            &[
                "204 No Content\r\n\r\n",
                "200 OK\r\ncontent-length: 9\r\n\r\nmain;f 3\n",
            ],
            sampled,
        );
        assert_eq!(folded.unwrap(), "main;f 3\n");
        for (asked, method) in asked.iter().zip(["POST", "GET"]) {
            assert!(asked.starts_with(&format!("{method} /debug/stacks ")));
            assert!(asked.contains("uthorization: Bearer a key of ours\r\n"));
        }
    }

    #[test]
    fn what_nobody_ended_is_ended() {
        let (seen, asked) = with_server(
            &[
                "204 No Content\r\n\r\n",
                "200 OK\r\ncontent-length: 0\r\n\r\n",
            ],
            |prober, key| OwnSamples::begin(prober, key).map(drop),
        );
        seen.unwrap();
        assert!(asked[1].starts_with("GET "), "{asked:?}");
    }

    #[test]
    fn whether_a_server_can_is_seen_before() {
        let (seen, asked) = with_server(&["204 No Content\r\n\r\n"], OwnSamples::look);
        seen.unwrap();
        assert!(asked[0].starts_with("HEAD /debug/stacks "), "{asked:?}");
        let (seen, _) = with_server(&["404 Not Found\r\n\r\n"], OwnSamples::look);
        assert!(seen.is_err());
    }

    #[test]
    fn a_server_that_cannot_says_why() {
        let refused = |answers| format!("{:#}", with_server(answers, sampled).0.unwrap_err());
        assert_eq!(
            refused(&["404 Not Found\r\ncontent-length: 0\r\n\r\n"]),
            "the tachikoma-server cannot sample itself: POST /debug/stacks is answered with 404 Not Found: it is not built with the feature `profiler`"
        );
        let taken = refused(&["409 Conflict\r\ncontent-length: 6\r\n\r\nGET it"]);
        assert!(taken.ends_with("with 409 Conflict GET it"), "{taken}");
        let silent = refused(&["204 No Content\r\n\r\n", ""]);
        assert!(silent.contains("does not answer GET"), "{silent}");
    }
}
