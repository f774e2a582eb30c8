//! The list's cost must not grow with the table.

use std::path::Path;

use tachikoma_server::mission::{Mission, MissionStatus};
use tachikoma_server::store::ids::IdGenerator;
use tachikoma_server::store::{missions, open};
use tachikoma_server::timestamp::Timestamp;

use crate::load::{self, always, request};
use crate::process::Process;
use crate::table::Row;
use crate::throughput::{TURN, alternate, median};

/// Rows of the large table.
const MANY: usize = 1_000_000;
/// Rows of the small one.
const FEW: usize = 1_000;

/// `GET /api/missions` over a large table against a small one.
pub fn list() -> Vec<Row> {
    let (large_dir, small_dir) = (filled(MANY), filled(FEW));
    let large = Process::server(large_dir.path(), &[]);
    let small = Process::server(small_dir.path(), &[]);
    let list = always(request("GET", "/api/missions", ""));
    let rounds = alternate(
        || load::run(large.addr, large.pid(), TURN, 200, &list),
        || load::run(small.addr, small.pid(), TURN, 200, &list),
    );
    let factor = median(
        rounds
            .iter()
            .map(|(large, small)| small.rate() / large.rate()),
    );
    let (large, small) = (
        median(rounds.iter().map(|(large, _)| large.rate())),
        median(rounds.iter().map(|(_, small)| small.rate())),
    );
    vec![Row {
        work: "GET /api/missions with 1,000,000 rows against 1,000".to_owned(),
        goal: "at most 1.20 times as slow".to_owned(),
        measured: format!("{factor:.2} ({large:.0}/s, {small:.0}/s)"),
        ok: factor <= 1.2,
    }]
}

/// A data directory with missions, written by the server's own code.
fn filled(rows: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    fill(&dir.path().join("data"), rows).expect("the database is written");
    dir
}

fn fill(data_dir: &Path, rows: usize) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::create_dir_all(data_dir)?;
    let mut connection = open::open_writer(&open::database_path(data_dir))?;
    let mut ids = IdGenerator::after(None);
    let transaction = connection.transaction()?;
    let mut insert = missions::prepare_insert(&transaction)?;
    for row in 0..rows {
        let now = Timestamp::now();
        let mission = Mission {
            id: ids.next(now.0),
            name: format!("Load Test Mission {row}"),
            prompt: "Test mission for load testing".to_owned(),
            backend: "mock".to_owned(),
            status: MissionStatus::Pending,
            created_at: now,
            updated_at: now,
        };
        missions::insert(&mut insert, &mission)?;
    }
    drop(insert);
    Ok(transaction.commit()?)
}
