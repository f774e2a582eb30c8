//! What gave way at the edge: the first threshold that was crossed there, and what was full meanwhile.

use k6_summary::{Quantity, Unit};

use crate::record::{
    CauseRecord, LoadUnit, ResourcesRecord, StepOutcome, StepRecord, plural, share,
};

/// The share of all cores from which on the load generator can go no faster, as its makers say, and neither can a server
/// whose other threads wait for each other now and then.
///
/// Source: <https://grafana.com/docs/k6/latest/testing-guides/running-large-tests/#monitoring-your-load-generator>.
const FULL_CPU: f64 = 0.8;
/// The idle share of all cores below which whoever wants one waits for it, and the share that the server and the load
/// generator take together if it is they who leave none.
const FULL_MACHINE: (f64, f64) = (0.05, 0.5);
/// The share of one core, of the time or of a limit from which on a thread, the commits or the open files are full.
const FULL: f64 = 0.9;
/// How far from one core threads that take turns may be all together, and the share of one that none of them takes alone.
const ONE_CORE: (f64, f64) = (0.12, 0.5);
/// The share of what its disk does alone from which on the flushes are the limit, and not what else a commit does.
const DISK: f64 = 0.5;
/// The share of the median duration that requests wait in a queue for it to be what gave way.
const WAITING: f64 = 0.5;
/// Memory grows if it does by so many bytes in a step, and by this share of all of it.
const GROWTH: (u64, f64) = (16 << 20, 0.25);
/// How much more load than before is hardly more, and how many times the duration is much more: in a closed loop a queue
/// makes durations grow no faster than the load.
const JUMP: (f64, f64) = (1.25, 4.0);
/// What is said where nothing was full.
const NOTHING: &str =
    "nothing measured here was full: look at the server's own waiting, locks or downstream";

/// What the generator is called as a cause.
const GENERATOR: &str = "load generator";

/// Something that was full.
struct Full {
    what: &'static str,
    share: Option<f64>,
    words: String,
}

/// What gave way at the edge that `steps` found; `None` if none of them was too much.
pub fn cause(steps: &[StepRecord], unit: LoadUnit) -> Option<CauseRecord> {
    let came_to = |outcome| steps.iter().filter(move |step| step.outcome == outcome);
    // Near the edge chance decides: a load holds if it did more often than not.
    let holds = |step: &&StepRecord| {
        let times = |outcome| came_to(outcome).filter(|it| it.load == step.load).count();
        times(StepOutcome::Held) > times(StepOutcome::Failed)
    };
    let held = came_to(StepOutcome::Held)
        .filter(holds)
        .max_by_key(|step| step.load);
    let beyond = |step: &&StepRecord| held.is_none_or(|held| step.load > held.load);
    // Of the same load the latest, which was measured for the longest.
    let least = |outcome| {
        let steps = came_to(outcome).filter(beyond).rev();
        steps.min_by_key(|step| step.load)
    };
    if let Some(failed) = least(StepOutcome::Failed) {
        return Some(gave_way(failed, held, unit));
    }
    let step = least(StepOutcome::Generator)?;
    Some(generator(step, held, unit))
}

/// Whether the load generator or what it took of the machine was the limit: the capacity is at least what held.
pub fn is_generator(cause: &CauseRecord) -> bool {
    cause.what == GENERATOR
}

fn gave_way(at: &StepRecord, held: Option<&StepRecord>, unit: LoadUnit) -> CauseRecord {
    let used = &at.resources;
    let takes_more = |cpu: f64| cpu > server(used).unwrap_or(0.0);
    // A thread that has a core to itself would go no faster with k6 elsewhere.
    let shares = is_full(used) && thread(used).is_none();
    let cpu = used.generator_cpu;
    if cpu.is_some_and(|cpu| cpu >= FULL_CPU || (shares && takes_more(cpu))) {
        return generator(at, held, unit);
    }
    let found = full(at, held, unit);
    let what = found
        .first()
        .map_or("nothing that was measured", |full| full.what);
    let words = match found.split_first() {
        Some((first, [])) => first.words.clone(),
        Some((first, [next, ..])) => format!("{}; and {}", first.words, next.words),
        None if server(used).is_none() => {
            format!("{NOTHING}; its process is not known here, which --server-pid names")
        }
        None => format!("{NOTHING} ({})", machine(used)),
    };
    let crossed = at.reasons.first();
    let crossed = crossed.map_or_else(String::new, |reason| format!("{reason}. "));
    CauseRecord {
        what: what.into(),
        share: found.first().and_then(|full| full.share),
        sentence: format!(
            "At {}: {crossed}{}",
            unit.counted(at.load as f64),
            capital(&words)
        ),
    }
}

