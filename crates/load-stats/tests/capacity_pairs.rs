//! Capacities compared in pairs of searches that believe each step: how often a change is found that is there, and one
//! that is not.

use load_stats::capacity::{Answer, Ask, End, LoadInterval, Options, Search, near};
use load_stats::decide::{Metric, Rule, Verdict, decide};

const COMPARISONS: u64 = 1_000;
const RESOLUTION: f64 = 0.05;
/// As `cargo xtask compare --capacity` has it, and the pairs that it makes of one test.
const ALPHA: f64 = 0.025;
const PAIRS: usize = 7;

/// A server whose load fails by a logistic curve that rises from 10 to 90 % within the share `width` of its edge, and in
/// 2 % of all steps for no reason.
#[derive(Clone, Copy)]
struct Server {
    edge: f64,
    width: f64,
}

impl Server {
    fn fails(self, load: u64) -> f64 {
        let scale = self.width / (2.0 * 9.0_f64.ln());
        let curve = 1.0 / (1.0 + (-(load as f64 / self.edge).ln() / scale).exp());
        0.02 + 0.96 * curve
    }

    /// Where its edge is found, and by how many steps.
    fn search(
        self,
        start: u64,
        resolution: f64,
        factor: f64,
        random: &mut fastrand::Rng,
    ) -> (f64, usize) {
        let mut search = Search::new(Options {
            start,
            most: 50_000,
            resolution,
            budget_s: 3_600.0,
            step_s: 10.0,
            confirm_s: 10.0,
            once: Some(factor),
        });
        let mut steps = 0;
        let end = loop {
            match search.next() {
                Ask::Done(end) => break end,
                Ask::Step(step) => {
                    let answer = match random.f64() < self.fails(step.load) {
                        true => Answer::Failed,
                        false => Answer::Held,
                    };
                    search.tell(step, answer, 13.0);
                    steps += 1;
                }
            }
        };
        assert_eq!(end, End::ResolutionReached);
        let LoadInterval { at_least, below } = search.interval();
        let below = below.unwrap_or(f64::INFINITY);
        let widest = (at_least * (1.0 + resolution) * (1.0 + 1e-9)).max(at_least + 1.0);
        assert!(below <= widest, "{at_least} {below}");
        ((at_least * below).sqrt().max(0.5), steps)
    }
}

/// What the comparisons of two servers came to.
#[derive(Default)]
struct Came {
    worse: f64,
    better: f64,
    /// A p of at most the level, whatever the floor.
    significant: f64,
    steps: f64,
}

fn compare(width: f64, ratio: f64) -> Came {
    let mut came = Came::default();
    let one = 1.0 / COMPARISONS as f64;
    for seed in 0..COMPARISONS {
        let mut random = fastrand::Rng::with_seed(seed);
        let edge = 200.0 + 300.0 * random.f64();
        let sides = [edge, edge * ratio].map(|edge| Server { edge, width });
        let (first, steps) = sides[0].search(10, 0.25, 2.0, &mut random);
        came.steps += one * steps as f64;
        let (mut found, mut differences) = (vec![first], Vec::new());
        for _ in 0..PAIRS {
            let start = near(&found, RESOLUTION, random.f64()).unwrap_or(1);
            let factor = 1.0 + RESOLUTION;
            let [(base, b), (head, h)] =
                sides.map(|it| it.search(start, RESOLUTION, factor, &mut random));
            differences.push(Some((base / head).ln()));
            found.extend([base, head]);
            came.steps += one * (b + h) as f64;
        }
        let metric = Metric {
            differences,
            floor: -f64::ln_1p(-RESOLUTION),
        };
        let rule = Rule {
            alpha: ALPHA,
            looks: 1,
            ..Rule::of(PAIRS)
        };
        let decided = decide(&[vec![metric]], &rule).remove(0).metrics.remove(0);
        match decided.verdict {
            Verdict::Worse => came.worse += one,
            Verdict::Better => came.better += one,
            Verdict::Unchanged => {}
            Verdict::NotJudged(why) => panic!("{why}"),
        }
        let p = decided.evidence.map_or(1.0, |it| it.p);
        came.significant += f64::from(u8::from(p <= ALPHA)) * one;
    }
    println!(
        "{:.0} % wide, {:+.0} %: worse {:.3}, better {:.3}, significant {:.3}, {:.1} steps",
        width * 100.0,
        (ratio - 1.0) * 100.0,
        came.worse,
        came.better,
        came.significant,
        came.steps
    );
    came
}

#[test]
fn without_a_change_hardly_any_comparison_finds_one() {
    for width in [0.001, 0.05, 0.10, 0.20] {
        let came = compare(width, 1.0);
        assert!(came.worse + came.better <= 0.01, "{width}");
        // At most the level in either direction.
        assert!(came.significant <= 2.0 * ALPHA, "{width}");
    }
}

#[test]
fn a_change_of_two_to_three_resolutions_is_found_and_one_within_it_is_not() {
    for (width, ratio, found) in [
        (0.001, 0.90, 0.75),
        (0.001, 0.85, 0.85),
        (0.05, 0.85, 0.85),
        (0.10, 0.80, 0.85),
    ] {
        let came = compare(width, ratio);
        assert!(came.worse >= found, "{width} {ratio}: {}", came.worse);
        assert!(came.better == 0.0 && came.steps < 75.0, "{width} {ratio}");
        assert!(
            compare(width, 1.0 / ratio).better >= found,
            "{width} {ratio}"
        );
    }
    let within = compare(0.05, 0.95);
    assert!(within.worse + within.better <= 0.01);
}
