//! Downloads one file over HTTP with its SHA-256, within limits; an interruption ends it at once.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail, ensure};
use reqwest::Url;
use ring::digest;

use super::pins::Sha256;
use super::sources::Limits;
use crate::http;
use crate::shell::interrupt;

/// The largest file that is taken: several times the size of any k6.
const MAX_BYTES: u64 = 512 * 1024 * 1024;
/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// What the reading thread reports.
enum Arrival {
    /// The answer has begun; its length, if the server tells.
    Began(Option<u64>),
    /// More bytes.
    Bytes(Vec<u8>),
    /// It failed for this reason.
    Failed(String),
    /// The end of a complete answer.
    End,
}

/// Writes what is at `url` to the new file `to`, reports bytes so far and expected, and returns the SHA-256.
///
/// # Errors
/// If the server cannot be reached, refuses, or breaks off, if a limit is passed, if the file cannot be written, or
/// if an interruption arrives.
pub fn download(
    url: &str,
    to: &Path,
    limits: &Limits,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> anyhow::Result<Sha256> {
    let url = Url::parse(url).with_context(|| format!("{url} is no URL"))?;
    let (sender, events) = sync_channel(16);
    let (connect, answer) = (limits.connect, limits.answer);
    // The thread may be stuck in a look-up or a read that nothing can break off; it is left behind then, and ends with
    // the program or when it finds nobody to report to.
    std::thread::spawn(move || {
        if let Err(reason) = fetch(url, connect, answer, &sender) {
            let _nobody_listens = sender.send(Arrival::Failed(reason));
        }
    });
    let unwritable = || format!("failed to write {}", to.display());
    let mut file = File::create_new(to).with_context(unwritable)?;
    let mut digest = digest::Context::new(&digest::SHA256);
    let mut expected = None;
    let mut received = 0;
    let started = Instant::now();
    let mut wait = limits.answer;
    loop {
        let limit = wait.min(limits.total.saturating_sub(started.elapsed()));
        interrupt::check()?;
        match interrupt::receive(&events, Instant::now() + limit)? {
            Some(Arrival::Began(length)) => {
                expected = length;
                wait = limits.stall;
            }
            Some(Arrival::Bytes(bytes)) => {
                received += bytes.len() as u64;
                ensure!(
                    received <= MAX_BYTES,
                    "more than {MAX_BYTES} bytes arrived: that is not k6"
                );
                digest.update(&bytes);
                file.write_all(&bytes).with_context(unwritable)?;
                progress(received, expected);
            }
            Some(Arrival::Failed(reason)) if received > 0 => {
                bail!("broke off after {}: {reason}", of(received, expected))
            }
            Some(Arrival::Failed(reason)) => return Err(anyhow!(reason)),
            Some(Arrival::End) if expected.is_some_and(|expected| expected != received) => {
                bail!("ended after {}", of(received, expected))
            }
            Some(Arrival::End) => break,
            None if started.elapsed() >= limits.total => bail!(
                "not finished within {} s: {} arrived",
                limits.total.as_secs_f64(),
                of(received, expected)
            ),
            None if received == 0 => bail!("no answer within {} s", wait.as_secs_f64()),
            None => bail!(
                "nothing arrived for {} s after {}",
                wait.as_secs_f64(),
                of(received, expected)
            ),
        }
    }
    Ok(Sha256::of(&digest.finish()))
}

fn of(received: u64, expected: Option<u64>) -> String {
    match expected {
        Some(expected) => format!("{received} of {expected} bytes"),
        None => format!("{received} bytes"),
    }
}

/// Reads the answer and reports it piece by piece; runs in a thread of its own.
fn fetch(
    url: Url,
    connect: Duration,
    answer: Duration,
    to: &SyncSender<Arrival>,
) -> Result<(), String> {
    let mut client = http::client().connect_timeout(connect).timeout(None);
    if http::is_loopback(&url) {
        // A proxy's loopback is not ours.
        client = client.no_proxy();
    }
    let client = client.build().map_err(|error| http::root_cause(&error))?;
    let mut response = client
        .get(url)
        .send()
        .map_err(|error| match error.is_connect() {
            true if error.is_timeout() => {
                format!("no connection within {} s", connect.as_secs_f64())
            }
            true => format!("cannot connect: {}", http::root_cause(&error)),
            false if error.is_timeout() => format!("no answer within {} s", answer.as_secs_f64()),
            false => http::root_cause(&error),
        })?;
    if !response.status().is_success() {
        return Err(format!("the server answers {}", response.status()));
    }
    let gone = |_| "the download was given up".to_owned();
    to.send(Arrival::Began(response.content_length()))
        .map_err(gone)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        match response.read(&mut chunk) {
            Ok(0) => return to.send(Arrival::End).map_err(gone),
            Ok(read) => to
                .send(Arrival::Bytes(chunk[..read].to_vec()))
                .map_err(gone)?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(http::root_cause(&error)),
        }
    }
}
