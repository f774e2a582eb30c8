//! What the server costs, measured against what the machine can do, all in one run.
//!
//! `cargo bench -p tachikoma-server -- [PART]...` with the parts `speed`, `list`, `search`,
//! `memory` and `fanout`; without a name, all of them. What is compared is measured in turns, and
//! judged by the median of the turns' ratios, so that a slow moment of the machine hits both sides.
//! Exits with 1 if a goal is missed.

mod bare;
mod fanout;
mod goals;
mod list;
mod load;
mod memory;
mod process;
mod search;
mod speed;

use goals::Goals;

/// Connections of the load generator, in every part.
const CONNECTIONS: usize = 64;

fn main() {
    // cargo adds `--bench` by itself.
    let parts: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    if parts.first().is_some_and(|part| part == bare::ARGUMENT) {
        bare::serve();
        return;
    }
    let known = ["speed", "list", "search", "memory", "fanout"];
    if let Some(unknown) = parts.iter().find(|part| !known.contains(&part.as_str())) {
        eprintln!(
            "error: the part {unknown:?} is not one of {}",
            known.join(", ")
        );
        std::process::exit(2);
    }
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|p| p == part);
    tachikoma_server::os::raise_open_files(8192);
    let mut goals = Goals::default();
    if wanted("speed") {
        speed::run(&mut goals);
    }
    if wanted("list") {
        list::run(&mut goals);
    }
    if wanted("search") {
        search::run(&mut goals);
    }
    if wanted("memory") {
        memory::run(&mut goals);
    }
    if wanted("fanout") {
        fanout::run(&mut goals);
    }
    std::process::exit(i32::from(!goals.print()));
}
