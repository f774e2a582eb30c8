//! What lies between the socket and the handlers.

pub mod body;
pub mod io;
pub mod key;
pub mod layer;
pub mod peer;
