//! Memory must not grow with what has been created.

use crate::load::{self, Until, always, request};
use crate::process::{self, Process};
use crate::table::Row;
use crate::throughput::MISSION;

/// Missions to create.
const CREATES: u64 = 1_000_000;
/// The goal, in MiB.
const RESIDENT_MAX: f64 = 64.0;

/// Creates a million missions over the API.
pub fn memory() -> Vec<Row> {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Process::server(dir.path(), &[]);
    let create = always(request("POST", "/api/missions", MISSION));
    let outcome = load::run(
        server.addr,
        server.pid(),
        Until::Count(CREATES),
        201,
        &create,
    );
    let resident = process::resident_mib(server.pid());
    vec![Row {
        work: "resident memory after 1,000,000 creates".to_owned(),
        goal: format!("at most {RESIDENT_MAX} MiB"),
        measured: format!(
            "{resident:.0} MiB ({:.0}/s, p95 {:.1} ms)",
            outcome.rate(),
            outcome.percentile(95)
        ),
        ok: resident <= RESIDENT_MAX,
    }]
}
