//! A thousand subscribers, fifty events a second.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::frames::Frames;
use crate::load::{Connection, request};
use crate::process::{self, Process};
use crate::table::Row;

/// WebSocket clients that subscribe.
const SUBSCRIBERS: usize = 1_000;
/// Time between two creates: 50 a second.
const PERIOD: Duration = Duration::from_millis(20);
/// Creates: 20 s of them.
const EVENTS: usize = 1_000;
/// The deadline for all events to be everywhere.
const PATIENCE: Duration = Duration::from_secs(120);
/// The goal of delivery, in milliseconds.
const P99_MAX: f64 = 250.0;
/// The goal of memory, in MiB.
const RESIDENT_MAX: f64 = 128.0;

/// When each mission was sent to the server, in microseconds from a common beginning.
struct Clock {
    begun: Instant,
    sent: Vec<AtomicU64>,
}

impl Clock {
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Every subscriber must get every event, in order; delivery counts from before the request that
/// creates the mission is sent to when a subscriber has read the event.
pub fn fanout() -> Vec<Row> {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Process::server(dir.path(), &[]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let run = async { tokio::time::timeout(PATIENCE, deliver(server.addr, server.pid())).await };
    let (resident, micros) = runtime.block_on(run).expect("every event comes in time");
    let at = |share: usize| f64::from(micros[(micros.len() - 1) * share / 100]) / 1e3;
    vec![
        Row {
            work: "1,000 subscribers, 50 creates/s for 20 s: each gets each event, in order"
                .to_owned(),
            goal: format!("p99 delivery at most {P99_MAX} ms"),
            measured: format!(
                "p99 {:.1} ms (p50 {:.1} ms, max {:.1} ms, {} events delivered)",
                at(99),
                at(50),
                at(100),
                micros.len()
            ),
            ok: at(99) <= P99_MAX,
        },
        Row {
            work: "resident memory with 1,000 WebSocket clients".to_owned(),
            goal: format!("at most {RESIDENT_MAX} MiB"),
            measured: format!("{resident:.0} MiB"),
            ok: resident <= RESIDENT_MAX,
        },
    ]
}

/// Resident memory in MiB while all are connected, after the last event, and the delivery times in
/// ascending order.
async fn deliver(addr: SocketAddr, pid: u32) -> (f64, Vec<u32>) {
    let clock = Arc::new(Clock {
        begun: Instant::now(),
        sent: (0..EVENTS).map(|_| AtomicU64::new(0)).collect(),
    });
    // All have subscribed before the first event, and none leaves before memory is looked at.
    let barrier = Arc::new(Barrier::new(SUBSCRIBERS + 1));
    let mut subscribers = JoinSet::new();
    for _ in 0..SUBSCRIBERS {
        subscribers.spawn(subscriber(addr, clock.clone(), barrier.clone()));
    }
    barrier.wait().await;
    let stream = TcpStream::connect(addr).await.expect("the server accepts");
    stream.set_nodelay(true).expect("a socket option");
    let mut creator = Connection::new(stream);
    let mut tick = tokio::time::interval(PERIOD);
    for (number, sent) in clock.sent.iter().enumerate() {
        tick.tick().await;
        let body = format!(r#"{{"name":"{number}","prompt":"news","backend":"mock"}}"#);
        sent.store(clock.now(), Ordering::Release);
        let status = creator
            .exchange(&request("POST", "/api/missions", &body))
            .await;
        assert_eq!(status, 201);
    }
    barrier.wait().await;
    let resident = process::resident_mib(pid);
    barrier.wait().await;
    let mut micros = subscribers.join_all().await.concat();
    micros.sort_unstable();
    (resident, micros)
}

async fn subscriber(addr: SocketAddr, clock: Arc<Clock>, barrier: Arc<Barrier>) -> Vec<u32> {
    let mut frames = Frames::subscribe(addr).await.expect("a session");
    barrier.wait().await;
    let mut micros = Vec::with_capacity(EVENTS);
    for (number, sent) in clock.sent.iter().enumerate() {
        let event: serde_json::Value =
            serde_json::from_slice(&frames.text().await.expect("an event")).expect("JSON");
        let taken = clock.now() - sent.load(Ordering::Acquire);
        assert_eq!(event["type"], "mission.created", "{event}");
        assert_eq!(
            event["mission"]["name"],
            number.to_string(),
            "out of order: {event}"
        );
        micros.push(u32::try_from(taken).unwrap_or(u32::MAX));
    }
    barrier.wait().await;
    barrier.wait().await;
    micros
}
