//! A closed-loop load generator: each connection sends its next request when it has its answer.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What to send: makes the next request's bytes, given a number that no other request has.
pub(crate) type MakeRequest = fn(u64, &mut Vec<u8>);

/// What a run of load came to.
pub(crate) struct Measured {
    /// Answers with the expected status, per second.
    pub(crate) rate: f64,
    /// Latencies in microseconds, sorted.
    latencies: Vec<u32>,
}

impl Measured {
    /// A quantile of the latencies, in milliseconds.
    pub(crate) fn quantile(&self, q: f64) -> f64 {
        let last = self.latencies.len() - 1;
        let index = (last as f64 * q).round() as usize;
        f64::from(self.latencies[index.min(last)]) / 1e3
    }
}

/// When a run ends.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// After a time.
    Time(Duration),
    /// After this many requests in all.
    Count(u64),
}

/// Loads `addr` over [`crate::CONNECTIONS`] connections from one thread; every answer must have
/// the status `expect`.
pub(crate) fn run(addr: SocketAddr, expect: u16, until: Until, make: MakeRequest) -> Measured {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let begun = Instant::now();
        let connections = crate::CONNECTIONS as u64;
        let tasks: Vec<_> = (0..connections)
            .map(|index| tokio::spawn(connection(addr, expect, until, make, index, connections)))
            .collect();
        let mut latencies = Vec::new();
        for task in tasks {
            latencies.append(&mut task.await.expect("no panic"));
        }
        let elapsed = begun.elapsed().as_secs_f64();
        let rate = latencies.len() as f64 / elapsed;
        latencies.sort_unstable();
        assert!(!latencies.is_empty(), "nothing was measured");
        Measured { rate, latencies }
    })
}

async fn connection(
    addr: SocketAddr,
    expect: u16,
    until: Until,
    make: MakeRequest,
    first: u64,
    step: u64,
) -> Vec<u32> {
    let mut stream = TcpStream::connect(addr).await.expect("connects");
    stream.set_nodelay(true).expect("set");
    let begun = Instant::now();
    let mut latencies = Vec::with_capacity(64 * 1024);
    let (mut request, mut buffer) = (Vec::new(), vec![0; 256 * 1024]);
    let mut number = first;
    loop {
        let over = match until {
            Until::Time(time) => begun.elapsed() >= time,
            Until::Count(count) => number >= count,
        };
        if over {
            return latencies;
        }
        request.clear();
        make(number, &mut request);
        number += step;
        let sent = Instant::now();
        stream.write_all(&request).await.expect("written");
        let status = read_answer(&mut stream, &mut buffer).await;
        assert_eq!(status, expect, "{}", String::from_utf8_lossy(&request));
        latencies.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
}

/// Reads one answer with a `content-length` and gives its status.
async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> u16 {
    let mut filled = 0;
    let mut end = None;
    loop {
        let n = stream.read(&mut buffer[filled..]).await.expect("read");
        assert!(n > 0, "the server closed the connection");
        filled += n;
        if end.is_none() {
            end = whole_length(&buffer[..filled]);
        }
        if end.is_some_and(|end| filled >= end) {
            let status = std::str::from_utf8(&buffer[9..12]).expect("ASCII");
            return status.parse().expect("a status");
        }
    }
}

/// Bytes of head and body together, once the head is there.
fn whole_length(bytes: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length: ";
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = &bytes[..end];
    let begin = head.windows(NAME.len()).position(|w| w == NAME)? + NAME.len();
    let digits = head[begin..].iter().take_while(|b| b.is_ascii_digit());
    Some(end + digits.fold(0, |sum, b| sum * 10 + usize::from(b - b'0')))
}
