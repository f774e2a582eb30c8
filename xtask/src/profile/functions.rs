//! Whose CPU time it is.

use std::collections::BTreeMap;

use super::stacks::{KERNEL, Stacks, UNKNOWN};

/// How many standard deviations a difference is away from chance: there are some hundred functions.
const BEYOND_CHANCE: f64 = 4.0;
/// What only hands on to others, as futures do too.
const HAND_ON: [&str; 3] = ["core::", "alloc::", "std::"];

/// Samples by function. Each sample counts once: for what one of the functions whose names begin with `own` called, the
/// innermost of them; without any, for the innermost function outside of the kernel.
pub fn functions(stacks: &Stacks, own: Option<&str>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (stack, count) in stacks.iter() {
        *counts.entry(place(stack, own)).or_default() += count;
    }
    counts
}

/// The functions that took most, and their shares of all samples.
pub fn shares(stacks: &Stacks, own: Option<&str>) -> Vec<(String, f64)> {
    let mut all: Vec<(String, u64)> = functions(stacks, own).into_iter().collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    all.truncate(super::NAMED);
    let samples = stacks.samples() as f64;
    all.into_iter()
        .map(|(name, count)| (name, count as f64 / samples))
        .collect()
}

/// Where the time of a stack is spent: `callee under own`.
fn place(stack: &str, own: Option<&str>) -> String {
    // What the kernel does it does for whoever called it.
    let user = stack.split(';').filter(|name| !name.ends_with(KERNEL));
    let user: Vec<&str> = user.collect();
    let telling = |name: &&&str| {
        let hands_on =
            name.ends_with("::poll") || HAND_ON.iter().any(|prefix| name.starts_with(prefix));
        **name != UNKNOWN && !hands_on
    };
    let is_own = |name: &&str| own.is_some_and(|own| name.starts_with(own));
    let short = |name: &str| {
        own.and_then(|own| name.strip_prefix(own))
            .unwrap_or(name)
            .to_owned()
    };
    if let Some(at) = user.iter().rposition(is_own) {
        let called = &user[at + 1..];
        let callee = called.iter().find(telling).or(called.first());
        return match callee.filter(|name| **name != UNKNOWN) {
            Some(callee) => format!("{callee} under {}", short(user[at])),
            None => short(user[at]),
        };
    }
    let Some(at) = user.iter().rposition(|name| telling(&name)) else {
        return "the kernel and unknown functions".into();
    };
    let caller = user[..at].iter().rfind(|name| name.contains("::"));
    match caller.filter(|_| !user[at].contains("::")) {
        Some(caller) => format!("{} under {caller}", user[at]),
        None => user[at].to_owned(),
    }
}

/// What a function costs a request on two sides, in the unit of the whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// The function.
    pub name: String,
    /// In base and head.
    pub of: [f64; 2],
}

/// The functions whose cost grew most, or shrank most if not `grew`, and beyond chance: `whole` is what a request costs in
/// base and head.
///
/// The count of a function's samples is taken to be Poisson's, whose variance is the count.
pub fn grown(counts: [&BTreeMap<String, u64>; 2], whole: [f64; 2], grew: bool) -> Vec<Cost> {
    let each =
        [0, 1].map(|side| whole[side] / (counts[side].values().sum::<u64>() as f64).max(1.0));
    let sign = if grew { 1.0 } else { -1.0 };
    let names = counts[0].keys().chain(counts[1].keys());
    let names: std::collections::BTreeSet<&String> = names.collect();
    let mut all: Vec<(f64, Cost)> = names
        .into_iter()
        .filter_map(|name| {
            let seen = [0, 1].map(|side| counts[side].get(name).copied().unwrap_or(0) as f64);
            let of = [seen[0] * each[0], seen[1] * each[1]];
            let more = sign * (of[1] - of[0]);
            let variance = seen[0] * each[0].powi(2) + seen[1] * each[1].powi(2);
            (more > BEYOND_CHANCE * variance.sqrt()).then(|| {
                (
                    more,
                    Cost {
                        name: name.clone(),
                        of,
                    },
                )
            })
        })
        .collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    all.truncate(super::NAMED);
    all.into_iter().map(|(_, cost)| cost).collect()
}

#[cfg(test)]
mod tests {
    use super::super::stacks::testing::stacks;
    use super::*;

    #[test]
    fn time_belongs_to_what_own_functions_call() {
        let own = Some("server::");
        for (stack, expected) in [
            (
                "main;server::list;serde_json::to_writer;memcpy",
                "serde_json::to_writer under list",
            ),
            (
                "main;server::list;core::iter::fold;sqlite3_step;write_[k]",
                "sqlite3_step under list",
            ),
            (
                "server::serve;hyper::Connection::poll;core::pin::Pin::poll;hyper::read",
                "hyper::read under serve",
            ),
            (
                "server::serve;hyper::Connection::poll",
                "hyper::Connection::poll under serve",
            ),
            (
                "main;server::list;core::slice::sort",
                "core::slice::sort under list",
            ),
            ("server::list;hyper::poll;server::read;[unknown]", "read"),
            ("server::list;do_syscall_64_[k]", "list"),
            (
                "start_thread;tokio::park;syscall;futex_wait_[k]",
                "syscall under tokio::park",
            ),
            ("start_thread;tokio::park;core::hint::spin", "tokio::park"),
            ("swapper_[k]", "the kernel and unknown functions"),
        ] {
            assert_eq!(place(stack, own), expected, "{stack}");
        }
        assert_eq!(place("main;main.list;json.Encode", None), "json.Encode");
        let counts = functions(&stacks(&[("server::a;x", 2), ("server::a;x;y", 3)]), own);
        assert_eq!(counts, BTreeMap::from([("x under a".into(), 5)]));
    }

    #[test]
    fn what_grew_beyond_chance_is_named_and_the_most_first() {
        let counts = |of: [u64; 7]| -> BTreeMap<String, u64> {
            of.into_iter()
                .enumerate()
                .map(|(nth, count)| (format!("f{nth}"), count))
                .collect()
        };
        let base = counts([1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 4_000]);
        let head = counts([1_100, 1_400, 1_000, 700, 1_300, 1_200, 4_000]);
        // As many samples cost as much: 10,000 for 100 µs.
        let whole = [100.0, 107.0];
        let named = |grew| -> Vec<String> {
            let all = grown([&base, &head], whole, grew);
            all.into_iter().map(|cost| cost.name).collect()
        };
        assert_eq!(named(true), ["f1", "f4", "f5"]);
        assert_eq!(named(false), ["f3"]);
        let first = &grown([&base, &head], whole, true)[0];
        assert_eq!(first.of.map(f64::round), [10.0, 14.0]);
    }
}
