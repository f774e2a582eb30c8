//! Two thousand WebSocket sessions that begin and end all the time, as the load test's script makes
//! them: each subscribes and closes after as long as the server's ping interval.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::frames::{CLOSE, Frames, PING};
use crate::load::{Connection, request};
use crate::process::Process;
use crate::table::Row;
use crate::throughput::MISSION;

/// Runs, each of as many sessions.
const RUNS: usize = 5;
/// Sessions of a run.
const SESSIONS: u32 = 2_000;
/// Length of a session, and the server's ping interval: a tenth of the script's 30 s and of the
/// server's default, since it is their ratio that matters.
const LENGTH: Duration = Duration::from_secs(3);
/// Time between two events for everybody.
const PERIOD: Duration = Duration::from_millis(50);
/// Longest wait for the server's close.
const PATIENCE: Duration = Duration::from_secs(10);

/// No session may see anything but a close that is answered.
pub fn sessions() -> Vec<Row> {
    let dir = tempfile::tempdir().expect("a folder");
    let interval = format!("{}s", LENGTH.as_secs());
    let server = Process::server(dir.path(), &["--ping-interval", &interval]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut faults = Vec::new();
    for _ in 0..RUNS {
        faults.extend(runtime.block_on(run(server.addr)));
    }
    let first = faults.first().map(|fault| format!(", the first: {fault}"));
    vec![Row {
        work: format!("{RUNS} runs of {SESSIONS} staggered sessions as long as a ping interval"),
        goal: "0 errors".to_owned(),
        measured: format!("{} errors{}", faults.len(), first.unwrap_or_default()),
        ok: faults.is_empty(),
    }]
}

async fn run(addr: SocketAddr) -> Vec<io::Error> {
    let creator = tokio::spawn(create(addr));
    let mut sessions = JoinSet::new();
    for number in 0..SESSIONS {
        let delay = LENGTH * number / SESSIONS;
        sessions.spawn(async move {
            sleep(delay).await;
            session(addr).await
        });
    }
    let ends = sessions.join_all().await;
    creator.abort();
    ends.into_iter().filter_map(Result::err).collect()
}

/// Events, as long as somebody listens.
async fn create(addr: SocketAddr) {
    let stream = TcpStream::connect(addr).await.expect("the server accepts");
    let mut connection = Connection::new(stream);
    let create = request("POST", "/api/missions", MISSION);
    loop {
        assert_eq!(connection.exchange(&create).await, 201);
        sleep(PERIOD).await;
    }
}

async fn session(addr: SocketAddr) -> io::Result<()> {
    let mut frames = Frames::subscribe(addr).await?;
    let end = Instant::now() + LENGTH;
    while let Ok(text) = timeout_at(end, frames.text()).await {
        text?;
    }
    frames.send(CLOSE, &1000_u16.to_be_bytes()).await?;
    loop {
        let next = timeout_at(end + PATIENCE, frames.next()).await;
        match next.map_err(|_| io::Error::other("the close was not answered"))?? {
            (CLOSE, _) => return Ok(()),
            // A client that has said goodbye cannot answer it, and takes it for a fault.
            (PING, _) => return Err(io::Error::other("a ping after the client's close")),
            _ => {}
        }
    }
}
