//! Where is the highest load that still holds, if each load can be tried and chance decides near the edge?
//!
//! A [`Search`] says which load to make next and is told what came of it. It doubles the load from where it starts (or
//! halves it) until one fails, narrows what lies between, and confirms both sides. What is known is a probability for
//! each place of the edge, which every step changes by Bayes' rule; the next load is its median, as in probabilistic
//! bisection (Horstein 1963, "Sequential transmission using noiseless feedback"; Waeber, Frazier & Henderson 2013,
//! "Bisection search with noisy responses"). There the chance of a wrong answer is known and the same everywhere. Here
//! it grows towards the edge by a logistic curve whose width is not known and is estimated too, as psychophysics does
//! (Kontsevich & Tyler 1999, "Bayesian adaptive estimation of psychometric slope and threshold"), and a few steps fail
//! or hold for no reason at all.
//!
//! How often the interval holds the edge is simulated in `tests/capacity.rs`.

mod once;
mod posterior;

use serde::{Deserialize, Serialize};

pub use once::near;
use posterior::Posterior;

/// The probability that the edge lies in the interval, of noise as the simulations have it.
pub const LEVEL: f64 = 0.95;
/// The edge's places are so much finer than the resolution.
const FINER: f64 = 5.0;
/// How far beyond what is known of the edge it is looked for.
const AROUND: f64 = 2.0;
/// What a step takes beside its load before one is known, in seconds.
const OVERHEAD_S: f64 = 3.0;

/// What is searched for, and how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// The first load.
    pub start: u64,
    /// The greatest load that may be asked for.
    pub most: u64,
    /// The width of the interval, relative to its lower end, that is narrow enough.
    pub resolution: f64,
    /// How long the search may take, in seconds.
    pub budget_s: f64,
    /// How long a step makes its load, in seconds.
    pub step_s: f64,
    /// How long the last load below the edge is made to confirm it, in seconds.
    pub confirm_s: f64,
    /// The factor by which the load grows at first in a search that believes each step at once: for whoever repeats the search and
    /// not its steps. Its interval is as wide as the resolution, and nobody knows how likely the edge lies in it.
    pub once: Option<f64>,
}

/// What a step is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// To find loads that hold and that do not, by doubling or halving.
    Grow,
    /// To narrow what lies between them.
    Bisect,
    /// A load that was made before, since chance decides near the edge.
    Repeat,
    /// A longer step just below the edge.
    ConfirmBelow,
    /// A step just above it, which is to fail again.
    ConfirmAbove,
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The load held.
    Held,
    /// It did not.
    Failed,
    /// It could not be made: nothing more can be asked for.
    Limit,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ask {
    /// Make this load.
    Step(Step),
    /// Nothing: the search has ended.
    Done(End),
}

/// A load to be made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The load.
    pub load: u64,
    /// How long, in seconds.
    pub seconds: f64,
    /// What for.
    pub role: Role,
}

/// Why a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The interval is as narrow as wanted and confirmed, or not even the least load holds.
    ResolutionReached,
    /// Another step would not fit in the budget.
    Budget,
    /// No greater load can be made.
    Limit,
}

/// Where the edge lies: the highest load that holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LoadInterval {
    /// At this load or above; 0 if none held.
    pub at_least: f64,
    /// Below this load; `None` if no load was too much.
    pub below: Option<f64>,
}

/// Which sides of the interval were confirmed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Confirmed {
    /// The load just below the edge held for longer.
    pub below: bool,
    /// The load just above it did not hold again.
    pub above: bool,
}

/// How long a search takes without a budget, in seconds, if every load up to `edge` holds and none above it.
#[must_use]
pub fn takes_s(options: Options, edge: u64) -> f64 {
    let mut search = Search::new(Options {
        budget_s: f64::INFINITY,
        ..options
    });
    while let Ask::Step(step) = search.next() {
        let answer = match step.load <= edge {
            true => Answer::Held,
            false => Answer::Failed,
        };
        search.tell(step, answer, step.seconds + OVERHEAD_S);
    }
    search.spent_s
}

/// A search under way.
#[derive(Debug, Clone)]
pub struct Search {
    options: Options,
    told: Vec<Told>,
    spent_s: f64,
    /// What all steps so far took beside their load.
    around_s: f64,
    /// What is known of the edge, once loads are known that hold and that fail.
    posterior: Option<Posterior>,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    step: Step,
    answer: Answer,
}

impl Told {
    fn held(&self) -> bool {
        self.answer == Answer::Held
    }
}

