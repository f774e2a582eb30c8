//! What the machine can do: axum with one handler, no layers, the same JSON as the health route.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use serde::Serialize;
use std::io::Write as _;

/// Makes this program that server.
pub(crate) const ARGUMENT: &str = "bare-server";

#[derive(Serialize)]
struct Healthy {
    status: &'static str,
    service: &'static str,
    version: &'static str,
    uptime_seconds: u64,
}

/// What `axum::Json` does, which this build of axum leaves out.
async fn health() -> impl IntoResponse {
    let body = Healthy {
        status: "healthy",
        service: tachikoma_server::SERVICE,
        version: tachikoma_server::VERSION,
        uptime_seconds: 1,
    };
    let body = serde_json::to_vec(&body).expect("serializes");
    ([(header::CONTENT_TYPE, "application/json")], body)
}

/// Serves until it is killed.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let addr = listener.local_addr().expect("an address");
        println!("listening on http://{addr}");
        std::io::stdout().flush().expect("written");
        let app = Router::new().route("/api/health", get(health));
        axum::serve(listener, app).await.expect("serves");
    });
}
