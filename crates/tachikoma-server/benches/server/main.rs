//! What the server does on this machine, as ratios within one run.
//!
//! `cargo bench -p tachikoma-server` runs all works, `cargo bench -p tachikoma-server -- list
//! search` some of them. Servers, the bare handler that they are compared with and the load
//! generator are processes of their own on the same cores; the sides of a comparison take turns, and the
//! median of the rounds' ratios counts. Exit status 1 says that a goal was not reached.

mod bare;
mod fanout;
mod frames;
mod list;
mod load;
mod memory;
mod process;
mod search;
mod sessions;
mod table;
mod throughput;
#[path = "../../tests/abuse/websocket.rs"]
mod websocket;

use std::path::Path;
use std::process::ExitCode;

use table::Row;

/// A work: its name on the command line, and what runs it.
type Work = (&'static str, fn() -> Vec<Row>);

const WORKS: [Work; 7] = [
    ("health", throughput::health),
    ("create", throughput::create),
    ("list", list::list),
    ("search", search::search),
    ("memory", memory::memory),
    ("fanout", fanout::fanout),
    ("sessions", sessions::sessions),
];

fn main() -> ExitCode {
    // Cargo itself adds `--bench`.
    let chosen: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    if let [first, dir] = &chosen[..]
        && first == process::BARE
    {
        bare::serve(Path::new(dir));
        return ExitCode::SUCCESS;
    }
    if let Some(unknown) = chosen
        .iter()
        .find(|c| WORKS.iter().all(|(name, _)| name != c))
    {
        let known: Vec<_> = WORKS.iter().map(|(name, _)| *name).collect();
        eprintln!(
            "error: there is no work {unknown:?}; known are {}",
            known.join(", ")
        );
        return ExitCode::from(2);
    }
    tachikoma_server::os::raise_open_files(8_192);
    let mut rows = Vec::new();
    for (name, work) in WORKS {
        if chosen.is_empty() || chosen.iter().any(|c| c == name) {
            eprintln!("{name} ...");
            let measured = work();
            for row in &measured {
                eprintln!("  {}: {}", row.work, row.measured);
            }
            rows.extend(measured);
        }
    }
    table::print(&rows);
    if rows.iter().all(|row| row.ok) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
