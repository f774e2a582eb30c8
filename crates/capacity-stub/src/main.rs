//! A server whose capacity is known; README.md has the table of its modes. One thread for each connection.
//!
//! The edge follows from queueing theory. A server that completes at most `C` requests a second withstands every rate
//! below `C` and none above, since then the queue grows for as long as the load lasts; k6's arrival rates are evenly
//! spaced, so that below `C` there is no queue at all (a D/D/K queue; with arrivals at random, M/D/K, the mean wait
//! would be about half of M/M/K's). `N` users who pause for `Z` are a closed loop: by Little's law `N = X (R + Z)`, the
//! throughput `X` is at most `C`, and the latency `R` reaches a limit `T` at `N = C (T + Z)`, from where on it grows by
//! `1 / C` with each user. For `K` workers with the service time `D`, `C` is `K / D`.
//!
//! Source: L. Kleinrock, Queueing Systems, vol. 1 (1975), chapters 2 and 5; P. J. Denning and J. P. Buzen, The
//! Operational Analysis of Queueing Network Models, ACM Computing Surveys 10 (1978), for the bound on closed loops.

use std::io::{self, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What limits the server.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    /// So many workers, each busy for the service time; a token bucket is one worker.
    Workers(usize, Duration),
    /// Up to so many connections it answers after the first time, beyond them after the second.
    Jump(usize, Duration, Duration),
    /// Keeps so many bytes of each request, until it holds as many as the second number.
    Leak(usize, usize),
    /// One thread works for so long on each request.
    Thread(Duration),
    /// The threads of the connections do, one at a time.
    Lock(Duration),
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let words: Vec<&str> = text.split(':').collect();
            Some(match words[..] {
                ["tokens", rate] => {
                    let rate = rate.parse::<f64>().ok().filter(|rate| *rate > 0.0)?;
                    Self::Workers(1, Duration::from_secs_f64(1.0 / rate))
                }
                ["workers", count, time] => {
                    let count = count.parse::<usize>().ok().filter(|count| *count > 0)?;
                    Self::Workers(count, duration(time)?)
                }
                ["jump", most, fast, slow] => {
                    Self::Jump(most.parse().ok()?, duration(fast)?, duration(slow)?)
                }
                ["leak", kib, mib] => Self::Leak(
                    kib.parse::<usize>().ok()? << 10,
                    mib.parse::<usize>().ok()? << 20,
                ),
                ["thread", time] => Self::Thread(duration(time)?),
                ["lock", time] => Self::Lock(duration(time)?),
                _ => return None,
            })
        };
        read().ok_or_else(|| {
            format!("STUB_MODE is `{text}`: give one such as tokens:200, workers:4:20ms, jump:30:2ms:400ms, leak:64:100, thread:5ms or lock:5ms")
        })
    }
}

fn duration(text: &str) -> Option<Duration> {
    let millis: f64 = text.strip_suffix("ms")?.parse().ok()?;
    Duration::try_from_secs_f64(millis / 1e3).ok()
}

/// What all connections share.
struct Server {
    mode: Mode,
    /// When each worker is free again.
    free_at: Mutex<Vec<Instant>>,
    /// What is kept of requests.
    leaked: Mutex<Vec<Vec<u8>>>,
    /// The lock that the work is done behind.
    one_at_a_time: Mutex<()>,
    /// The thread that does the work.
    worker: Sender<Sender<()>>,
    /// Connections that have asked for `/ask`.
    connections: AtomicUsize,
    /// Requests for `/ask` that are not answered yet.
    present: AtomicUsize,
    /// Requests for `/ask` so far.
    asked: AtomicU64,
}

impl Server {
    fn new(mode: Mode) -> Self {
        let workers = match mode {
            Mode::Workers(count, _) => count,
            _ => 1,
        };
        let (worker, work) = mpsc::channel();
        if let Mode::Thread(time) = mode {
            thread::spawn(move || work_on(&work, time));
        }
        Self {
            mode,
            free_at: Mutex::new(vec![Instant::now(); workers]),
            leaked: Mutex::default(),
            one_at_a_time: Mutex::default(),
            worker,
            connections: AtomicUsize::new(0),
            present: AtomicUsize::new(0),
            asked: AtomicU64::new(0),
        }
    }

    /// Does what a request to `/ask` is limited by, and returns the status of its answer.
    fn ask(&self) -> u16 {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.present.fetch_add(1, Ordering::Relaxed);
        let status = self.limit();
        self.present.fetch_sub(1, Ordering::Relaxed);
        status
    }

    fn limit(&self) -> u16 {
        match self.mode {
            Mode::Workers(_, service) => self.queue(service),
            Mode::Jump(most, fast, slow) => {
                let many = self.connections.load(Ordering::Relaxed) > most;
                thread::sleep(if many { slow } else { fast });
            }
            Mode::Leak(each, budget) => {
                let mut leaked = locked(&self.leaked);
                if (leaked.len() + 1) * each > budget {
                    return 503;
                }
                // Pages count only once they were written to.
                leaked.push(vec![1; each]);
            }
            Mode::Thread(_) => {
                let (done, wait) = mpsc::channel();
                let _alive = self.worker.send(done);
                let _done = wait.recv();
            }
            Mode::Lock(time) => {
                let _turn = locked(&self.one_at_a_time);
                work(time);
            }
        }
        200
    }

