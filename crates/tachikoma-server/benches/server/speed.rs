//! Health and durable creation against a bare handler.

use std::process::Command;
use std::time::Duration;

use crate::bare;
use crate::goals::{Goals, median};
use crate::load::{self, Until};
use crate::process::{Process, create, fixtures, folder, get};

/// Turns of each of the three, and the time of each.
const TURNS: usize = 7;
const TURN: Until = Until::Time(Duration::from_secs(3));

pub(crate) fn run(goals: &mut Goals) {
    println!(
        "speed: requests per second over {} connections",
        crate::CONNECTIONS
    );
    let data = folder();
    let server = Process::server(data.path(), &fixtures());
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg(bare::ARGUMENT);
    let bare = Process::start(command);
    let ask: load::MakeRequest = |_, out| get("/api/health", out);
    let (mut healths, mut creates) = (Vec::new(), Vec::new());
    for turn in 0..=TURNS {
        let bare = load::run(bare.addr, 200, TURN, ask).rate;
        let health = load::run(server.addr, 200, TURN, ask).rate;
        let created = load::run(server.addr, 201, TURN, create);
        if turn == 0 {
            // The first turn warms everything up.
            continue;
        }
        println!(
            "  turn {turn}: bare {bare:.0}, health {health:.0} ({:.2}), create {:.0} ({:.2}, p99 {:.1} ms)",
            health / bare,
            created.rate,
            created.rate / bare,
            created.quantile(0.99)
        );
        healths.push(health / bare);
        creates.push(created.rate / bare);
    }
    goals.at_least("health / bare handler", median(&healths), 0.9, "");
    goals.at_least("durable create / bare handler", median(&creates), 0.5, "");
}
