//! The way to k6's live dashboard, which can be closed: at its end k6 waits for whoever looks on, and a browser's tab
//! may stay open for days.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::shell::locked;

/// Passes connections on to the dashboard until it is closed.
#[derive(Debug)]
pub struct Relay {
    /// Where it listens, on loopback.
    pub address: SocketAddr,
    /// Both ends of each connection; `None` once it is closed.
    open: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl Relay {
    /// Listens on a free port for those who want to reach `dashboard`.
    ///
    /// # Errors
    /// If it cannot listen.
    pub fn start(dashboard: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let relay = Self {
            address: listener.local_addr()?,
            open: Arc::new(Mutex::new(Some(Vec::new()))),
        };
        let open = Arc::clone(&relay.open);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(dashboard) else {
                    continue;
                };
                if pass_on(&open, client, server).is_err() {
                    break;
                }
            }
        });
        Ok(relay)
    }

    /// Ends every connection and takes no more.
    pub fn close(&self) {
        let ends = locked(&self.open).take();
        for end in ends.into_iter().flatten() {
            let _closed_already = end.shutdown(Shutdown::Both);
        }
        // Wakes the listener, which then finds it closed.
        let _gone_already = TcpStream::connect(self.address);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.close();
    }
}

/// Copies in both directions, in two threads; an error if the relay is closed or a connection cannot be shared.
fn pass_on(
    open: &Mutex<Option<Vec<TcpStream>>>,
    client: TcpStream,
    server: TcpStream,
) -> io::Result<()> {
    let ways = [
        (client.try_clone()?, server.try_clone()?),
        (server.try_clone()?, client.try_clone()?),
    ];
    match locked(open).as_mut() {
        Some(ends) => ends.extend([client, server]),
        None => return Err(io::ErrorKind::NotConnected.into()),
    }
    for (mut from, mut to) in ways {
        std::thread::spawn(move || {
            let _one_of_them_hung_up = io::copy(&mut from, &mut to);
            let _closed_already = to.shutdown(Shutdown::Write);
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn passes_on_until_it_is_closed() {
        let dashboard = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let relay = Relay::start(dashboard.local_addr().unwrap()).unwrap();
        let mut client = TcpStream::connect(relay.address).unwrap();
        let (mut server, _) = dashboard.accept().unwrap();
        client.write_all(b"ask").unwrap();
        let mut asked = [0; 3];
        server.read_exact(&mut asked).unwrap();
        assert_eq!(&asked, b"ask");
        server.write_all(b"answer").unwrap();
        let mut answer = [0; 6];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"answer");

        relay.close();
        // Both sides are let go.
        assert_eq!(client.read(&mut answer).unwrap_or(0), 0);
        assert_eq!(server.read(&mut asked).unwrap_or(0), 0);
        dashboard.set_nonblocking(true).unwrap();
        let mut late = TcpStream::connect(relay.address);
        let read = late
            .as_mut()
            .map_or(0, |late| late.read(&mut answer).unwrap_or(0));
        assert_eq!(read, 0);
    }
}
