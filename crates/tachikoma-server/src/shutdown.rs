//! What tells a running server to stop or to look again.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};

use crate::app::AppState;

/// Turns true at SIGTERM or SIGINT, and at the end of stdin if `with_parent`: a pipe from the
/// parent ends when the parent does, however it does.
///
/// # Errors
/// If the signals cannot be caught.
pub fn on_request(with_parent: bool) -> std::io::Result<watch::Receiver<bool>> {
    let (stop, stopping) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (gone, parent) = oneshot::channel();
    if with_parent {
        let watch = move || {
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            gone.send(())
        };
        std::thread::Builder::new()
            .name("parent-watch".to_owned())
            .spawn(watch)?;
    }
    tokio::spawn(async move {
        let reason = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            // Without a watch there is nobody to send it.
            Ok(()) = parent => "end of stdin",
        };
        tracing::info!(reason, "stopping");
        // Nobody listens only if the server has ended already.
        let _ = stop.send(true);
    });
    Ok(stopping)
}

/// Waits until `stop` turns true, or can do so no more.
pub async fn requested(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Reads the key file and the specs folder again at each SIGHUP.
///
/// # Errors
/// If the signal cannot be caught.
pub fn reload_on_hangup(app: AppState) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut stop = app.shutdown.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(()) = hangup.recv() => {}
                () = requested(&mut stop) => return,
            }
            let app = app.clone();
            if let Err(error) = tokio::task::spawn_blocking(move || app.reload()).await {
                tracing::error!(%error, "specs left as they were");
            }
        }
    });
    Ok(())
}
