//! A thousand subscribers, fifty creations a second.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::goals::Goals;
use crate::process::{KEY, Process, create, fixtures, folder};

const SUBSCRIBERS: usize = 1_000;
const RATE: u32 = 50;
const SECONDS: u32 = 20;
const EVENTS: usize = (RATE * SECONDS) as usize;

/// A WebSocket client reduced to what this needs: it reads text frames as fast as it can.
pub(crate) struct Subscriber {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

impl Subscriber {
    /// Connects and subscribes.
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(addr).await.expect("connects");
        let request = format!(
            "GET /ws?token={KEY} HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n\
             connection: upgrade\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an answer"));
        }
        assert!(
            head.starts_with(b"HTTP/1.1 101"),
            "{}",
            String::from_utf8_lossy(&head)
        );
        let text = br#"{"type":"subscribe","channel":"missions"}"#;
        // A masked text frame (RFC 6455, 5.2) whose mask of zeros changes nothing.
        let length = 0x80 | u8::try_from(text.len()).expect("short");
        stream
            .write_all(&[0x81, length, 0, 0, 0, 0])
            .await
            .expect("written");
        stream.write_all(text).await.expect("written");
        let mut subscriber = Self {
            stream,
            buffer: vec![0; 8 * 1024],
            filled: 0,
        };
        assert!(
            subscriber
                .next()
                .await
                .starts_with(r#"{"type":"subscribed""#)
        );
        subscriber
    }

    /// The next text frame.
    async fn next(&mut self) -> String {
        loop {
            if let Some((opcode, begin, end)) = frame(&self.buffer[..self.filled]) {
                let text = String::from_utf8_lossy(&self.buffer[begin..end]).into_owned();
                self.buffer.copy_within(end..self.filled, 0);
                self.filled -= end;
                if opcode == 1 {
                    return text;
                }
                continue;
            }
            let n = self
                .stream
                .read(&mut self.buffer[self.filled..])
                .await
                .expect("read");
            assert!(n > 0, "the server closed the session");
            self.filled += n;
        }
    }
}

/// Opcode and payload of the first frame, if it is whole; frames from a server have no mask.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (begin, length) = match second {
        126 => (
            4,
            usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])),
        ),
        short => (2, usize::from(short)),
    };
    (bytes.len() >= begin + length).then_some((first & 0x0f, begin, begin + length))
}

pub(crate) fn run(goals: &mut Goals) {
    println!("fanout: {SUBSCRIBERS} subscribers, {RATE} creations/s for {SECONDS} s");
    let data = folder();
    let server = Process::server(data.path(), &fixtures());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut delays = runtime.block_on(measure(server.addr));
    delays.sort_unstable();
    let at = |q: f64| f64::from(delays[((delays.len() - 1) as f64 * q) as usize]) / 1e3;
    println!(
        "  {} events, each in order; p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms",
        delays.len(),
        at(0.5),
        at(0.95),
        at(0.99)
    );
    goals.add(
        delays.len() == SUBSCRIBERS * EVENTS,
        "every subscriber got every event".to_owned(),
    );
    goals.at_most(
        "p99 of delivery, from the request's sending",
        at(0.99),
        250.0,
        " ms",
    );
}

/// Microseconds from the sending of each creation to each arrival of its event.
async fn measure(addr: SocketAddr) -> Vec<u32> {
    let mut subscribers = Vec::new();
    for _ in 0..SUBSCRIBERS {
        subscribers.push(Subscriber::connect(addr).await);
    }
    let sent: Arc<[std::sync::OnceLock<Instant>]> =
        (0..EVENTS).map(|_| std::sync::OnceLock::new()).collect();
    let readers: Vec<_> = subscribers
        .into_iter()
        .map(|subscriber| tokio::spawn(read_all(subscriber, sent.clone())))
        .collect();
    let mut stream = TcpStream::connect(addr).await.expect("connects");
    stream.set_nodelay(true).expect("set");
    let mut tick = tokio::time::interval(Duration::from_secs(1) / RATE);
    let (mut request, mut answer) = (Vec::new(), vec![0; 4096]);
    for (number, sent) in sent.iter().enumerate() {
        tick.tick().await;
        request.clear();
        create(number as u64, &mut request);
        sent.set(Instant::now()).expect("sent once");
        stream.write_all(&request).await.expect("written");
        let n = stream.read(&mut answer).await.expect("read");
        assert!(answer[..n].starts_with(b"HTTP/1.1 201"));
    }
    let mut delays = Vec::with_capacity(SUBSCRIBERS * EVENTS);
    for reader in readers {
        delays.append(&mut reader.await.expect("no panic"));
    }
    delays
}

/// Reads every event and checks that none is missing, doubled or out of order.
async fn read_all(
    mut subscriber: Subscriber,
    sent: Arc<[std::sync::OnceLock<Instant>]>,
) -> Vec<u32> {
    let mut delays = Vec::with_capacity(EVENTS);
    for (number, sent) in sent.iter().enumerate() {
        let text = subscriber.next().await;
        let expected = format!("Load Test Mission {number:013}\"");
        assert!(text.contains(&expected), "event {number} is {text}");
        let delay = sent.get().expect("sent before it arrives").elapsed();
        delays.push(u32::try_from(delay.as_micros()).unwrap_or(u32::MAX));
    }
    delays
}
