//! How much of each kind of abuse a run does.

use std::sync::{LazyLock, Once};

/// The count of this run: `small`, or `full` if `TACHIKOMA_ABUSE` asks for it.
pub fn count(small: usize, full: usize) -> usize {
    match std::env::var("TACHIKOMA_ABUSE").as_deref() {
        Ok("full") => full,
        Ok("") | Err(_) => small,
        Ok(other) => panic!("TACHIKOMA_ABUSE is {other:?}; it may be 'full', or not set"),
    }
}

/// Random choices that `TACHIKOMA_ABUSE_SEED` repeats, different for each `stream`.
pub fn random(stream: u64) -> fastrand::Rng {
    static SEED: LazyLock<u64> = LazyLock::new(|| {
        let seed = match std::env::var("TACHIKOMA_ABUSE_SEED") {
            Ok(text) => text
                .parse()
                .expect("TACHIKOMA_ABUSE_SEED is a whole number"),
            Err(_) => fastrand::u64(..),
        };
        eprintln!("TACHIKOMA_ABUSE_SEED={seed} repeats this run");
        seed
    });
    fastrand::Rng::with_seed(SEED.wrapping_add(stream << 32))
}

/// Lets this process have as many sockets as the largest crowd needs.
pub fn raise_open_files() {
    static RAISED: Once = Once::new();
    RAISED.call_once(|| {
        let wanted = 8_192;
        let files = tachikoma_server::os::raise_open_files(wanted);
        assert!(
            files >= 4_096,
            "{files} open files are allowed, 4096 are needed: raise 'ulimit -Hn'"
        );
    });
}
