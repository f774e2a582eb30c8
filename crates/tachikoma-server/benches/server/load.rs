//! The load generator: connections that each send the next request when the last is answered.
//!
//! Requests are ready bytes and of the answers only status and length are read, on one thread, so
//! that the generator takes as little as it can of the cores that it shares with the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::process::{self, KEY};

/// Connections of every closed-loop load.
pub const CONNECTIONS: usize = 64;

/// When a load ends.
#[derive(Clone, Copy)]
pub enum Until {
    /// After a time.
    Time(Duration),
    /// After a number of requests in all.
    Count(u64),
}

/// Makes the bytes of the request with a number.
pub type Requests = Arc<dyn Fn(u64) -> Bytes + Send + Sync>;

/// What a load came to.
pub struct Outcome {
    /// Time to answer of each request, in microseconds, in ascending order.
    micros: Vec<u32>,
    elapsed: Duration,
    cpu: Duration,
}

impl Outcome {
    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.micros.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// Processor time of the server for each request, in microseconds.
    pub fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.micros.len() as f64
    }

    /// The time that `share` percent of the requests did not exceed, in milliseconds.
    pub fn percentile(&self, share: usize) -> f64 {
        f64::from(self.micros[(self.micros.len() - 1) * share / 100]) / 1e3
    }
}

/// A request with the key. An empty body is none.
pub fn request(method: &str, target: &str, body: &str) -> Bytes {
    let mut text =
        format!("{method} {target} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {KEY}\r\n");
    if !body.is_empty() {
        let length = body.len();
        text += &format!("content-type: application/json\r\ncontent-length: {length}\r\n");
    }
    Bytes::from(text + "\r\n" + body)
}

/// The same request for every number.
pub fn always(request: Bytes) -> Requests {
    Arc::new(move |_| request.clone())
}

/// Loads the server at `addr`, whose process is `pid`, over [`CONNECTIONS`] connections.
///
/// # Panics
/// If an answer does not have the status `expected`: what is measured then is not the work.
pub fn run(
    addr: SocketAddr,
    pid: u32,
    until: Until,
    expected: u16,
    requests: &Requests,
) -> Outcome {
    run_paced(addr, pid, until, Duration::ZERO, expected, requests)
}

/// Like [`run`], but a request is due only each `interval`, on whichever connection is free. If
/// none is, the time that the request waits for one counts.
pub fn run_paced(
    addr: SocketAddr,
    pid: u32,
    until: Until,
    interval: Duration,
    expected: u16,
    requests: &Requests,
) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let numbers = Arc::new(AtomicU64::new(0));
        let mut streams = Vec::new();
        for _ in 0..CONNECTIONS {
            let stream = TcpStream::connect(addr).await.expect("the server accepts");
            stream.set_nodelay(true).expect("a socket option");
            streams.push(stream);
        }
        let (cpu, begun) = (process::cpu(pid), Instant::now());
        let mut clients = JoinSet::new();
        for stream in streams {
            let (requests, numbers) = (requests.clone(), numbers.clone());
            let clock = (begun, interval);
            clients.spawn(client(stream, clock, until, expected, requests, numbers));
        }
        let mut micros = clients.join_all().await.concat();
        let (cpu, elapsed) = (process::cpu(pid) - cpu, begun.elapsed());
        micros.sort_unstable();
        Outcome {
            micros,
            elapsed,
            cpu,
        }
    })
}

async fn client(
    stream: TcpStream,
    (begun, interval): (Instant, Duration),
    until: Until,
    expected: u16,
    requests: Requests,
    numbers: Arc<AtomicU64>,
) -> Vec<u32> {
    let mut connection = Connection::new(stream);
    let mut micros = Vec::new();
    loop {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let ended = match until {
            Until::Time(limit) => begun.elapsed() >= limit,
            Until::Count(count) => number >= count,
        };
        if ended {
            return micros;
        }
        let request = requests(number);
        let due = begun + interval.mul_f64(number as f64);
        let sent = if interval.is_zero() {
            Instant::now()
        } else if Instant::now() < due {
            tokio::time::sleep_until(due.into()).await;
            Instant::now()
        } else {
            due
        };
        let status = connection.exchange(&request).await;
        assert_eq!(status, expected, "{}", connection.shown());
        micros.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
}

/// A keep-alive connection.
pub struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    /// Takes over a connected stream.
    pub fn new(stream: TcpStream) -> Self {
        let answer = Vec::with_capacity(64 * 1024);
        Self { stream, answer }
    }

    /// Sends a request, reads its answer to the end, and gives the status.
    pub async fn exchange(&mut self, request: &[u8]) -> u16 {
        self.stream
            .write_all(request)
            .await
            .expect("the server reads");
        self.answer.clear();
        let mut length = None;
        loop {
            let read = self
                .stream
                .read_buf(&mut self.answer)
                .await
                .expect("the server answers");
            assert!(read > 0, "the server closed: {}", self.shown());
            length = length.or_else(|| length_of(&self.answer));
            if length.is_some_and(|length| self.answer.len() >= length) {
                break;
            }
        }
        let code = &self.answer[9..12];
        code.iter()
            .fold(0, |status, digit| status * 10 + u16::from(digit - b'0'))
    }

    /// The last answer as text.
    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.answer).into_owned()
    }
}

/// The length of an answer, head and body, once its head is there.
fn length_of(answer: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"\r\ncontent-length: ";
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = &answer[..end];
    let at = head
        .windows(NAME.len())
        .position(|name| name.eq_ignore_ascii_case(NAME));
    let digits = head[at.map_or(end, |at| at + NAME.len())..].iter();
    let body = digits.take_while(|digit| digit.is_ascii_digit());
    Some(end + body.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0')))
}
