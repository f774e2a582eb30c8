//! The list of missions, with a thousand and with a million of them.

use std::path::Path;
use std::time::Duration;

use tachikoma_server::mission::{Mission, MissionStatus};
use tachikoma_server::store::{ids::IdGenerator, missions, open};
use tachikoma_server::timestamp::Timestamp;

use crate::goals::{Goals, median};
use crate::load::{self, Until};
use crate::process::{Process, fixtures, folder, get};

const TURNS: usize = 7;
const TURN: Until = Until::Time(Duration::from_secs(3));

pub(crate) fn run(goals: &mut Goals) {
    println!("list: GET /api/missions, 50 missions each");
    let (few, many) = (folder(), folder());
    fill(few.path(), 1_000);
    fill(many.path(), 1_000_000);
    let few = Process::server(few.path(), &fixtures());
    let many = Process::server(many.path(), &fixtures());
    let list = |_: u64, out: &mut Vec<u8>| get("/api/missions", out);
    let mut ratios = Vec::new();
    for turn in 0..=TURNS {
        let few = load::run(few.addr, 200, TURN, list);
        let many = load::run(many.addr, 200, TURN, list);
        if turn == 0 {
            continue;
        }
        // In a closed loop, the time of a request is the inverse of the rate.
        let ratio = few.rate / many.rate;
        println!(
            "  turn {turn}: {:.0}/s with 1,000 rows, {:.0}/s with 1,000,000 rows ({ratio:.2})",
            few.rate, many.rate
        );
        ratios.push(ratio);
    }
    goals.at_most(
        "list with 1,000,000 rows, times as slow",
        median(&ratios),
        1.2,
        "",
    );
}

/// Writes missions straight into the database: what is measured is reading.
fn fill(data: &Path, count: usize) {
    let connection = open::open_writer(&open::database_path(data)).expect("opens");
    let mut ids = IdGenerator::after(None);
    connection.execute_batch("BEGIN").expect("begins");
    let now = Timestamp::now();
    for number in 0..count {
        let mission = Mission {
            id: ids.next(now.0).expect("random bytes"),
            name: format!("Load Test Mission {number:013}"),
            prompt: "This is a load test prompt".to_owned(),
            backend: "mock".to_owned(),
            status: MissionStatus::Pending,
            created_at: now,
            updated_at: now,
        };
        missions::insert(&connection, &mission).expect("inserted");
    }
    connection.execute_batch("COMMIT").expect("committed");
}
