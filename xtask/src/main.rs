//! `cargo xtask`: the orchestrator of Tachikoma's load tests.

mod interrupt;
mod process;

fn main() {
    if std::env::args().nth(1).as_deref() == Some(process::GUARDIAN) {
        process::guard();
    }
}
