//! Servers that misbehave in one way each.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What a stub does with a request.
pub enum Act {
    /// Answers after a delay.
    Answer(u16, String, Duration),
    /// Never answers.
    Hang,
    /// Closes the connection.
    Close,
}

/// A request's method and path.
pub struct Asked<'a> {
    /// The method.
    pub method: &'a str,
    /// The path with its query.
    pub path: &'a str,
}

type Rule = dyn Fn(&Asked<'_>) -> Act + Send + Sync;

/// A stub on a free port; dropping it closes it.
pub struct Stub {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

/// The health answer of tachikoma-server.
pub fn healthy() -> Act {
    let body =
        r#"{"status":"healthy","service":"tachikoma-server","version":"0.0.0","uptime_seconds":1}"#;
    Act::Answer(200, body.into(), Duration::ZERO)
}

impl Stub {
    /// A stub that follows `rule`.
    pub fn new(rule: impl Fn(&Asked<'_>) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, asked) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let rule: Arc<Rule> = Arc::new(rule);
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (rule, count, stopped) =
                    (Arc::clone(&rule), Arc::clone(&count), Arc::clone(&stopped));
                std::thread::spawn(move || serve(stream, &*rule, &count, &stopped));
            }
        });
        Self {
            address,
            stop,
            asked,
        }
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests it has had.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread, so that it sees the flag.
        let _closed = TcpStream::connect(self.address);
    }
}

/// A port of this machine on which nothing listens.
pub fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn serve(stream: TcpStream, rule: &Rule, count: &AtomicUsize, stop: &AtomicBool) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).unwrap_or(0) == 0 {
                return;
            }
            if header.trim().is_empty() {
                break;
            }
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).unwrap();
        let mut words = line.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        count.fetch_add(1, Ordering::Relaxed);
        let asked = Asked { method, path };
        match rule(&asked) {
            Act::Answer(status, body, delay) => {
                std::thread::sleep(delay);
                let again = if status == 429 {
                    "retry-after: 3\r\n"
                } else {
                    ""
                };
                let head = format!(
                    "HTTP/1.1 {status} Stub\r\n{again}content-length: {}\r\n\r\n",
                    body.len()
                );
                if writer
                    .write_all(format!("{head}{body}").as_bytes())
                    .is_err()
                {
                    return;
                }
            }
            Act::Hang => {
                let since = Instant::now();
                while !stop.load(Ordering::Relaxed) && since.elapsed() < Duration::from_secs(120) {
                    std::thread::sleep(Duration::from_millis(50));
                }
                return;
            }
            Act::Close => return,
        }
    }
}
