//! Looks on while a server is abused, and judges how it bore it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::common::{Server, request};

/// Bound on the 95th percentile of the health route's time to answer, beyond what the machine
/// itself makes any program wait.
const HEALTH_P95_MAX: Duration = Duration::from_millis(100);

/// Threads that a request and its answer pass through, at most: client, acceptor, connection,
/// writer, reader, and back. A busy machine keeps each of them waiting as it does the one thread
/// that answers without work.
const HOPS: u32 = 10;

/// Bound on the server's greatest resident memory, in KiB.
const MEMORY_MAX_KIB: u64 = 128 * 1024;

/// Pause between two polls of the health route.
const PERIOD: Duration = Duration::from_millis(5);

/// One kind of abuse at a time: the tests would slow down each other's polls.
static TURN: Mutex<()> = Mutex::new(());

/// Polls of the health route, each over a connection of its own, until the verdict. Beside each,
/// a thread of this process that answers without any work is asked too: on a busy machine that
/// takes long as well, and is no fault of the server.
pub struct Watch {
    stop: Arc<AtomicBool>,
    polls: JoinHandle<Times>,
    _turn: MutexGuard<'static, ()>,
}

/// How long the polls took.
#[derive(Default)]
struct Times {
    server: Vec<Duration>,
    machine: Vec<Duration>,
}

impl Watch {
    /// Begins to poll.
    pub fn over(server: &Server) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = answer_without_work();
        let stop = Arc::new(AtomicBool::new(false));
        let (addr, stopped) = (server.addr, stop.clone());
        let polls = thread::spawn(move || {
            let mut times = Times::default();
            while !stopped.load(Ordering::Relaxed) {
                times.server.push(poll(addr));
                times.machine.push(poll(idle));
                thread::sleep(PERIOD);
            }
            times
        });
        Self {
            stop,
            polls,
            _turn: turn,
        }
    }

    /// Ends the polls. The server must have answered them all in time, be alive, have kept its
    /// memory, and must not have panicked.
    pub fn verdict(self, server: &Server, what: &str) {
        self.stop.store(true, Ordering::Relaxed);
        let mut times = self.polls.join().expect("every poll was answered");
        times.server.push(poll(server.addr));
        let health = percentile(&mut times.server, 95);
        let machine = percentile(&mut times.machine, 95);
        let memory = server.peak_memory() / 1024;
        eprintln!(
            "{what}: {} polls of health: median {:.1?}, p95 {health:.1?} (of the machine \
             {machine:.1?}), max {:.1?}; peak memory {} MiB",
            times.server.len(),
            percentile(&mut times.server, 50),
            percentile(&mut times.server, 100),
            memory / 1024
        );
        let log = server.log();
        assert!(
            !log.contains("panicked"),
            "{what}: the server panicked:\n{log}"
        );
        assert!(
            health <= HEALTH_P95_MAX + machine * HOPS,
            "{what}: health took {health:.1?} at p95"
        );
        assert!(
            memory <= MEMORY_MAX_KIB,
            "{what}: the server took {memory} KiB"
        );
    }
}

/// The time that `share` percent of the polls did not exceed.
fn percentile(times: &mut [Duration], share: usize) -> Duration {
    times.sort_unstable();
    times[times.len().saturating_sub(1) * share / 100]
}

/// Answers every connection at once, until this process ends.
fn answer_without_work() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
    });
    addr
}

/// One request for the server's health over a new connection: how long it took in all.
fn poll(addr: SocketAddr) -> Duration {
    let begun = Instant::now();
    let response = request(addr, "GET", "/api/health", None).expect("health answers");
    assert_eq!(
        response.status,
        200,
        "{:?}",
        String::from_utf8_lossy(&response.body)
    );
    begun.elapsed()
}
