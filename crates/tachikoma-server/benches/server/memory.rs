//! Memory after a million creations, and with a thousand WebSocket clients.

use crate::fanout::Subscriber;
use crate::goals::Goals;
use crate::load::{self, Until};
use crate::process::{Process, create, fixtures, folder};

const CREATES: u64 = 1_000_000;
const CLIENTS: usize = 1_000;

pub(crate) fn run(goals: &mut Goals) {
    println!("memory: {CREATES} creations");
    let data = folder();
    let server = Process::server(data.path(), &fixtures());
    println!("  at the start {:.1} MiB", server.resident_mib());
    let measured = load::run(server.addr, 201, Until::Count(CREATES), create);
    let after = server.resident_mib();
    println!(
        "  {:.0}/s, p99 {:.1} ms",
        measured.rate,
        measured.quantile(0.99)
    );
    goals.at_most("memory after 1,000,000 creations", after, 64.0, " MiB");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let clients = runtime.block_on(async {
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(Subscriber::connect(server.addr).await);
        }
        clients
    });
    goals.at_most(
        "memory with 1,000 WebSocket clients",
        server.resident_mib(),
        128.0,
        " MiB",
    );
    drop(clients);
}