/// Everything that was full, what explains the most first.
fn full(at: &StepRecord, held: Option<&StepRecord>, unit: LoadUnit) -> Vec<Full> {
    let used = &at.resources;
    let found = [
        open_files(used),
        server_cpu(used),
        thread(used),
        machine_cpu(used),
        lock(used),
        disk(used),
        memory(at),
        queue(at),
    ];
    let found: Vec<Full> = found.into_iter().flatten().collect();
    match found.is_empty() {
        true => held
            .and_then(|held| jump(at, held, unit))
            .into_iter()
            .collect(),
        false => found,
    }
}

/// The load generator as what gave way at `step`.
fn generator(step: &StepRecord, held: Option<&StepRecord>, unit: LoadUnit) -> CauseRecord {
    let used = &step.resources;
    let known = held.map_or(0, |held| held.load);
    let words = match (used.generator_cpu, step.reasons.first()) {
        (Some(cpu), _) if cpu >= FULL_CPU => {
            format!("k6 took {} of {}", share(cpu), cores(used))
        }
        // Something else is in the way, which the reason names.
        (_, Some(reason)) if step.outcome == StepOutcome::Generator => reason
            .trim_start_matches("could not be measured: ")
            .to_owned(),
        _ => machine(used),
    };
    // What twice the load would take, with a fifth to spare.
    let needs = used.requests_per_core_second.filter(|rate| *rate > 0.0);
    let needs = needs.filter(|_| step.load > 0 && known > 0).map(|rate| {
        let requests = step.requests_per_second / step.load as f64 * known as f64 * 2.0;
        let cores = (requests / rate / FULL_CPU).ceil();
        format!(
            "; k6 made {} requests for each second of a core here, so twice that takes about {}",
            Quantity::new(rate.round(), Unit::Count),
            plural(cores as u64, "core")
        )
    });
    CauseRecord {
        what: GENERATOR.into(),
        share: used.generator_cpu,
        sentence: format!(
            "At least {}: this machine cannot ask for more: {words}{}",
            unit.counted(known as f64),
            needs.unwrap_or_default()
        ),
    }
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters.as_str().chars()).collect()
}

/// Whether the server and the load generator leave the machine no idle time.
fn is_full(used: &ResourcesRecord) -> bool {
    let (idle, least) = FULL_MACHINE;
    let both = server(used).unwrap_or(0.0) + used.generator_cpu.unwrap_or(0.0);
    used.machine_idle.is_some_and(|part| part <= idle) && both >= least
}

/// The share of all cores that the server took.
fn server(used: &ResourcesRecord) -> Option<f64> {
    Some(used.server_user? + used.server_system?)
}

fn cores(used: &ResourcesRecord) -> String {
    used.cores
        .map_or_else(|| "all cores".into(), |cores| plural(cores, "core"))
}

