//! Which resources of a server and its machine were exhausted in a step of a search.

use k6_summary::{Quantity, Unit};

use crate::record::{LoadUnit, RATE_LIMITED, ResourcesRecord, StepRecord, plural, share};

/// The share of all cores from which on the load generator can go no faster, as its makers say, and neither can a server
/// whose other threads wait for each other now and then.
///
/// Source: <https://grafana.com/docs/k6/latest/testing-guides/running-large-tests/#monitoring-your-load-generator>.
pub const FULL_CPU: f64 = 0.8;
/// The idle share of all cores below which whoever wants one waits for it, and the share that the server and the load
/// generator take together if it is they who leave none.
const FULL_MACHINE: (f64, f64) = (0.05, 0.5);
/// The share of one core, of the time or of a limit from which on a thread, the commits or the open files are full.
const FULL: f64 = 0.9;
/// How far from one core threads that take turns may be all together, and the share of one that none of them takes alone.
const ONE_CORE: (f64, f64) = (0.12, 0.5);
/// The share of what its disk does alone from which on the flushes are the limit, and not what else a commit does.
const DISK: f64 = 0.5;
/// The share of the median duration, or of what it is more than under little load, that requests wait in a queue for it to
/// be what gave way; and how much more it must be for that.
const WAITING: (f64, f64) = (0.5, 0.5);
/// Memory grows if it does by so many bytes in a step, and by this share of all of it; buffers of a connection are no growth,
/// and take no more bytes than the last.
const GROWTH: (u64, f64, u64) = (16 << 20, 0.25, 32 << 10);
/// How much more load than before is hardly more, and how many times the duration is much more: in a closed loop a queue
/// makes durations grow no faster than the load.
const JUMP: (f64, f64) = (1.25, 4.0);

/// Something that was full.
pub struct Full {
    /// What it is called.
    pub what: &'static str,
    /// How full it was, if that is a share.
    pub share: Option<f64>,
    /// How full, in words.
    pub words: String,
}

/// Everything that was full, what explains the most first. `quickest_ms` is the shortest median of the steps that held.
pub fn full(
    at: &StepRecord,
    held: Option<&StepRecord>,
    quickest_ms: Option<f64>,
    unit: LoadUnit,
) -> Vec<Full> {
    let used = &at.resources;
    let found = [
        rate_limit(at),
        open_files(used),
        server_cpu(used),
        thread(used),
        machine_cpu(used),
        lock(used),
        disk(used),
        memory(at),
        queue(at, quickest_ms),
    ];
    let found: Vec<Full> = found.into_iter().flatten().collect();
    match found.is_empty() {
        // Where k6 lacks the processor durations jump as well.
        true => held
            .filter(|_| !generator_is_short(used))
            .and_then(|held| jump(at, held, unit))
            .or_else(|| others(used))
            .into_iter()
            .collect(),
        false => found,
    }
}

/// Whether the server and the load generator leave the machine no idle time.
pub fn is_full(used: &ResourcesRecord) -> bool {
    let (idle, least) = FULL_MACHINE;
    let both = server(used).unwrap_or(0.0) + used.generator_cpu.unwrap_or(0.0);
    used.machine_idle.is_some_and(|part| part <= idle) && both >= least
}

/// Whether the load generator, which takes more than the server, leaves so little that a moment in which there is none is to
/// be expected: the shares are those of the whole step.
pub fn generator_is_short(used: &ResourcesRecord) -> bool {
    let (server, generator) = (
        server(used).unwrap_or(0.0),
        used.generator_cpu.unwrap_or(0.0),
    );
    let is_nearly_full = used.machine_idle.is_some_and(|part| part <= 1.0 - FULL_CPU);
    is_nearly_full && server + generator >= FULL_MACHINE.1 && generator > server
}

/// The share of all cores that the server took.
pub fn server(used: &ResourcesRecord) -> Option<f64> {
    Some(used.server_user? + used.server_system?)
}

pub fn cores(used: &ResourcesRecord) -> String {
    used.cores
        .map_or_else(|| "all cores".into(), |cores| plural(cores, "core"))
}

