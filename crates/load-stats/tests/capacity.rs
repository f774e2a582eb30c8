//! Searches for edges that are known: how often the interval holds them, and what it costs.

use load_stats::capacity::{
    Answer, Ask, Confirmed, End, LEVEL, LoadInterval, Options, Role, Search, Step, takes_s,
};

const SEEDS: u64 = 1_000;
const OVERHEAD_S: f64 = 2.5;

const OPTIONS: Options = Options {
    start: 10,
    most: 1_000_000,
    resolution: 0.05,
    budget_s: 600.0,
    step_s: 10.0,
    confirm_s: 60.0,
    once: None,
};

/// How a search went.
struct Went {
    steps: Vec<(Step, Answer)>,
    end: End,
    interval: LoadInterval,
    confirmed: Confirmed,
    took_s: f64,
}

fn search(options: Options, mut answer: impl FnMut(Step) -> Answer) -> Went {
    let mut search = Search::new(options);
    let (mut steps, mut took_s) = (Vec::new(), 0.0);
    let end = loop {
        match search.next() {
            Ask::Done(end) => break end,
            Ask::Step(step) => {
                let answer = answer(step);
                let took = step.seconds + OVERHEAD_S;
                search.tell(step, answer, took);
                steps.push((step, answer));
                took_s += took;
            }
        }
        assert!(steps.len() <= 100, "{steps:?}");
    };
    Went {
        steps,
        end,
        interval: search.interval(),
        confirmed: search.confirmed(),
        took_s,
    }
}

/// Whether the edge at `edge` lies in the interval: a load at it fails in half of the cases.
fn holds(interval: LoadInterval, edge: f64) -> bool {
    interval.at_least <= edge && interval.below.is_none_or(|below| edge <= below)
}

/// How many of all searches have `edge` in their interval; all of them end within the budget, and none that says so
/// has an interval wider than the resolution.
fn coverage(name: &str, options: Options, edge: f64, fails: impl Fn(Step) -> f64) -> f64 {
    let (mut held, mut reached, mut steps, mut widths) = (0, 0, 0, 0.0);
    for seed in 0..SEEDS {
        let mut random = fastrand::Rng::with_seed(seed);
        let went = search(options, |step| match random.f64() < fails(step) {
            true => Answer::Failed,
            false => Answer::Held,
        });
        assert!(went.took_s <= options.budget_s, "{seed}: {}", went.took_s);
        let LoadInterval { at_least, below } = went.interval;
        held += u32::from(holds(went.interval, edge));
        steps += went.steps.len();
        widths += below.unwrap_or(f64::INFINITY) / at_least - 1.0;
        if went.end == End::ResolutionReached && at_least > 0.0 {
            reached += 1;
            let width = below.unwrap_or(f64::INFINITY) - at_least;
            let wanted = (options.resolution * at_least * (1.0 + 1e-6)).max(1.0);
            assert!(width <= wanted, "{name} {seed}: {at_least} {below:?}");
            assert!(
                went.confirmed.below && went.confirmed.above,
                "{name} {seed}"
            );
        }
    }
    let share = f64::from(held) / SEEDS as f64;
    println!(
        "{name}: {share:.3} hold the edge, {:.3} reached the resolution, {:.1} steps, {:.3} wide",
        f64::from(reached) / SEEDS as f64,
        steps as f64 / SEEDS as f64,
        widths / SEEDS as f64
    );
    share
}

/// The probability that a load fails: a logistic curve over its logarithm that rises from one in ten to nine in ten within
/// the share `width` of the edge.
fn logistic(edge: f64, width: f64) -> impl Fn(Step) -> f64 {
    let scale = width / (2.0 * 9.0_f64.ln());
    move |step| 1.0 / (1.0 + (-(step.load as f64 / edge).ln() / scale).exp())
}

fn sharp(edge: f64) -> impl Fn(Step) -> f64 {
    move |step| f64::from(u8::from(step.load as f64 > edge))
}

/// The same, but for the share `blips` of all steps, which fail or hold whatever the load.
fn with_blips(fails: impl Fn(Step) -> f64, blips: f64) -> impl Fn(Step) -> f64 {
    move |step| blips + (1.0 - 2.0 * blips) * fails(step)
}

#[test]
fn the_interval_holds_the_edge_as_often_as_it_says() {
    for edge in [3.5, 47.3, 333.3, 5_432.1] {
        for width in [0.0, 0.05, 0.10] {
            let name = format!("edge {edge}, {:.0} % wide", width * 100.0);
            let share = match width {
                0.0 => coverage(&name, OPTIONS, edge, sharp(edge)),
                _ => coverage(&name, OPTIONS, edge, logistic(edge, width)),
            };
            assert!(share >= LEVEL, "{name}: {share}");
        }
    }
}

#[test]
fn steps_that_fail_or_hold_for_no_reason_mislead_nobody() {
    for (edge, width) in [(333.3, 0.001), (333.3, 0.05), (5_432.1, 0.001)] {
        let fails = with_blips(logistic(edge, width), 0.02);
        let share = coverage(&format!("blips at {edge}, {width}"), OPTIONS, edge, fails);
        assert!(share >= LEVEL, "{edge} {width}: {share}");
    }
}