/// Who took how much of the machine.
fn machine(used: &ResourcesRecord) -> String {
    let part = |name: &str, part: Option<f64>| part.map(|part| format!("{name} {}", share(part)));
    let parts = [
        part("the server took", server(used)),
        part("k6", used.generator_cpu),
        part("idle was", used.machine_idle),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("of {} {}", cores(used), parts.join(", "))
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

fn thread(used: &ResourcesRecord) -> Option<Full> {
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
    let is_much = grew >= GROWTH.0 && grew as f64 >= GROWTH.1 * all as f64 && requests > 0.0;
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

/// A queue in which requests wait for most of their time, which Little's law tells: the wait is the length by the
/// throughput.
fn queue(at: &StepRecord) -> Option<Full> {
    let queue = at.resources.queue.as_ref()?;
    let wait_ms = queue.length / at.requests_per_second.max(f64::EPSILON) * 1e3;
    let ms = |number: f64| Quantity::new(number, Unit::Milliseconds);
    let median = at.p50_ms.filter(|median| wait_ms >= WAITING * median)?;
    (queue.length >= 1.0).then(|| Full {
        what: "a queue of the server",
        share: None,
        words: format!(
            "{} waited {} in the server, at {:.0} a second for {} each, where the median of all is {}",
            plural(queue.length.round() as u64, "request"),
            queue.of,
            at.requests_per_second,
            ms(wait_ms),
            ms(median)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{QueueRecord, StepRole};

    /// Nothing is full.
    fn idle() -> ResourcesRecord {
        ResourcesRecord {
            cores: Some(4),
            server_user: Some(0.1),
            server_system: Some(0.05),
            threads: Some(9),
            busiest_thread: Some(0.2),
            thread_name: Some("worker".into()),
            queue: Some(QueueRecord {
                of: "to write".into(),
                length: 0.0,
            }),
            flushes_per_second: Some(50.0),
            flushes_alone: Some(900.0),
            committing: Some(0.1),
            memory_bytes: Some(40 << 20),
            memory_growth_bytes: Some(1 << 20),
            open_files: Some(30),
            open_files_limit: Some(1024),
            connections: Some(20),
            generator_cpu: Some(0.2),
            requests_per_core_second: Some(5000.0),
            machine_idle: Some(0.6),
        }
    }

    fn step(load: u64, outcome: StepOutcome, resources: ResourcesRecord) -> StepRecord {
        let reasons = match outcome {
            StepOutcome::Held => Vec::new(),
            _ => vec!["p95 of requests is 132 ms; the limit is 100 ms".into()],
        };
        StepRecord {
            load,
            role: StepRole::Bisect,
            outcome,
            reasons,
            duration_s: 10.0,
            virtual_users: load,
            mean_users: None,
            iterations_per_second: 100.0,
            requests_per_second: 200.0,
            p50_ms: Some(80.0),
            p95_ms: Some(if outcome == StepOutcome::Held {
                90.0
            } else {
                132.0
            }),
            p99_ms: None,
            iteration_ms: None,
            failed_ratio: Some(0.0),
            dropped_iterations: 0,
            resources,
        }
    }

    /// What gave way from 20 users, with nothing full, to 22 with `resources`.
    fn with(change: impl FnOnce(&mut ResourcesRecord)) -> CauseRecord {
        let mut resources = idle();
        change(&mut resources);
        let steps = [
            step(20, StepOutcome::Held, idle()),
            step(40, StepOutcome::Failed, idle()),
            step(22, StepOutcome::Failed, resources),
        ];
        cause(&steps, LoadUnit::Users).unwrap()
    }

    #[test]
    fn each_thing_that_is_full_is_named_with_its_numbers() {
        type Change = fn(&mut ResourcesRecord);
        let cases: [(Change, &str, &str); 10] = [
            (
                |it| it.open_files = Some(1020),
                "open files",
                "had 1020 of the 1024 files open",
            ),
            (
                |it| it.server_user = Some(0.8),
                "server CPU",
                "took 85 % of 4 cores (80 % in user mode, 5 % in the kernel)",
            ),
            (
                |it| (it.server_user, it.machine_idle) = (Some(0.5), Some(0.02)),
                "CPU of this machine",
                "Of 4 cores the server took 55 %, k6 20 %, idle was 2 %",
            ),
            (
                |it| it.busiest_thread = Some(0.97),
                "one thread of the server",
                "`worker`, took 97 % of a core",
            ),
            (
                |it| it.server_user = Some(0.2),
                "a lock of the server",
                "took 1.00 cores of 4",
            ),
            (
                |it| (it.committing, it.flushes_per_second) = (Some(0.96), Some(800.0)),
                "disk",
                "96 % of the time, 800 flushes a second, and its disk does 900 alone",
            ),
            (
                |it| it.committing = Some(0.96),
                "commits",
                "what else a commit does takes longer",
            ),
            (
                |it| it.memory_growth_bytes = Some(20 << 20),
                "memory",
                "grew by 21 MB in 10 s, 10.5 kB with each request",
            ),
            (
                |it| it.queue.as_mut().unwrap().length = 15.0,
                "a queue of the server",
                "15 requests waited to write in the server, at 200 a second for 75 ms each",
            ),
            (
                |_| {},
                "nothing that was measured",
                "look at the server's own waiting",
            ),
        ];
        for (change, what, words) in cases {
            let cause = with(change);
            assert_eq!(cause.what, what, "{cause:?}");
            let begin = "At 22 users: p95 of requests is 132 ms; the limit is 100 ms. ";
            assert!(cause.sentence.starts_with(begin), "{cause:?}");
            assert!(cause.sentence.contains(words), "{cause:?}");
        }
    }

    #[test]
    fn little_waiting_is_no_queue_and_a_second_cause_is_told_too() {
        assert_eq!(
            with(|it| it.queue.as_mut().unwrap().length = 2.0).what,
            "nothing that was measured"
        );
        let both = with(|it| {
            it.busiest_thread = Some(1.0);
            it.queue.as_mut().unwrap().length = 15.0;
        });
        assert_eq!(both.what, "one thread of the server");
        assert!(
            both.sentence.contains("; and 15 requests waited"),
            "{both:?}"
        );
    }

    #[test]
    fn a_generator_at_its_limit_says_nothing_of_the_server() {
        let busy = ResourcesRecord {
            generator_cpu: Some(0.85),
            ..idle()
        };
        let full = ResourcesRecord {
            generator_cpu: Some(0.6),
            server_user: Some(0.3),
            machine_idle: Some(0.01),
            ..idle()
        };
        let beside_others = ResourcesRecord {
            server_user: Some(0.01),
            generator_cpu: Some(0.07),
            ..full.clone()
        };
        let failed = step(22, StepOutcome::Failed, beside_others);
        assert!(!is_generator(&cause(&[failed], LoadUnit::Users).unwrap()));
        let mut lacks_files = step(22, StepOutcome::Generator, idle());
        lacks_files.reasons = vec!["the load generator had too few open files".into()];
        for (step, words) in [
            (
                step(22, StepOutcome::Generator, busy.clone()),
                "k6 took 85 % of 4 cores",
            ),
            (
                step(22, StepOutcome::Failed, busy),
                "k6 took 85 % of 4 cores",
            ),
            (step(22, StepOutcome::Failed, full), "k6 60 %, idle was 1 %"),
            (lacks_files, "too few open files"),
        ] {
            let held = self::step(20, StepOutcome::Held, idle());
            let cause = cause(&[held, step], LoadUnit::Users).unwrap();
            assert!(is_generator(&cause), "{cause:?}");
            let begin = "At least 20 users: this machine cannot ask for more: ";
            assert!(cause.sentence.starts_with(begin), "{cause:?}");
            // 40 users ask 364 times a second.
            for words in [
                words,
                "5,000 requests for each second of a core",
                "about 1 core",
            ] {
                assert!(cause.sentence.contains(words), "{words}: {cause:?}");
            }
        }
    }

    #[test]
    fn a_leap_from_one_user_to_the_next_is_a_limit_of_that_size() {
        let mut slow = step(31, StepOutcome::Failed, idle());
        slow.p95_ms = Some(402.0);
        let held = step(30, StepOutcome::Held, idle());
        let found = cause(&[held.clone(), slow.clone()], LoadUnit::Users).unwrap();
        assert_eq!(found.what, "connections");
        let words = "from 30 to 31 users the p95 of requests went from 90 ms to 402 ms";
        assert!(found.sentence.contains(words), "{found:?}");
        // Where nobody waits for answers, a queue alone does that; and from twice the load anything may come.
        let open = cause(&[held.clone(), slow.clone()], LoadUnit::IterationsPerSecond).unwrap();
        assert_eq!(open.what, "nothing that was measured");
        slow.load = 60;
        assert_ne!(
            cause(&[held, slow], LoadUnit::Users).unwrap().what,
            "connections"
        );
    }

    #[test]
    fn a_full_thread_is_named_though_k6_has_the_other_cores() {
        let found = with(|it| {
            (it.cores, it.server_user, it.generator_cpu) = (Some(2), Some(0.45), Some(0.5));
            (it.machine_idle, it.busiest_thread) = (Some(0.0), Some(0.98));
        });
        assert_eq!(found.what, "one thread of the server");
        assert!(
            found
                .sentence
                .contains("; and of 2 cores the server took 50 %"),
            "{found:?}"
        );
    }

    #[test]
    fn a_load_that_held_by_chance_is_beyond_the_edge() {
        let came_to = |load, outcome| step(load, outcome, idle());
        let steps = [
            came_to(18, StepOutcome::Held),
            came_to(20, StepOutcome::Failed),
            came_to(19, StepOutcome::Held),
            came_to(19, StepOutcome::Failed),
        ];
        let found = cause(&steps, LoadUnit::Users).unwrap();
        assert!(found.sentence.starts_with("At 19 users: "), "{found:?}");
    }

    #[test]
    fn where_nothing_failed_nothing_gave_way() {
        let held = [step(20, StepOutcome::Held, idle())];
        assert_eq!(cause(&held, LoadUnit::Users), None);
        let unknown = cause(
            &[step(1, StepOutcome::Failed, ResourcesRecord::default())],
            LoadUnit::Users,
        );
        assert!(unknown.unwrap().sentence.contains("--server-pid"));
    }
}
