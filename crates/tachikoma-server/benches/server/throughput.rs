//! Requests a second, against the bare handler.

use std::time::Duration;

use crate::load::{self, Outcome, Until, always, request};
use crate::process::Process;
use crate::table::Row;

/// Rounds of each comparison.
pub const ROUNDS: usize = 7;

/// Length of one side's turn in a round.
pub const TURN: Until = Until::Time(Duration::from_secs(2));

/// What clients create in every work.
pub const MISSION: &str =
    r#"{"name":"Load Test Mission","prompt":"Test mission for load testing","backend":"mock"}"#;

/// `GET /api/health` with everything around it.
pub fn health() -> Vec<Row> {
    let health = request("GET", "/api/health", "");
    against_bare(
        "GET /api/health against a bare handler",
        0.90,
        (200, &health),
        (200, &health),
    )
}

/// Durable `POST /api/missions`, against a handler that stores nothing, and against one that stores
/// as durably: the first says what a create costs, the second how much of it is the server's own
/// and not the disk's.
pub fn create() -> Vec<Row> {
    let health = request("GET", "/api/health", "");
    let create = request("POST", "/api/missions", MISSION);
    let mut rows = against_bare(
        "durable POST /api/missions against a bare handler",
        0.50,
        (201, &create),
        (200, &health),
    );
    rows.extend(against_bare(
        "the same against a bare handler that stores as durably",
        0.90,
        (201, &create),
        (201, &create),
    ));
    rows
}

/// A request, after the status that its answers must have.
type Exchange<'a> = (u16, &'a bytes::Bytes);

fn against_bare(
    work: &str,
    goal: f64,
    (status, of_server): Exchange<'_>,
    (bare_status, of_bare): Exchange<'_>,
) -> Vec<Row> {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Process::server(dir.path(), &[]);
    let bare = Process::bare(dir.path());
    let (of_server, of_bare) = (always(of_server.clone()), always(of_bare.clone()));
    let rounds = alternate(
        || load::run(server.addr, server.pid(), TURN, status, &of_server),
        || load::run(bare.addr, bare.pid(), TURN, bare_status, &of_bare),
    );
    let ratio = median(rounds.iter().map(|(a, b)| a.rate() / b.rate()));
    let rate = |side: fn(&(Outcome, Outcome)) -> f64| median(rounds.iter().map(side));
    vec![Row {
        work: work.to_owned(),
        goal: format!("at least {goal:.2} of its requests/s"),
        measured: format!(
            "{ratio:.2} ({:.0}/s of {:.0}/s; processor time {:.1} µs, bare {:.1} µs a request)",
            rate(|(a, _)| a.rate()),
            rate(|(_, b)| b.rate()),
            rate(|(a, _)| a.cpu_micros()),
            rate(|(_, b)| b.cpu_micros()),
        ),
        ok: ratio >= goal,
    }]
}

/// Runs both sides in turn, after one round that warms them up; every other round begins with the
/// second side, so that a machine that slows down favours neither.
pub fn alternate(
    mut first: impl FnMut() -> Outcome,
    mut second: impl FnMut() -> Outcome,
) -> Vec<(Outcome, Outcome)> {
    let mut rounds = Vec::new();
    for round in 0..=ROUNDS {
        let pair = if round % 2 == 0 {
            let a = first();
            (a, second())
        } else {
            let b = second();
            (first(), b)
        };
        if round > 0 {
            rounds.push(pair);
        }
    }
    rounds
}

/// The middle value.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
