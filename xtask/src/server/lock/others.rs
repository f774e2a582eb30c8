//! What every user of this machine's network can ask: who tests the server of this name?

use std::io::{self, Read as _, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::shell::locked;

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

/// Takes the name, or gives what its holder said of itself when it was first asked, which `known` keeps: whoever waits
/// asks no more. Without such names there is nothing to tell: it is a courtesy.
pub fn tell(name: &str, known: &mut Option<String>) -> Result<Option<Told>, String> {
    let Ok(address) = SocketAddr::from_abstract_name(format!("load-test/{name}")) else {
        return Ok(None);
    };
    let listener = match UnixListener::bind_addr(&address) {
        Ok(listener) => listener,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            return Err(known.get_or_insert_with(|| ask(address)).clone());
        }
        Err(_) => return Ok(None),
    };
    let holder = Arc::new(Mutex::new(Some(String::new())));
    let saying = Arc::clone(&holder);
    let thread = std::thread::spawn(move || {
        for asking in listener.incoming() {
            let Some(text) = &*locked(&saying) else {
                return;
            };
            match asking {
                // Small enough for the socket's buffer, so that nobody can hold this up.
                Ok(mut asking) => drop(asking.write_all(text.as_bytes())),
                Err(_) => std::thread::sleep(LIMIT),
            }
        }
    });
    Ok(Some(Told {
        address,
        holder,
        thread: Some(thread),
    }))
}

/// What the holder says of itself, empty if it says nothing in time: it may be stopped, or dawdle on purpose.
fn ask(address: SocketAddr) -> String {
    let (sender, said) = channel();
    // Connecting has no time-out; the thread is left behind then.
    std::thread::spawn(move || {
        let mut text = String::new();
        let stream = UnixStream::connect_addr(&address);
        let _said = stream.and_then(|stream| stream.take(MAX_BYTES).read_to_string(&mut text));
        let _too_late = sender.send(text);
    });
    said.recv_timeout(LIMIT).unwrap_or_default()
}

impl Told {
    /// What is said from now on.
    pub fn say(&self, holder: &str) {
        *locked(&self.holder) = Some(holder.to_owned());
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        *locked(&self.holder) = None;
        // Wakes the thread, which then lets go of the name.
        if UnixStream::connect_addr(&self.address).is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _panicked = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_that_answers_nobody_holds_nobody_up() {
        let name = format!("silent-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(format!("load-test/{name}")).unwrap();
        let _silent = UnixListener::bind_addr(&address).unwrap();
        let mut known = None;
        assert_eq!(tell(&name, &mut known).unwrap_err(), "");
        // It is not asked again: each question would take one of its places.
        known = Some("known".into());
        assert_eq!(tell(&name, &mut known).unwrap_err(), "known");
        assert!(tell(&"long".repeat(40), &mut None).unwrap().is_none());
    }
}
