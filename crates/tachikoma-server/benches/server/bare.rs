//! The bare handler: the health route's JSON from axum, and nothing else.

use std::io::Read;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use serde::Serialize;
use tokio::net::TcpListener;

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

/// Serves on a free port, which it prints, until stdin ends. The runtime is set up as the server
/// sets up its own.
pub fn serve() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let app = axum::Router::new().route("/api/health", get(health));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        println!("{}", listener.local_addr().expect("an address"));
        axum::serve(listener, app)
            .await
            .expect("the bare server serves");
    });
}
