//! Stacks that the server samples itself, where perf may not look.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use reqwest::{Method, StatusCode};

use super::health::Prober;
use crate::http;
use crate::secret::Secret;

/// How long it may take to begin, and to end, when the server looks up the names of what it saw.
const LIMIT: Duration = Duration::from_secs(30);

/// A server that samples itself.
#[derive(Debug)]
pub struct OwnSamples {
    prober: Prober,
    key: Secret,
}

impl OwnSamples {
    /// Has the server begin.
    ///
    /// # Errors
    /// If it does not: most builds cannot.
    pub(super) fn begin(prober: Prober, key: &Secret) -> anyhow::Result<Self> {
        let key = key.clone();
        let samples = Self { prober, key };
        samples.ask(&Method::POST)?;
        Ok(samples)
    }

    /// Ends the sampling, and returns the stacks: a line for each, `outermost;...;innermost COUNT`.
    ///
    /// # Errors
    /// If the server does not answer with them.
    pub fn end(&self) -> anyhow::Result<String> {
        let answer = self.ask(&Method::GET)?;
        answer
            .text()
            .context("the server's samples of itself broke off")
    }

    fn ask(&self, method: &Method) -> anyhow::Result<reqwest::blocking::Response> {
        let table = self.prober.table();
        let own = table.profiler.as_ref();
        let path = &own.context("load-test.toml has no [profiler]")?.path;
        let asked = self.prober.ask(method.clone(), path, LIMIT);
        let header = &table.key.header;
        let asked = asked.header(&header.name, header.value.with_key(self.key.expose()));
        let name = &table.server.name;
        let answer = asked.send().map_err(|error| {
            let why = http::why(&error);
            anyhow::anyhow!("the {name} does not answer {method} {path}: {why}")
        })?;
        let status = answer.status();
        let built = match table.profiler_feature() {
            Some(feature) if status == StatusCode::NOT_FOUND => {
                format!(": it is not built with the feature `{feature}`")
            }
            _ => String::new(),
        };
        ensure!(
            status.is_success(),
            "the {name} cannot sample itself: {method} {path} is answered with {status}{built}"
        );
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;
    use crate::config::testing::ours;

    /// What came of sampling a server that answers so, and what it was asked.
    fn asked(answers: &'static [&str]) -> (anyhow::Result<String>, Vec<String>) {
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
        let ended = OwnSamples::begin(prober, &key).and_then(|samples| samples.end());
        (ended, server.join().unwrap())
    }

    #[test]
    fn a_post_begins_and_a_get_ends() {
        let (folded, asked) = asked(&[
            "204 No Content\r\n\r\n",
            "200 OK\r\ncontent-length: 9\r\n\r\nmain;f 3\n",
        ]);
        assert_eq!(folded.unwrap(), "main;f 3\n");
        for (asked, method) in asked.iter().zip(["POST", "GET"]) {
            assert!(asked.starts_with(&format!("{method} /debug/stacks ")));
            assert!(asked.contains("uthorization: Bearer a key of ours\r\n"));
        }
    }

    #[test]
    fn a_server_that_cannot_says_why() {
        let refused = |answers| format!("{:#}", asked(answers).0.unwrap_err());
        assert_eq!(
            refused(&["404 Not Found\r\ncontent-length: 0\r\n\r\n"]),
            "the tachikoma-server cannot sample itself: POST /debug/stacks is answered with 404 Not Found: it is not built with the feature `profiler`"
        );
        let taken = refused(&["409 Conflict\r\ncontent-length: 0\r\n\r\n"]);
        assert!(taken.ends_with("with 409 Conflict"), "{taken}");
        let silent = refused(&["204 No Content\r\n\r\n", ""]);
        assert!(silent.contains("does not answer GET"), "{silent}");
    }
}
