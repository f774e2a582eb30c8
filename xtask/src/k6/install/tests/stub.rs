//! A server of releases that behaves or misbehaves as told.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What every request is answered with.
#[derive(Clone)]
pub enum Answer {
    /// 200 and the whole body.
    Whole(Vec<u8>),
    /// 200, the length of the body, and only its first bytes; then the connection is closed.
    CutOff(Vec<u8>, usize),
    /// The same, but the connection stays open and silent.
    Stalls(Vec<u8>, usize),
    /// 200 and the body in pieces of this size, with a pause after each.
    Slowly(Vec<u8>, usize, Duration),
    /// This status line.
    Status(&'static str),
    /// Nothing at all.
    Silence,
    /// A redirection to `/moved`, where the body is.
    Moved(Vec<u8>),
}

/// The server; it ends when dropped.
pub struct Stub {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
    ended: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Stub {
    pub fn new(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::new(AtomicBool::new(false));
        let (seen, end) = (Arc::clone(&requests), Arc::clone(&ended));
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if end.load(Ordering::Relaxed) {
                    break;
                }
                let (answer, seen, end) = (answer.clone(), Arc::clone(&seen), Arc::clone(&end));
                std::thread::spawn(move || {
                    let _client_gone = serve(&stream, &answer, &seen, &end);
                });
            }
        });
        Self {
            address,
            requests,
            ended,
            accepting: Some(accepting),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The paths asked for so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _wakes_it = TcpStream::connect(&self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ended = accepting.join();
        }
    }
}

fn serve(
    mut stream: &TcpStream,
    answer: &Answer,
    seen: &Mutex<Vec<String>>,
    end: &AtomicBool,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines
        .next()
        .transpose()?
        .is_some_and(|line| !line.is_empty())
    {}
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    seen.lock().unwrap().push(path.clone());
    let head = |length: usize| {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
    };
    let silent = || {
        while !end.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    match answer {
        Answer::Status(status) => {
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )?;
        }
        Answer::Silence => silent(),
        Answer::Moved(_) if path != "/moved" => write!(
            stream,
            "HTTP/1.1 302 Found\r\nLocation: /moved\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )?,
        Answer::Whole(body) | Answer::Moved(body) => {
            stream.write_all(head(body.len()).as_bytes())?;
            stream.write_all(body)?;
        }
        Answer::CutOff(body, at) => {
            stream.write_all(head(body.len()).as_bytes())?;
            stream.write_all(&body[..*at])?;
        }
        Answer::Stalls(body, at) => {
            stream.write_all(head(body.len()).as_bytes())?;
            stream.write_all(&body[..*at])?;
            silent();
        }
        Answer::Slowly(body, size, pause) => {
            stream.write_all(head(body.len()).as_bytes())?;
            for piece in body.chunks(*size) {
                stream.write_all(piece)?;
                std::thread::sleep(*pause);
            }
        }
    }
    Ok(())
}
