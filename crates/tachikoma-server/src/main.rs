//! Parses, dispatches, and maps the outcome to an exit status.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use tachikoma_server::cli::{Cli, Command, ServeArgs};
use tachikoma_server::config::{Config, Environment};
use tachikoma_server::startup::{self, StartError};
use tachikoma_server::{check, logging, openapi, os, router, serve, shutdown};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Open files that a server needs besides its connections.
const SPARE_FILES: u64 = 64;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Check { data_dir }) => match check::check(&data_dir) {
            Ok(report) if report.damage.is_empty() => {
                say(&format!(
                    "ok: {} missions, schema version {}",
                    report.missions, report.version
                ));
                ExitCode::SUCCESS
            }
            Ok(report) => {
                for line in &report.damage {
                    say(line);
                }
                fail(
                    1,
                    &format!("the database in {} is damaged", data_dir.display()),
                )
            }
            Err(error) => fail(1, &error.to_string()),
        },
        Some(Command::Openapi) => match openapi::render() {
            Ok(document) => {
                say(&document);
                ExitCode::SUCCESS
            }
            Err(error) => fail(1, &format!("failed to render the document: {error}")),
        },
        None => start(&cli.serve),
    }
}

fn start(args: &ServeArgs) -> ExitCode {
    if let Err(message) = logging::start(args.log_format) {
        return fail(2, &message);
    }
    let config = match Config::new(args, Environment::of_process()) {
        Ok(config) => config,
        Err(error) => return fail(2, &error.to_string()),
    };
    let wanted = u64::try_from(config.limits.max_connections).unwrap_or(u64::MAX);
    let wanted = wanted.saturating_add(SPARE_FILES);
    let files = os::raise_open_files(wanted);
    if files < wanted {
        tracing::warn!(
            files,
            wanted,
            "fewer open files are allowed than connections"
        );
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &format!("failed to start the runtime: {error}")),
    };
    let outcome = runtime.block_on(run(&config, args.exit_with_parent));
    // Connections that did not end in time are cut off here.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error.to_string()),
    }
}

async fn run(config: &Config, exit_with_parent: bool) -> Result<(), StartError> {
    let listen = |source| StartError::Listen {
        addr: config.addr,
        source,
    };
    let (stop, stopping) = watch::channel(false);
    shutdown::stop_on_request(stop, exit_with_parent).map_err(listen)?;
    let state = startup::build(config, stopping)?;
    shutdown::reload_on_hangup(state.clone()).map_err(listen)?;
    let listener = TcpListener::bind(config.addr).await.map_err(listen)?;
    let addr = listener.local_addr().map_err(listen)?;
    say(&format!("listening on http://{addr}"));
    tracing::info!(%addr, version = tachikoma_server::VERSION, "listening");
    serve::serve(listener, router::app(state.clone()), state).await;
    Ok(())
}

/// Writes a line to stdout. A reader that has gone away is no reason to stop.
fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

fn fail(status: u8, message: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {message}");
    ExitCode::from(status)
}