impl Search {
    /// A search that has yet to begin.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options: Options {
                start: options.start.clamp(1, options.most.max(1)),
                most: options.most.max(1),
                // Of a finer one nobody could make the steps.
                resolution: options.resolution.max(0.001),
                ..options
            },
            told: Vec::new(),
            spent_s: 0.0,
            around_s: 0.0,
            posterior: None,
        }
    }

    /// Tells what came of `step`, which took `took_s` seconds with all that belongs to it.
    pub fn tell(&mut self, step: Step, answer: Answer, took_s: f64) {
        self.around_s += took_s - step.seconds;
        self.spent_s += took_s;
        let long_limit = self.long_limit();
        self.told.push(Told { step, answer });
        let counts_as_before = long_limit == self.long_limit();
        if let Some(posterior) = &mut self.posterior
            && counts_as_before
        {
            posterior.learn(step.load, answer == Answer::Held);
            if !posterior.is_at_an_end() {
                return;
            }
        }
        self.posterior = match self.ends() {
            (Some(held), Some(failed)) if self.options.once.is_none() => {
                Some(self.learned(held, failed))
            }
            _ => None,
        };
    }

    /// Tells that a step took `took_s` seconds and came to nothing, so that it is asked for once more.
    pub fn lost(&mut self, took_s: f64) {
        self.spent_s += took_s;
    }

    /// What is left of the budget, in seconds.
    #[must_use]
    pub fn left_s(&self) -> f64 {
        (self.options.budget_s - self.spent_s).max(0.0)
    }

    /// What to do next.
    #[must_use]
    pub fn next(&self) -> Ask {
        let grow = |load| {
            let role = match self.was_asked(load) {
                true => Role::Repeat,
                false => Role::Grow,
            };
            self.within_budget(self.step(load, role))
        };
        if let Some(posterior) = &self.posterior {
            return self.narrow(posterior);
        }
        if let Some(factor) = self.options.once {
            return self.next_once(factor);
        }
        match self.ends() {
            // One that has failed once is tried again before the search turns.
            (None, None) => grow(
                self.told
                    .last()
                    .map_or(self.options.start, |it| it.step.load),
            ),
            (Some(held), None) if held >= self.options.most => Ask::Done(End::Limit),
            (Some(held), None) => grow(held.saturating_mul(2).min(self.options.most)),
            (None, Some(1)) => Ask::Done(self.end(0.0)),
            (_, Some(failed)) => grow(failed / 2),
        }
    }

    /// What is known of the edge so far, whether or not the search has ended.
    #[must_use]
    pub fn interval(&self) -> LoadInterval {
        let (at_least, below) = match &self.posterior {
            Some(posterior) => {
                let (low, high) = posterior.interval();
                (low, Some(high))
            }
            None => {
                let (held, failed) = self.ends();
                (held.unwrap_or(0), failed)
            }
        };
        let at_least = at_least as f64;
        let below = below.map(|load| load as f64);
        LoadInterval {
            at_least,
            below: below.filter(|_| !self.is_limited(at_least)),
        }
    }

    /// Which sides of the interval are confirmed.
    #[must_use]
    pub fn confirmed(&self) -> Confirmed {
        let LoadInterval { at_least, below } = self.interval();
        let near = 1.0 + self.options.resolution / 2.0;
        let long_held = |it: &Told| it.held() && self.is_long(it.step);
        let failed_again =
            |it: &Told| it.step.role == Role::ConfirmAbove && it.answer == Answer::Failed;
        let load = |it: &Told| it.step.load as f64;
        Confirmed {
            below: at_least > 0.0
                && (self.told.iter()).any(|it| long_held(it) && load(it) * near >= at_least),
            above: below.is_some_and(|below| {
                let close = |it: &Told| load(it) > at_least && load(it) <= below * near;
                self.told.iter().any(|it| failed_again(it) && close(it))
            }),
        }
    }

    /// The highest load that held, and the lowest that failed: twice and more often than it held, or once where nothing
    /// held at all.
    fn ends(&self) -> (Option<u64>, Option<u64>) {
        let loads = |held| {
            self.heard()
                .filter(move |it| it.held() == held)
                .map(|it| it.step.load)
        };
        let highest = loads(true).max();
        let failed = loads(false).filter(|load| {
            let failures = loads(false).filter(|it| it == load).count();
            let held = loads(true).filter(|it| it == load).count();
            let is_believed = failures >= 2 && failures > held || highest.is_none() && *load > 1;
            is_believed || self.options.once.is_some()
        });
        (highest, failed.min())
    }

    /// What counts of what was told. Two long steps that failed show that short ones do not tell what the server
    /// withstands for long: those that held are forgotten, down to half of that load.
    fn heard(&self) -> impl Iterator<Item = &Told> {
        let limit = self.long_limit();
        self.told.iter().filter(move |it| {
            let tells = |limit: f64| self.is_long(it.step) || it.step.load as f64 * AROUND <= limit;
            !it.held() || limit.is_none_or(tells)
        })
    }

    /// The load that failed in long steps, if two did.
    fn long_limit(&self) -> Option<f64> {
        let failed = |it: &&Told| it.step.role == Role::ConfirmBelow && !it.held();
        let loads: Vec<u64> = (self.told.iter().filter(failed))
            .map(|it| it.step.load)
            .collect();
        let most = loads.iter().max()?;
        (loads.len() >= 2).then_some(*most as f64)
    }

    fn is_long(&self, step: Step) -> bool {
        step.seconds >= self.options.confirm_s
    }

    /// Whether it is the load generator that ends what can be asked for at `low` and above.
    fn is_limited(&self, low: f64) -> bool {
        if self.options.once.is_some() {
            return self.is_next_limited(low);
        }
        let count = |answer| {
            let above = |it: &&Told| it.answer == answer && it.step.load as f64 > low;
            self.told.iter().filter(above).count()
        };
        let limits = count(Answer::Limit);
        limits > 0 && limits >= count(Answer::Failed)
    }

    /// How it ends once the edge is known, with `low` as the load that holds.
    fn end(&self, low: f64) -> End {
        match self.is_limited(low) {
            true => End::Limit,
            false => End::ResolutionReached,
        }
    }

    fn was_asked(&self, load: u64) -> bool {
        self.told.iter().any(|it| it.step.load == load)
    }

    /// A step as the search makes them now.
    fn step(&self, load: u64, role: Role) -> Step {
        let Options {
            step_s, confirm_s, ..
        } = self.options;
        let long = role == Role::ConfirmBelow || self.long_limit().is_some();
        Step {
            load,
            seconds: if long { confirm_s.max(step_s) } else { step_s },
            role,
        }
    }

    fn cost_s(&self, step: Step) -> f64 {
        let around_s = match self.told.len() {
            0 => OVERHEAD_S,
            steps => self.around_s / steps as f64,
        };
        step.seconds + around_s
    }

    fn within_budget(&self, step: Step) -> Ask {
        match self.cost_s(step) <= self.left_s() {
            true => Ask::Step(step),
            false => Ask::Done(End::Budget),
        }
    }

    /// The next step once loads are known that hold and that fail.
    fn narrow(&self, posterior: &Posterior) -> Ask {
        let (low, high) = posterior.interval();
        let end = self.end(low as f64);
        let Confirmed { below, above } = self.confirmed();
        let mut confirm = Vec::new();
        if !above && end != End::Limit {
            confirm.push(self.step(high.min(self.options.most), Role::ConfirmAbove));
        }
        if !below && low > 0 {
            confirm.push(self.step(low, Role::ConfirmBelow));
        }
        let width = (high - low) as f64;
        let is_narrow =
            width <= 1.0 || width <= low as f64 * self.options.resolution * (1.0 + 1e-9);
        if is_narrow {
            return match confirm.first() {
                Some(step) => self.within_budget(*step),
                None => Ask::Done(end),
            };
        }
        let load = posterior.median().clamp(1, self.options.most);
        let role = match self.was_asked(load) {
            true => Role::Repeat,
            false => Role::Bisect,
        };
        let next = self.step(load, role);
        // A number that is confirmed is worth more than a narrower one that is not.
        let reserve: f64 = confirm.iter().map(|step| self.cost_s(*step)).sum();
        if self.cost_s(next) + reserve <= self.left_s() {
            return Ask::Step(next);
        }
        let fits = |step: &&Step| self.cost_s(**step) <= self.left_s();
        match confirm.iter().rev().find(fits) {
            Some(step) => Ask::Step(*step),
            None => self.within_budget(next),
        }
    }

    /// The probability of each place of the edge, around the ends that are known, by all that counts.
    fn learned(&self, held: u64, failed: u64) -> Posterior {
        let least = held.min(failed) as f64 / AROUND;
        let most = (held.max(failed) as f64 * AROUND).min(2.0 * self.options.most as f64);
        let mut posterior = Posterior::new(least, most, self.options.resolution / FINER);
        for it in self.heard() {
            posterior.learn(it.step.load, it.held());
        }
        posterior
    }
}
