//! What every user of this machine's network can ask: who tests the server of this name?

use std::io::{self, Read as _, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;

/// How long whoever holds the name may take to say who it is.
const LIMIT: Duration = Duration::from_secs(1);
/// The most that is read of it, in bytes.
const MAX_BYTES: u64 = 8 * 1024;

/// Tells whoever asks who we are, until it is dropped; however this process ends, the name is then free.
#[derive(Debug)]
pub struct Told {
    address: SocketAddr,
    holder: Arc<Mutex<Option<String>>>,
    thread: Option<JoinHandle<()>>,
}

/// Takes the name, or gives what its holder says of itself.
///
/// # Errors
/// If sockets cannot be used.
pub fn tell(name: &str) -> anyhow::Result<Result<Told, String>> {
    let failed = "failed to tell other users which server is tested";
    let address = SocketAddr::from_abstract_name(format!("load-test/{name}")).context(failed)?;
    let listener = match UnixListener::bind_addr(&address) {
        Ok(listener) => listener,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            return Ok(Err(ask(&address).unwrap_or_default()));
        }
        Err(error) => return Err(error).context(failed),
    };
    let holder = Arc::new(Mutex::new(Some(String::new())));
    let saying = Arc::clone(&holder);
    let thread = std::thread::spawn(move || {
        for asking in listener.incoming() {
            let Some(text) = &*saying.lock().unwrap_or_else(PoisonError::into_inner) else {
                return;
            };
            match asking {
                // Small enough for the socket's buffer, so that nobody can hold this up.
                Ok(mut asking) => drop(asking.write_all(text.as_bytes())),
                Err(_) => std::thread::sleep(LIMIT),
            }
        }
    });
    Ok(Ok(Told {
        address,
        holder,
        thread: Some(thread),
    }))
}

fn ask(address: &SocketAddr) -> io::Result<String> {
    let stream = UnixStream::connect_addr(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut said = String::new();
    stream.take(MAX_BYTES).read_to_string(&mut said)?;
    Ok(said)
}

impl Told {
    /// What is said from now on.
    pub fn say(&self, holder: &str) {
        *self.holder.lock().unwrap_or_else(PoisonError::into_inner) = Some(holder.to_owned());
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        *self.holder.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // Wakes the thread, which then lets go of the name.
        if UnixStream::connect_addr(&self.address).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _panicked = thread.join();
        }
    }
}
