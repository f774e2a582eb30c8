//! What is called the cause of steps that are made up.

use super::*;
use crate::record::{QueueRecord, RATE_LIMITED, ResourcesRecord, StepRole};

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
    cause(&steps, 20.0, LoadUnit::Users).unwrap()
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
fn buffers_of_many_connections_are_no_growth() {
    // As a server of health checks had at 1,600 a second.
    let found = with(|it| {
        (it.memory_bytes, it.memory_growth_bytes) = (Some(29_600_000), Some(19_700_000));
        it.connections = Some(1_600);
    });
    assert_eq!(found.what, "nothing that was measured");
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
fn a_queue_that_explains_what_is_slower_than_under_little_load_is_named() {
    // Four workers of 40 ms at 103 iterations a second, as it was measured.
    let mut light = step(30, StepOutcome::Held, idle());
    light.p50_ms = Some(40.8);
    let mut failed = step(103, StepOutcome::Failed, idle());
    (failed.p50_ms, failed.requests_per_second) = (Some(74.2), 98.2);
    failed.resources.queue.as_mut().unwrap().length = 3.0;
    let found = |steps: &[StepRecord]| cause(steps, 30.0, LoadUnit::IterationsPerSecond).unwrap();
    let named = found(&[light.clone(), failed.clone()]);
    assert_eq!(named.what, "a queue of the server");
    let words =
        "for 30.5 ms each, where the median of all is 74.2 ms, and 40.8 ms under little load";
    assert!(named.sentence.contains(words), "{named:?}");
    // Where it is hardly slower, what is slower is chance.
    light.p50_ms = Some(68.0);
    assert_eq!(found(&[light, failed]).what, "nothing that was measured");
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
    // A moment in which there is none idle makes iterations late, and nothing of the server was full.
    let nearly_full = ResourcesRecord {
        generator_cpu: Some(0.56),
        machine_idle: Some(0.14),
        ..full.clone()
    };
    let beside_others = ResourcesRecord {
        server_user: Some(0.01),
        generator_cpu: Some(0.07),
        ..full.clone()
    };
    let failed = step(22, StepOutcome::Failed, beside_others);
    let others = cause(&[failed], 20.0, LoadUnit::Users).unwrap();
    assert_eq!(others.what, "other programs", "{others:?}");
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
        (
            step(22, StepOutcome::Failed, nearly_full),
            "k6 56 %, idle was 14 %",
        ),
        (lacks_files, "too few open files"),
    ] {
        let held = self::step(20, StepOutcome::Held, idle());
        let cause = cause(&[held, step], 20.0, LoadUnit::Users).unwrap();
        assert!(is_generator(&cause), "{cause:?}");
        let begin = "At 22 users this machine could ask for no more: ";
        assert!(cause.sentence.starts_with(begin), "{cause:?}");
        assert!(cause.sentence.contains(words), "{words}: {cause:?}");
        // 40 users ask 400 times a second; where it lacks something else, more cores are of no use.
        let cores = "; to ask for twice what held, give k6 about 1 core of its own";
        let is_cpu = words != "too few open files";
        assert_eq!(cause.sentence.ends_with(cores), is_cpu, "{cause:?}");
    }
}

#[test]
fn whoever_is_refused_for_asking_often_keeps_the_generator_busy() {
    let mut limited = step(22, StepOutcome::Failed, idle());
    limited.resources.generator_cpu = Some(0.95);
    limited.reasons = vec![format!(
        "GET /ask failed in 30 % of 900 requests with 429{RATE_LIMITED}"
    )];
    let found = cause(&[limited], 20.0, LoadUnit::Users).unwrap();
    assert_eq!(found.what, "rate limiting");
    let words = "rate limiting, not slowness. The server refuses what comes faster";
    assert!(found.sentence.contains(words), "{found:?}");
}

#[test]
fn a_leap_from_one_user_to_the_next_is_a_limit_of_that_size() {
    let mut slow = step(31, StepOutcome::Failed, idle());
    slow.p95_ms = Some(402.0);
    let held = step(30, StepOutcome::Held, idle());
    let found = cause(&[held.clone(), slow.clone()], 20.0, LoadUnit::Users).unwrap();
    assert_eq!(found.what, "connections");
    let words = "from 30 to 31 users the p95 of requests went from 90 ms to 402 ms";
    assert!(found.sentence.contains(words), "{found:?}");
    // Where nobody waits for answers, a queue alone does that; and from twice the load anything may come.
    let open = cause(
        &[held.clone(), slow.clone()],
        20.0,
        LoadUnit::IterationsPerSecond,
    )
    .unwrap();
    assert_eq!(open.what, "nothing that was measured");
    slow.load = 60;
    assert_ne!(
        cause(&[held, slow], 20.0, LoadUnit::Users).unwrap().what,
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
    let found = cause(&steps, 20.0, LoadUnit::Users).unwrap();
    assert!(found.sentence.starts_with("At 19 users: "), "{found:?}");
}

#[test]
fn where_nothing_failed_nothing_gave_way() {
    let held = [step(20, StepOutcome::Held, idle())];
    assert_eq!(cause(&held, 20.0, LoadUnit::Users), None);
    let unknown = cause(
        &[step(1, StepOutcome::Failed, ResourcesRecord::default())],
        0.0,
        LoadUnit::Users,
    );
    assert!(unknown.unwrap().sentence.contains("--server-pid"));
}
