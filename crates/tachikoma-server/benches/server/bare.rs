//! What the server is compared with: axum, and nothing around a route.
//!
//! The health route gives its JSON. A create is what no durable server can leave out: one thread
//! puts all that came in while the last flush ran into one transaction, and answers after its flush. It
//! has no key, bounds, deadlines, metrics or events, and does not look whether its files are still there.

use std::io::Read;
use std::path::Path;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde::Serialize;
use tachikoma_server::mission::{Mission, MissionStatus, NewMission};
use tachikoma_server::store::ids::IdGenerator;
use tachikoma_server::store::{missions, open};
use tachikoma_server::timestamp::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

#[derive(Serialize)]
struct Healthy {
    status: &'static str,
    service: &'static str,
    version: &'static str,
    uptime_seconds: u64,
}

/// What axum's own JSON answer does.
async fn health() -> impl IntoResponse {
    let body = serde_json::to_vec(&Healthy {
        status: "healthy",
        service: tachikoma_server::SERVICE,
        version: tachikoma_server::VERSION,
        uptime_seconds: 1,
    });
    ([(CONTENT_TYPE, "application/json")], body.expect("JSON"))
}

type Write = (NewMission, oneshot::Sender<Mission>);

async fn create(State(writes): State<mpsc::Sender<Write>>, body: Bytes) -> impl IntoResponse {
    let new = serde_json::from_slice(&body).expect("a mission");
    let (reply, stored) = oneshot::channel();
    writes.send((new, reply)).await.expect("the writer lives");
    let mission = stored.await.expect("the writer answers");
    let body = serde_json::to_vec(&mission).expect("JSON");
    let kind = [(CONTENT_TYPE, "application/json")];
    (StatusCode::CREATED, kind, body)
}

/// Stores missions in `dir` until every sender is gone.
fn store(dir: &Path, mut writes: mpsc::Receiver<Write>) {
    std::fs::create_dir_all(dir).expect("a folder");
    let mut connection = open::open_writer(&open::database_path(dir)).expect("a database");
    let mut ids = IdGenerator::after(None);
    let mut batch = Vec::new();
    while writes.blocking_recv_many(&mut batch, 512) > 0 {
        let transaction = connection.transaction().expect("a transaction");
        let mut insert = missions::prepare_insert(&transaction).expect("a statement");
        let write = |(new, reply): Write| {
            let now = Timestamp::now();
            let mission = Mission {
                id: ids.next(now.0),
                name: new.name,
                prompt: new.prompt,
                backend: new.backend,
                status: MissionStatus::Pending,
                created_at: now,
                updated_at: now,
            };
            missions::insert(&mut insert, &mission).expect("a row");
            (mission, reply)
        };
        let stored: Vec<_> = batch.drain(..).map(write).collect();
        drop(insert);
        transaction.commit().expect("a flush");
        for (mission, reply) in stored {
            let _ = reply.send(mission);
        }
    }
}

/// Serves on a free port, which it prints, until stdin ends, with the missions in `dir`. The
/// runtime is set up as the server sets up its own.
pub fn serve(dir: &Path) {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (writes, requests) = mpsc::channel(1024);
        let dir = dir.to_owned();
        std::thread::spawn(move || store(&dir, requests));
        let app = axum::Router::new()
            .route("/api/health", get(health))
            .route("/api/missions", post(create))
            .with_state(writes);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        println!("{}", listener.local_addr().expect("an address"));
        axum::serve(listener, app)
            .await
            .expect("the bare server serves");
    });
}
