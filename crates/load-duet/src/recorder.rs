//! A relay between a load generator and a server that writes down what is asked and answered.

use std::io::{self, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::message::{Answer, Connection, Request, read_request};

/// Requests to this path are not passed on: they say where in a test the load generator is.
pub const MARK: &str = "/.load-duet/";
/// The mark that follows what was asked to prepare the load: `/.load-duet/load`.
pub const LOAD: &str = "load";
/// The mark after which nothing belongs to the load any more.
pub const TEARDOWN: &str = "teardown";

/// A request with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Which of the load generator's connections it came over.
    pub connection: usize,
    /// What was asked.
    pub request: Request,
    /// What was answered.
    pub answer: Answer,
}

/// What was written down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recording {
    /// What prepared the load.
    pub setup: Vec<Exchange>,
    /// The load, in the order in which it was asked for.
    pub load: Vec<Exchange>,
    /// Whether anybody asked for another protocol, such as a WebSocket. That is not passed on.
    pub has_upgrade: bool,
}

/// The relay.
#[derive(Debug)]
pub struct Recorder {
    /// Where it listens, on loopback.
    pub address: SocketAddr,
    written: Arc<Mutex<Written>>,
}

#[derive(Debug, Default)]
struct Written {
    /// In the order of the requests; an answer is put in when it comes.
    exchanges: Vec<Option<Exchange>>,
    /// How many of them prepared the load, and where it ended.
    load: usize,
    teardown: Option<usize>,
    has_upgrade: bool,
    marks: u64,
    is_over: bool,
}

impl Recorder {
    /// Listens on a free port for those who want to ask `server`.
    ///
    /// # Errors
    /// If it cannot listen.
    pub fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let recorder = Self {
            address: listener.local_addr()?,
            written: Arc::default(),
        };
        let written = Arc::clone(&recorder.written);
        std::thread::spawn(move || {
            for (connection, client) in listener.incoming().flatten().enumerate() {
                if lock(&written).is_over {
                    break;
                }
                let written = Arc::clone(&written);
                std::thread::spawn(move || {
                    // The load generator sees its connection end, and says so.
                    let _broke_off = serve(connection, client, server, &written);
                });
            }
        });
        Ok(recorder)
    }

    /// Whether somebody asked for another protocol so far.
    pub fn has_upgrade(&self) -> bool {
        lock(&self.written).has_upgrade
    }

    /// How many requests were marks, which the server knows nothing of.
    pub fn marks(&self) -> u64 {
        lock(&self.written).marks
    }

    /// What was written down so far; requests without an answer are left out.
    pub fn recording(&self) -> Recording {
        let written = lock(&self.written);
        let end = written.teardown.unwrap_or(written.exchanges.len());
        let begin = written.load.min(end);
        let part = |range: std::ops::Range<usize>| {
            written.exchanges[range].iter().flatten().cloned().collect()
        };
        Recording {
            setup: part(0..begin),
            load: part(begin..end),
            has_upgrade: written.has_upgrade,
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        lock(&self.written).is_over = true;
        // Wakes the listener.
        let _gone_already = TcpStream::connect(self.address);
    }
}

fn lock(written: &Mutex<Written>) -> MutexGuard<'_, Written> {
    written.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes the requests of one client on until it leaves.
fn serve(
    connection: usize,
    client: TcpStream,
    server: SocketAddr,
    written: &Mutex<Written>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = BufReader::new(client);
    let mut to_server = Connection::to(server);
    let host = server.to_string();
    while let Some(request) = read_request(&mut client)? {
        if let Some(mark) = request.target.strip_prefix(MARK) {
            let mut written = lock(written);
            written.marks += 1;
            let at = written.exchanges.len();
            match mark {
                LOAD => written.load = at,
                TEARDOWN => written.teardown = Some(at),
                _ => {}
            }
            drop(written);
            client
                .get_mut()
                .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
            continue;
        }
        if request.is_upgrade() {
            lock(written).has_upgrade = true;
            return Ok(());
        }
        let at = {
            let mut written = lock(written);
            written.exchanges.push(None);
            written.exchanges.len() - 1
        };
        let answer = to_server.exchange(&request.method, &request.to_bytes(&host))?;
        client.get_mut().write_all(&answer.raw)?;
        lock(written).exchanges[at] = Some(Exchange {
            connection,
            request,
            answer,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// A server that answers each request with its target.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mut client = BufReader::new(client);
                while let Ok(Some(request)) = read_request(&mut client) {
                    let text = request.target;
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
                    client.get_mut().write_all(head.as_bytes()).unwrap();
                    client.get_mut().write_all(text.as_bytes()).unwrap();
                }
            }
        });
        address
    }

    #[test]
    fn what_is_asked_is_passed_on_and_written_down() {
        let recorder = Recorder::start(echo()).unwrap();
        let mut client = Connection::to(recorder.address);
        let mut ask = |target: &str| {
            let text = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
            client.exchange("GET", text.as_bytes()).unwrap()
        };
        ask("/login");
        assert_eq!(ask("/.load-duet/load").status, 204);
        assert_eq!(ask("/a").body, b"/a");
        ask("/b");
        ask("/.load-duet/teardown");
        ask("/clean-up");
        let targets = |part: &[Exchange]| -> Vec<String> {
            let target = |exchange: &Exchange| exchange.request.target.clone();
            part.iter().map(target).collect()
        };
        let recording = recorder.recording();
        assert_eq!(targets(&recording.setup), ["/login"]);
        assert_eq!(targets(&recording.load), ["/a", "/b"]);
        assert!(!recorder.has_upgrade());
        assert_eq!(recorder.marks(), 2);

        let mut socket = TcpStream::connect(recorder.address).unwrap();
        let upgrade = b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n";
        socket.write_all(upgrade).unwrap();
        assert_eq!(socket.read(&mut [0; 9]).unwrap(), 0, "it is not passed on");
        assert!(recorder.has_upgrade());
        let address = recorder.address;
        drop(recorder);
        // The listener ends.
        while TcpStream::connect(address).is_ok() {
            std::thread::yield_now();
        }
    }
}
