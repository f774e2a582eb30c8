//! What tells a running server to stop or to look again.

use std::io::Read;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::state::AppState;

/// Waits for SIGTERM or SIGINT, and for the end of stdin if `with_parent`; then turns `stop` true.
///
/// # Errors
/// If the signals cannot be caught.
pub fn stop_on_request(stop: watch::Sender<bool>, with_parent: bool) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut parent = with_parent.then(parent_gone).transpose()?;
    tokio::spawn(async move {
        let reason = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            () = wait(&mut parent) => "end of stdin",
        };
        tracing::info!(reason, "stopping");
        // Nobody listens only if the server has ended already.
        let _ = stop.send(true);
    });
    Ok(())
}

/// Waits until `stop` turns true, or can do so no more.
pub async fn requested(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Reads the key file and the specs folder again at each SIGHUP.
///
/// # Errors
/// If the signal cannot be caught.
pub fn reload_on_hangup(state: AppState) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut stop = state.shutdown.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                received = hangup.recv() => if received.is_none() { return },
                () = requested(&mut stop) => return,
            }
            match state.reload_key() {
                Ok(true) => tracing::info!("API key read again"),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "API key left as it was"),
            }
            let state = state.clone();
            let result = tokio::task::spawn_blocking(move || state.reindex()).await;
            match result {
                Ok(Ok(changes)) => tracing::info!(
                    total = changes.total,
                    read = changes.read,
                    removed = changes.removed,
                    "specs indexed"
                ),
                Ok(Err(error)) => tracing::error!(%error, "specs left as they were"),
                Err(error) => tracing::error!(%error, "specs left as they were"),
            }
        }
    });
    Ok(())
}

/// A thread that ends with stdin: a pipe from the parent ends when the parent does, however it
/// does.
fn parent_gone() -> std::io::Result<tokio::sync::oneshot::Receiver<()>> {
    let (gone, waiting) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("parent-watch".to_owned())
        .spawn(move || {
            let mut buffer = [0; 256];
            let mut stdin = std::io::stdin().lock();
            loop {
                match stdin.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
            let _ = gone.send(());
        })?;
    Ok(waiting)
}

async fn wait(parent: &mut Option<tokio::sync::oneshot::Receiver<()>>) {
    match parent {
        Some(gone) => {
            let _ = gone.await;
        }
        None => std::future::pending().await,
    }
}