#[test]
fn a_short_budget_gives_what_is_known() {
    for budget_s in [100.0, 200.0, 300.0] {
        let options = Options {
            budget_s,
            ..OPTIONS
        };
        let share = coverage(
            &format!("{budget_s} s"),
            options,
            333.3,
            logistic(333.3, 0.05),
        );
        assert!(share >= LEVEL, "{budget_s}: {share}");
    }
    let short = |budget_s| {
        search(
            Options {
                budget_s,
                ..OPTIONS
            },
            |_| Answer::Held,
        )
    };
    let none = short(5.0);
    assert_eq!((none.end, none.steps.len()), (End::Budget, 0));
    assert_eq!(
        none.interval,
        LoadInterval {
            at_least: 0.0,
            below: None
        }
    );
    let two = short(27.0);
    assert_eq!(
        two.interval,
        LoadInterval {
            at_least: 20.0,
            below: None
        }
    );
}

#[test]
fn a_search_that_is_given_the_time_it_takes_ends_within_it() {
    for (start, edge, resolution) in [(10, 333, 0.05), (10, 80, 0.01), (100, 7, 0.3)] {
        let options = Options {
            start,
            resolution,
            ..OPTIONS
        };
        let takes_s = takes_s(options, edge);
        let within = |budget_s| {
            let options = Options {
                budget_s,
                ..options
            };
            search(options, |step| match step.load <= edge {
                true => Answer::Held,
                false => Answer::Failed,
            })
        };
        let went = within(takes_s);
        assert_eq!(went.end, End::ResolutionReached, "{edge}");
        let steps = went.steps.len() as f64;
        // A step is reckoned with half a second more around it than these have.
        assert!((takes_s - went.took_s - 0.5 * steps).abs() < 1e-6, "{edge}");
        assert_eq!(within(0.7 * takes_s).end, End::Budget, "{edge}");
    }
}

#[test]
fn it_goes_down_where_even_the_first_load_fails() {
    let start = Options {
        start: 1_000,
        ..OPTIONS
    };
    let share = coverage("below the start", start, 47.3, logistic(47.3, 0.05));
    assert!(share >= LEVEL, "{share}");
    let nothing = search(start, |_| Answer::Failed);
    assert_eq!(nothing.end, End::ResolutionReached);
    assert_eq!(
        nothing.interval,
        LoadInterval {
            at_least: 0.0,
            below: Some(1.0)
        }
    );
    let last: Vec<u64> = nothing.steps.iter().map(|(step, _)| step.load).collect();
    assert_eq!(last, [1_000, 500, 250, 125, 62, 31, 15, 7, 3, 1, 1]);
}

#[test]
fn a_load_that_cannot_be_made_is_no_edge() {
    let limited = |step: Step| match step.load {
        0..700 => Answer::Held,
        _ => Answer::Limit,
    };
    let went = search(OPTIONS, limited);
    assert_eq!((went.end, went.interval.below), (End::Limit, None));
    assert!(
        (660.0..700.0).contains(&went.interval.at_least),
        "{:?}",
        went.interval
    );
    assert!(went.confirmed.below && !went.confirmed.above);
    let most = search(
        Options {
            most: 100,
            ..OPTIONS
        },
        |_| Answer::Held,
    );
    assert_eq!((most.end, most.interval.at_least), (End::Limit, 100.0));
    // The server's edge is known though more could not be made either.
    let went = search(OPTIONS, |step| match step.load {
        0..400 => Answer::Held,
        400..600 => Answer::Failed,
        _ => Answer::Limit,
    });
    assert_eq!(went.end, End::ResolutionReached);
    assert!(holds(went.interval, 399.5));
}

#[test]
fn what_does_not_hold_for_long_is_searched_for_with_long_steps() {
    // Short steps hold up to 800, long ones up to 300.
    let fails = |step: Step| {
        let edge = if step.seconds < 60.0 { 800 } else { 300 };
        f64::from(u8::from(step.load > edge))
    };
    let options = Options {
        budget_s: 1_800.0,
        ..OPTIONS
    };
    let share = coverage("a leak", options, 300.5, fails);
    assert!(share >= LEVEL, "{share}");
    let went = search(OPTIONS, |step| match fails(step) > 0.5 {
        true => Answer::Failed,
        false => Answer::Held,
    });
    assert!(holds(went.interval, 300.5), "{:?}", went.interval);
    assert_eq!(went.end, End::Budget);
}

#[test]
fn both_sides_are_confirmed_and_near_the_edge_steps_are_repeated() {
    let went = search(OPTIONS, |step| match step.load <= 333 {
        true => Answer::Held,
        false => Answer::Failed,
    });
    assert_eq!(went.end, End::ResolutionReached);
    let of = |role| {
        let mut steps = went.steps.iter().filter(move |(step, _)| step.role == role);
        steps
            .next()
            .copied()
            .unwrap_or_else(|| panic!("no {role:?}"))
    };
    let (below, held) = of(Role::ConfirmBelow);
    assert_eq!((below.seconds, held), (60.0, Answer::Held));
    let (above, failed) = of(Role::ConfirmAbove);
    assert_eq!((above.seconds, failed), (10.0, Answer::Failed));
    assert!(below.load <= 333 && above.load > 333);
    assert_eq!(of(Role::Repeat).0.load, 640);
    assert!(went.took_s < 400.0, "{}", went.took_s);
}
