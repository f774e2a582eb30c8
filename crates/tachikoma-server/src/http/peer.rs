//! Who is at the other end of a connection.

use std::net::SocketAddr;

/// The client's address, in the extensions of each request that came over a socket.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

impl Peer {
    /// Whether the client is on this machine.
    pub fn is_loopback(self) -> bool {
        self.0.ip().to_canonical().is_loopback()
    }
}
