//! What lies between the socket and the handlers.

pub mod extract;
pub mod io;
pub mod observe;
pub mod peer;
