//! Parses, dispatches, and maps the outcome to an exit status.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use tachikoma_server::app::App;
use tachikoma_server::auth::ApiKey;
use tachikoma_server::cli::ServeArgs;
use tachikoma_server::{faults, logging, os, router, serve, shutdown};
use tokio::net::TcpListener;

/// Open files that a server needs besides its connections.
const SPARE_FILES: u64 = 64;

fn main() -> ExitCode {
    let args = ServeArgs::read();
    let prepared = match prepare(&args) {
        Ok(prepared) => prepared,
        Err(error) => return fail(2, &error),
    };
    match start(args, prepared) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}

/// What the options and the environment ask for.
fn prepare(args: &ServeArgs) -> anyhow::Result<(ApiKey, faults::Faults)> {
    logging::start()?;
    let key = ApiKey::read(args.api_key_file.as_deref())?;
    Ok((key, faults::Faults::of_environment()?))
}

fn start(args: ServeArgs, (key, faults): (ApiKey, faults::Faults)) -> anyhow::Result<()> {
    let wanted = u64::try_from(args.limits.max_connections).unwrap_or(u64::MAX);
    let wanted = wanted.saturating_add(SPARE_FILES);
    let files = os::raise_open_files(wanted);
    if files < wanted {
        tracing::warn!(
            files,
            wanted,
            "fewer open files are allowed than connections"
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.context("failed to start the runtime")?;
    let outcome = runtime.block_on(run(args, key, faults));
    // Connections that did not end in time are cut off here.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    outcome
}

async fn run(args: ServeArgs, key: ApiKey, faults: faults::Faults) -> anyhow::Result<()> {
    let stopping = shutdown::on_request(args.exit_with_parent)?;
    let addr = args.addr;
    let app = App::start(args, key, stopping, faults)?;
    shutdown::reload_on_hangup(app.clone())?;
    let listener = TcpListener::bind(addr).await.with_context(|| {
        format!(
            "failed to listen on {addr}; \
             stop the program that uses it, or give another address with --addr"
        )
    })?;
    let addr = listener.local_addr()?;
    say(&format!("listening on http://{addr}"));
    tracing::info!(%addr, version = tachikoma_server::VERSION, "listening");
    serve::serve(listener, router::router(app.clone()), app).await;
    Ok(())
}

/// Writes a line to stdout. A reader that has gone away is no reason to stop.
fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

fn fail(status: u8, error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
    ExitCode::from(status)
}
