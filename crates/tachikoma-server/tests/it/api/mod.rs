//! Every route and every status of the API, without sockets, each test with its own database.

mod health;
mod limits;
mod missions;
mod requests;
mod specs;
