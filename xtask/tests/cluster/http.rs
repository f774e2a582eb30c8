//! As much of HTTP as kubectl speaks: requests one after the other on a connection, and answers that go on.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Url;
use serde_json::Value;

/// A request.
pub struct Asked {
    /// The method.
    pub method: String,
    /// The path and the query.
    pub url: Url,
    /// The `Content-Type`.
    pub content_type: String,
    /// The body, null if there is none.
    pub body: Value,
}

impl Asked {
    /// A parameter of the query, empty if it is not there.
    pub fn query(&self, name: &str) -> String {
        let found = self.url.query_pairs().find(|(given, _)| given == name);
        found
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    }
}

/// An answer.
pub enum Answer {
    /// A status and an object.
    Object(u16, Value),
    /// What goes on, piece by piece.
    Stream(Box<dyn FnOnce(&mut Stream)>),
}

/// Where an answer that goes on is written to.
pub struct Stream(TcpStream);

impl Stream {
    /// Sends a piece; false if nobody listens any more.
    pub fn send(&mut self, piece: &[u8]) -> bool {
        let length = format!("{:x}\r\n", piece.len());
        let sent = self
            .0
            .write_all(&[length.as_bytes(), piece, b"\r\n"].concat());
        piece.is_empty() || sent.is_ok()
    }

    /// Breaks the connection, in the middle of the answer.
    pub fn cut(&mut self) {
        let _gone = self.0.shutdown(Shutdown::Both);
    }

    /// Whether the other side has gone.
    pub fn is_closed(&self) -> bool {
        let _set = self.0.set_nonblocking(true);
        let seen = self.0.peek(&mut [0]);
        let _set = self.0.set_nonblocking(false);
        match seen {
            Ok(count) => count == 0,
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

/// A server on a free port; dropping it closes it.
pub struct Listening {
    /// Where it listens.
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Listening {
    /// Answers by `rule`.
    pub fn start(rule: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, rule) = (Arc::new(AtomicBool::new(false)), Arc::new(rule));
        let stopped = Arc::clone(&stop);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let rule = Arc::clone(&rule);
                std::thread::spawn(move || while serve(&stream, &*rule).is_some() {});
            }
        });
        Self { address, stop }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread, so that it sees the flag.
        let _closed = TcpStream::connect(self.address);
    }
}

/// Answers one request; `None` at the connection's end. Nothing is read ahead: kubectl waits for an answer.
fn serve(stream: &TcpStream, rule: &dyn Fn(&Asked) -> Answer) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        let read = reader.read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let (mut length, mut content_type) = (0, String::new());
    loop {
        let header = line()?;
        match header.split_once(": ") {
            None => break,
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().unwrap();
            }
            Some((name, value)) if name.eq_ignore_ascii_case("content-type") => {
                content_type = value.to_owned();
            }
            Some(_) => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let asked = Asked {
        method: method.to_owned(),
        url: Url::parse(&format!("http://stand-in{target}")).unwrap(),
        content_type,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let mut writer = stream.try_clone().ok()?;
    match rule(&asked) {
        Answer::Object(status, object) => {
            let body = object.to_string();
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
            );
            writer.write_all(format!("{head}{body}").as_bytes()).ok()
        }
        Answer::Stream(write) => {
            let head = "HTTP/1.1 200 -\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
            writer.write_all(head.as_bytes()).ok()?;
            let mut stream = Stream(writer);
            write(&mut stream);
            // An empty piece is the end.
            stream.send(b"").then_some(())
        }
    }
}

/// Asks `address`, and returns the whole answer if its status is 200.
pub fn ask(address: &str, method: &str, path: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.to_owned())
}