    /// Waits for the worker that is free first, and for its service. When that ends is reckoned rather than slept off, so
    /// that a late wake-up makes one answer late and takes nothing of the capacity.
    fn queue(&self, service: Duration) {
        let done = {
            let mut free_at = locked(&self.free_at);
            let first = free_at.iter_mut().min();
            let Some(first) = first else { return };
            *first = Instant::now().max(*first) + service;
            *first
        };
        thread::sleep(done.saturating_duration_since(Instant::now()));
    }

    /// Requests that wait for others.
    fn waiting(&self) -> usize {
        let served = match self.mode {
            Mode::Workers(count, _) => count,
            Mode::Thread(_) | Mode::Lock(_) => 1,
            Mode::Jump(..) | Mode::Leak(..) => usize::MAX,
        };
        self.present.load(Ordering::Relaxed).saturating_sub(served)
    }

    fn answer(&self, path: &str, is_known: &mut bool) -> (u16, String) {
        match path {
            "/health" => (200, r#"{"service":"capacity-stub","version":"1"}"#.into()),
            "/metrics" => {
                let asked = self.asked.load(Ordering::Relaxed);
                let waiting = self.waiting();
                let text = format!(
                    "stub_requests_total{{route=\"/ask\"}} {asked}\nstub_queue_length {waiting}\n"
                );
                (200, text)
            }
            "/ask" => {
                if !std::mem::replace(is_known, true) {
                    self.connections.fetch_add(1, Ordering::Relaxed);
                }
                (self.ask(), "{}".into())
            }
            _ => (404, "{}".into()),
        }
    }

    /// Answers the requests of one connection to its end.
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut writer = stream.try_clone()?;
        let mut reader = BufReader::new(stream);
        let mut is_known = false;
        let served = loop {
            match read_path(&mut reader) {
                Ok(Some(path)) => {
                    let (status, body) = self.answer(&path, &mut is_known);
                    let length = body.len();
                    let text =
                        format!("HTTP/1.1 {status} Stub\r\ncontent-length: {length}\r\n\r\n{body}");
                    if let Err(error) = writer.write_all(text.as_bytes()) {
                        break Err(error);
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if is_known {
            self.connections.fetch_sub(1, Ordering::Relaxed);
        }
        served
    }
}

/// The path of the next request, which has no body; `None` at the end of the connection.
fn read_path(reader: &mut impl io::BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    while !line.trim().is_empty() {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(path))
}

/// Works for `time` on each request that comes.
fn work_on(requests: &Receiver<Sender<()>>, time: Duration) {
    while let Ok(done) = requests.recv() {
        work(time);
        let _gone = done.send(());
    }
}

/// Takes a core for `time`.
fn work(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        std::hint::spin_loop();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mode: Mode = std::env::var("STUB_MODE").unwrap_or_default().parse()?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".into());
    let listener = TcpListener::bind(address)?;
    println!("listening on http://{}", listener.local_addr()?);
    // Whoever started it holds its standard input: with them it ends.
    thread::spawn(|| {
        let _ended = io::copy(&mut io::stdin().lock(), &mut io::sink());
        std::process::exit(0);
    });
    let server = Arc::new(Server::new(mode));
    for stream in listener.incoming() {
        let (stream, server) = (stream?, Arc::clone(&server));
        thread::spawn(move || server.serve(stream));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_and_others_refused() {
        let ms = Duration::from_millis;
        for (text, mode) in [
            ("tokens:200", Mode::Workers(1, ms(5))),
            ("workers:4:20ms", Mode::Workers(4, ms(20))),
            ("jump:30:2ms:400ms", Mode::Jump(30, ms(2), ms(400))),
            ("leak:64:100", Mode::Leak(64 << 10, 100 << 20)),
            ("thread:5ms", Mode::Thread(ms(5))),
            ("lock:5ms", Mode::Lock(ms(5))),
        ] {
            assert_eq!(text.parse(), Ok(mode), "{text}");
        }
        for wrong in [
            "",
            "tokens:0",
            "tokens",
            "workers:0:1ms",
            "thread:5s",
            "jump:1:2:3",
        ] {
            assert!(
                wrong.parse::<Mode>().unwrap_err().contains("tokens:200"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn its_workers_take_what_theory_says_however_late_their_callers_wake_up() {
        // 3 workers of 10 ms: 15 requests at once are 5 rounds.
        let server = Server::new("workers:3:10ms".parse().unwrap());
        let began = *locked(&server.free_at).iter().max().unwrap();
        thread::scope(|scope| {
            for _ in 0..15 {
                scope.spawn(|| server.ask());
            }
        });
        let free_at = locked(&server.free_at);
        for worker in free_at.iter() {
            let busy = *worker - began;
            assert!(busy >= Duration::from_millis(50), "{busy:?}");
        }
        assert_eq!(server.asked.load(Ordering::Relaxed), 15);
        assert_eq!(server.waiting(), 0);
    }

    #[test]
    fn a_leak_is_refused_once_its_budget_is_spent() {
        let server = Server::new("leak:256:1".parse().unwrap());
        let statuses: Vec<u16> = (0..6).map(|_| server.ask()).collect();
        assert_eq!(statuses, [200, 200, 200, 200, 503, 503]);
    }

    #[test]
    fn one_connection_too_many_is_slow() {
        let server = Server::new("jump:1:0ms:20ms".parse().unwrap());
        let mut known = [false; 2];
        let mut took = |nth: usize| {
            let began = Instant::now();
            assert_eq!(server.answer("/ask", &mut known[nth]).0, 200);
            began.elapsed()
        };
        took(0);
        assert!(took(1) >= Duration::from_millis(20));
        assert!(known[1]);
    }
}