/// Who took how much of the machine.
pub fn machine(used: &ResourcesRecord) -> String {
    let part = |name: &str, part: Option<f64>| part.map(|part| format!("{name} {}", share(part)));
    let parts = [
        part("the server took", server(used)),
        part("k6", used.generator_cpu),
        part("idle was", used.machine_idle),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("of {} {}", cores(used), parts.join(", "))
}

/// Whether it failed since the server limits how often it may be asked, by the judge's own words.
pub fn is_rate_limited(at: &StepRecord) -> bool {
    at.reasons.iter().any(|why| why.ends_with(RATE_LIMITED))
}

fn rate_limit(at: &StepRecord) -> Option<Full> {
    is_rate_limited(at).then(|| Full {
        what: "rate limiting",
        share: None,
        words: "the server refuses what comes faster, whatever it could take: raise its limit to see that".into(),
    })
}

fn open_files(used: &ResourcesRecord) -> Option<Full> {
    let (open, limit) = (used.open_files?, used.open_files_limit?);
    let part = open as f64 / limit as f64;
    (part >= FULL).then(|| Full {
        what: "open files",
        share: Some(part),
        words: format!("the server had {open} of the {limit} files open that it may"),
    })
}

fn server_cpu(used: &ResourcesRecord) -> Option<Full> {
    let took = server(used).filter(|took| *took >= FULL_CPU)?;
    let (user, system) = (share(used.server_user?), share(used.server_system?));
    Some(Full {
        what: "server CPU",
        share: Some(took),
        words: format!(
            "the server took {} of {} ({user} in user mode, {system} in the kernel)",
            share(took),
            cores(used)
        ),
    })
}

fn machine_cpu(used: &ResourcesRecord) -> Option<Full> {
    is_full(used).then(|| Full {
        what: "CPU of this machine",
        share: server(used),
        words: format!(
            "{}: on a machine of its own the server may take more",
            machine(used)
        ),
    })
}

/// Other programs, where neither the server nor the load generator took what the machine has.
fn others(used: &ResourcesRecord) -> Option<Full> {
    let is_busy = used.machine_idle.is_some_and(|part| part <= FULL_MACHINE.0);
    (is_busy && !is_full(used) && server(used).is_some()).then(|| Full {
        what: "other programs",
        share: None,
        words: format!("{}: other programs took the rest", machine(used)),
    })
}

pub fn thread(used: &ResourcesRecord) -> Option<Full> {
    let took = used.busiest_thread.filter(|took| *took >= FULL)?;
    let name = used.thread_name.as_ref();
    let name = name.map_or_else(String::new, |name| format!(", `{name}`,"));
    Some(Full {
        what: "one thread of the server",
        share: Some(took),
        words: format!(
            "one thread of the server{name} took {} of a core",
            share(took)
        ),
    })
}

fn lock(used: &ResourcesRecord) -> Option<Full> {
    let (all, cores) = (server(used)?, used.cores?);
    let took = all * cores as f64;
    let busiest = used.busiest_thread?;
    let threads = used.threads.filter(|threads| *threads > 2 && cores > 1)?;
    let (near, alone) = ONE_CORE;
    ((took - 1.0).abs() <= near && busiest < alone).then(|| Full {
        what: "a lock of the server",
        share: None,
        words: format!(
            "all {threads} threads of the server together took {took:.2} cores of {cores}, none of them more than {}: so do threads that take turns, as behind one lock",
            share(busiest)
        ),
    })
}

fn disk(used: &ResourcesRecord) -> Option<Full> {
    let committing = used.committing.filter(|part| *part >= FULL)?;
    let flushes = used.flushes_per_second?;
    let count = |number: f64| Quantity::new(number.round(), Unit::Count);
    let took = format!(
        "commits took {} of the time, {} flushes a second",
        share(committing.min(1.0)),
        count(flushes)
    );
    let alone = used.flushes_alone;
    let is_disk = alone.is_none_or(|alone| flushes >= DISK * alone);
    let alone = alone.map_or_else(String::new, |alone| {
        format!(", and its disk does {} alone", count(alone))
    });
    Some(Full {
        what: if is_disk { "disk" } else { "commits" },
        share: Some(committing.min(1.0)),
        words: match is_disk {
            true => format!("{took}{alone}"),
            false => format!("{took}{alone}: what else a commit does takes longer"),
        },
    })
}

fn memory(at: &StepRecord) -> Option<Full> {
    let (grew, all) = (
        at.resources.memory_growth_bytes?,
        at.resources.memory_bytes?,
    );
    let requests = at.requests_per_second * at.duration_s;
    let bytes = |number: f64| Quantity::new(number, Unit::Bytes);
    let (least, part, buffers) = GROWTH;
    let beyond = grew.saturating_sub(at.resources.connections.unwrap_or(0) * buffers);
    let is_much = beyond >= least && beyond as f64 >= part * all as f64 && requests > 0.0;
    is_much.then(|| Full {
        what: "memory",
        share: None,
        words: format!(
            "the server's memory grew by {} in {:.0} s, {} with each request, to {}",
            bytes(grew as f64),
            at.duration_s,
            bytes(grew as f64 / requests),
            bytes(all as f64)
        ),
    })
}

/// A queue in which requests wait for most of their time, or of what it is more than under little load, which Little's law
/// tells: the wait is the length divided by the throughput.
fn queue(at: &StepRecord, quickest_ms: Option<f64>) -> Option<Full> {
    let queue = at.resources.queue.as_ref()?;
    let wait_ms = queue.length / at.requests_per_second.max(f64::EPSILON) * 1e3;
    let ms = |number: f64| Quantity::new(number, Unit::Milliseconds);
    let (most, slower) = WAITING;
    let explains = |median: &f64| {
        let more = quickest_ms
            .map(|quickest| (median - quickest, slower * quickest))
            .filter(|(more, much)| more >= much)
            .map_or(*median, |(more, _)| more);
        wait_ms >= most * more
    };
    let median = at.p50_ms.filter(explains)?;
    (queue.length >= 1.0).then(|| Full {
        what: "a queue of the server",
        share: None,
        words: format!(
            "{} waited {} in the server, at {:.0} a second for {} each, where the median of all is {}{}",
            plural(queue.length.round() as u64, "request"),
            queue.of,
            at.requests_per_second,
            ms(wait_ms),
            ms(median),
            quickest_ms.map_or_else(String::new, |quickest| format!(
                ", and {} under little load",
                ms(quickest)
            ))
        ),
    })
}

/// Durations that grow at once with hardly more users, as beyond the size of a pool.
fn jump(at: &StepRecord, held: &StepRecord, unit: LoadUnit) -> Option<Full> {
    let is_near = unit == LoadUnit::Users && at.load as f64 <= held.load as f64 * JUMP.0;
    let (before, after) = (held.p95_ms?, at.p95_ms?);
    let ms = |number: f64| Quantity::new(number, Unit::Milliseconds);
    (is_near && after >= before * JUMP.1).then(|| Full {
        what: "connections",
        share: None,
        words: format!(
            "nothing else was full, and from {} to {} users the p95 of requests went from {} to {} at once{}: a pool or a limit of that size",
            held.load,
            at.load,
            ms(before),
            ms(after),
            at.resources.connections.map_or_else(String::new, |count| format!(", with {count} connections"))
        ),
    })
}
