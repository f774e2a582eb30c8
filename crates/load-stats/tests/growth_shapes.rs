//! What `judge_growth` says of the shapes that memory takes under load: seeded simulations of a
//! two-minute hold and of a half-hour one, sampled each second, in MiB, with a bound of 64 MiB/h.

use load_stats::growth::{FlatReason, Growth, GrowthRule, judge_growth};

const RULE: GrowthRule = GrowthRule {
    bound_per_hour: 64.0,
    min_span: 90.0,
    min_samples: 60,
    alpha: 0.01,
};
const DRAWS: u64 = 100;
const TWO_MINUTES: u32 = 120;
/// A leak of 64 KiB in each of one request a second, in MiB/s.
const SLOW_LEAK: f64 = 64.0 / 1024.0;
/// The same at twenty requests a second.
const FAST_LEAK: f64 = 20.0 * SLOW_LEAK;

/// Noise beside the shape.
#[derive(Debug, Clone, Copy)]
enum Noise {
    None,
    /// Independent, with this standard deviation.
    White(f64),
    /// AR(1): standard deviation and correlation from second to second.
    Slow(f64, f64),
}

fn normal(random: &mut fastrand::Rng) -> f64 {
    // Box and Muller; 1 - f64() is never 0.
    (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (std::f64::consts::TAU * random.f64()).cos()
}

fn samples(
    seconds: u32,
    shape: impl Fn(f64) -> f64,
    noise: Noise,
    random: &mut fastrand::Rng,
) -> Vec<(f64, f64)> {
    let mut slow = match noise {
        Noise::Slow(deviation, _) => deviation * normal(random),
        _ => 0.0,
    };
    (0..=seconds)
        .map(f64::from)
        .map(|time| {
            let extra = match noise {
                Noise::None => 0.0,
                Noise::White(deviation) => deviation * normal(random),
                Noise::Slow(deviation, correlation) => {
                    slow = correlation * slow
                        + (1.0 - correlation * correlation).sqrt() * deviation * normal(random);
                    slow
                }
            };
            (time, 80.0 + shape(time) + extra)
        })
        .collect()
}

/// The share of seeded draws that are blamed; the shape may draw its own parameters.
fn blamed<S: Fn(f64) -> f64>(
    seconds: u32,
    noise: Noise,
    shape: impl Fn(&mut fastrand::Rng) -> S,
) -> f64 {
    let mut count = 0;
    for seed in 0..DRAWS {
        // Other draws than those that the method was shaped on.
        let mut random = fastrand::Rng::with_seed(seed + 500_000);
        let drawn = shape(&mut random);
        let verdict = judge_growth(&samples(seconds, drawn, noise, &mut random), RULE);
        assert!(
            !matches!(verdict, Growth::NotEvaluated { .. }),
            "{verdict:?}"
        );
        count += u32::from(matches!(verdict, Growth::Growing { .. }));
    }
    f64::from(count) / DRAWS as f64
}

/// Noise of a server's memory, from none to slow waves of 0.5 MiB.
const NOISES: [Noise; 4] = [
    Noise::None,
    Noise::White(1.0),
    Noise::Slow(0.3, 0.9),
    Noise::Slow(0.5, 0.97),
];
/// Waves of 2 MiB that last twenty seconds: far more than a server of ours shows.
const ROUGH: Noise = Noise::Slow(2.0, 0.95);

fn step(at: f64, height: f64) -> impl Fn(f64) -> f64 {
    move |time| if time >= at { height } else { 0.0 }
}

fn warm_up(height: f64, tau: f64) -> impl Fn(f64) -> f64 {
    move |time| height * (1.0 - (-time / tau).exp())
}

fn saw(height: f64, period: f64, phase: f64) -> impl Fn(f64) -> f64 {
    move |time| height * (time / period + phase).fract()
}

#[test]
fn a_leak_of_64_kib_a_request_is_found_in_two_minutes() {
    for noise in NOISES {
        let slow = blamed(TWO_MINUTES, noise, |_| |time| SLOW_LEAK * time);
        // 92 % of 400 other draws in the slowest noise, 99 % or more in the others.
        assert!(slow >= 0.85, "1 request/s, {noise:?}: {slow}");
        let fast = blamed(TWO_MINUTES, noise, |_| |time| FAST_LEAK * time);
        assert_eq!(fast, 1.0, "20 requests/s, {noise:?}");
    }
    let fast = blamed(TWO_MINUTES, ROUGH, |_| |time| FAST_LEAK * time);
    assert_eq!(fast, 1.0, "20 requests/s, {ROUGH:?}");
    let long = blamed(1_800, ROUGH, |_| |time| SLOW_LEAK * time);
    assert_eq!(long, 1.0, "1 request/s over half an hour, {ROUGH:?}");
}

#[test]
fn a_leak_is_found_behind_other_shapes() {
    let quiet = Noise::White(0.2);
    let behind_step = blamed(TWO_MINUTES, quiet, |random| {
        let step = step(random.f64() * 120.0, 50.0);
        move |time| SLOW_LEAK * time + step(time)
    });
    assert_eq!(behind_step, 1.0);
    let behind_warm_up = blamed(TWO_MINUTES, quiet, |_| {
        let warm_up = warm_up(20.0, 15.0);
        move |time| SLOW_LEAK * time + warm_up(time)
    });
    assert!(behind_warm_up >= 0.95, "{behind_warm_up}");
    let behind_saw = blamed(TWO_MINUTES, quiet, |random| {
        let saw = saw(5.0, 24.0, random.f64());
        move |time| 2.0 * SLOW_LEAK * time + saw(time)
    });
    assert!(behind_saw >= 0.95, "{behind_saw}");
    let stairs = blamed(TWO_MINUTES, quiet, |_| {
        |time: f64| 4.0 * (time / 15.0).floor()
    });
    assert_eq!(stairs, 1.0);
}

#[test]
fn one_allocation_that_stays_is_not_blamed_wherever_it_falls() {
    for at in 0..=TWO_MINUTES {
        for height in [0.5, 5.0, 50.0] {
            let shape = samples(
                TWO_MINUTES,
                step(f64::from(at), height),
                Noise::White(0.2),
                &mut fastrand::Rng::with_seed(u64::from(at)),
            );
            let verdict = judge_growth(&shape, RULE);
            assert!(
                matches!(verdict, Growth::Flat { .. }),
                "{height} MiB at {at} s: {verdict:?}"
            );
        }
    }
    for noise in NOISES {
        let steps = blamed(TWO_MINUTES, noise, |random| {
            step(random.f64() * 120.0, 50.0)
        });
        assert!(steps <= 0.01, "step, {noise:?}: {steps}");
        let two = blamed(TWO_MINUTES, noise, |random| {
            let one = step(random.f64() * 120.0, 25.0);
            let other = step(random.f64() * 120.0, 25.0);
            move |time| one(time) + other(time)
        });
        assert!(two <= 0.02, "two steps, {noise:?}: {two}");
        let slow = blamed(TWO_MINUTES, noise, |random| {
            let at = random.f64() * 120.0;
            move |time: f64| 50.0 * ((time - at) / 10.0).clamp(0.0, 1.0)
        });
        assert!(slow <= 0.02, "50 MiB within 10 s, {noise:?}: {slow}");
    }
}

#[test]
fn what_fills_up_or_is_given_back_is_not_blamed() {
    for noise in NOISES {
        for part in [2.0, 3.0, 5.0, 8.0, 20.0] {
            let share = blamed(TWO_MINUTES, noise, |_| warm_up(50.0, 120.0 / part));
            // Up to 14 % of 400 other draws, for the slowest warm-up in the slowest noise.
            assert!(
                share <= 0.2,
                "time constant 1/{part} of the hold, {noise:?}: {share}"
            );
        }
        let cache = blamed(TWO_MINUTES, noise, |_| |time: f64| (0.8 * time).min(50.0));
        assert!(
            cache <= 0.01,
            "page cache full after half of the hold, {noise:?}: {cache}"
        );
        for teeth in [1.5, 2.0, 3.0, 5.0, 8.3] {
            let share = blamed(TWO_MINUTES, noise, |random| {
                saw(20.0, 120.0 / teeth, random.f64())
            });
            assert!(share <= 0.01, "{teeth} teeth, {noise:?}: {share}");
        }
    }
}

#[test]
fn noise_and_growth_within_the_bound_are_not_blamed() {
    for noise in NOISES {
        let flat = blamed(TWO_MINUTES, noise, |_| |_| 0.0);
        assert_eq!(flat, 0.0, "{noise:?}");
        let within = blamed(TWO_MINUTES, noise, |_| |time| 16.0 / 3_600.0 * time);
        assert!(within <= 0.01, "16 MiB/h, {noise:?}: {within}");
        let falling = blamed(TWO_MINUTES, noise, |_| |time| -FAST_LEAK * time);
        assert_eq!(falling, 0.0, "falling, {noise:?}");
    }
    let rough = blamed(TWO_MINUTES, ROUGH, |_| |_| 0.0);
    assert!(rough <= 0.02, "{ROUGH:?}: {rough}");
}

#[test]
fn open_files_that_leak_one_in_ten_seconds_are_found() {
    let rule = GrowthRule {
        bound_per_hour: 60.0,
        ..RULE
    };
    let leak: Vec<(f64, f64)> = (0..=120)
        .map(f64::from)
        .map(|time| (time, 30.0 + (time / 10.0).floor()))
        .collect();
    let Growth::Growing { evidence } = judge_growth(&leak, rule) else {
        panic!(
            "a leak of files is not found: {:?}",
            judge_growth(&leak, rule)
        );
    };
    assert!((300.0..=420.0).contains(&evidence.per_hour), "{evidence:?}");
    let busy: Vec<(f64, f64)> = (0..=120)
        .map(|i| (f64::from(i), 30.0 + f64::from(i * 7 % 5)))
        .collect();
    assert!(matches!(judge_growth(&busy, rule), Growth::Flat { .. }));
}

#[test]
fn the_evidence_reports_the_injected_rate_and_step() {
    let mut random = fastrand::Rng::with_seed(11);
    let shape = samples(
        TWO_MINUTES,
        |time| FAST_LEAK * time + if time > 70.0 { 50.0 } else { 0.0 },
        Noise::White(0.2),
        &mut random,
    );
    let Growth::Growing { evidence } = judge_growth(&shape, RULE) else {
        panic!("not found")
    };
    let injected = FAST_LEAK * 3_600.0;
    assert!(
        (evidence.per_hour / injected - 1.0).abs() < 0.02,
        "{evidence:?}"
    );
    assert!(evidence.low <= evidence.per_hour);
    assert!(
        evidence.step.is_some_and(|step| (step - 50.0).abs() < 1.5),
        "{evidence:?}"
    );
    assert_eq!((evidence.growing_segments, evidence.span), (6, 120.0));

    let flat = samples(TWO_MINUTES, |_| 0.0, Noise::White(0.2), &mut random);
    assert!(matches!(
        judge_growth(&flat, RULE),
        Growth::Flat { reason: FlatReason::NoTrend, evidence } if evidence.p > 0.01
    ));
}

#[test]
fn too_little_or_unusable_data_are_not_evaluated() {
    let line: Vec<(f64, f64)> = (0..100).map(|i| (f64::from(i), f64::from(i))).collect();
    let mut broken = line.clone();
    broken[4].1 = f64::NAN;
    let still = [(5.0, 1.0); 100];
    let no_level = GrowthRule { alpha: 0.0, ..RULE };
    let any_span = GrowthRule {
        min_span: 0.0,
        ..RULE
    };
    for (samples, rule, expected) in [
        (&[][..], RULE, "0 samples of steady load, 60 needed"),
        (&line[..70], RULE, "69 s of steady load, 90 s needed"),
        (&broken, RULE, "value 4 (counted from 0) is NaN"),
        (&line, no_level, "alpha is 0"),
        (&still, any_span, "0 s of steady load"),
    ] {
        let Growth::NotEvaluated { why } = judge_growth(samples, rule) else {
            panic!("a verdict without {expected}");
        };
        assert!(why.contains(expected), "{why}");
    }
}
